//! Prints what the command of a run writes.

use std::io;

use crate::cloud::{Error, ErrorKind, Result};
use crate::operations::{OutputStream, RunObserver};
use crate::output::Printer;

/// Writes each output of the command to the same stream of this process. If a document is printed at the end, both go to
/// standard error.
pub(super) struct RunOutput<'a> {
    printer: &'a mut Printer,
    is_running: bool,
    may_have_started: bool,
    was_broken: bool,
    /// Why an output of the command could not be written, the first time.
    write_error: Option<io::Error>,
}

impl<'a> RunOutput<'a> {
    pub(super) fn new(printer: &'a mut Printer) -> Self {
        Self {
            printer,
            is_running: false,
            may_have_started: false,
            was_broken: false,
            write_error: None,
        }
    }

    /// Whether the command runs, or may run without an answer that says so.
    pub(super) fn may_have_started(&self) -> bool {
        self.is_running || self.may_have_started
    }

    /// Checks that all of the output was written. A reader that closed its pipe wants no more.
    ///
    /// # Errors
    /// `Internal` if it was not.
    pub(super) fn check_written(&self) -> Result<()> {
        match &self.write_error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("the output of the command cannot be written: {error}");
                Err(Error::new(ErrorKind::Internal, message)
                    .with_hint("send it elsewhere, and run the same line again"))
            }
            _ => Ok(()),
        }
    }
}

impl RunObserver for RunOutput<'_> {
    fn on_start_possible(&mut self) {
        self.may_have_started = true;
    }

    fn on_output(&mut self, stream: OutputStream, bytes: &[u8]) {
        let to_errors = stream == OutputStream::Errors || self.printer.prints_document();
        let written = self.printer.pass_on(to_errors, bytes);
        self.write_error = self.write_error.take().or(written.err());
    }

    fn on_running(&mut self, was_started_now: bool) {
        if !self.is_running && !was_started_now {
            self.printer.note("attached to the command, which was started before");
        } else if self.was_broken {
            self.printer.note("connected again");
        }
        (self.is_running, self.was_broken) = (true, false);
    }

    fn on_broken_connection(&mut self, problem: &str) {
        if !self.was_broken {
            let what = if self.is_running {
                "the connection broke"
            } else {
                "not connected yet"
            };
            self.printer.note(&format!("{what}: {problem}; trying again"));
        }
        self.was_broken = true;
    }
}

//! Prints what the command of a run writes.

use std::io;

use crate::operations::{OutputStream, RunObserver};
use crate::output::Printer;

/// Writes each output of the command to the same stream of this process. If a document is printed at the end, both go to
/// standard error.
pub(super) struct RunOutput<'a> {
    printer: &'a mut Printer,
    is_running: bool,
    may_have_started: bool,
    was_broken: bool,
}

impl<'a> RunOutput<'a> {
    pub(super) fn new(printer: &'a mut Printer) -> Self {
        Self {
            printer,
            is_running: false,
            may_have_started: false,
            was_broken: false,
        }
    }

    /// Whether the command runs, or may run without an answer that says so.
    pub(super) fn may_have_started(&self) -> bool {
        self.is_running || self.may_have_started
    }
}

impl RunObserver for RunOutput<'_> {
    fn on_start_possible(&mut self) {
        self.may_have_started = true;
    }

    fn on_output(&mut self, stream: OutputStream, bytes: &[u8]) {
        let to_errors = stream == OutputStream::Errors || self.printer.prints_document();
        let written: io::Result<()> = self.printer.pass_on(to_errors, bytes);
        if let Err(error) = written {
            // The command goes on, and its exit code counts.
            tracing::debug!(%error, "the output of the command cannot be written");
        }
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

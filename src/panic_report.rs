//! What is printed for a panic, which is always a bug: one plain error in the output format that was asked for. The exit
//! code is 1.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::Location;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cloud::{Error, ErrorKind};
use crate::exit::ExitStatus;
use crate::output::{Printer, Streams, Terminal};
use crate::shutdown::Shutdown;

/// What the report of a panic depends on. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PanicReport(Arc<Mutex<Run>>);

#[derive(Debug, Default)]
struct Run {
    format: Option<String>,
    shutdown: Option<Shutdown>,
}

impl PanicReport {
    /// From here on a panic in any thread of the process is reported, and ends the process with exit code 1. The hook
    /// runs before a panic unwinds or aborts, so this holds for builds that abort, too.
    pub fn install() -> Self {
        let report = Self::default();
        let run = Arc::clone(&report.0);
        let is_reported = AtomicBool::new(false);
        std::panic::set_hook(Box::new(move |panic| {
            if is_reported.swap(true, Ordering::SeqCst) {
                // Another thread is reporting its own panic and ends the process. Returning would abort it.
                loop {
                    std::thread::park();
                }
            }
            // A thread that panicked with the lock held has it still.
            let (format, interrupt) = match run.try_lock() {
                Ok(run) => (run.format.clone(), run.shutdown.clone()),
                Err(_) => (None, None),
            };
            let may_have_changed = interrupt.is_some_and(|interrupt| interrupt.may_be_changing());
            print_error(&panic_error(panic.location(), may_have_changed), format.as_deref());
            process::exit(i32::from(ExitStatus::from_kind(ErrorKind::Internal).code()));
        }));
        report
    }

    /// Sets the output format of the report; `None` is plain text.
    pub fn set_format(&self, format: Option<&str>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).format = format.map(str::to_owned);
    }

    /// Sets where to look up whether a change is in flight.
    pub fn set_shutdown(&self, interrupt: &Shutdown) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shutdown = Some(interrupt.clone());
    }
}

/// The panic's own message is left out: it may have values in it.
fn panic_error(location: Option<&Location<'_>>, may_have_changed: bool) -> Error {
    let place = location
        .map(|location| format!(" at {}:{}", shorten_path(location.file()), location.line()))
        .unwrap_or_default();
    match may_have_changed {
        true => Error::new(
            ErrorKind::Internal,
            format!("cloudctl met a bug{place} while a change was in flight: a VM may exist"),
        )
        .with_hint("look with `cloudctl list`, or run the same command again, which never makes a second VM"),
        false => Error::new(ErrorKind::Internal, format!("cloudctl met a bug{place}"))
            .with_hint("report it with the command that led to it; RUST_BACKTRACE=1 shows more"),
    }
}

/// A source file without the folders of the machine that built it.
fn shorten_path(file: &str) -> &str {
    match file.split_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, file)| file),
        None => file,
    }
}

fn print_error(error: &Error, format: Option<&str>) {
    let streams = Streams {
        stdout: Box::new(io::stdout()),
        stderr: Box::new(io::stderr()),
    };
    let mut printer = Printer::new(streams, Terminal::default());
    // A format that is not known is not used.
    let _ = printer.set_format(format, false);
    printer.report_failure(error.clone());
    // Nothing but functions and lines. It is there only if RUST_BACKTRACE asks for it.
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let _ = writeln!(io::stderr(), "{trace}");
    }
}

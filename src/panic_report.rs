//! Reports a panic, which is always a bug: prints one error in the requested output format, and exits with code 1.

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

/// The data for the report of a panic. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PanicReport(Arc<Mutex<ReportData>>);

#[derive(Debug, Default)]
struct ReportData {
    format: Option<String>,
    shutdown: Option<Shutdown>,
}

impl PanicReport {
    /// Installs the panic hook. It reports a panic of any thread and ends the process with exit code 1. The hook runs before
    /// a panic unwinds or aborts, so it also works in builds that abort.
    pub fn install() -> Self {
        let report = Self::default();
        let data = Arc::clone(&report.0);
        let is_reported = AtomicBool::new(false);
        std::panic::set_hook(Box::new(move |panic| {
            if is_reported.swap(true, Ordering::SeqCst) {
                // Another thread reports its own panic and ends the process. Returning here would abort the report.
                loop {
                    std::thread::park();
                }
            }
            // A thread that panicked with the lock still holds it.
            let (format, shutdown) = match data.try_lock() {
                Ok(data) => (data.format.clone(), data.shutdown.clone()),
                Err(_) => (None, None),
            };
            let may_have_changed = shutdown.is_some_and(|shutdown| shutdown.may_be_changing());
            print_error(&panic_error(panic.location(), may_have_changed), format.as_deref());
            process::exit(i32::from(ExitStatus::from_kind(ErrorKind::Internal).code()));
        }));
        report
    }

    /// Sets the output format of the report; `None` is plain text.
    pub fn set_format(&self, format: Option<&str>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).format = format.map(str::to_owned);
    }

    /// Sets the shutdown, which says whether a change is in progress.
    pub fn set_shutdown(&self, shutdown: &Shutdown) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shutdown = Some(shutdown.clone());
    }
}

/// Creates the error for a panic, without the panic's own message, which can contain secrets.
fn panic_error(location: Option<&Location<'_>>, may_have_changed: bool) -> Error {
    let position = match location {
        Some(location) => format!(" at {}:{}", shorten_path(location.file()), location.line()),
        None => String::new(),
    };
    match may_have_changed {
        true => Error::new(
            ErrorKind::Internal,
            format!("a bug in cloudctl{position} stopped it while a change was in progress: a VM may exist"),
        )
        .with_hint("look with `cloudctl list`, or run the same command again, which never makes a second VM"),
        false => Error::new(ErrorKind::Internal, format!("a bug in cloudctl{position} stopped it"))
            .with_hint("report it with the command that led to it; RUST_BACKTRACE=1 shows more"),
    }
}

/// Removes the folders of the build machine from the path of a source file.
fn shorten_path(file: &str) -> &str {
    let Some((_, in_registry)) = file.split_once("/registry/src/") else {
        return file;
    };
    match in_registry.split_once('/') {
        Some((_, in_crates)) => in_crates,
        None => in_registry,
    }
}

fn print_error(error: &Error, format: Option<&str>) {
    let streams = Streams {
        stdout: Box::new(io::stdout()),
        stderr: Box::new(io::stderr()),
    };
    let mut printer = Printer::new(streams, Terminal::default());
    // An invalid format leaves the default one.
    let _ = printer.set_format(format, false);
    printer.report_failure(error.clone());
    // A backtrace has only functions and lines. It is captured only if RUST_BACKTRACE is set.
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let _ = writeln!(io::stderr(), "{trace}");
    }
}

//! Handles SIGINT and SIGTERM, and lets calls in progress finish.
//!
//! Outside of a critical section the first signal ends the process at once, with exit code 130 or 143. In a critical
//! section, while a change is in progress, no other change begins, waits end, and calls in progress get [`GRACE_PERIOD`]
//! to finish, so that the run can name what exists. A second signal ends the process at once; the next run of the same
//! command finds what this one did.

use std::io::{self, IsTerminal, Write};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cloud::{Error, ErrorKind, Result};
use crate::exit::ExitStatus;

/// The time that a run may continue after a signal.
pub const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// The time after a signal at which calls in progress are given up. The rest of the grace period is for reading their
/// outcome.
const CALL_GRACE: Duration = Duration::from_millis(3_000);
/// The time after a signal at which these reads are given up. The rest is for printing, on a machine that may be busy.
const READ_GRACE: Duration = Duration::from_millis(4_200);

/// The state of the shutdown, shared by all parts of a run. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    state: Arc<Mutex<State>>,
    /// The time of the first signal.
    signal: watch::Sender<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of changes in progress.
    changes: usize,
    /// Whether a change is finished. The run then ends by itself, with its own exit status.
    change_finished: bool,
    /// The exit status of the first signal.
    signal_status: Option<ExitStatus>,
    /// Who gets SIGINT in the place of the run.
    interrupt_listener: Option<mpsc::UnboundedSender<()>>,
}

/// Each SIGINT as long as it lives: they do not end the run then.
#[derive(Debug)]
pub struct Interrupts {
    received: mpsc::UnboundedReceiver<()>,
    state: Arc<Mutex<State>>,
}

impl Interrupts {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.received.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        lock(&self.state).interrupt_listener = None;
    }
}

/// Marks a change as in progress as long as it lives: from before the first call until the outcome is printed.
#[derive(Debug)]
pub struct CriticalSection(Arc<Mutex<State>>);

impl Drop for CriticalSection {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.changes -= 1;
        state.change_finished = true;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            signal: watch::Sender::new(None),
        }
    }
}

impl Shutdown {
    /// Marks the beginning of a change.
    ///
    /// # Errors
    /// `Interrupted` if a signal has come, so that the change must not begin.
    pub fn enter_critical_section(&self) -> Result<CriticalSection> {
        let mut state = lock(&self.state);
        if state.signal_status.is_some() {
            return Err(interrupted_error());
        }
        state.changes += 1;
        Ok(CriticalSection(Arc::clone(&self.state)))
    }

    /// Whether a change may be in progress. Also true if the lock is held, as it can be in a panic.
    pub fn may_be_changing(&self) -> bool {
        self.state.try_lock().map_or(true, |state| state.changes > 0)
    }

    /// Whether a change was made, or tried, and its outcome is known.
    pub fn has_finished_change(&self) -> bool {
        lock(&self.state).change_finished
    }

    /// Checks that no signal has come.
    ///
    /// # Errors
    /// `Interrupted` if one has come.
    pub fn check_no_signal(&self) -> Result<()> {
        match self.signal_status() {
            Some(_) => Err(interrupted_error()),
            None => Ok(()),
        }
    }

    /// The exit status of the signal for a run without changes; `None` if no signal has come.
    pub fn signal_status(&self) -> Option<ExitStatus> {
        lock(&self.state).signal_status
    }

    /// Waits for a signal. Never returns if none comes.
    pub async fn wait_for_signal(&self) {
        self.wait_for_signal_time().await;
    }

    async fn wait_for_signal_time(&self) -> Instant {
        let mut signal = self.signal.subscribe();
        // Never an error: the sender lives as long as `self`.
        let time = signal.wait_for(Option::is_some).await.ok().and_then(|time| *time);
        time.unwrap_or_else(Instant::now)
    }

    /// Runs work that changes nothing, until a signal.
    ///
    /// # Errors
    /// `Interrupted` at a signal; those of `work`.
    pub async fn run_until_signal<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            () = self.wait_for_signal() => Err(interrupted_error()),
        }
    }

    /// Runs work that changes something to its end. After a signal it gets a time limit, counted from the signal for all
    /// work of the run together. `None` means that the outcome is unknown.
    pub async fn finish_in_grace_period<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.run_until(CALL_GRACE, work).await
    }

    /// Runs a read of the outcome of an unfinished call; `None` if the grace period leaves no time for it.
    pub async fn final_read<T>(&self, read: impl Future<Output = T>) -> Option<T> {
        self.run_until(READ_GRACE, read).await
    }

    /// Runs work until this time after a signal; `None` if it did not finish.
    async fn run_until<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let deadline = async {
            let signal_time = self.wait_for_signal_time().await;
            tokio::time::sleep_until(signal_time + limit).await;
        };
        tokio::select! {
            result = work => Some(result),
            () = deadline => None,
        }
    }

    /// Starts to handle signals, also while the rest of the process waits for input on the terminal.
    pub fn start_signal_handling(&self) {
        // Without it the signals do what they do by default: end the process.
        let _ = self.start_signal_thread();
    }

    fn start_signal_thread(&self) -> io::Result<()> {
        let shutdown = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Not in the thread: the handlers must be there before a change can begin.
        let signals = runtime.block_on(async { Signals::register() })?;
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || runtime.block_on(shutdown.handle_signals(signals)))?;
        Ok(())
    }

    /// Takes SIGINT, to pass it on to something else.
    pub fn take_interrupts(&self) -> Interrupts {
        let (sender, received) = mpsc::unbounded_channel();
        lock(&self.state).interrupt_listener = Some(sender);
        Interrupts {
            received,
            state: Arc::clone(&self.state),
        }
    }

    /// Passes a SIGINT to its listener. Gives whether there was one.
    fn pass_on(&self, signal: ExitStatus) -> bool {
        let state = lock(&self.state);
        let listener = state.interrupt_listener.as_ref();
        signal == ExitStatus::INTERRUPTED && listener.is_some_and(|listener| listener.send(()).is_ok())
    }

    /// Waits for signals, and ends the process at the second one or at the end of the grace period.
    async fn handle_signals(&self, mut signals: Signals) {
        let first = loop {
            let signal = signals.next().await;
            if !self.pass_on(signal) {
                break signal;
            }
        };
        {
            let mut state = lock(&self.state);
            state.signal_status = Some(first);
            if state.changes == 0 && !state.change_finished {
                // The lock is still held, so no change can begin.
                write_stderr("interrupted; no call was in progress");
                process::exit(i32::from(first.code()));
            }
        }
        write_stderr("interrupted: waiting for calls in progress; press Ctrl-C again to exit now");
        let signal_time = Instant::now();
        self.signal.send_replace(Some(signal_time));
        tokio::select! {
            second = signals.next() => process::exit(i32::from(second.code())),
            () = tokio::time::sleep_until(signal_time + GRACE_PERIOD) => {
                write_stderr("error: interrupted while a change was in progress: its outcome is unknown");
                write_stderr("hint: run the same command again: it finds what was done and does the rest");
                process::exit(i32::from(ExitStatus::UNKNOWN.code()));
            }
        }
    }
}

/// Creates the error for work that did not begin because of a signal.
pub fn interrupted_error() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted before anything was done")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_stderr(line: &str) {
    let mut stderr = io::stderr();
    // A terminal shows `^C`, and perhaps progress, so begin a new line there. A closed stderr must not stop the run.
    let start = if stderr.is_terminal() { "\n" } else { "" };
    let _ = writeln!(stderr, "{start}{line}");
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> ExitStatus {
        tokio::select! {
            _ = self.interrupt.recv() => ExitStatus::INTERRUPTED,
            _ = self.terminate.recv() => ExitStatus::TERMINATED,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> ExitStatus {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        ExitStatus::INTERRUPTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_is_refused_after_a_signal() {
        let shutdown = Shutdown::default();
        let change = shutdown.enter_critical_section().unwrap();
        assert_eq!(lock(&shutdown.state).changes, 1);
        drop(change);
        assert_eq!(lock(&shutdown.state).changes, 0);
        lock(&shutdown.state).signal_status = Some(ExitStatus::INTERRUPTED);
        assert_eq!(
            shutdown.enter_critical_section().unwrap_err().kind(),
            ErrorKind::Interrupted
        );
        assert!(shutdown.check_no_signal().is_err());
    }

    #[tokio::test]
    async fn signal_ends_a_read_and_lets_a_change_finish() {
        let shutdown = Shutdown::default();
        shutdown.signal.send_replace(Some(Instant::now()));
        let quick = tokio::time::sleep(Duration::from_millis(5));
        assert!(shutdown.finish_in_grace_period(quick).await.is_some());
        let read = std::future::pending::<Result<()>>();
        assert_eq!(
            shutdown.run_until_signal(read).await.unwrap_err().kind(),
            ErrorKind::Interrupted
        );
    }

    #[tokio::test]
    async fn later_work_gets_the_rest_of_the_grace_period() {
        let shutdown = Shutdown::default();
        let now = Instant::now();
        let signal_time = now.checked_sub(CALL_GRACE - Duration::from_millis(50)).unwrap();
        shutdown.signal.send_replace(Some(signal_time));
        let endless = std::future::pending::<()>();
        assert!(shutdown.finish_in_grace_period(endless).await.is_none());
        assert!(now.elapsed() < CALL_GRACE / 2);
    }
}

//! The wish to stop: a signal, and what it means by what is in flight.
//!
//! With nothing in flight the first SIGINT or SIGTERM ends the process at once, with 130 or 143. While a change is in
//! flight it is a wish: no other change begins, waiting ends, and what is in flight gets [`GRACE_PERIOD`] to come to an end,
//! so that what exists can be named. A second signal ends the process at once; running the command again then finds
//! what the first run did.

use std::io::{IsTerminal, Write};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::cloud::{Error, ErrorKind, Result};
use crate::exit::ExitStatus;

/// How long what is in flight may take to settle after a signal.
pub const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// When the calls under way have had their time; what follows is for looking at what came of them.
const CALL_GRACE: Duration = Duration::from_millis(3_000);
/// When that has had its time, too. What is known must then still be printed, on a machine that may be busy.
const READ_GRACE: Duration = Duration::from_millis(4_200);

/// The wish to stop, shared by all of a run. Clones are the same wish.
#[derive(Clone, Debug)]
pub struct Shutdown {
    flight: Arc<Mutex<State>>,
    /// When the signal came.
    wish: watch::Sender<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    changes: usize,
    /// Whether a change has come to its end: what is left is to leave, with its own exit status.
    landed: bool,
    wished: Option<ExitStatus>,
}

/// While this lives a change counts as in flight: from before it begins until what came of it is printed.
#[derive(Debug)]
pub struct CriticalSection(Arc<Mutex<State>>);

impl Drop for CriticalSection {
    fn drop(&mut self) {
        let mut flight = lock(&self.0);
        flight.changes -= 1;
        flight.landed = true;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            flight: Arc::default(),
            wish: watch::Sender::new(None),
        }
    }
}

impl Shutdown {
    /// Says that a change begins.
    ///
    /// # Errors
    /// `Interrupted` if a signal has come, and the change must not begin.
    pub fn enter_critical_section(&self) -> Result<CriticalSection> {
        let mut flight = lock(&self.flight);
        if flight.wished.is_some() {
            return Err(interrupted_error());
        }
        flight.changes += 1;
        Ok(CriticalSection(Arc::clone(&self.flight)))
    }

    /// Whether a change may be in flight. For a panic, which can come while the lock is held: then it may be.
    pub fn may_be_changing(&self) -> bool {
        self.flight.try_lock().map_or(true, |flight| flight.changes > 0)
    }

    /// Checks that no signal has come.
    ///
    /// # Errors
    /// `Interrupted` if one has.
    pub fn check(&self) -> Result<()> {
        match self.status() {
            Some(_) => Err(interrupted_error()),
            None => Ok(()),
        }
    }

    /// The exit status that the signal asks for where nothing was in flight; `None` if no signal has come.
    pub fn status(&self) -> Option<ExitStatus> {
        lock(&self.flight).wished
    }

    /// Waits for a signal, for ever if none comes.
    pub async fn signalled(&self) {
        self.signal_time().await;
    }

    async fn signal_time(&self) -> Instant {
        let mut wish = self.wish.subscribe();
        // The sender lives as long as this does.
        let came = wish.wait_for(Option::is_some).await.ok().and_then(|wish| *wish);
        came.unwrap_or_else(Instant::now)
    }

    /// Runs what changes nothing, up to the first signal.
    ///
    /// # Errors
    /// `Interrupted` at a signal; those of `work`.
    pub async fn run_until_signal<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            () = self.signalled() => Err(interrupted_error()),
        }
    }

    /// Runs what changes something to its end, or after a signal for as long as it is given to settle, counted from the
    /// signal however many steps it takes; then it is `None` what came of it.
    pub async fn finish_in_grace_period<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let patience = async {
            let came = self.signal_time().await;
            tokio::time::sleep_until(came + CALL_GRACE).await;
        };
        tokio::select! {
            result = work => Some(result),
            () = patience => None,
        }
    }

    /// Looks, after a signal, at what came of a call that did not settle; `None` if there is no time left for it.
    pub async fn final_read<T>(&self, look: impl Future<Output = T>) -> Option<T> {
        let patience = async {
            let came = self.signal_time().await;
            tokio::time::sleep_until(came + READ_GRACE).await;
        };
        tokio::select! {
            seen = look => Some(seen),
            () = patience => None,
        }
    }

    /// Listens for signals from here on, in a thread of its own, so that they are heard while the rest of the process
    /// waits for an answer on the terminal.
    pub fn listen(&self) {
        let interrupt = self.clone();
        // Without a runtime the signals do what they do by default: end the process.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        // Here and not in the thread: no change may begin before they are heard.
        let signals = {
            let _inside = runtime.enter();
            Signals::new()
        };
        if let Some(signals) = signals {
            let _ = std::thread::Builder::new()
                .name("signals".to_owned())
                .spawn(move || runtime.block_on(interrupt.watch(signals)));
        }
    }

    async fn watch(&self, mut signals: Signals) {
        let first = signals.next().await;
        {
            let mut flight = lock(&self.flight);
            flight.wished = Some(first);
            if flight.changes == 0 && !flight.landed {
                // The lock is still held: no change can begin any more.
                write_stderr("interrupted; nothing was in flight");
                process::exit(i32::from(first.code()));
            }
        }
        write_stderr("interrupted: ending what is in flight; once more to leave at once");
        let came = Instant::now();
        self.wish.send_replace(Some(came));
        tokio::select! {
            second = signals.next() => process::exit(i32::from(second.code())),
            () = tokio::time::sleep_until(came + GRACE_PERIOD) => {
                write_stderr("error: interrupted while a change was in flight: it is not known what came of it");
                write_stderr("hint: run the same command again: it finds what was done and does the rest");
                process::exit(i32::from(ExitStatus::UNKNOWN.code()));
            }
        }
    }
}

/// The error for what a signal kept from beginning.
pub fn interrupted_error() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted before anything was done")
}

fn lock(flight: &Mutex<State>) -> MutexGuard<'_, State> {
    flight.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_stderr(line: &str) {
    let mut stderr = std::io::stderr();
    // Where a terminal shows `^C`, and perhaps how far it is, a line of its own. A closed stderr must not stop what is
    // being done.
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
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
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
    fn new() -> Option<Self> {
        Some(Self)
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
    fn no_change_begins_after_a_signal() {
        let interrupt = Shutdown::default();
        let change = interrupt.enter_critical_section().unwrap();
        assert_eq!(lock(&interrupt.flight).changes, 1);
        drop(change);
        assert_eq!(lock(&interrupt.flight).changes, 0);
        lock(&interrupt.flight).wished = Some(ExitStatus::INTERRUPTED);
        assert_eq!(
            interrupt.enter_critical_section().unwrap_err().kind(),
            ErrorKind::Interrupted
        );
        assert!(interrupt.check().is_err());
    }

    #[tokio::test]
    async fn a_signal_ends_reading_at_once_and_lets_a_change_settle() {
        let interrupt = Shutdown::default();
        interrupt.wish.send_replace(Some(Instant::now()));
        let quick = tokio::time::sleep(Duration::from_millis(5));
        assert!(interrupt.finish_in_grace_period(quick).await.is_some());
        let read = std::future::pending::<Result<()>>();
        assert_eq!(
            interrupt.run_until_signal(read).await.unwrap_err().kind(),
            ErrorKind::Interrupted
        );
    }

    #[tokio::test]
    async fn a_later_step_has_only_what_is_left_of_the_time() {
        let interrupt = Shutdown::default();
        let now = Instant::now();
        let came = now.checked_sub(CALL_GRACE - Duration::from_millis(50)).unwrap();
        interrupt.wish.send_replace(Some(came));
        assert!(
            interrupt
                .finish_in_grace_period(std::future::pending::<()>())
                .await
                .is_none()
        );
        assert!(now.elapsed() < CALL_GRACE / 2);
    }
}

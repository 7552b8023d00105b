//! How long a cloud may keep others waiting: a limit on its silence, not on its work, for a big account takes long.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Measures time without the part of it that went into what is no cloud's doing.
#[derive(Debug)]
pub(super) struct ActiveTimer {
    started: Instant,
    paused: Mutex<Duration>,
}

impl ActiveTimer {
    /// Begins to measure.
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            paused: Mutex::default(),
        }
    }

    /// Does something that holds up everything, such as printing to a reader who takes their time; that does not count.
    pub(super) fn exclude<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) += began.elapsed();
        result
    }

    fn elapsed(&self) -> Duration {
        let paused = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        self.started.elapsed().saturating_sub(paused)
    }
}

/// The time since a location last said something.
#[derive(Debug)]
pub(super) struct IdleTimeout<'a> {
    watch: &'a ActiveTimer,
    longest: Duration,
    since: Mutex<Duration>,
}

impl<'a> IdleTimeout<'a> {
    /// Silence from now on, of which `longest` is borne.
    pub(super) fn start(watch: &'a ActiveTimer, longest: Duration) -> Self {
        Self {
            watch,
            longest,
            since: Mutex::new(watch.elapsed()),
        }
    }

    /// Something was said.
    pub(super) fn restart(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = self.watch.elapsed();
    }

    fn left(&self) -> Duration {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        (since + self.longest).saturating_sub(self.watch.elapsed())
    }

    /// Runs `call` to its end; `None` if it was silent for too long.
    pub(super) async fn run<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = std::pin::pin!(call);
        loop {
            let left = self.left();
            // The limit moves while it is waited for.
            match timeout(left, &mut call).await {
                Ok(result) => return Some(result),
                Err(_) if self.left().is_zero() => return None,
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LONGEST: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn what_goes_on_answering_may_take_long_and_what_is_silent_may_not() {
        let watch = ActiveTimer::start();
        let silence = IdleTimeout::start(&watch, LONGEST);
        let talkative = async {
            for _ in 0..8 {
                sleep(LONGEST / 4).await;
                silence.restart();
            }
        };
        assert!(silence.run(talkative).await.is_some());
        assert!(silence.run(sleep(LONGEST * 50)).await.is_none());
        assert!(watch.elapsed() < LONGEST * 25);
    }

    #[tokio::test]
    async fn a_slow_reader_is_no_silence() {
        let watch = ActiveTimer::start();
        let silence = IdleTimeout::start(&watch, LONGEST);
        let held_up = async {
            watch.exclude(|| std::thread::sleep(LONGEST * 2));
            sleep(LONGEST / 4).await;
        };
        assert!(silence.run(held_up).await.is_some());
    }
}

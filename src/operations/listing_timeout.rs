//! Limits how long a cloud may send nothing. A listing of a large account may take long, as long as pages come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Measures time, without the time that is excluded.
#[derive(Debug)]
pub(super) struct ActiveTimer {
    started: Instant,
    excluded: Mutex<Duration>,
}

impl ActiveTimer {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            excluded: Mutex::default(),
        }
    }

    /// Does work whose time does not count, such as printing to a slow reader, which holds up all listings.
    pub(super) fn exclude<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        *self.excluded.lock().unwrap_or_else(PoisonError::into_inner) += started.elapsed();
        result
    }

    fn elapsed(&self) -> Duration {
        let excluded = *self.excluded.lock().unwrap_or_else(PoisonError::into_inner);
        self.started.elapsed().saturating_sub(excluded)
    }
}

/// Limits the time since the last sign of life of a call.
#[derive(Debug)]
pub(super) struct IdleTimeout<'a> {
    timer: &'a ActiveTimer,
    limit: Duration,
    /// The timer's time of the last sign of life.
    last_active: Mutex<Duration>,
}

impl<'a> IdleTimeout<'a> {
    /// Starts a timeout of `limit`. Every page restarts it.
    pub(super) fn start(timer: &'a ActiveTimer, limit: Duration) -> Self {
        Self {
            timer,
            limit,
            last_active: Mutex::new(timer.elapsed()),
        }
    }

    /// Starts the time again.
    pub(super) fn restart(&self) {
        *self.last_active.lock().unwrap_or_else(PoisonError::into_inner) = self.timer.elapsed();
    }

    fn remaining(&self) -> Duration {
        let last_active = *self.last_active.lock().unwrap_or_else(PoisonError::into_inner);
        (last_active + self.limit).saturating_sub(self.timer.elapsed())
    }

    /// Runs `call` to its end; `None` if the time was up.
    pub(super) async fn run<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = std::pin::pin!(call);
        loop {
            // The call itself restarts the timeout, so the time can be up later than it seems here.
            match timeout(self.remaining(), &mut call).await {
                Ok(result) => return Some(result),
                Err(_) if self.remaining().is_zero() => return None,
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn idle_timeout_ends_a_silent_call_and_no_active_one() {
        let timer = ActiveTimer::start();
        let timeout = IdleTimeout::start(&timer, LIMIT);
        let active_call = async {
            for _ in 0..8 {
                sleep(LIMIT / 4).await;
                timeout.restart();
            }
        };
        assert!(timeout.run(active_call).await.is_some());
        assert!(timeout.run(sleep(LIMIT * 50)).await.is_none());
        assert!(timer.elapsed() < LIMIT * 25);
    }

    #[tokio::test]
    async fn idle_timeout_does_not_count_a_slow_reader() {
        let timer = ActiveTimer::start();
        let timeout = IdleTimeout::start(&timer, LIMIT);
        let slow_reader = async {
            timer.exclude(|| std::thread::sleep(LIMIT * 2));
            sleep(LIMIT / 4).await;
        };
        assert!(timeout.run(slow_reader).await.is_some());
    }
}

//! The rate limit of changing calls, found by what the project's quota refuses.
//! <https://cloud.google.com/compute/api-quota>

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Calls per second at the start.
const FIRST_RATE: f64 = 20.0;
/// Calls per second at least.
const MIN_RATE: f64 = 2.0;
/// How many unused calls may be sent at once.
const BURST: f64 = 10.0;
/// By which part the rate grows in a second: `GROWTH` where no call was throttled for [`REMEMBER_REFUSAL`], `RECOVERY`
/// up to the rate that was throttled last.
const GROWTH: f64 = 0.01;
const RECOVERY: f64 = 0.1;
/// Which part of the rate remains after a throttled call, and up to which part it recovers at first.
const AFTER_REFUSAL: f64 = 0.9;
const NEAR_REFUSAL: f64 = 0.95;
/// How long the rate of a throttled call is remembered.
const REMEMBER_REFUSAL: Duration = Duration::from_secs(20);
/// Pause after a throttled call.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(250);
/// After a minute of throttled calls only, the limiter admits calls at `BLOCKED_RATE`, and each call is tried once.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
const BLOCKED_RATE: f64 = 10.0;
/// Calls that were sent together are throttled together: within this time they count once.
const SAME_REFUSAL_WINDOW: Duration = Duration::from_millis(500);

/// Admits calls one after another.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// Held by the next call, so that calls are admitted in order, each at the newest rate.
    queue: tokio::sync::Mutex<()>,
    rate: Mutex<Rate>,
}

#[derive(Debug)]
struct Rate {
    per_second: f64,
    /// When the next call may be sent; `None` before the first.
    next: Option<Instant>,
    /// When the last counted call was throttled, and the rate to keep below afterwards.
    last_throttle: Option<(Instant, f64)>,
    /// Since when every call was throttled.
    throttled_since: Option<Instant>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            per_second: FIRST_RATE,
            next: None,
            last_throttle: None,
            throttled_since: None,
        }
    }
}

impl RateLimiter {
    /// Waits until a call may be sent.
    pub(crate) async fn acquire(&self) {
        let _first = self.queue.lock().await;
        loop {
            let Some(due) = self.rate().take_slot(Instant::now()) else {
                return;
            };
            // A call that was throttled meanwhile moves the time.
            sleep_until(due).await;
        }
    }

    /// Records that a call was throttled.
    pub(crate) fn on_throttled(&self) {
        self.rate().on_throttled(Instant::now());
    }

    /// Records that a call was not throttled, whatever its outcome.
    pub(crate) fn on_accepted(&self) {
        self.rate().throttled_since = None;
    }

    /// Says whether every call was throttled for so long that waiting is useless.
    pub(crate) fn is_blocked(&self) -> bool {
        self.rate().is_blocked(Instant::now())
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rate {
    /// Returns when the next call may be sent; `None` means now, and counts the call as sent.
    fn take_slot(&mut self, now: Instant) -> Option<Instant> {
        let burst = Duration::from_secs_f64(BURST / self.per_second);
        let unused = now.checked_sub(burst).unwrap_or(now);
        let due = self.next.map_or(unused, |next| next.max(unused));
        if due > now {
            return Some(due);
        }
        let spacing = match self.is_blocked(now) {
            true => 1.0 / BLOCKED_RATE,
            false => 1.0 / self.per_second,
        };
        self.next = Some(due + Duration::from_secs_f64(spacing));
        let (growth, max) = match self.last_throttle {
            Some((_, near)) if self.per_second < near => (RECOVERY, near),
            Some((at, near)) if now.duration_since(at) < REMEMBER_REFUSAL => (0.0, near),
            _ => (GROWTH, f64::MAX),
        };
        self.per_second = (self.per_second * (1.0 + growth * spacing)).min(max);
        None
    }

    fn is_blocked(&self, now: Instant) -> bool {
        match self.throttled_since {
            Some(since) => now.duration_since(since) >= GIVE_UP_AFTER,
            None => false,
        }
    }

    fn on_throttled(&mut self, now: Instant) {
        self.throttled_since.get_or_insert(now);
        if let Some((at, _)) = self.last_throttle
            && now.duration_since(at) < SAME_REFUSAL_WINDOW
        {
            return;
        }
        let near = (self.per_second * NEAR_REFUSAL).max(MIN_RATE);
        self.per_second = (self.per_second * AFTER_REFUSAL).max(MIN_RATE);
        self.last_throttle = Some((now, near));
        self.next = Some(self.next.unwrap_or(now).max(now) + PAUSE_AFTER_REFUSAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates calls against a limit. Returns the seconds that they took, and how many were throttled.
    fn run(calls: u32, limit: f64, burst: f64) -> (f64, u32) {
        let start = Instant::now();
        let (mut now, mut filled, mut tokens) = (start, start, burst);
        let mut rate = Rate::default();
        let (mut done, mut refused) = (0, 0);
        while done < calls {
            while let Some(due) = rate.take_slot(now) {
                now = due;
            }
            tokens = (tokens + now.duration_since(filled).as_secs_f64() * limit).min(burst);
            filled = now;
            if tokens >= 1.0 {
                tokens -= 1.0;
                done += 1;
            } else {
                refused += 1;
                rate.on_throttled(now);
            }
        }
        (now.duration_since(start).as_secs_f64(), refused)
    }

    #[test]
    fn limiter_finds_and_keeps_the_cloud_rate() {
        for (limit, burst) in [(20.0, 20.0), (20.0, 2.0), (10.0, 10.0), (25.0, 25.0)] {
            let (seconds, refused) = run(1_000, limit, burst);
            assert!(seconds <= 1.2 * 1_000.0 / limit, "{limit}: {seconds} s");
            assert!(refused < 20, "{limit}: {refused} of 1,000 were refused");
        }
    }

    #[test]
    fn rate_grows_while_nothing_is_throttled() {
        let (seconds, refused) = run(1_000, 1_000.0, 1_000.0);
        assert!(seconds < 45.0 && refused == 0, "{seconds} s");
    }

    #[test]
    fn first_calls_do_not_wait() {
        let mut rate = Rate::default();
        let now = Instant::now();
        assert!((0..10).all(|_| rate.take_slot(now).is_none()));
        assert!((0..2).any(|_| rate.take_slot(now).is_some()));
    }

    #[test]
    fn limiter_is_blocked_after_a_minute_of_throttling() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        rate.on_throttled(start);
        assert!(!rate.is_blocked(start + GIVE_UP_AFTER / 2));
        rate.on_throttled(start + GIVE_UP_AFTER / 2);
        assert!(rate.is_blocked(start + GIVE_UP_AFTER));
        rate.throttled_since = None;
        rate.on_throttled(start + GIVE_UP_AFTER);
        assert!(!rate.is_blocked(start + GIVE_UP_AFTER));
    }

    #[test]
    fn simultaneous_throttling_counts_once() {
        let mut rate = Rate::default();
        let now = Instant::now();
        for _ in 0..10 {
            rate.on_throttled(now);
        }
        assert_eq!(rate.per_second, FIRST_RATE * AFTER_REFUSAL);
    }
}

//! How fast changing calls are sent: as fast as the project's rate limit lets them, found out by what it refuses. Only
//! Compute Engine: EC2's calls take many instances each.
//!
//! <https://cloud.google.com/compute/api-quota>

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Calls per second to begin with.
const FIRST_RATE: f64 = 20.0;
/// A rate below this is no better than none.
const MIN_RATE: f64 = 2.0;
/// So many calls that were not made before may be made at once.
const BURST: f64 = 10.0;
/// By how much of itself the rate grows in a second: where no call was refused for [`REMEMBER_REFUSAL`], and up to where one was
/// refused lately.
const GROWTH: f64 = 0.01;
const RECOVERY: f64 = 0.1;
/// What is left of the rate after a refusal, and how far it may recover at first.
const AFTER_REFUSAL: f64 = 0.9;
const NEAR_REFUSAL: f64 = 0.95;
/// How long the rate of a refusal is remembered.
const REMEMBER_REFUSAL: Duration = Duration::from_secs(20);
/// For so long nothing is sent after a refusal.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(250);
/// When nothing but refusals came for so long, there is no use in waiting; then turns come at this rate, and each call
/// is tried once.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
const BLOCKED_RATE: f64 = 10.0;
/// Calls that were under way together are refused together: that counts once.
const SAME_REFUSAL_WINDOW: Duration = Duration::from_millis(500);

/// The turns of calls.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// Held by whoever is next, so that turns come in order, and each by the newest rate.
    queue: tokio::sync::Mutex<()>,
    rate: Mutex<Rate>,
}

#[derive(Debug)]
struct Rate {
    per_second: f64,
    /// When the next call may be sent; `None` before the first.
    next: Option<Instant>,
    /// The last refusal that counted, and the rate that is kept after it.
    last_throttle: Option<(Instant, f64)>,
    /// Since when there were nothing but refusals.
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
            let due = self.rate().take_slot(Instant::now());
            let Some(due) = due else { return };
            // A refusal meanwhile puts it off.
            sleep_until(due).await;
        }
    }

    /// A call was refused for coming too fast.
    pub(crate) fn on_throttled(&self) {
        self.rate().on_throttled(Instant::now());
    }

    /// A call was not refused for that, whatever else came of it.
    pub(crate) fn on_accepted(&self) {
        self.rate().throttled_since = None;
    }

    /// Whether waiting has no use any more.
    pub(crate) fn is_blocked(&self) -> bool {
        self.rate().is_blocked(Instant::now())
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rate {
    /// When the next call may be sent; `None` if now, and then it counts as sent.
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
        let since = self.throttled_since;
        since.is_some_and(|since| now.duration_since(since) >= GIVE_UP_AFTER)
    }

    fn on_throttled(&mut self, now: Instant) {
        self.throttled_since.get_or_insert(now);
        if self
            .last_throttle
            .is_some_and(|(at, _)| now.duration_since(at) < SAME_REFUSAL_WINDOW)
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

    /// So many calls against a limit, each call's turn counted by a clock of its own: the seconds that they took, and how
    /// many were refused.
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
    fn the_clouds_rate_is_found_and_kept() {
        for (limit, burst) in [(20.0, 20.0), (20.0, 2.0), (10.0, 10.0), (25.0, 25.0)] {
            let (seconds, refused) = run(1_000, limit, burst);
            assert!(seconds <= 1.2 * 1_000.0 / limit, "{limit}: {seconds} s");
            assert!(refused < 20, "{limit}: {refused} of 1,000 were refused");
        }
    }

    #[test]
    fn where_nothing_is_refused_it_gets_faster() {
        let (seconds, refused) = run(1_000, 1_000.0, 1_000.0);
        assert!(seconds < 45.0 && refused == 0, "{seconds} s");
    }

    #[test]
    fn a_few_calls_do_not_wait() {
        let mut rate = Rate::default();
        let now = Instant::now();
        assert!((0..10).all(|_| rate.take_slot(now).is_none()));
        assert!((0..2).any(|_| rate.take_slot(now).is_some()));
    }

    #[test]
    fn nothing_but_refusals_is_hopeless_after_a_while() {
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
    fn refusals_of_one_moment_count_once() {
        let mut rate = Rate::default();
        let now = Instant::now();
        for _ in 0..10 {
            rate.on_throttled(now);
        }
        assert_eq!(rate.per_second, FIRST_RATE * AFTER_REFUSAL);
    }
}

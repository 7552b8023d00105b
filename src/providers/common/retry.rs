//! Retries of one call: attempts with pauses until there is a definite answer or a limit is reached.
//!
//! The drivers say how an attempt ended; the loop decides whether to try again, and remembers whether an earlier
//! attempt may have taken effect.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::rate_limit::RateLimiter;

/// Pauses between attempts: exponential with full jitter, so that processes that failed together do not retry together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The longest pause after the first attempt. It doubles with each attempt.
    pub(crate) first: Duration,
    /// The longest pause after any attempt.
    pub(crate) max: Duration,
}

impl Backoff {
    /// Chooses the pause after an attempt, which is counted from 1.
    pub(crate) fn pause(self, attempt: u32) -> Duration {
        self.max_pause(attempt).mul_f64(fastrand::f64())
    }

    fn max_pause(self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.max)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The call is given up after this time. Waiting for the rate limiter does not count.
    pub(crate) deadline: Duration,
    /// The call is given up after this time as long as no attempt reached the cloud.
    pub(crate) unsent_deadline: Duration,
    /// The call is given up after this many failed attempts, not counting throttled ones.
    pub(crate) max_attempts: u32,
    /// The pauses after failed attempts.
    pub(crate) backoff: Backoff,
    /// The pauses after throttled attempts.
    pub(crate) throttled_backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptResult {
    /// The cloud refused the call; the same call would be refused again.
    Refused,
    /// The cloud answered "too many requests"; nothing happened.
    Throttled,
    /// The request did not reach the cloud.
    NotSent,
    /// The cloud answered with a server error; the call may have taken effect.
    ServerError,
    /// There was no answer, or an unreadable one; the call may have taken effect, or may still.
    Unanswered,
    /// As [`Unanswered`](Self::Unanswered), but the next attempt would fail in the same way on this machine.
    UnansweredForGood,
    /// The call was refused for a reason that is corrected by now; nothing happened.
    RetryNow,
}

#[derive(Debug)]
pub(crate) struct FailedAttempt<E> {
    pub(crate) error: E,
    pub(crate) result: AttemptResult,
    /// How long the cloud asks to wait before the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

/// A call that failed, and what its attempts may have done.
#[derive(Debug)]
pub(crate) struct CallFailure<E> {
    pub(crate) error: E,
    /// Whether an attempt got no answer, so that it may still take effect.
    pub(crate) unanswered: bool,
    /// Whether an attempt was answered with a server error, so that it may have taken effect.
    pub(crate) server_error: bool,
}

impl<E> CallFailure<E> {
    /// Says whether an attempt may have taken effect, or may still.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.unanswered || self.server_error
    }
}

/// Sends a call until there is a definite answer or a limit of the policy is reached. Sending it again must not repeat
/// its effect. `send` sends one attempt; attempts are counted from 1.
///
/// With a limiter, the caller has acquired the permit of the first attempt.
///
/// # Errors
/// The error of the last attempt, with what the attempts may have done.
pub(crate) async fn retry<T, E, Attempt>(
    policy: RetryPolicy,
    limiter: Option<&RateLimiter>,
    mut send: impl FnMut(u32) -> Attempt,
) -> Result<T, CallFailure<E>>
where
    Attempt: Future<Output = Result<T, FailedAttempt<E>>>,
{
    let started_at = Instant::now();
    let mut time_queued = Duration::ZERO;
    let (mut unanswered, mut server_error) = (false, false);
    let mut failures = 0_u32;
    let mut attempt = 0_u32;
    loop {
        attempt = attempt.saturating_add(1);
        if let Some(limiter) = limiter
            && attempt > 1
        {
            let queued_at = Instant::now();
            limiter.acquire().await;
            time_queued += queued_at.elapsed();
        }
        let answer = send(attempt).await;
        let is_throttled = matches!(&answer, Err(failed) if failed.result == AttemptResult::Throttled);
        if let Some(limiter) = limiter {
            update_limiter(limiter, is_throttled);
        }
        let failed = match answer {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        unanswered |= matches!(
            failed.result,
            AttemptResult::Unanswered | AttemptResult::UnansweredForGood
        );
        server_error |= failed.result == AttemptResult::ServerError;
        if failed.result == AttemptResult::RetryNow {
            continue;
        }
        if !is_throttled {
            failures += 1;
        }
        let backoff = if is_throttled {
            policy.throttled_backoff
        } else {
            policy.backoff
        };
        let pause = backoff.pause(attempt).max(failed.retry_after.unwrap_or_default());
        let was_never_sent = failed.result == AttemptResult::NotSent && !unanswered && !server_error;
        let deadline = if was_never_sent {
            policy.unsent_deadline
        } else {
            policy.deadline
        };
        let time_left = (deadline + time_queued).saturating_sub(started_at.elapsed());
        let is_final = matches!(failed.result, AttemptResult::Refused | AttemptResult::UnansweredForGood);
        let is_blocked = is_throttled && limiter.is_some_and(RateLimiter::is_blocked);
        if is_final || is_blocked || failures >= policy.max_attempts || pause >= time_left {
            return Err(CallFailure {
                error: failed.error,
                unanswered,
                server_error,
            });
        }
        sleep(pause).await;
    }
}

fn update_limiter(limiter: &RateLimiter, is_throttled: bool) {
    if is_throttled {
        limiter.on_throttled();
    } else {
        limiter.on_accepted();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        deadline: Duration::from_secs(60),
        unsent_deadline: Duration::from_secs(10),
        max_attempts: u32::MAX,
        backoff: Backoff {
            first: Duration::from_millis(400),
            max: Duration::from_secs(8),
        },
        throttled_backoff: Backoff {
            first: Duration::from_secs(1),
            max: Duration::from_secs(10),
        },
    };

    /// Sends a call whose attempts fail as given; further attempts fail as the last one. Gives the result, the number of
    /// attempts and the time that passed.
    async fn send(policy: RetryPolicy, results: &[AttemptResult]) -> (Result<(), CallFailure<()>>, u32, Duration) {
        let attempts = Cell::new(0);
        let started_at = Instant::now();
        let result = retry(policy, None, |attempt| {
            attempts.set(attempt);
            let index = (attempt as usize - 1).min(results.len() - 1);
            let failed = FailedAttempt {
                error: (),
                result: results[index],
                retry_after: None,
            };
            std::future::ready(Err(failed))
        });
        (result.await, attempts.get(), started_at.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn refused_call_is_sent_once() {
        let (result, attempts, time) = send(POLICY, &[AttemptResult::Refused]).await;
        assert!(!result.unwrap_err().is_uncertain());
        assert_eq!((attempts, time), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn answered_call_ends_the_retries() {
        let result = retry(POLICY, None, |attempt| async move {
            match attempt {
                3 => Ok(attempt),
                _ => Err(FailedAttempt {
                    error: (),
                    result: AttemptResult::Throttled,
                    retry_after: None,
                }),
            }
        });
        assert_eq!(result.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_answer_is_remembered_after_a_refusal() {
        let (result, attempts, _) = send(POLICY, &[AttemptResult::Unanswered, AttemptResult::Refused]).await;
        let failure = result.unwrap_err();
        assert!(failure.unanswered && !failure.server_error && failure.is_uncertain());
        assert_eq!(attempts, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn server_error_is_retried_until_the_deadline() {
        let (result, attempts, time) = send(POLICY, &[AttemptResult::ServerError]).await;
        assert!(result.unwrap_err().server_error);
        assert!(attempts > 5 && time <= POLICY.deadline, "{attempts} in {time:?}");
        assert!(time >= POLICY.deadline - POLICY.backoff.max, "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn unsent_call_is_given_up_early() {
        let (result, _, time) = send(POLICY, &[AttemptResult::NotSent]).await;
        assert!(!result.unwrap_err().is_uncertain());
        assert!(time <= POLICY.unsent_deadline, "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn unsent_attempt_after_a_lost_answer_has_the_whole_deadline() {
        let (result, _, time) = send(POLICY, &[AttemptResult::Unanswered, AttemptResult::NotSent]).await;
        assert!(result.unwrap_err().unanswered);
        assert!(time > POLICY.unsent_deadline, "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_attempts_do_not_count() {
        let policy = RetryPolicy {
            max_attempts: 2,
            ..POLICY
        };
        let throttled = [AttemptResult::Throttled; 4];
        let (_, attempts, _) = send(policy, &[&throttled[..], &[AttemptResult::ServerError]].concat()).await;
        assert_eq!(attempts, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn corrected_call_is_sent_again_at_once() {
        let (_, attempts, time) = send(POLICY, &[AttemptResult::RetryNow, AttemptResult::Refused]).await;
        assert_eq!((attempts, time), (2, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn pause_is_as_long_as_the_cloud_asks() {
        let started_at = Instant::now();
        let result: Result<(), _> = retry(POLICY, None, |attempt| async move {
            Err(FailedAttempt {
                error: (),
                result: match attempt {
                    1 => AttemptResult::Throttled,
                    _ => AttemptResult::Refused,
                },
                retry_after: Some(Duration::from_secs(30)),
            })
        })
        .await;
        assert!(result.is_err());
        assert!(started_at.elapsed() >= Duration::from_secs(30));
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let backoff = POLICY.backoff;
        assert_eq!(backoff.max_pause(1), backoff.first);
        assert_eq!(backoff.max_pause(2), backoff.first * 2);
        assert_eq!(backoff.max_pause(u32::MAX), backoff.max);
        assert!((1..100).all(|attempt| backoff.pause(attempt) <= backoff.max_pause(attempt)));
    }
}

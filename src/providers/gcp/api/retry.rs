//! Sends calls and retries them. The SDK can retry too, but reports only the last attempt, and an earlier one without
//! an answer may have taken effect.

use std::future::Future;
use std::time::Duration;

use google_cloud_gax::Result as SdkResult;
use google_cloud_gax::error::Error as SdkError;
use tokio::time::Instant;

use super::client::{ATTEMPT_TIMEOUT, Client};
use super::error::{CallFailure, call_error, classify, retry_after};
use crate::cloud::Result;

/// Limits of the retries of one call.
struct RetryPolicy {
    deadline: Duration,
    max_attempts: u32,
    rate_limited: bool,
}

/// How long calls are retried: long enough to outlast a minute of heavy throttling. A read ends before the timeout of a
/// whole location, so that its error is reported.
const READ_DEADLINE: Duration = Duration::from_secs(50);
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
/// How often a read is sent at most, not counting throttled attempts.
const MAX_READ_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// A call that failed, and what it may have done.
pub(crate) struct ChangeFailure {
    /// The error of the last attempt.
    pub(crate) error: SdkError,
    /// Whether an attempt got no answer, so that it may still take effect.
    pub(crate) unanswered: bool,
    /// Whether an attempt was answered with a server error, so that it may have taken effect.
    pub(crate) server_error: bool,
}

impl ChangeFailure {
    /// Says whether an attempt may have taken effect, or may still.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.unanswered || self.server_error
    }
}

impl Client {
    /// Sends a read until it is answered or its limits are reached. `attempted` completes "cannot …".
    pub(crate) async fn read<T, F, S>(&self, attempted: &str, scope: &str, send: S) -> Result<T>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        let failed = |failure: ChangeFailure| call_error(failure.error, &format!("cannot {attempted}"), scope);
        self.try_read(attempted, scope, send).await.map_err(failed)
    }

    /// Sends a read, and returns the SDK's error for a caller that examines the refusal.
    pub(crate) async fn try_read<T, F, S>(&self, attempted: &str, scope: &str, send: S) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        let policy = RetryPolicy {
            deadline: READ_DEADLINE,
            max_attempts: MAX_READ_ATTEMPTS,
            rate_limited: false,
        };
        self.send_with_retries(attempted, scope, policy, send).await
    }

    /// Sends a changing call until its outcome is certain or a minute is over. Its request id makes repeating it safe.
    pub(crate) async fn change<T, F, S>(&self, attempted: &str, scope: &str, send: S) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        self.rate_limiter.acquire().await;
        self.change_with_permit(attempted, scope, send).await
    }

    /// Sends a changing call that has already [acquired](super::rate_limit::RateLimiter::acquire) its first permit.
    pub(crate) async fn change_with_permit<T, F, S>(
        &self,
        attempted: &str,
        scope: &str,
        send: S,
    ) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        let policy = RetryPolicy {
            deadline: CHANGE_DEADLINE,
            max_attempts: u32::MAX,
            rate_limited: true,
        };
        self.send_with_retries(attempted, scope, policy, send).await
    }

    /// Sends a read once.
    pub(crate) async fn read_once<T, F, S>(&self, attempted: &str, scope: &str, send: S) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        let policy = RetryPolicy {
            deadline: ATTEMPT_TIMEOUT,
            max_attempts: 1,
            rate_limited: false,
        };
        self.send_with_retries(attempted, scope, policy, send).await
    }

    async fn send_with_retries<T, F, S>(
        &self,
        attempted: &str,
        scope: &str,
        policy: RetryPolicy,
        send: S,
    ) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        // The time spent waiting for permits does not count.
        let (start, mut queued) = (Instant::now(), Duration::ZERO);
        let (mut unanswered, mut faulty, mut failures) = (false, false, 0);
        let mut attempt = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            // The caller acquired the first permit.
            if policy.rate_limited && attempt > 1 {
                let came = Instant::now();
                self.rate_limiter.acquire().await;
                queued += came.elapsed();
            }
            // The SDK's own timeout does not cover the fetch of a token.
            let error = match tokio::time::timeout(ATTEMPT_TIMEOUT + FIRST_PAUSE, send()).await {
                Ok(Ok(answer)) => {
                    tracing::debug!(attempted, scope, attempt, "answered");
                    if policy.rate_limited {
                        self.rate_limiter.on_accepted();
                    }
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(elapsed) => SdkError::timeout(elapsed),
            };
            let fate = classify(&error);
            tracing::debug!(
                attempted,
                scope,
                attempt,
                ?fate,
                status = error.http_status_code(),
                "failed"
            );
            unanswered |= fate == CallFailure::Unanswered;
            faulty |= fate == CallFailure::ServerError;
            failures += u32::from(fate != CallFailure::Throttled);
            if policy.rate_limited {
                match fate {
                    CallFailure::Throttled => self.rate_limiter.on_throttled(),
                    _ => self.rate_limiter.on_accepted(),
                }
            }
            let pause = backoff(attempt).max(retry_after(&error).unwrap_or_default());
            let left = (policy.deadline + queued).saturating_sub(start.elapsed());
            let is_blocked = fate == CallFailure::Throttled && policy.rate_limited && self.rate_limiter.is_blocked();
            if is_blocked || fate == CallFailure::Refused || failures >= policy.max_attempts || pause >= left {
                return Err(ChangeFailure {
                    error,
                    unanswered,
                    server_error: faulty,
                });
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Returns the pause after an attempt: exponential, with full jitter.
fn backoff(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(MAX_PAUSE);
    longest.mul_f64(fastrand::f64())
}

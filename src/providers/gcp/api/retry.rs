//! Sends calls and retries them. The SDK can retry too, but reports only the last attempt, and an earlier one without
//! an answer may have taken effect.

use std::future::Future;
use std::time::Duration;

use google_cloud_gax::Result as SdkResult;
use google_cloud_gax::error::Error as SdkError;
use tokio::time::timeout;

use super::client::{ATTEMPT_TIMEOUT, Client};
use super::error::{call_error, classify, retry_after};
use crate::cloud::Result;
use crate::providers::common::rate_limit::RateLimiter;
use crate::providers::common::retry::{Backoff, CallFailure, FailedAttempt, RetryPolicy, retry};

/// How long calls are retried: long enough to outlast a minute of heavy throttling. A read ends before the timeout of a
/// whole location, so that its error is reported.
const READ_DEADLINE: Duration = Duration::from_secs(50);
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
/// How often a read is sent at most, not counting throttled attempts.
const MAX_READ_ATTEMPTS: u32 = 5;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(400),
    max: Duration::from_secs(8),
};
/// By how much longer an attempt may take than the SDK's own timeout, which reports more.
const ATTEMPT_MARGIN: Duration = Duration::from_millis(200);

/// A call that failed, and what it may have done.
pub(crate) type ChangeFailure = CallFailure<SdkError>;

fn retry_policy(deadline: Duration, max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        deadline,
        unsent_deadline: deadline,
        max_attempts,
        backoff: BACKOFF,
        throttled_backoff: BACKOFF,
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
        let policy = retry_policy(READ_DEADLINE, MAX_READ_ATTEMPTS);
        self.send_with_retries(attempted, scope, policy, None, send).await
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

    /// Sends a changing call that has already [acquired](RateLimiter::acquire) its first permit.
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
        let policy = retry_policy(CHANGE_DEADLINE, u32::MAX);
        self.send_with_retries(attempted, scope, policy, Some(&self.rate_limiter), send)
            .await
    }

    pub(crate) async fn read_once<T, F, S>(&self, attempted: &str, scope: &str, send: S) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        let policy = retry_policy(ATTEMPT_TIMEOUT, 1);
        self.send_with_retries(attempted, scope, policy, None, send).await
    }

    async fn send_with_retries<T, F, S>(
        &self,
        attempted: &str,
        scope: &str,
        policy: RetryPolicy,
        limiter: Option<&RateLimiter>,
        send: S,
    ) -> Result<T, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<T>> + Send,
    {
        retry(policy, limiter, async |attempt| {
            // The SDK's own timeout does not cover the fetch of a token.
            let error = match timeout(ATTEMPT_TIMEOUT + ATTEMPT_MARGIN, send()).await {
                Ok(Ok(answer)) => {
                    tracing::debug!(attempted, scope, attempt, "answered");
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(elapsed) => SdkError::timeout(elapsed),
            };
            let result = classify(&error);
            let status = error.http_status_code();
            tracing::debug!(attempted, scope, attempt, ?result, status, "failed");
            Err(FailedAttempt {
                retry_after: retry_after(&error),
                error,
                result,
            })
        })
        .await
    }
}

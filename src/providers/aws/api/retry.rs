//! Retries of calls.
//!
//! A reading call is retried by the SDK, which only counts attempts. [`ReadRetryLimit`] ends its retries by time
//! where a region throttles, and early where a region cannot be reached. A changing call is retried by
//! [`retry_change`]: the SDK would report only the last attempt, and an earlier one whose response was lost may have
//! taken effect.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_ec2::config::interceptors::{BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextMut};
use aws_sdk_ec2::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::{ErrorKind as RetryKind, RetryConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::time::{Instant, timeout};

use super::error;
use super::error::{OperationError, SdkError, classify_response, read_error_code};
use super::server_time::was_refused_for_date;
use crate::cloud::{Error, ErrorKind, ErrorLocation, ProviderKind, Result};
use crate::providers::aws::configuration::{Configuration, invalid_value_error};
use crate::providers::common::retry::{AttemptResult, Backoff, FailedAttempt, RetryPolicy, retry};

/// The timeout of one attempt: the SDK has none of its own.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// A throttled call is retried for this long; the last pause comes on top.
const THROTTLED_TIMEOUT: Duration = Duration::from_secs(45);
/// A call is given up after this many failures of another kind: about 10 s, by the pauses in
/// [`ReadRetryLimit::retry_config`].
const MAX_OTHER_FAILURES: u32 = 8;
/// More attempts than fit into the timeout.
const MAX_ATTEMPTS: u32 = 200;
/// The timeout of a call with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(120);
/// The SDK's own default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// The timeout of one lookup, the same as that of a page of a listing.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// Ends a lookup after a timeout. `failure_prefix` says what failed then; `region` is where it was sent.
///
/// # Errors
/// `Network` after the timeout; otherwise the error of the lookup.
pub(crate) async fn with_timeout<T>(
    region: &str,
    failure_prefix: impl fmt::Display,
    lookup: impl Future<Output = Result<T>>,
) -> Result<T> {
    match timeout(LOOKUP_TIMEOUT, lookup).await {
        Ok(result) => result,
        Err(_) => {
            let seconds = LOOKUP_TIMEOUT.as_secs();
            let message = format!("{failure_prefix}: no answer within {seconds} s");
            Err(Error::new(ErrorKind::Network, message).at(ErrorLocation::new(ProviderKind::Aws, region)))
        }
    }
}

/// Disables the SDK's limit on the retries of all calls together. With it, many calls under throttling would give up
/// one after the other. Here each call has its own limit.
pub(crate) fn unlimited_retry_tokens() -> RetryPartition {
    RetryPartition::custom("cloudctl")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// Ends the retries of a reading call. It never adds retries: a call without retries stays so.
#[derive(Clone, Debug)]
pub(crate) struct ReadRetryLimit {
    /// The number of failures of another kind than throttling after which a call is given up.
    max_failures: u32,
    is_adaptive: bool,
    connect_timeout: Duration,
    /// The setting that `max_failures` comes from.
    pub(crate) source: String,
}

impl fmt::Display for ReadRetryLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_adaptive { "adaptive" } else { "standard" };
        write!(formatter, "{} attempts, {mode}", self.max_failures)
    }
}

impl Default for ReadRetryLimit {
    fn default() -> Self {
        Self {
            max_failures: MAX_OTHER_FAILURES,
            is_adaptive: false,
            connect_timeout: CONNECT_TIMEOUT,
            source: "default".to_owned(),
        }
    }
}

impl ReadRetryLimit {
    /// Reads the limit from `AWS_MAX_ATTEMPTS`, `AWS_RETRY_MODE` and `AWS_DEFAULTS_MODE`.
    ///
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
    ///
    /// # Errors
    /// `InvalidSpec` that names the setting, for an invalid value.
    pub(crate) fn from_configuration(configuration: &Configuration) -> Result<Self> {
        let (max_failures, source) = match configuration.setting("AWS_MAX_ATTEMPTS", "max_attempts") {
            None => (MAX_OTHER_FAILURES, "default".to_owned()),
            Some(setting) => match setting.value.parse::<u32>() {
                Ok(attempts) if attempts > 0 => (attempts.min(MAX_ATTEMPTS), setting.source),
                _ => return Err(invalid_value_error(&setting, "max_attempts", "a number from 1 on")),
            },
        };
        Ok(Self {
            max_failures,
            is_adaptive: read_is_adaptive(configuration)?,
            connect_timeout: read_connect_timeout(configuration)?,
            source,
        })
    }

    pub(crate) fn timeout_config(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            // The HTTP client ends an attempt a little earlier, with the server's address in the error.
            .operation_attempt_timeout(ATTEMPT_TIMEOUT + Duration::from_secs(1))
            .operation_timeout(OPERATION_TIMEOUT)
            .build()
    }

    /// The SDK's retries: exponential with full jitter. A limit of one attempt means no retry.
    pub(crate) fn retry_config(&self) -> RetryConfig {
        let retries = match self.is_adaptive {
            true => RetryConfig::adaptive(),
            false => RetryConfig::standard(),
        };
        retries
            .with_max_attempts(if self.max_failures == 1 { 1 } else { MAX_ATTEMPTS })
            .with_initial_backoff(FIRST_PAUSE)
            .with_max_backoff(MAX_PAUSE)
    }
}

fn read_is_adaptive(configuration: &Configuration) -> Result<bool> {
    let Some(setting) = configuration.setting("AWS_RETRY_MODE", "retry_mode") else {
        return Ok(false);
    };
    match setting.value.to_ascii_lowercase().as_str() {
        "standard" | "legacy" => Ok(false),
        "adaptive" => Ok(true),
        _ => {
            let modes = "one of standard, adaptive and legacy";
            Err(invalid_value_error(&setting, "retry_mode", modes))
        }
    }
}

/// Reads the timeout of a connection.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-smart-config-defaults.html>
fn read_connect_timeout(configuration: &Configuration) -> Result<Duration> {
    let Some(setting) = configuration.setting("AWS_DEFAULTS_MODE", "defaults_mode") else {
        return Ok(CONNECT_TIMEOUT);
    };
    match setting.value.to_ascii_lowercase().as_str() {
        "standard" | "legacy" | "cross-region" | "auto" => Ok(CONNECT_TIMEOUT),
        "in-region" => Ok(Duration::from_millis(1_100)),
        "mobile" => Ok(Duration::from_secs(30)),
        _ => {
            let modes = "one of standard, in-region, cross-region, mobile, auto and legacy";
            Err(invalid_value_error(&setting, "defaults_mode", modes))
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    started_at: Instant,
    other_failures: u32,
    has_retried_with_new_date: bool,
}

impl Storable for Progress {
    type Storer = StoreReplace<Self>;
}

impl Progress {
    /// Counts a failure, and returns whether the call is to be given up.
    fn count_failure(&mut self, kind: Option<ErrorKind>, max_failures: u32) -> bool {
        if kind == Some(ErrorKind::Throttled) {
            return self.started_at.elapsed() >= THROTTLED_TIMEOUT;
        }
        self.other_failures += 1;
        self.other_failures >= max_failures
    }
}

impl Intercept for ReadRetryLimit {
    fn name(&self) -> &'static str {
        "ReadRetryLimit"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        state.interceptor_state().store_put(Progress {
            started_at: Instant::now(),
            other_failures: 0,
            has_retried_with_new_date: false,
        });
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !matches!(context.output_or_error(), Some(Err(_))) {
            return Ok(());
        }
        let Some(mut progress) = state.load::<Progress>().copied() else {
            return Ok(());
        };
        let kind = context
            .response()
            .and_then(|response| classify_response(response.status().as_u16(), response.body().bytes()?));
        let gives_up = if context.response().is_some_and(has_wrong_date) {
            std::mem::replace(&mut progress.has_retried_with_new_date, true)
        } else {
            progress.count_failure(kind, self.max_failures)
        };
        if gives_up {
            state.interceptor_state().store_put(RetryConfig::disabled());
        }
        state.interceptor_state().store_put(progress);
        Ok(())
    }
}

/// Retries a call that was refused for its date.
#[derive(Debug)]
pub(crate) struct ClockSkewRetry;

impl ClassifyRetry for ClockSkewRetry {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.response().is_some_and(has_wrong_date) {
            return RetryAction::retryable_error(RetryKind::ServerError);
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "ClockSkewRetry"
    }
}

fn has_wrong_date(response: &HttpResponse) -> bool {
    was_refused_for_date(response, response.body().bytes().and_then(read_error_code))
}

/// The limits of a changing call. After the deadline its outcome is called unknown.
const CHANGE_POLICY: RetryPolicy = RetryPolicy {
    deadline: Duration::from_secs(60),
    unsent_deadline: Duration::from_secs(10),
    max_attempts: u32::MAX,
    backoff: Backoff {
        first: Duration::from_millis(300),
        max: Duration::from_secs(10),
    },
    throttled_backoff: Backoff {
        first: Duration::from_secs(1),
        max: Duration::from_secs(10),
    },
};

pub(crate) struct ChangeFailure<E> {
    pub(crate) error: SdkError<E>,
    /// Whether an attempt got no response and may still take effect.
    pub(crate) unanswered: bool,
    pub(crate) may_have_taken_effect: bool,
}

/// Sends a changing call until there is a definite response. Repeating the call must not repeat its effect; `call`
/// sends one attempt, with the same idempotency token if there is one.
pub(crate) async fn retry_change<T, E, Attempt>(
    operation: &'static str,
    region: &str,
    call: impl Fn() -> Attempt,
) -> Result<T, ChangeFailure<E>>
where
    E: OperationError,
    Attempt: Future<Output = Result<T, SdkError<E>>>,
{
    let has_new_date = AtomicBool::new(false);
    let send = async |attempt| {
        tracing::debug!(operation, place = region, attempt, "call");
        let error = match call().await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let kind = error::classify(&error);
        let code = error.code();
        tracing::debug!(operation, place = region, attempt, kind = kind.as_str(), code, "failed");
        let response = error.raw_response();
        let has_wrong_date = response.is_some_and(|response| was_refused_for_date(response, code));
        let result = match has_wrong_date && !has_new_date.swap(true, Ordering::Relaxed) {
            true => AttemptResult::RetryNow,
            false => attempt_result(kind, &error),
        };
        Err(FailedAttempt {
            retry_after: retry_after(&error),
            error,
            result,
        })
    };
    let failure = match retry(CHANGE_POLICY, None, send).await {
        Ok(response) => return Ok(response),
        Err(failure) => failure,
    };
    // A refusal of the request also settles the earlier attempts. A refusal of the caller does not: it comes before the
    // request is read.
    let is_settled = is_cloud_response(&failure.error) && settles_earlier_attempts(error::classify(&failure.error));
    Err(ChangeFailure {
        may_have_taken_effect: failure.is_uncertain() && !is_settled,
        unanswered: failure.unanswered,
        error: failure.error,
    })
}

fn attempt_result<E: OperationError>(kind: ErrorKind, error: &SdkError<E>) -> AttemptResult {
    let may_have_taken_effect = error::may_have_taken_effect(kind, error);
    match kind {
        ErrorKind::Throttled => AttemptResult::Throttled,
        ErrorKind::Network if !may_have_taken_effect => AttemptResult::NotSent,
        ErrorKind::Network if is_server_error(error) => AttemptResult::ServerError,
        ErrorKind::Network => AttemptResult::Unanswered,
        _ if may_have_taken_effect => AttemptResult::UnansweredForGood,
        _ => AttemptResult::Refused,
    }
}

/// Whether the server itself reports that it failed: the call is over, with or without effect.
fn is_server_error<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    is_cloud_response(error)
        && error
            .raw_response()
            .is_some_and(|response| response.status().as_u16() >= 500)
}

fn is_cloud_response<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(error, SdkError::ServiceError(_)) && error.code().is_some()
}

fn settles_earlier_attempts(kind: ErrorKind) -> bool {
    !matches!(
        kind,
        ErrorKind::Network
            | ErrorKind::Throttled
            | ErrorKind::Unauthenticated
            | ErrorKind::PermissionDenied
            | ErrorKind::Internal
    )
}

/// The pause that the server asks for: in seconds, or in milliseconds in AWS's own header.
fn retry_after<E>(error: &SdkError<E>) -> Option<Duration> {
    let headers = error.raw_response()?.headers();
    let read_number = |name| headers.get(name)?.parse::<u64>().ok();
    match read_number("x-amz-retry-after") {
        Some(millis) => Some(Duration::from_millis(millis)),
        None => read_number("retry-after").map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use aws_sdk_ec2::operation::run_instances::RunInstancesError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use jiff::{SignedDuration, Timestamp};

    use super::super::connection_errors;
    use super::super::server_time::ServerTime;
    use super::*;

    #[test]
    fn retry_limit_counts_failures_and_times_throttling() {
        let mut progress = Progress {
            started_at: Instant::now(),
            other_failures: 0,
            has_retried_with_new_date: false,
        };
        assert!((0..100).all(|_| !progress.count_failure(Some(ErrorKind::Throttled), MAX_OTHER_FAILURES)));
        assert!((1..MAX_OTHER_FAILURES).all(|_| !progress.count_failure(None, MAX_OTHER_FAILURES)));
        assert!(progress.count_failure(Some(ErrorKind::Network), MAX_OTHER_FAILURES));
        progress.started_at = Instant::now() - THROTTLED_TIMEOUT;
        assert!(progress.count_failure(Some(ErrorKind::Throttled), MAX_OTHER_FAILURES));
    }

    /// A refusal whose date is an hour after the request's.
    fn refusal(status: u16, code: &str) -> SdkError<RunInstancesError> {
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers_mut().insert("date", date);
        ServerTime::default().update_and_annotate(&mut response, Timestamp::now() - SignedDuration::from_hours(1));
        let error = RunInstancesError::generic(ErrorMetadata::builder().code(code).build());
        SdkError::service_error(error, response)
    }

    #[tokio::test]
    async fn change_with_wrong_date_is_retried_once() {
        let calls = Cell::new(0);
        let call = |refusals: u32, code: &'static str| {
            let calls = &calls;
            calls.set(0);
            retry_change("RunInstances", "eu-west-1", move || {
                calls.set(calls.get() + 1);
                let response = if calls.get() > refusals {
                    Ok(())
                } else {
                    Err(refusal(400, code))
                };
                std::future::ready(response)
            })
        };
        assert!(call(1, "RequestExpired").await.is_ok());
        let failure = call(9, "RequestExpired").await.unwrap_err();
        assert_eq!(calls.get(), 2);
        assert!(!failure.may_have_taken_effect && !failure.unanswered);
        assert!(call(1, "UnauthorizedOperation").await.is_err());
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn lost_response_leaves_outcome_unknown() {
        let calls = Cell::new(0);
        let failure = retry_change("RunInstances", "eu-west-1", || {
            calls.set(calls.get() + 1);
            let cause = match calls.get() {
                1 => ConnectorError::io("the connection was reset".into()),
                _ => connection_errors::permanent_error(
                    "the certificate is not trusted".to_owned(),
                    "trust it".to_owned(),
                ),
            };
            let error: SdkError<RunInstancesError> = SdkError::dispatch_failure(cause);
            std::future::ready(Err::<(), _>(error))
        });
        let failure = failure.await.unwrap_err();
        assert_eq!(calls.get(), 2);
        assert_eq!(error::classify(&failure.error), ErrorKind::InvalidSpec);
        assert!(failure.may_have_taken_effect && failure.unanswered);
    }

    #[test]
    fn broken_tls_leaves_outcome_unknown() {
        let broken = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let untrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        for (cause, may_have_taken_effect) in [(broken, true), (untrusted, false)] {
            let server = connection_errors::Server::new(&http::Uri::from_static("https://ec2.test"), None);
            let cause = connection_errors::add_reason(ConnectorError::other(cause.into(), None), &server, None);
            let error: SdkError<RunInstancesError> = SdkError::dispatch_failure(cause);
            assert_eq!(
                error::may_have_taken_effect(error::classify(&error), &error),
                may_have_taken_effect
            );
        }
    }

    #[test]
    fn server_error_is_a_cloud_response() {
        assert!(is_server_error(&refusal(500, "InternalError")));
        assert!(!is_server_error(&refusal(400, "InternalError")));
        let nothing = HttpResponse::new(502.try_into().unwrap(), SdkBody::from("<html>"));
        let unreadable = RunInstancesError::generic(ErrorMetadata::builder().build());
        assert!(!is_server_error(&SdkError::service_error(unreadable, nothing)));
    }
}

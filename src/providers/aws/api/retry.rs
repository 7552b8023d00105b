//! Only aws has this file: how long a reading call is waited for and retried. The SDK counts attempts, whatever they
//! failed of. Here a region that throttles is asked for as long as is bearable, and one that cannot be reached is given
//! up soon.
//! Only aws has this file: the attempts of a changing call. The SDK retries too, but tells only of the last
//! attempt, and an earlier one that was lost may have taken effect.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
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
use tokio::time::{Instant, sleep, timeout};

use super::error;
use super::error::{SdkError, classify_response, read_error_code};
use super::server_time::was_refused_for_date;
use crate::cloud::{Error, ErrorKind, Result};
use crate::providers::aws::configuration::{Configuration, invalid_value_error};

/// How long one attempt may take: the SDK has no limit of its own.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a throttled call is repeated; the last pause comes on top.
const THROTTLED_DEADLINE: Duration = Duration::from_secs(45);
/// After how many failures of another kind a call is given up: about 10 s, by the pauses in [`ReadRetryLimit::retry_config`].
const MAX_OTHER_FAILURES: u32 = 8;
/// More than fit in the time.
const MAX_ATTEMPTS: u32 = 200;
/// How long a call with all its attempts may take.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(120);
/// The SDK's own.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How long a command waits for the cloud's word on a place, as long as for a page of a listing.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// Ends a look-up that is silent for too long: `attempted` is what it could not do then, `place` the region it asked.
///
/// # Errors
/// `Network` after too long a silence; those of the look-up.
pub(crate) async fn with_timeout<T>(
    region: &str,
    attempted: impl fmt::Display,
    lookup: impl Future<Output = Result<T>>,
) -> Result<T> {
    timeout(LOOKUP_TIMEOUT, lookup).await.unwrap_or_else(|_| {
        let seconds = LOOKUP_TIMEOUT.as_secs();
        let message = format!("{attempted}: no answer within {seconds} s");
        Err(Error::new(ErrorKind::Network, message).at(format!("aws/{region}")))
    })
}

/// The SDK also rations the retries of all calls together, so that a hundred calls under throttling would give up one
/// after the other, however long each was ready to wait. Here each call has its own limit, and no more.
pub(crate) fn unlimited_retry_tokens() -> RetryPartition {
    RetryPartition::custom("cloudctl")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// Ends the retries of a call in time. It never makes more of them: a call without retries stays so.
#[derive(Clone, Debug)]
pub(crate) struct ReadRetryLimit {
    /// After how many failures of another kind than throttling a call is given up.
    max_failures: u32,
    is_adaptive: bool,
    /// How long a connection is waited for.
    connect: Duration,
    /// What sets the number of failures.
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
            connect: CONNECT_TIMEOUT,
            source: "default".to_owned(),
        }
    }
}

impl ReadRetryLimit {
    /// As `AWS_MAX_ATTEMPTS` and `AWS_RETRY_MODE` set it.
    ///
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
    ///
    /// # Errors
    /// `InvalidSpec` that names the setting, for a value that makes no sense.
    pub(crate) fn from_configuration(configuration: &Configuration) -> Result<Self> {
        let (max_failures, source) = match configuration.setting("AWS_MAX_ATTEMPTS", "max_attempts") {
            None => (MAX_OTHER_FAILURES, "default".to_owned()),
            Some(setting) => match setting.value.parse::<u32>() {
                Ok(attempts) if attempts > 0 => (attempts.min(MAX_ATTEMPTS), setting.source),
                _ => return Err(invalid_value_error(&setting, "max_attempts", "a number from 1 on")),
            },
        };
        let is_adaptive = match configuration.setting("AWS_RETRY_MODE", "retry_mode") {
            None => false,
            Some(setting) => match setting.value.to_ascii_lowercase().as_str() {
                "standard" | "legacy" => false,
                "adaptive" => true,
                _ => {
                    return Err(invalid_value_error(
                        &setting,
                        "retry_mode",
                        "one of standard, adaptive and legacy",
                    ));
                }
            },
        };
        // https://docs.aws.amazon.com/sdkref/latest/guide/feature-smart-config-defaults.html
        let connect = match configuration.setting("AWS_DEFAULTS_MODE", "defaults_mode") {
            None => CONNECT_TIMEOUT,
            Some(setting) => match setting.value.to_ascii_lowercase().as_str() {
                "standard" | "legacy" | "cross-region" | "auto" => CONNECT_TIMEOUT,
                "in-region" => Duration::from_millis(1_100),
                "mobile" => Duration::from_secs(30),
                _ => {
                    let modes = "one of standard, in-region, cross-region, mobile, auto and legacy";
                    return Err(invalid_value_error(&setting, "defaults_mode", modes));
                }
            },
        };
        Ok(Self {
            max_failures,
            is_adaptive,
            connect,
            source,
        })
    }

    pub(crate) fn timeout_config(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            // The HTTP client gives an attempt up a little earlier, with the server's address.
            .operation_attempt_timeout(ATTEMPT_TIMEOUT + Duration::from_secs(1))
            .operation_timeout(OPERATION_TIMEOUT)
            .build()
    }

    /// The SDK's retries, exponential with full jitter, to be ended here. Who asks for one attempt gets no retry.
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

/// How far a call has come.
#[derive(Clone, Copy, Debug)]
struct Progress {
    started: Instant,
    other_failures: u32,
    has_retried_with_new_date: bool,
}

impl Storable for Progress {
    type Storer = StoreReplace<Self>;
}

impl Progress {
    /// Counts a failure of a kind; gives whether it was the last to be borne.
    fn count_failure(&mut self, kind: Option<ErrorKind>, max_failures: u32) -> bool {
        if kind == Some(ErrorKind::Throttled) {
            return self.started.elapsed() >= THROTTLED_DEADLINE;
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
            started: Instant::now(),
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
            .and_then(|answer| classify_response(answer.status().as_u16(), answer.body().bytes()?));
        let exhausted = if context.response().is_some_and(has_wrong_date) {
            std::mem::replace(&mut progress.has_retried_with_new_date, true)
        } else {
            progress.count_failure(kind, self.max_failures)
        };
        if exhausted {
            state.interceptor_state().store_put(RetryConfig::disabled());
        }
        state.interceptor_state().store_put(progress);
        Ok(())
    }
}

/// Has a call repeated that was refused for its date.
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

fn has_wrong_date(answer: &HttpResponse) -> bool {
    was_refused_for_date(answer, answer.body().bytes().and_then(read_error_code))
}

/// How long a changing call is replayed before its outcome is called unknown.
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
/// How long a cloud is tried that cannot even be reached.
const CHANGE_CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const FIRST_CHANGE_PAUSE: Duration = Duration::from_millis(300);
const FIRST_THROTTLED_PAUSE: Duration = Duration::from_secs(1);
const MAX_CHANGE_PAUSE: Duration = Duration::from_secs(10);

/// A changing call that came to no success.
pub(crate) struct ChangeFailure<E> {
    /// What the last attempt came to.
    pub(crate) error: SdkError<E>,
    /// Whether an attempt got no answer, so that it may take effect even now.
    pub(crate) unanswered: bool,
    /// Whether an attempt may have taken effect nevertheless.
    pub(crate) may_have_taken_effect: bool,
}

/// Makes a call that can be repeated without repeating its effect, again and again until there is a definite
/// answer: `call` is one attempt, under the same idempotency token where there is one.
pub(crate) async fn retry_change<T, E, Attempt>(
    operation: &'static str,
    region: &str,
    call: impl Fn() -> Attempt,
) -> Result<T, ChangeFailure<E>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    Attempt: Future<Output = Result<T, SdkError<E>>>,
{
    let started = Instant::now();
    let (mut unanswered, mut server_failed) = (false, false);
    let mut has_new_date = false;
    let mut attempt = 0;
    loop {
        attempt += 1;
        tracing::debug!(operation, place = region, attempt, "call");
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let kind = error::classify(&error);
        if error::may_have_taken_effect(kind, &error) {
            let with_sdk_details = is_server_error(&error);
            server_failed |= with_sdk_details;
            unanswered |= !with_sdk_details;
        }
        let may_have_taken_effect = unanswered || server_failed;
        tracing::debug!(
            operation,
            place = region,
            attempt,
            kind = kind.as_str(),
            code = error.code(),
            "failed"
        );
        let answer = error.raw_response();
        if !has_new_date && answer.is_some_and(|answer| was_refused_for_date(answer, error.code())) {
            has_new_date = true;
            continue;
        }
        let pause = choose_pause(kind, attempt, retry_after(&error));
        let worthwhile = matches!(kind, ErrorKind::Network | ErrorKind::Throttled);
        let deadline = match kind {
            ErrorKind::Network if !may_have_taken_effect => CHANGE_CONNECT_DEADLINE,
            _ => CHANGE_DEADLINE,
        };
        if !worthwhile || pause > deadline.saturating_sub(started.elapsed()) {
            return Err(ChangeFailure {
                // A refusal of the request itself also answers for the attempts before it; one of the
                // caller comes before the request is looked at, and what fails here never gets that far.
                may_have_taken_effect: may_have_taken_effect
                    && !(is_cloud_response(&error) && settles_earlier_attempts(kind)),
                unanswered,
                error,
            });
        }
        sleep(pause).await;
    }
}

/// Whether the answer is a server's own word that it failed: the call is over, with or without effect.
fn is_server_error<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    matches!(error, SdkError::ServiceError(_)) && error.code().is_some() && status.is_some_and(|status| status >= 500)
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

/// Exponential with full jitter, so that processes that failed together do not come back together.
fn choose_pause(kind: ErrorKind, attempt: u32, retry_after: Option<Duration>) -> Duration {
    let first = if kind == ErrorKind::Throttled {
        FIRST_THROTTLED_PAUSE
    } else {
        FIRST_CHANGE_PAUSE
    };
    let longest = first
        .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(MAX_CHANGE_PAUSE);
    longest.mul_f64(fastrand::f64()).max(retry_after.unwrap_or_default())
}

/// The pause that the server asks for, in seconds or in AWS's own header in milliseconds.
fn retry_after<E>(error: &SdkError<E>) -> Option<Duration> {
    let headers = error.raw_response()?.headers();
    let number = |name| headers.get(name)?.parse::<u64>().ok();
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_borne_by_time_and_other_failures_by_number() {
        let mut progress = Progress {
            started: Instant::now(),
            other_failures: 0,
            has_retried_with_new_date: false,
        };
        assert!((0..100).all(|_| !progress.count_failure(Some(ErrorKind::Throttled), MAX_OTHER_FAILURES)));
        assert!((1..MAX_OTHER_FAILURES).all(|_| !progress.count_failure(None, MAX_OTHER_FAILURES)));
        assert!(progress.count_failure(Some(ErrorKind::Network), MAX_OTHER_FAILURES));
        progress.started = Instant::now() - THROTTLED_DEADLINE;
        assert!(progress.count_failure(Some(ErrorKind::Throttled), MAX_OTHER_FAILURES));
    }
}

#[cfg(test)]
mod tests_of_changes {
    use std::cell::Cell;

    use aws_sdk_ec2::operation::run_instances::RunInstancesError;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use jiff::{SignedDuration, Timestamp};

    use super::super::connection_errors;
    use super::super::server_time::ServerTime;
    use super::*;

    /// An answer of an hour's difference to the request.
    fn refusal(status: u16, code: &str) -> SdkError<RunInstancesError> {
        let mut answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        answer.headers_mut().insert("date", date);
        ServerTime::default().record(Timestamp::now() - SignedDuration::from_hours(1), &mut answer);
        let error = RunInstancesError::generic(ErrorMetadata::builder().code(code).build());
        SdkError::service_error(error, answer)
    }

    #[tokio::test]
    async fn a_change_that_is_refused_for_its_date_is_dated_anew_once() {
        let calls = Cell::new(0);
        let call = |refusals: u32, code: &'static str| {
            let calls = &calls;
            calls.set(0);
            retry_change("RunInstances", "eu-west-1", move || {
                calls.set(calls.get() + 1);
                let answer = if calls.get() > refusals {
                    Ok(())
                } else {
                    Err(refusal(400, code))
                };
                std::future::ready(answer)
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
    async fn mistake_that_shows_after_a_lost_answer_leaves_the_outcome_open() {
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
    fn end_of_tls_in_the_middle_leaves_the_outcome_open() {
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
    fn a_servers_word_that_it_failed_is_an_answer() {
        assert!(is_server_error(&refusal(500, "InternalError")));
        assert!(!is_server_error(&refusal(400, "InternalError")));
        let nothing = HttpResponse::new(502.try_into().unwrap(), SdkBody::from("<html>"));
        let unreadable = RunInstancesError::generic(ErrorMetadata::builder().build());
        assert!(!is_server_error(&SdkError::service_error(unreadable, nothing)));
    }

    #[test]
    fn pauses_stay_within_bounds_and_honour_the_server() {
        for attempt in 1..100 {
            assert!(choose_pause(ErrorKind::Network, attempt, None) <= MAX_CHANGE_PAUSE);
        }
        assert!(choose_pause(ErrorKind::Network, 1, None) <= FIRST_CHANGE_PAUSE);
        let asked = Duration::from_secs(30);
        assert_eq!(choose_pause(ErrorKind::Throttled, 1, Some(asked)), asked);
    }
}

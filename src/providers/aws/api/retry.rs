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

use super::client::ATTEMPT_TIMEOUT;
use super::error;
use super::error::{SdkError, code_of_answer, kind_of_answer};
use super::server_time::refused_for_its_date;
use crate::cloud::{Error, ErrorKind, Result};
use crate::providers::aws::configuration::{Configuration, wrong};

/// How long a throttled call is repeated; the last pause comes on top.
const THROTTLED_DEADLINE: Duration = Duration::from_secs(45);
/// After how many failures of another kind a call is given up: about 10 s, by the pauses in [`ReadRetryLimit::retries`].
const OTHER_FAILURES: u32 = 8;
/// More than fit in the time.
const MOST_ATTEMPTS: u32 = 200;
/// How long a call with all its attempts may take.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(120);
/// The SDK's own.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a command waits for the cloud's word on a place, as long as for a page of a listing.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Ends a look-up that is silent for too long: `attempted` is what it could not do then, `place` the region it asked.
///
/// # Errors
/// `Network` after too long a silence; those of the look-up.
pub(crate) async fn in_time<T>(
    place: &str,
    attempted: impl fmt::Display,
    look_up: impl Future<Output = Result<T>>,
) -> Result<T> {
    timeout(LONGEST_SILENCE, look_up).await.unwrap_or_else(|_| {
        let seconds = LONGEST_SILENCE.as_secs();
        let message = format!("{attempted}: no answer within {seconds} s");
        Err(Error::new(ErrorKind::Network, message).at(format!("aws/{place}")))
    })
}

/// The SDK also rations the retries of all calls together, so that a hundred calls under throttling would give up one
/// after the other, however long each was ready to wait. Here each call has its own limit, and no more.
pub(crate) fn unrationed() -> RetryPartition {
    RetryPartition::custom("cloudctl")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// Ends the retries of a call in time. It never makes more of them: a call without retries stays so.
#[derive(Clone, Debug)]
pub(crate) struct ReadRetryLimit {
    /// After how many failures of another kind than throttling a call is given up.
    failures: u32,
    is_adaptive: bool,
    /// How long a connection is waited for.
    connect: Duration,
    /// What sets the number of failures.
    pub(crate) source: String,
}

impl fmt::Display for ReadRetryLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_adaptive { "adaptive" } else { "standard" };
        write!(formatter, "{} attempts, {mode}", self.failures)
    }
}

impl Default for ReadRetryLimit {
    fn default() -> Self {
        Self {
            failures: OTHER_FAILURES,
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
    pub(crate) fn of(configuration: &Configuration) -> Result<Self> {
        let (failures, source) = match configuration.setting("AWS_MAX_ATTEMPTS", "max_attempts") {
            None => (OTHER_FAILURES, "default".to_owned()),
            Some(setting) => match setting.value.parse::<u32>() {
                Ok(attempts) if attempts > 0 => (attempts.min(MOST_ATTEMPTS), setting.source),
                _ => return Err(wrong(&setting, "max_attempts", "a number from 1 on")),
            },
        };
        let is_adaptive = match configuration.setting("AWS_RETRY_MODE", "retry_mode") {
            None => false,
            Some(setting) => match setting.value.to_ascii_lowercase().as_str() {
                "standard" | "legacy" => false,
                "adaptive" => true,
                _ => return Err(wrong(&setting, "retry_mode", "one of standard, adaptive and legacy")),
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
                    return Err(wrong(&setting, "defaults_mode", modes));
                }
            },
        };
        Ok(Self {
            failures,
            is_adaptive,
            connect,
            source,
        })
    }

    pub(crate) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            // The HTTP client gives an attempt up a little earlier, with the server's address.
            .operation_attempt_timeout(ATTEMPT_TIMEOUT + Duration::from_secs(1))
            .operation_timeout(OPERATION_TIMEOUT)
            .build()
    }

    /// The SDK's retries, exponential with full jitter, to be ended here. Who asks for one attempt gets no retry.
    pub(crate) fn retries(&self) -> RetryConfig {
        let retries = match self.is_adaptive {
            true => RetryConfig::adaptive(),
            false => RetryConfig::standard(),
        };
        retries
            .with_max_attempts(if self.failures == 1 { 1 } else { MOST_ATTEMPTS })
            .with_initial_backoff(FIRST_PAUSE)
            .with_max_backoff(LONGEST_PAUSE)
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug)]
struct Progress {
    started: Instant,
    other_failures: u32,
    has_been_dated_anew: bool,
}

impl Storable for Progress {
    type Storer = StoreReplace<Self>;
}

impl Progress {
    /// Counts a failure of a kind; gives whether it was the last to be borne.
    fn exhausted_by(&mut self, kind: Option<ErrorKind>, most: u32) -> bool {
        if kind == Some(ErrorKind::Throttled) {
            return self.started.elapsed() >= THROTTLED_DEADLINE;
        }
        self.other_failures += 1;
        self.other_failures >= most
    }
}

impl Intercept for ReadRetryLimit {
    fn name(&self) -> &'static str {
        "Patience"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        state.interceptor_state().store_put(Progress {
            started: Instant::now(),
            other_failures: 0,
            has_been_dated_anew: false,
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
            .and_then(|answer| kind_of_answer(answer.status().as_u16(), answer.body().bytes()?));
        let exhausted = if context.response().is_some_and(has_wrong_date) {
            std::mem::replace(&mut progress.has_been_dated_anew, true)
        } else {
            progress.exhausted_by(kind, self.failures)
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
        "WrongDate"
    }
}

fn has_wrong_date(answer: &HttpResponse) -> bool {
    refused_for_its_date(answer, answer.body().bytes().and_then(code_of_answer))
}

/// How long a changing call is replayed before its outcome is called unknown.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a cloud is tried that cannot even be reached.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const FIRST_CHANGE_PAUSE: Duration = Duration::from_millis(300);
const FIRST_CHANGE_PAUSE_THROTTLED: Duration = Duration::from_secs(1);
const MAX_CHANGE_PAUSE: Duration = Duration::from_secs(10);

/// A changing call that came to no success.
pub(crate) struct ChangeFailure<E> {
    /// What the last attempt came to.
    pub(crate) error: SdkError<E>,
    /// Whether an attempt got no answer, so that it may take effect even now.
    pub(crate) unanswered: bool,
    /// Whether an attempt may have taken effect nevertheless.
    pub(crate) may_have_worked: bool,
}

/// Makes a call that can be repeated without repeating its effect, again and again until there is a definite
/// answer: `call` is one attempt, under the same idempotency token where there is one.
pub(crate) async fn replay<T, E, Attempt>(
    operation: &'static str,
    place: &str,
    call: impl Fn() -> Attempt,
) -> Result<T, ChangeFailure<E>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    Attempt: Future<Output = Result<T, SdkError<E>>>,
{
    let started = Instant::now();
    let (mut unanswered, mut faulty) = (false, false);
    let mut dated_anew = false;
    let mut attempt = 0;
    loop {
        attempt += 1;
        tracing::debug!(operation, place, attempt, "call");
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let kind = error::kind(&error);
        if error::is_open(kind, &error) {
            let told = is_servers_fault(&error);
            faulty |= told;
            unanswered |= !told;
        }
        let may_have_worked = unanswered || faulty;
        tracing::debug!(
            operation,
            place,
            attempt,
            kind = kind.as_str(),
            code = error.code(),
            "failed"
        );
        let answer = error.raw_response();
        if !dated_anew && answer.is_some_and(|answer| refused_for_its_date(answer, error.code())) {
            dated_anew = true;
            continue;
        }
        let pause = pause(kind, attempt, asked_pause(&error));
        let worthwhile = matches!(kind, ErrorKind::Network | ErrorKind::Throttled);
        let deadline = match kind {
            ErrorKind::Network if !may_have_worked => CONNECT_DEADLINE,
            _ => DEADLINE,
        };
        if !worthwhile || pause > deadline.saturating_sub(started.elapsed()) {
            return Err(ChangeFailure {
                // A refusal of the request itself also answers for the attempts before it; one of the
                // caller comes before the request is looked at, and what fails here never gets that far.
                may_have_worked: may_have_worked && !(is_answer(&error) && answers_for_all(kind)),
                unanswered,
                error,
            });
        }
        sleep(pause).await;
    }
}

/// Whether the answer is a server's own word that it failed: the call is over, with or without effect.
fn is_servers_fault<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    matches!(error, SdkError::ServiceError(_)) && error.code().is_some() && status.is_some_and(|status| status >= 500)
}

fn is_answer<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(error, SdkError::ServiceError(_)) && error.code().is_some()
}

fn answers_for_all(kind: ErrorKind) -> bool {
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
fn pause(kind: ErrorKind, attempt: u32, asked: Option<Duration>) -> Duration {
    let first = if kind == ErrorKind::Throttled {
        FIRST_CHANGE_PAUSE_THROTTLED
    } else {
        FIRST_CHANGE_PAUSE
    };
    let longest = first
        .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(MAX_CHANGE_PAUSE);
    longest.mul_f64(fastrand::f64()).max(asked.unwrap_or_default())
}

/// The pause that the server asks for, in seconds or in AWS's own header in milliseconds.
fn asked_pause<E>(error: &SdkError<E>) -> Option<Duration> {
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
            has_been_dated_anew: false,
        };
        assert!((0..100).all(|_| !progress.exhausted_by(Some(ErrorKind::Throttled), OTHER_FAILURES)));
        assert!((1..OTHER_FAILURES).all(|_| !progress.exhausted_by(None, OTHER_FAILURES)));
        assert!(progress.exhausted_by(Some(ErrorKind::Network), OTHER_FAILURES));
        progress.started = Instant::now() - THROTTLED_DEADLINE;
        assert!(progress.exhausted_by(Some(ErrorKind::Throttled), OTHER_FAILURES));
    }
}

#[cfg(test)]
mod replay_tests {
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
        ServerTime::default().hear(Timestamp::now() - SignedDuration::from_hours(1), &mut answer);
        let error = RunInstancesError::generic(ErrorMetadata::builder().code(code).build());
        SdkError::service_error(error, answer)
    }

    #[tokio::test]
    async fn a_change_that_is_refused_for_its_date_is_dated_anew_once() {
        let calls = Cell::new(0);
        let call = |refusals: u32, code: &'static str| {
            let calls = &calls;
            calls.set(0);
            replay("RunInstances", "eu-west-1", move || {
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
        assert!(!failure.may_have_worked && !failure.unanswered);
        assert!(call(1, "UnauthorizedOperation").await.is_err());
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn mistake_that_shows_after_a_lost_answer_leaves_the_outcome_open() {
        let calls = Cell::new(0);
        let failure = replay("RunInstances", "eu-west-1", || {
            calls.set(calls.get() + 1);
            let cause = match calls.get() {
                1 => ConnectorError::io("the connection was reset".into()),
                _ => connection_errors::refused("the certificate is not trusted".to_owned(), "trust it".to_owned()),
            };
            let error: SdkError<RunInstancesError> = SdkError::dispatch_failure(cause);
            std::future::ready(Err::<(), _>(error))
        });
        let failure = failure.await.unwrap_err();
        assert_eq!(calls.get(), 2);
        assert_eq!(error::kind(&failure.error), ErrorKind::InvalidSpec);
        assert!(failure.may_have_worked && failure.unanswered);
    }

    #[test]
    fn end_of_tls_in_the_middle_leaves_the_outcome_open() {
        let broken = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let untrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        for (cause, is_open) in [(broken, true), (untrusted, false)] {
            let server = connection_errors::Server::of(&http::Uri::from_static("https://ec2.test"), None);
            let cause = connection_errors::explained(ConnectorError::other(cause.into(), None), &server, None);
            let error: SdkError<RunInstancesError> = SdkError::dispatch_failure(cause);
            assert_eq!(error::is_open(error::kind(&error), &error), is_open);
        }
    }

    #[test]
    fn a_servers_word_that_it_failed_is_an_answer() {
        assert!(is_servers_fault(&refusal(500, "InternalError")));
        assert!(!is_servers_fault(&refusal(400, "InternalError")));
        let nothing = HttpResponse::new(502.try_into().unwrap(), SdkBody::from("<html>"));
        let unreadable = RunInstancesError::generic(ErrorMetadata::builder().build());
        assert!(!is_servers_fault(&SdkError::service_error(unreadable, nothing)));
    }

    #[test]
    fn pauses_stay_within_bounds_and_honour_the_server() {
        for attempt in 1..100 {
            assert!(pause(ErrorKind::Network, attempt, None) <= MAX_CHANGE_PAUSE);
        }
        assert!(pause(ErrorKind::Network, 1, None) <= FIRST_CHANGE_PAUSE);
        let asked = Duration::from_secs(30);
        assert_eq!(pause(ErrorKind::Throttled, 1, Some(asked)), asked);
    }
}

//! Only aws has this file: how long a reading call is waited for and retried. The SDK counts attempts, whatever they
//! failed of. Here a region that throttles is asked for as long as is bearable, and one that cannot be reached is given
//! up soon.

use std::fmt;
use std::time::Duration;

use aws_sdk_ec2::config::interceptors::{BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextMut};
use aws_sdk_ec2::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::retry::{ErrorKind as RetryKind, RetryConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::time::{Instant, timeout};

use super::client::ATTEMPT_TIMEOUT;
use super::error::{code_of_answer, kind_of_answer};
use super::server_time::refused_for_its_date;
use crate::cloud::{Error, ErrorKind, Result};
use crate::providers::aws::configuration::{Configuration, wrong};

/// How long a throttled call is repeated; the last pause comes on top.
const THROTTLED_DEADLINE: Duration = Duration::from_secs(45);
/// After how many failures of another kind a call is given up: about 10 s, by the pauses in [`Patience::retries`].
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
pub(crate) struct Patience {
    /// After how many failures of another kind than throttling a call is given up.
    failures: u32,
    is_adaptive: bool,
    /// How long a connection is waited for.
    connect: Duration,
    /// What sets the number of failures.
    pub(crate) source: String,
}

impl fmt::Display for Patience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_adaptive { "adaptive" } else { "standard" };
        write!(formatter, "{} attempts, {mode}", self.failures)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            failures: OTHER_FAILURES,
            is_adaptive: false,
            connect: CONNECT_TIMEOUT,
            source: "default".to_owned(),
        }
    }
}

impl Patience {
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

impl Intercept for Patience {
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
pub(crate) struct WrongDate;

impl ClassifyRetry for WrongDate {
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

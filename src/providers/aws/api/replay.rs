//! Only aws has this file: the attempts of a changing call. The SDK retries too, but tells only of the last
//! attempt, and an earlier one that was lost may have taken effect.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use super::error;
use super::error::SdkError;
use super::server_time::refused_for_its_date;
use crate::cloud::ErrorKind;

/// How long a changing call is replayed before its outcome is called unknown.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a cloud is tried that cannot even be reached.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const FIRST_PAUSE_THROTTLED: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A changing call that came to no success.
pub(crate) struct Failure<E> {
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
) -> Result<T, Failure<E>>
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
            return Err(Failure {
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
        FIRST_PAUSE_THROTTLED
    } else {
        FIRST_PAUSE
    };
    let longest = first
        .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(LONGEST_PAUSE);
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
            assert!(pause(ErrorKind::Network, attempt, None) <= LONGEST_PAUSE);
        }
        assert!(pause(ErrorKind::Network, 1, None) <= FIRST_PAUSE);
        let asked = Duration::from_secs(30);
        assert_eq!(pause(ErrorKind::Throttled, 1, Some(asked)), asked);
    }
}

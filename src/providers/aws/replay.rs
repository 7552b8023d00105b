//! Only aws has this file: the attempts of a changing call. The SDK retries too, but tells only of the last
//! attempt, and an earlier one that was lost may have taken effect.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use super::error::{self, SdkError};
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
pub(super) struct Failure<E> {
    /// What the last attempt came to.
    pub(super) error: SdkError<E>,
    /// Whether an attempt may have taken effect nevertheless.
    pub(super) may_have_worked: bool,
}

/// Makes a call that can be repeated without repeating its effect, again and again until there is a definite
/// answer: `call` is one attempt, under the same idempotency token where there is one.
pub(super) async fn replay<T, E, Attempt>(
    operation: &'static str,
    place: &str,
    call: impl Fn() -> Attempt,
) -> Result<T, Failure<E>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    Attempt: Future<Output = Result<T, SdkError<E>>>,
{
    let started = Instant::now();
    let mut may_have_worked = false;
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
        may_have_worked |= kind == ErrorKind::Network && !error::never_sent(&error);
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
        if !worthwhile || started.elapsed() + pause > deadline {
            return Err(Failure {
                // A refusal of the request itself also answers for the attempts before it; one of the
                // caller comes before the request is looked at.
                may_have_worked: may_have_worked && !answers_for_all(kind),
                error,
            });
        }
        sleep(pause).await;
    }
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
    use super::*;

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

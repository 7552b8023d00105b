//! SDK errors as cloudctl's: the kind by the cloud's code; `codes` says where its sentence counts.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind as IoErrorKind;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::codes::{kind_of, kind_of_code, kind_of_status, remedy_of};
use super::server_time::remedy_of_clock;
use crate::cloud::{Error, ErrorKind};

/// What the SDK gives when a call of operation error `E` fails.
pub(super) type SdkError<E> = aws_smithy_runtime_api::client::result::SdkError<E, HttpResponse>;

/// Whether a call can have had an effect, which decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It only reads: whatever happened to the answer, nothing happened in the cloud.
    Read,
    /// It changes something: without an answer it may have taken effect.
    Change,
}

/// The driver's words for a failure: `attempted` is what it could not do, `place` the region.
pub(super) fn translate<E>(error: &SdkError<E>, call: Call, attempted: impl fmt::Display, place: &str) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = match kind(error) {
        ErrorKind::Network if call == Call::Change && !never_sent(error) => ErrorKind::UnknownOutcome,
        kind => kind,
    };
    let reason = match (error.message(), error.code()) {
        (Some(message), _) => message.trim_end_matches('.').to_owned(),
        (None, Some(code)) => code.to_owned(),
        (None, None) => reason_without_code(error),
    };
    let mut translated = told(Error::new(kind, format!("{attempted}: {reason}")), error).at(format!("aws/{place}"));
    if let Some(remedy) = error.code().and_then(|code| remedy_of(code, error.message())) {
        translated = translated.with_remedy(remedy);
    }
    let answer = error.raw_response().filter(|_| kind == ErrorKind::Unauthenticated);
    if let Some(remedy) = answer.and_then(remedy_of_clock) {
        translated = translated.with_remedy(remedy);
    }
    match error {
        // The message, the code and the request id are all that the cloud told.
        SdkError::ServiceError(_) => translated,
        _ => translated.with_source(Cause(chain(error))),
    }
}

/// Why a call failed of which the cloud itself told nothing.
fn reason_without_code<E: StdError + Send + Sync + 'static>(error: &SdkError<E>) -> String {
    if let SdkError::ServiceError(service) = error {
        let status = service.raw().status().as_u16();
        return format!(
            "the answer was not one of aws's (HTTP {status}): perhaps it came from a proxy or a captive portal"
        );
    }
    match find::<E, CredentialsError>(error) {
        // It goes on for a line for each place that was looked at; those are in the source.
        Some(CredentialsError::CredentialsNotLoaded(_)) => "no credentials were found".to_owned(),
        Some(_) => format!("no usable credentials: {}", root(error)),
        None => root(error),
    }
}

/// Adds the cloud's own code and request id.
pub(super) fn told<E: ProvideErrorMetadata>(mut error: Error, by: &SdkError<E>) -> Error {
    if let Some(code) = by.code() {
        error = error.with_code(code);
    }
    // Where the protocol's error document has it.
    if let Some(request_id) = by.meta().extra("aws_request_id") {
        error = error.with_request_id(request_id);
    }
    error
}

/// The kind of a failure as if the call only read: `Network` is whatever left no definite answer.
pub(super) fn kind<E>(error: &SdkError<E>) -> ErrorKind
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if find::<E, CredentialsError>(error).is_some() {
        return ErrorKind::Unauthenticated;
    }
    match error {
        SdkError::ConstructionFailure(_) => ErrorKind::Internal,
        SdkError::ServiceError(service) => match error.code() {
            Some(code) => {
                kind_of(code, error.message()).unwrap_or_else(|| kind_of_status(service.raw().status().as_u16()))
            }
            // Something else has answered, and whether the cloud got the request is not known from it.
            None => ErrorKind::Network,
        },
        // An answer that cannot be read says nothing of what was done, whatever its status.
        _ => ErrorKind::Network,
    }
}

/// The kind that an error document of EC2's or STS's stands for, where the SDK has not typed it yet.
pub(super) fn kind_of_answer(status: u16, body: &[u8]) -> Option<ErrorKind> {
    match code_of_answer(body) {
        Some(code) => kind_of_code(code),
        None => Some(kind_of_status(status)),
    }
}

/// The code that an error document of EC2's or STS's has.
pub(super) fn code_of_answer(body: &[u8]) -> Option<&str> {
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0.trim())
}

/// Whether the request cannot have reached the cloud.
pub(super) fn never_sent<E>(error: &SdkError<E>) -> bool
where
    E: StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(_) => {
            find::<E, CredentialsError>(error).is_some()
                || find::<E, std::io::Error>(error).is_some_and(|error| {
                    matches!(
                        error.kind(),
                        IoErrorKind::ConnectionRefused | IoErrorKind::HostUnreachable | IoErrorKind::NetworkUnreachable
                    )
                })
        }
        _ => false,
    }
}

fn find<E, Wanted>(error: &SdkError<E>) -> Option<&Wanted>
where
    E: StdError + Send + Sync + 'static,
    Wanted: StdError + 'static,
{
    links(error).find_map(|error| error.downcast_ref())
}

fn links<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What the innermost error displays, which mostly is the real cause.
fn root<E: StdError + Send + Sync + 'static>(error: &SdkError<E>) -> String {
    let text = links(error).last().map(ToString::to_string).unwrap_or_default();
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// What each error of the chain displays. The SDK's errors themselves are not kept: their `Debug` has whole
/// answers in it.
fn chain<E: StdError + Send + Sync + 'static>(error: &SdkError<E>) -> String {
    let mut words: Vec<String> = Vec::new();
    for link in links(error) {
        let text = link.to_string();
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

/// The chain of causes behind an error, as text.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl StdError for Cause {}

//! SDK errors as cloudctl's: the kind by the cloud's code; `codes` says where its sentence counts.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind as IoErrorKind;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http::endpoint::ResolveEndpointError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::codes::{kind_of, kind_of_code, kind_of_status, remedy_of};
use super::connection_errors::Unreachable;
use super::server_time::remedy_of_clock;
use crate::cloud::{Error, ErrorKind};
use crate::providers::common::connection_errors::links;

/// What the SDK gives when a call of operation error `E` fails.
pub(crate) type SdkError<E> = aws_smithy_runtime_api::client::result::SdkError<E, HttpResponse>;

/// Whether a call can have had an effect, which decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It only reads: whatever happened to the answer, nothing happened in the cloud.
    Read,
    /// It changes something: without an answer it may have taken effect.
    Change,
}

/// The driver's words for a failure: `attempted` is what it could not do, `place` the region.
pub(crate) fn translate<E>(error: &SdkError<E>, call: Call, attempted: impl fmt::Display, place: &str) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    // Settings or credentials that do not serve: already in words, and true of every call.
    if let Some(own) = find::<E, Error>(error) {
        return match own.location() {
            Some(_) => own.clone(),
            None => own.clone().at("aws"),
        };
    }
    let kind = match kind(error) {
        kind if call == Call::Change && is_open(kind, error) => ErrorKind::UnknownOutcome,
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
    if let Some(remedy) = find::<E, Unreachable>(error).and_then(|unreachable| unreachable.remedy.as_ref()) {
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
        Some(_) => format!("no usable credentials: {}", root_words(error)),
        None => match find::<E, Unreachable>(error) {
            Some(unreachable) => unreachable.reason.clone(),
            None => root_words(error),
        },
    }
}

/// Adds the cloud's own code and request id.
pub(crate) fn told<E: ProvideErrorMetadata>(mut error: Error, by: &SdkError<E>) -> Error {
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
pub(crate) fn kind<E>(error: &SdkError<E>) -> ErrorKind
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let Some(own) = find::<E, Error>(error) {
        return own.kind();
    }
    if find::<E, CredentialsError>(error).is_some() {
        return ErrorKind::Unauthenticated;
    }
    if let Some(unreachable) = find::<E, Unreachable>(error) {
        return unreachable.kind;
    }
    // The SDK's own rules of addresses: no such service there, or switches that exclude each other.
    if find::<E, ResolveEndpointError>(error).is_some() {
        return ErrorKind::InvalidSpec;
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
pub(crate) fn kind_of_answer(status: u16, body: &[u8]) -> Option<ErrorKind> {
    match code_of_answer(body) {
        Some(code) => kind_of_code(code),
        None => Some(kind_of_status(status)),
    }
}

/// The code that an error document of EC2's or STS's has.
pub(crate) fn code_of_answer(body: &[u8]) -> Option<&str> {
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0.trim())
}

/// Whether a changing call may have taken effect although it failed so.
pub(crate) fn is_open<E>(kind: ErrorKind, error: &SdkError<E>) -> bool
where
    E: StdError + Send + Sync + 'static,
{
    let is_dispatch = matches!(error, SdkError::DispatchFailure(_));
    (kind == ErrorKind::Network || kind == ErrorKind::InvalidSpec && is_dispatch) && !never_sent(error)
}

/// Whether the request cannot have reached the cloud.
pub(crate) fn never_sent<E>(error: &SdkError<E>) -> bool
where
    E: StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(_) => {
            find::<E, CredentialsError>(error).is_some()
                || find::<E, Error>(error).is_some()
                || find::<E, ResolveEndpointError>(error).is_some()
                || find::<E, Unreachable>(error).is_some_and(Unreachable::is_before_request)
                || find::<E, ResolveDnsError>(error).is_some()
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

/// What the innermost error says, which mostly is the real cause. An answer of a cloud is told by its code and words: its
/// error displays nothing but its debug form.
pub(crate) fn root_words(error: &(dyn StdError + 'static)) -> String {
    if let Some(unreachable) = links(error).find_map(|link| link.downcast_ref::<Unreachable>()) {
        return unreachable.reason.clone();
    }
    // It displays the whole answer in its debug form.
    if let Some(ImdsError::ErrorResponse(answer)) = links(error).find_map(|link| link.downcast_ref::<ImdsError>()) {
        let status = answer.response().status().as_u16();
        return format!("the metadata service answered with HTTP status {status}");
    }
    let told = links(error).find_map(|link| link.downcast_ref::<ErrorMetadata>());
    let told = told.and_then(|meta| {
        let words = [meta.code(), meta.message()].into_iter().flatten().collect::<Vec<_>>();
        (!words.is_empty()).then(|| words.join(": "))
    });
    let text = told.unwrap_or_else(|| links(error).last().map(ToString::to_string).unwrap_or_default());
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    // The SDK's debug form of a status.
    match text.split_once("StatusCode(") {
        Some((before, after)) => format!("{before}HTTP status {}", after.replacen(')', "", 1)),
        None => text,
    }
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

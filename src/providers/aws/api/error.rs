//! Translates errors of the SDK to [`Error`]. The error code decides the kind; only [`kind_of_code_and_message`]
//! reads a message.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind as IoErrorKind;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http::endpoint::ResolveEndpointError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::connection_errors::{Unreachable, describe_root_cause, find_cause};
use super::server_time::clock_hint;
use crate::cloud::{Error, ErrorKind, ErrorLocation, ProviderKind};
use crate::providers::common::connection_errors::error_chain;

/// The SDK's error for a call with the operation error `E`.
pub(crate) type SdkError<E> = aws_smithy_runtime_api::client::result::SdkError<E, HttpResponse>;

/// The error that EC2, STS or the price list sends for an operation.
pub(crate) trait OperationError: ProvideErrorMetadata + StdError + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + StdError + Send + Sync + 'static> OperationError for E {}

/// The hint for a region without a default VPC.
pub(crate) const NO_DEFAULT_VPC_HINT: &str =
    "name a subnet with --subnet, or make a default VPC with `aws ec2 create-default-vpc`";

/// Whether a call changes something. This decides what a lost response means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The call only reads. A lost response changes nothing.
    Read,
    /// The call changes something. Without a response it may have taken effect.
    Change,
}

/// Translates an error. `failure_prefix` says what failed; `region` is where the call was sent.
pub(crate) fn translate<E: OperationError>(
    error: &SdkError<E>,
    call: Call,
    failure_prefix: impl fmt::Display,
    region: &str,
) -> Error {
    // An error of cloudctl about settings or credentials has its message already.
    if let Some(cloudctl_error) = find_cause::<Error>(error) {
        return cloudctl_error.clone().at_if_unset(ProviderKind::Aws);
    }
    let kind = match classify(error) {
        kind if call == Call::Change && may_have_taken_effect(kind, error) => ErrorKind::UnknownOutcome,
        kind => kind,
    };
    let reason = match (error.message(), error.code()) {
        (Some(message), _) => message.trim_end_matches('.').to_owned(),
        (None, Some(code)) => code.to_owned(),
        (None, None) => describe_without_code(error),
    };
    let mut translated = with_sdk_details(Error::new(kind, format!("{failure_prefix}: {reason}")), error)
        .at(ErrorLocation::new(ProviderKind::Aws, region));
    if let Some(hint) = error.code().and_then(|code| hint_for(code, error.message())) {
        translated = translated.with_hint(hint);
    }
    if let Some(hint) = find_cause::<Unreachable>(error).and_then(|unreachable| unreachable.hint.as_ref()) {
        translated = translated.with_hint(hint);
    }
    if kind == ErrorKind::Unauthenticated
        && let Some(hint) = error.raw_response().and_then(clock_hint)
    {
        translated = translated.with_hint(hint);
    }
    match error {
        // The message, the code and the request id are all that the cloud sent.
        SdkError::ServiceError(_) => translated,
        _ => translated.with_source(Cause(describe_chain(error))),
    }
}

/// Describes a failure without a code from the cloud.
fn describe_without_code<E: OperationError>(error: &SdkError<E>) -> String {
    if let SdkError::ServiceError(service) = error {
        let status = service.raw().status().as_u16();
        return format!(
            "the response did not come from AWS (HTTP {status}); it may be from a proxy or a captive portal"
        );
    }
    match find_cause::<CredentialsError>(error) {
        // The SDK's text lists every place it looked in; the source error has it.
        Some(CredentialsError::CredentialsNotLoaded(_)) => "no credentials were found".to_owned(),
        Some(_) => format!("no usable credentials: {}", describe_root_cause(error)),
        None => match find_cause::<Unreachable>(error) {
            Some(unreachable) => unreachable.reason.clone(),
            None => describe_root_cause(error),
        },
    }
}

/// Adds the cloud's error code and request id.
pub(crate) fn with_sdk_details<E: ProvideErrorMetadata>(mut error: Error, by: &SdkError<E>) -> Error {
    if let Some(code) = by.code() {
        error = error.with_code(code);
    }
    // The SDK has it if the error document had it.
    if let Some(request_id) = by.meta().extra("aws_request_id") {
        error = error.with_request_id(request_id);
    }
    error
}

/// The kinds of error codes of EC2 and STS.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
const CODES_BY_KIND: [(ErrorKind, &str); 13] = [
    (
        ErrorKind::NotFound,
        "InvalidInstanceID.NotFound InvalidInstanceID.Malformed",
    ),
    (ErrorKind::AlreadyExists, "IdempotentParameterMismatch"),
    (ErrorKind::Protected, "OperationNotPermitted"),
    // For `Unsupported` no zone has the combination, unless the message names the zone: see
    // `kind_of_code_and_message`.
    (
        ErrorKind::Refused,
        "IncorrectInstanceState IncorrectState VPCIdNotSpecified MissingInput IdempotentInstanceTerminated \
         NoDefaultVpc DefaultVpcDoesNotExist Unsupported",
    ),
    // For `VolumeTypeNotAvailableInZone` another zone has the volume type.
    (
        ErrorKind::Capacity,
        "InsufficientInstanceCapacity InsufficientHostCapacity InsufficientReservedInstanceCapacity \
         InsufficientCapacity InsufficientCapacityOnHost InsufficientCapacityOnOutpost \
         InsufficientFreeAddressesInSubnet InsufficientAddressCapacity InsufficientVolumeCapacity \
         ReservationCapacityExceeded UnfulfillableCapacity SpotMaxPriceTooLow VolumeTypeNotAvailableInZone",
    ),
    (
        ErrorKind::Unauthenticated,
        "AuthFailure RequestExpired ExpiredToken ExpiredTokenException InvalidClientTokenId InvalidAccessKeyId \
         InvalidSecurity IncompleteSignature MissingAuthenticationToken RequestTimeTooSkewed SignatureDoesNotMatch \
         UnrecognizedClientException",
    ),
    (
        ErrorKind::PermissionDenied,
        "UnauthorizedOperation AccessDenied AccessDeniedException OptInRequired PendingVerification \
         PendingVerificationTimeout Blocked AccountDisabled RegionDisabledException",
    ),
    (
        ErrorKind::Throttled,
        "RequestLimitExceeded Throttling ThrottlingException ThrottledException RequestThrottled \
         RequestThrottledException EC2ThrottledException SlowDown TooManyRequestsException BandwidthLimitExceeded \
         PriorRequestNotComplete",
    ),
    (
        ErrorKind::Network,
        "InternalError InternalFailure InternalServerError ServerInternal ServiceUnavailable Unavailable \
         RequestTimeout RequestTimeoutException InvalidNextToken InvalidPaginationToken",
    ),
    (
        ErrorKind::Unsupported,
        "UnsupportedOperation UnsupportedHibernationConfiguration UnsupportedInstanceAttribute UnsupportedTenancy \
         UnsupportedHostConfiguration",
    ),
    (ErrorKind::Internal, "InvalidAction FilterLimitExceeded"),
    (
        ErrorKind::InvalidSpec,
        "TagLimitExceeded MissingParameter UnknownParameter ValidationError \
         InstanceCreditSpecification.NotSupported EncryptedVolumesNotSupported",
    ),
    (ErrorKind::Quota, "MaxSpotInstanceCountExceeded"),
];

/// The kind of an error code of EC2 or STS; `None` for an unknown code.
pub(crate) fn kind_of_code(code: &str) -> Option<ErrorKind> {
    for (kind, codes) in CODES_BY_KIND {
        if codes.split_whitespace().any(|known| known == code) {
            return Some(kind);
        }
    }
    // VcpuLimitExceeded, InstanceLimitExceeded, VolumeLimitExceeded and similar codes.
    if code.ends_with("LimitExceeded") {
        return Some(ErrorKind::Quota);
    }
    // InvalidAMIID.NotFound, InvalidParameterValue, InvalidKeyPair.NotFound and many more.
    code.starts_with("Invalid").then_some(ErrorKind::InvalidSpec)
}

/// The kind of an error code with its message. EC2 says only in the message that another zone has what the requested
/// zone lacks, under codes that have many other meanings. This is the only place where a message decides.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html>
pub(crate) fn kind_of_code_and_message(code: &str, message: Option<&str>) -> Option<ErrorKind> {
    let can_concern_zone = matches!(
        code,
        "Unsupported" | "UnsupportedOperation" | "InvalidParameterValue" | "InvalidParameterCombination"
    );
    match message {
        Some(message) if can_concern_zone && names_requested_zone(message) => Some(ErrorKind::Capacity),
        _ => kind_of_code(code),
    }
}

/// The kind of an HTTP status, for a response with an unknown code.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Network,
        _ => ErrorKind::Internal,
    }
}

/// The hint for an error code, if there is one clear next step.
pub(crate) fn hint_for(code: &str, message: Option<&str>) -> Option<String> {
    let message = message.unwrap_or_default();
    match code {
        // Images of AWS Marketplace need a subscription, and EC2's message has the page. Otherwise the region is not
        // enabled.
        // https://docs.aws.amazon.com/marketplace/latest/buyerguide/buyer-server-products.html
        "OptInRequired" if message.contains("Marketplace") => Some(match find_url(message) {
            Some(page) => format!("accept the product's terms and subscribe to it, at {page}"),
            None => {
                "accept the product's terms and subscribe to it in AWS Marketplace, or use another image".to_owned()
            }
        }),
        // The general hint for `Capacity` suggests other zones.
        _ if kind_of_code_and_message(code, Some(message)) == Some(ErrorKind::Capacity) => None,
        _ => hint_for_code(code).map(str::to_owned),
    }
}

/// The kind of an error for a call that only reads. `Network` means that there was no definite response.
pub(crate) fn classify<E: OperationError>(error: &SdkError<E>) -> ErrorKind {
    if let Some(cloudctl_error) = find_cause::<Error>(error) {
        return cloudctl_error.kind();
    }
    if find_cause::<CredentialsError>(error).is_some() {
        return ErrorKind::Unauthenticated;
    }
    if let Some(unreachable) = find_cause::<Unreachable>(error) {
        return unreachable.kind;
    }
    // The SDK found no address: the region has no such service, or two settings exclude each other.
    if find_cause::<ResolveEndpointError>(error).is_some() {
        return ErrorKind::InvalidSpec;
    }
    match error {
        SdkError::ConstructionFailure(_) => ErrorKind::Internal,
        SdkError::ServiceError(service) => match error.code() {
            Some(code) => kind_of_code_and_message(code, error.message())
                .unwrap_or_else(|| kind_of_status(service.raw().status().as_u16())),
            // Another server responded. Whether the cloud got the request is unknown.
            None => ErrorKind::Network,
        },
        // A response that cannot be parsed does not say what was done, whatever its status.
        _ => ErrorKind::Network,
    }
}

/// The kind of an error document of EC2 or STS that the SDK has not parsed yet.
pub(crate) fn classify_response(status: u16, body: &[u8]) -> Option<ErrorKind> {
    match read_error_code(body) {
        Some(code) => kind_of_code(code),
        None => Some(kind_of_status(status)),
    }
}

/// The code in an error document of EC2 or STS.
pub(crate) fn read_error_code(body: &[u8]) -> Option<&str> {
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0.trim())
}

/// Whether a changing call that failed may have taken effect.
pub(crate) fn may_have_taken_effect<E: OperationError>(kind: ErrorKind, error: &SdkError<E>) -> bool {
    let has_no_response = match error {
        SdkError::DispatchFailure(_) => matches!(kind, ErrorKind::Network | ErrorKind::InvalidSpec),
        _ => kind == ErrorKind::Network,
    };
    has_no_response && !was_never_sent(error)
}

/// Whether the request certainly did not reach the cloud.
fn was_never_sent<E: OperationError>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(_) => {
            find_cause::<CredentialsError>(error).is_some()
                || find_cause::<Error>(error).is_some()
                || find_cause::<ResolveEndpointError>(error).is_some()
                || find_cause::<Unreachable>(error).is_some_and(Unreachable::is_before_request)
                || find_cause::<ResolveDnsError>(error).is_some()
                || find_cause::<std::io::Error>(error).is_some_and(|error| {
                    matches!(
                        error.kind(),
                        IoErrorKind::ConnectionRefused | IoErrorKind::HostUnreachable | IoErrorKind::NetworkUnreachable
                    )
                })
        }
        _ => false,
    }
}

/// The texts of an error and its causes. The SDK's errors are not kept: their `Debug` output has whole responses in
/// it.
fn describe_chain<E: OperationError>(error: &SdkError<E>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for link in error_chain(error) {
        let text = link.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl StdError for Cause {}

/// Whether a message says that the requested zone lacks something: "Your requested instance type (…) is not supported
/// in your requested Availability Zone (…)", or "The requested Availability Zone is currently constrained …".
fn names_requested_zone(message: &str) -> bool {
    message.to_ascii_lowercase().contains("requested availability zone")
}

/// Finds the first URL in a message.
fn find_url(message: &str) -> Option<&str> {
    let from = &message[message.find("https://").or_else(|| message.find("http://"))?..];
    let mut parts = from.split(|character: char| character.is_whitespace() || "\"'<>".contains(character));
    Some(parts.next()?.trim_end_matches(['.', ',', ';', ':', ')']))
}

fn hint_for_code(code: &str) -> Option<&'static str> {
    match code {
        "VPCIdNotSpecified" | "MissingInput" | "NoDefaultVpc" | "DefaultVpcDoesNotExist" => Some(NO_DEFAULT_VPC_HINT),
        // https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
        "UnauthorizedOperation" => {
            Some("ask for the permission; `aws sts decode-authorization-message` tells which one is missing")
        }
        "OptInRequired" | "RegionDisabledException" => {
            Some("enable the region for the account, or use another with --region")
        }
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        "PendingVerification" | "PendingVerificationTimeout" => Some(
            "wait until aws has verified the account, which mostly takes less than two hours, or write to \
             aws-verification@amazon.com",
        ),
        "Blocked" | "AccountDisabled" => {
            Some("the account may not do this: ask AWS Support, at https://aws.amazon.com/contact-us/")
        }
        // Only EC2's message says what is wrong with the combination.
        "Unsupported" => Some("change the type, image, tenancy or --native options: no zone has this combination"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_code_has_priority_over_its_beginning_and_end() {
        for (code, kind) in [
            ("InvalidInstanceID.NotFound", ErrorKind::NotFound),
            ("InvalidPaginationToken", ErrorKind::Network),
            ("InvalidKeyPair.NotFound", ErrorKind::InvalidSpec),
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("VcpuLimitExceeded", ErrorKind::Quota),
        ] {
            assert_eq!(kind_of_code(code), Some(kind), "{code}");
        }
        assert_eq!(kind_of_code("SomethingNew"), None);
        // Only some codes get their kind by the message.
        let message = Some("not supported in your requested Availability Zone (us-east-1e)");
        let kind = kind_of_code_and_message("UnauthorizedOperation", message);
        assert_eq!(kind, Some(ErrorKind::PermissionDenied));
    }

    #[test]
    fn status_decides_without_known_code() {
        assert_eq!(kind_of_status(403), ErrorKind::PermissionDenied);
        assert_eq!(kind_of_status(503), ErrorKind::Network);
        assert_eq!(kind_of_status(400), ErrorKind::Internal);
    }
}

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

use super::connection_errors::{Unreachable, describe_root_cause};
use super::server_time::clock_hint;
use crate::cloud::{Error, ErrorKind, ErrorLocation, ProviderKind};
use crate::providers::common::connection_errors::links;

/// The SDK's error for a call with the operation error `E`.
pub(crate) type SdkError<E> = aws_smithy_runtime_api::client::result::SdkError<E, HttpResponse>;

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

/// Translates an error. `attempted` says what failed; `region` is where the call was sent.
pub(crate) fn translate<E>(error: &SdkError<E>, call: Call, attempted: impl fmt::Display, region: &str) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    // An error of our own about settings or credentials has its message already.
    if let Some(own) = find_cause::<E, Error>(error) {
        return match own.location() {
            Some(_) => own.clone(),
            None => own.clone().at(ProviderKind::Aws),
        };
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
    let mut translated = with_sdk_details(Error::new(kind, format!("{attempted}: {reason}")), error)
        .at(ErrorLocation::new(ProviderKind::Aws, region));
    if let Some(hint) = error.code().and_then(|code| hint_for(code, error.message())) {
        translated = translated.with_hint(hint);
    }
    if let Some(hint) = find_cause::<E, Unreachable>(error).and_then(|unreachable| unreachable.hint.as_ref()) {
        translated = translated.with_hint(hint);
    }
    let response = error.raw_response().filter(|_| kind == ErrorKind::Unauthenticated);
    if let Some(hint) = response.and_then(clock_hint) {
        translated = translated.with_hint(hint);
    }
    match error {
        // The message, the code and the request id are all that the cloud sent.
        SdkError::ServiceError(_) => translated,
        _ => translated.with_source(Cause(describe_chain(error))),
    }
}

/// Describes a failure without a code from the cloud.
fn describe_without_code<E: StdError + Send + Sync + 'static>(error: &SdkError<E>) -> String {
    if let SdkError::ServiceError(service) = error {
        let status = service.raw().status().as_u16();
        return format!(
            "the answer was not one of aws's (HTTP {status}): perhaps it came from a proxy or a captive portal"
        );
    }
    match find_cause::<E, CredentialsError>(error) {
        // The SDK's text lists every place it looked in; the source error has it.
        Some(CredentialsError::CredentialsNotLoaded(_)) => "no credentials were found".to_owned(),
        Some(_) => format!("no usable credentials: {}", describe_root_cause(error)),
        None => match find_cause::<E, Unreachable>(error) {
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

/// The kind of an error code of EC2 or STS; `None` for an unknown code.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
pub(crate) fn kind_of_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "InvalidInstanceID.NotFound" | "InvalidInstanceID.Malformed" => ErrorKind::NotFound,
        "IdempotentParameterMismatch" => ErrorKind::AlreadyExists,
        "OperationNotPermitted" => ErrorKind::Protected,
        "IncorrectInstanceState"
        | "IncorrectState"
        | "VPCIdNotSpecified"
        | "MissingInput"
        | "IdempotentInstanceTerminated"
        | "NoDefaultVpc"
        | "DefaultVpcDoesNotExist"
        // No zone has the combination, unless the message names the zone: see `kind_of_code_and_message`.
        | "Unsupported" => ErrorKind::Refused,
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientCapacity"
        | "InsufficientCapacityOnHost"
        | "InsufficientCapacityOnOutpost"
        | "InsufficientFreeAddressesInSubnet"
        | "InsufficientAddressCapacity"
        | "InsufficientVolumeCapacity"
        | "ReservationCapacityExceeded"
        | "UnfulfillableCapacity"
        | "SpotMaxPriceTooLow"
        // Another zone has this volume type.
        | "VolumeTypeNotAvailableInZone" => ErrorKind::Capacity,
        "AuthFailure"
        | "RequestExpired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSecurity"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorKind::Unauthenticated,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "OptInRequired"
        | "PendingVerification"
        | "PendingVerificationTimeout"
        | "Blocked"
        | "AccountDisabled"
        | "RegionDisabledException" => ErrorKind::PermissionDenied,
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "EC2ThrottledException"
        | "SlowDown"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete" => ErrorKind::Throttled,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServerInternal"
        | "ServiceUnavailable"
        | "Unavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "InvalidNextToken"
        | "InvalidPaginationToken" => ErrorKind::Network,
        "UnsupportedOperation"
        | "UnsupportedHibernationConfiguration"
        | "UnsupportedInstanceAttribute"
        | "UnsupportedTenancy"
        | "UnsupportedHostConfiguration" => ErrorKind::Unsupported,
        "InvalidAction" | "FilterLimitExceeded" => ErrorKind::Internal,
        "TagLimitExceeded"
        | "MissingParameter"
        | "UnknownParameter"
        | "ValidationError"
        | "InstanceCreditSpecification.NotSupported"
        | "EncryptedVolumesNotSupported" => ErrorKind::InvalidSpec,
        // VcpuLimitExceeded, InstanceLimitExceeded, VolumeLimitExceeded and similar codes.
        "MaxSpotInstanceCountExceeded" => ErrorKind::Quota,
        _ if code.ends_with("LimitExceeded") => ErrorKind::Quota,
        // InvalidAMIID.NotFound, InvalidParameterValue, InvalidKeyPair.NotFound and many more.
        _ if code.starts_with("Invalid") => ErrorKind::InvalidSpec,
        _ => return None,
    })
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
pub(crate) fn classify<E>(error: &SdkError<E>) -> ErrorKind
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let Some(own) = find_cause::<E, Error>(error) {
        return own.kind();
    }
    if find_cause::<E, CredentialsError>(error).is_some() {
        return ErrorKind::Unauthenticated;
    }
    if let Some(unreachable) = find_cause::<E, Unreachable>(error) {
        return unreachable.kind;
    }
    // The SDK found no address: the region has no such service, or two settings exclude each other.
    if find_cause::<E, ResolveEndpointError>(error).is_some() {
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
pub(crate) fn may_have_taken_effect<E>(kind: ErrorKind, error: &SdkError<E>) -> bool
where
    E: StdError + Send + Sync + 'static,
{
    let is_dispatch = matches!(error, SdkError::DispatchFailure(_));
    (kind == ErrorKind::Network || kind == ErrorKind::InvalidSpec && is_dispatch) && !was_never_sent(error)
}

/// Whether the request certainly did not reach the cloud.
pub(crate) fn was_never_sent<E>(error: &SdkError<E>) -> bool
where
    E: StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(_) => {
            find_cause::<E, CredentialsError>(error).is_some()
                || find_cause::<E, Error>(error).is_some()
                || find_cause::<E, ResolveEndpointError>(error).is_some()
                || find_cause::<E, Unreachable>(error).is_some_and(Unreachable::is_before_request)
                || find_cause::<E, ResolveDnsError>(error).is_some()
                || find_cause::<E, std::io::Error>(error).is_some_and(|error| {
                    matches!(
                        error.kind(),
                        IoErrorKind::ConnectionRefused | IoErrorKind::HostUnreachable | IoErrorKind::NetworkUnreachable
                    )
                })
        }
        _ => false,
    }
}

fn find_cause<E, Wanted>(error: &SdkError<E>) -> Option<&Wanted>
where
    E: StdError + Send + Sync + 'static,
    Wanted: StdError + 'static,
{
    links(error).find_map(|error| error.downcast_ref())
}

/// The texts of an error and its causes. The SDK's errors are not kept: their `Debug` output has whole responses in
/// it.
fn describe_chain<E: StdError + Send + Sync + 'static>(error: &SdkError<E>) -> String {
    let mut words: Vec<String> = Vec::new();
    for link in links(error) {
        let text = link.to_string();
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

/// The causes of an error, as text.
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
    let end = from.find(|letter: char| letter.is_whitespace() || "\"'<>".contains(letter));
    let page = end.map_or(from, |end| &from[..end]);
    Some(page.trim_end_matches(['.', ',', ';', ':', ')']))
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
    fn documented_codes_have_kinds() {
        for (kind, codes) in [
            (
                ErrorKind::Capacity,
                "InsufficientInstanceCapacity InsufficientHostCapacity InsufficientFreeAddressesInSubnet \
                 SpotMaxPriceTooLow UnfulfillableCapacity VolumeTypeNotAvailableInZone",
            ),
            (
                ErrorKind::Quota,
                "VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded VolumeLimitExceeded",
            ),
            (
                ErrorKind::Unauthenticated,
                "AuthFailure RequestExpired ExpiredToken InvalidClientTokenId SignatureDoesNotMatch",
            ),
            (
                ErrorKind::PermissionDenied,
                "UnauthorizedOperation OptInRequired PendingVerification Blocked AccountDisabled",
            ),
            (ErrorKind::Throttled, "RequestLimitExceeded Throttling"),
            (
                ErrorKind::NotFound,
                "InvalidInstanceID.NotFound InvalidInstanceID.Malformed",
            ),
            (ErrorKind::Protected, "OperationNotPermitted"),
            (
                ErrorKind::Refused,
                "IncorrectInstanceState VPCIdNotSpecified MissingInput Unsupported",
            ),
            (ErrorKind::Network, "InternalError Unavailable InvalidPaginationToken"),
            (ErrorKind::AlreadyExists, "IdempotentParameterMismatch"),
            (
                ErrorKind::InvalidSpec,
                "InvalidAMIID.NotFound InvalidParameterValue InvalidKeyPair.NotFound InvalidSubnetID.NotFound",
            ),
            (ErrorKind::Unsupported, "UnsupportedOperation"),
        ] {
            for code in codes.split_whitespace() {
                assert_eq!(kind_of_code(code), Some(kind), "{code}");
            }
        }
        assert_eq!(kind_of_code("SomethingNew"), None);
    }

    #[test]
    fn message_about_requested_zone_means_capacity() {
        let in_zone = "Your requested instance type (t2.micro) is not supported in your requested Availability Zone \
                       (us-east-1e). Please retry your request by not specifying an Availability Zone.";
        let configuration = "The requested configuration is currently not supported. Please check the documentation.";
        for (code, message, kind) in [
            ("Unsupported", Some(in_zone), ErrorKind::Capacity),
            ("InvalidParameterValue", Some(in_zone), ErrorKind::Capacity),
            ("Unsupported", Some(configuration), ErrorKind::Refused),
            ("Unsupported", None, ErrorKind::Refused),
            ("UnsupportedOperation", Some(configuration), ErrorKind::Unsupported),
            (
                "InvalidParameterCombination",
                Some(configuration),
                ErrorKind::InvalidSpec,
            ),
            ("UnauthorizedOperation", Some(in_zone), ErrorKind::PermissionDenied),
        ] {
            assert_eq!(
                kind_of_code_and_message(code, message),
                Some(kind),
                "{code}: {message:?}"
            );
        }
    }

    #[test]
    fn url_is_found_in_message() {
        let page = "https://aws.amazon.com/marketplace/pp?sku=abc";
        for message in [
            format!("To do so please visit {page}."),
            format!("visit {page}"),
            format!("(see {page}), then"),
        ] {
            assert_eq!(find_url(&message), Some(page), "{message}");
        }
        assert_eq!(find_url("no page"), None);
    }

    #[test]
    fn status_decides_without_known_code() {
        assert_eq!(kind_of_status(403), ErrorKind::PermissionDenied);
        assert_eq!(kind_of_status(503), ErrorKind::Network);
        assert_eq!(kind_of_status(400), ErrorKind::Internal);
    }
}

//! What EC2's and STS's own codes mean: kinds and remedies.

use crate::cloud::ErrorKind;

/// The kind that one of EC2's or STS's codes stands for; nothing for a code that fits no known one.
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
        // Of a combination that EC2 has nowhere, unless its sentence names the zone: see `kind_of`.
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
        // Another zone has that type of volume.
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
        // VcpuLimitExceeded, InstanceLimitExceeded, VolumeLimitExceeded and their like.
        "MaxSpotInstanceCountExceeded" => ErrorKind::Quota,
        _ if code.ends_with("LimitExceeded") => ErrorKind::Quota,
        // InvalidAMIID.NotFound, InvalidParameterValue, InvalidKeyPair.NotFound and many more.
        _ if code.starts_with("Invalid") => ErrorKind::InvalidSpec,
        _ => return None,
    })
}

/// The kind of an answer of code and sentence. That another zone has what this one lacks EC2 says in its sentence alone,
/// under codes that stand for many other things as well: the one place where a sentence decides.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html>
pub(crate) fn kind_of(code: &str, message: Option<&str>) -> Option<ErrorKind> {
    let may_be_of_the_zone = matches!(
        code,
        "Unsupported" | "UnsupportedOperation" | "InvalidParameterValue" | "InvalidParameterCombination"
    );
    match message {
        Some(message) if may_be_of_the_zone && is_of_the_zone(message) => Some(ErrorKind::Capacity),
        _ => kind_of_code(code),
    }
}

/// "Your requested instance type (…) is not supported in your requested Availability Zone (…)", and "The requested
/// Availability Zone is currently constrained …".
fn is_of_the_zone(message: &str) -> bool {
    message.to_ascii_lowercase().contains("requested availability zone")
}

/// The kind that an answer's status stands for, where its code says nothing.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Network,
        _ => ErrorKind::Internal,
    }
}

/// What to do about an answer that leaves only one thing to do.
pub(crate) fn remedy_of(code: &str, message: Option<&str>) -> Option<String> {
    let message = message.unwrap_or_default();
    match code {
        // A product of the Marketplace takes a subscription; EC2 names the page. Else it is the region's.
        // https://docs.aws.amazon.com/marketplace/latest/buyerguide/buyer-server-products.html
        "OptInRequired" if message.contains("Marketplace") => Some(match page_in(message) {
            Some(page) => format!("accept the product's terms and subscribe to it, at {page}"),
            None => {
                "accept the product's terms and subscribe to it in AWS Marketplace, or use another image".to_owned()
            }
        }),
        // The general hint is to look in other zones.
        _ if kind_of(code, Some(message)) == Some(ErrorKind::Capacity) => None,
        _ => remedy_of_code(code).map(str::to_owned),
    }
}

/// The first address in a sentence.
fn page_in(message: &str) -> Option<&str> {
    let from = &message[message.find("https://").or_else(|| message.find("http://"))?..];
    let end = from.find(|letter: char| letter.is_whitespace() || "\"'<>".contains(letter));
    let page = end.map_or(from, |end| &from[..end]);
    Some(page.trim_end_matches(['.', ',', ';', ':', ')']))
}

fn remedy_of_code(code: &str) -> Option<&'static str> {
    match code {
        "VPCIdNotSpecified" | "MissingInput" | "NoDefaultVpc" | "DefaultVpcDoesNotExist" => Some(NO_DEFAULT_VPC),
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
        // The combination is what is wrong, and EC2's sentence is all that says how.
        "Unsupported" => Some("change the type, image, tenancy or --native options: no zone has this combination"),
        _ => None,
    }
}

/// What to do in a region whose default VPC was deleted.
pub(crate) const NO_DEFAULT_VPC: &str =
    "name a subnet with --subnet, or make a default VPC with `aws ec2 create-default-vpc`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_has_its_kind() {
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
    fn zone_in_a_sentence_is_want_of_room_there() {
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
            assert_eq!(kind_of(code, message), Some(kind), "{code}: {message:?}");
        }
    }

    #[test]
    fn page_is_taken_from_the_sentence() {
        let page = "https://aws.amazon.com/marketplace/pp?sku=abc";
        for sentence in [
            format!("To do so please visit {page}."),
            format!("visit {page}"),
            format!("(see {page}), then"),
        ] {
            assert_eq!(page_in(&sentence), Some(page), "{sentence}");
        }
        assert_eq!(page_in("no page"), None);
    }

    #[test]
    fn an_unknown_code_goes_by_its_status() {
        assert_eq!(kind_of_status(403), ErrorKind::PermissionDenied);
        assert_eq!(kind_of_status(503), ErrorKind::Network);
        assert_eq!(kind_of_status(400), ErrorKind::Internal);
    }
}

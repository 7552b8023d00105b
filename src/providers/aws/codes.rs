//! What EC2's and STS's own codes mean: kinds and remedies.

use crate::cloud::ErrorKind;

/// The kind that one of EC2's or STS's codes stands for; nothing for a code that fits no known one.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
pub(super) fn kind_of_code(code: &str) -> Option<ErrorKind> {
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
        | "DefaultVpcDoesNotExist" => ErrorKind::Refused,
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
        | "SpotMaxPriceTooLow"
        | "Unsupported" => ErrorKind::Capacity,
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
        "UnsupportedOperation" | "UnsupportedHibernationConfiguration" | "UnsupportedInstanceAttribute" => {
            ErrorKind::Unsupported
        }
        "InvalidAction" | "FilterLimitExceeded" => ErrorKind::Internal,
        "TagLimitExceeded"
        | "MissingParameter"
        | "UnknownParameter"
        | "ValidationError"
        | "EncryptedVolumesNotSupported"
        | "VolumeTypeNotAvailableInZone" => ErrorKind::InvalidSpec,
        // VcpuLimitExceeded, InstanceLimitExceeded, VolumeLimitExceeded and their like.
        "MaxSpotInstanceCountExceeded" => ErrorKind::Quota,
        _ if code.ends_with("LimitExceeded") => ErrorKind::Quota,
        // InvalidAMIID.NotFound, InvalidParameterValue, InvalidKeyPair.NotFound and many more.
        _ if code.starts_with("Invalid") => ErrorKind::InvalidSpec,
        _ => return None,
    })
}

/// The kind that an answer's status stands for, where its code says nothing.
pub(super) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Network,
        _ => ErrorKind::Internal,
    }
}

/// What to do about a code that leaves only one thing to do.
pub(super) fn remedy_of(code: &str) -> Option<&'static str> {
    match code {
        "VPCIdNotSpecified" | "MissingInput" | "NoDefaultVpc" | "DefaultVpcDoesNotExist" => Some(NO_DEFAULT_VPC),
        // https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
        "UnauthorizedOperation" => {
            Some("ask for the permission; `aws sts decode-authorization-message` tells which one is missing")
        }
        "OptInRequired" | "RegionDisabledException" => {
            Some("enable the region for the account, or use another with --region")
        }
        _ => None,
    }
}

/// What to do in a region whose default VPC was deleted.
pub(super) const NO_DEFAULT_VPC: &str =
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
                 SpotMaxPriceTooLow Unsupported",
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
                "UnauthorizedOperation OptInRequired PendingVerification Blocked",
            ),
            (ErrorKind::Throttled, "RequestLimitExceeded Throttling"),
            (
                ErrorKind::NotFound,
                "InvalidInstanceID.NotFound InvalidInstanceID.Malformed",
            ),
            (ErrorKind::Protected, "OperationNotPermitted"),
            (
                ErrorKind::Refused,
                "IncorrectInstanceState VPCIdNotSpecified MissingInput",
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
    fn an_unknown_code_goes_by_its_status() {
        assert_eq!(kind_of_status(403), ErrorKind::PermissionDenied);
        assert_eq!(kind_of_status(503), ErrorKind::Network);
        assert_eq!(kind_of_status(400), ErrorKind::Internal);
    }
}

//! Why an instance is gone: what its state reason says.

use crate::cloud::ErrorKind;
use crate::providers::aws::api::codes::kind_of_code;

/// The kind and code of a state reason that means the launch itself failed; nothing for an instance that somebody
/// ended, or whose spare capacity was taken back after it had run.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html>
pub(crate) fn failed_launch(reason: &str) -> Option<(ErrorKind, &str)> {
    let code = reason.split_once('.').map_or(reason, |(_, code)| code);
    let kind = match reason {
        "Client.UserInitiatedShutdown"
        | "Client.InstanceInitiatedShutdown"
        | "Client.UserInitiatedHibernate"
        | "Server.ScheduledStop"
        | "Server.SpotInstanceShutdown"
        | "Server.SpotInstanceTermination" => return None,
        // Mostly an encrypted disk whose key the caller may not use.
        "Client.InternalError" => ErrorKind::PermissionDenied,
        "Server.InternalError" => ErrorKind::Capacity,
        _ => kind_of_code(code).unwrap_or(ErrorKind::Internal),
    };
    Some((kind, code))
}

/// The kind and code of a state reason that means EC2 took spare capacity back. For an instance that has just been
/// launched there was none; one of an earlier life has had its time.
pub(crate) fn reclaimed(reason: &str) -> Option<(ErrorKind, &str)> {
    match reason.split_once('.') {
        Some(("Server", code @ ("SpotInstanceShutdown" | "SpotInstanceTermination"))) => {
            Some((ErrorKind::Capacity, code))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_instance_is_told_from_a_failed_launch() {
        for reason in [
            "Client.UserInitiatedShutdown",
            "Client.InstanceInitiatedShutdown",
            "Server.SpotInstanceTermination",
        ] {
            assert_eq!(failed_launch(reason), None, "{reason}");
        }
        for (reason, kind) in [
            ("Server.InsufficientInstanceCapacity", ErrorKind::Capacity),
            ("Client.VolumeLimitExceeded", ErrorKind::Quota),
            ("Client.InvalidSnapshot.NotFound", ErrorKind::InvalidSpec),
            ("Client.InternalError", ErrorKind::PermissionDenied),
            ("Server.Unheard", ErrorKind::Internal),
        ] {
            assert_eq!(failed_launch(reason).unwrap().0, kind, "{reason}");
        }
    }
}

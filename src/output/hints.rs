//! Hints: the next step after each kind of error, by cloud.

use crate::cloud::{CloudInfo, CloudInfos, Error, ErrorKind};

/// The hint for an error: its own, else the general one for its kind on its cloud.
pub fn hint_for(error: &Error, infos: Option<CloudInfos>) -> String {
    if let Some(hint) = error.hint() {
        return hint.to_owned();
    }
    let provider = error.location().map(|location| location.provider);
    let cloud = provider.and_then(|kind| Some(infos?.get(kind)));
    general_hint(error.kind(), cloud).to_owned()
}

fn general_hint(kind: ErrorKind, cloud: Option<&'static CloudInfo>) -> &'static str {
    match (kind, cloud) {
        (ErrorKind::Unauthenticated, Some(cloud)) => cloud.sign_in_hint,
        (ErrorKind::Unauthenticated, None) => "sign in to the cloud, then run `cloudctl doctor`",
        (ErrorKind::PermissionDenied, _) => "request that permission; `cloudctl whoami` shows the account in use",
        (ErrorKind::NotFound, _) => "check the name; `cloudctl list` shows which VMs there are",
        (ErrorKind::Ambiguous, _) => "use the full reference of one of them, as printed by `cloudctl list -o ref`",
        (ErrorKind::AlreadyExists, _) => "use another name",
        (ErrorKind::Protected, _) => "remove the protection first: `cloudctl unprotect`",
        (ErrorKind::Quota, Some(cloud)) => cloud.quota_hint,
        (ErrorKind::Quota, None) => "terminate something, or ask for a higher limit",
        (ErrorKind::Capacity, _) => "try other locations with --fallback zone,type,region, or another -r",
        (ErrorKind::Throttled, _) => "run the same command again in a minute",
        (ErrorKind::Network, _) => "run the same command again; `cloudctl doctor` shows what can be reached",
        (ErrorKind::Timeout, _) => "the VM exists: wait longer with `cloudctl wait`, or terminate it",
        (ErrorKind::UnknownOutcome, _) => {
            "a VM may exist: run the same command again, which never makes a second one, or terminate it by name"
        }
        (ErrorKind::Incomplete, _) => "run it again, or limit it to the regions that answer with --region",
        (ErrorKind::Interrupted, _) => "run the same command again",
        (ErrorKind::Internal, _) => "run it again with -vv and report what it prints",
        (ErrorKind::InvalidSpec, _) => "correct the value; see the command's --help",
        (ErrorKind::Unsupported, _) => "leave that option out, or use another provider",
        (ErrorKind::Refused, _) => "check the VM with `cloudctl describe`, and your account with `cloudctl whoami`",
    }
}

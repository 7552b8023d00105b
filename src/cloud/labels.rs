//! Labels of instances, and the keys of the management labels that cloudctl sets.

use std::collections::BTreeMap;

use super::{Error, Result, quoted};

/// The labels of an instance, ordered by key.
pub type Labels = BTreeMap<String, String>;

/// The prefix of cloudctl's own keys. Users cannot set such keys.
pub const RESERVED_PREFIX: &str = "cloudctl-";
/// `true` on everything that cloudctl created.
pub const LABEL_MANAGED: &str = "cloudctl-managed";
/// The name of the instance or of its group: the idempotency key.
pub const LABEL_NAME: &str = "cloudctl-name";
/// The [`Fingerprint`](super::Fingerprint) of the spec it was created from.
pub const LABEL_SPEC: &str = "cloudctl-spec";
/// How long the instance may live, counted from its creation, as [`format_duration`](super::format_duration) writes it.
/// It is a duration and not a time, so that a rerun asks for the same.
pub const LABEL_TTL: &str = "cloudctl-ttl";
/// The generation of the name, from 0. A name can be used again once its instance is gone.
pub const LABEL_GENERATION: &str = "cloudctl-generation";
/// The [`GroupMembers`](super::GroupMembers) that one create call covered; [`LABEL_NAME`] is then the name of the group.
/// One call gives the same labels to all instances that it creates.
pub const LABEL_MEMBERS: &str = "cloudctl-members";
/// The digest of the one command that the instance was created to run, as `cloudctl run` computes it.
pub const LABEL_RUN: &str = "cloudctl-run";

/// Checks a label key against the rules of every cloud.
///
/// # Errors
/// `InvalidSpec` for an empty key, control characters, and cloudctl's own keys.
pub fn check_label_key(key: &str) -> Result<()> {
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err(Error::invalid(format!("invalid label key {}", quoted(key))).with_hint("write labels as key=value"));
    }
    if key.starts_with(RESERVED_PREFIX) {
        return Err(Error::invalid(format!("the label {key} is one of cloudctl's own"))
            .with_hint(format!("use a key that does not begin with {RESERVED_PREFIX}")));
    }
    Ok(())
}

/// Checks that a label can be selected by. Labels of cloudctl's own are fields, not labels, to users.
///
/// # Errors
/// `InvalidSpec` for a label of cloudctl's own, with what to use instead.
pub fn check_selectable(key: &str) -> Result<()> {
    let Some(name) = key.strip_prefix(RESERVED_PREFIX) else {
        return Ok(());
    };
    let hint = match name {
        "managed" => {
            "pass --managed to `cloudctl list`; `cloudctl terminate -l` selects only VMs that cloudctl created: use a label of your own"
        }
        "name" | "members" | "generation" => "use the name of the VM, as in `cloudctl describe NAME`",
        "run" => "use the name of the VM: `cloudctl run` prints it first",
        "ttl" => "pass --expired to `cloudctl terminate`, or --filter 'expires_at<TIME' to `cloudctl list`",
        _ => "use a label of your own, or the name of the VM",
    };
    Err(Error::invalid(format!(
        "the label {key} is one of cloudctl's own: VMs cannot be selected by it"
    ))
    .with_hint(hint))
}

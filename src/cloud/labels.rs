//! Labels: the user's own, and the few that cloudctl puts on what it makes so that it can be found again.

use std::collections::BTreeMap;

use super::{Error, Result, quoted};

/// Labels of an instance, or that it shall have, in the order of their keys.
pub type Labels = BTreeMap<String, String>;

/// What all of cloudctl's own keys begin with; users cannot set such keys.
pub const RESERVED_PREFIX: &str = "cloudctl-";
/// `true` on everything that cloudctl made.
pub const LABEL_MANAGED: &str = "cloudctl-managed";
/// The instance's name, its idempotency key.
pub const LABEL_NAME: &str = "cloudctl-name";
/// The [`Fingerprint`](super::Fingerprint) of the spec it was made from.
pub const LABEL_SPEC: &str = "cloudctl-spec";
/// How long the instance may live, counted from its creation, as [`format_duration`](super::format_duration) writes it.
/// A duration and never a time, so that a re-run asks for the same.
pub const LABEL_TTL: &str = "cloudctl-ttl";
/// Which life of its name this is, from 0: a name can be used again once its instance is gone.
pub const LABEL_GENERATION: &str = "cloudctl-generation";

/// Which [`GroupMembers`](super::Members) of a group the call made that made this one; [`LABEL_NAME`] is then the name of the
/// group. One call gives the same labels to all that it makes.
pub const LABEL_MEMBERS: &str = "cloudctl-members";

/// Checks a label key for what no cloud takes.
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

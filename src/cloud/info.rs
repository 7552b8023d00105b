//! Data about a cloud that is true without a call.

use super::{Architecture, Instance, ProviderKind};

/// What is true of a cloud without a call. Each driver has one, in its `info.rs`.
#[derive(Debug)]
pub struct CloudInfo {
    /// Which cloud this is.
    pub kind: ProviderKind,
    /// How many instances one create call makes at most.
    pub max_instances_per_call: usize,
    /// Which create calls of one name share an idempotency token.
    pub token_scope: TokenScope,
    /// The machine type for an image of that architecture, where a spec asks for none.
    pub default_machine_type: fn(Architecture) -> &'static str,
    /// The user that a public key (or none) logs in as, where the image does not decide it.
    pub key_user: fn(key: Option<&str>) -> Option<String>,
    /// The text for a public key in the `ssh-key` of [`Instance::setup`]; `None` if the key cannot be read.
    pub key_label: fn(key: &str) -> Option<String>,
    /// The command that asks for the password of a Windows instance; `None` where there is none.
    pub password_command: fn(&Instance) -> Option<String>,
}

/// Which create calls of one name share an idempotency token: of those, only the first creates something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// Calls to one region, unless the spec names a zone.
    Region,
    /// Calls to one zone. Two runs that race for a name in different zones both create an instance.
    Zone,
}

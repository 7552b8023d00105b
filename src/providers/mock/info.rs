//! Data about the mock cloud.

use super::catalog::DEFAULT_MACHINE_TYPE;
use crate::cloud::{CloudInfo, ProviderKind, TokenScope, key_fingerprint};

/// What is true of the mock cloud.
pub(super) static INFO: CloudInfo = CloudInfo {
    kind: ProviderKind::Mock,
    max_instances_per_call: 1_000,
    token_scope: TokenScope::Region,
    default_machine_type: |_| DEFAULT_MACHINE_TYPE,
    key_user: |_| None,
    key_label: key_fingerprint,
    password_command: |_| None,
};

//! Data about Compute Engine that is true without a call.

use super::create::bulk_insert::MAX_INSTANCES;
use super::create::metadata::login_user;
use super::create::request::DEFAULT_MACHINE_TYPE;
use crate::cloud::{CloudInfo, Instance, ProviderKind, TokenScope, key_fingerprint};

/// What is true of Compute Engine without a call.
pub(super) static INFO: CloudInfo = CloudInfo {
    kind: ProviderKind::Gcp,
    max_instances_per_call: MAX_INSTANCES,
    // Names are unique in a zone, and which zone is chosen depends on the machine type and on the zones that are up.
    token_scope: TokenScope::Zone,
    default_machine_type: |_| DEFAULT_MACHINE_TYPE,
    key_user: |key| Some(login_user(key.unwrap_or_default())),
    key_label: key_fingerprint,
    password_command,
};

/// <https://cloud.google.com/sdk/gcloud/reference/compute/reset-windows-password>
fn password_command(instance: &Instance) -> Option<String> {
    let (name, zone) = (instance.name.as_deref()?, instance.zone.as_deref()?);
    let project = instance.account.as_deref();
    let project = project
        .map(|project| format!(" --project {project}"))
        .unwrap_or_default();
    Some(format!(
        "gcloud compute reset-windows-password {name} --zone {zone}{project}"
    ))
}

//! Data about EC2 that is true without a call.

use super::catalog::machine_types::default_type;
use super::create::key_pair::PublicKey;
use super::create::request::MAX_INSTANCES_PER_CALL;
use crate::cloud::{CloudInfo, Instance, ProviderKind, TokenScope};

/// What is true of EC2 without a call.
pub(super) static INFO: CloudInfo = CloudInfo {
    kind: ProviderKind::Aws,
    max_instances_per_call: MAX_INSTANCES_PER_CALL,
    // A call with a zone or a subnet has a zonal token, and races also with calls that name neither.
    token_scope: TokenScope::Zone,
    default_machine_type: default_type,
    key_user: |_| None,
    key_label: |key| Some(PublicKey::parse(key).ok()?.name),
    password_command,
};

/// <https://docs.aws.amazon.com/cli/latest/reference/ec2/get-password-data.html>
fn password_command(instance: &Instance) -> Option<String> {
    let (region, id) = (&instance.region, &instance.reference.id);
    Some(format!(
        "aws ec2 get-password-data --region {region} --instance-id {id} --priv-launch-key FILE"
    ))
}

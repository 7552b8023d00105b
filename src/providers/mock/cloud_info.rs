//! Data about the mock cloud.

use super::catalog::DEFAULT_MACHINE_TYPE;
use super::regions::DEFAULT_REGION;
use crate::cloud::{
    Area, CloudInfo, ImageUser, ProviderKind, SettingKey, SettingVariable, TokenScope, key_fingerprint,
};

/// The key of [`CloudInfo::settings`].
pub(super) const REGION: &str = "region";
/// The names of [`CloudInfo::variables`].
pub(super) const FAULTS_VARIABLE: &str = "CLOUDCTL_MOCK";
pub(super) const SSH_VARIABLE: &str = "CLOUDCTL_MOCK_SSH";
pub(super) const STATE_VARIABLE: &str = "CLOUDCTL_MOCK_STATE";

/// What is true of the mock cloud.
pub(super) static INFO: CloudInfo = CloudInfo {
    kind: ProviderKind::Mock,
    title: "the mock cloud",
    account_noun: "account",
    settings: &[SettingKey {
        name: REGION,
        variable: None,
        example: "eu-west-1",
        help: "",
    }],
    expected_account: None,
    variables: &[
        SettingVariable {
            name: FAULTS_VARIABLE,
            help: "faults of the mock cloud, such as capacity@us-east-1a,latency=200ms",
        },
        SettingVariable {
            name: SSH_VARIABLE,
            help: "what VMs of the mock cloud answer to ssh: exit=3,stdout=hello,delay=2s,drop=1",
        },
        SettingVariable {
            name: STATE_VARIABLE,
            help: "the file that the mock cloud is in",
        },
    ],
    vendor_prefixes: &[],
    vendor_variables: "",
    needs_credentials: false,
    example_region: DEFAULT_REGION,
    max_instances_per_call: 1_000,
    token_scope: TokenScope::Region,
    default_machine_type: |_| DEFAULT_MACHINE_TYPE,
    price_source: None,
    no_spot_price_note: None,
    sign_in_hint: "sign in to the cloud, then run `cloudctl doctor`",
    quota_hint: "terminate something, or ask for a higher limit",
    area_of,
    image_user: ImageUser::FromImage,
    key_user: |_| None,
    key_label: key_fingerprint,
    tunnels: &[],
    password_command: |_| None,
    missing_password_key_note: None,
};

fn area_of(region: &str) -> Option<Area> {
    match region.split_once('-')?.0 {
        "us" => Some(Area::Us),
        "eu" => Some(Area::Europe),
        "ap" => Some(Area::Asia),
        _ => None,
    }
}

//! The settings of cloudctl for EC2 alone.

use crate::cloud::{SettingKey, SettingVariable};

pub(crate) const PROFILE: &str = "profile";
pub(crate) const REGION: &str = "region";
pub(crate) const EXPECT_ACCOUNT: &str = "expect_account";

/// See [`CloudInfo::settings`](crate::cloud::CloudInfo::settings).
pub(crate) const SETTINGS: &[SettingKey] = &[
    SettingKey {
        name: PROFILE,
        variable: None,
        example: "dev",
        help: "a profile of ~/.aws/config",
    },
    SettingKey {
        name: REGION,
        variable: None,
        example: "eu-west-1",
        help: "where `create` makes VMs",
    },
    SettingKey {
        name: EXPECT_ACCOUNT,
        variable: Some(SettingVariable {
            name: "CLOUDCTL_EXPECT_ACCOUNT",
            help: "the only AWS account in which anything is changed",
        }),
        example: "123456789012",
        help: "in any other account nothing is changed",
    },
];

//! The settings of cloudctl for Compute Engine alone.

use crate::cloud::{SettingKey, SettingVariable};

pub(crate) const PROJECT: &str = "project";
pub(crate) const REGION: &str = "region";
pub(crate) const ZONE: &str = "zone";
pub(crate) const EXPECT_PROJECT: &str = "expect_project";

/// See [`CloudInfo::settings`](crate::cloud::CloudInfo::settings).
pub(crate) const SETTINGS: &[SettingKey] = &[
    without_variable(PROJECT, "acme-dev"),
    without_variable(REGION, "europe-west1"),
    without_variable(ZONE, "europe-west1-b"),
    SettingKey {
        name: EXPECT_PROJECT,
        variable: Some(SettingVariable {
            name: "CLOUDCTL_EXPECT_PROJECT",
            help: "the only Google Cloud project in which anything is changed",
        }),
        example: "acme-dev",
        help: "",
    },
];

const fn without_variable(name: &'static str, example: &'static str) -> SettingKey {
    SettingKey {
        name,
        variable: None,
        example,
        help: "",
    }
}

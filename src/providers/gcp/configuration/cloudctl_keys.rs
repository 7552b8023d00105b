//! The settings of cloudctl for Compute Engine alone.

use crate::cloud::{SettingKey, SettingVariable};

pub(crate) const PROJECT: &str = "project";
pub(crate) const REGION: &str = "region";
pub(crate) const ZONE: &str = "zone";
pub(crate) const EXPECT_PROJECT: &str = "expect_project";

/// See [`CloudInfo::settings`](crate::cloud::CloudInfo::settings).
pub(crate) const SETTINGS: &[SettingKey] = &[
    SettingKey {
        name: PROJECT,
        variable: None,
        example: "acme-dev",
        help: "",
    },
    SettingKey {
        name: REGION,
        variable: None,
        example: "europe-west1",
        help: "",
    },
    SettingKey {
        name: ZONE,
        variable: None,
        example: "europe-west1-b",
        help: "",
    },
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

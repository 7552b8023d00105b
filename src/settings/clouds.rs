//! What is set for one cloud alone.

use std::path::PathBuf;

use super::Setting;

/// Settings for EC2.
#[derive(Clone, Debug, Default)]
pub struct AwsSettings {
    /// Profile of the shared AWS configuration files.
    pub profile: Setting<String>,
    /// Region of new instances.
    pub region: Setting<String>,
    /// The only account in which anything may be changed.
    pub expect_account: Setting<String>,
}

/// Settings for Compute Engine.
#[derive(Clone, Debug, Default)]
pub struct GcpSettings {
    /// Project.
    pub project: Setting<String>,
    /// Region of new instances.
    pub region: Setting<String>,
    /// Zone of new instances.
    pub zone: Setting<String>,
    /// The only project in which anything may be changed.
    pub expect_project: Setting<String>,
}

/// Settings for the mock cloud.
#[derive(Clone, Debug, Default)]
pub struct MockSettings {
    /// Region of new instances.
    pub region: Setting<String>,
    /// The file that the mock cloud lives in; `None` without a home folder.
    pub state_file: Option<PathBuf>,
    /// Faults on demand, as `CLOUDCTL_MOCK` has them.
    pub faults: Option<String>,
}

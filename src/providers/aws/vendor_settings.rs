//! The settings of the AWS CLI and SDKs that bear on EC2, and what cloudctl does with each.

use super::configuration::Configuration;
use crate::cloud::Result;
use crate::settings::{ResolvedSetting, Settings, VendorSetting};

/// All of them, by topic.
pub(in crate::providers) const VENDOR_SETTINGS: &[VendorSetting] = &[];

/// What they come to in this run.
pub(in crate::providers) fn resolved_settings(_settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    Ok(Vec::new())
}

/// Refuses what cannot be honoured.
///
/// # Errors
/// `InvalidSpec` that names the setting.
pub(super) fn refuse(_configuration: &Configuration) -> Result<()> {
    Ok(())
}

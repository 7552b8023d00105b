//! The settings of gcloud and Google's client libraries that bear on Compute Engine, and what cloudctl does with each.

use crate::cloud::Result;
use crate::settings::{ResolvedSetting, Settings, VendorSetting};

/// All of them, by topic.
pub(in crate::providers) const VENDOR_SETTINGS: &[VendorSetting] = &[];

/// What they come to in this run.
pub(in crate::providers) fn resolved_settings(_settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    Ok(Vec::new())
}

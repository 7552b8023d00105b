//! The drivers, and the only place that names a concrete one.

mod aws;
mod common;
mod gcp;
mod mock;

use std::sync::Arc;

use crate::cloud::{Clock, Provider, ProviderKind, Result};
use crate::settings::{ResolvedSetting, Settings, VendorSetting};

/// Gives the driver of a cloud. Nothing is read or connected before its first call, so this cannot fail.
pub fn connect(kind: ProviderKind, settings: &Settings, clock: Arc<dyn Clock>) -> Arc<dyn Provider> {
    match kind {
        ProviderKind::Aws => Arc::new(aws::Aws::new(settings)),
        ProviderKind::Gcp => Arc::new(gcp::Gcp::new(settings)),
        ProviderKind::Mock => Arc::new(mock::Mock::new(settings, clock)),
    }
}

/// Whether credentials for a cloud are found where it usually keeps them; asks no network. The mock needs none,
/// but is only asked when it is named.
pub fn has_credentials(kind: ProviderKind, settings: &Settings) -> bool {
    match kind {
        ProviderKind::Aws => aws::has_credentials(settings),
        ProviderKind::Gcp => gcp::has_credentials(settings),
        ProviderKind::Mock => false,
    }
}

/// The settings of a cloud's own tools, and what cloudctl does with each.
pub fn vendor_settings(kind: ProviderKind) -> &'static [VendorSetting] {
    match kind {
        ProviderKind::Aws => aws::VENDOR_SETTINGS,
        ProviderKind::Gcp => gcp::VENDOR_SETTINGS,
        ProviderKind::Mock => &[],
    }
}

/// What the settings of a cloud's own tools come to in this run, each with where it came from; asks no network.
///
/// # Errors
/// `InvalidSpec` if a configuration file cannot be read; `Unauthenticated` if a credentials file cannot.
pub fn resolved_settings(kind: ProviderKind, settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    match kind {
        ProviderKind::Aws => aws::resolved_settings(settings),
        ProviderKind::Gcp => gcp::resolved_settings(settings),
        ProviderKind::Mock => Ok(Vec::new()),
    }
}

//! The drivers, and the only place that names a concrete one.

mod aws;
mod gcp;
mod mock;

use std::sync::Arc;

use crate::cloud::{Clock, Provider, ProviderKind};
use crate::settings::Settings;

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

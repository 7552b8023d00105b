//! What cloudctl has of each cloud: how to come to it, and what is true of it without a call.

use std::sync::Arc;

use crate::catalog::OfflineCatalog;
use crate::cloud::{Clock, CloudInfo, Provider, Result};
use crate::settings::{CloudToolSetting, ResolvedSetting, Settings};

/// How cloudctl comes to a cloud.
#[derive(Clone, Copy)]
pub struct Driver {
    /// What is true of the cloud without a call.
    pub info: &'static CloudInfo,
    /// Makes the driver. Nothing is read or connected before its first call, so this cannot fail.
    pub connect: fn(&Settings, Arc<dyn Clock>) -> Arc<dyn Provider>,
    /// Whether credentials are found where the cloud's own tools keep them; asks no network. A cloud that needs none says
    /// no: it is asked only if it is named.
    pub has_credentials: fn(&Settings) -> bool,
    /// The settings of the cloud's own tools, and what cloudctl does with each.
    pub vendor_settings: &'static [CloudToolSetting],
    /// What those settings come to in this run, each with where it came from; asks no network. Fails with `InvalidSpec` if
    /// a configuration file cannot be read, with `Unauthenticated` if a credentials file cannot.
    pub resolved_settings: fn(&Settings) -> Result<Vec<ResolvedSetting>>,
    /// What is known of the cloud's machine types and prices without asking it.
    pub offline_catalog: Option<&'static dyn OfflineCatalog>,
}

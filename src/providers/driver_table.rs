//! The type of a table entry for each cloud: its fixed data, and how to connect to it.

use std::sync::Arc;

use crate::catalog::OfflineCatalog;
use crate::cloud::{Clock, CloudInfo, Provider, Result};
use crate::settings::{CloudToolSetting, ResolvedSetting, Settings};

/// What cloudctl knows about a cloud without a call, and how it connects to it.
#[derive(Clone, Copy)]
pub struct Driver {
    /// Fixed data about the cloud.
    pub info: &'static CloudInfo,
    /// Creates the provider. It reads no file and opens no connection before its first call, so this cannot fail.
    pub connect: fn(&Settings, Arc<dyn Clock>) -> Arc<dyn Provider>,
    /// Whether there are credentials where the cloud's own tools keep them. Sends no call. `false` for a cloud that needs
    /// none: it is queried only if the user names it.
    pub has_credentials: fn(&Settings) -> bool,
    /// The settings of the cloud's own tools, and how cloudctl handles each.
    pub cloud_tool_settings: &'static [CloudToolSetting],
    /// The values of those settings in this run, each with its source. Sends no call. Fails with `InvalidSpec` if a
    /// configuration file cannot be read, and with `Unauthenticated` if a credentials file cannot.
    pub resolved_settings: fn(&Settings) -> Result<Vec<ResolvedSetting>>,
    /// The built-in machine types and prices.
    pub offline_catalog: Option<&'static dyn OfflineCatalog>,
}

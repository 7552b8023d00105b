//! The drivers, and the only place that names each of them.

mod aws;
mod common;
mod driver_table;
mod gcp;
mod mock;

use std::path::PathBuf;

use crate::catalog::Catalog;
use crate::cloud::{CloudInfo, CloudInfos, ProviderKind};
use crate::settings::CloudToolSetting;

pub use driver_table::Driver;

/// A driver for each cloud.
#[derive(Clone, Copy)]
pub struct Drivers([Driver; ProviderKind::ALL.len()]);

/// The drivers of this crate, in the order of [`ProviderKind::ALL`].
impl Default for Drivers {
    fn default() -> Self {
        Self([aws::DRIVER, gcp::DRIVER, mock::DRIVER])
    }
}

impl Drivers {
    /// Replaces the driver of one cloud.
    #[must_use]
    pub fn with(mut self, driver: Driver) -> Self {
        self.0[driver.info.kind as usize] = driver;
        self
    }

    /// The driver of a cloud.
    pub fn get(&self, kind: ProviderKind) -> &Driver {
        &self.0[kind as usize]
    }

    /// Fixed data about each cloud.
    pub fn infos(&self) -> CloudInfos {
        CloudInfos::new(self.0.map(|driver| driver.info))
    }

    /// Each cloud with the settings of its own tools.
    pub fn cloud_tool_settings(&self) -> Vec<(&'static CloudInfo, &'static [CloudToolSetting])> {
        let settings = self.0.iter().map(|driver| (driver.info, driver.cloud_tool_settings));
        settings.collect()
    }

    /// The catalog of machine types and prices. The prices in `price_file` replace the built-in ones.
    pub fn catalog(&self, price_file: Option<PathBuf>) -> Catalog {
        Catalog::new(price_file, self.0.map(|driver| driver.offline_catalog))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_in_the_order_of_clouds() {
        for kind in ProviderKind::ALL {
            assert_eq!(Drivers::default().get(kind).info.kind, kind);
        }
    }
}

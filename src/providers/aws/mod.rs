//! Stub, replaced by the driver.

use async_trait::async_trait;

use crate::cloud::{
    Created, Error, Identity, Instance, InstanceRef, InstanceSpec, ListFilter, Listing, Location, Outcome, Place, Plan,
    Provider, ProviderKind, Result,
};
use crate::settings::Settings;

/// The driver.
pub(super) struct Aws;

impl Aws {
    pub(super) fn new(_settings: &Settings) -> Self {
        Self
    }
}

/// Whether credentials are found.
pub(super) fn has_credentials(_settings: &Settings) -> bool {
    false
}

fn stub<T>() -> Result<T> {
    Err(Error::unsupported("stub"))
}

#[async_trait]
impl Provider for Aws {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Aws
    }
    async fn identity(&self) -> Result<Identity> {
        stub()
    }
    async fn home(&self) -> Result<Option<Place>> {
        stub()
    }
    async fn locate(&self, _: Option<&str>, _: Option<&str>) -> Result<Place> {
        stub()
    }
    async fn locations(&self) -> Result<Vec<Location>> {
        stub()
    }
    async fn plan(&self, _: &InstanceSpec) -> Result<Plan> {
        stub()
    }
    async fn create(&self, _: &InstanceSpec, _: u32) -> Result<Created> {
        stub()
    }
    async fn get(&self, _: &InstanceRef) -> Result<Instance> {
        stub()
    }
    async fn list(&self, _: &Location, _: &ListFilter) -> Result<Listing> {
        stub()
    }
    async fn terminate(&self, _: &[InstanceRef]) -> Vec<Outcome> {
        Vec::new()
    }
    async fn start(&self, _: &[InstanceRef]) -> Vec<Outcome> {
        Vec::new()
    }
    async fn stop(&self, _: &[InstanceRef]) -> Vec<Outcome> {
        Vec::new()
    }
    async fn reboot(&self, _: &[InstanceRef]) -> Vec<Outcome> {
        Vec::new()
    }
    async fn console_output(&self, _: &InstanceRef) -> Result<Vec<u8>> {
        stub()
    }
}

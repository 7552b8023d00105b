//! Amazon EC2.
//!
//! `InstanceRef::place` is the region: EC2's ids are unique there, and its calls go there.

mod client;
mod create;
mod error;
mod http;
mod image;
mod instance;
mod key_pair;
mod lifecycle;
mod list;
mod machine;
mod network;
mod options;
mod patience;
mod places;
mod replay;
mod request;
mod server_time;
mod tags;
mod user_data;

use async_trait::async_trait;

use self::client::Clients;
use self::error::{Call, translate};
use self::lifecycle::{Verb, act};
use crate::cloud::{
    Created, Error, Identity, Instance, InstanceRef, InstanceSpec, Location, Outcome, Pages, Place, Plan, Provider,
    ProviderKind, Result,
};
use crate::settings::Settings;

/// Whether credentials are found where AWS's tools keep them; asks no network.
pub(super) fn has_credentials(settings: &Settings) -> bool {
    client::has_credentials(settings)
}

/// The driver. It holds configuration and clients, and no state of the cloud.
pub(super) struct Aws {
    clients: Clients,
    region: Option<String>,
}

impl Aws {
    /// Makes the driver; nothing is read or connected before the first call.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            clients: Clients::new(settings),
            region: settings.aws.region.value.clone(),
        }
    }
}

#[async_trait]
impl Provider for Aws {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Aws
    }

    async fn identity(&self) -> Result<Identity> {
        let region = self.clients.any_region().await;
        tracing::debug!(operation = "GetCallerIdentity", place = region, "call");
        let answer = self.clients.sts(&region).await.get_caller_identity().send().await;
        let output = answer.map_err(|error| translate(&error, Call::Read, "cannot tell who is asking", &region))?;
        Ok(Identity {
            account: output.account.unwrap_or_default(),
            principal: output.arn,
        })
    }

    async fn home(&self) -> Result<Option<Place>> {
        let region = match &self.region {
            Some(region) => Some(region.clone()),
            None => self.clients.home().await,
        };
        Ok(region.map(|region| Place { region, zone: None }))
    }

    async fn locate(&self, region: Option<&str>, zone: Option<&str>) -> Result<Place> {
        places::locate(&self.clients, region, zone).await
    }

    async fn locations(&self) -> Result<Vec<Location>> {
        places::locations(&self.clients).await
    }

    async fn plan(&self, spec: &InstanceSpec) -> Result<Plan> {
        create::plan(&self.clients.ec2(&spec.place.region).await, spec).await
    }

    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<Created> {
        create::create(&self.clients.ec2(&spec.place.region).await, spec, generation).await
    }

    async fn get(&self, target: &InstanceRef) -> Result<Instance> {
        list::get(&self.clients.ec2(&target.place).await, target).await
    }

    async fn list_pages(&self, pages: &Pages<'_>) -> Result<Vec<Error>> {
        let region = match pages.location {
            Location::Region(region) | Location::Zone { region, .. } => region,
            Location::Everywhere => return Err(Error::unsupported("ec2 lists one region at a time")),
        };
        match list::list(&self.clients.ec2(region).await, region, pages).await {
            Err(error) => Err(places::explained(&self.clients, region, error).await),
            listing => listing,
        }
    }

    async fn terminate(&self, targets: &[InstanceRef]) -> Vec<Outcome> {
        act(&self.clients, Verb::Terminate, targets).await
    }

    async fn start(&self, targets: &[InstanceRef]) -> Vec<Outcome> {
        act(&self.clients, Verb::Start, targets).await
    }

    async fn stop(&self, targets: &[InstanceRef]) -> Vec<Outcome> {
        act(&self.clients, Verb::Stop, targets).await
    }

    async fn reboot(&self, targets: &[InstanceRef]) -> Vec<Outcome> {
        act(&self.clients, Verb::Reboot, targets).await
    }

    async fn time(&self) -> Result<jiff::Timestamp> {
        self.clients.time().await
    }

    async fn zones_for(&self, _spec: &InstanceSpec) -> Result<Vec<Place>> {
        Err(Error::unsupported("not built yet"))
    }

    async fn set_ttl(&self, _target: &InstanceRef, _ttl: std::time::Duration) -> Result<()> {
        Err(Error::unsupported("not built yet"))
    }

    async fn set_protection(&self, targets: &[InstanceRef], _protected: bool) -> Vec<Outcome> {
        targets
            .iter()
            .map(|target| Outcome {
                target: target.clone(),
                result: Err(Error::unsupported("not built yet")),
            })
            .collect()
    }

    async fn surviving_disks(&self, _gone: &[Instance]) -> Result<Vec<crate::cloud::SurvivingDisk>> {
        Err(Error::unsupported("not built yet"))
    }

    async fn console_output(&self, target: &InstanceRef) -> Result<Vec<u8>> {
        list::console_output(&self.clients.ec2(&target.place).await, target).await
    }
}

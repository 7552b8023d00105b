//! The driver of Amazon EC2.
//!
//! `InstanceRef::scope` is the region: EC2's ids are unique in it, and calls are sent to it.

mod api;
mod catalog;
mod cloud_info;
mod configuration;
mod create;
mod credentials;
mod instances;
mod native_options;
mod network;
mod regions;
mod resolved_settings;
mod ssh_access;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::api::client::Clients;
use self::api::error::{Call, translate};
use self::configuration::{aws_cli_settings, config_file_keys};
use self::create::request::{CreateLookups, Request};
use self::regions::RegionSet;
use crate::cloud::{
    Access, BatchTracker, CatalogSource, Cleanup, CloudInfo, CreateOutcome, Error, Gap, Identity, Image, Instance,
    InstanceAction, InstanceRef, InstanceSink, InstanceSpec, Instances, LabelChanges, LaunchPreview, ListScope,
    Location, Locations, LoginUser, MachineType, OrphanedDisk, Provider, PublishedPrice, Result, TargetOutcome,
};
use crate::providers::driver_table::Driver;
use crate::settings::Settings;

/// How cloudctl comes to EC2.
pub(super) const DRIVER: Driver = Driver {
    info: &cloud_info::INFO,
    connect: |settings, _clock| Arc::new(Aws::new(settings)),
    has_credentials: credentials::credential_source::has_credentials,
    cloud_tool_settings: aws_cli_settings::AWS_CLI_SETTINGS,
    resolved_settings: resolved_settings::resolved_settings,
    offline_catalog: Some(&catalog::built_in_catalog::CATALOG),
};

/// The driver. It holds configuration and clients, and no state of the cloud.
pub(super) struct Aws {
    clients: Clients,
    lookups: CreateLookups,
    region: Option<String>,
}

impl Aws {
    /// Creates the driver. Nothing is read or connected before the first call.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            clients: Clients::new(settings),
            lookups: CreateLookups::default(),
            region: settings
                .cloud_setting(cloud_info::INFO.kind, config_file_keys::REGION)
                .value
                .clone(),
        }
    }
}

#[async_trait]
impl Instances for Aws {
    async fn preview(&self, spec: &InstanceSpec) -> Result<LaunchPreview> {
        create::preview(&self.clients.ec2(&spec.location.region).await, &self.lookups, spec).await
    }

    async fn prepare(&self, spec: &InstanceSpec) -> Result<()> {
        let client = self.clients.ec2(&spec.location.region).await;
        Request::resolve(&client, &self.lookups, spec).await.map(drop)
    }

    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
        let client = self.clients.ec2(&spec.location.region).await;
        create::create(&client, &self.lookups, spec, generation).await
    }

    async fn confirm_created(
        &self,
        spec: &InstanceSpec,
        created: Vec<Instance>,
        listed: &[Instance],
    ) -> Result<Vec<Instance>> {
        create::confirm_created(&self.clients.ec2(&spec.location.region).await, spec, created, listed).await
    }

    async fn get(&self, target: &InstanceRef) -> Result<Instance> {
        instances::list::get(&self.clients.ec2(&target.scope).await, target).await
    }

    async fn list_into(&self, pages: &InstanceSink<'_>) -> Result<Vec<Gap>> {
        let region = match pages.scope {
            ListScope::Region(region) | ListScope::Zone { region, .. } => region,
            ListScope::AllRegions => return Err(Error::unsupported("ec2 lists one region at a time")),
        };
        match instances::list::list(&self.clients.ec2(region).await, region, pages).await {
            Err(error) => Err(regions::explain_opt_in(&self.clients, region, error).await),
            listing => listing,
        }
    }

    async fn apply(
        &self,
        action: InstanceAction,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        instances::actions::apply(&self.clients, action, targets, tracker).await
    }

    async fn set_ttl(&self, target: &InstanceRef, ttl: Duration) -> Result<()> {
        instances::actions::set_ttl(&self.clients.ec2(&target.scope).await, target, ttl).await
    }

    fn check_label_changes(&self, changes: &LabelChanges, targets: &[Instance]) -> Result<()> {
        tags::check_label_changes(changes, targets)
    }

    async fn set_labels(
        &self,
        targets: &[Instance],
        changes: &LabelChanges,
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        instances::set_labels::set_labels(&self.clients, targets, changes, tracker).await
    }

    async fn console_output(&self, target: &InstanceRef) -> Result<Vec<u8>> {
        instances::list::console_output(&self.clients.ec2(&target.scope).await, target).await
    }
}

#[async_trait]
impl Locations for Aws {
    async fn default_location(&self) -> Result<Option<Location>> {
        let region = match &self.region {
            Some(region) => Some(region.clone()),
            None => self.clients.default_region().await?,
        };
        Ok(region.map(|region| Location { region, zone: None }))
    }

    async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
        regions::resolve_location(&self.clients, region, zone).await
    }

    async fn regions(&self) -> Result<Vec<String>> {
        regions::list_regions(&self.clients, RegionSet::Enabled).await
    }

    async fn list_scopes(&self) -> Result<Vec<ListScope>> {
        regions::list_scopes(&self.clients).await
    }

    async fn known_list_scopes(&self) -> Vec<ListScope> {
        regions::list_known_scopes(&self.clients).await
    }

    async fn candidate_zones(&self, spec: &InstanceSpec) -> Result<Vec<Location>> {
        regions::find_candidate_zones(
            &self.clients.ec2(&spec.location.region).await,
            &self.lookups.catalog,
            spec,
        )
        .await
    }
}

#[async_trait]
impl CatalogSource for Aws {
    async fn machine_types(&self, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
        catalog::machine_types::list_machine_types(&self.clients.ec2(region).await, region, among).await
    }

    async fn images(&self, region: &str) -> Result<Vec<Image>> {
        catalog::images::list_images(&self.clients.ec2(region).await, region).await
    }

    async fn spot_price(&self, location: &Location, machine_type: &str) -> Result<Option<f64>> {
        catalog::prices::find_spot_price(&self.clients.ec2(&location.region).await, location, machine_type).await
    }

    async fn published_prices(&self) -> Result<Vec<PublishedPrice>> {
        catalog::prices::list_published_prices(&self.clients).await
    }
}

#[async_trait]
impl Access for Aws {
    async fn identity(&self) -> Result<Identity> {
        let region = self.clients.region_for_global_calls().await;
        tracing::debug!(operation = "GetCallerIdentity", place = region, "call");
        let answer = self.clients.sts(&region).await?.get_caller_identity().send().await;
        let output = answer.map_err(|error| translate(&error, Call::Read, "cannot identify the caller", &region))?;
        Ok(Identity {
            account: output.account.unwrap_or_default(),
            principal: output.arn,
        })
    }

    async fn server_time(&self) -> Result<jiff::Timestamp> {
        self.clients.time().await
    }

    async fn login_user(&self, instance: &Instance, _own_keys: &[String]) -> Result<LoginUser> {
        let client = self.clients.ec2(&instance.region).await;
        ssh_access::login_user(&client, &self.lookups.catalog, instance).await
    }
}

#[async_trait]
impl Cleanup for Aws {
    async fn delete_unused_firewall_rules(&self, gone: &[Instance]) -> Result<Vec<String>> {
        network::security_group::delete_unused_groups(&self.clients, gone).await
    }

    async fn orphaned_disks(&self, gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
        instances::disks::find_orphaned_disks(&self.clients, gone).await
    }
}

impl Provider for Aws {
    fn info(&self) -> &'static CloudInfo {
        &cloud_info::INFO
    }
}

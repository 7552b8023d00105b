//! The driver of Compute Engine.
//!
//! Names are unique in a zone only. So a region's zone is picked by the hash of the name, and every call that takes a
//! name is checked against the id. EC2 differs: its calls take ids. A new instance acts as no service account unless
//! the spec names an identity.

mod api;
mod catalog;
mod cloud_info;
mod configuration;
mod connection_errors;
mod create;
mod credentials;
mod instances;
mod labels;
mod native_options;
mod network;
mod regions;
mod resolved_settings;
mod ssh_access;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future;
use jiff::Timestamp;

use self::api::client::{Client, with_call_options};
use self::configuration::gcloud_config::GcloudConfiguration;
use self::configuration::gcloud_settings;
use self::create::instance_metadata::look_up_os_login;
use self::create::request::{TypeSource, prepare_request};
use self::instances::batch_actions::change_all;
use crate::cloud::{
    Access, BatchTracker, CatalogSource, Cleanup, CloudInfo, CreateOutcome, Error, ErrorKind, Gap, HostKey, Identity,
    Image, Instance, InstanceAction, InstanceRef, InstanceSink, InstanceSpec, Instances, LabelChanges, LaunchPreview,
    ListScope, Location, Locations, LoginUser, MachineType, OrphanedDisk, Provider, PublishedPrice, Result,
    TargetOutcome,
};
use crate::providers::driver_table::Driver;
use crate::settings::Settings;

/// How cloudctl comes to Compute Engine.
pub(super) const DRIVER: Driver = Driver {
    info: &cloud_info::INFO,
    connect: |settings, _clock| Arc::new(Gcp::new(settings)),
    has_credentials,
    cloud_tool_settings: gcloud_settings::GCLOUD_SETTINGS,
    resolved_settings: resolved_settings::resolved_settings,
    offline_catalog: Some(&catalog::built_in_catalog::CATALOG),
};

/// The driver of Compute Engine.
pub(super) struct Gcp {
    client: Client,
}

impl Gcp {
    /// Creates the driver. Reads no file and opens no connection.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            client: Client::new(settings),
        }
    }
}

/// Says whether there are credentials; makes no network call. A credentials file that exists but is broken counts, so that
/// its error is reported.
fn has_credentials(settings: &Settings) -> bool {
    let environment = &settings.environment;
    let gcloud = GcloudConfiguration::read(environment);
    let gcloud = gcloud.unwrap_or_else(|_| GcloudConfiguration::from_variables(environment));
    !matches!(credentials::find_credentials(environment, &gcloud), Ok(None))
}

#[async_trait]
impl Instances for Gcp {
    /// Compute Engine has no dry run: the preview looks up what it can.
    async fn preview(&self, spec: &InstanceSpec) -> Result<LaunchPreview> {
        let request = prepare_request(&self.client, spec, 0, TypeSource::LookedUp).await?;
        request.warn();
        if let Some(rules) = &request.firewall_rules {
            network::open_ports::check_rules(&self.client, rules).await?;
        }
        Ok(request.preview)
    }

    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
        create::create(&self.client, spec, generation).await
    }

    async fn prepare(&self, spec: &InstanceSpec) -> Result<()> {
        let request = prepare_request(&self.client, spec, 0, TypeSource::for_spec(spec));
        let ((), prepared) = future::join(look_up_os_login(&self.client, spec), request).await;
        prepared.map(drop)
    }

    async fn confirm_created(
        &self,
        spec: &InstanceSpec,
        created: Vec<Instance>,
        listed: &[Instance],
    ) -> Result<Vec<Instance>> {
        create::confirm_created(&self.client, spec, created, listed).await
    }

    async fn get(&self, target: &InstanceRef) -> Result<Instance> {
        instances::list::get(&self.client, target).await
    }

    async fn list_into(&self, pages: &InstanceSink<'_>) -> Result<Vec<Gap>> {
        instances::list::list_instances(&self.client, pages).await
    }

    async fn apply(
        &self,
        action: InstanceAction,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        change_all(&self.client, targets, action, tracker).await
    }

    async fn set_ttl(&self, target: &InstanceRef, ttl: Duration) -> Result<()> {
        instances::set_ttl::set_ttl(&self.client, target, ttl).await
    }

    fn check_label_changes(&self, changes: &LabelChanges, targets: &[Instance]) -> Result<()> {
        labels::check_label_changes(changes, targets)
    }

    async fn set_labels(
        &self,
        targets: &[Instance],
        changes: &LabelChanges,
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let references: Vec<_> = targets.iter().map(|target| target.reference.clone()).collect();
        instances::set_labels::set_labels(&self.client, &references, changes, tracker).await
    }

    /// Returns the most recent megabyte of the first serial port.
    async fn console_output(&self, target: &InstanceRef) -> Result<Vec<u8>> {
        let api = instances::list::get_by_ref(&self.client, target).await?;
        let name = api.name.unwrap_or_default();
        let (project, instances) = (self.client.project().await?, self.client.instances().await?);
        let answer = self.client.read("read the console", &target.scope, || {
            let call = instances
                .get_serial_port_output()
                .set_project(project)
                .set_zone(&target.scope);
            with_call_options(call.set_instance(&name).set_port(1)).send()
        });
        match answer.await {
            Ok(output) => Ok(output.contents.unwrap_or_default().into_bytes()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::not_found(target)),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Locations for Gcp {
    async fn default_location(&self) -> Result<Option<Location>> {
        self.client.default_location().await
    }

    fn parse_location(&self, region: Option<&str>, zone: Option<&str>) -> Option<Location> {
        regions::parse_location(region, zone)
    }

    async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
        self.client.resolve_location(region, zone).await
    }

    async fn regions(&self) -> Result<Vec<String>> {
        let zones = self.client.all_zones().await?.iter();
        let regions: BTreeSet<String> = zones.map(|zone| zone.region.clone()).collect();
        Ok(regions.into_iter().collect())
    }

    /// One call lists all zones.
    async fn list_scopes(&self) -> Result<Vec<ListScope>> {
        Ok(vec![ListScope::AllRegions])
    }

    async fn candidate_zones(&self, spec: &InstanceSpec) -> Result<Vec<Location>> {
        let zones = self.client.list_candidate_zones(&spec.location, &spec.name).await?;
        let zones = catalog::machine_types::select_zones_with_type(
            &self.client,
            &zones,
            create::request::machine_type_to_use(spec),
        )
        .await?;
        let to_location = |zone| Location::in_zone(spec.location.region.clone(), zone);
        Ok(zones.into_iter().map(to_location).collect())
    }
}

#[async_trait]
impl CatalogSource for Gcp {
    async fn machine_types(&self, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
        catalog::list_machine_types(&self.client, region, among).await
    }

    /// Images are the same in every region.
    async fn images(&self, _region: &str) -> Result<Vec<Image>> {
        catalog::list_images(&self.client).await
    }

    async fn published_prices(&self) -> Result<Vec<PublishedPrice>> {
        catalog::prices::list_published_prices(&self.client).await
    }
}

#[async_trait]
impl Access for Gcp {
    async fn identity(&self) -> Result<Identity> {
        self.client.identity().await
    }

    async fn server_time(&self) -> Result<Timestamp> {
        self.client.server_time().await
    }

    async fn published_host_keys(&self, instance: &InstanceRef) -> Result<Vec<HostKey>> {
        ssh_access::published_host_keys(&self.client, instance).await
    }

    async fn login_user(&self, instance: &Instance, own_keys: &[String]) -> Result<LoginUser> {
        ssh_access::login_user(&self.client, instance, own_keys).await
    }
}

#[async_trait]
impl Cleanup for Gcp {
    async fn delete_unused_firewall_rules(&self, gone: &[Instance]) -> Result<Vec<String>> {
        network::open_ports::delete_unused_rules(&self.client, gone).await
    }

    async fn orphaned_disks(&self, gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
        instances::disks::find_orphaned_disks(&self.client, gone).await
    }
}

impl Provider for Gcp {
    fn info(&self) -> &'static CloudInfo {
        &cloud_info::INFO
    }
}

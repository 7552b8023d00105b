//! A small cloud in a file, to try cloudctl or test a pipeline without an account. It has regions, names, protection,
//! and states that change over time as on the real clouds, and injects [faults](faults) on demand.
//!
//! The mock itself terminates an instance at the end of its TTL, by its own clock: from then on every read shows it as
//! terminated, also if it was stopped or protected.

mod actions;
mod catalog;
mod cloud_info;
mod create;
mod faults;
mod instance_phase;
mod pretend_shell;
mod regions;
mod state_file;
mod state_model;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use self::actions::{Change, CloudState, change_instances};
use self::create::ResolvedSpec;
use self::faults::{FaultSite, Faults, simulate_call};
use self::pretend_shell::parse_pretend_shell;
use self::state_file::Store;
use self::state_model::StoredInstance;
use crate::catalog::image_alias;
use crate::cloud::{
    Access, BatchTracker, CatalogSource, Cleanup, Clock, CloudInfo, CreateOutcome, Error, Gap, Identity, Image,
    Instance, InstanceAction, InstanceRef, InstanceSink, InstanceSpec, InstanceState, Instances, LabelChanges,
    LaunchPreview, ListScope, Location, Locations, LoginUser, MachineType, OrphanedDisk, PretendShell, Provider,
    PublishedPrice, Result, TargetOutcome,
};
use crate::providers::driver_table::Driver;
use crate::settings::{Environment, Settings};

/// How cloudctl comes to the mock cloud.
pub(super) const DRIVER: Driver = Driver {
    info: &cloud_info::INFO,
    connect: |settings, clock| Arc::new(Mock::new(settings, clock)),
    has_credentials: |_| false,
    cloud_tool_settings: &[],
    resolved_settings: |_| Ok(Vec::new()),
    // Its prices are its own: see `fixed_price`.
    offline_catalog: None,
};

pub(super) struct Mock {
    store: Store,
    clock: Arc<dyn Clock>,
    faults: Option<String>,
    /// What its instances answer by SSH.
    ssh: Option<String>,
    region: Option<String>,
    user: String,
}

/// The file that the mock cloud is in; `None` without a home folder.
fn state_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.get(cloud_info::STATE_VARIABLE) {
        return Some(environment.expand_path(path));
    }
    let folder = environment.xdg_folder("XDG_STATE_HOME", ".local/state")?;
    Some(folder.join("cloudctl/mock.json"))
}

impl Mock {
    /// Creates the driver. Reads and writes no file before the first call.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let environment = &settings.environment;
        let user = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| environment.get(name));
        Self {
            store: Store::new(state_file(environment)),
            clock,
            faults: environment.get(cloud_info::FAULTS_VARIABLE).map(str::to_owned),
            ssh: environment.get(cloud_info::SSH_VARIABLE).map(str::to_owned),
            region: settings
                .cloud_setting(cloud_info::INFO.kind, cloud_info::REGION)
                .value
                .clone(),
            user: user.unwrap_or("you").to_owned(),
        }
    }

    fn state<'a>(&'a self, faults: &'a Result<Faults>) -> CloudState<'a> {
        CloudState {
            store: &self.store,
            clock: self.clock.as_ref(),
            faults,
        }
    }

    fn faults(&self) -> Result<Faults> {
        Faults::parse(self.faults.as_deref())
    }

    /// Reads one instance from the file and passes it to `read`.
    async fn read_instance<T>(
        &self,
        target: &InstanceRef,
        operation: &str,
        read: impl FnOnce(&StoredInstance, Timestamp) -> T,
    ) -> Result<T> {
        let faults = self.faults()?;
        simulate_call(&faults, FaultSite::region(&target.scope), operation).await?;
        let state = self.store.read()?;
        let now = self.clock.now();
        let stored = state
            .find(target, now)
            .ok_or_else(|| Error::not_found(target).at(FaultSite::region(&target.scope).location()))?;
        match faults.refusal_error(FaultSite::zone(&stored.region, &stored.zone)) {
            Some(error) => Err(error),
            None => Ok(read(stored, now)),
        }
    }
}

#[async_trait]
impl Instances for Mock {
    async fn preview(&self, spec: &InstanceSpec) -> Result<LaunchPreview> {
        let faults = self.faults()?;
        let resolved = ResolvedSpec::resolve(spec)?;
        simulate_call(&faults, FaultSite::zone(resolved.region, resolved.zone), "plan").await?;
        Ok(resolved.into_preview(spec))
    }

    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
        let faults = self.faults()?;
        let resolved = ResolvedSpec::resolve(spec)?;
        let site = FaultSite::zone(resolved.region, resolved.zone);
        simulate_call(&faults, site, "create").await?;
        let locked = self.store.lock().await?;
        let now = self.clock.now();
        let created = locked.change(|state| {
            state.remove_unlisted(now);
            create::create(state, spec, &resolved, generation, &faults, now)
        })?;
        match faults.lost_reply_error(site) {
            Some(error) => Err(error),
            None => Ok(created),
        }
    }

    async fn get(&self, target: &InstanceRef) -> Result<Instance> {
        self.read_instance(target, "get", StoredInstance::to_instance).await
    }

    async fn list_into(&self, sink: &InstanceSink<'_>) -> Result<Vec<Gap>> {
        let faults = self.faults()?;
        check_scope(sink.scope)?;
        simulate_call(&faults, FaultSite::from_scope(sink.scope), "list").await?;
        let now = self.clock.now();
        let state = self.store.read()?;
        let listed = state
            .instances
            .iter()
            .filter(|stored| stored.is_listed(now))
            .filter(|stored| sink.scope.contains(&stored.region, Some(&stored.zone)))
            .filter(|stored| !faults.refuse_calls(FaultSite::zone(&stored.region, &stored.zone)))
            .map(|stored| stored.to_instance(now));
        sink.push_page(listed.collect());
        Ok(faults.gaps(sink.scope))
    }

    async fn apply(
        &self,
        action: InstanceAction,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let faults = self.faults();
        change_instances(self.state(&faults), Change::Action(action), targets, tracker).await
    }

    async fn set_ttl(&self, target: &InstanceRef, ttl: Duration) -> Result<()> {
        let faults = self.faults();
        let targets = std::slice::from_ref(target);
        let tracker = BatchTracker::uninterrupted();
        let outcomes = change_instances(self.state(&faults), Change::Ttl(ttl), targets, &tracker).await;
        outcomes.into_iter().try_for_each(|outcome| outcome.result)
    }

    fn check_label_changes(&self, changes: &LabelChanges, targets: &[Instance]) -> Result<()> {
        create::check_label_changes(changes, targets)
    }

    async fn set_labels(
        &self,
        targets: &[Instance],
        changes: &LabelChanges,
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let faults = self.faults();
        let references: Vec<_> = targets.iter().map(|target| target.reference.clone()).collect();
        change_instances(self.state(&faults), Change::Labels(changes), &references, tracker).await
    }

    async fn console_output(&self, target: &InstanceRef) -> Result<Vec<u8>> {
        self.read_instance(target, "console", |stored, now| stored.console(now).into_bytes())
            .await
    }
}

#[async_trait]
impl Locations for Mock {
    async fn default_location(&self) -> Result<Option<Location>> {
        self.faults()?;
        let region = self.region.as_deref().unwrap_or(regions::DEFAULT_REGION);
        regions::resolve_location(Some(region), None).map(Some)
    }

    async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
        self.faults()?;
        regions::resolve_location(region, zone)
    }

    async fn regions(&self) -> Result<Vec<String>> {
        simulate_call(&self.faults()?, FaultSite::default(), "regions").await?;
        let mut names: Vec<_> = regions::REGIONS.iter().map(|region| region.name.to_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn list_scopes(&self) -> Result<Vec<ListScope>> {
        simulate_call(&self.faults()?, FaultSite::default(), "locations").await?;
        let regions = regions::REGIONS.iter();
        Ok(regions
            .map(|region| ListScope::Region(region.name.to_owned()))
            .collect())
    }

    async fn candidate_zones(&self, spec: &InstanceSpec) -> Result<Vec<Location>> {
        let faults = self.faults()?;
        let resolved = ResolvedSpec::resolve(spec)?;
        simulate_call(&faults, FaultSite::region(resolved.region), "zones").await?;
        Ok(resolved.candidate_zones(spec))
    }
}

#[async_trait]
impl CatalogSource for Mock {
    async fn machine_types(&self, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
        let region = regions::find_region(region)?;
        simulate_call(&self.faults()?, FaultSite::region(region.name), "machine_types").await?;
        let mut machines = catalog::list_machine_types();
        machines.retain(|machine| among.is_empty() || among.contains(&machine.name));
        Ok(machines)
    }

    async fn images(&self, region: &str) -> Result<Vec<Image>> {
        let region = regions::find_region(region)?;
        simulate_call(&self.faults()?, FaultSite::region(region.name), "images").await?;
        Ok(catalog::list_images())
    }

    async fn spot_price(&self, _place: &Location, machine_type: &str) -> Result<Option<f64>> {
        Ok(catalog::find_machine_type(machine_type).map(|machine| machine.price(true)))
    }

    async fn published_prices(&self) -> Result<Vec<PublishedPrice>> {
        Err(Error::unsupported(
            "the mock cloud publishes no prices: its prices are built in",
        ))
    }

    fn fixed_price(&self, machine_type: &str) -> Option<f64> {
        catalog::find_machine_type(machine_type).map(|machine| machine.price(false))
    }
}

#[async_trait]
impl Access for Mock {
    async fn identity(&self) -> Result<Identity> {
        simulate_call(&self.faults()?, FaultSite::default(), "identity").await?;
        Ok(Identity {
            account: state_model::ACCOUNT.to_owned(),
            principal: Some(self.user.clone()),
        })
    }

    async fn server_time(&self) -> Result<Timestamp> {
        simulate_call(&self.faults()?, FaultSite::default(), "time").await?;
        Ok(self.clock.now())
    }

    fn probe_ssh(&self, instance: &Instance) -> Option<bool> {
        // The addresses are invented, so no server answers. A running instance counts as reachable.
        Some(instance.state == InstanceState::Running)
    }

    async fn login_user(&self, instance: &Instance, _own_keys: &[String]) -> Result<LoginUser> {
        let alias = instance.image.as_deref().and_then(image_alias);
        Ok(match alias {
            Some(alias) => alias.login.login_user(),
            None => LoginUser::Name(self.user.clone()),
        })
    }

    fn pretend_shell(&self, _instance: &Instance) -> Result<Option<PretendShell>> {
        parse_pretend_shell(self.ssh.as_deref()).map(Some)
    }
}

#[async_trait]
impl Cleanup for Mock {
    async fn delete_unused_firewall_rules(&self, _gone: &[Instance]) -> Result<Vec<String>> {
        // They end with their instances.
        Ok(Vec::new())
    }

    async fn orphaned_disks(&self, _gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
        // Every disk is deleted with its instance.
        Ok(Vec::new())
    }
}

impl Provider for Mock {
    fn info(&self) -> &'static CloudInfo {
        &cloud_info::INFO
    }
}

/// Refuses a region or zone that does not exist.
fn check_scope(location: &ListScope) -> Result<()> {
    match location {
        ListScope::AllRegions => Ok(()),
        ListScope::Region(region) => regions::find_region(region).map(|_| ()),
        ListScope::Zone { region, zone } => regions::resolve_location(Some(region), Some(zone)).map(|_| ()),
    }
}

impl StoredInstance {
    /// Returns the console output since the last boot.
    pub(crate) fn console(&self, now: Timestamp) -> String {
        let state = self.phase_at(now).state(now);
        if state == InstanceState::Pending {
            return String::new();
        }
        let cpus = catalog::find_machine_type(&self.machine_type).map_or(1, |machine| machine.cpus);
        let mut lines = vec![
            format!("[    0.000000] Linux version 6.8.0-mock ({}) #1 SMP", self.image),
            format!("[    0.012345] smp: Brought up 1 node, {cpus} CPUs"),
            format!("[    0.345678] sda: {} GiB disk ({})", self.disk_gib, self.disk_type),
        ];
        if self.phase.fails_to_boot() {
            lines.push("[    0.400000] Kernel panic - not syncing: No working init found".to_owned());
        } else {
            lines.push(format!("[    0.456789] eth0: {} in {}", self.private_ip, self.subnet));
            lines.push(format!(
                "[    0.500000] cloud-init: instance {} is {}",
                self.id, self.name
            ));
            if let Some(bytes) = self.user_data_bytes {
                lines.push(format!("[    0.600000] cloud-init: user data of {bytes} bytes ran"));
            }
            lines.push(format!(
                "[    0.987654] cloud-init: finished, booted at {}",
                self.booted_at
            ));
            lines.push(format!("{} login:", self.name));
        }
        if matches!(state, InstanceState::Stopped | InstanceState::Terminated) {
            lines.push("reboot: Power down".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

//! A small cloud in a file, for people who try cloudctl, or test their pipelines, without an account. It has
//! regions, names, protection, states over time and ends like the real ones, and [faults](faults) on demand.
//!
//! An instance with a TTL is ended by this cloud itself, by its own clock: from that moment on it is terminated,
//! whoever looks, and whether or not it is stopped or protected.
//! What instances write to their consoles.

use self::state::StoredInstance;

mod catalog;
mod change;
mod create;
mod faults;
mod info;
mod phase;
mod regions;
mod request;
mod state;
mod state_file;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use self::faults::call;
use self::faults::{FaultSite, Faults};
use self::phase::Action;
use self::request::ResolvedSpec;
use self::state_file::Store;
use crate::cloud::{
    Access, BatchTracker, CatalogSource, Cleanup, Clock, CloudInfo, CreateOutcome, Error, Identity, Image, Instance,
    InstanceAction, InstanceRef, InstanceSink, InstanceSpec, InstanceState, Instances, LaunchPreview, ListScope,
    Location, Locations, MachineType, OrphanedDisk, Provider, PublishedPrice, Result, TargetOutcome,
};
use crate::providers::driver::Driver;
use crate::settings::{Environment, Settings};

/// How cloudctl comes to the mock cloud.
pub(super) const DRIVER: Driver = Driver {
    info: &info::INFO,
    connect: |settings, clock| Arc::new(Mock::new(settings, clock)),
    has_credentials: |_| false,
    vendor_settings: &[],
    resolved_settings: |_| Ok(Vec::new()),
    // Its prices are its own: see `fixed_price`.
    offline_catalog: None,
};

/// The driver.
pub(super) struct Mock {
    store: Store,
    clock: Arc<dyn Clock>,
    faults: Option<String>,
    region: Option<String>,
    user: String,
}

/// The file that the mock cloud is in; `None` without a home folder.
fn state_file(environment: &Environment) -> Option<PathBuf> {
    let named = environment.get(info::STATE_VARIABLE).map(|path| environment.path(path));
    named.or_else(|| {
        let folder = environment.xdg_folder("XDG_STATE_HOME", ".local/state")?;
        Some(folder.join("cloudctl/mock.json"))
    })
}

impl Mock {
    /// The mock cloud of these settings; nothing is touched before the first call.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let environment = &settings.environment;
        let user = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| environment.get(name));
        Self {
            store: Store::new(state_file(environment)),
            clock,
            faults: environment.get(info::FAULTS_VARIABLE).map(str::to_owned),
            region: settings.of(info::INFO.kind, info::REGION).value.clone(),
            user: user.unwrap_or("you").to_owned(),
        }
    }

    fn faults(&self) -> Result<Faults> {
        Faults::parse(self.faults.as_deref())
    }

    /// What `look` finds of one instance.
    async fn look_at<T>(
        &self,
        target: &InstanceRef,
        operation: &str,
        look: impl FnOnce(&state::StoredInstance, Timestamp) -> T,
    ) -> Result<T> {
        let faults = self.faults()?;
        call(&faults, FaultSite::region(&target.scope), operation).await?;
        let state = self.store.read()?;
        let now = self.clock.now();
        let record = state
            .find(target, now)
            .ok_or_else(|| Error::not_found(target).at(FaultSite::region(&target.scope).name()))?;
        match faults.refusal(FaultSite::zone(&record.region, &record.zone)) {
            Some(error) => Err(error),
            None => Ok(look(record, now)),
        }
    }
}

#[async_trait]
impl Instances for Mock {
    async fn preview(&self, spec: &InstanceSpec) -> Result<LaunchPreview> {
        let faults = self.faults()?;
        let order = ResolvedSpec::resolve(spec)?;
        call(&faults, FaultSite::zone(order.region, order.zone), "plan").await?;
        Ok(order.plan(spec))
    }

    async fn create(&self, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
        let faults = self.faults()?;
        let order = ResolvedSpec::resolve(spec)?;
        let site = FaultSite::zone(order.region, order.zone);
        call(&faults, site, "create").await?;
        let locked = self.store.lock().await?;
        let now = self.clock.now();
        let created = locked.change(|state| {
            state.forget_gone(now);
            create::create(state, spec, &order, generation, &faults, now)
        })?;
        match faults.lost_reply(site) {
            Some(error) => Err(error),
            None => Ok(created),
        }
    }

    async fn get(&self, target: &InstanceRef) -> Result<Instance> {
        self.look_at(target, "get", state::StoredInstance::instance).await
    }

    async fn list_into(&self, pages: &InstanceSink<'_>) -> Result<Vec<Error>> {
        let faults = self.faults()?;
        check(pages.location)?;
        call(&faults, FaultSite::of(pages.location), "list").await?;
        let now = self.clock.now();
        let state = self.store.read()?;
        let listed = state
            .instances
            .iter()
            .filter(|record| record.is_listed(now))
            .filter(|record| pages.location.contains(&record.region, Some(&record.zone)))
            .filter(|record| faults.refusal(FaultSite::zone(&record.region, &record.zone)).is_none())
            .map(|record| record.instance(now));
        pages.push_page(listed.collect());
        Ok(faults.gaps(pages.location))
    }

    async fn apply(
        &self,
        action: InstanceAction,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let action = match action {
            InstanceAction::Start => Action::Start,
            InstanceAction::Stop => Action::Stop,
            InstanceAction::Reboot => Action::Reboot,
            InstanceAction::Protect => Action::Protect,
            InstanceAction::Unprotect => Action::Unprotect,
            InstanceAction::Terminate => Action::Terminate,
        };
        self.act_on(action, targets, tracker).await
    }

    async fn set_ttl(&self, target: &InstanceRef, ttl: Duration) -> Result<()> {
        let outcomes = self
            .act_on(
                Action::SetTtl(ttl),
                std::slice::from_ref(target),
                &BatchTracker::uninterrupted(),
            )
            .await;
        outcomes.into_iter().try_for_each(|outcome| outcome.result)
    }

    async fn console_output(&self, target: &InstanceRef) -> Result<Vec<u8>> {
        self.look_at(target, "console", |record, now| record.console(now).into_bytes())
            .await
    }
}

#[async_trait]
impl Locations for Mock {
    async fn default_location(&self) -> Result<Option<Location>> {
        self.faults()?;
        let region = self.region.as_deref().unwrap_or(regions::DEFAULT_REGION);
        regions::locate(Some(region), None).map(Some)
    }

    async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
        self.faults()?;
        regions::locate(region, zone)
    }

    async fn regions(&self) -> Result<Vec<String>> {
        call(&self.faults()?, FaultSite::default(), "regions").await?;
        let mut names: Vec<_> = regions::REGIONS.iter().map(|region| region.name.to_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn list_scopes(&self) -> Result<Vec<ListScope>> {
        call(&self.faults()?, FaultSite::default(), "locations").await?;
        let regions = regions::REGIONS.iter();
        Ok(regions
            .map(|region| ListScope::Region(region.name.to_owned()))
            .collect())
    }

    async fn candidate_zones(&self, spec: &InstanceSpec) -> Result<Vec<Location>> {
        let faults = self.faults()?;
        let order = ResolvedSpec::resolve(spec)?;
        call(&faults, FaultSite::region(order.region), "zones").await?;
        Ok(order.places(spec))
    }
}

#[async_trait]
impl CatalogSource for Mock {
    async fn machine_types(&self, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
        let region = regions::region(region)?;
        call(&self.faults()?, FaultSite::region(region.name), "machine_types").await?;
        let mut machines = catalog::machine_types();
        machines.retain(|machine| among.is_empty() || among.contains(&machine.name));
        Ok(machines)
    }

    async fn images(&self, region: &str) -> Result<Vec<Image>> {
        let region = regions::region(region)?;
        call(&self.faults()?, FaultSite::region(region.name), "images").await?;
        Ok(catalog::images())
    }

    async fn spot_price(&self, _place: &Location, machine_type: &str) -> Result<Option<f64>> {
        Ok(catalog::known_machine_type(machine_type).map(|machine| machine.price(true)))
    }

    async fn published_prices(&self) -> Result<Vec<PublishedPrice>> {
        Err(Error::unsupported(
            "the mock cloud publishes no prices: it knows them by itself",
        ))
    }

    fn fixed_price(&self, machine_type: &str) -> Option<f64> {
        catalog::known_machine_type(machine_type).map(|machine| machine.price(false))
    }
}

#[async_trait]
impl Access for Mock {
    async fn identity(&self) -> Result<Identity> {
        call(&self.faults()?, FaultSite::default(), "identity").await?;
        Ok(Identity {
            account: state::ACCOUNT.to_owned(),
            principal: Some(self.user.clone()),
        })
    }

    async fn server_time(&self) -> Result<Timestamp> {
        call(&self.faults()?, FaultSite::default(), "time").await?;
        Ok(self.clock.now())
    }

    fn probe_ssh(&self, instance: &Instance) -> Option<bool> {
        // The addresses are made up, so nobody is there; what is up is taken to answer.
        Some(instance.state == InstanceState::Running)
    }
}

#[async_trait]
impl Cleanup for Mock {
    async fn delete_unused_firewall_rules(&self, _gone: &[Instance]) -> Result<Vec<String>> {
        // They went with their instances.
        Ok(Vec::new())
    }

    async fn orphaned_disks(&self, _gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
        // Every disk here goes with its instance.
        Ok(Vec::new())
    }
}

impl Provider for Mock {
    fn info(&self) -> &'static CloudInfo {
        &info::INFO
    }
}

/// Refuses a location that there is not.
fn check(location: &ListScope) -> Result<()> {
    match location {
        ListScope::AllRegions => Ok(()),
        ListScope::Region(region) => regions::region(region).map(|_| ()),
        ListScope::Zone { region, zone } => regions::locate(Some(region), Some(zone)).map(|_| ()),
    }
}

impl StoredInstance {
    /// What it wrote to its console since it last booted.
    pub(crate) fn console(&self, now: Timestamp) -> String {
        let state = self.phase_at(now).state(now);
        if state == InstanceState::Pending {
            return String::new();
        }
        let cpus = catalog::known_machine_type(&self.machine_type).map_or(1, |machine| machine.cpus);
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

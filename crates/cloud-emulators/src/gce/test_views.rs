//! What a test sees of the emulator's state, as plain values.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Emulator;
use super::instance_record::Instance;
use super::max_run_duration::run_limit;
use super::state::{Key, State};

/// A VM.
#[derive(Clone, Debug)]
pub struct InstanceView {
    /// The project that it is in.
    pub project: String,
    /// The bare name.
    pub zone: String,
    /// The name.
    pub name: String,
    /// The numeric id.
    pub id: String,
    /// `RUNNING` and the like; a stopped VM is `TERMINATED`.
    pub status: String,
    /// The bare name.
    pub machine_type: String,
    /// The description.
    pub description: String,
    /// The URL of the image its boot disk was made from.
    pub source_image: Option<String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The network tags.
    pub tags: Vec<String>,
    /// Kinds and numbers, as `nvidia-tesla-t4:2`.
    pub accelerators: Vec<String>,
    /// The metadata, user data and SSH keys among them.
    pub metadata: BTreeMap<String, String>,
    /// The disks, the boot disk first.
    pub disks: Vec<AttachedDiskView>,
    /// The bare name, as is the subnetwork's.
    pub network: String,
    /// The bare name of the subnetwork.
    pub subnetwork: String,
    /// Whether it is to have an external address.
    pub wants_external_ip: bool,
    /// The access scopes of the service account.
    pub scopes: Vec<String>,
    /// Whether it is protected against deletion.
    pub deletion_protection: bool,
    /// How it is scheduled, and the limit of its run.
    pub scheduling: SchedulingView,
    /// When it was made.
    pub created: Timestamp,
    /// When its run limit ends the present run.
    pub expires: Option<Timestamp>,
    /// The whole resource, as `instances.get` answers it.
    pub resource: Value,
}

/// How a VM is scheduled.
#[derive(Clone, Debug)]
pub struct SchedulingView {
    /// `STANDARD` or `SPOT`.
    pub provisioning_model: String,
    /// How long a run may last.
    pub max_run_duration: Option<Duration>,
    /// What the end of a run does: `STOP` or `DELETE`.
    pub instance_termination_action: Option<String>,
    /// `MIGRATE` or `TERMINATE`.
    pub on_host_maintenance: String,
    /// Whether Google starts it again after a failure.
    pub automatic_restart: bool,
}

/// A disk as its VM has it.
#[derive(Clone, Debug)]
pub struct AttachedDiskView {
    /// The disk's own name.
    pub name: String,
    /// Whether it is the boot disk.
    pub boot: bool,
    /// Whether it is deleted with its VM.
    pub auto_delete: bool,
    /// The size in GB.
    pub size_gb: u64,
    /// What only the disk itself knows; `None` for the disks of seeded VMs.
    pub disk: Option<DiskView>,
}

/// A disk.
#[derive(Clone, Debug)]
pub struct DiskView {
    /// The project that it is in.
    pub project: String,
    /// The bare name.
    pub zone: String,
    /// The name.
    pub name: String,
    /// The numeric id.
    pub id: String,
    /// The size in GB.
    pub size_gb: u64,
    /// `pd-balanced` and the like.
    pub kind: String,
    /// The URL of the image that it was made from.
    pub source_image: Option<String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The name of the VM that has it.
    pub user: Option<String>,
}

/// A firewall rule.
#[derive(Clone, Debug)]
pub struct FirewallView {
    /// The name.
    pub name: String,
    /// The bare name.
    pub network: String,
    /// The networks that it lets in.
    pub source_ranges: Vec<String>,
    /// The network tags that it holds for; none means every VM of the network.
    pub target_tags: Vec<String>,
    /// As `tcp:22`.
    pub allowed: Vec<String>,
    /// As `firewalls.get` answers it.
    pub resource: Value,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct OperationView {
    /// The name.
    pub name: String,
    /// The bare name; empty for a global operation.
    pub zone: String,
    /// The numeric id of the resource that it changes.
    pub target_id: String,
    /// As `zoneOperations.get` answers it.
    pub resource: Value,
}

impl Emulator {
    /// All VMs, by project, zone and name.
    pub fn instances(&self) -> Vec<InstanceView> {
        let state = self.state();
        state
            .instances
            .values()
            .map(|instance| view(&state, instance))
            .collect()
    }

    /// The VM of a name, in whatever zone; `None` if there is none.
    pub fn instance(&self, name: &str) -> Option<InstanceView> {
        let state = self.state();
        let found = state.instances.values().find(|instance| instance.key.name == name)?;
        Some(view(&state, found))
    }

    /// How many VMs there are; cheaper than to look at them all.
    pub fn instance_count(&self) -> usize {
        self.state().instances.len()
    }

    /// All disks, by project, zone and name.
    pub fn disks(&self) -> Vec<DiskView> {
        let state = self.state();
        state.disks.keys().filter_map(|key| disk_view(&state, key)).collect()
    }

    /// All firewall rules that somebody made, by name.
    pub fn firewall_rules(&self) -> Vec<FirewallView> {
        let state = self.state();
        state
            .firewalls
            .values()
            .map(|rule| firewall_view(rule.render()))
            .collect()
    }

    /// All operations, those that have ended too.
    pub fn operations(&self) -> Vec<OperationView> {
        let state = self.state();
        let operations = state.operations.values().map(|operation| OperationView {
            name: operation.key.name.clone(),
            zone: operation.key.zone.clone(),
            target_id: operation.target_id.to_string(),
            resource: operation.render(),
        });
        operations.collect()
    }

    /// What did not fit the API, requests and the emulator's own answers alike.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// The emulator's clock.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }
}

fn view(state: &State, instance: &Instance) -> InstanceView {
    let resource = instance.render();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let maybe = |value: &Value| value.as_str().map(str::to_owned);
    let base = |value: &Value| text(value).rsplit('/').next().unwrap_or_default().to_owned();
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let disks: Vec<AttachedDiskView> = rows(&resource["disks"])
        .iter()
        .map(|disk| {
            let name = base(&disk["source"]);
            let key = Key::new(&instance.key.project, &instance.key.zone, &name);
            AttachedDiskView {
                boot: disk["boot"] == true,
                auto_delete: disk["autoDelete"] == true,
                size_gb: text(&disk["diskSizeGb"]).parse().unwrap_or(0),
                disk: disk_view(state, &key),
                name,
            }
        })
        .collect();
    let interface = &resource["networkInterfaces"][0];
    let account = &resource["serviceAccounts"][0];
    let scheduling = &resource["scheduling"];
    let metadata = rows(&resource["metadata"]["items"]);
    InstanceView {
        project: instance.key.project.clone(),
        zone: instance.key.zone.clone(),
        name: instance.key.name.clone(),
        id: instance.id.to_string(),
        status: instance.status.as_str().to_owned(),
        machine_type: base(&resource["machineType"]),
        description: text(&resource["description"]),
        source_image: disks.first().and_then(|disk| disk.disk.as_ref()?.source_image.clone()),
        labels: serde_json::from_value(resource["labels"].clone()).unwrap_or_default(),
        tags: rows(&resource["tags"]["items"]).iter().map(text).collect(),
        accelerators: rows(&resource["guestAccelerators"])
            .iter()
            .map(|one| format!("{}:{}", base(&one["acceleratorType"]), one["acceleratorCount"]))
            .collect(),
        metadata: metadata
            .iter()
            .map(|item| (text(&item["key"]), text(&item["value"])))
            .collect(),
        disks,
        network: base(&interface["network"]),
        subnetwork: base(&interface["subnetwork"]),
        wants_external_ip: !interface["accessConfigs"].is_null(),
        scopes: rows(&account["scopes"]).iter().map(text).collect(),
        deletion_protection: resource["deletionProtection"] == true,
        scheduling: SchedulingView {
            provisioning_model: text(&scheduling["provisioningModel"]),
            max_run_duration: run_limit(scheduling),
            instance_termination_action: maybe(&scheduling["instanceTerminationAction"]),
            on_host_maintenance: text(&scheduling["onHostMaintenance"]),
            automatic_restart: scheduling["automaticRestart"] == true,
        },
        created: instance.created,
        expires: instance.expires,
        resource,
    }
}

fn firewall_view(resource: Value) -> FirewallView {
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
    let allowed = resource["allowed"].as_array().into_iter().flatten().flat_map(|entry| {
        let protocol = entry["IPProtocol"].as_str().unwrap_or_default().to_owned();
        let ports = texts(&entry["ports"]).into_iter();
        ports.map(move |port| format!("{protocol}:{port}"))
    });
    FirewallView {
        name: resource["name"].as_str().unwrap_or_default().to_owned(),
        network: resource["network"]
            .as_str()
            .and_then(|link| link.rsplit('/').next())
            .unwrap_or_default()
            .to_owned(),
        source_ranges: texts(&resource["sourceRanges"]),
        target_tags: texts(&resource["targetTags"]),
        allowed: allowed.collect(),
        resource,
    }
}

fn disk_view(state: &State, key: &Key) -> Option<DiskView> {
    let disk = state.disks.get(key)?;
    Some(DiskView {
        project: key.project.clone(),
        zone: key.zone.clone(),
        name: key.name.clone(),
        id: disk.id.to_string(),
        size_gb: disk.size_gb,
        kind: disk.kind.clone(),
        source_image: disk.image.clone(),
        labels: disk.labels.clone(),
        user: disk.user.as_ref().map(|user| user.name.clone()),
    })
}

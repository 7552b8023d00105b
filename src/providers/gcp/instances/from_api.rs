//! Converts an instance of the API.

use google_cloud_compute_v1::model::attached_disk::Architecture as DiskArchitecture;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::scheduling::ProvisioningModel;
use google_cloud_compute_v1::model::{self, MachineType};
use serde_json::json;

use super::max_run_duration::find_expiry;
use crate::cloud::{
    Architecture, Disk, Error, ErrorKind, Gpu, Instance, InstanceRef, InstanceSetup, InstanceState, Labels, NativeName,
    Ownership, ProviderKind, RESERVED_PREFIX, Result, SetupValue, key_fingerprint, normalize_gpu_kind,
};
use crate::providers::gcp::api::resource_name::{last_segment, region_of};
use crate::providers::gcp::api::timestamp::parse_time;
use crate::providers::gcp::catalog::machine_types::architecture_of;
use crate::providers::gcp::labels::OPEN_PORT_PREFIX;
use crate::providers::gcp::network::path_aliases;

/// Converts an instance of the API. `being_deleted` adds what the API does not say: an instance that is being deleted
/// shows the same `STOPPING` as one that is being stopped.
///
/// # Errors
/// `Internal` for an answer without a name, id or zone.
pub(crate) fn to_instance(api: model::Instance, project: &str, being_deleted: bool) -> Result<Instance> {
    let (Some(name), Some(id), Some(zone)) = (&api.name, api.id, &api.zone) else {
        let message = "Compute Engine described an instance without a name, id or zone";
        return Err(Error::new(ErrorKind::Internal, message).at(ProviderKind::Gcp));
    };
    let zone = last_segment(zone).to_owned();
    let state = if being_deleted {
        InstanceState::Terminating
    } else {
        to_state(api.status.as_ref())
    };
    let ownership = read_ownership(&api);
    let created_at = parse_time(api.creation_timestamp.as_ref());
    let expiry = find_expiry(&api, &ownership, created_at);
    let interface = api.network_interfaces.first();
    let public_ip = interface.and_then(|interface| interface.access_configs.first()?.nat_ip.clone());
    let boot_disk = api.disks.iter().find(|disk| disk.boot == Some(true));
    Ok(Instance {
        provider: ProviderKind::Gcp,
        account: Some(project.to_owned()),
        region: region_of(&zone).to_owned(),
        zone: Some(zone.clone()),
        reference: InstanceRef {
            provider: ProviderKind::Gcp,
            scope: zone,
            id: id.to_string(),
            zone: None,
            native_name: Some(name.clone()),
        },
        name: Some(name.clone()),
        name_label: None,
        state,
        native_state: api
            .status
            .as_ref()
            .and_then(Status::name)
            .unwrap_or("UNKNOWN")
            .to_owned(),
        machine_type: api.machine_type.as_deref().map(|url| last_segment(url).to_owned()),
        cpus: None,
        memory_gib: None,
        architecture: boot_disk.and_then(|disk| match disk.architecture {
            Some(DiskArchitecture::X8664) => Some(Architecture::X86_64),
            Some(DiskArchitecture::Arm64) => Some(Architecture::Arm64),
            _ => None,
        }),
        // The API does not say. Only the disk does, which needs another call.
        image: None,
        spot: api.scheduling.as_ref().is_some_and(|scheduling| {
            scheduling.provisioning_model == Some(ProvisioningModel::Spot) || scheduling.preemptible == Some(true)
        }),
        public_ip: public_ip.filter(|address| !address.is_empty()),
        private_ip: interface.and_then(|interface| interface.network_ip.clone()),
        labels: read_user_labels(&api),
        management_label_count: api.labels.keys().filter(|key| key.starts_with(RESERVED_PREFIX)).count(),
        guest_reads_labels: false,
        created_at,
        expires_at: expiry.map(|(end, _)| end),
        expiry_enforcer: expiry.map(|(_, enforcer)| enforcer),
        managed: ownership.managed,
        protected: api.deletion_protection,
        price_usd_per_hour: None,
        spec_fingerprint: ownership.spec_fingerprint,
        ttl: ownership.ttl,
        label_problem: ownership.label_problem,
        disks: read_disks(&api),
        ingress_rules: read_ingress_tags(&api),
        attached_gpu: read_attached_gpu(&api),
        has_other_price: has_other_price(&api),
        setup: read_setup(&api, project),
        generation: ownership.generation,
        run_id: ownership.run_id,
        state_reason: None,
        failure: None,
        native: native_fields(&api),
    })
}

/// Returns the network tags that open ports.
fn read_ingress_tags(api: &model::Instance) -> Vec<String> {
    let tags = api.tags.iter().flat_map(|tags| &tags.items);
    tags.filter(|tag| tag.starts_with(OPEN_PORT_PREFIX)).cloned().collect()
}

/// Returns the disks that are resources. Local disks have no source, and are deleted with the instance.
fn read_disks(api: &model::Instance) -> Vec<Disk> {
    let named = api.disks.iter().filter_map(|disk| {
        Some(Disk {
            id: last_segment(disk.source.as_deref()?).to_owned(),
            deleted_with_instance: disk.auto_delete == Some(true),
        })
    });
    named.collect()
}

/// Says whether cloudctl created the instance.
pub(crate) fn is_managed(api: &model::Instance) -> bool {
    read_ownership(api).managed
}

fn read_ownership(api: &model::Instance) -> Ownership {
    let labels: Labels = api.labels.clone().into_iter().collect();
    Ownership::from_labels(&labels, NativeName::Resource(api.name.as_deref().unwrap_or_default()))
}

/// Converts a state. `TERMINATED` means stopped. A suspended instance counts as stopped too, because both can be
/// started again. <https://cloud.google.com/compute/docs/instances/instance-lifecycle>
fn to_state(status: Option<&Status>) -> InstanceState {
    match status {
        Some(Status::Pending | Status::Provisioning | Status::Staging) => InstanceState::Pending,
        Some(Status::Running | Status::Repairing) => InstanceState::Running,
        Some(Status::PendingStop | Status::Stopping | Status::Suspending) => InstanceState::Stopping,
        Some(Status::Stopped | Status::Suspended | Status::Terminated) => InstanceState::Stopped,
        Some(Status::Deprovisioning) => InstanceState::Terminating,
        _ => InstanceState::Unknown,
    }
}

pub(crate) fn with_machine_type(mut instance: Instance, machine_type: &MachineType) -> Instance {
    instance.cpus = machine_type.guest_cpus.and_then(|cpus| cpus.try_into().ok());
    instance.memory_gib = machine_type.memory_mb.map(|memory| f64::from(memory) / 1024.0);
    let name = instance.machine_type.as_deref().unwrap_or_default();
    instance.architecture = instance.architecture.or_else(|| architecture_of(machine_type, name));
    instance
}

fn read_user_labels(api: &model::Instance) -> Labels {
    let labels = api.labels.iter();
    let users_labels = labels.filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
    users_labels.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns the GPUs that are attached, not built into the machine type.
fn read_attached_gpu(api: &model::Instance) -> Option<Gpu> {
    let [one] = api.guest_accelerators.as_slice() else {
        return None;
    };
    Some(Gpu {
        kind: normalize_gpu_kind(last_segment(one.accelerator_type.as_deref()?)),
        count: u32::try_from(one.accelerator_count?).ok()?,
    })
}

/// The projects whose licences cost money. <https://cloud.google.com/compute/disks-image-pricing>
const CHARGING_PROJECTS: [&str; 7] = [
    "windows-cloud",
    "windows-sql-cloud",
    "rhel-cloud",
    "rhel-sap-cloud",
    "suse-cloud",
    "suse-sap-cloud",
    "ubuntu-os-pro-cloud",
];

/// The projects of the licences of an instance: those of the makers of its images.
pub(crate) fn license_projects(api: &model::Instance) -> impl Iterator<Item = &str> {
    let licenses = api.disks.iter().flat_map(|disk| &disk.licenses);
    licenses.filter_map(|license| license.split('/').skip_while(|part| *part != "projects").nth(1))
}

/// Says whether an instance has a licence that costs money, its own node, or GPUs of several kinds.
fn has_other_price(api: &model::Instance) -> bool {
    let is_charged = license_projects(api).any(|project| CHARGING_PROJECTS.contains(&project));
    let has_own_node = api
        .scheduling
        .as_ref()
        .is_some_and(|scheduling| !scheduling.node_affinities.is_empty());
    is_charged || has_own_node || api.guest_accelerators.len() > 1
}

/// Returns the settings of the instance by the flags of `create`.
fn read_setup(api: &model::Instance, project: &str) -> InstanceSetup {
    let key_fingerprints = list_key_fingerprints(api).into_iter();
    let boot_disk = api.disks.iter().find(|disk| disk.boot == Some(true));
    let disk_size = boot_disk
        .and_then(|disk| disk.disk_size_gb)
        .map(|size| format!("{size} GiB"));
    let interface = api.network_interfaces.first();
    let network = interface.and_then(|interface| interface.network.as_ref());
    let subnet = interface.and_then(|interface| interface.subnetwork.as_ref());
    let resource = |url: &String| SetupValue {
        spellings: path_aliases(url, project),
    };
    // Tags that open ports belong to `--open`.
    let all_tags = api.tags.iter().flat_map(|tags| &tags.items);
    let firewall_tags = all_tags.filter(|tag| !tag.starts_with(OPEN_PORT_PREFIX));
    let account = api.service_accounts.first().and_then(|account| account.email.clone());
    let mut setup = InstanceSetup::from([
        ("ssh-key", key_fingerprints.map(SetupValue::new).collect()),
        ("disk", disk_size.into_iter().map(SetupValue::new).collect()),
        ("network", network.into_iter().map(resource).collect()),
        ("subnet", subnet.into_iter().map(resource).collect()),
        ("firewall", firewall_tags.map(SetupValue::new).collect()),
        ("identity", account.into_iter().map(SetupValue::new).collect()),
    ]);
    setup.retain(|_, values| !values.is_empty());
    setup
}

fn native_fields(api: &model::Instance) -> serde_json::Value {
    let interface = api.network_interfaces.first();
    let name_of = |url: Option<&String>| url.map(|url| last_segment(url).to_owned());
    let disks: Vec<_> = api
        .disks
        .iter()
        .filter_map(|disk| name_of(disk.source.as_ref()))
        .collect();
    json!({
        "self_link": api.self_link,
        "network": name_of(interface.and_then(|interface| interface.network.as_ref())),
        "subnet": name_of(interface.and_then(|interface| interface.subnetwork.as_ref())),
        "tags": api.tags.as_ref().map(|tags| tags.items.clone()).unwrap_or_default(),
        "service_account": api.service_accounts.first().and_then(|account| account.email.clone()),
        "cpu_platform": api.cpu_platform,
        "disks": disks,
        "last_start": api.last_start_timestamp,
        "status_message": api.status_message,
    })
}

/// Returns the fingerprints of the SSH keys in the metadata of an instance.
fn list_key_fingerprints(instance: &model::Instance) -> Vec<String> {
    let items = instance.metadata.iter().flat_map(|metadata| &metadata.items);
    let keys = items.filter(|item| item.key.as_deref() == Some("ssh-keys"));
    let lines = keys.filter_map(|item| item.value.as_deref()).flat_map(str::lines);
    lines
        .filter_map(|line| key_fingerprint(line.split_once(':')?.1))
        .collect()
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::{AccessConfig, AttachedDisk, NetworkInterface, Scheduling, Tags};

    use super::*;
    use crate::cloud::{LABEL_GENERATION, LABEL_MANAGED, LABEL_NAME, LABEL_SPEC};

    fn api() -> model::Instance {
        let prefix = "https://www.googleapis.com/compute/v1/projects/acme/zones/us-central1-a";
        model::Instance::new()
            .set_name("web-1")
            .set_id(42_u64)
            .set_zone(prefix)
            .set_status("RUNNING")
            .set_machine_type(format!("{prefix}/machineTypes/e2-small"))
            .set_creation_timestamp("2026-11-23T01:02:03.456-08:00")
            .set_labels([
                ("env", "ci"),
                (LABEL_MANAGED, "true"),
                (LABEL_NAME, "web-1"),
                (LABEL_SPEC, "fkd1cbac3mvztyb5"),
                (LABEL_GENERATION, "2"),
            ])
            .set_tags(Tags::new().set_items(["web", "cloudctl-open-0123456789abcdef"]))
            .set_scheduling(Scheduling::new().set_provisioning_model(ProvisioningModel::Spot))
            .set_disks([AttachedDisk::new()
                .set_boot(true)
                .set_architecture(DiskArchitecture::Arm64)])
            .set_network_interfaces([NetworkInterface::new()
                .set_network_ip("10.0.0.2")
                .set_access_configs([AccessConfig::new().set_nat_ip("203.0.113.7")])])
    }

    #[test]
    fn instance_is_converted() {
        let read = to_instance(api(), "acme", false).unwrap();
        assert_eq!(read.reference.to_string(), "gcp/us-central1-a/42");
        assert_eq!(read.reference.native_name.as_deref(), Some("web-1"));
        assert_eq!(
            (read.region.as_str(), read.zone.as_deref()),
            ("us-central1", Some("us-central1-a"))
        );
        assert_eq!(read.machine_type.as_deref(), Some("e2-small"));
        assert_eq!(read.labels, Labels::from([("env".to_owned(), "ci".to_owned())]));
        assert_eq!((read.managed, read.generation, read.spot), (true, Some(2), true));
        assert_eq!(read.ingress_rules, ["cloudctl-open-0123456789abcdef"]);
        assert_eq!(read.public_ip.as_deref(), Some("203.0.113.7"));
        assert_eq!(read.created_at.unwrap().to_string(), "2026-11-23T09:02:03.456Z");
        assert_eq!(read.architecture, Some(Architecture::Arm64));
        assert_eq!(
            (read.state, read.native_state.as_str()),
            (InstanceState::Running, "RUNNING")
        );
    }

    #[test]
    fn deletion_differs_from_stop() {
        let stopping = || api().set_status("STOPPING");
        assert_eq!(
            to_instance(stopping(), "acme", false).unwrap().state,
            InstanceState::Stopping
        );
        let deleted = to_instance(stopping(), "acme", true).unwrap();
        assert_eq!(
            (deleted.state, deleted.native_state.as_str()),
            (InstanceState::Terminating, "STOPPING")
        );
    }

    #[test]
    fn states_are_converted() {
        for (word, expected) in [
            ("PROVISIONING", InstanceState::Pending),
            ("STAGING", InstanceState::Pending),
            ("REPAIRING", InstanceState::Running),
            ("SUSPENDED", InstanceState::Stopped),
            ("TERMINATED", InstanceState::Stopped),
            ("DEPROVISIONING", InstanceState::Terminating),
            ("SOMETHING_NEW", InstanceState::Unknown),
        ] {
            assert_eq!(to_state(Some(&Status::from(word))), expected, "{word}");
        }
    }

    #[test]
    fn label_alone_does_not_make_instance_managed() {
        let mut forged = api();
        forged.labels.remove(LABEL_NAME);
        assert!(!is_managed(&forged));
    }

    #[test]
    fn licences_and_gpus_have_other_prices() {
        let with_licence = |licence: &str| AttachedDisk::new().set_licenses([licence.to_owned()]);
        let google = "https://www.googleapis.com/compute/v1/projects";
        for (licence, expected) in [
            (
                format!("{google}/windows-cloud/global/licenses/windows-server-2022-dc"),
                true,
            ),
            ("projects/rhel-cloud/global/licenses/rhel-9-server".to_owned(), true),
            (
                format!("{google}/debian-cloud/global/licenses/debian-12-bookworm"),
                false,
            ),
        ] {
            assert_eq!(
                has_other_price(&api().set_disks([with_licence(&licence)])),
                expected,
                "{licence}"
            );
        }
        let accelerator = |count: i32| {
            let kind = "https://www.googleapis.com/compute/v1/projects/acme/zones/z/acceleratorTypes/nvidia-tesla-t4";
            let accelerator = model::AcceleratorConfig::new().set_accelerator_type(kind);
            accelerator.set_accelerator_count(count)
        };
        let with_gpus = api().set_guest_accelerators([accelerator(2)]);
        assert_eq!(read_attached_gpu(&with_gpus).unwrap().to_string(), "t4:2");
        assert_eq!(read_attached_gpu(&api()), None);
        assert!(has_other_price(
            &api().set_guest_accelerators([accelerator(1), accelerator(1)])
        ));
    }
}

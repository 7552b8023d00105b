//! What the API says of an instance, in the contract's terms.

use std::collections::BTreeMap;

use google_cloud_compute_v1::model::attached_disk::Architecture as DiskArchitecture;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::scheduling::ProvisioningModel;
use google_cloud_compute_v1::model::{self, MachineType, machine_type};
use serde_json::json;

use super::expiry::expiry;
use crate::cloud::{
    Architecture, Disk, Error, ErrorKind, Gpu, Instance, InstanceRef, InstanceState, Labels, NativeName, Ownership,
    ProviderKind, RESERVED_PREFIX, Result, normalize_gpu_kind,
};
use crate::providers::gcp::create::metadata::keys_of;
use crate::providers::gcp::network::{firewall_rule, words_of_path};
use crate::providers::gcp::regions::{last_segment, region_of};

/// Makes the contract's instance. `being_deleted` says what the API's own answer does not: an instance that is being
/// deleted shows the same `STOPPING` as one that is being stopped.
///
/// # Errors
/// `Internal` for an answer without a name, id or zone.
pub(crate) fn instance(api: model::Instance, project: &str, being_deleted: bool) -> Result<Instance> {
    let (Some(name), Some(id), Some(zone)) = (&api.name, api.id, &api.zone) else {
        let message = "Compute Engine described an instance without a name, id or zone";
        return Err(Error::new(ErrorKind::Internal, message).at("gcp"));
    };
    let zone = last_segment(zone).to_owned();
    let state = if being_deleted {
        InstanceState::Terminating
    } else {
        state(api.status.as_ref())
    };
    let ownership = ownership(&api);
    let created_at = api.creation_timestamp.as_deref().and_then(|time| time.parse().ok());
    let expiry = expiry(&api, &ownership, created_at);
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
        // The API does not say: the disk that came of the image does, and only on a call of its own.
        image: None,
        spot: api.scheduling.as_ref().is_some_and(|scheduling| {
            scheduling.provisioning_model == Some(ProvisioningModel::Spot) || scheduling.preemptible == Some(true)
        }),
        public_ip: public_ip.filter(|address| !address.is_empty()),
        private_ip: interface.and_then(|interface| interface.network_ip.clone()),
        labels: users_labels(&api),
        created_at,
        expires_at: expiry.map(|(end, _)| end),
        expiry_enforcer: expiry.map(|(_, enforcer)| enforcer),
        managed: ownership.managed,
        protected: api.deletion_protection,
        price_usd_per_hour: None,
        spec_fingerprint: ownership.spec_fingerprint,
        ttl: ownership.ttl,
        label_problem: ownership.label_problem,
        disks: disks_of(&api),
        ingress_rules: openings_of(&api),
        attached_gpu: attached_gpu(&api),
        has_other_price: has_other_price(&api),
        setup: setup_of(&api, project),
        generation: ownership.generation,
        state_reason: None,
        failure: None,
        native: native(&api),
    })
}

/// Those of its network tags that firewall rules of ours go by.
fn openings_of(api: &model::Instance) -> Vec<String> {
    let tags = api.tags.iter().flat_map(|tags| &tags.items);
    tags.filter(|tag| tag.starts_with(firewall_rule::PREFIX))
        .cloned()
        .collect()
}

/// Its disks that are resources of their own; local ones have no source, and go with it.
fn disks_of(api: &model::Instance) -> Vec<Disk> {
    let named = api.disks.iter().filter_map(|disk| {
        Some(Disk {
            id: last_segment(disk.source.as_deref()?).to_owned(),
            deleted_with_instance: disk.auto_delete == Some(true),
        })
    });
    named.collect()
}

/// Whether cloudctl made it.
pub(crate) fn is_managed(api: &model::Instance) -> bool {
    ownership(api).managed
}

fn ownership(api: &model::Instance) -> Ownership {
    let labels: Labels = api.labels.clone().into_iter().collect();
    Ownership::from_labels(&labels, NativeName::Resource(api.name.as_deref().unwrap_or_default()))
}

/// The state in the contract's words. `TERMINATED` is stopped, and a suspended instance is as good as stopped: both
/// can be started again. <https://cloud.google.com/compute/docs/instances/instance-lifecycle>
pub(crate) fn state(status: Option<&Status>) -> InstanceState {
    match status {
        Some(Status::Pending | Status::Provisioning | Status::Staging) => InstanceState::Pending,
        Some(Status::Running | Status::Repairing) => InstanceState::Running,
        Some(Status::PendingStop | Status::Stopping | Status::Suspending) => InstanceState::Stopping,
        Some(Status::Stopped | Status::Suspended | Status::Terminated) => InstanceState::Stopped,
        Some(Status::Deprovisioning) => InstanceState::Terminating,
        _ => InstanceState::Unknown,
    }
}

/// The instruction set of a machine type, by its own word or else by its family.
/// <https://cloud.google.com/compute/docs/instances/arm-on-compute>
pub(crate) fn architecture_of(machine_type: &MachineType, name: &str) -> Architecture {
    match machine_type.architecture {
        Some(machine_type::Architecture::Arm64) => Architecture::Arm64,
        Some(machine_type::Architecture::X8664) => Architecture::X86_64,
        _ => match name.split('-').next() {
            Some("t2a" | "c4a" | "n4a" | "a4x") => Architecture::Arm64,
            _ => Architecture::X86_64,
        },
    }
}

/// Fills in what the machine type says.
pub(crate) fn with_machine_type(mut instance: Instance, machine_type: &MachineType) -> Instance {
    instance.cpus = machine_type.guest_cpus.and_then(|cpus| cpus.try_into().ok());
    instance.memory_gib = machine_type.memory_mb.map(|memory| f64::from(memory) / 1024.0);
    let name = instance.machine_type.as_deref().unwrap_or_default();
    instance.architecture = instance
        .architecture
        .or_else(|| Some(architecture_of(machine_type, name)));
    instance
}

fn users_labels(api: &model::Instance) -> Labels {
    let own = api.labels.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The accelerators of an instance whose type comes with none of its own.
fn attached_gpu(api: &model::Instance) -> Option<Gpu> {
    let [one] = api.guest_accelerators.as_slice() else {
        return None;
    };
    Some(Gpu {
        kind: normalize_gpu_kind(last_segment(one.accelerator_type.as_deref()?)),
        count: u32::try_from(one.accelerator_count?).ok()?,
    })
}

/// The projects that publish the licences that are charged for. <https://cloud.google.com/compute/disks-image-pricing>
const CHARGING_PROJECTS: [&str; 7] = [
    "windows-cloud",
    "windows-sql-cloud",
    "rhel-cloud",
    "rhel-sap-cloud",
    "suse-cloud",
    "suse-sap-cloud",
    "ubuntu-os-pro-cloud",
];

/// Whether it has a licence that is charged for, a node of its own, or accelerators of several kinds.
fn has_other_price(api: &model::Instance) -> bool {
    let mut licences = api.disks.iter().flat_map(|disk| &disk.licenses);
    let is_charged = licences.any(|licence| {
        let mut parts = licence.split('/').skip_while(|part| *part != "projects").skip(1);
        parts.next().is_some_and(|project| CHARGING_PROJECTS.contains(&project))
    });
    let has_own_node = api
        .scheduling
        .as_ref()
        .is_some_and(|scheduling| !scheduling.node_affinities.is_empty());
    is_charged || has_own_node || api.guest_accelerators.len() > 1
}

/// What it was set up with, in the words of `create`'s flags.
fn setup_of(api: &model::Instance, project: &str) -> BTreeMap<&'static str, Vec<Vec<String>>> {
    let interface = api.network_interfaces.first();
    let network = interface.and_then(|interface| interface.network.as_ref());
    let subnet = interface.and_then(|interface| interface.subnetwork.as_ref());
    let boot_disk = api.disks.iter().find(|disk| disk.boot == Some(true));
    let size = boot_disk.and_then(|disk| disk.disk_size_gb);
    // Those that open ports are what `--open` asked for.
    let tags = api.tags.iter().flat_map(|tags| &tags.items);
    let tags = tags.filter(|tag| !tag.starts_with(firewall_rule::PREFIX));
    let account = api.service_accounts.first().and_then(|account| account.email.clone());
    let one = |word: String| vec![word];
    let fields: [(_, Vec<Vec<String>>); 6] = [
        ("ssh-key", keys_of(api).into_iter().map(one).collect()),
        (
            "disk",
            size.map(|size| one(format!("{size} GiB"))).into_iter().collect(),
        ),
        (
            "network",
            network.map(|url| words_of_path(url, project)).into_iter().collect(),
        ),
        (
            "subnet",
            subnet.map(|url| words_of_path(url, project)).into_iter().collect(),
        ),
        ("firewall", tags.cloned().map(one).collect()),
        ("identity", account.map(one).into_iter().collect()),
    ];
    fields.into_iter().filter(|(_, values)| !values.is_empty()).collect()
}

fn native(api: &model::Instance) -> serde_json::Value {
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
    fn an_instance_is_read() {
        let read = instance(api(), "acme", false).unwrap();
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
    fn a_delete_in_progress_is_told_from_a_stop() {
        let stopping = || api().set_status("STOPPING");
        assert_eq!(
            instance(stopping(), "acme", false).unwrap().state,
            InstanceState::Stopping
        );
        let deleted = instance(stopping(), "acme", true).unwrap();
        assert_eq!(
            (deleted.state, deleted.native_state.as_str()),
            (InstanceState::Terminating, "STOPPING")
        );
    }

    #[test]
    fn states() {
        for (word, expected) in [
            ("PROVISIONING", InstanceState::Pending),
            ("STAGING", InstanceState::Pending),
            ("REPAIRING", InstanceState::Running),
            ("SUSPENDED", InstanceState::Stopped),
            ("TERMINATED", InstanceState::Stopped),
            ("DEPROVISIONING", InstanceState::Terminating),
            ("SOMETHING_NEW", InstanceState::Unknown),
        ] {
            assert_eq!(state(Some(&Status::from(word))), expected, "{word}");
        }
    }

    #[test]
    fn a_label_alone_does_not_make_it_ours() {
        let mut forged = api();
        forged.labels.remove(LABEL_NAME);
        assert!(!is_managed(&forged));
    }

    #[test]
    fn what_costs_more_than_its_machine_is_known() {
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
        assert_eq!(attached_gpu(&with_gpus).unwrap().to_string(), "t4:2");
        assert_eq!(attached_gpu(&api()), None);
        assert!(has_other_price(
            &api().set_guest_accelerators([accelerator(1), accelerator(1)])
        ));
    }
}

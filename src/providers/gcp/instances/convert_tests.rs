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
    assert_eq!(read.openings, ["cloudctl-open-0123456789abcdef"]);
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

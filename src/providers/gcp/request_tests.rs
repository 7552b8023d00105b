//! Tests of [`super`], and the plain spec that the other tests begin with.

use super::*;
use crate::cloud::ErrorKind;

/// A spec of which nothing is said but the name and the region.
pub(in crate::providers::gcp) fn spec(name: &str) -> InstanceSpec {
    InstanceSpec::plain(
        name.parse().unwrap(),
        Place {
            region: "us-central1".into(),
            zone: None,
        },
    )
}

fn image() -> ResolvedImage {
    ResolvedImage {
        path: "projects/p/global/images/n".into(),
        project: "p".into(),
        name: "n".into(),
        disk_gib: Some(10),
    }
}

#[test]
fn the_request_id_is_a_stable_uuid() {
    let id = request_id("acme", &spec("web-1"), 0);
    assert_eq!(id, request_id("acme", &spec("web-1"), 0));
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 5);
    for other in [
        request_id("acme", &spec("web-1"), 1),
        request_id("other", &spec("web-1"), 0),
    ] {
        assert_ne!(id, other);
    }
    let mut elsewhere = spec("web-1");
    elsewhere.place.zone = Some("us-central1-f".into());
    assert_eq!(id, request_id("acme", &elsewhere, 0));
}

#[test]
fn the_boot_disk_goes_with_the_instance() {
    let labels = labels_of(&spec("web-1"), 0).unwrap();
    let disk = |spec: &InstanceSpec| boot_disk(spec, &Options::default(), &image(), "z", "pd-balanced", labels.clone());
    let made = disk(&spec("web-1")).unwrap();
    assert_eq!((made.boot, made.auto_delete), (Some(true), Some(true)));
    let parameters = made.initialize_params.unwrap();
    assert_eq!(parameters.labels["cloudctl-name"], "web-1");
    assert_eq!(parameters.disk_size_gb, None);
    let mut small = spec("web-1");
    small.disk_gib = Some(9);
    assert_eq!(disk(&small).unwrap_err().kind(), ErrorKind::InvalidSpec);
}

#[test]
fn networks_are_names_or_paths() {
    let options = Options::default();
    let plain = network_interface(&spec("web-1"), &options).unwrap();
    assert_eq!(plain.network.as_deref(), Some("global/networks/default"));
    assert_eq!(plain.access_configs.len(), 1);
    let mut own = spec("web-1");
    own.subnet = Some("inner".into());
    own.public_ip = false;
    let made = network_interface(&own, &options).unwrap();
    assert_eq!(
        made.subnetwork.as_deref(),
        Some("regions/us-central1/subnetworks/inner")
    );
    assert_eq!((made.network, made.access_configs.len()), (None, 0));
    own.subnet = Some("projects/host/regions/us-central1/subnetworks/shared".into());
    assert_eq!(network_interface(&own, &options).unwrap().subnetwork, own.subnet);
    own.network = Some("vpc 1".into());
    assert!(
        network_interface(&own, &options)
            .unwrap_err()
            .message()
            .contains("vpc 1")
    );
}

#[test]
fn spot_is_deleted_when_it_is_taken_back() {
    let mut spot = spec("web-1");
    spot.spot = true;
    let made = scheduling(&spot, &Options::default(), &MachineType::new(), "e2-small").unwrap();
    assert_eq!(made.provisioning_model, Some(ProvisioningModel::Spot));
    assert_eq!(
        made.instance_termination_action,
        Some(InstanceTerminationAction::Delete)
    );
    assert_eq!(made.automatic_restart, Some(false));
}

#[test]
fn a_machine_that_cannot_migrate_is_not_asked_to() {
    let made = scheduling(
        &spec("web-1"),
        &Options::default(),
        &MachineType::new(),
        "a2-highgpu-1g",
    )
    .unwrap();
    assert_eq!(made.on_host_maintenance, Some(ApiOnHostMaintenance::Terminate));
    let options = Options {
        on_host_maintenance: Some(OnHostMaintenance::Migrate),
        ..Options::default()
    };
    assert!(scheduling(&spec("web-1"), &options, &MachineType::new(), "a2-highgpu-1g").is_err());
}

#[test]
fn without_an_identity_there_is_no_service_account() {
    let options = Options::default();
    assert_eq!(service_account(&spec("web-1"), &options).unwrap(), None);
    let mut identified = spec("web-1");
    identified.identity = Some("ci@acme.iam.gserviceaccount.com".into());
    let account = service_account(&identified, &options).unwrap().unwrap();
    assert_eq!(account.scopes, [ALL_SCOPES]);
    identified.identity = Some("my-profile".into());
    assert!(service_account(&identified, &options).is_err());
}

#[test]
fn a_ttl_limits_the_run_of_every_kind_of_machine() {
    for spot in [false, true] {
        let mut limited = spec("web-1");
        (limited.spot, limited.ttl) = (spot, Some(std::time::Duration::from_secs(7_200)));
        let made = scheduling(&limited, &Options::default(), &MachineType::new(), "e2-small").unwrap();
        assert_eq!(made.max_run_duration.and_then(|limit| limit.seconds), Some(7_200));
        assert_eq!(
            made.instance_termination_action,
            Some(InstanceTerminationAction::Delete)
        );
    }
    let made = scheduling(&spec("web-1"), &Options::default(), &MachineType::new(), "e2-small").unwrap();
    assert_eq!((made.max_run_duration, made.instance_termination_action), (None, None));
}

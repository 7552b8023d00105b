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
fn request_id_is_a_stable_uuid_of_all_that_is_in_the_request() {
    let zone = "us-central1-f";
    let body = |machine_type: &str| {
        let labels = [("b", "2"), ("a", "1"), ("c", "3")];
        Instance::new()
            .set_name("web-1")
            .set_machine_type(machine_type)
            .set_labels(labels)
    };
    let plain = spec("web-1");
    let id = request_id("insert", "acme", zone, &plain, 0, &body("e2-small"));
    // A change of this value would make a re-run after an upgrade meet no memory of the first.
    assert_eq!(id, "906214f0-722c-5c07-a04f-b3ba86cfb58d");
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 5);
    for _ in 0..20 {
        assert_eq!(id, request_id("insert", "acme", zone, &plain, 0, &body("e2-small")));
    }
    let mut members = spec("web-1");
    let mut ids = vec![
        id,
        request_id("insert", "acme", zone, &plain, 1, &body("e2-small")),
        request_id("insert", "other", zone, &plain, 0, &body("e2-small")),
        request_id("insert", "acme", "us-central1-a", &plain, 0, &body("e2-small")),
        request_id("insert", "acme", zone, &plain, 0, &body("e2-medium")),
        request_id("bulkInsert", "acme", zone, &plain, 0, &body("e2-small")),
    ];
    for text in ["1-3", "1-2"] {
        members.members = Some(text.parse().unwrap());
        ids.push(request_id("bulkInsert", "acme", zone, &members, 0, &body("e2-small")));
    }
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
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

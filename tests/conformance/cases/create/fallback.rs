//! Fallback to another zone: only after a definite lack of capacity, and with one VM of a name in all zones.

use crate::Case;
use crate::cases::{cases, exhaust, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL; create_refuses_name_in_another_zone]);
    all.extend(cases![BackendKind::STEERED;
        fallback_uses_another_zone_and_creates_one,
        create_without_capacity_names_each_zone,
        create_without_fallback_tries_one_zone,
    ]);
    all
}

fn create_refuses_name_in_another_zone(backend: &Backend) {
    let [first, second, ..] = backend.site().home_zones else {
        panic!("two zones")
    };
    let made = backend.json(&["create", "web-1", "-z", first]).expect(0).item();
    let refused = backend.run(&["create", "web-1", "-z", second]).expect(6);
    refused.expect_in_stderr(first).expect_in_stderr(second);
    assert_eq!(backend.alive().len(), 1);
    // Who names the region alone, or may go elsewhere, means the one that is there.
    for arguments in [
        &["-r", backend.home_region()][..],
        &["-z", second, "--fallback", "zone"],
    ] {
        let same = backend
            .json(&[&["create", "web-1"], arguments].concat())
            .expect(0)
            .item();
        assert_eq!(same["id"], made["id"]);
    }
    assert_eq!(backend.alive().len(), 1);
}

fn fallback_uses_another_zone_and_creates_one(backend: &Backend) {
    let first = backend.home_zone();
    exhaust(backend, &[first]);
    let arguments = ["create", "web-1", "-z", first, "--fallback", "zone", "--ttl", "2h"];
    let run = backend.json(&arguments).expect(0);
    let made = run.item();
    assert!(
        text(&made, "zone") != first && text(&made, "region") == backend.home_region(),
        "{made}"
    );
    run.expect_in_stderr(first);
    assert_eq!(backend.alive().len(), 1);
    // There is room again, and the VM is where it is.
    backend.restore_capacity();
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    let alive = backend.alive();
    assert_eq!((alive.len(), alive[0].id.as_str()), (1, text(&made, "id")));
}

fn create_without_capacity_names_each_zone(backend: &Backend) {
    let zones = backend.site().home_zones;
    exhaust(backend, zones);
    let run = backend.json("create web-1 --fallback zone").expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    for zone in &zones[..3] {
        run.expect_in_stderr(zone);
    }
    assert_eq!(backend.alive(), []);
    assert_eq!(backend.disks(), [""; 0]);
}

fn create_without_fallback_tries_one_zone(backend: &Backend) {
    let first = backend.home_zone();
    exhaust(backend, &[first]);
    let run = backend.json(&["create", "web-1", "-z", first]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(backend.alive(), []);
}

//! Zones: going on to another one only after a definite lack of room, and one VM of a name whatever zones are named.

use super::errors::run_with;
use super::{cases, text};
use crate::Case;
use crate::support::backend::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL; a_name_in_another_zone_is_refused]);
    all.extend(cases![BackendKind::STEERED;
        fallback_goes_to_another_zone_and_makes_one,
        without_room_in_any_zone_nothing_is_made_and_each_is_named,
        without_fallback_no_other_zone_is_tried,
    ]);
    all
}

/// The zones of the home region, as far as every backend has them.
fn zones(backend: &Backend) -> [String; 3] {
    let stem = backend.home_zone().trim_end_matches('a');
    ["a", "b", "c"].map(|letter| format!("{stem}{letter}"))
}

/// Leaves no room in these zones, and gives the mock's way to say so.
pub(super) fn exhaust(backend: &Backend, zones: &[String]) -> String {
    for zone in zones {
        if let Some(emulator) = backend.ec2() {
            emulator.exhaust_zone(zone);
        }
        if let Some(emulator) = backend.gce() {
            emulator.exhaust_zone(zone);
        }
    }
    let faults: Vec<_> = zones.iter().map(|zone| format!("capacity@{zone}")).collect();
    faults.join(",")
}

fn a_name_in_another_zone_is_refused(backend: &Backend) {
    let [first, second, _] = zones(backend);
    let made = backend.json(&["create", "web-1", "-z", &first]).expect(0).item();
    let refused = backend.run(&["create", "web-1", "-z", &second]).expect(6);
    assert!(
        refused.stderr.contains(&first) && refused.stderr.contains(&second),
        "{}",
        refused.stderr
    );
    assert_eq!(backend.alive().len(), 1);
    // Who names the region alone, or may go elsewhere, means the one that is there.
    for arguments in [
        &["-r", backend.home_region()][..],
        &["-z", &second, "--fallback", "zone"],
    ] {
        let same = backend
            .json(&[&["create", "web-1"], arguments].concat())
            .expect(0)
            .item();
        assert_eq!(same["id"], made["id"]);
    }
    assert_eq!(backend.alive().len(), 1);
}

fn fallback_goes_to_another_zone_and_makes_one(backend: &Backend) {
    let [first, ..] = zones(backend);
    let faults = exhaust(backend, std::slice::from_ref(&first));
    let arguments = ["create", "web-1", "-z", &first, "--fallback", "zone", "--ttl", "2h"];
    let run = run_with(backend, &faults, &arguments).expect(0);
    let made = run.item();
    assert!(
        text(&made, "zone") != first && text(&made, "region") == backend.home_region(),
        "{made}"
    );
    assert!(run.stderr.contains(&first), "{}", run.stderr);
    assert_eq!(backend.alive().len(), 1);
    // There is room again, and the VM is where it is.
    if let Some(emulator) = backend.ec2() {
        emulator.restore_capacity();
    }
    if let Some(emulator) = backend.gce() {
        emulator.restock_zone(&first);
    }
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    let alive = backend.alive();
    assert_eq!((alive.len(), alive[0].id.as_str()), (1, text(&made, "id")));
}

fn without_room_in_any_zone_nothing_is_made_and_each_is_named(backend: &Backend) {
    let mut region: Vec<String> = zones(backend).into();
    // Those that one backend alone has.
    let stem = backend.home_zone().trim_end_matches('a');
    region.extend(["d", "e", "f"].map(|letter| format!("{stem}{letter}")));
    let known = if backend.kind == BackendKind::Mock {
        &region[..3]
    } else {
        &region
    };
    let faults = exhaust(backend, known);
    let run = run_with(backend, &faults, &["create", "web-1", "--fallback", "zone"]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    for zone in zones(backend) {
        assert!(run.stderr.contains(&zone), "{zone} in {}", run.stderr);
    }
    assert_eq!(backend.alive(), []);
    assert_eq!(backend.disks(), [""; 0]);
}

fn without_fallback_no_other_zone_is_tried(backend: &Backend) {
    let [first, ..] = zones(backend);
    let faults = exhaust(backend, std::slice::from_ref(&first));
    let run = run_with(backend, &faults, &["create", "web-1", "-z", &first]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(backend.alive(), []);
}

//! What only Compute Engine has: protection by a call, named disks, operations, a request limit.

use std::time::Duration;

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce::Emulator;

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_protection_is_set_and_removed_once,
        gce_disk_that_survives_is_reported,
        gce_disk_of_others_is_no_leftover,
        gce_disk_left_by_a_failed_create_is_reported,
        gce_unreadable_operation_does_not_hide_its_vm,
        gce_immediate_failure_is_not_mistaken_for_an_old_one,
        gce_fallback_uses_a_zone_with_capacity,
        gce_change_of_another_vm_is_reported,
        gce_deletes_are_paced_under_a_limit,
    ])
}

fn emulator(backend: &Backend) -> &Emulator {
    backend.gce()
}

const HOUR: Duration = Duration::from_secs(3_600);

fn gce_protection_is_set_and_removed_once(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1").expect(0);
    for _ in 0..2 {
        backend.run("protect web-1").expect(0);
        assert!(cloud.instance("web-1").unwrap().deletion_protection);
    }
    assert_eq!(backend.count("instances.setDeletionProtection"), 1);
    backend.run("terminate web-1 -y").expect(6);
    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 --for stopped").expect(0);
    backend.run("unprotect web-1").expect(0);
    assert!(!cloud.instance("web-1").unwrap().deletion_protection);
    let lost = Fault::on("instances.setDeletionProtection", Effect::ResetAfter);
    backend.inject(lost.times(1));
    backend.run("protect web-1").expect(0);
    assert!(cloud.instance("web-1").unwrap().deletion_protection);
}

fn gce_disk_that_survives_is_reported(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1").expect(0);
    backend.run("create web-2").expect(0);
    cloud.leave_disk("web-1");
    let run = backend.json("terminate web-1 web-2 -y --wait").expect(7);
    let errors = run.json()["errors"].clone();
    assert_eq!(errors.as_array().map(Vec::len), Some(1));
    assert!(text(&errors[0], "leftover").ends_with("/web-1"), "{errors}");
    assert_eq!(cloud.disks().len(), 1);
}

fn gce_disk_of_others_is_no_leftover(backend: &Backend) {
    let cloud = emulator(backend);
    let made = backend.json("create web-1").expect(0).item();
    let zone = text(&made, "zone");
    // Somebody takes the name of the disk while the terminate waits.
    std::thread::scope(|scope| {
        let terminate = scope.spawn(|| backend.json("terminate web-1 -y --wait"));
        while cloud.instance_count() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        cloud.create_disk_from_outside(zone, "web-1", Some("theirs"));
        terminate.join().unwrap().expect(0);
    });
    assert_eq!(cloud.disks().len(), 1);
    cloud.delete_disk_from_outside("web-1");

    // The same without a user, but with a younger disk: its instance had gone by then.
    backend.run("create web-1").expect(0);
    cloud.advance(HOUR);
    std::thread::scope(|scope| {
        let terminate = scope.spawn(|| backend.json("terminate web-1 -y --wait"));
        while cloud.instance_count() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        cloud.create_disk_from_outside(zone, "web-1", None);
        terminate.join().unwrap().expect(0);
    });
    assert_eq!(cloud.disks().len(), 1);
}

fn gce_disk_left_by_a_failed_create_is_reported(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.leave_disk("web-1");
    cloud.exhaust_zone("us-central1-a");
    let run = backend.json("create web-1 -z us-central1-a").expect(5);
    let error = &run.json()["errors"][0];
    assert_eq!(text(error, "leftover"), "gcp/us-central1-a/web-1", "{error}");
    assert_eq!((cloud.instance_count(), cloud.disks().len()), (0, 1));
    // It is in the way of the next attempt, which says so.
    cloud.restock_zone("us-central1-a");
    let run = backend.json("create web-1 -z us-central1-a").expect(6);
    assert!(text(&run.json()["errors"][0], "hint").contains("disks delete web-1"));
    cloud.delete_disk_from_outside("web-1");
    backend.run("create web-1 -z us-central1-a").expect(0);
}

fn gce_unreadable_operation_does_not_hide_its_vm(backend: &Backend) {
    let cloud = emulator(backend);
    for operation in ["zoneOperations.get", "zoneOperations.wait"] {
        let effect = Effect::ErrorBefore {
            status: 403,
            code: "forbidden".to_owned(),
        };
        backend.inject(Fault::on(operation, effect));
    }
    // Nor is the instance seen at once.
    cloud.set_lag(Duration::from_secs(1));
    let made = backend.json("create web-1").expect(0).item();
    assert_eq!(cloud.instance_count(), 1);
    assert_eq!(text(&made, "id"), cloud.instance("web-1").unwrap().id);
    assert_eq!(backend.count("instances.insert"), 1);
}

fn gce_immediate_failure_is_not_mistaken_for_an_old_one(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.set_transition_time(Duration::ZERO);
    cloud.exhaust_zone("us-central1-a");
    // The operation is over when it is answered, as that of an earlier call would be.
    backend.run("create web-1 -z us-central1-a").expect(5);
    assert_eq!(backend.count("instances.insert"), 1);
    // Nor is it when the clocks differ.
    cloud.advance(HOUR);
    backend.run("create web-2 -z us-central1-a").expect(5);
    assert_eq!(backend.count("instances.insert"), 2);
}

fn gce_fallback_uses_a_zone_with_capacity(backend: &Backend) {
    let cloud = emulator(backend);
    for zone in ["us-central1-a", "us-central1-b", "us-central1-c"] {
        cloud.exhaust_zone(zone);
    }
    let made = backend
        .json("create web-1 -z us-central1-a --fallback zone")
        .expect(0)
        .item();
    assert_eq!(text(&made, "zone"), "us-central1-f");
    assert_eq!(cloud.instance_count(), 1);
    let again = backend.json("create web-1 -r us-central1").expect(0).item();
    assert_eq!(text(&again, "id"), text(&made, "id"));
}

fn gce_change_of_another_vm_is_reported(backend: &Backend) {
    let cloud = emulator(backend);
    for verb in ["protect", "stop", "terminate"] {
        let made = backend.json(&["create", verb]).expect(0).item();
        let arguments = match verb {
            "terminate" => {
                cloud.replace_before_delete(verb);
                vec![verb, verb, "-y"]
            }
            _ => {
                cloud.replace_before_change(verb);
                vec![verb, verb]
            }
        };
        let run = backend.json(&arguments).expect(6);
        let error = &run.json()["errors"][0];
        let hit = text(error, "leftover");
        assert!(!hit.is_empty() && hit != text(&made, "ref"), "{verb}: {error}");
    }
    // Labels are set by their fingerprint, which another VM does not share.
    backend.run("create extend").expect(0);
    cloud.replace_before_change("extend");
    backend.run("extend extend --ttl 2h").expect(3);
    assert!(cloud.instance("extend").unwrap().labels.is_empty());
}

fn gce_deletes_are_paced_under_a_limit(backend: &Backend) {
    let cloud = emulator(backend);
    let (vms, rate) = match std::env::var("CLOUDCTL_TEST_DELETES") {
        Ok(number) => (number.parse().expect("a number"), 20),
        Err(_) => (40, 20),
    };
    let own = |_: usize| vec![("env".to_owned(), "ci".to_owned())];
    cloud.seed_instances_with("us-central1-a", vms, own);
    cloud.forget_calls();
    cloud.limit_rate(rate);
    let (count, started) = (vms.to_string(), std::time::Instant::now());
    let arguments = format!("terminate -l env=ci -y --include-unmanaged --expect {count}");
    backend.run(&arguments).expect(0);
    let calls = backend.calls();
    let refused = calls.iter().filter(|call| call.status == Some(403)).count();
    let useful = calls.len() - refused;
    assert!(backend.alive().is_empty());
    assert!(
        2 * refused < 5 * useful,
        "{vms} deletes: {useful} useful calls and {refused} wasted in {:?}",
        started.elapsed()
    );
}

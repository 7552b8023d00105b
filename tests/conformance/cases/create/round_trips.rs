//! How many calls a command sends, and how many of them it waits for one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::recorded_call::{Call, count_serial_round_trips};
use cloudctl::cloud::ErrorKind;

use crate::Case;
use crate::cases::cases;
use crate::cases::catalog::driver::{emulator, provider, run, spec};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::EMULATORS;
        create_waits_for_few_round_trips,
        create_of_spec_file_looks_up_nothing_twice,
        create_of_group_looks_up_nothing_twice,
        name_is_found_by_one_look_at_each_location,
        name_is_found_in_its_region_alone,
    ]);
    all.extend(cases![&[BackendKind::GceEmulator];
        create_finds_zone_that_has_the_machine_type,
        create_in_unknown_region_is_refused_without_a_change,
        file_with_an_unknown_region_creates_nothing,
        created_vm_that_is_not_listed_is_read_by_its_name,
    ]);
    all
}

/// Every answer takes as long as in a far region, and a change is done at once.
fn slow_down(backend: &Backend) {
    backend.set_transition(Duration::ZERO);
    backend.inject(Fault::on_all(Effect::Delay(Duration::from_millis(100))));
}

/// Runs a command that succeeds, and gives the calls that it sent.
fn calls_of(backend: &Backend, arguments: &[&str]) -> Vec<Call> {
    let before = backend.calls().len();
    backend.run(arguments).expect(0);
    backend.calls().split_off(before)
}

fn count_by_operation(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.name.as_str()).or_default() += 1;
    }
    counts
}

fn create_waits_for_few_round_trips(backend: &Backend) {
    slow_down(backend);
    let calls = calls_of(backend, &["create", "web-1"]);
    let max_in_a_row = match backend.kind {
        // Look-ups side by side, insert, wait, read.
        BackendKind::GceEmulator => 4,
        // Look-ups side by side, launch, read.
        _ => 3,
    };
    let counts = count_by_operation(&calls);
    assert!(count_serial_round_trips(&calls) <= max_in_a_row, "{counts:?}");
    assert!(calls.len() <= 6, "{counts:?}");
    // Of what exists already, only the names are looked up: the other look-ups are not waited for.
    let calls = calls_of(backend, &["create", "web-1"]);
    assert_eq!(count_serial_round_trips(&calls), 1, "{:?}", count_by_operation(&calls));
}

fn create_of_spec_file_looks_up_nothing_twice(backend: &Backend) {
    slow_down(backend);
    let vms: Vec<String> = (1..=10).map(|number| format!("  - name: web-{number}\n")).collect();
    let path = backend.sandbox.write("vms.yaml", &format!("vms:\n{}", vms.concat()));
    let calls = calls_of(backend, &["create", "-f", &path, "-q"]);
    let counts = count_by_operation(&calls);
    let (list, look_ups): (_, &[&str]) = match backend.kind {
        BackendKind::GceEmulator => ("instances.aggregatedList", &["zones.list", "images.getFromFamily"]),
        _ => ("DescribeInstances", &["DescribeInstanceTypes", "DescribeImages"]),
    };
    for look_up in look_ups {
        assert_eq!(counts.get(look_up), Some(&1), "{counts:?}");
    }
    // One for all names before, and one for each VM after it was created.
    assert_eq!(counts.get(list), Some(&11), "{counts:?}");
    assert_eq!(backend.alive().len(), 10);
}

fn create_of_group_looks_up_nothing_twice(backend: &Backend) {
    slow_down(backend);
    let calls = calls_of(backend, &["create", "web", "--count", "100", "-q"]);
    let counts = count_by_operation(&calls);
    let look_ups = counts
        .iter()
        .filter(|(operation, _)| !operation.ends_with("Instances") && !operation.starts_with("instances."));
    // An operation is waited for several times, and tags are set one by one.
    let mut once = look_ups.filter(|(operation, _)| !operation.contains("perations.") && **operation != "CreateTags");
    assert!(once.all(|(_, count)| *count == 1), "{counts:?}");
    assert_eq!(backend.alive().len(), 100);
}

fn name_is_found_by_one_look_at_each_location(backend: &Backend) {
    backend.run("create web-1").expect(0);
    slow_down(backend);
    // Compute Engine lists all zones at once.
    let (list, locations) = match backend.kind {
        BackendKind::GceEmulator => ("instances.aggregatedList", 1),
        _ => ("DescribeInstances", backend.json("region list").expect(0).items().len()),
    };
    for (arguments, reads) in [
        (["describe", "web-1"].as_slice(), 1),
        (&["terminate", "web-1", "-y", "-q"], 2),
    ] {
        let calls = calls_of(backend, arguments);
        let counts = count_by_operation(&calls);
        let listed = counts.get(list).copied().unwrap_or_default();
        // EC2 also reads the VM that was found by this call.
        assert!(listed <= locations + reads, "{locations} locations, {counts:?}");
    }
}

fn name_is_found_in_its_region_alone(backend: &Backend) {
    backend.run("create web-1").expect(0);
    for verb in ["describe", "terminate"] {
        let mut arguments = vec![verb, "web-1", "-r", backend.home_region()];
        arguments.extend((verb == "terminate").then_some("-y"));
        for call in calls_of(backend, &arguments) {
            let location = &call.operation.location;
            let is_here = location.is_empty() || location.starts_with(backend.home_region());
            assert!(is_here, "{:?}", call.operation);
        }
    }
}

/// The zone that the name prefers may lack the type: us-central1-c has no machines with Arm processors.
fn create_finds_zone_that_has_the_machine_type(backend: &Backend) {
    for number in 1..=8 {
        let name = format!("web-{number}");
        let run = backend.json(&["create", &name, "--type", "c4a-standard-1"]).expect(0);
        assert_ne!(run.item()["zone"], "us-central1-c");
    }
    let inserts = backend
        .calls()
        .into_iter()
        .filter(|call| call.operation.name == "instances.insert");
    assert!(
        inserts
            .map(|call| call.operation.location)
            .any(|zone| zone == "us-central1-c"),
        "no name prefers this zone"
    );
    let run = backend.run("create web-9 --type c4a-standard-1 -r us-west1").expect(2);
    run.expect_in_stderr("the region us-west1 has no machine type \"c4a-standard-1\"");
    assert_eq!(backend.alive().len(), 8);
}

fn create_in_unknown_region_is_refused_without_a_change(backend: &Backend) {
    for place in [["-r", "us-middle9"], ["-z", "us-central1-q"]] {
        let run = backend
            .run(&[&["create", "web-1"], place.as_slice()].concat())
            .expect(2);
        run.expect_in_stderr("Compute Engine has no");
    }
    assert_eq!(backend.count("instances.insert"), 0);
}

/// The location of a single VM is checked beside other look-ups. Of several, none is created if one has no location.
fn file_with_an_unknown_region_creates_nothing(backend: &Backend) {
    let vms = "vms:\n  - name: web-1\n  - name: web-2\n    region: us-middle9\n";
    let path = backend.sandbox.write("vms.yaml", vms);
    backend
        .run(&["create", "-f", &path])
        .expect(2)
        .expect_in_stderr("us-middle9");
    assert_eq!(backend.alive(), []);
}

fn created_vm_that_is_not_listed_is_read_by_its_name(backend: &Backend) {
    let (cloud, provider) = (emulator(backend), provider(backend));
    run(async {
        let spec = spec("web-1");
        let created = provider.create(&spec, 0).await.expect("a VM").into_instances();
        assert_eq!(created[0].public_ip, None, "it is not read yet");
        let confirmed = provider.confirm_created(&spec, created.clone(), &[]).await;
        let confirmed = confirmed.expect("it is there");
        assert_eq!(confirmed[0].reference, created[0].reference);
        assert!(confirmed[0].public_ip.is_some() && confirmed[0].cpus == Some(2));
        // What a listing shows is not read again.
        let calls = backend.calls().len();
        let listed = provider.confirm_created(&spec, created.clone(), &confirmed).await;
        assert_eq!(listed.expect("it is listed")[0].public_ip, confirmed[0].public_ip);
        assert_eq!(backend.calls().len(), calls);
        cloud.delete_from_outside("web-1");
        let gone = provider.confirm_created(&spec, created.clone(), &[]).await;
        assert_eq!(
            gone.expect("no error").len(),
            1,
            "nobody deleted it by a call: it may not be visible yet"
        );
        cloud.create_from_outside(&created[0].reference.scope, "web-1", &[]);
        let taken = provider.confirm_created(&spec, created, &[]).await;
        assert_eq!(taken.expect_err("it is another VM").kind(), ErrorKind::AlreadyExists);
    });
}

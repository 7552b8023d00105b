//! No room, and quotas.

use std::time::Duration;

use super::process::{Process, assert_ours, id_of, nothing, only_one_at_all, until};
use crate::Row;
use crate::support::backend::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        17 => no_capacity_names_the_zones_tried,
        18 => no_capacity_in_one_zone_goes_on_to_the_next,
        19 => a_timeout_stays_in_its_zone,
        20 => pending_then_terminated_tells_why,
        21 => a_quota_is_not_tried_again,
    ]
}

fn zones(backend: &Backend) -> [&'static str; 3] {
    match backend.gce() {
        Some(_) => ["us-central1-a", "us-central1-b", "us-central1-c"],
        None => ["us-east-1a", "us-east-1b", "us-east-1c"],
    }
}

/// All zones of the home region, or one of them, have no room.
fn exhaust(backend: &Backend, zones: &[&str]) {
    for zone in zones {
        if let Some(emulator) = backend.ec2() {
            emulator.exhaust_zone(zone);
        }
        if let Some(emulator) = backend.gce() {
            emulator.exhaust_zone(zone);
        }
    }
}

fn all_zones(backend: &Backend) -> Vec<String> {
    let letters = if backend.gce().is_some() { "abcf" } else { "abcdef" };
    let dash = if backend.gce().is_some() { "-" } else { "" };
    letters
        .chars()
        .map(|letter| format!("{}{dash}{letter}", backend.home_region()))
        .collect()
}

fn no_capacity_names_the_zones_tried(backend: &Backend) {
    let all = all_zones(backend);
    exhaust(backend, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let [here, ..] = zones(backend);
    let run = backend.json(&["create", "web-1", "-z", here]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert!(run.stderr.contains(here), "{}", run.stderr);
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    nothing(backend);

    let run = backend.json(&["create", "web-2"]).expect(5);
    assert!(run.stderr.contains(backend.home_region()), "{}", run.stderr);
    nothing(backend);

    let run = backend
        .json(&["create", "web-3", "-z", here, "--fallback", "zone"])
        .expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    for zone in zones(backend) {
        assert!(run.stderr.contains(zone), "{zone} in {}", run.stderr);
    }
    nothing(backend);
}

fn zone_of(backend: &Backend, id: &str) -> String {
    let in_ec2 = backend.ec2().and_then(|emulator| Some(emulator.instance(id)?.zone));
    let in_gce = || {
        let all = backend.gce()?.instances();
        Some(all.into_iter().find(|one| one.id == id)?.zone)
    };
    in_ec2.or_else(in_gce).expect("the VM")
}

fn no_capacity_in_one_zone_goes_on_to_the_next(backend: &Backend) {
    let [here, ..] = zones(backend);
    exhaust(backend, &[here]);
    let arguments = ["create", "web-1", "-z", here, "--fallback", "zone"];
    let made = backend.json(&arguments).expect(0);
    let seen = only_one_at_all(backend, "web-1");
    assert_eq!(seen.id, id_of(&made));
    assert_ours(&seen);
    assert_ne!(zone_of(backend, &seen.id), here);
    // There is room again: it stays where it is.
    if let Some(emulator) = backend.ec2() {
        emulator.restore_capacity();
    }
    if let Some(emulator) = backend.gce() {
        emulator.restock_zone(here);
    }
    assert_eq!(id_of(&backend.json(&arguments).expect(0)), seen.id);
    assert_eq!(only_one_at_all(backend, "web-1"), seen);
}

fn a_timeout_stays_in_its_zone(backend: &Backend) {
    let [here, ..] = zones(backend);
    // Its look-up sees nothing of what was made without an answer.
    backend.set_lag(Duration::from_secs(600));
    let endpoints = [backend.open_endpoint(), backend.open_endpoint()];
    let effects = [Effect::HangAfter, Effect::HangBefore];
    let names = ["made", "not-made"];
    let mut processes: Vec<_> = endpoints
        .iter()
        .zip(effects)
        .zip(names)
        .map(|((endpoint, effect), name)| {
            endpoint.reset([Fault::on(backend.create_call(), effect)]);
            let arguments = ["create", name, "-z", here, "--fallback", "zone", "-o", "json"];
            Process::start(&mut backend.command_through(endpoint, &arguments))
        })
        .collect();
    until("both create", || {
        let both = endpoints
            .iter()
            .all(|endpoint| endpoint.count(backend.create_call()) > 0);
        both || processes.iter_mut().any(Process::has_ended)
    });
    for (process, name) in processes.into_iter().zip(names) {
        let run = process.end().expect(8);
        assert_eq!(run.error_kinds(), ["unknown_outcome"], "{name}");
    }
    let seen = only_one_at_all(backend, "made");
    assert_eq!(zone_of(backend, &seen.id), here);
    for endpoint in &endpoints {
        for call in endpoint
            .calls()
            .iter()
            .filter(|call| call.operation.name == backend.create_call())
        {
            let text = format!("{}{}", call.request.path, String::from_utf8_lossy(&call.request.body));
            assert!(text.contains(here), "no other zone was tried: {text}");
        }
    }
    backend.advance(Duration::from_secs(601));
    let again = backend
        .json(&["create", "made", "-z", here, "--fallback", "zone"])
        .expect(0);
    assert_eq!(id_of(&again), seen.id);
    assert_eq!(only_one_at_all(backend, "made"), seen);
}

fn pending_then_terminated_tells_why(backend: &Backend) {
    let [here, ..] = zones(backend);
    let code = match backend.ec2() {
        Some(emulator) => {
            emulator.fail_launches("Server.InsufficientInstanceCapacity", "no room after all", 2);
            "InsufficientInstanceCapacity"
        }
        None => {
            exhaust(backend, &[here]);
            "ZONE_RESOURCE_POOL_EXHAUSTED"
        }
    };
    // Once it is gone when it is looked at first, and once it is seen pending before.
    for (name, time) in [("at-once", 0), ("later", 2_000)] {
        backend.set_transition(Duration::from_millis(time));
        let run = backend.json(&["create", name, "-z", here]).expect(5);
        assert_eq!(run.error_kinds(), ["capacity"], "{name}");
        assert!(run.stderr.contains(code), "{}", run.stderr);
        nothing(backend);
    }
}

fn a_quota_is_not_tried_again(backend: &Backend) {
    let refuse_quota = |backend: &Backend| {
        if let Some(emulator) = backend.ec2() {
            emulator.set_vcpu_limit(1);
        }
        if let Some(emulator) = backend.gce() {
            emulator.set_quota_exceeded(true);
        }
    };
    refuse_quota(backend);
    let run = backend.json(&["create", "web-1", "--fallback", "zone"]).expect(5);
    assert_eq!(run.error_kinds(), ["quota"]);
    assert_eq!(backend.count(backend.create_call()), 1, "no retry, and no other zone");
    nothing(backend);
    if let Some(emulator) = backend.gce() {
        emulator.set_quota_refused(true);
        assert_eq!(backend.json(&["create", "web-2"]).expect(5).error_kinds(), ["quota"]);
        assert_eq!(backend.count(backend.create_call()), 2, "no retry");
        nothing(backend);
    }
}

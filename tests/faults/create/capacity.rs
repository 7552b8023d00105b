//! Lack of capacity, and quotas.

use std::time::Duration;

use crate::Row;
use crate::process_under_test::{Process, assert_ours, id_of, nothing, only_one_at_all, until};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        17 => no_capacity_names_the_zones_tried,
        18 => no_capacity_in_one_zone_goes_on_to_the_next,
        19 => timeout_tries_no_other_zone,
        20 => vm_that_fails_while_pending_gives_the_reason,
        21 => quota_error_is_not_retried,
    ]
}

fn zones(backend: &Backend) -> [&'static str; 3] {
    let zones = backend.site().home_zones;
    [zones[0], zones[1], zones[2]]
}

/// These zones have no room.
fn exhaust(backend: &Backend, zones: &[&str]) {
    for zone in zones {
        backend.exhaust_zone(zone);
    }
}

fn no_capacity_names_the_zones_tried(backend: &Backend) {
    exhaust(backend, backend.site().home_zones);
    let [here, ..] = zones(backend);
    let run = backend.json(&["create", "web-1", "-z", here]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    run.expect_in_stderr(here);
    run.expect_in_stderr("hint: ");
    nothing(backend);

    let run = backend.json("create web-2").expect(5);
    run.expect_in_stderr(backend.home_region());
    nothing(backend);

    let run = backend
        .json(&["create", "web-3", "-z", here, "--fallback", "zone"])
        .expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    for zone in zones(backend) {
        run.expect_in_stderr(zone);
    }
    nothing(backend);
}

fn no_capacity_in_one_zone_goes_on_to_the_next(backend: &Backend) {
    let [here, ..] = zones(backend);
    exhaust(backend, &[here]);
    let arguments = ["create", "web-1", "-z", here, "--fallback", "zone"];
    let made = backend.json(&arguments).expect(0);
    let seen = only_one_at_all(backend, "web-1");
    assert_eq!(seen.id, id_of(&made));
    assert_ours(&seen);
    assert_ne!(seen.zone, here);
    // There is room again: it stays where it is.
    backend.restore_capacity();
    assert_eq!(id_of(&backend.json(&arguments).expect(0)), seen.id);
    assert_eq!(only_one_at_all(backend, "web-1"), seen);
}

fn timeout_tries_no_other_zone(backend: &Backend) {
    let [here, ..] = zones(backend);
    // Its look-up sees nothing of what was made without an answer.
    backend.set_listing_lag(Duration::from_secs(600));
    let endpoints = [backend.open_endpoint(), backend.open_endpoint()];
    let effects = [Effect::HangAfter, Effect::HangBefore];
    let names = ["made", "not-made"];
    let mut processes: Vec<_> = endpoints
        .iter()
        .zip(effects)
        .zip(names)
        .map(|((endpoint, effect), name)| {
            endpoint.reset([Fault::on(backend.operations().create, effect)]);
            let arguments = ["create", name, "-z", here, "--fallback", "zone", "-o", "json"];
            Process::start(&mut backend.command_through(endpoint, &arguments))
        })
        .collect();
    until("both create", || {
        let both = endpoints
            .iter()
            .all(|endpoint| endpoint.count(backend.operations().create) > 0);
        both || processes.iter_mut().any(Process::has_ended)
    });
    for (process, name) in processes.into_iter().zip(names) {
        let run = process.end().expect(8);
        assert_eq!(run.error_kinds(), ["unknown_outcome"], "{name}");
    }
    let seen = only_one_at_all(backend, "made");
    assert_eq!(seen.zone, here);
    for endpoint in &endpoints {
        for call in endpoint
            .calls()
            .iter()
            .filter(|call| call.operation.name == backend.operations().create)
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

fn vm_that_fails_while_pending_gives_the_reason(backend: &Backend) {
    let [here, ..] = zones(backend);
    let code = backend.fail_accepted_creates(here);
    // Once it is gone when it is looked at first, and once it is seen pending before.
    for (name, time) in [("at-once", 0), ("later", 2_000)] {
        backend.set_transition(Duration::from_millis(time));
        let run = backend.json(&["create", name, "-z", here]).expect(5);
        assert_eq!(run.error_kinds(), ["capacity"], "{name}");
        run.expect_in_stderr(code);
        nothing(backend);
    }
}

fn quota_error_is_not_retried(backend: &Backend) {
    backend.exhaust_quota();
    let run = backend.json("create web-1 --fallback zone").expect(5);
    assert_eq!(run.error_kinds(), ["quota"]);
    assert_eq!(
        backend.count(backend.operations().create),
        1,
        "no retry, and no other zone"
    );
    nothing(backend);
    if backend.check_quota_first() {
        assert_eq!(backend.json("create web-2").expect(5).error_kinds(), ["quota"]);
        assert_eq!(backend.count(backend.operations().create), 2, "no retry");
        nothing(backend);
    }
}

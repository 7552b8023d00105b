//! Credentials that expire between two calls.

use std::time::Duration;

use crate::Row;
use crate::running::{lists_before_recheck, while_held};
use crate::seeds::alive_ids;
use crate::support::backend::{Backend, BackendKind};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        43 => they_expire_before_the_change,
        44 => they_expire_after_the_create,
    ]
}

fn expire(backend: &Backend) {
    if let Some(emulator) = backend.ec2() {
        emulator.expire_credentials();
    }
    if let Some(emulator) = backend.gce() {
        emulator.expire_token();
    }
}

fn renew(backend: &Backend) {
    if let Some(emulator) = backend.ec2() {
        emulator.renew_credentials();
    }
    if let Some(emulator) = backend.gce() {
        emulator.renew_token();
    }
}

fn they_expire_before_the_change(backend: &Backend) {
    backend.run(&["create", "web-1"]).expect(0);
    let before = alive_ids(backend);
    // After the last call before the change.
    let looks = lists_before_recheck(backend, true);
    for (arguments, lists) in [
        (&["create", "web-2"][..], 0),
        (&["terminate", "web-1", "-y"], looks),
        (&["stop", "web-1"], looks - 1),
        (&["reboot", "web-1"], looks - 1),
    ] {
        let arguments = [arguments, &["-r", backend.home_region()]].concat();
        let run = while_held(backend, backend.list_call(), lists, &arguments, expire);
        assert_eq!(run.code, 4, "{arguments:?}: {}", run.stderr);
        assert_eq!(run.error_kinds(), ["unauthenticated"], "{arguments:?}");
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
        renew(backend);
        assert_eq!(alive_ids(backend), before, "{arguments:?}");
    }
    if let Some(emulator) = backend.ec2() {
        assert!(emulator.instances().iter().all(|one| one.state == "running"));
    }
    if let Some(emulator) = backend.gce() {
        assert!(emulator.instances().iter().all(|one| one.status == "RUNNING"));
    }
    // A plan that cannot be looked at once more is not carried out.
    let arguments = ["terminate", "web-1", "-y", "-r", backend.home_region()];
    while_held(backend, backend.list_call(), looks - 1, &arguments, expire).expect(4);
    renew(backend);
    assert_eq!(alive_ids(backend), before);
    backend.run(&["create", "web-2"]).expect(0);
    backend.run(&["terminate", "web-1", "-y"]).expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn they_expire_after_the_create(backend: &Backend) {
    let arguments = ["create", "web-1", "--ttl", "2h"];
    let run = while_held(backend, backend.create_call(), 0, &arguments, expire).expect(8);
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!(run.item()["id"], alive[0].id.as_str(), "{}", run.stderr);
    // It ends by itself all the same.
    assert_eq!(alive[0].labels.get("cloudctl-ttl").map(String::as_str), Some("2h"));
    if let Some(emulator) = backend.ec2() {
        let made = emulator.alive().remove(0);
        assert_eq!(made.shutdown_behaviour, "terminate");
        assert!(made.user_data.is_some(), "the timer is in the user data");
        assert!(made.volumes.iter().all(|disk| disk.tags.contains_key("cloudctl-name")));
    }
    if let Some(emulator) = backend.gce() {
        let made = emulator.instance("web-1").expect("the VM");
        assert_eq!(made.scheduling.max_run_duration, Some(Duration::from_secs(7_200)));
        assert_eq!(made.scheduling.instance_termination_action.as_deref(), Some("DELETE"));
    }
    renew(backend);
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], alive[0].id.as_str());
    assert_eq!(backend.alive().len(), 1);
}

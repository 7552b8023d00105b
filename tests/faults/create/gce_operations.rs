//! What only Compute Engine does: operations that end after their call, and names that are taken.

use std::time::Duration;

use crate::Row;
use crate::process_under_test::{
    Process, assert_ours, id_of, kill_at, nothing, only, only_one_at_all, run_unseen, until,
};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault, Gate, Side};

pub fn rows() -> Vec<Row> {
    crate::rows![&[BackendKind::GceEmulator];
        24 => operation_that_fails_later_is_reported_by_its_code,
        25 => wait_that_returns_early_is_repeated_slowly,
        26 => operation_that_is_unreadable_is_replaced_by_a_lookup,
        27 => name_taken_by_our_vm_is_adopted,
        28 => name_taken_by_others_is_refused,
        29 => forgotten_request_id_is_caught_by_the_name,
        53 => of_two_specs_that_go_to_different_zones_one_stays,
    ]
}

const ZONE: &str = "us-central1-a";

fn operation_that_fails_later_is_reported_by_its_code(backend: &Backend) {
    let emulator = backend.gce();
    emulator.exhaust_zone(ZONE);
    for round in 0..2 {
        let run = backend.json(&["create", "web-1", "-z", ZONE]).expect(5);
        run.expect_in_stderr("ZONE_RESOURCE_POOL_EXHAUSTED");
        nothing(backend);
        assert!(backend.count("instances.insert") > round, "it was accepted");
    }
    emulator.restock_zone(ZONE);
    emulator.set_quota_exceeded(true);
    let run = backend.json(&["create", "web-1", "-z", ZONE]).expect(5);
    run.expect_in_stderr("QUOTA_EXCEEDED");
    nothing(backend);
    let accepted = backend
        .calls()
        .into_iter()
        .filter(|call| call.operation.name == "instances.insert");
    assert!(accepted.map(|call| call.status).all(|status| status == Some(200)));

    // A failure that is remembered is not the answer for ever.
    emulator.set_quota_exceeded(false);
    let made = backend.json(&["create", "web-1", "-z", ZONE]).expect(0);
    assert_eq!(only_one_at_all(backend, "web-1").id, id_of(&made));
}

fn wait_that_returns_early_is_repeated_slowly(backend: &Backend) {
    let emulator = backend.gce();
    emulator.set_wait_returns_early(true);
    emulator.set_transition_time(Duration::from_secs(5));
    let run = backend.json("create web-1").expect(0);
    assert_eq!(only_one_at_all(backend, "web-1").id, id_of(&run));
    let waits = backend.count("zoneOperations.wait");
    // Every half second at most.
    assert!((2..=12).contains(&waits), "{waits} waits within five seconds");
}

fn operation_that_is_unreadable_is_replaced_by_a_lookup(backend: &Backend) {
    let emulator = backend.gce();
    let failure = |status, code: &str| Effect::ErrorBefore {
        status,
        code: code.to_owned(),
    };
    let effects = [
        failure(404, "notFound"),
        failure(503, "backendError"),
        failure(403, "forbidden"),
        Effect::ResetBefore,
    ];
    for (number, effect) in effects.into_iter().enumerate() {
        let endpoint = backend.open_endpoint();
        endpoint.reset(["zoneOperations.wait", "zoneOperations.get"].map(|call| Fault::on(call, effect.clone())));
        let name = format!("web-{number}");
        let run = Process::start(&mut backend.command_through(&endpoint, &["create", &name, "-o", "json"])).end();
        let seen = only(backend, &name);
        assert_eq!(id_of(&run.expect(0)), seen.id);
        assert_ours(&seen);
        assert_eq!(endpoint.count("instances.insert"), 1);
    }
    assert_eq!(emulator.instance_count(), 4);
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
}

fn name_taken_by_our_vm_is_adopted(backend: &Backend) {
    let emulator = backend.gce();
    // Its look-up is over when another process makes the VM.
    let (endpoint, gate) = (backend.open_endpoint(), Gate::new(Side::Before));
    endpoint.reset([Fault::on("instances.insert", Effect::Hold(gate.clone())).times(1)]);
    let late = Process::start(&mut backend.command_through(&endpoint, "create web-1 -o json"));
    until("the late one creates", || {
        gate.has_arrival_within(Duration::from_millis(50))
    });
    let first = id_of(&backend.json("create web-1").expect(0));
    emulator.forget_request_ids();
    gate.open();
    assert_eq!(id_of(&late.end().expect(0)), first);
    assert_eq!(only_one_at_all(backend, "web-1").id, first);
    let inserts = endpoint
        .calls()
        .into_iter()
        .filter(|call| call.operation.name == "instances.insert");
    assert_eq!(inserts.map(|call| call.status).collect::<Vec<_>>(), [Some(409)]);
}

fn name_taken_by_others_is_refused(backend: &Backend) {
    let emulator = backend.gce();
    // One has nothing of ours, one has our labels copied from another VM.
    emulator.create_from_outside(ZONE, "web-1", &[("team", "theirs")]);
    let copied = [
        ("cloudctl-managed", "true"),
        ("cloudctl-name", "web-9"),
        ("cloudctl-spec", "0123456789abcdef"),
    ];
    emulator.create_from_outside(ZONE, "web-2", &copied);
    let before = backend.instances();
    for name in ["web-1", "web-2"] {
        let run = backend.json(&["create", name, "-z", ZONE]).expect(6);
        assert_eq!(run.error_kinds(), ["already_exists"]);
        run.expect_in_stderr(name);
        assert_eq!(backend.instances(), before, "untouched");
    }
}

fn forgotten_request_id_is_caught_by_the_name(backend: &Backend) {
    let emulator = backend.gce();
    let endpoint = backend.open_endpoint();
    let create = ["create", "web-1"];
    backend.set_listing_lag(Duration::from_secs(600));
    let mut call = 0;
    // Killed right after the effect of its insert.
    while emulator.instance_count() == 0 {
        assert!(kill_at(backend, &endpoint, &create, call, Side::After).is_some());
        call += 1;
    }
    emulator.forget_request_ids();
    let first = emulator.instance("web-1").expect("the VM").id;
    let run = run_unseen(backend, &create).expect(0);
    assert_eq!(id_of(&run), first);
    assert_eq!(only_one_at_all(backend, "web-1").id, first);
    // And without any lag, once it is known that it is there.
    emulator.forget_request_ids();
    assert_eq!(id_of(&backend.json(&create).expect(0)), first);
    assert_eq!(only_one_at_all(backend, "web-1").id, first);
}

/// The zone that is picked for a name hangs on the machine type, and in two zones a name is two.
fn of_two_specs_that_go_to_different_zones_one_stays(backend: &Backend) {
    let gpu = ["--type", "a2-highgpu-1g"];
    let zone_of = |name: &str, more: &[&str]| {
        let plan = backend.json(&[&["create", name, "--dry-run"], more].concat()).expect(0);
        plan.item()["zone"].clone()
    };
    let names = (1..20).map(|number| format!("web-{number}"));
    let mut apart = names.filter(|name| zone_of(name, &[]) != zone_of(name, &gpu));
    let name = apart.next().expect("a name whose zone has no such type");
    // Whoever is later must not find the other one's before it has asked for its own.
    backend.set_listing_lag(Duration::from_secs(600));
    let mut held = Vec::new();
    for more in [&[][..], &gpu] {
        let (endpoint, gate) = (backend.open_endpoint(), Gate::new(Side::After));
        endpoint.reset([Fault::on("instances.insert", Effect::Hold(gate.clone())).times(1)]);
        let arguments = [&["create", name.as_str(), "-o", "json"], more].concat();
        held.push((
            Process::start(&mut backend.command_through(&endpoint, &arguments)),
            endpoint,
            gate,
        ));
    }
    until("both have made one", || {
        held.iter()
            .all(|(.., gate)| gate.has_arrival_within(Duration::from_millis(20)))
    });
    backend.set_listing_lag(Duration::ZERO);
    held.iter().for_each(|(.., gate)| gate.open());
    // The endpoints stay open until both have ended.
    let (processes, _endpoints): (Vec<_>, Vec<_>) = held
        .into_iter()
        .map(|(process, endpoint, _)| (process, endpoint))
        .unzip();
    let mut codes: Vec<_> = processes.into_iter().map(|process| process.end().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 6]);
    assert_ours(&only_one_at_all(backend, &name));
}

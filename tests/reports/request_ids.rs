//! Request ids on Compute Engine. Google does not document how long it keeps one, so each test runs with every possible
//! answer.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce::RequestIdMismatch;
use cloud_emulators::recorded_call::Call;

const ZONE: &str = "us-central1-a";

/// Runs a test against a server of each kind.
fn under_each(test: impl Fn(&Backend, RequestIdMismatch)) {
    for answer in RequestIdMismatch::ALL {
        let backend = Backend::start(BackendKind::GceEmulator);
        let emulator = backend.gce();
        emulator.set_request_id_mismatch(answer);
        test(&backend, answer);
    }
}

fn create(backend: &Backend, words: &[&str]) -> Run {
    backend.json(&[&["create"], words, &["--ssh-key", "none"]].concat())
}

/// The calls that make instances.
fn inserts(backend: &Backend) -> Vec<Call> {
    let is_insert = |call: &Call| {
        matches!(
            call.operation.name.as_str(),
            "instances.insert" | "instances.bulkInsert"
        )
    };
    backend.calls().into_iter().filter(is_insert).collect()
}

fn request_id(call: &Call) -> String {
    let pairs = call.request.query.split('&');
    let mut ids = pairs.filter_map(|pair| pair.strip_prefix("requestId="));
    ids.next().expect("a request id").to_owned()
}

/// No id was sent with two requests, so that none can be refused for it.
#[track_caller]
fn ids_are_of_one_request_each(backend: &Backend, answer: RequestIdMismatch) {
    let calls = inserts(backend);
    let requests: BTreeSet<_> = calls
        .iter()
        .map(|call| (call.request.path.clone(), call.request.body.clone()))
        .collect();
    let ids: BTreeSet<_> = calls.iter().map(request_id).collect();
    assert_eq!(ids.len(), requests.len(), "{answer:?}");
    assert!(calls.iter().all(|call| call.status != Some(400)), "{answer:?}");
}

#[test]
fn fallback_to_another_zone_has_a_request_id_of_its_own() {
    under_each(|backend, answer| {
        let emulator = backend.gce();
        emulator.exhaust_zone(ZONE);
        let made = create(backend, &["web", "-z", ZONE, "--fallback", "zone"])
            .expect(0)
            .item();
        assert_ne!(made["zone"], ZONE, "{answer:?}");
        assert_eq!(backend.alive().len(), 1, "{answer:?}");
        assert!(inserts(backend).len() > 1, "{answer:?}");
        ids_are_of_one_request_each(backend, answer);
    });
}

#[test]
fn fallback_to_another_type_has_a_request_id_of_its_own() {
    under_each(|backend, answer| {
        let emulator = backend.gce();
        emulator.exhaust_zone(ZONE);
        let words = ["web", "-z", ZONE, "--cpus", "2", "--fallback", "type"];
        create(backend, &words).expect(5);
        assert_eq!(backend.alive().len(), 0, "{answer:?}");
        assert!(inserts(backend).len() > 1, "{answer:?}");
        ids_are_of_one_request_each(backend, answer);
    });
}

#[test]
fn fallback_of_a_group_has_a_request_id_of_its_own() {
    under_each(|backend, answer| {
        let emulator = backend.gce();
        emulator.exhaust_zone(ZONE);
        let words = ["web", "--count", "3", "-z", ZONE, "--fallback", "zone,type"];
        let made = create(backend, &words).expect(0).items();
        assert_eq!((made.len(), backend.alive().len()), (3, 3), "{answer:?}");
        assert!(inserts(backend).len() > 1, "{answer:?}");
        ids_are_of_one_request_each(backend, answer);
    });
}

#[test]
fn lost_answer_is_asked_for_again_under_the_same_request_id() {
    for words in [&["web"][..], &["web", "--count", "2"]] {
        under_each(|backend, answer| {
            let call = if words.len() > 1 {
                "instances.bulkInsert"
            } else {
                "instances.insert"
            };
            backend.inject(Fault::on(call, Effect::ResetAfter).times(1));
            let made = create(backend, words).expect(0).items();
            assert_eq!(backend.alive().len(), made.len(), "{answer:?}");
            let calls = inserts(backend);
            let ids: BTreeSet<_> = calls.iter().map(request_id).collect();
            assert!(calls.len() > 1 && ids.len() == 1, "{answer:?}: {ids:?}");
        });
    }
}

#[test]
fn lost_answer_whose_vm_cannot_be_read_is_an_unknown_outcome() {
    for words in [&["web"][..], &["web", "--count", "2"]] {
        let backend = Backend::start(BackendKind::GceEmulator);
        let emulator = backend.gce();
        emulator.set_request_id_mismatch(RequestIdMismatch::Forget);
        for call in ["instances.insert", "instances.bulkInsert"] {
            backend.inject(Fault::on(call, Effect::ResetAfter).times(1));
        }
        let denied = || Effect::ErrorBefore {
            status: 403,
            code: "forbidden".to_owned(),
        };
        backend.inject(Fault::on("instances.get", denied()));
        backend.inject(Fault::on("instances.list", denied()));
        let run = create(&backend, words).expect(8);
        assert_eq!(run.error_kinds(), ["unknown_outcome"], "{words:?}: {}", run.stderr);
        assert!(!backend.alive().is_empty(), "{words:?}");
    }
}

/// Runs a create that sees nothing until its first insert is answered.
fn create_unseen(backend: &Backend, words: &[&str]) -> Option<i32> {
    let lag = Duration::from_secs(600);
    backend.set_listing_lag(lag);
    let before = inserts(backend).len();
    let words = [&["create"], words, &["--ssh-key", "none"]].concat();
    let mut command = backend.command(&words);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut process = command.spawn().expect("the binary starts");
    let is_answered = || inserts(backend).iter().skip(before).any(|call| call.status.is_some());
    while !is_answered() && process.try_wait().expect("a process").is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    backend.advance(lag + Duration::from_secs(1));
    process.wait().expect("the binary ends").code()
}

#[test]
fn name_that_is_not_listed_yet_is_met_by_the_insert() {
    under_each(|backend, answer| {
        let first = create(backend, &["web"]).expect(0).item();
        let emulator = backend.gce();
        // As if an earlier version had made it, under an id of another kind.
        emulator.forget_request_ids();
        assert_eq!(create_unseen(backend, &["web"]), Some(0), "{answer:?}");
        assert_eq!(
            create_unseen(backend, &["web", "--type", "e2-medium"]),
            Some(6),
            "{answer:?}"
        );
        let alive = backend.alive();
        assert_eq!(
            (alive.len(), alive[0].id.as_str()),
            (1, first["id"].as_str().unwrap_or_default())
        );
    });
}

#[test]
fn name_that_was_terminated_is_made_anew() {
    under_each(|backend, answer| {
        let first = create(backend, &["web"]).expect(0).item();
        backend.run("terminate web -y --wait").expect(0);
        let next = create(backend, &["web"]).expect(0).item();
        assert_ne!(next["id"], first["id"], "{answer:?}");
        assert_eq!(backend.alive().len(), 1, "{answer:?}");
    });
}

#[test]
fn zone_that_had_no_room_is_tried_anew_by_the_next_run() {
    under_each(|backend, answer| {
        let emulator = backend.gce();
        emulator.exhaust_zone(ZONE);
        create(backend, &["web", "-z", ZONE]).expect(5);
        emulator.restock_zone(ZONE);
        let made = create(backend, &["web", "-z", ZONE]).expect(0).item();
        assert_eq!(made["zone"], ZONE, "{answer:?}");
        assert_eq!(backend.alive().len(), 1, "{answer:?}");
    });
}

#[test]
fn two_specs_of_a_name_that_race_make_one_vm() {
    under_each(|backend, answer| {
        let start = |machine_type: &str| {
            let words = ["create", "web", "--type", machine_type, "--ssh-key", "none"];
            let mut command = backend.command(&words);
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::piped());
            command.spawn().expect("the binary starts")
        };
        let runs = [
            start("e2-small"),
            start("e2-medium"),
            start("e2-small"),
            start("e2-medium"),
        ];
        let mut codes: Vec<_> = Vec::new();
        for run in runs {
            let output = run.wait_with_output().expect("the binary ends");
            codes.push(output.status.code().unwrap_or(-1));
        }
        codes.sort_unstable();
        assert_eq!(codes, [0, 0, 6, 6], "{answer:?}");
        assert_eq!(backend.alive().len(), 1, "{answer:?}");
    });
}

//! TTLs: set by the create call, shown with their enforcer, extended, and enforced by `terminate --expired`.

use serde_json::Value;

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        ttl_is_a_label_from_creation_and_shows_its_enforcer,
        vm_without_ttl_has_no_expiry,
        create_refuses_another_ttl,
        extend_moves_the_expiry_and_a_rerun_still_adopts,
        extend_never_shortens_the_ttl,
        extend_refuses_unmanaged_vm,
    ]);
    // moto has no clock that a test can move.
    all.extend(cases![BackendKind::STEERED; terminate_expired_terminates_only_expired_vms]);
    all
}

/// Seconds from the creation of a VM to its end.
fn lifetime(item: &Value) -> i64 {
    let time = |field: &str| -> jiff::Timestamp {
        let parsed = text(item, field).parse();
        parsed.unwrap_or_else(|error| panic!("{field}: {error} in {item}"))
    };
    time("expires_at").duration_since(time("created_at")).as_secs()
}

/// A run limit counts from when the VM runs, which is a little later than its creation.
fn assert_lives(item: &Value, hours: i64) {
    let seconds = lifetime(item);
    let expected = hours * 3600;
    assert!(
        (expected - 5..expected + 120).contains(&seconds),
        "{seconds} s in {item}"
    );
}

fn describe(backend: &Backend, name: &str) -> Value {
    backend.json(&["describe", name]).expect(0).item()
}

fn ttl_is_a_label_from_creation_and_shows_its_enforcer(backend: &Backend) {
    let made = backend.json("create web-1 --ttl 2h").expect(0).item();
    assert_eq!(
        backend.alive()[0].labels.get("cloudctl-ttl").map(String::as_str),
        Some("2h")
    );
    assert_eq!(made["labels"], serde_json::json!({}));
    for item in [
        &made,
        &describe(backend, "web-1"),
        &backend.json("list").expect(0).item(),
    ] {
        assert_lives(item, 2);
        assert_eq!(
            text(item, "expiry_enforcer"),
            backend.differences().ttl_enforcer,
            "{item}"
        );
    }
}

fn vm_without_ttl_has_no_expiry(backend: &Backend) {
    backend.run("create web-1 --ttl never").expect(0);
    let seen = describe(backend, "web-1");
    assert!(
        seen["expires_at"].is_null() && seen["expiry_enforcer"].is_null(),
        "{seen}"
    );
    assert!(!backend.alive()[0].labels.contains_key("cloudctl-ttl"));
    let table = backend.run("list -o columns=expires").expect(0).stdout;
    assert_eq!(table.lines().nth(1), Some("never"), "{table}");
}

fn create_refuses_another_ttl(backend: &Backend) {
    let made = backend.json("create web-1 --ttl 2h").expect(0).item();
    for other in [&["--ttl", "3h"][..], &[]] {
        let refused = backend.run(&[&["create", "web-1"], other].concat()).expect(6);
        refused.expect_in_stderr("ttl is 2h");
    }
    // As long, in other words.
    let again = backend.json("create web-1 --ttl 120m").expect(0).item();
    assert_eq!(again["id"], made["id"]);
    assert_eq!(backend.alive().len(), 1);
}

fn extend_moves_the_expiry_and_a_rerun_still_adopts(backend: &Backend) {
    let made = backend.json("create web-1 --ttl 2h").expect(0).item();
    if !backend.differences().extends_running {
        let refused = backend.run("extend web-1 --ttl 5h").expect(6);
        refused.expect_in_stderr("hint: ");
        assert_lives(&describe(backend, "web-1"), 2);
        backend.run("stop web-1").expect(0);
        backend.run("wait web-1 --for stopped").expect(0);
    }
    let extended = backend.json("extend web-1 --ttl 5h").expect(0).item();
    assert_lives(&extended, 5);
    assert_lives(&describe(backend, "web-1"), 5);
    let label = backend.alive()[0]
        .labels
        .get("cloudctl-ttl")
        .cloned()
        .unwrap_or_default();
    assert!(label.starts_with("5h"), "{label}");
    let again = ["create", "web-1", "--ttl", "2h", "--wait", "none"];
    assert_eq!(backend.json(&again).expect(0).item()["id"], made["id"]);
}

fn extend_never_shortens_the_ttl(backend: &Backend) {
    backend.run("create web-1 --ttl 4h").expect(0);
    let before = describe(backend, "web-1");
    let refused = backend.run("extend web-1 --ttl 1h").expect(6);
    refused.expect_in_stderr("earlier");
    assert_eq!(describe(backend, "web-1")["expires_at"], before["expires_at"]);
}

fn extend_refuses_unmanaged_vm(backend: &Backend) {
    let id = backend.create_unmanaged("theirs");
    let before = backend.instances();
    let refused = backend.run(&["extend", &id, "--ttl", "1h"]).expect(6);
    refused.expect_in_stderr("nothing was changed");
    assert_eq!(backend.instances(), before);
}

fn terminate_expired_terminates_only_expired_vms(backend: &Backend) {
    backend.create_unmanaged("theirs");
    let short = backend.differences().short_ttl;
    backend
        .run(&["create", "due", "--ttl", short, "--wait", "none"])
        .expect(0);
    backend.run("create young --ttl 8h").expect(0);
    backend.run("create endless").expect(0);
    backend.let_short_ttl_pass();
    // Where the cloud has ended it already there is nothing left to do.
    backend.run("terminate --expired -y").expect(0);
    let alive = |backend: &Backend| {
        let mut names: Vec<_> = backend.alive().into_iter().map(|seen| seen.name).collect();
        names.sort();
        names
    };
    assert_eq!(alive(backend), ["endless", "theirs", "young"]);
    let again = backend.run("terminate --expired -y").expect(0);
    again.expect_in_stderr("nothing to terminate");
    assert_eq!(alive(backend), ["endless", "theirs", "young"]);
}

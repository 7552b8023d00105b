//! Start, stop, reboot, and reading an instance meanwhile.

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![BackendKind::ALL;
        stop_and_start_keep_the_vm,
        stop_and_start_are_idempotent,
        reboot_leaves_vm_running,
        describe_by_name_id_and_reference_is_the_same,
        wait_for_unreachable_state_times_out,
        console_prints,
        whoami_names_the_account,
        doctor_finds_nothing_wrong,
    ])
}

fn stop_and_start_keep_the_vm(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 --for stopped").expect(0);
    assert_eq!(backend.alive()[0].state, "stopped");
    let listed = backend.json("list").expect(0).item();
    assert_eq!((text(&listed, "state"), &listed["id"]), ("stopped", &made["id"]));
    backend.run("start web-1").expect(0);
    let waited = backend.json("wait web-1 --for running").expect(0).item();
    assert_eq!(waited["id"], made["id"]);
    assert_eq!(
        waited["created_at"], made["created_at"],
        "a start does not make it younger"
    );
    assert_eq!(backend.alive()[0].state, "running");
}

fn stop_and_start_are_idempotent(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("start web-1").expect(0);
    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 --for stopped").expect(0);
    backend.run("stop web-1").expect(0);
    assert_eq!(backend.alive()[0].state, "stopped");
}

fn reboot_leaves_vm_running(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("reboot web-1").expect(0);
    backend.run("wait web-1").expect(0);
    assert_eq!(backend.alive()[0].state, "running");
}

fn describe_by_name_id_and_reference_is_the_same(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    for reference in [text(&made, "name"), text(&made, "id"), text(&made, "ref")] {
        let described = backend.json(&["describe", reference]).expect(0).item();
        assert_eq!(described["ref"], made["ref"], "{reference}");
        assert_eq!(described["protected"], false);
    }
    let people = backend.run("describe web-1").expect(0);
    assert!(people.stdout.contains(text(&made, "machine_type")), "{}", people.stdout);
}

fn wait_for_unreachable_state_times_out(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let waited = backend.json("wait web-1 --for stopped --timeout 1s").expect(8);
    assert_eq!(waited.error_kinds(), ["timeout"]);
    assert_eq!(text(&waited.item(), "state"), "running");
}

fn console_prints(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("console web-1").expect(0);
    backend.run("console web-2").expect(3);
}

fn whoami_names_the_account(backend: &Backend) {
    let who = backend.json("whoami").expect(0).item();
    assert_eq!(text(&who, "provider"), backend.provider());
    assert!(!text(&who, "account").is_empty(), "{who}");
}

fn doctor_finds_nothing_wrong(backend: &Backend) {
    let checks = backend.json("doctor").expect(0).items();
    assert!(checks.len() >= 3, "{checks:?}");
    assert!(checks.iter().all(|check| text(check, "result") == "ok"), "{checks:?}");
}

//! `terminate` terminates all that was named, and nothing else.

use crate::Case;
use crate::cases::{cases, names, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![BackendKind::ALL;
        terminate_deletes_the_vm_and_its_disk,
        terminate_several_by_every_kind_of_reference,
        terminate_by_selector_skips_unmanaged_vms,
        terminate_of_unmanaged_vm_needs_a_flag,
        terminate_without_terminal_needs_yes,
        terminate_of_absent_vm_is_not_found,
        terminate_checks_the_expected_number,
        terminate_refuses_protected_vm,
        protect_and_unprotect_change_protection,
        terminate_dry_run_changes_nothing,
        wait_for_terminated,
    ])
}

fn terminate_deletes_the_vm_and_its_disk(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("create web-2").expect(0);
    let ended = backend.json("terminate web-1 -y --wait").expect(0).item();
    assert_eq!((text(&ended, "name"), text(&ended, "state")), ("web-1", "terminated"));
    let alive = backend.alive();
    assert_eq!((alive.len(), alive[0].name.as_str()), (1, "web-2"));
    if backend.differences().has_disks {
        assert_eq!(backend.disks().len(), 1, "the disk of the other VM is left alone");
    }
    assert_eq!(names(&backend.json("list").expect(0).items()), ["web-2"]);
}

fn terminate_several_by_every_kind_of_reference(backend: &Backend) {
    let one = backend.json("create one").expect(0).item();
    let two = backend.json("create two").expect(0).item();
    backend.run("create three").expect(0);
    backend.run("create four").expect(0);
    backend
        .run(&["terminate", text(&one, "id"), text(&two, "ref"), "three", "one", "-y"])
        .expect(0);
    let alive = backend.alive();
    assert_eq!((alive.len(), alive[0].name.as_str()), (1, "four"));
}

fn terminate_by_selector_skips_unmanaged_vms(backend: &Backend) {
    backend.create_unmanaged("theirs");
    backend.run("create one -l env=ci").expect(0);
    backend.run("create two -l env=ci").expect(0);
    backend.run("create three -l env=dev").expect(0);
    backend.run("terminate -l env=ci -y").expect(0);
    let mut alive: Vec<_> = backend.alive().into_iter().map(|seen| seen.name).collect();
    alive.sort();
    assert_eq!(alive, ["theirs", "three"]);
    backend.run("terminate -l env!=nothing -y").expect(0);
    assert_eq!(backend.alive().len(), 1);
    assert_eq!(backend.alive()[0].name, "theirs");
}

fn terminate_of_unmanaged_vm_needs_a_flag(backend: &Backend) {
    let id = backend.create_unmanaged("theirs");
    let refused = backend.run(&["terminate", &id, "-y"]).expect(6);
    refused.expect_in_stderr("--include-unmanaged");
    assert_eq!(backend.alive().len(), 1);
    backend.run(&["terminate", &id, "-y", "--include-unmanaged"]).expect(0);
    assert_eq!(backend.alive(), []);
}

fn terminate_without_terminal_needs_yes(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let refused = backend.run("terminate web-1").expect(2);
    refused.expect_in_stderr("pass -y to confirm");
    assert_eq!(backend.alive().len(), 1);
}

fn terminate_of_absent_vm_is_not_found(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("terminate web-2 -y").expect(3);
    backend.run("terminate web-1 web-2 -y").expect(3);
    assert_eq!(backend.alive().len(), 1, "an absent name ends nothing else");
    backend.run("terminate web-1 web-2 -y --ignore-not-found").expect(0);
    assert_eq!(backend.alive(), []);
    backend.run("terminate web-1 -y --ignore-not-found").expect(0);
}

fn terminate_checks_the_expected_number(backend: &Backend) {
    backend.run("create web --count 2 -l env=ci").expect(0);
    backend.run("terminate -l env=ci -y --expect 3").expect(6);
    assert_eq!(backend.alive().len(), 2);
    backend.run("terminate -l env=ci -y --expect 2").expect(0);
    assert_eq!(backend.alive(), []);
}

fn terminate_refuses_protected_vm(backend: &Backend) {
    backend.run("create safe --protect -l env=ci").expect(0);
    backend.run("create other -l env=ci").expect(0);
    let refused = backend.json("terminate safe -y").expect(6);
    assert_eq!(refused.error_kinds(), ["protected"]);
    assert_eq!(backend.alive().len(), 2);
    let partial = backend.json("terminate -l env=ci -y").expect(7);
    assert_eq!(partial.error_kinds(), ["protected"]);
    let alive = backend.alive();
    assert_eq!((alive.len(), alive[0].name.as_str()), (1, "safe"));
}

fn protect_and_unprotect_change_protection(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("create web-2").expect(0);
    let protected = |name: &str| backend.json(&["describe", name]).expect(0).item()["protected"].clone();
    for _ in 0..2 {
        backend.run("protect web-1").expect(0);
        assert_eq!((protected("web-1"), protected("web-2")), (true.into(), false.into()));
    }
    let refused = backend.json("terminate web-1 -y").expect(6);
    assert_eq!(refused.error_kinds(), ["protected"]);
    assert_eq!(backend.alive().len(), 2);
    for _ in 0..2 {
        backend.run("unprotect web-1 web-2").expect(0);
        assert_eq!(protected("web-1"), false);
    }
    backend.run("terminate web-1 -y").expect(0);
    let alive = backend.alive();
    assert_eq!((alive.len(), alive[0].name.as_str()), (1, "web-2"));
    backend.run("protect web-3").expect(3);
}

fn terminate_dry_run_changes_nothing(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let plan = backend.run("terminate web-1 --dry-run -o name").expect(0);
    assert_eq!(plan.stdout, "web-1\n");
    assert_eq!(backend.alive().len(), 1);
}

fn wait_for_terminated(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("terminate web-1 -y").expect(0);
    backend.run("wait web-1 --for terminated").expect(0);
}

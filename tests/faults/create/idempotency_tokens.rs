//! Idempotency tokens: of terminated VMs, of another spec, and of the members of a group.

use std::time::Duration;

use crate::Row;
use crate::process_under_test::{assert_ours, id_of, kill_at, only, only_one_at_all, run_unseen, tokens};
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Fault, Side};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        13 => token_of_a_terminated_vm_is_not_used_again,
        14 => token_mismatch_shows_the_existing_vm,
        15 => old_vm_is_not_returned_for_a_changed_spec,
        16 => group_that_is_incomplete_is_completed,
    ]
}

fn token_of_a_terminated_vm_is_not_used_again(backend: &Backend) {
    let mut dead = Vec::new();
    for life in 0..4 {
        let made = backend.json("create web-1").expect(0);
        let id = id_of(&made);
        assert!(!dead.contains(&id), "life {life} is {id}, and {dead:?} are dead");
        let seen = only_one_at_all(backend, "web-1");
        assert_eq!(seen.id, id);
        assert_eq!(id_of(&backend.json("create web-1").expect(0)), id);
        dead.push(id);
        if life == 1 {
            // Right after it, while it is on its way out.
            backend.run("terminate web-1 -y").expect(0);
            continue;
        }
        backend.run("terminate web-1 -y --wait").expect(0);
        if life == 0 {
            // It is not listed any more, and its token is remembered all the same.
            backend.advance(Duration::from_secs(2 * 3600));
        }
        backend.set_return_terminated(life == 2);
    }
    assert_eq!(backend.alive(), []);
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
    let mut different = tokens(backend, &backend.calls());
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 4, "one token for each life");
}

/// A create of the same name with another spec, whose look-up does not see what is there.
fn another_spec(backend: &Backend) -> Run {
    backend.run("create web-1 -l env=ci").expect(0);
    let before = only_one_at_all(backend, "web-1");
    let other = ["create", "web-1", "-l", "env=ci", "--type", backend.other_type()];
    let run = run_unseen(backend, &other).expect(6);
    assert_eq!(only_one_at_all(backend, "web-1"), before, "unchanged");
    assert_eq!(run.error_kinds(), ["already_exists"]);
    for word in ["web-1", "type", before.id.as_str()] {
        run.expect_in_stderr(word);
    }
    run
}

fn token_mismatch_shows_the_existing_vm(backend: &Backend) {
    another_spec(backend);
}

fn old_vm_is_not_returned_for_a_changed_spec(backend: &Backend) {
    backend.ignore_changed_spec();
    another_spec(backend);
}

fn group_that_is_incomplete_is_completed(backend: &Backend) {
    let group = ["create", "web", "--count", "5"];
    backend.json(&group).expect(0);
    backend.run("terminate web-2 web-4 -y --wait").expect(0);
    // There is room for none of the missing: those that are there are given, and nothing was made.
    let full = backend.errors().no_room_for_group.before();
    backend.inject(Fault::on(backend.operations().create_group, full).times(1));
    let some = backend.json(&group).expect(7);
    let alive = backend.alive();
    assert_eq!((alive.len(), some.items().len()), (3, 3));
    some.expect_in_stderr("web");
    // The next one is killed with some of the missing still missing; the last one fills up.
    let endpoint = backend.open_endpoint();
    let calls = 9;
    let _ = kill_at(backend, &endpoint, &group, calls, Side::After);
    let all = backend.json(&group).expect(0).items();
    assert_eq!(all.len(), 5);
    for (item, number) in all.iter().zip(1..) {
        let seen = only(backend, &format!("web-{number}"));
        assert_eq!(item["id"], seen.id.as_str());
        assert_ours(&seen);
    }
    for old in &alive {
        assert_eq!(only(backend, &old.name).id, old.id);
    }
    assert_eq!(backend.alive().len(), 5);
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
}

//! Listings that do not show a new VM yet.

use std::time::Duration;

use crate::Row;
use crate::process_under_test::{Process, assert_ours, id_of, is_answered, kill_at, only_one_at_all, tokens, until};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::Side;

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        11 => describe_lags_behind_the_create,
        11 => describe_lags_behind_the_create_of_a_killed_run,
    ];
    // Compute Engine's labels are a part of the instance.
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator]; 12 => tags_lag_behind_the_create,]);
    rows
}

const LAG: Duration = Duration::from_secs(60);

fn describe_lags_behind_the_create(backend: &Backend) {
    backend.set_listing_lag(LAG);
    let (first, second) = (backend.open_endpoint(), backend.open_endpoint());
    let create = ["create", "web-1", "-o", "json"];
    let mut one = Process::start(&mut backend.command_through(&first, &create));
    until("the first creates", || is_answered(backend, &first));
    let other = Process::start(&mut backend.command_through(&second, &create));
    until("the second creates", || is_answered(backend, &second));
    // Long enough for several looks that see nothing.
    std::thread::sleep(Duration::from_secs(4));
    assert!(!one.has_ended(), "it waits until it is seen to run");
    backend.advance(LAG);
    let (one, other) = (one.end().expect(0), other.end().expect(0));
    assert_eq!(id_of(&one), id_of(&other));
    assert_eq!(only_one_at_all(backend, "web-1").id, id_of(&one));
    let first = tokens(backend, &first.calls());
    assert_eq!(first.len(), 1, "it never creates again");
    assert_eq!(tokens(backend, &second.calls())[0], first[0]);
}

/// The create is over and done with when the next run comes, and still nothing is to be seen of it for a while.
fn describe_lags_behind_the_create_of_a_killed_run(backend: &Backend) {
    backend.set_transition(Duration::from_millis(20));
    backend.set_listing_lag(Duration::from_secs(25));
    let endpoint = backend.open_endpoint();
    let mut call = 0;
    while backend.alive().is_empty() {
        let gate = kill_at(backend, &endpoint, &["create", "web-1"], call, Side::After);
        assert!(gate.is_some(), "it is killed before it is done");
        call += 1;
    }
    std::thread::sleep(Duration::from_secs(2));
    let first = only_one_at_all(backend, "web-1");
    let again = backend.json("create web-1").expect(0);
    assert_eq!(id_of(&again), first.id);
    assert_eq!(only_one_at_all(backend, "web-1"), first);
}

fn tags_lag_behind_the_create(backend: &Backend) {
    let emulator = backend.ec2();
    emulator.set_tag_lag(LAG);
    let first = backend.json("create web-1").expect(0).item();
    assert_eq!(first["state"], "running");
    assert_eq!((&first["name"], &first["managed"]), (&"web-1".into(), &true.into()));
    let second = backend.json("create web-1").expect(0).item();
    assert_eq!(second["id"], first["id"]);
    let seen = only_one_at_all(backend, "web-1");
    assert_eq!(first["id"], seen.id.as_str());
    assert_ours(&seen);
    emulator.advance(LAG);
    assert_eq!(backend.json("create web-1").expect(0).item()["id"], first["id"]);
}

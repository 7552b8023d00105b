//! `list --watch -o jsonl`, and waits after a change of power.

use std::time::Instant;

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};
use crate::support::event_stream::EventStream;

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        watch_streams_the_life_of_a_vm,
        power_commands_wait_for_their_state,
    ]);
    all.extend(cases![BackendKind::EMULATORS; watch_lists_each_location_once_a_round]);
    all
}

const WATCH: &str = "list --watch --interval 1s -o jsonl";

fn watch_streams_the_life_of_a_vm(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let mut events = EventStream::start(&mut backend.command(WATCH));
    let first = events.until("added", "web-1", "running");
    assert_eq!(text(&first, "provider"), backend.provider());
    backend.run("stop web-1 --wait").expect(0);
    events.until("changed", "web-1", "stopped");
    backend.run("create web-2").expect(0);
    let added = events.until_named("added", "web-2");
    backend.run("terminate web-2 -y --wait").expect(0);
    let removed = events.until_named("removed", "web-2");
    assert_eq!(removed["id"], added["id"]);
    events.end_by("INT").expect(130);
}

fn power_commands_wait_for_their_state(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    for (verb, state) in [("stop", "stopped"), ("start", "running")] {
        let item = backend.json(&format!("{verb} web-1 --wait")).expect(0).item();
        assert_eq!((text(&item, "state"), &item["id"]), (state, &made["id"]), "{verb}");
        assert_eq!(backend.alive()[0].state, state, "{verb}");
    }
    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 stopped").expect(0);
}

fn watch_lists_each_location_once_a_round(backend: &Backend) {
    backend.run("create web --count 5").expect(0);
    let operation = backend.operations().list;
    let before = backend.count(operation);
    backend.run("list").expect(0);
    let calls_of_a_list = backend.count(operation) - before;
    let (before, started) = (backend.count(operation), Instant::now());
    let mut events = EventStream::start(&mut backend.command(WATCH));
    for _ in 0..5 {
        assert_eq!(events.next()["event"], "added");
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    events.end_by("INT").expect(130);
    let rounds = usize::try_from(started.elapsed().as_secs()).expect("seconds") + 1;
    let calls = backend.count(operation) - before;
    assert!(calls > calls_of_a_list, "only one round in {rounds} s");
    assert!(calls <= rounds * calls_of_a_list, "{calls} calls in {rounds} s");
}

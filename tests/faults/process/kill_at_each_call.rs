//! SIGKILL at every HTTP call of a create and of a terminate, and what the next run does.

use std::io::Write;
use std::time::Duration;

use crate::Row;
use crate::process_under_test::{
    Process, assert_ours, calls_of, id_of, is_answered, kill_at, nothing, only, only_ever, only_one_at_all, until,
};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault, Gate, Side};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        1 => kill_before_each_call_then_create,
        2 => kill_after_each_effect_then_adopt,
        3 => kill_before_printing_then_print_the_same_id,
        4 => kill_in_a_terminate_batch_then_finish,
    ]
}

/// Longer than a row lasts: what is made stays unseen until the clock is moved on.
const LAG: Duration = Duration::from_secs(600);

fn quick(backend: &Backend) {
    backend.set_transition(Duration::from_millis(20));
}

fn kill_before_each_call_then_create(backend: &Backend) {
    quick(backend);
    let endpoint = backend.open_endpoint();
    let calls = calls_of(backend, &endpoint, &["create", "learnt"]);
    assert!(calls >= 4, "a create makes {calls} calls");
    for call in 0..calls {
        let name = format!("before-{call}");
        let arguments = ["create", name.as_str()];
        if kill_at(backend, &endpoint, &arguments, call, Side::Before).is_none() {
            continue;
        }
        converges(backend, &name);
    }
    all_are_accounted_for(backend, "before-");
}

/// The next run makes or finds it, and the one after that finds the same.
fn converges(backend: &Backend, name: &str) {
    let second = id_of(&backend.json(&["create", name]).expect(0));
    let third = id_of(&backend.json(&["create", name]).expect(0));
    assert_eq!(second, third);
    let seen = only(backend, name);
    assert_eq!(seen.id, third);
    assert_ours(&seen);
}

fn all_are_accounted_for(backend: &Backend, prefix: &str) {
    for seen in backend.alive() {
        assert!(seen.name == "learnt" || seen.name.starts_with(prefix), "{seen:?}");
    }
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
}

/// The look-up of the next run sees nothing of what the first one made: only the token, or the name, tells.
pub fn kill_after_each_effect_then_adopt(backend: &Backend) {
    quick(backend);
    let (endpoint, next) = (backend.open_endpoint(), backend.open_endpoint());
    let calls = calls_of(backend, &endpoint, &["create", "learnt"]);
    backend.set_listing_lag(LAG);
    for side in [Side::After, Side::InTransit] {
        for call in 0..calls {
            let name = format!("after-{call}-{}", if side == Side::After { "done" } else { "late" });
            let arguments = ["create", name.as_str()];
            let Some(gate) = kill_at(backend, &endpoint, &arguments, call, side) else {
                continue;
            };
            // The next run's create is in flight together with what is still on its way.
            let held = Gate::new(Side::Before);
            next.reset([Fault::on(backend.operations().create, Effect::Hold(held.clone())).times(1)]);
            let again = Process::start(&mut backend.command_through(&next, &["create", &name, "-o", "json"]));
            until("the next run creates", || {
                held.has_arrival_within(Duration::from_millis(50))
            });
            gate.open();
            held.open();
            until("the create is answered", || is_answered(backend, &next));
            backend.advance(LAG + Duration::from_secs(1));
            let second = id_of(&again.end().expect(0));
            let third = id_of(&backend.json(&["create", &name]).expect(0));
            assert_eq!(second, third, "{name}");
            // A second one that made way would be one too many, too.
            let seen = only_ever(backend, &name);
            assert_eq!(seen.id, third, "{name}");
            assert_ours(&seen);
        }
    }
    all_are_accounted_for(backend, "after-");
}

fn kill_before_printing_then_print_the_same_id(backend: &Backend) {
    quick(backend);
    let endpoint = backend.open_endpoint();
    // A pipe that is full, and that nobody reads: the process stops where it prints.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer
        .write_all(&[b' '; 65_536])
        .expect("room for all that a pipe holds");
    let mut command = backend.command_through(&endpoint, "create web-1 -o json");
    let mut process = Process::start_as_it_is(command.stdin(std::process::Stdio::null()).stdout(writer));
    until("it runs", || backend.alive().iter().any(|seen| seen.state == "running"));
    let mut quiet = 0;
    let mut before = 0;
    until("all calls are answered", || {
        std::thread::sleep(Duration::from_millis(100));
        let (calls, is_over) = endpoint.traffic();
        quiet = if is_over && calls == before { quiet + 1 } else { 0 };
        before = calls;
        // Longer than the pause between two looks.
        quiet >= 15
    });
    assert!(!process.has_ended(), "it had somewhere to print to");
    process.kill();
    drop(reader);
    let first = only_one_at_all(backend, "web-1");
    for _ in 0..2 {
        let again = backend.json("create web-1").expect(0);
        assert_eq!(id_of(&again), first.id);
    }
    assert_eq!(only_one_at_all(backend, "web-1"), first);
    assert_eq!(
        backend.count(backend.operations().create),
        0,
        "the next runs created nothing"
    );
}

fn kill_in_a_terminate_batch_then_finish(backend: &Backend) {
    quick(backend);
    let endpoint = backend.open_endpoint();
    backend.run("create spared --count 2 -l batch=spared").expect(0);
    let spared = backend.alive();
    for side in [Side::Before, Side::After] {
        let mut call = 0;
        loop {
            let name = format!("doomed-{call}-{}", if side == Side::After { "after" } else { "before" });
            let label = format!("batch={name}");
            backend
                .run(&["create", &name, "--count", "3", "-l", &label, "--wait", "none"])
                .expect(0);
            let terminate = ["terminate", "-l", &label, "-y", "--wait", "--ignore-not-found"];
            let was_killed = kill_at(backend, &endpoint, &terminate, call, side).is_some();
            if was_killed {
                backend.run(&terminate).expect(0);
            }
            let mut alive = backend.alive();
            alive.sort_by(|one, other| one.name.cmp(&other.name));
            assert_eq!(alive, spared, "killed at call {call}, {side:?}");
            assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
            if !was_killed {
                break;
            }
            call += 1;
        }
        assert!(call >= 3, "a terminate makes {call} calls");
    }
    backend.run("terminate -l batch=spared -y --wait").expect(0);
    nothing(backend);
}

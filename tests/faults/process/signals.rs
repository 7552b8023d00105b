//! Signals to the running process.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Row;
use crate::background_command::{Running, wait_for_calls};
use crate::seed_instances::{own, seed};
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        45 => ctrl_c_after_an_unanswered_create,
        45 => ctrl_c_before_the_create_arrives,
        45 => ctrl_c_before_the_answer_arrives,
        45 => ctrl_c_without_any_answer,
        45 => ctrl_c_before_the_create,
        45 => ctrl_c_during_wait,
        45 => ctrl_c_during_several_creates,
        45 => ctrl_c_during_terminate_call,
        45 => ctrl_c_during_bulk_terminate,
        45 => ctrl_c_at_any_moment,
        46 => second_ctrl_c_exits_at_once,
        47 => sigterm_and_ten_seconds_later_sigkill,
        47 => sigterm_before_the_create,
    ]
}

/// Time for what was sent to be heard.
const MOMENT: Duration = Duration::from_millis(200);
const IN_TIME: Duration = Duration::from_millis(5_500);

/// Sends the signal, and gives the run, which ends in time.
fn signal(running: Running, name: &str) -> Run {
    running.signal(name);
    let sent = Instant::now();
    let run = running.end();
    let took = sent.elapsed();
    assert!(took < IN_TIME, "{took:?} after SIG{name}: {}", run.stderr);
    run
}

/// A create whose create call is struck, at that call.
fn create_in_flight(backend: &Backend, effect: Effect) -> Running {
    backend.inject(Fault::on(backend.operations().create, effect).times(1));
    let running = Running::json(backend, &["create", "web-1"]);
    wait_for_calls(backend, backend.operations().create, 1);
    sleep(MOMENT);
    running
}

/// The run printed the one VM that is there, and the next run finds it.
fn assert_named_and_adopted(backend: &Backend, run: &Run) {
    assert_eq!(run.code, 8, "{}", run.stderr);
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!(run.item()["id"], alive[0].id.as_str(), "{}", run.stderr);
    assert_found_or_made(backend);
    assert_eq!(backend.alive()[0].id, alive[0].id);
}

fn assert_found_or_made(backend: &Backend) {
    assert!(backend.alive().len() <= 1);
    backend.clear_faults();
    let made = backend.json("create web-1").expect(0).item();
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!(made["id"], alive[0].id.as_str());
}

fn ctrl_c_after_an_unanswered_create(backend: &Backend) {
    let run = signal(create_in_flight(backend, Effect::HangAfter), "INT");
    assert_named_and_adopted(backend, &run);
}

fn ctrl_c_before_the_create_arrives(backend: &Backend) {
    let run = signal(create_in_flight(backend, Effect::HangBefore), "INT").expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    assert_eq!(run.items(), Vec::<serde_json::Value>::new());
    assert_eq!(backend.alive(), []);
    assert_found_or_made(backend);
}

fn ctrl_c_before_the_answer_arrives(backend: &Backend) {
    let run = signal(create_in_flight(backend, Effect::Delay(Duration::from_secs(2))), "INT");
    assert_named_and_adopted(backend, &run);
}

fn ctrl_c_without_any_answer(backend: &Backend) {
    let running = create_in_flight(backend, Effect::HangAfter);
    backend.inject(Fault::on_all(Effect::HangBefore));
    let run = signal(running, "INT").expect(8);
    run.expect_in_stderr("hint: ");
    assert_eq!(backend.alive().len(), 1);
    assert_found_or_made(backend);
}

fn ctrl_c_before_the_create(backend: &Backend) {
    backend.inject(Fault::on(backend.operations().list, Effect::HangBefore).times(1));
    let running = Running::json(backend, &["create", "web-1"]);
    wait_for_calls(backend, backend.operations().list, 1);
    sleep(MOMENT);
    running.signal("INT");
    let sent = Instant::now();
    running.end().expect(130);
    assert!(sent.elapsed() < Duration::from_secs(1), "nothing is to be settled");
    assert_eq!(backend.count(backend.operations().create), 0);
    assert_eq!(backend.alive(), []);
    assert_found_or_made(backend);
}

fn ctrl_c_during_wait(backend: &Backend) {
    backend.set_transition(Duration::from_secs(3_600));
    let running = Running::json(backend, &["create", "web-1"]);
    wait_for_calls(backend, backend.operations().create, 1);
    sleep(Duration::from_secs(2));
    let run = signal(running, "INT").expect(8);
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!(run.item()["id"], alive[0].id.as_str(), "{}", run.stderr);
}

/// Of several some are there, one is in flight, and others were not begun: none of those is begun any more.
fn ctrl_c_during_several_creates(backend: &Backend) {
    let call = backend.operations().create;
    backend.inject(Fault::on(call, Effect::HangAfter).skip(20).times(1));
    backend.inject(Fault::on(call, Effect::Delay(Duration::from_millis(500))));
    // VMs of a file are made by a call each.
    let several: String = (1..=60)
        .map(|number| format!("[[vm]]\nname = \"ci-{number}\"\n"))
        .collect();
    let file = backend.sandbox.write("several.toml", &several);
    let all = ["create", "-f", &file, "--wait", "none"];
    let running = Running::json(backend, &all);
    wait_for_calls(backend, call, 22);
    let run = signal(running, "INT").expect(8);
    let alive: Vec<_> = backend.alive().into_iter().map(|one| one.id).collect();
    let printed: Vec<_> = run
        .items()
        .iter()
        .map(|item| item["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(alive.len() < 60, "all were made");
    for id in &printed {
        assert!(alive.contains(id), "{id} is not there");
    }
    for id in &alive {
        assert!(printed.contains(id), "{id} was not printed: {}", run.stderr);
    }
    backend.clear_faults();
    backend.run(&all).expect(0);
    assert_eq!(backend.alive().len(), 60);
}

fn ctrl_c_during_terminate_call(backend: &Backend) {
    let call = backend.operations().terminate;
    for (number, effect) in [Effect::HangAfter, Effect::HangBefore].into_iter().enumerate() {
        let name = format!("web-{number}");
        let id = seed(backend, &name, &own(&name));
        let other = seed(backend, "other", &own("other"));
        let before = backend.count(call);
        backend.inject(Fault::on(call, effect).times(1));
        let running = Running::json(backend, &["terminate", &name, "-y"]);
        wait_for_calls(backend, call, before + 1);
        sleep(MOMENT);
        let run = signal(running, "INT").expect(8);
        assert_eq!(run.error_kinds(), ["unknown_outcome"]);
        run.expect_in_stderr(&id);
        backend
            .run(&["terminate", &name, "-y", "--ignore-not-found", "--wait"])
            .expect(0);
        let alive: Vec<_> = backend.alive().into_iter().map(|one| one.id).collect();
        assert_eq!(alive, [other.as_str()]);
        backend.run("terminate other -y --wait").expect(0);
    }
}

/// What is under way comes to its end and is told; nothing else is begun, and that is told too.
fn ctrl_c_during_bulk_terminate(backend: &Backend) {
    const ALL: usize = 1_000;
    let labels = |name: &str| {
        let mut labels = own(name);
        labels.insert("env".to_owned(), "ci".to_owned());
        labels
    };
    backend.seed_many(backend.home_zone(), ALL, &labels);
    let call = backend.operations().terminate;
    backend.inject(Fault::on(call, Effect::Delay(Duration::from_millis(900))));
    let terminate = ["terminate", "-l", "env=ci", "-y", "--expect", "1000"];
    let running = Running::json(backend, &terminate);
    wait_for_calls(backend, call, 3);
    sleep(MOMENT);
    running.signal("INT");
    let begun = backend.count(call);
    let run = running.end().expect(7);
    let late = backend.count(call) - begun;
    // On a busy machine calls arrive late. A run that went on would end all VMs on EC2, and send 60 calls to Compute
    // Engine in its grace period.
    assert!(late <= 20, "{late} calls were sent after the signal");
    let alive: BTreeSet<String> = backend.alive().into_iter().map(|one| one.id).collect();
    let ended = run.items().len();
    assert!(ended > 0 && !alive.is_empty(), "{ended} of {ALL}");
    assert_eq!(ended + alive.len(), ALL);
    for item in run.items() {
        assert!(!alive.contains(item["id"].as_str().unwrap_or_default()), "{item}");
    }
    let errors = run.json()["errors"].as_array().cloned().unwrap_or_default();
    assert_eq!(errors.len(), alive.len());
    for error in errors {
        assert_eq!(error["kind"], "interrupted", "{error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(alive.iter().any(|id| message.contains(id.as_str())), "{message}");
    }
}

/// Wherever it strikes: 130 means that nothing was made, 0 that it is there, 8 that it may be. `CLOUDCTL_SIGNALS=200`
/// sends more of them.
fn ctrl_c_at_any_moment(backend: &Backend) {
    let mut random = fastrand::Rng::with_seed(45);
    let started = Instant::now();
    backend.run("create first").expect(0);
    let whole = started.elapsed().max(Duration::from_millis(500));
    backend.run("terminate first -y --wait").expect(0);
    let (mut before, mut unknown, mut done) = (0, 0, 0);
    let asked = std::env::var("CLOUDCTL_SIGNALS");
    let rounds: u32 = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    for _ in 0..rounds {
        let running = Running::json(backend, &["create", "web-1"]);
        let moment = whole.mul_f64(random.f64());
        sleep(moment);
        let name = if random.bool() { "INT" } else { "TERM" };
        let run = signal(running, name);
        let alive = backend.alive();
        let printed = || run.items().iter().any(|item| item["id"] == alive[0].id.as_str());
        match run.code {
            // By the system itself, before the first call.
            130 | 143 | -2 | -15 => {
                assert_eq!(alive, [], "after {moment:?}: {}", run.stderr);
                before += 1;
            }
            8 => {
                assert!(alive.len() <= 1);
                assert!(alive.is_empty() || printed(), "after {moment:?}: {}", run.stderr);
                unknown += 1;
            }
            0 => {
                assert!(alive.len() == 1 && printed(), "after {moment:?}: {}", run.stderr);
                done += 1;
            }
            other => panic!("{other} after {moment:?}: {}", run.stderr),
        }
        assert_found_or_made(backend);
        backend.run("terminate web-1 -y --wait").expect(0);
    }
    println!(
        "{}: {rounds} signals: {before} before anything was made, {unknown} in flight or waiting, {done} too late",
        backend.kind.name()
    );
}

fn second_ctrl_c_exits_at_once(backend: &Backend) {
    for (effect, second, code) in [
        (Effect::HangAfter, "INT", 130),
        (Effect::HangBefore, "INT", 130),
        (Effect::HangAfter, "TERM", 143),
    ] {
        let running = {
            let calls = backend.count(backend.operations().create);
            backend.inject(Fault::on(backend.operations().create, effect).times(1));
            let running = Running::json(backend, &["create", "web-1"]);
            wait_for_calls(backend, backend.operations().create, calls + 1);
            sleep(MOMENT);
            running
        };
        running.signal("INT");
        sleep(MOMENT);
        running.signal(second);
        let sent = Instant::now();
        let run = running.end().expect(code);
        assert!(sent.elapsed() < Duration::from_secs(1), "{}", run.stderr);
        // As after a kill: the next run finds what is there.
        assert_found_or_made(backend);
        backend.run("terminate web-1 -y --wait").expect(0);
    }
}

/// What a container's stop does; the second signal meets nobody.
fn sigterm_and_ten_seconds_later_sigkill(backend: &Backend) {
    let run = signal(create_in_flight(backend, Effect::HangAfter), "TERM");
    assert_named_and_adopted(backend, &run);
    backend.run("terminate web-1 -y --wait").expect(0);
    let calls = backend.count(backend.operations().create);
    backend.inject(Fault::on(backend.operations().create, Effect::HangBefore).times(1));
    let running = Running::json(backend, &["create", "web-1"]);
    wait_for_calls(backend, backend.operations().create, calls + 1);
    sleep(MOMENT);
    signal(running, "TERM").expect(8);
    assert_eq!(backend.alive(), []);
    assert_found_or_made(backend);
}

fn sigterm_before_the_create(backend: &Backend) {
    backend.inject(Fault::on(backend.operations().list, Effect::HangBefore).times(1));
    let running = Running::json(backend, &["create", "web-1"]);
    wait_for_calls(backend, backend.operations().list, 1);
    sleep(MOMENT);
    signal(running, "TERM").expect(143);
    assert_eq!(backend.alive(), []);
    assert_found_or_made(backend);
}

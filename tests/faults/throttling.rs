//! Clouds that throttle calls.

use std::time::{Duration, Instant};

use crate::Row;
use crate::background_command::Running;
use crate::seed_instances::{alive_ids, own, seed};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::Fault;

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        32 => throttled_half_of_the_calls_still_succeeds,
        33 => throttled_calls_end_in_time,
        33 => throttled_changes_end_in_time,
    ]
}

/// So many VMs by one command. `CLOUDCTL_THROTTLED_CREATES=200` makes more.
fn throttled_half_of_the_calls_still_succeeds(backend: &Backend) {
    const WINDOW: Duration = Duration::from_secs(60);
    let asked = std::env::var("CLOUDCTL_THROTTLED_CREATES");
    let count: usize = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    // Half of them in all, of either kind.
    let errors = backend.errors();
    for (probability, error) in [(0.25, errors.throttled), (1.0 / 3.0, errors.throttled_newer)] {
        let fault = Fault::on_all(error.before());
        backend.inject(fault.probability(probability).lasting(WINDOW));
    }
    let started = Instant::now();
    let expected = count.to_string();
    let run = backend.run(&["create", "ci", "--count", &expected, "--wait", "none", "-q"]);
    let seconds = started.elapsed().as_secs();
    let statuses: Vec<_> = backend.calls().iter().filter_map(|call| call.status).collect();
    let wasted = statuses
        .iter()
        .filter(|status| matches!(status, 403 | 429 | 503))
        .count();
    let useful = statuses.len() - wasted;
    println!(
        "{}: {count} creates under 50 % throttling: {} VMs, {useful} useful calls, {wasted} throttled, {seconds} s",
        backend.kind.name(),
        backend.alive().len(),
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), count);
    let mut names: Vec<_> = backend.alive().into_iter().map(|one| one.name).collect();
    names.sort();
    let mut every: Vec<_> = (1..=count).map(|number| format!("ci-{number}")).collect();
    every.sort();
    assert_eq!(names, every);
    assert!(seconds <= 180, "{seconds} s");
    assert!(wasted > 0, "nothing was throttled");
    assert!(
        wasted as f64 <= 2.5 * useful as f64,
        "{wasted} calls were wasted on {useful}"
    );
}

/// How long a command may hold on.
const PATIENCE: Duration = Duration::from_secs(80);

fn throttled_calls_end_in_time(backend: &Backend) {
    seed(backend, "web-1", &own("web-1"));
    let before = alive_ids(backend);
    backend.inject(Fault::on_all(backend.errors().throttled.before()));
    give_up(
        backend,
        &[
            &["create", "web-2"],
            &["list", "-r", backend.home_region()],
            &["terminate", "web-1", "-y", "-r", backend.home_region()],
        ],
    );
    assert_eq!(alive_ids(backend), before);
}

fn throttled_changes_end_in_time(backend: &Backend) {
    seed(backend, "web-1", &own("web-1"));
    let before = alive_ids(backend);
    for call in [backend.operations().create, backend.operations().terminate] {
        backend.inject(Fault::on(call, backend.errors().throttled_newer.before()));
    }
    give_up(backend, &[&["create", "web-2"], &["terminate", "web-1", "-y"]]);
    assert_eq!(alive_ids(backend), before);
    // It was not for nothing that they tried, and they did not hammer.
    for call in [backend.operations().create, backend.operations().terminate] {
        let calls = backend.count(call);
        assert!((4..=40).contains(&calls), "{calls} calls of {call}");
    }
    backend.clear_faults();
    backend.run("create web-2").expect(0);
    backend.run("terminate web-1 -y").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

/// Runs them side by side; each says in time that nothing was done.
fn give_up(backend: &Backend, commands: &[&[&str]]) {
    let started = Instant::now();
    let running: Vec<_> = commands
        .iter()
        .map(|arguments| (arguments, Running::json(backend, arguments)))
        .collect();
    for (arguments, running) in running {
        let run = running.end();
        assert_eq!(run.code, 9, "{arguments:?}: {}\n{}", run.stdout, run.stderr);
        assert_eq!(run.error_kinds(), ["throttled"], "{arguments:?}");
        assert!(started.elapsed() < PATIENCE, "{arguments:?}");
    }
}

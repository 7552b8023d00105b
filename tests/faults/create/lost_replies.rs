//! Answers that are lost, late, damaged, or errors.

use std::time::Duration;

use crate::Row;
use crate::process_under_test::{Process, assert_ours, id_of, nothing, only, only_one_at_all, tokens, until};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        5 => reset_after_the_effect_is_replayed,
        6 => reset_on_every_attempt_is_unknown,
        6 => reset_on_every_attempt_names_what_is_seen,
        7 => no_answer_is_replayed,
        8 => damaged_answer_is_replayed,
        9 => error_with_effect_is_replayed,
        10 => error_without_effect_is_retried,
    ]
}

pub fn reset_after_the_effect_is_replayed(backend: &Backend) {
    backend.inject(Fault::on(backend.operations().create, Effect::ResetAfter).times(2));
    let run = backend.json("create web-1").expect(0);
    assert_eq!(only_one_at_all(backend, "web-1").id, id_of(&run));
    let tokens = tokens(backend, &backend.calls());
    assert_eq!(tokens.len(), 3);
    assert!(
        !tokens[0].is_empty() && tokens.iter().all(|token| *token == tokens[0]),
        "{tokens:?}"
    );
}

fn reset_on_every_attempt_is_unknown(backend: &Backend) {
    // One is cut off from everything, the other one from its create alone, and its look-up sees nothing yet.
    backend.set_listing_lag(Duration::from_secs(600));
    let endpoints = [backend.open_endpoint(), backend.open_endpoint()];
    let names = ["cut-off", "unseen"];
    let processes: Vec<_> = endpoints
        .iter()
        .zip(names)
        .map(|(endpoint, name)| {
            endpoint.reset([Fault::on(backend.operations().create, Effect::ResetAfter)]);
            Process::start(&mut backend.command_through(endpoint, &["create", name, "-o", "json"]))
        })
        .collect();
    until("it creates", || endpoints[0].count(backend.operations().create) > 0);
    endpoints[0].inject(Fault::on_all(Effect::ResetAfter));
    for (process, name) in processes.into_iter().zip(names) {
        let run = process.end().expect(8);
        assert_eq!(run.error_kinds(), ["unknown_outcome"], "{name}");
        run.expect_in_stderr("hint: ");
        assert_ours(&only(backend, name));
    }
    for endpoint in &endpoints {
        let tokens = tokens(backend, &endpoint.calls());
        assert!(
            tokens.len() > 3 && tokens.iter().all(|token| *token == tokens[0]),
            "{tokens:?}"
        );
    }
    backend.advance(Duration::from_secs(601));
    for name in names {
        let id = only(backend, name).id;
        assert_eq!(id_of(&backend.json(&["create", name]).expect(0)), id);
        assert_eq!(only(backend, name).id, id);
    }
    assert_eq!(backend.alive().len(), names.len());
}

/// What the look-up sees is reported: its id is on stdout.
fn reset_on_every_attempt_names_what_is_seen(backend: &Backend) {
    backend.inject(Fault::on(backend.operations().create, Effect::ResetAfter));
    let run = backend.json("create seen").expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    let made = only(backend, "seen");
    assert_ours(&made);
    assert_eq!(run.item()["id"], made.id.as_str());
    backend.clear_faults();
    assert_eq!(id_of(&backend.json("create seen").expect(0)), made.id);
    assert_eq!(backend.alive().len(), 1);
}

/// Both at once, for an attempt takes half a minute to be given up.
fn no_answer_is_replayed(backend: &Backend) {
    each(
        backend,
        [
            (
                "with-effect",
                Fault::on(backend.operations().create, Effect::HangAfter).times(1),
                &[0],
            ),
            (
                "without",
                Fault::on(backend.operations().create, Effect::HangBefore).times(1),
                &[0],
            ),
        ],
    );
}

fn damaged_answer_is_replayed(backend: &Backend) {
    each(
        backend,
        [
            (
                "truncated",
                Fault::on(backend.operations().create, Effect::Truncate).times(2),
                &[0],
            ),
            (
                "garbage",
                Fault::on(backend.operations().create, Effect::Garbage).times(2),
                &[0],
            ),
            (
                "always",
                Fault::on(backend.operations().create, Effect::Garbage),
                &[0, 8],
            ),
        ],
    );
}

fn error_with_effect_is_replayed(backend: &Backend) {
    let [internal, unavailable] = [backend.errors().internal, backend.errors().unavailable];
    each(
        backend,
        [
            (
                "internal",
                Fault::on(backend.operations().create, internal.after()).times(2),
                &[0],
            ),
            (
                "unavailable",
                Fault::on(backend.operations().create, unavailable.after()).times(2),
                &[0],
            ),
        ],
    );
}

/// Creates one VM for each fault, all at once; each ends in one of these codes, and with one VM.
fn each<const N: usize>(backend: &Backend, cases: [(&str, Fault, &[i32]); N]) {
    let started = cases.map(|(name, fault, codes)| {
        let endpoint = backend.open_endpoint();
        endpoint.reset([fault]);
        let process = Process::start(&mut backend.command_through(&endpoint, &["create", name, "-o", "json"]));
        (name, codes, endpoint, process)
    });
    for (name, codes, endpoint, process) in started {
        let run = process.end();
        assert!(
            codes.contains(&run.code),
            "{name}: exit code {}\n{}",
            run.code,
            run.stderr
        );
        let seen = only(backend, name);
        assert_ours(&seen);
        if run.code == 0 {
            assert_eq!(id_of(&run), seen.id);
        }
        let tokens = tokens(backend, &endpoint.calls());
        assert!(tokens.len() > 1, "{name}: it was replayed");
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{name}: {tokens:?}");
    }
    assert_eq!(backend.alive().len(), N);
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
}

fn error_without_effect_is_retried(backend: &Backend) {
    let failure = || backend.errors().internal.before();
    let endpoint = backend.open_endpoint();
    endpoint.reset([Fault::on(backend.operations().create, failure())]);
    let lasting = Process::start(&mut backend.command_through(&endpoint, "create lasting -o json"));
    backend.inject(Fault::on(backend.operations().create, failure()).times(3));
    backend.run("create passing").expect(0);
    only(backend, "passing");
    backend.run("terminate passing -y --wait").expect(0);

    let run = lasting.end();
    assert!(endpoint.count(backend.operations().create) > 3, "it was retried");
    let run = run.expect(9);
    assert_eq!(run.error_kinds(), ["network"], "{}", run.stderr);
    nothing(backend);
    let again = backend.json("create lasting").expect(0);
    assert_eq!(only_one_at_all(backend, "lasting").id, id_of(&again));
}

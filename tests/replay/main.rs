//! The guard for a change of the inside: what the binary prints, its exit codes and what it stores stay as they are.
//!
//! `corpus/*.txt` holds recorded command lines, and `wording/*.txt` the texts of messages, which may be reworded.
//! Both are written by `REPLAY=record cargo test --test replay`. Without it the binary is compared with the corpus, and
//! `REPLAY=wording cargo test --test replay -- --nocapture` lists the messages that read differently now.
//! `REPLAY_ONLY=text` takes only the scenarios whose file or name contains the text.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod additions;
#[path = "../support/command_line.rs"]
mod command_line;
mod compare;
mod contract_parts;
mod emulated_clouds;
mod normalize;
mod recorded_scenarios;
#[path = "../support/sandbox.rs"]
mod sandbox;
mod scenario_run;
mod stored_data;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use recorded_scenarios::Scenario;
use scenario_run::StepResult;

/// Scenarios mostly wait for the mock cloud's clock, so there are more of them at once than processors.
const WORKERS: usize = 8;

struct Job {
    file: String,
    scenario: Scenario,
    results: Vec<StepResult>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay").join(name)
}

fn read_jobs() -> Vec<Job> {
    let only = std::env::var("REPLAY_ONLY").unwrap_or_default();
    let mut files: Vec<_> = std::fs::read_dir(folder("corpus"))
        .expect("the corpus")
        .map(|entry| entry.expect("a file of the corpus").path())
        .collect();
    files.sort();
    let mut jobs = Vec::new();
    for path in files {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a file of the corpus");
        for scenario in recorded_scenarios::parse(&file, &text) {
            if file.contains(&only) || scenario.name.contains(&only) {
                jobs.push(Job {
                    file: file.clone(),
                    scenario,
                    results: Vec::new(),
                });
            }
        }
    }
    jobs
}

/// Runs all scenarios, several at once, and gives them back in their order.
fn run_all(jobs: Vec<Job>) -> Vec<Job> {
    let slots: Vec<Mutex<Job>> = jobs.into_iter().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut job = slot.lock().expect("a scenario");
                    job.results = scenario_run::run_scenario(&job.scenario);
                }
            });
        }
    });
    slots
        .into_iter()
        .map(|slot| slot.into_inner().expect("a scenario"))
        .collect()
}

#[test]
fn command_lines_do_what_was_recorded() {
    let jobs = run_all(read_jobs());
    assert!(!jobs.is_empty(), "no scenario has this name");
    let mode = std::env::var("REPLAY").unwrap_or_default();
    match mode.as_str() {
        "record" => record(&jobs),
        "wording" => list_wording(&jobs),
        "" => compare_all(&jobs),
        other => panic!("REPLAY={other}: use record or wording"),
    }
}

fn record(jobs: &[Job]) {
    assert!(
        std::env::var("REPLAY_ONLY").is_err(),
        "files are recorded as a whole: unset REPLAY_ONLY"
    );
    for chunk in jobs.chunk_by(|one, other| one.file == other.file) {
        let scenarios: Vec<_> = chunk
            .iter()
            .map(|job| (&job.scenario, job.results.as_slice()))
            .collect();
        let file = &chunk[0].file;
        std::fs::write(folder("corpus").join(file), recorded_scenarios::write(&scenarios))
            .expect("the corpus is written");
        std::fs::write(
            folder("wording").join(file),
            recorded_scenarios::write_wording(&scenarios),
        )
        .expect("the wording is written");
    }
}

fn compare_all(jobs: &[Job]) {
    let mut differences = Vec::new();
    for job in jobs {
        for (index, (step, result)) in job.scenario.steps.iter().zip(&job.results).enumerate() {
            let (expected, actual) = (&step.expected, &result.printed);
            if expected != actual
                && !contract_parts::is_help_with_additions(&step.title(), expected, actual)
                && !additions::is_same_or_has_additions(expected, actual)
            {
                differences.push(format!(
                    "{}: scenario `{}`, step {}: {}\n{}",
                    job.file,
                    job.scenario.name,
                    index + 1,
                    step.title(),
                    compare::difference(step.line, expected, actual)
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{}\n{} of {} steps differ; - is what was recorded, + is what the binary does now",
        differences.join("\n"),
        differences.len(),
        jobs.iter().map(|job| job.results.len()).sum::<usize>()
    );
}

fn list_wording(jobs: &[Job]) {
    let mut count = 0;
    for chunk in jobs.chunk_by(|one, other| one.file == other.file) {
        let file = &chunk[0].file;
        let text = std::fs::read_to_string(folder("wording").join(file)).unwrap_or_default();
        let recorded = recorded_scenarios::parse_wording(&text);
        for job in chunk {
            for (index, (step, result)) in job.scenario.steps.iter().zip(&job.results).enumerate() {
                let old = recorded.get(&(job.scenario.name.clone(), index + 1));
                let old = old.map(Vec::as_slice).unwrap_or_default();
                if old != result.wording {
                    count += 1;
                    println!("{file}: scenario `{}`: {}", job.scenario.name, step.title());
                    println!("{}", compare::difference(0, old, &result.wording));
                }
            }
        }
    }
    println!("{count} steps have other texts; - is what was recorded, + is what the binary says now");
}

//! The fault matrix: what goes wrong, what cloudctl does about it, and what is true of the cloud afterwards. Each row is
//! a test, `row_05_…::ec2-emulator`; a fault is injected by an emulator, over real HTTP, and what is asserted is the
//! exit code and the emulator's own state.
//!
//! One row: `cargo test --test faults -- row_05`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod background_command;
mod create;
mod credentials;
mod list;
mod process;
mod process_under_test;
mod seed_instances;
mod terminate;
mod throttling;
mod wrong_clock;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use support::backends::{Backend, BackendKind};

/// A row of the matrix, and the backends that it is about.
pub struct Row {
    pub number: u8,
    pub name: &'static str,
    pub run: fn(&Backend),
    pub on: &'static [BackendKind],
}

/// Rows as `number => function` on the given backends.
#[macro_export]
macro_rules! rows {
    ($on:expr; $($number:literal => $row:path,)*) => {
        vec![$($crate::Row { number: $number, name: stringify!($row), run: $row, on: $on },)*]
    };
}

/// How many rows the matrix has.
const ROWS: u8 = 65;
/// What takes both cores for a while. It comes after the others, of which some are about seconds.
const HEAVY: &[&str] = &[
    "row_01_random_kill_points",
    "row_41_fifty_thousand_vms",
    "row_52_fifty_processes",
    "row_60_",
];

fn rows() -> Vec<Row> {
    [
        wrong_clock::rows(),
        create::rows(),
        credentials::rows(),
        list::rows(),
        process::rows(),
        terminate::rows(),
        throttling::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    // A failure is reported once, with its row; not also where it happens.
    std::panic::set_hook(Box::new(|_| {}));
    let mut arguments = Arguments::from_args();
    // Most of a row is waiting for a cloud, so there can be more of them than cores.
    arguments.test_threads.get_or_insert(12);
    let rows = rows();
    let covered: BTreeSet<u8> = rows.iter().map(|row| row.number).collect();
    let mut trials = vec![Trial::test("matrix_has_a_test_for_every_row", move || {
        let missing: Vec<u8> = (1..=ROWS).filter(|number| !covered.contains(number)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("no test for {missing:?}").into())
        }
    })];
    trials.push(Trial::test("checks_fail_without_tokens", guard));
    for row in rows {
        let name = row.name.rsplit("::").next().unwrap_or_default();
        for backend in row.on {
            let (run, kind) = (row.run, *backend);
            let name = format!("row_{:02}_{name}::{}", row.number, backend.name());
            trials.push(Trial::test(name, move || check(|| run_row(run, kind))));
        }
    }
    let is_heavy = |trial: &Trial| HEAVY.iter().any(|start| trial.name().starts_with(start));
    let (heavy, light): (Vec<_>, Vec<_>) = trials.into_iter().partition(is_heavy);
    let light = libtest_mimic::run(&arguments, light);
    arguments.test_threads = arguments.test_threads.map(|threads| threads.min(2));
    if light.has_failed() || heavy.is_empty() {
        return light.exit_code();
    }
    libtest_mimic::run(&arguments, heavy).exit_code()
}

/// With the tokens switched off in the emulator, as if every request had another one, the checks of the rows 2, 5 and 52
/// must go red. On Compute Engine there is no such test: it is the name that guards there, and it cannot be switched off.
fn guard() -> Result<(), Failed> {
    let rows = rows![BackendKind::EMULATORS;
        2 => process::kill_at_each_call::kill_after_each_effect_then_adopt,
        5 => create::lost_replies::reset_after_the_effect_is_replayed,
        52 => create::races::fifty_processes_create_one,
    ];
    for Row { number, run, .. } in rows {
        let backend = Backend::start(BackendKind::Ec2Emulator);
        backend.ec2().forget_client_tokens();
        let Err(failed) = check(|| run(&backend)) else {
            return Err(format!("row {number} is green without tokens").into());
        };
        // Red for the right reason: there were several, whichever of them made way since.
        if backend.instances().len() < 2 {
            return Err(format!("row {number} is red without a second VM: {:?}", failed.message()).into());
        }
    }
    Ok(())
}

fn run_row(run: fn(&Backend), kind: BackendKind) {
    let backend = Backend::start(kind);
    run(&backend);
    backend.check_violations();
}

/// Runs a check, and gives its panic as a failure.
fn check(run: impl FnOnce()) -> Result<(), Failed> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without words".to_owned()).into()
    })
}

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

mod clocks;
mod credentials;
mod deletes;
mod guard;
mod listings;
mod metadata;
mod running;
mod seeds;
mod signals;
mod streams;
mod throttling;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use support::backend::{Backend, BackendKind};

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

fn rows() -> Vec<Row> {
    [
        clocks::rows(),
        credentials::rows(),
        deletes::rows(),
        guard::rows(),
        listings::rows(),
        metadata::rows(),
        signals::rows(),
        streams::rows(),
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
    let mut trials = vec![Trial::test("every_row_of_the_matrix_has_a_test", move || {
        let missing: Vec<u8> = (1..=ROWS).filter(|number| !covered.contains(number)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("no test for {missing:?}").into())
        }
    })];
    for row in rows {
        let name = row.name.rsplit("::").next().unwrap_or_default();
        for backend in row.on {
            let (run, kind) = (row.run, *backend);
            let name = format!("row_{:02}_{name}::{}", row.number, backend.name());
            trials.push(Trial::test(name, move || check(|| run_row(run, kind))));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run_row(run: fn(&Backend), kind: BackendKind) {
    let backend = Backend::start(kind);
    run(&backend);
    backend.check_honesty();
}

/// Runs a check, and gives its panic as a failure.
fn check(run: impl FnOnce()) -> Result<(), Failed> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without words".to_owned()).into()
    })
}

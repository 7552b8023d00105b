//! Cases × backends: every case runs, through the real binary and over real HTTP, on every backend, so that no case
//! can be forgotten for a driver. Each is named `case::backend`.
//!
//! A backend's known gap is a strict expected failure: it is named below with its reason, and the day it is closed
//! the case says so by failing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod driver;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use support::backends::{Backend, BackendKind};

/// A case, and the backends that it makes sense for.
pub struct Case {
    pub name: &'static str,
    pub run: fn(&Backend),
    pub on: &'static [BackendKind],
}

/// Cases that fail on a backend for a reason that lies with the backend.
const KNOWN_GAPS: &[(&str, BackendKind, &str)] = &[(
    "terminate_refuses_protected_vm",
    BackendKind::Moto,
    "moto ignores DisableApiTermination at launch: \
     https://github.com/getmoto/moto/blob/5.2.5/moto/ec2/models/instances.py",
)];

fn main() -> ExitCode {
    if driver::main() {
        return ExitCode::SUCCESS;
    }
    // A failure is reported once, with its case; not also where it happens.
    std::panic::set_hook(Box::new(|_| {}));
    let mut arguments = Arguments::from_args();
    // Most of a case is waiting for a cloud, so there can be more of them than cores.
    arguments.test_threads.get_or_insert(8);
    let mut trials = Vec::new();
    for case in cases::all() {
        for backend in case.on {
            let name = format!("{}::{}", case.name, backend.name());
            let gap = KNOWN_GAPS
                .iter()
                .find(|gap| gap.0 == case.name && gap.1 == *backend)
                .map(|gap| gap.2);
            let (run, kind) = (case.run, *backend);
            trials.push(Trial::test(name, move || check(run, kind, gap)));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::clouds::moto::Moto::stop();
    conclusion.exit_code()
}

fn check(run: fn(&Backend), kind: BackendKind, gap: Option<&str>) -> Result<(), Failed> {
    let backend = Backend::start(kind);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        run(&backend);
        backend.check_violations();
    }));
    match (outcome, gap) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(reason)) => Err(format!("the known gap is closed, take it off the list: {reason}").into()),
        (Err(panic), None) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(text.unwrap_or_else(|| "a panic without words".to_owned()).into())
        }
    }
}

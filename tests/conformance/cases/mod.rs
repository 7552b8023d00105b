//! The cases, sorted by what they are about.

mod access;
mod catalog;
mod create;
mod errors;
mod instances;
mod network;

use serde_json::Value;

use crate::Case;
use crate::support::backends::{Backend, BackendKind};

/// A case for the given backends.
macro_rules! cases {
    ($on:expr; $($run:ident),* $(,)?) => {
        [$(crate::Case { name: stringify!($run), run: $run, on: $on },)*]
    };
}
use cases;

pub fn all() -> Vec<Case> {
    let all: Vec<Case> = [
        access::cases(),
        create::cases(),
        instances::cases(),
        network::cases(),
        catalog::cases(),
        errors::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(
        BackendKind::ALL
            .iter()
            .all(|kind| all.iter().any(|case| case.on.contains(kind)))
    );
    all
}

/// Leaves no room in these zones.
fn exhaust(backend: &Backend, zones: &[&str]) {
    for zone in zones {
        backend.exhaust_zone(zone);
    }
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

fn names(items: &[Value]) -> Vec<&str> {
    let mut names: Vec<_> = items.iter().map(|item| text(item, "name")).collect();
    names.sort_unstable();
    names
}

//! The cases, by what they are about.

mod choosing;
mod create;
mod driver;
mod ec2_answers;
mod ec2_groups;
mod ec2_ttl;
mod errors;
mod expiry;
mod fallback;
mod gce;
mod gce_access;
mod gce_group_troubles;
mod gce_groups;
mod gce_machines;
mod gce_strange_answers;
mod gce_ttl;
mod groups;
mod lifecycle;
mod list;
mod many;
mod offered;
mod openings;
mod refusals;
mod terminate;

use serde_json::Value;

use crate::Case;
use crate::support::backend::{Backend, BackendKind};

/// A case for the given backends.
macro_rules! cases {
    ($on:expr; $($run:ident),* $(,)?) => {
        [$(crate::Case { name: stringify!($run), run: $run, on: $on },)*]
    };
}
use cases;

pub fn all() -> Vec<Case> {
    let mut all = Vec::new();
    all.extend(create::cases());
    all.extend(lifecycle::cases());
    all.extend(list::cases());
    all.extend(many::cases());
    all.extend(terminate::cases());
    all.extend(refusals::cases());
    all.extend(expiry::cases());
    all.extend(fallback::cases());
    all.extend(choosing::cases());
    all.extend(groups::cases());
    all.extend(errors::cases());
    all.extend(gce::cases());
    all.extend(gce_ttl::cases());
    all.extend(gce_groups::cases());
    all.extend(gce_group_troubles::cases());
    all.extend(gce_access::cases());
    all.extend(gce_machines::cases());
    all.extend(gce_strange_answers::cases());
    all.extend(ec2_ttl::cases());
    all.extend(ec2_groups::cases());
    all.extend(ec2_answers::cases());
    all.extend(openings::cases());
    all.extend(offered::cases());
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

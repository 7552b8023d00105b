//! Groups: `--count N` takes as few calls as possible, every member has its name, and a rerun creates only missing
//! members.

use std::collections::BTreeSet;

use crate::Case;
use crate::cases::{cases, exhaust, names, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        group_has_its_names_and_exists_once,
        group_rerun_creates_only_missing_members,
        group_member_is_found_by_its_name,
        group_with_larger_count_adds_members,
        group_reports_member_of_another_spec_and_creates_others,
    ]);
    all.extend(cases![BackendKind::STEERED; group_falls_back_to_another_zone_whole]);
    all.extend(cases![BackendKind::EMULATORS; group_of_a_hundred_is_one_call_with_names_and_labels]);
    all
}

fn group_has_its_names_and_exists_once(backend: &Backend) {
    let group = ["create", "web", "--count", "3", "-l", "team=ci"];
    let made = backend.json(&group).expect(0).items();
    assert_eq!(names(&made), ["web-1", "web-2", "web-3"]);
    assert!(
        made.iter()
            .all(|item| item["labels"]["team"] == "ci" && item["managed"] == true)
    );
    let again = backend.json(&group).expect(0).items();
    assert_eq!(ids(&again), ids(&made));
    assert_eq!(backend.alive().len(), 3);
}

fn group_rerun_creates_only_missing_members(backend: &Backend) {
    let group = ["create", "web", "--count", "4"];
    let made = backend.json(&group).expect(0).items();
    backend.run("terminate web-2 web-4 -y --wait").expect(0);
    let again = backend.json(&group).expect(0).items();
    assert_eq!(names(&again), ["web-1", "web-2", "web-3", "web-4"]);
    assert_eq!(ids(&again).intersection(&ids(&made)).count(), 2);
    assert_eq!(backend.alive().len(), 4);
}

fn group_member_is_found_by_its_name(backend: &Backend) {
    backend.json("create web --count 3").expect(0);
    let described = backend.json("describe web-2").expect(0).item();
    assert_eq!(text(&described, "name"), "web-2");
    let same = backend.json("create web-2").expect(0).item();
    assert_eq!(same["id"], described["id"]);
    // The group's own name is no VM.
    backend.json("describe web").expect(3);
    backend.run("terminate web-2 -y --wait").expect(0);
    let listed = backend.json("list").expect(0).items();
    assert_eq!(names(&listed), ["web-1", "web-3"]);
}

fn group_with_larger_count_adds_members(backend: &Backend) {
    let small = backend.json("create web --count 2").expect(0).items();
    let large = backend.json("create web --count 5").expect(0).items();
    assert_eq!(names(&large), ["web-1", "web-2", "web-3", "web-4", "web-5"]);
    assert!(ids(&large).is_superset(&ids(&small)));
    assert_eq!(backend.alive().len(), 5);
}

fn group_reports_member_of_another_spec_and_creates_others(backend: &Backend) {
    backend.json("create web-2 -l team=other").expect(0);
    let run = backend.json("create web --count 3").expect(7);
    assert_eq!(run.error_kinds(), ["already_exists"]);
    run.expect_in_stderr("web-2");
    assert_eq!(names(&run.items()), ["web-1", "web-3"]);
    assert_eq!(backend.alive().len(), 3);
}

fn group_falls_back_to_another_zone_whole(backend: &Backend) {
    let first = backend.home_zone();
    exhaust(backend, &[first]);
    let arguments = ["create", "web", "--count", "5", "-z", first, "--fallback", "zone"];
    let made = backend.json(&arguments).expect(0).items();
    assert_eq!(made.len(), 5);
    let zones: BTreeSet<_> = made.iter().map(|item| text(item, "zone")).collect();
    assert!(zones.len() == 1 && !zones.contains(first), "{zones:?}");
    assert_eq!(backend.alive().len(), 5);
}

fn group_of_a_hundred_is_one_call_with_names_and_labels(backend: &Backend) {
    let group = ["create", "web", "--count", "100", "-l", "team=ci", "--ttl", "2h"];
    let made = backend.json(&group).expect(0).items();
    let expected: BTreeSet<String> = (1..=100).map(|index| format!("web-{index}")).collect();
    let has: BTreeSet<String> = made.iter().map(|item| text(item, "name").to_owned()).collect();
    assert_eq!(has, expected);
    assert_eq!(launches(backend), 1);
    let seen = backend.alive();
    assert_eq!(seen.len(), 100);
    let has: BTreeSet<String> = seen.iter().map(|one| one.name.clone()).collect();
    assert_eq!(has, expected);
    assert!(seen.iter().all(|one| {
        let label = |key: &str| one.labels.get(key).map(String::as_str);
        label("team") == Some("ci") && label("cloudctl-managed") == Some("true") && label("cloudctl-ttl") == Some("2h")
    }));
    backend.json(&group).expect(0);
    assert_eq!((launches(backend), backend.alive().len()), (1, 100));
}

/// How many calls made instances.
fn launches(backend: &Backend) -> usize {
    let calls = backend.calls();
    let makes = |call: &&cloud_emulators::recorded_call::Call| {
        ["RunInstances", "instances.insert", "instances.bulkInsert"].contains(&call.operation.name.as_str())
    };
    calls.iter().filter(makes).count()
}

fn ids(items: &[serde_json::Value]) -> BTreeSet<String> {
    items.iter().map(|item| text(item, "id").to_owned()).collect()
}

//! Listings with a part that is missing, slow, or sent twice.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Row;
use crate::background_command::while_held;
use crate::seed_instances::{alive_ids, labels, own, seed, seed_at};
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault};

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        34 => region_that_is_down_is_a_gap,
        36 => region_that_is_slow_ends_in_time,
        38 => empty_page_with_a_token_is_followed,
        39 => repeated_page_token_is_an_error,
        40 => expired_page_token_restarts_the_listing,
    ];
    rows.extend(crate::rows![&[BackendKind::GceEmulator];
        37 => zone_that_is_unreachable_is_a_gap,
    ]);
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator];
        34 => region_that_cannot_be_reached_is_a_gap,
        40 => page_tokens_that_keep_expiring_leave_a_gap,
    ]);
    rows
}

fn names(run: &Run) -> Vec<String> {
    let mut names: Vec<_> = run
        .items()
        .iter()
        .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}

fn locations(run: &Run) -> Vec<String> {
    let errors = run.json()["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| error["location"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// One VM in each of two regions.
fn seed_two_regions(backend: &Backend) {
    let (here, there) = (backend.home_zone(), backend.site().other_zone);
    seed_at(backend, here, "here", &labels(&[]));
    seed_at(backend, there, "there", &labels(&[]));
}

fn region_that_is_down_is_a_gap(backend: &Backend) {
    seed_two_regions(backend);
    let expected = backend.hide_other_region();
    let run = backend.json("list").expect(7);
    assert_eq!(names(&run), ["here"]);
    assert_eq!(locations(&run), expected);
    run.expect_in_stderr(backend.other_region());
    // In a table it is said beside it.
    let run = backend.run("list").expect(7);
    assert!(run.stdout.contains("here"), "{}", run.stdout);
    run.expect_in_stderr(backend.other_region());
    // Who does not ask there misses nothing.
    let run = backend.json(&["list", "-r", backend.home_region()]).expect(0);
    assert_eq!(names(&run), ["here"]);
}

fn region_that_cannot_be_reached_is_a_gap(backend: &Backend) {
    seed_two_regions(backend);
    backend.inject(Fault::on("DescribeInstances", Effect::ResetBefore).at("eu-west-1"));
    let run = backend.json("list").expect(7);
    assert_eq!(names(&run), ["here"]);
    assert_eq!(locations(&run), ["aws/eu-west-1"]);
}

fn region_that_is_slow_ends_in_time(backend: &Backend) {
    seed_two_regions(backend);
    // Compute Engine answers for all regions in one call: it is slow once.
    backend.slow_down_other_region(Duration::from_secs(30));
    let started = std::time::Instant::now();
    let run = backend.json("list");
    let seconds = started.elapsed().as_secs();
    assert!(seconds < 75, "{seconds} s");
    match run.code {
        0 => assert_eq!(names(&run), ["here", "there"]),
        7 => {
            assert_eq!(names(&run), ["here"]);
            assert_eq!(locations(&run), ["aws/eu-west-1"]);
        }
        other => panic!("{other}: {}", run.stderr),
    }
}

fn zone_that_is_unreachable_is_a_gap(backend: &Backend) {
    let emulator = backend.gce();
    seed_two_regions(backend);
    seed_at(backend, "europe-west1-c", "near", &labels(&[]));
    emulator.mark_unreachable("europe-west1-b");
    let run = backend.json("list").expect(7);
    assert_eq!(names(&run), ["here", "near"]);
    assert_eq!(locations(&run), ["gcp/europe-west1-b"]);
    let run = backend.json("list -r europe-west1").expect(7);
    assert_eq!(names(&run), ["near"]);
    backend.json("list -r us-central1").expect(0);
    // What was not seen is not called absent, and nothing is done about it.
    backend.run("describe there").expect(7);
    backend.run("terminate -l env=ci -y").expect(6);
    assert_eq!(backend.alive().len(), 3);
    emulator.mark_reachable("europe-west1-b");
    let run = backend.json("list").expect(0);
    assert_eq!(names(&run), ["here", "near", "there"]);
}

/// Seven of them in pages of two.
fn seed_pages(backend: &Backend) -> Vec<String> {
    let names: Vec<_> = (0..7).map(|number| format!("ci-{number}")).collect();
    for name in &names {
        let mut labels = own(name);
        labels.insert("env".to_owned(), "ci".to_owned());
        seed(backend, name, &labels);
    }
    backend.set_page_size(2);
    names
}

fn empty_page_with_a_token_is_followed(backend: &Backend) {
    let expected = seed_pages(backend);
    backend.send_empty_pages();
    // Without a region, so that no list of zones uses up the empty pages.
    let run = backend.json("list").expect(0);
    assert_eq!(names(&run), expected);
    let calls = backend.count(backend.operations().list);
    assert!(calls >= 5, "pages were followed: {calls} calls");
    // A selector acts on all pages or none.
    backend.send_empty_pages();
    backend.run("terminate -l env=ci -y --expect 7").expect(0);
    assert_eq!(backend.alive(), []);
}

fn repeated_page_token_is_an_error(backend: &Backend) {
    seed_pages(backend);
    let before = alive_ids(backend);
    backend.repeat_page_token();
    let run = backend.json(&["list", "-r", backend.home_region()]).expect(9);
    assert_eq!(run.error_kinds(), ["network"]);
    let calls = backend.count(backend.operations().list);
    assert!(calls < 30, "{calls} calls");
    let run = backend.run(&["terminate", "-l", "env=ci", "-y", "-r", backend.home_region()]);
    assert!(matches!(run.code, 6 | 9), "{} {}", run.code, run.stderr);
    assert_eq!(alive_ids(backend), before);
}

fn expired_page_token_restarts_the_listing(backend: &Backend) {
    let expected = seed_pages(backend);
    let arguments = ["list", "-r", backend.home_region()];
    let run = while_held(backend, backend.operations().list, 1, &arguments, |backend| {
        backend.expire_page_tokens();
    });
    let run = if run.code == 7 { run } else { run.expect(0) };
    let found = names(&run);
    let once: BTreeSet<_> = found.iter().collect();
    assert_eq!(once.len(), found.len(), "no VM is there twice: {found:?}");
    if run.code == 0 {
        assert_eq!(found, expected);
    }
    assert!(backend.count(backend.operations().list) > 4, "it began anew");
}

fn page_tokens_that_keep_expiring_leave_a_gap(backend: &Backend) {
    seed_pages(backend);
    let emulator = backend.ec2();
    emulator.refuse_page_tokens(usize::MAX);
    let run = backend.json("list").expect(7);
    assert_eq!(locations(&run), ["aws/us-east-1"]);
    let calls = backend
        .calls()
        .iter()
        .filter(|call| call.operation.name == "DescribeInstances" && call.operation.location == "us-east-1")
        .count();
    assert_eq!(calls, 4, "twice a page and a refusal");
}

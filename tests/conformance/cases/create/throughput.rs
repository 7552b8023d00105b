//! Many VMs at once: as few calls as the cloud allows, below its rate limit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::EMULATORS;
        many_vms_are_changed_and_waited_for_by_listings,
        wait_for_more_vms_takes_no_more_calls,
    ]);
    all.extend(cases![&[BackendKind::Ec2Emulator];
        terminate_is_one_call_for_a_hundred_of_a_zone,
        list_shows_known_vms_although_regions_are_denied,
        list_shows_only_regions_that_the_cloud_names,
    ]);
    all.extend(cases![&[BackendKind::GceEmulator];
        terminate_stays_below_the_rate_limit,
        terminate_of_protected_vm_leaves_others_terminated,
        changes_that_fail_later_are_reported_one_by_one,
    ]);
    all
}

/// The labels of what cloudctl made.
fn own(name: &str) -> BTreeMap<String, String> {
    let labels = [
        ("cloudctl-managed", "true"),
        ("cloudctl-name", name),
        ("cloudctl-spec", "0123456789abcdef"),
        ("cloudctl-generation", "0"),
        ("env", "ci"),
    ];
    let labels = labels.into_iter();
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Running VMs of a zone of Compute Engine, made by cloudctl.
fn seed_zone(backend: &Backend, zone: &str, count: usize) {
    let emulator = backend.gce();
    emulator.seed_instances_with(zone, count, |number| {
        own(&format!("seed-{number:06}")).into_iter().collect()
    });
}

fn end_all(backend: &Backend, count: usize) -> crate::support::sandbox::Run {
    let expected = count.to_string();
    backend.run(&["terminate", "-l", "env=ci", "-y", "--expect", &expected, "-q"])
}

fn terminate_is_one_call_for_a_hundred_of_a_zone(backend: &Backend) {
    let emulator = backend.ec2();
    // Six zones and four.
    emulator.seed_tagged("us-east-1", 600, &own("web"));
    emulator.seed_tagged("us-west-2", 400, &own("web"));
    let run = end_all(backend, 1_000).expect(0);
    assert_eq!(run.stdout.lines().count(), 1_000);
    assert_eq!(backend.count("TerminateInstances"), 10);
    assert!(backend.alive().is_empty());
}

/// `CLOUDCTL_MANY=1000` takes more of them.
#[expect(clippy::print_stdout, reason = "what was measured")]
fn terminate_stays_below_the_rate_limit(backend: &Backend) {
    const RATE: u32 = 20;
    let asked = std::env::var("CLOUDCTL_MANY");
    let count: usize = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let emulator = backend.gce();
    let zones = ["us-central1-a", "us-central1-b", "europe-west1-b"];
    for (index, zone) in zones.into_iter().enumerate() {
        seed_zone(backend, zone, count / 3 + usize::from(index < count % 3));
    }
    emulator.limit_rate(RATE);
    let started = Instant::now();
    let run = end_all(backend, count).expect(0);
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(run.stdout.lines().count(), count);
    assert!(backend.alive().is_empty());
    let calls = backend.calls();
    let refused = calls.iter().filter(|call| call.status == Some(403)).count();
    let mut each: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for call in &calls {
        each.entry(&call.operation.name).or_default()[usize::from(call.status == Some(403))] += 1;
    }
    println!("answered and refused: {each:?}");
    println!(
        "{count} VMs at {RATE} requests/s: {seconds:.1} s, {} calls, {refused} of them refused",
        calls.len()
    );
    assert!(refused * 50 < count.max(200), "{refused} calls were wasted on {count}");
    // A look at each thirty, and some lists.
    assert!(calls.len() < count + count / 10 + 40, "{} calls", calls.len());
}

fn terminate_of_protected_vm_leaves_others_terminated(backend: &Backend) {
    seed_zone(backend, backend.home_zone(), 40);
    let emulator = backend.gce();
    emulator.set_deletion_protection("seed-000007", true);
    let run = end_all(backend, 40).expect(7);
    run.expect_in_stderr("is protected");
    let alive: Vec<_> = backend.alive().into_iter().map(|one| one.name).collect();
    assert_eq!(alive, ["seed-000007"]);
}

fn changes_that_fail_later_are_reported_one_by_one(backend: &Backend) {
    seed_zone(backend, backend.home_zone(), 35);
    let emulator = backend.gce();
    emulator.set_changes_fail(true);
    let references = backend.run("list -o ref").expect(0).stdout;
    let references: Vec<&str> = references.lines().collect();
    for arguments in [&["stop"][..], &["reboot"], &["terminate", "-y", "--expect", "35"]] {
        let run = backend.json(&[arguments, references.as_slice()].concat());
        assert_ne!(run.code, 0, "{}", run.stdout);
        assert_eq!((run.items().len(), run.error_kinds().len()), (0, 35), "{arguments:?}");
    }
    assert_eq!(backend.alive().len(), 35);
}

fn many_vms_are_changed_and_waited_for_by_listings(backend: &Backend) {
    backend.set_transition(Duration::from_millis(700));
    backend.run("create fleet --count 45 -q").expect(0);
    let references = backend.run("list -o ref").expect(0).stdout;
    let references: Vec<&str> = references.lines().collect();
    assert_eq!(references.len(), 45);
    for (verb, state) in [("stop", "stopped"), ("start", "running"), ("reboot", "running")] {
        let before = backend.calls().len();
        backend.json(&[&[verb], references.as_slice()].concat()).expect(0);
        let wait = ["wait", "--for", state];
        let waited = backend.json(&[&wait, references.as_slice()].concat()).expect(0);
        let states = waited.items();
        assert_eq!(states.iter().filter(|item| text(item, "state") == state).count(), 45);
        let changes = if backend.differences().changes_in_batches {
            6
        } else {
            45
        };
        let calls = backend.calls().len() - before;
        assert!(calls <= changes + 30, "{verb}: {calls} calls");
    }
}

/// How many calls it takes to wait for a group of so many to run.
fn calls_to_wait(backend: &Backend, name: &str, count: usize) -> usize {
    let members = count.to_string();
    let none = ["create", name, "--count", &members, "--wait", "none", "-o", "ref"];
    let made = backend.run(&none).expect(0);
    let references: Vec<&str> = made.stdout.lines().collect();
    assert_eq!(references.len(), count);
    let before = backend.calls().len();
    backend
        .run(&[&["wait", "-q"], references.as_slice()].concat())
        .expect(0);
    backend.calls().len() - before
}

fn wait_for_more_vms_takes_no_more_calls(backend: &Backend) {
    backend.set_transition(Duration::from_secs(3));
    let few = calls_to_wait(backend, "few", 5);
    let many = calls_to_wait(backend, "many", 250);
    assert!(many <= few + 3, "{few} calls for 5 VMs, {many} for 250");
}

fn list_shows_known_vms_although_regions_are_denied(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let denied = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    backend.inject(Fault::on("DescribeRegions", denied));
    for format in ["json", "jsonl"] {
        let run = backend.run(&["list", "-o", format]).expect(7);
        assert!(run.stdout.contains("web-1"), "{}", run.stdout);
        run.expect_in_stderr("cannot list the regions");
    }
    // What else is missing is named, too.
    let refused = Effect::ErrorBefore {
        status: 401,
        code: "AuthFailure".to_owned(),
    };
    backend.inject(Fault::on("DescribeInstances", refused).at(backend.other_region()));
    for format in ["json", "jsonl"] {
        let run = backend.run(&["list", "-o", format]).expect(7);
        assert!(run.stdout.contains("web-1"), "{}", run.stdout);
        run.expect_in_stderr("aws/eu-west-1");
    }
}

fn list_shows_only_regions_that_the_cloud_names(backend: &Backend) {
    let emulator = backend.ec2();
    backend.run("create web-1").expect(0);
    backend
        .run(&["create", "web-2", "-r", backend.other_region()])
        .expect(0);
    emulator.list_only(&[backend.home_region()]);
    for (slow, milliseconds) in [("DescribeRegions", 700), ("DescribeInstances", 300)] {
        backend.clear_faults();
        let slow = Fault::on(slow, Effect::Delay(Duration::from_millis(milliseconds)));
        backend.inject(slow);
        for format in ["json", "jsonl", "name"] {
            let run = backend.run(&["list", "-o", format]).expect(0);
            assert!(run.stdout.contains("web-1"), "{}", run.stdout);
            assert!(!run.stdout.contains("web-2"), "{}", run.stdout);
        }
    }
    // Who says a region means it.
    let run = backend
        .run(&["list", "-r", backend.other_region(), "-o", "name"])
        .expect(0);
    assert_eq!(run.stdout, "web-2\n");
    emulator.list_only(&[]);
    let run = backend.run("list").expect(7);
    run.expect_in_stderr("named no region");
}

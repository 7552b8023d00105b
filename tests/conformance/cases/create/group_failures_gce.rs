//! Bulk inserts that fail, or seem to fail: what exists afterwards, and what is printed.

use std::time::Duration;

use cloudctl::cloud::{CreateOutcome, Instance, InstanceSpec};
use serde_json::Value;

use crate::Case;
use crate::cases::catalog::driver::{ZONE, emulator, provider, run, spec};
use crate::cases::{cases, names, text};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_group_without_capacity_leaves_nothing,
        gce_lost_answer_creates_no_second_group,
        gce_taken_name_stops_the_group,
        gce_group_members_that_exist_are_read_back,
        gce_group_members_not_listed_yet_are_returned,
    ])
}

fn ids(instances: &[Instance]) -> Vec<&str> {
    instances
        .iter()
        .map(|instance| instance.reference.id.as_str())
        .collect()
}

fn gce_group_without_capacity_leaves_nothing(backend: &Backend) {
    let cloud = emulator(backend);
    let arguments = ["create", "web", "--count", "5", "-z", ZONE];
    cloud.limit_room(ZONE, 3);
    let run = backend.json(&arguments).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(run.json()["errors"][0]["leftover"], Value::Null);
    assert_eq!((cloud.instance_count(), cloud.disks().len()), (0, 0));
    assert_eq!(backend.count("instances.bulkInsert"), 1);
    cloud.restock_zone(ZONE);
    cloud.set_quota_refused(true);
    let refused = backend.json(&arguments).expect(5);
    assert_eq!(refused.error_kinds(), ["quota"]);
    cloud.set_quota_refused(false);
    // The failure under the first request id is remembered, and says nothing of now.
    assert_eq!(backend.json(&arguments).expect(0).items().len(), 5);

    // What a failure leaves is said.
    cloud.leave_disk("db-2");
    cloud.limit_room(ZONE, 1);
    let run = backend.json(&["create", "db", "--count", "2", "-z", ZONE]).expect(5);
    assert_eq!(text(&run.json()["errors"][0], "leftover"), format!("gcp/{ZONE}/db-2"));
}

fn gce_lost_answer_creates_no_second_group(backend: &Backend) {
    let cloud = emulator(backend);
    for (name, effect) in [
        ("web", Effect::ResetAfter),
        ("db", Effect::ResetBefore),
        (
            "app",
            Effect::ErrorAfter {
                status: 503,
                code: "backendError".to_owned(),
            },
        ),
    ] {
        backend.inject(Fault::on("instances.bulkInsert", effect).times(1));
        let before = cloud.instance_count();
        let made = backend.json(&["create", name, "--count", "3"]).expect(0).items();
        assert_eq!((made.len(), cloud.instance_count()), (3, before + 3), "{name}");
    }
}

fn gce_taken_name_stops_the_group(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.create_from_outside(ZONE, "web-2", &[]);
    for later in [false, true] {
        cloud.set_bulk_conflicts_later(later);
        let run = backend.json(&["create", "web", "--count", "3", "-z", ZONE]).expect(6);
        assert_eq!(run.error_kinds(), ["already_exists"]);
        run.expect_in_stderr("web-2");
        assert_eq!((cloud.instance_count(), cloud.disks().len()), (1, 0));
    }
    // It is on its way out: its name is waited for.
    cloud.set_bulk_conflicts_later(false);
    cloud.set_transition_time(Duration::from_secs(2));
    let theirs = cloud.instance("web-2").expect("theirs").id;
    backend
        .run(&format!("terminate gcp/{ZONE}/{theirs} -y --include-unmanaged"))
        .expect(0);
    assert_eq!(
        backend
            .json(&["create", "web", "--count", "3", "-z", ZONE])
            .expect(0)
            .items()
            .len(),
        3
    );
}

fn gce_group_members_that_exist_are_read_back(backend: &Backend) {
    let (cloud, provider) = (emulator(backend), provider(backend));
    for later in [false, true] {
        cloud.set_bulk_conflicts_later(later);
        run(async {
            let base = if later { "app" } else { "web" };
            let one = InstanceSpec {
                members: Some("2".parse().expect("members")),
                ..spec(base)
            };
            let first = provider
                .create(&one, 0)
                .await
                .map(CreateOutcome::into_instances)
                .expect("the first");
            let all = InstanceSpec {
                members: Some("1-3".parse().expect("members")),
                ..spec(base)
            };
            // Another process made one of them in this moment.
            let there = provider
                .create(&all, 0)
                .await
                .map(CreateOutcome::into_instances)
                .expect("what is there");
            assert_eq!(ids(&there), ids(&first), "{base}");
        });
    }
    assert_eq!(cloud.instance_count(), 2);
}

fn gce_group_members_not_listed_yet_are_returned(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.set_lag(Duration::from_secs(3));
    let made = backend.json("create web --count 3 --wait none").expect(0).items();
    assert_eq!(names(&made), ["web-1", "web-2", "web-3"]);
    for item in &made {
        assert_eq!(cloud.instance(text(item, "name")).expect("the VM").id, text(item, "id"));
    }
    assert_eq!((backend.count("instances.bulkInsert"), cloud.instance_count()), (1, 3));
}

//! Groups on Compute Engine: one bulk insert, what it makes of each member, and what comes of it when it goes wrong.

use std::sync::Arc;
use std::time::Duration;

use cloudctl::cloud::{Clock, ErrorKind, Instance, InstanceSpec, Members, Place, Provider, ProviderKind};
use serde_json::{Value, json};

use super::{cases, names, text};
use crate::Case;
use crate::support::backend::{Backend, BackendKind};
use crate::support::gce::Emulator;
use crate::support::http::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_a_member_is_as_a_single_vm_would_be,
        gce_members_are_given_again_until_they_are_gone,
        gce_a_group_without_room_leaves_nothing,
        gce_a_lost_answer_makes_no_second_group,
        gce_a_name_that_is_taken_stops_the_group,
        gce_members_that_are_there_are_read_back,
        gce_members_that_are_not_shown_yet_are_given,
        gce_the_members_of_a_protected_group_are_protected,
        gce_a_group_is_read_back_in_few_calls,
        gce_what_a_group_cannot_have_is_refused,
    ])
}

const ZONE: &str = "us-central1-a";

fn emulator(backend: &Backend) -> &Emulator {
    backend.gce().expect("a Compute Engine")
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// The driver itself, connected as the binary would be.
pub(super) fn provider(backend: &Backend) -> Arc<dyn Provider> {
    cloudctl::providers::connect(ProviderKind::Gcp, &backend.sandbox.settings(), Arc::new(SystemClock))
}

/// Runs a call of the driver to its end.
pub(super) fn run<T>(call: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(call)
}

pub(super) fn spec(name: &str) -> InstanceSpec {
    let place = Place {
        region: "us-central1".to_owned(),
        zone: Some(ZONE.to_owned()),
    };
    InstanceSpec::plain(name.parse().expect("a name"), place)
}

fn group(members: &str) -> InstanceSpec {
    InstanceSpec {
        members: Some(members.parse::<Members>().expect("members")),
        ..spec("web")
    }
}

fn ids(instances: &[Instance]) -> Vec<&str> {
    instances
        .iter()
        .map(|instance| instance.reference.id.as_str())
        .collect()
}

fn gce_a_member_is_as_a_single_vm_would_be(backend: &Backend) {
    let cloud = emulator(backend);
    let data = backend.sandbox.write("data", "#!/bin/sh\necho hello\n");
    let options = [
        "-z",
        ZONE,
        "--type",
        "n1-standard-4",
        "--gpu",
        "t4:2",
        "--disk",
        "30",
        "--disk-type",
        "pd-ssd",
        "--ttl",
        "2h",
        "--spot",
        "-l",
        "team=ci",
        "--firewall",
        "web",
        "--identity",
        "default",
        "--user-data",
        &data,
        "--open",
        "22,443/10.0.0.0/8",
        "--native",
        "can_ip_forward=true",
        "--native",
        "min_cpu_platform=Intel Skylake",
        "--native",
        "shielded_secure_boot=true",
        "--native",
        "nested_virtualization=true",
        "--native",
        "metadata=role=web",
    ];
    backend.json(&[&["create", "web-3"], &options[..]].concat()).expect(0);
    backend
        .json(&[&["create", "web", "--count", "2"], &options[..]].concat())
        .expect(0);
    let seen = |name: &str| {
        let vm = cloud.instance(name).expect("the VM");
        let mut resource = vm.resource.clone();
        for field in [
            "id",
            "name",
            "selfLink",
            "creationTimestamp",
            "lastStartTimestamp",
            "fingerprint",
            "labelFingerprint",
            "resourceStatus",
            "status",
        ] {
            resource[field] = Value::Null;
        }
        for field in ["fingerprint", "networkIP"] {
            resource["networkInterfaces"][0][field] = Value::Null;
        }
        resource["networkInterfaces"][0]["accessConfigs"][0]["natIP"] = Value::Null;
        resource["disks"][0]["source"] = Value::Null;
        for label in ["cloudctl-name", "cloudctl-members"] {
            resource["labels"][label] = Value::Null;
        }
        let disk = vm.disks[0].disk.clone().expect("its disk");
        let mut disk_labels = disk.labels;
        for label in ["cloudctl-name", "cloudctl-members"] {
            disk_labels.remove(label);
        }
        (
            resource,
            json!([
                vm.disks[0].name == name,
                disk.kind,
                disk.size_gb,
                disk.source_image,
                disk_labels
            ]),
        )
    };
    let single = seen("web-3");
    assert_eq!(single.0["guestAccelerators"][0]["acceleratorCount"], 2);
    assert_eq!(seen("web-1"), single);
    assert_eq!(seen("web-2"), single);
    let member = cloud.instance("web-2").expect("the VM");
    assert_eq!(member.labels["cloudctl-name"], "web");
    assert_eq!(member.labels["cloudctl-members"], "1-2");
    assert_eq!(backend.count("instances.bulkInsert"), 1);
}

fn gce_members_are_given_again_until_they_are_gone(backend: &Backend) {
    let (cloud, provider, group) = (emulator(backend), provider(backend), group("1-3"));
    run(async {
        let made = provider.create_members(&group, 0).await.expect("the members");
        let told: Vec<_> = made
            .iter()
            .map(|instance| instance.name.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(told, ["web-1", "web-2", "web-3"]);
        assert!(made.iter().all(|instance| instance.managed && instance.cpus == Some(2)));
        let again = provider.create_members(&group, 0).await.expect("the same");
        assert_eq!(ids(&again), ids(&made));
        cloud.delete_from_outside("web-2");
        // The cloud's memory is of something long past.
        cloud.advance(Duration::from_secs(600));
        let rest = provider.create_members(&group, 0).await.expect("the rest");
        assert_eq!(ids(&rest), [ids(&made)[0], ids(&made)[2]]);
        for name in ["web-1", "web-3"] {
            cloud.delete_from_outside(name);
        }
        assert!(provider.create_members(&group, 0).await.expect("none").is_empty());
        let next = provider.create_members(&group, 1).await.expect("the next");
        assert_eq!((next.len(), cloud.instance_count()), (3, 3));
        let targets: Vec<_> = next.iter().map(|instance| instance.reference.clone()).collect();
        for outcome in provider.terminate(&targets).await {
            outcome.result.expect("on its way out");
        }
        // A moment later they are known to be deleted, or are going.
        assert!(provider.create_members(&group, 1).await.expect("none").is_empty());
        let next = provider.create_members(&group, 2).await.expect("the next");
        // An older generation finds those that have its names.
        let found = provider.create_members(&group, 0).await.expect("the same");
        assert_eq!(ids(&found), ids(&next));
    });
}

fn gce_a_group_without_room_leaves_nothing(backend: &Backend) {
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

fn gce_a_lost_answer_makes_no_second_group(backend: &Backend) {
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

fn gce_a_name_that_is_taken_stops_the_group(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.create_from_outside(ZONE, "web-2", &[]);
    for later in [false, true] {
        cloud.set_bulk_conflicts_later(later);
        let run = backend.json(&["create", "web", "--count", "3", "-z", ZONE]).expect(6);
        assert_eq!(run.error_kinds(), ["already_exists"]);
        assert!(run.stderr.contains("web-2"), "{}", run.stderr);
        assert_eq!((cloud.instance_count(), cloud.disks().len()), (1, 0));
    }
    // It is on its way out: its name is waited for.
    cloud.set_bulk_conflicts_later(false);
    cloud.set_transition_time(Duration::from_secs(2));
    let theirs = cloud.instance("web-2").expect("theirs").id;
    backend
        .run(&[
            "terminate",
            &format!("gcp/{ZONE}/{theirs}"),
            "-y",
            "--include-unmanaged",
        ])
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

fn gce_members_that_are_there_are_read_back(backend: &Backend) {
    let (cloud, provider) = (emulator(backend), provider(backend));
    for later in [false, true] {
        cloud.set_bulk_conflicts_later(later);
        run(async {
            let base = if later { "app" } else { "web" };
            let one = InstanceSpec {
                members: Some("2".parse().expect("members")),
                ..spec(base)
            };
            let first = provider.create_members(&one, 0).await.expect("the first");
            let all = InstanceSpec {
                members: Some("1-3".parse().expect("members")),
                ..spec(base)
            };
            // Another process made one of them in this moment.
            let there = provider.create_members(&all, 0).await.expect("what is there");
            assert_eq!(ids(&there), ids(&first), "{base}");
        });
    }
    assert_eq!(cloud.instance_count(), 2);
}

fn gce_members_that_are_not_shown_yet_are_given(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.set_lag(Duration::from_secs(3));
    let made = backend
        .json(&["create", "web", "--count", "3", "--wait", "none"])
        .expect(0)
        .items();
    assert_eq!(names(&made), ["web-1", "web-2", "web-3"]);
    for item in &made {
        assert_eq!(cloud.instance(text(item, "name")).expect("the VM").id, text(item, "id"));
    }
    assert_eq!((backend.count("instances.bulkInsert"), cloud.instance_count()), (1, 3));
}

fn gce_the_members_of_a_protected_group_are_protected(backend: &Backend) {
    let cloud = emulator(backend);
    let arguments = ["create", "web", "--count", "3", "--protect"];
    let made = backend.json(&arguments).expect(0).items();
    assert!(made.iter().all(|item| item["protected"] == true));
    assert!(cloud.instances().iter().all(|vm| vm.deletion_protection));
    assert_eq!(backend.count("instances.setDeletionProtection"), 3);
    backend.run(&["terminate", "web-1", "-y"]).expect(6);
    cloud.deny("compute.instances.setDeletionProtection");
    let run = backend.json(&["create", "db", "--count", "2", "--protect"]).expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    let leftover = run.json()["errors"][0]["leftover"].clone();
    let db = cloud.instance("db-1").expect("the VM").id;
    assert!(leftover.as_str().is_some_and(|text| text.contains(&db)), "{leftover}");
}

fn gce_a_group_is_read_back_in_few_calls(backend: &Backend) {
    let cloud = emulator(backend);
    let provider = provider(backend);
    run(async {
        let made = provider
            .create_members(&group("1-98_100"), 0)
            .await
            .expect("the members");
        assert_eq!(made.len(), 99);
    });
    assert_eq!(backend.count("instances.bulkInsert"), 1);
    assert_eq!(
        (backend.count("instances.list"), backend.count("instances.get")),
        (1, 0)
    );
    cloud.forget_calls();
    // Many names make no long URL, and one page of an answer.
    let names: Vec<String> = (1..=100).map(|index| format!("web-{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = backend
        .json(&["create", "web", "--count", "100", "-z", ZONE])
        .expect(0)
        .items();
    assert_eq!(made.len(), names.len());
    let calls = backend.calls();
    let lists = calls
        .iter()
        .filter(|call| call.operation.name == "instances.aggregatedList")
        .count();
    assert!(lists <= 3, "{lists}");
}

fn gce_what_a_group_cannot_have_is_refused(backend: &Backend) {
    let run_of = backend
        .run(&["create", "web", "--count", "2", "--native", "hostname=web.example.com"])
        .expect(2);
    assert!(run_of.stderr.contains("hostname"), "{}", run_of.stderr);
    let provider = provider(backend);
    assert_eq!(provider.most_members(), 1_000);
    let error = run(provider.create_members(&group("1-1001"), 0)).expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    let error = run(provider.create_members(&spec("web"), 0)).expect_err("no members");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert_eq!(backend.seen(), []);
}

//! Groups on Compute Engine: one bulk insert, and what it creates for each member.

use std::time::Duration;

use cloudctl::cloud::{CreateOutcome, ErrorKind, GroupMembers, Instance, InstanceSpec};
use serde_json::{Value, json};

use crate::Case;
use crate::cases::cases;
use crate::cases::catalog::driver::{ZONE, emulator, provider, run, spec};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_group_member_equals_a_single_vm,
        gce_group_members_are_returned_until_they_are_gone,
        gce_members_of_a_protected_group_are_protected,
        gce_group_is_read_back_in_few_calls,
        gce_group_refuses_options_it_cannot_have,
    ])
}

fn group(members: &str) -> InstanceSpec {
    InstanceSpec {
        members: Some(members.parse::<GroupMembers>().expect("members")),
        ..spec("web")
    }
}

fn ids(instances: &[Instance]) -> Vec<&str> {
    instances
        .iter()
        .map(|instance| instance.reference.id.as_str())
        .collect()
}

fn gce_group_member_equals_a_single_vm(backend: &Backend) {
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

fn gce_group_members_are_returned_until_they_are_gone(backend: &Backend) {
    let (cloud, provider, group) = (emulator(backend), provider(backend), group("1-3"));
    run(async {
        let made = provider
            .create(&group, 0)
            .await
            .map(CreateOutcome::into_instances)
            .expect("the members");
        let told: Vec<_> = made
            .iter()
            .map(|instance| instance.name.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(told, ["web-1", "web-2", "web-3"]);
        assert!(made.iter().all(|instance| instance.managed && instance.cpus == Some(2)));
        let again = provider
            .create(&group, 0)
            .await
            .map(CreateOutcome::into_instances)
            .expect("the same");
        assert_eq!(ids(&again), ids(&made));
        cloud.delete_from_outside("web-2");
        // The cloud's memory is of something long past.
        cloud.advance(Duration::from_secs(600));
        let rest = provider
            .create(&group, 0)
            .await
            .map(CreateOutcome::into_instances)
            .expect("the rest");
        assert_eq!(ids(&rest), [ids(&made)[0], ids(&made)[2]]);
        for name in ["web-1", "web-3"] {
            cloud.delete_from_outside(name);
        }
        assert!(
            provider
                .create(&group, 0)
                .await
                .map(CreateOutcome::into_instances)
                .expect("none")
                .is_empty()
        );
        let next = provider
            .create(&group, 1)
            .await
            .map(CreateOutcome::into_instances)
            .expect("the next");
        assert_eq!((next.len(), cloud.instance_count()), (3, 3));
        let targets: Vec<_> = next.iter().map(|instance| instance.reference.clone()).collect();
        for outcome in provider
            .apply(
                cloudctl::cloud::InstanceAction::Terminate,
                &targets,
                &cloudctl::cloud::BatchTracker::uninterrupted(),
            )
            .await
        {
            outcome.result.expect("on its way out");
        }
        // A moment later they are known to be deleted, or are going.
        assert!(
            provider
                .create(&group, 1)
                .await
                .map(CreateOutcome::into_instances)
                .expect("none")
                .is_empty()
        );
        let next = provider
            .create(&group, 2)
            .await
            .map(CreateOutcome::into_instances)
            .expect("the next");
        // An older generation finds those that have its names.
        let found = provider
            .create(&group, 0)
            .await
            .map(CreateOutcome::into_instances)
            .expect("the same");
        assert_eq!(ids(&found), ids(&next));
    });
}

fn gce_members_of_a_protected_group_are_protected(backend: &Backend) {
    let cloud = emulator(backend);
    let arguments = ["create", "web", "--count", "3", "--protect"];
    let made = backend.json(&arguments).expect(0).items();
    assert!(made.iter().all(|item| item["protected"] == true));
    assert!(cloud.instances().iter().all(|vm| vm.deletion_protection));
    assert_eq!(backend.count("instances.setDeletionProtection"), 3);
    backend.run("terminate web-1 -y").expect(6);
    cloud.deny("compute.instances.setDeletionProtection");
    let run = backend.json("create db --count 2 --protect").expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    let leftover = run.json()["errors"][0]["leftover"].clone();
    let db = cloud.instance("db-1").expect("the VM").id;
    assert!(leftover.as_str().is_some_and(|text| text.contains(&db)), "{leftover}");
}

fn gce_group_is_read_back_in_few_calls(backend: &Backend) {
    let cloud = emulator(backend);
    let provider = provider(backend);
    run(async {
        let made = provider
            .create(&group("1-98_100"), 0)
            .await
            .map(CreateOutcome::into_instances)
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

fn gce_group_refuses_options_it_cannot_have(backend: &Backend) {
    let run_of = backend
        .run("create web --count 2 --native hostname=web.example.com")
        .expect(2);
    run_of.expect_in_stderr("hostname");
    let provider = provider(backend);
    assert_eq!(provider.info().max_instances_per_call, 1_000);
    let error = run(provider.create(&group("1-1001"), 0)).expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert_eq!(backend.instances(), []);
}

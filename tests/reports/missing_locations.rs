//! A name that may mean a second VM in a location that did not answer changes nothing.

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Sandbox;
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce;

/// Each verb that changes a VM, without its reference.
const CHANGES: [&[&str]; 8] = [
    &["terminate", "-y"],
    &["terminate", "-y", "--ignore-not-found"],
    &["stop"],
    &["start"],
    &["reboot"],
    &["protect"],
    &["unprotect"],
    &["extend", "--ttl", "2h"],
];

/// Compute Engine with a VM of ours called `web` in one zone, and another one in a zone of the same region that does not
/// answer.
fn one_zone_is_silent() -> (gce::Emulator, Sandbox, String) {
    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_gcp(&emulator.url(), gce::PROJECT);
    let arguments = ["create", "web", "-p", "gcp", "-z", "us-central1-a", "-o", "json"];
    let made = sandbox.run(&arguments).expect(0).item();
    emulator.create_from_outside("us-central1-b", "web", &[]);
    emulator.mark_unreachable("us-central1-b");
    (emulator, sandbox, made["id"].as_str().unwrap().to_owned())
}

/// The names of the calls that change something.
fn changing_calls(emulator: &gce::Emulator) -> Vec<String> {
    let names = emulator.calls().into_iter().map(|call| call.operation.name);
    let reads = ["get", "list", "aggregatedList", "wait"];
    names
        .filter(|name| !reads.contains(&name.rsplit('.').next().unwrap_or_default()))
        .collect()
}

#[test]
fn name_in_a_region_with_a_silent_zone_changes_nothing() {
    let (emulator, sandbox, id) = one_zone_is_silent();
    let before = changing_calls(&emulator);
    for verb in CHANGES {
        let arguments = [verb, &["gcp/us-central1/web"]].concat();
        let run = sandbox.run(&arguments).expect(6);
        assert!(run.stderr.contains("gcp/us-central1-b"), "{verb:?}: {}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{verb:?}: {}", run.stderr);
    }
    // The same name beside a reference that is certain.
    let both = format!("gcp/us-central1-a/{id}");
    sandbox.run(&["stop", &both, "gcp/us-central1/web"]).expect(6);
    assert_eq!(changing_calls(&emulator), before);
}

#[test]
fn id_in_a_region_with_a_silent_zone_is_certain() {
    let (emulator, sandbox, id) = one_zone_is_silent();
    sandbox.run(&["stop", &format!("gcp/us-central1/{id}")]).expect(0);
    sandbox
        .run(&["terminate", &format!("gcp/us-central1/{id}"), "-y"])
        .expect(0);
    assert_eq!(emulator.count("instances.delete"), 1);
}

#[test]
fn name_in_a_zone_that_answers_is_certain() {
    let (emulator, sandbox, id) = one_zone_is_silent();
    sandbox
        .run("terminate gcp/us-central1-a/web -y --wait --timeout 20s")
        .expect(0);
    let left: Vec<_> = emulator.instances().into_iter().map(|one| one.id).collect();
    assert!(left.len() == 1 && left[0] != id, "{left:?}");
}

#[test]
fn name_in_region_or_area_with_silent_zone_changes_nothing() {
    let (emulator, sandbox, _) = one_zone_is_silent();
    let before = changing_calls(&emulator);
    for place in ["us-central1", "us"] {
        for verb in CHANGES {
            let arguments = [verb, &["web", "-p", "gcp", "-r", place]].concat();
            let run = sandbox.run(&arguments).expect(6);
            assert!(run.stderr.contains("gcp/us-central1-b"), "{verb:?}: {}", run.stderr);
        }
    }
    assert_eq!(changing_calls(&emulator), before);
}

#[test]
fn name_in_another_region_is_not_doubted_for_the_silent_zone() {
    let (emulator, sandbox, _) = one_zone_is_silent();
    let arguments = ["create", "db", "-p", "gcp", "-z", "europe-west1-b"];
    sandbox.run(&arguments).expect(0);
    // Both are looked up by one command, each in its own place.
    let id = emulator.instances().into_iter().find(|one| one.zone == "us-central1-a");
    let certain = format!("gcp/us-central1/{}", id.unwrap().id);
    sandbox.run(&["stop", "gcp/europe-west1/db", &certain]).expect(0);
}

#[test]
fn name_in_a_mock_region_with_a_silent_zone_changes_nothing() {
    let mut sandbox = Sandbox::new();
    let arguments = ["create", "web", "-p", "mock", "-z", "us-east-1a", "-o", "json"];
    let made = sandbox.run(&arguments).expect(0).item();
    sandbox.set("CLOUDCTL_MOCK", "unreachable=us-east-1b");
    for verb in CHANGES {
        let arguments = [verb, &["mock/us-east-1/web"]].concat();
        let run = sandbox.run(&arguments).expect(6);
        assert!(run.stderr.contains("mock/us-east-1b"), "{verb:?}: {}", run.stderr);
    }
    let full = made["ref"].as_str().unwrap();
    sandbox.run(&["terminate", full, "-y"]).expect(0);
}

#[test]
fn name_in_an_area_of_which_a_region_is_silent_changes_nothing() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.run("create web -r eu-west-1").expect(0);
    let effect = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    backend.inject(Fault::on("DescribeInstances", effect).at("eu-central-1"));
    for verb in CHANGES {
        let run = backend.run(&[verb, &["web", "-r", "europe"]].concat()).expect(6);
        assert!(run.stderr.contains("aws/eu-central-1"), "{verb:?}: {}", run.stderr);
    }
    for call in ["TerminateInstances", "StopInstances", "RebootInstances", "CreateTags"] {
        assert_eq!(backend.count(call), 0, "{call}");
    }
    // In full it can only be the one that was seen.
    backend.run("terminate aws/eu-west-1/web -y").expect(0);
}

#[test]
fn ref_in_a_silent_region_is_not_absent() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.run("create web").expect(0);
    let effect = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    backend.inject(Fault::on("DescribeInstances", effect).at("eu-west-1"));
    let arguments = ["aws/us-east-1/web", "aws/eu-west-1/db", "-y", "--ignore-not-found"];
    let run = backend.run(&[&["terminate"], &arguments[..]].concat()).expect(7);
    run.expect_in_stderr("aws/eu-west-1/db");
    assert_eq!(backend.count("TerminateInstances"), 0);
    // One that is certainly absent is not doubted for a place that it cannot be in.
    let arguments = ["aws/us-east-1/absent", "-y", "--ignore-not-found"];
    backend.run(&[&["terminate"], &arguments[..]].concat()).expect(0);
}

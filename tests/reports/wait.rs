//! An error of one region does not end the wait for another region.

use std::time::Duration;

use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce;

const NEAR_AND_FAR: [&str; 3] = ["wait", "aws/us-east-1/near", "aws/eu-west-1/far"];

fn refusal(status: u16, code: &str) -> Effect {
    Effect::ErrorBefore {
        status,
        code: code.to_owned(),
    }
}

/// How long an instance is pending, unless the clock is moved on.
const START: Duration = Duration::from_secs(600);

/// Two pending instances, each in a region of its own.
fn two_pending_vms() -> Backend {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.set_transition(START);
    backend.run("create near --wait none").expect(0);
    backend.run("create far -r eu-west-1 --wait none").expect(0);
    backend
}

/// The listing of the near region after the first look for the state finds the instances changed.
fn change_after_first_look(backend: &Backend) {
    let advance = Effect::AdvanceClock(START);
    backend.inject(Fault::on("DescribeInstances", advance).at("us-east-1").skip(3).times(1));
}

/// From the first look for the state on: finding them takes two calls.
fn refuse_listings(backend: &Backend, region: &str, effect: Effect) {
    backend.inject(Fault::on("DescribeInstances", effect).at(region).skip(2));
}

#[test]
fn region_that_denies_does_not_end_the_wait_for_another() {
    let backend = two_pending_vms();
    refuse_listings(&backend, "eu-west-1", refusal(403, "UnauthorizedOperation"));
    change_after_first_look(&backend);
    let run = backend
        .json(&[&NEAR_AND_FAR[..], &["--for", "running"]].concat())
        .expect(7);
    let states: Vec<_> = run.items().iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, ["running", "pending"]);
    assert_eq!(run.error_kinds(), ["permission_denied"]);
    let message = run.json()["errors"][0]["message"].to_string();
    assert!(message.contains("aws/eu-west-1/i-"), "{message}");
}

#[test]
fn names_are_waited_for_although_one_of_their_regions_denies() {
    let backend = two_pending_vms();
    refuse_listings(&backend, "eu-west-1", refusal(403, "UnauthorizedOperation"));
    change_after_first_look(&backend);
    let run = backend.run("wait near far").expect(7);
    assert!(run.stdout.contains("running"), "{}", run.stdout);
}

#[test]
fn vms_of_a_region_that_denies_share_one_error() {
    let backend = two_pending_vms();
    let arguments = ["create", "group", "--count", "3", "-r", "eu-west-1", "--wait", "none"];
    backend.run(&arguments).expect(0);
    refuse_listings(&backend, "eu-west-1", refusal(403, "UnauthorizedOperation"));
    change_after_first_look(&backend);
    let members = [
        "aws/eu-west-1/group-1",
        "aws/eu-west-1/group-2",
        "aws/eu-west-1/group-3",
    ];
    let run = backend.json(&[&NEAR_AND_FAR[..], &members].concat()).expect(7);
    assert_eq!(run.error_kinds(), ["permission_denied"]);
    let message = run.json()["errors"][0]["message"].to_string();
    assert!(message.contains("and 3 more"), "{message}");
    assert_eq!(run.items().len(), 5);
}

#[test]
fn region_that_recovers_is_waited_for() {
    let backend = two_pending_vms();
    let fault = Fault::on("DescribeInstances", refusal(403, "UnauthorizedOperation"));
    backend.inject(fault.at("eu-west-1").skip(2).times(2));
    change_after_first_look(&backend);
    let run = backend.json(&NEAR_AND_FAR).expect(0);
    let states: Vec<_> = run.items().iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, ["running", "running"]);
}

#[test]
fn throttled_region_is_waited_for() {
    let backend = two_pending_vms();
    let fault = Fault::on("DescribeInstances", refusal(503, "RequestLimitExceeded"));
    backend.inject(fault.at("eu-west-1").skip(2).times(4));
    change_after_first_look(&backend);
    backend.json(&NEAR_AND_FAR).expect(0);
}

#[test]
fn vm_gone_in_one_region_is_seen_while_another_one_denies() {
    let backend = two_pending_vms();
    backend.advance(START);
    backend.run("terminate aws/us-east-1/near -y").expect(0);
    refuse_listings(&backend, "eu-west-1", refusal(403, "UnauthorizedOperation"));
    change_after_first_look(&backend);
    let run = backend.json(&[&NEAR_AND_FAR[..], &["--for", "terminated", "--timeout", "60s"]].concat());
    let run = run.expect(7);
    assert_eq!(run.items()[0]["state"], "terminated", "{}", run.stdout);
    assert_eq!(run.error_kinds(), ["permission_denied"]);
}

#[test]
fn cloud_that_denies_does_not_end_the_wait_for_another_cloud() {
    let mut backend = two_pending_vms();
    let gcp = gce::Emulator::start();
    backend.sandbox.point_at_gcp(&gcp.url(), gce::PROJECT);
    let arguments = ["create", "third", "-p", "gcp", "-z", "us-central1-a"];
    backend.sandbox.run(&arguments).expect(0);
    let made = gcp.instances().remove(0);
    // The first listing finds it.
    backend.sandbox.run("stop gcp/us-central1-a/third").expect(0);
    for call in ["instances.list", "instances.aggregatedList"] {
        gcp.inject(Fault::on(call, refusal(403, "forbidden")).skip(1));
    }
    change_after_first_look(&backend);
    let third = format!("gcp/us-central1-a/{}", made.id);
    let arguments = ["wait", "aws/us-east-1/near", &third, "--for", "running", "-o", "json"];
    let run = backend.sandbox.run(&arguments);
    // The listing that finds it and those that wait may be other calls.
    assert!(matches!(run.code, 7 | 8), "{run:?}");
    assert!(
        run.items().iter().any(|item| item["state"] == "running"),
        "{}",
        run.stdout
    );
}

#[test]
fn region_that_always_denies_does_not_end_other_waits() {
    let backend = two_pending_vms();
    backend.inject(Fault::on("DescribeInstances", refusal(403, "UnauthorizedOperation")).at("eu-west-1"));
    change_after_first_look(&backend);
    let run = backend.json(&NEAR_AND_FAR).expect(7);
    let states: Vec<_> = run.items().iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, ["running"]);
    let message = run.json()["errors"][0]["message"].to_string();
    assert!(message.contains("aws/eu-west-1/far"), "{message}");
}

#[test]
fn regions_that_all_deny_end_the_wait() {
    let backend = two_pending_vms();
    for region in ["us-east-1", "eu-west-1"] {
        refuse_listings(&backend, region, refusal(403, "UnauthorizedOperation"));
    }
    let run = backend.json(&NEAR_AND_FAR).expect(4);
    assert_eq!(run.error_kinds(), ["permission_denied", "permission_denied"]);
}

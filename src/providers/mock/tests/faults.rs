//! Tests of the effect of faults on calls.

use serde_json::json;

use super::*;

#[test]
fn unreachable_zone_is_one_gap_in_its_region() {
    let mut sandbox = Sandbox::new();
    let lost = sandbox.create(&in_zone("lost", "us-east-1a")).reference;
    let kept = sandbox.create(&in_zone("kept", "us-east-1b")).reference;
    sandbox.faults("unreachable=us-east-1a,capacity@us-east-1c");
    let listing = sandbox.list("us-east-1").unwrap();
    assert_eq!(listing.instances.len(), 1);
    assert_eq!(listing.instances[0].reference, kept);
    assert_eq!(listing.gaps.len(), 1);
    assert_eq!(listing.gaps[0].location.to_string(), "mock/us-east-1a");
    assert_eq!(kind(sandbox.get(&lost)), ErrorKind::Network);
    let outcomes = run(sandbox
        .mock
        .apply(InstanceAction::Terminate, &[lost, kept], &BatchTracker::uninterrupted()));
    let first = outcomes[0].result.as_ref().unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Network);
    assert!(outcomes[1].result.is_ok());
    assert_eq!(
        sandbox.refusal(&in_zone("new", "us-east-1c")).kind(),
        ErrorKind::Capacity
    );
    sandbox.create(&in_zone("new", "us-east-1b"));
}

#[test]
fn start_fails_without_capacity() {
    let mut sandbox = Sandbox::new();
    let target = sandbox.create(&spec("web-1")).reference;
    sandbox.pass(1);
    sandbox.act(InstanceAction::Stop, &target).unwrap();
    sandbox.pass(1);
    sandbox.faults("capacity");
    assert_eq!(kind(sandbox.act(InstanceAction::Start, &target)), ErrorKind::Capacity);
    assert_eq!(sandbox.state(&target), InstanceState::Stopped);
}

#[test]
fn slow_and_failed_boots_and_early_ends_show_in_state() {
    let mut sandbox = Sandbox::new();
    sandbox.faults("slow-boot=30s");
    let slow = sandbox.create(&spec("slow")).reference;
    sandbox.pass(29);
    assert_eq!(sandbox.state(&slow), InstanceState::Pending);
    sandbox.pass(1);
    assert_eq!(sandbox.state(&slow), InstanceState::Running);

    sandbox.faults("boot-failure");
    let failed = sandbox.create(&spec("failed")).reference;
    assert_eq!(sandbox.state(&failed), InstanceState::Pending);
    sandbox.pass(1);
    let dead = sandbox.get(&failed).unwrap();
    assert_eq!(dead.state, InstanceState::Terminated);
    assert_eq!(dead.state_reason.as_deref(), Some("Server.InternalError"));
    assert!(sandbox.console(&failed).contains("panic"));

    sandbox.faults("");
    let spot = with("spot", |spec| {
        spec.spot = true;
        spec.native.insert("fail_after_seconds".into(), json!(60));
    });
    let spot = sandbox.create(&spot).reference;
    sandbox.pass(59);
    assert_eq!(sandbox.state(&spot), InstanceState::Running);
    sandbox.pass(1);
    let dead = sandbox.get(&spot).unwrap();
    assert_eq!(dead.state, InstanceState::Terminated);
    assert_eq!(dead.state_reason.as_deref(), Some("Server.SpotInstanceTermination"));
    assert!(sandbox.console(&spot).contains("login:"));
    sandbox.pass(3600);
    assert_eq!(kind(sandbox.get(&spot)), ErrorKind::NotFound);
}

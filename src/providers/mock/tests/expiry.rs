//! Tests of expiry, protection, the clock and the order of zones.

use std::fs;

use super::*;
use crate::cloud::{ExpiryEnforcer, LABEL_TTL};

const HOUR: Duration = Duration::from_secs(3600);

fn with_ttl(name: &str, ttl: Duration) -> InstanceSpec {
    with(name, |spec| spec.ttl = Some(ttl))
}

#[test]
fn instance_is_terminated_at_its_ttl_in_any_state() {
    let sandbox = Sandbox::new();
    let running = sandbox.create(&with_ttl("running", HOUR)).reference;
    let stopped = sandbox.create(&with_ttl("stopped", HOUR)).reference;
    let protected = sandbox.create(&with("protected", |spec| {
        spec.ttl = Some(HOUR);
        spec.protected = true;
    }));
    let protected = protected.reference;
    let endless = sandbox.create(&spec("endless")).reference;
    sandbox.pass(60);
    sandbox.act(InstanceAction::Stop, &stopped).unwrap();
    sandbox.pass(3539);
    for alive in [&running, &stopped, &protected] {
        let seen = sandbox.get(alive).unwrap();
        assert!(!seen.state.is_gone());
        assert_eq!(seen.expires_at, seen.created_at.map(|made| made + HOUR));
        assert_eq!(seen.expiry_enforcer, Some(ExpiryEnforcer::Cloud));
    }
    sandbox.pass(1);
    for gone in [&running, &stopped, &protected] {
        let seen = sandbox.get(gone).unwrap();
        assert_eq!(seen.state, InstanceState::Terminated);
        assert_eq!(seen.state_reason.as_deref(), Some("Cloud.Expired"));
        assert_eq!((seen.failure, seen.public_ip), (None, None));
        sandbox.act(InstanceAction::Terminate, gone).unwrap();
        assert_eq!(kind(sandbox.act(InstanceAction::Start, gone)), ErrorKind::Refused);
        assert_eq!(kind(sandbox.act(InstanceAction::Protect, gone)), ErrorKind::Refused);
        assert_eq!(kind(run(sandbox.mock.set_ttl(gone, 2 * HOUR))), ErrorKind::Refused);
    }
    let seen = sandbox.get(&endless).unwrap();
    assert_eq!(
        (seen.state, seen.expires_at, seen.expiry_enforcer),
        (InstanceState::Running, None, None)
    );
    sandbox.pass(3600);
    assert_eq!(kind(sandbox.get(&running)), ErrorKind::NotFound);
    assert_eq!(sandbox.list("us-east-1").unwrap().instances.len(), 1);
}

#[test]
fn ttl_does_not_change_an_earlier_end() {
    let sandbox = Sandbox::new();
    let ended = sandbox.create(&with_ttl("ended", HOUR)).reference;
    let died = sandbox.create(&with("died", |spec| {
        spec.ttl = Some(HOUR);
        spec.native.insert("fail_after_seconds".into(), serde_json::json!(60));
    }));
    let died = died.reference;
    sandbox.pass(3599);
    sandbox.act(InstanceAction::Terminate, &ended).unwrap();
    sandbox.pass(2);
    let reason = |target| sandbox.get(target).map(|one| (one.state_reason.unwrap(), one.failure));
    let by_user = ("Client.UserInitiatedShutdown".to_owned(), None);
    assert_eq!(reason(&ended).unwrap(), by_user);
    let by_itself = ("Server.InternalError".to_owned(), Some(ErrorKind::Capacity));
    assert_eq!(reason(&died).unwrap(), by_itself);
}

#[test]
fn ttl_label_set_by_hand_is_not_enforced() {
    let sandbox = Sandbox::new();
    let made = sandbox.create(&spec("web-1")).reference;
    let text = fs::read_to_string(sandbox.file()).unwrap();
    assert!(!text.contains("ends_at"), "a file without expiry has the old form");
    let labelled = text.replace(
        "\"cloudctl-spec\"",
        &format!("\"{LABEL_TTL}\": \"1h\", \"cloudctl-spec\""),
    );
    fs::write(sandbox.file(), labelled).unwrap();
    sandbox.pass(2 * 3600);
    let seen = sandbox.get(&made).unwrap();
    assert_eq!(seen.state, InstanceState::Running);
    assert_eq!(seen.expires_at, seen.created_at.map(|at| at + HOUR));
    assert_eq!(seen.expiry_enforcer, Some(ExpiryEnforcer::Tag));
}

#[test]
fn candidate_zones_start_with_the_zone_of_the_name() {
    let sandbox = Sandbox::new();
    let zones = |spec: &InstanceSpec| -> Vec<String> {
        let places = run(sandbox.mock.candidate_zones(spec)).unwrap();
        places.into_iter().filter_map(|place| place.zone).collect()
    };
    for name in ["web-1", "web-2", "web-3", "web-4"] {
        let order = zones(&spec(name));
        assert_eq!(Some(&order[0]), sandbox.create(&spec(name)).zone.as_ref());
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, ["us-east-1a", "us-east-1b", "us-east-1c"]);
        assert_eq!(order, zones(&spec(name)));
    }
    assert_eq!(zones(&in_zone("web-1", "us-east-1c")), ["us-east-1c"]);
    let in_subnet = with("web-1", |spec| spec.subnet = Some("default-us-east-1b".into()));
    assert_eq!(zones(&in_subnet), ["us-east-1b"]);
    let unknown = with("web-1", |spec| spec.machine_type = Some("t3.small".into()));
    assert_eq!(
        kind(run(sandbox.mock.candidate_zones(&unknown))),
        ErrorKind::InvalidSpec
    );
    assert!(run(sandbox.mock.orphaned_disks(&[])).unwrap().is_empty());
}

//! Tests of the life of instances, and of what specs may hold.

use std::fs;

use super::*;
use crate::cloud::SshKey;

#[test]
fn instance_passes_through_all_its_states() {
    let sandbox = Sandbox::new();
    let made = sandbox.create(&spec("web-1"));
    let target = &made.reference;
    assert_eq!((made.state, &made.public_ip), (InstanceState::Pending, &None));
    assert_eq!(sandbox.console(target), "");
    sandbox.pass(1);
    let running = sandbox.get(target).unwrap();
    assert_eq!(running.state, InstanceState::Running);
    assert_eq!(running.public_ip.as_deref(), Some("203.0.113.1"));
    let console = sandbox.console(target);
    assert!(
        console.contains(&target.id) && console.contains("web-1 login:"),
        "{console}"
    );

    sandbox.act(InstanceAction::Reboot, target).unwrap();
    sandbox.act(InstanceAction::Stop, target).unwrap();
    assert_eq!(sandbox.state(target), InstanceState::Stopping);
    assert_eq!(kind(sandbox.act(InstanceAction::Start, target)), ErrorKind::Refused);
    sandbox.pass(1);
    assert_eq!(sandbox.state(target), InstanceState::Stopped);
    sandbox.act(InstanceAction::Stop, target).unwrap();
    assert_eq!(kind(sandbox.act(InstanceAction::Reboot, target)), ErrorKind::Refused);

    sandbox.act(InstanceAction::Start, target).unwrap();
    assert_eq!(sandbox.state(target), InstanceState::Pending);
    sandbox.pass(1);
    sandbox.act(InstanceAction::Start, target).unwrap();
    let again = sandbox.get(target).unwrap();
    assert_eq!(
        (again.state, again.created_at),
        (InstanceState::Running, made.created_at)
    );
    assert_eq!(again.public_ip.as_deref(), Some("203.0.113.2"));

    sandbox.act(InstanceAction::Terminate, target).unwrap();
    assert_eq!(sandbox.state(target), InstanceState::Terminating);
    sandbox.pass(1);
    let gone = sandbox.get(target).unwrap();
    assert_eq!(gone.state, InstanceState::Terminated);
    assert_eq!(gone.state_reason.as_deref(), Some("Client.UserInitiatedShutdown"));
    assert!(!sandbox.console(target).contains("panic"));
    sandbox.act(InstanceAction::Terminate, target).unwrap();
    assert_eq!(kind(sandbox.act(InstanceAction::Start, target)), ErrorKind::Refused);
    sandbox.pass(3600);
    assert_eq!(kind(sandbox.get(target)), ErrorKind::NotFound);
    assert_eq!(
        kind(sandbox.act(InstanceAction::Terminate, target)),
        ErrorKind::NotFound
    );
    assert!(sandbox.list("us-east-1").unwrap().instances.is_empty());
}

#[test]
fn name_of_unmanaged_instance_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.create(&spec("web-1"));
    let text = fs::read_to_string(sandbox.file()).unwrap();
    let text = text
        .replace("cloudctl-managed", "owner")
        .replace("\"token\": \"", "\"token\": \"not-");
    fs::write(sandbox.file(), &text).unwrap();
    assert_eq!(sandbox.refusal(&spec("web-1")).kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(sandbox.file()).unwrap(), text);
    let listed = sandbox.list("us-east-1").unwrap().instances;
    assert_eq!((listed[0].managed, listed[0].name.as_deref()), (false, Some("web-1")));
    let ours = ListFilter::managed_name("web-1");
    let ours = run(sandbox.mock.list(&ListScope::AllRegions, &ours)).unwrap();
    assert!(ours.instances.is_empty());
}

#[test]
fn invalid_spec_is_refused_and_creates_nothing() {
    type Change = Box<dyn FnOnce(&mut InstanceSpec)>;
    let text = |length: usize| "x".repeat(length);
    let label = |key: String, value: String| -> Change { Box::new(move |spec| drop(spec.labels.insert(key, value))) };
    let cases: [(&str, Change); 8] = [
        ("gp3", Box::new(|spec| spec.disk_type = Some("gp3".into()))),
        ("subnet-1", Box::new(|spec| spec.subnet = Some("subnet-1".into()))),
        ("firewall", Box::new(|spec| spec.firewalls = vec![String::new()])),
        ("identity", Box::new(|spec| spec.identity = Some("\n".into()))),
        ("cloudctl-x", label("cloudctl-x".into(), String::new())),
        ("too long", label(text(129), String::new())),
        ("too long", label("key".into(), text(257))),
        (
            "47",
            Box::new(|spec| spec.labels.extend((0..47).map(|key| (key.to_string(), String::new())))),
        ),
    ];
    let sandbox = Sandbox::new();
    for (word, change) in cases {
        let spec = with("web-1", change);
        for error in [sandbox.refusal(&spec), run(sandbox.mock.preview(&spec)).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{word}");
            assert!(error.message().contains(word), "{error} has no {word}");
        }
    }
    let private = SshKey::PublicKey("-----BEGIN hunter2".into());
    let error = sandbox.refusal(&with("web-1", |spec| spec.ssh_key = Some(private)));
    assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    assert!(!format!("{error:?}").contains("hunter2"));
    assert!(!sandbox.file().exists());
}

#[test]
fn subnet_selects_the_zone() {
    let sandbox = Sandbox::new();
    for zone in ["us-east-1a", "us-east-1c"] {
        let subnet = format!("default-{zone}");
        let spec = with(&format!("in-{zone}"), |spec| spec.subnet = Some(subnet));
        assert_eq!(sandbox.create(&spec).zone.as_deref(), Some(zone));
    }
    let mut elsewhere = in_zone("web-1", "us-east-1b");
    elsewhere.subnet = Some("default-us-east-1a".into());
    assert_eq!(sandbox.refusal(&elsewhere).kind(), ErrorKind::InvalidSpec);
}

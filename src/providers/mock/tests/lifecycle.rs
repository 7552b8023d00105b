//! Tests of the life of instances, and of what specs may hold.

use std::fs;

use serde_json::json;

use super::*;
use crate::cloud::{Fingerprint, Secret, SshKey};

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
fn created_instance_matches_its_spec() {
    let sandbox = Sandbox::new();
    let spec = with("db", |spec| {
        spec.location.zone = Some("us-east-1b".into());
        spec.machine_type = Some("arm-large".into());
        spec.image = Some("debian-12".into());
        spec.disk_gib = Some(100);
        spec.disk_type = Some("standard".into());
        spec.ssh_key = Some(SshKey::PublicKey("ssh-ed25519 AAAA you@here\n".into()));
        spec.user_data = Some(Secret::new(b"#!/bin/sh\necho hunter2".to_vec()));
        spec.subnet = Some("default-us-east-1b".into());
        spec.firewalls = vec!["web".into()];
        spec.public_ip = false;
        spec.identity = Some("robot".into());
        spec.labels.insert("env".into(), "ci".into());
        spec.spot = true;
        spec.protected = true;
        spec.native.insert("boot_seconds".into(), json!(0));
    });
    let preview = run(sandbox.mock.preview(&spec)).unwrap();
    assert!(!sandbox.file().exists(), "a preview changes nothing");
    let made = sandbox.create(&spec);
    assert_eq!(preview.location.zone, made.zone);
    assert_eq!(Some(&preview.image), made.image.as_ref());
    assert_eq!(preview.price_usd_per_hour, made.price_usd_per_hour);
    assert_eq!(made.state, InstanceState::Running);
    assert_eq!(made.image.as_deref(), Some("img-debian-12-arm64"));
    assert_eq!((made.cpus, made.memory_gib), (Some(4), Some(16.0)));
    assert_eq!((made.spot, made.managed, made.protected), (true, true, Some(true)));
    assert_eq!(made.public_ip, None);
    assert_eq!(made.labels, spec.labels);
    assert_eq!(made.generation, Some(0));
    let fingerprint = Fingerprint::of(&spec);
    assert_eq!(made.spec_fingerprint.as_deref(), Some(fingerprint.as_str()));
    assert_eq!(made.native["disk_gib"], 100);
    assert_eq!(made.native["disk_type"], "standard");
    assert_eq!(made.native["firewalls"], json!(["web"]));
    assert_eq!(made.native["identity"], "robot");
    assert_eq!(made.native["ssh_key"], "ssh-ed25519 AAAA you@here");
    let file = fs::read_to_string(sandbox.file()).unwrap();
    assert!(!file.contains("hunter2"));
}

#[test]
fn name_and_token_mean_one_instance() {
    let sandbox = Sandbox::new();
    let first = sandbox.create(&spec("web-1"));
    let other = with("web-1", |spec| spec.machine_type = Some("large".into()));
    assert_eq!(sandbox.create(&other).reference, first.reference);
    let next = created(run(sandbox.mock.create(&spec("web-1"), 1)).unwrap());
    assert_eq!(next.reference, first.reference);
    let elsewhere = with("web-1", |spec| spec.location.region = "eu-west-1".into());
    assert_ne!(sandbox.create(&elsewhere).reference, first.reference);

    sandbox.act(InstanceAction::Terminate, &first.reference).unwrap();
    let spent = run(sandbox.mock.create(&spec("web-1"), 0)).unwrap();
    assert!(matches!(spent, CreateOutcome::TokenAlreadyUsed));
    let second = created(run(sandbox.mock.create(&spec("web-1"), 1)).unwrap());
    assert_ne!(second.reference, first.reference);
    assert_eq!(second.generation, Some(1));
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
fn batch_outcomes_are_in_the_order_of_targets() {
    let sandbox = Sandbox::new();
    let plain = sandbox.create(&spec("plain")).reference;
    let kept = with("kept", |spec| spec.protected = true);
    let kept = sandbox.create(&kept).reference;
    let far = with("far", |spec| spec.location.region = "ap-south-1".into());
    let far = sandbox.create(&far).reference;
    let stale = InstanceRef {
        id: "m-0000000000000000".into(),
        ..plain.clone()
    };
    let nowhere = InstanceRef {
        scope: "mars-1".into(),
        ..plain.clone()
    };
    let targets = [far, stale, kept.clone(), nowhere, plain];
    let outcomes = run(sandbox
        .mock
        .apply(InstanceAction::Terminate, &targets, &BatchTracker::uninterrupted()));
    let kinds: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.result.as_ref().err().map(Error::kind))
        .collect();
    let (missing, protected) = (Some(ErrorKind::NotFound), Some(ErrorKind::Protected));
    assert_eq!(kinds, [None, missing, protected, missing, None]);
    assert!(outcomes.iter().map(|outcome| &outcome.target).eq(&targets));
    assert_eq!(sandbox.state(&kept), InstanceState::Pending);
    assert!(
        run(sandbox
            .mock
            .apply(InstanceAction::Terminate, &[], &BatchTracker::uninterrupted()))
        .is_empty()
    );
}

#[test]
fn invalid_spec_is_refused_and_creates_nothing() {
    type Change = Box<dyn FnOnce(&mut InstanceSpec)>;
    let text = |length: usize| "x".repeat(length);
    let label = |key: String, value: String| -> Change { Box::new(move |spec| drop(spec.labels.insert(key, value))) };
    let cases: [(&str, Change); 17] = [
        ("mars-1", Box::new(|spec| spec.location.region = "mars-1".into())),
        (
            "eu-west-1a",
            Box::new(|spec| spec.location.zone = Some("eu-west-1a".into())),
        ),
        ("t3.small", Box::new(|spec| spec.machine_type = Some("t3.small".into()))),
        ("ami-1", Box::new(|spec| spec.image = Some("ami-1".into()))),
        ("7 GiB", Box::new(|spec| spec.disk_gib = Some(7))),
        ("65537 GiB", Box::new(|spec| spec.disk_gib = Some(65_537))),
        ("gp3", Box::new(|spec| spec.disk_type = Some("gp3".into()))),
        ("vpc-1", Box::new(|spec| spec.network = Some("vpc-1".into()))),
        ("subnet-1", Box::new(|spec| spec.subnet = Some("subnet-1".into()))),
        ("firewall", Box::new(|spec| spec.firewalls = vec![String::new()])),
        ("identity", Box::new(|spec| spec.identity = Some("\n".into()))),
        (
            "16385",
            Box::new(|spec| spec.user_data = Some(Secret::new(vec![0; 16_385]))),
        ),
        (
            "boot_second",
            Box::new(|spec| drop(spec.native.insert("boot_second".into(), json!(1)))),
        ),
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

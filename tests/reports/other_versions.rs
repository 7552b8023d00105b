//! What a later cloudctl made is ours, and its spec is compared with nothing.

use std::collections::BTreeMap;

use crate::support::backend::{Backend, BackendKind};

/// With more fields than this version knows.
const LATER: &str = "0123456789abcdef----------------------------------------abcd--x";

fn labels(spec: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("cloudctl-managed", "true"),
        ("cloudctl-name", "web"),
        ("cloudctl-spec", spec),
        ("cloudctl-generation", "0"),
        ("env", "ci"),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// A VM called `web`, with this fingerprint, on each cloud.
fn clouds_with(spec: &str) -> Vec<Backend> {
    BackendKind::STEERED
        .iter()
        .map(|kind| {
            let backend = Backend::start(*kind);
            seed(&backend, spec);
            backend
        })
        .collect()
}

fn seed(backend: &Backend, spec: &str) {
    let labels = labels(spec);
    if let Some(emulator) = backend.ec2() {
        let mut tags = labels;
        tags.insert("Name".to_owned(), "web".to_owned());
        emulator.seed_tagged("us-east-1", 1, &tags);
    } else if let Some(emulator) = backend.gce() {
        let pairs: Vec<_> = labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        emulator.create_from_outside("us-central1-a", "web", &pairs);
    } else {
        backend.run(&["create", "web", "-l", "env=ci"]).expect(0);
        let path = backend.sandbox.home().join(".local/state/cloudctl/mock.json");
        let file = std::fs::read_to_string(&path).unwrap();
        let mut file: serde_json::Value = serde_json::from_str(&file).unwrap();
        file["instances"][0]["labels"]["cloudctl-spec"] = spec.into();
        std::fs::write(&path, file.to_string()).unwrap();
    }
}

#[test]
fn vm_of_a_later_version_is_managed() {
    for backend in clouds_with(LATER) {
        let item = backend.json(&["list"]).expect(0).item();
        assert_eq!(
            (&item["managed"], &item["name"]),
            (&true.into(), &"web".into()),
            "{item}"
        );
        backend.run(&["extend", "web", "--ttl", "2h"]);
        backend.run(&["terminate", "-l", "env=ci", "-y"]).expect(0);
        assert_eq!(backend.alive(), []);
    }
}

#[test]
fn vm_of_a_later_version_is_neither_adopted_nor_made_twice() {
    for backend in clouds_with(LATER) {
        for arguments in [&["create", "web"][..], &["create", "web", "--dry-run"]] {
            let run = backend.run(arguments).expect(6);
            assert!(run.stderr.contains("another version of cloudctl"), "{}", run.stderr);
            assert!(run.stderr.contains("cannot be compared"), "{}", run.stderr);
        }
        assert_eq!(backend.alive().len(), 1, "{:?}", backend.kind);
    }
}

#[test]
fn fingerprint_of_odd_length_is_not_compared() {
    for backend in clouds_with("0123456789abcdefg") {
        let run = backend.run(&["create", "web"]).expect(6);
        assert!(run.stderr.contains("another version of cloudctl"), "{}", run.stderr);
    }
}

#[test]
fn known_fingerprint_of_another_spec_names_what_differs() {
    for backend in clouds_with("0123456789abcdefzz") {
        let run = backend
            .run(&["create", "web", "--type", backend.other_type()])
            .expect(6);
        assert!(run.stderr.contains("another spec: type"), "{}", run.stderr);
    }
}

#[test]
fn text_that_no_version_writes_is_not_ours() {
    for text in ["oooooooooooooooo", "UPPERCASEUPPERCASE", "short"] {
        let backend = Backend::start(BackendKind::Ec2Emulator);
        seed(&backend, text);
        let item = backend.json(&["list"]).expect(0).item();
        assert_eq!(item["managed"], false, "{text}");
    }
}

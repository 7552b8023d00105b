//! VMs of a later cloudctl are managed, and their spec is not compared.

use crate::support::backends::{Backend, BackendKind};
use crate::support::test_cloud::Labels;

/// With more fields than this version knows.
const LATER: &str = "0123456789abcdef----------------------------------------abcd--x";

fn labels(spec: &str) -> Labels {
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
    backend.seed(backend.home_zone(), "web", &labels(spec));
}

#[test]
fn vm_of_a_later_version_is_managed() {
    for backend in clouds_with(LATER) {
        let item = backend.json("list").expect(0).item();
        assert_eq!(
            (&item["managed"], &item["name"]),
            (&true.into(), &"web".into()),
            "{item}"
        );
        backend.run("extend web --ttl 2h");
        backend.run("terminate -l env=ci -y").expect(0);
        assert_eq!(backend.alive(), []);
    }
}

#[test]
fn vm_of_a_later_version_is_neither_adopted_nor_made_twice() {
    for backend in clouds_with(LATER) {
        for arguments in [&["create", "web"][..], &["create", "web", "--dry-run"]] {
            let run = backend.run(arguments).expect(6);
            run.expect_in_stderr("another version of cloudctl");
            run.expect_in_stderr("cannot be compared");
        }
        assert_eq!(backend.alive().len(), 1, "{:?}", backend.kind);
    }
}

#[test]
fn fingerprint_of_odd_length_is_not_compared() {
    for backend in clouds_with("0123456789abcdefg") {
        let run = backend.run("create web").expect(6);
        run.expect_in_stderr("another version of cloudctl");
    }
}

#[test]
fn known_fingerprint_of_another_spec_names_what_differs() {
    for backend in clouds_with("0123456789abcdefzz") {
        let run = backend
            .run(&["create", "web", "--type", backend.other_type()])
            .expect(6);
        run.expect_in_stderr("another spec: type");
    }
}

#[test]
fn text_that_no_version_writes_is_not_ours() {
    for text in ["oooooooooooooooo", "UPPERCASEUPPERCASE", "short"] {
        let backend = Backend::start(BackendKind::Ec2Emulator);
        seed(&backend, text);
        let item = backend.json("list").expect(0).item();
        assert_eq!(item["managed"], false, "{text}");
    }
}

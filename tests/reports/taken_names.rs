//! `create` refuses the name of a VM that cloudctl does not manage, before it changes anything.

use crate::support::backends::{Backend, BackendKind};
use crate::support::test_cloud::Labels;
use cloud_emulators::client_commands::aws;

/// The calls of a backend that change something.
fn changes(backend: &Backend) -> usize {
    let names = [
        "insert",
        "bulkInsert",
        "RunInstances",
        "CreateSecurityGroup",
        "ImportKeyPair",
    ];
    let calls = backend.calls().into_iter();
    let names_change = |name: &str| names.iter().any(|word| name.ends_with(word));
    calls.filter(|call| names_change(&call.operation.name)).count()
}

/// Runs a create that must be refused, and its dry run, and checks that nothing was made.
#[track_caller]
fn is_refused(backend: &Backend, id: &str, words: &[&str]) {
    let (alive, before) = (backend.alive().len(), changes(backend));
    for dry in [&["--dry-run"][..], &[]] {
        let run = backend.json(&[&["create"], words, dry, &["--ssh-key", "none"]].concat());
        let run = run.expect(6);
        assert_eq!(run.error_kinds(), ["already_exists"], "{words:?}");
        let error = run.json()["errors"][0].clone();
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        let full = format!("{}/", backend.provider());
        assert!(message.contains(&full) && message.contains(id), "{words:?}: {message}");
        assert!(message.contains("not made by cloudctl"), "{message}");
    }
    assert_eq!(backend.alive().len(), alive, "{words:?}");
    assert_eq!(changes(backend), before, "{words:?}");
}

const CLOUDS: &[BackendKind] = BackendKind::STEERED;

#[test]
fn name_of_an_unmanaged_vm_is_refused() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let id = backend.create_unmanaged("taken");
        is_refused(&backend, &id, &["taken"]);
        is_refused(&backend, &id, &["taken", "-z", backend.home_zone()]);
    }
}

#[test]
fn name_of_an_unmanaged_vm_in_another_zone_is_refused() {
    let backend = Backend::start(BackendKind::GceEmulator);
    let emulator = backend.gce();
    for zone in ["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"] {
        let name = format!("taken-in-{}", &zone[12..]);
        emulator.create_from_outside(zone, &name, &[]);
        let id = emulator.instance(&name).expect("the VM").id;
        is_refused(&backend, &id, &[&name]);
        is_refused(&backend, &id, &[&name, "-z", "us-central1-b"]);
        is_refused(&backend, &id, &[&name, "--fallback", "zone,type"]);
    }
}

#[test]
fn name_of_unmanaged_vm_in_a_fallback_region_is_refused() {
    for kind in BackendKind::EMULATORS {
        let backend = Backend::start(*kind);
        let id = backend.create_unmanaged("taken");
        let near = backend.site().near_region;
        let words = ["taken", "-r", near, "--fallback", "region"];
        is_refused(&backend, &id, &words);
        // Without the fallback nobody looks there, and nothing goes there.
        backend
            .run(&["create", "taken", "-r", near, "--ssh-key", "none"])
            .expect(0);
    }
}

#[test]
fn group_with_the_name_of_an_unmanaged_vm_is_refused_whole() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let id = backend.create_unmanaged("taken-2");
        is_refused(&backend, &id, &["taken", "--count", "3"]);
        is_refused(&backend, &id, &["taken", "--count", "2", "--fallback", "zone"]);
    }
}

#[test]
fn name_of_ours_is_still_ours_beside_an_unmanaged_vm() {
    for kind in BackendKind::EMULATORS {
        let backend = Backend::start(*kind);
        let first = backend.json("create web --ssh-key none").expect(0).item();
        let mut zones = backend.site().home_zones.iter();
        let other = zones.find(|zone| first["zone"] != **zone).expect("another zone");
        backend.seed(other, "web", &Labels::new());
        let again = backend.json("create web --ssh-key none").expect(0).item();
        assert_eq!(again["id"], first["id"], "{kind:?}");
    }
}

#[test]
fn name_of_an_unmanaged_vm_that_is_gone_is_free() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let id = backend.create_unmanaged("taken");
    aws(&backend.url(), &["ec2", "terminate-instances", "--instance-ids", &id]);
    backend.run("create taken --ssh-key none").expect(0);

    let backend = Backend::start(BackendKind::GceEmulator);
    let emulator = backend.gce();
    emulator.create_from_outside("us-central1-a", "taken", &[]);
    emulator.delete_from_outside("taken");
    backend.run("create taken --ssh-key none").expect(0);
}

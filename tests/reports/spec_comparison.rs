//! `create` adopts a VM that is what is asked for now. A difference is named with both values.

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const OTHER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkFcXi3XI5mjUOw7XdtfZyD+X2rSLsv2RVU6cbPDOhI";

const CLOUDS: &[BackendKind] = BackendKind::STEERED;

fn create(backend: &Backend, words: &[&str]) -> Run {
    backend.json(&[&["create", "same"], words].concat())
}

/// The machine type that nobody asked for.
fn default_type(backend: &Backend) -> String {
    let item = backend.json("create sample --dry-run").expect(0).item();
    item["machine_type"].as_str().expect("a type").to_owned()
}

/// Makes a VM with the first words, and asks for it with the others, which gives the same one.
#[track_caller]
fn is_adopted(kind: BackendKind, first: &[&str], then: &[&str]) {
    let backend = Backend::start(kind);
    let made = create(&backend, first).expect(0).item();
    let again = create(&backend, then).expect(0).item();
    assert_eq!(again["id"], made["id"], "{kind:?} {first:?} {then:?}");
    assert_eq!(backend.alive().len(), 1);
    // A dry run says the same.
    create(&backend, &[then, &["--dry-run"]].concat()).expect(0);
}

/// The same, which is refused with these words.
#[track_caller]
fn is_refused(kind: BackendKind, first: &[&str], then: &[&str], told: &str) {
    let backend = Backend::start(kind);
    create(&backend, first).expect(0);
    for dry in [&[][..], &["--dry-run"]] {
        let run = create(&backend, &[then, dry].concat()).expect(6);
        assert!(run.stderr.contains(told), "{kind:?} {then:?}: {told}\n{}", run.stderr);
    }
    assert_eq!(backend.alive().len(), 1);
}

#[test]
fn type_that_the_default_gave_is_adopted() {
    for kind in CLOUDS {
        let machine_type = default_type(&Backend::start(*kind));
        is_adopted(*kind, &[], &["--type", &machine_type]);
    }
}

#[test]
fn type_that_is_the_default_need_not_be_said_again() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let machine_type = default_type(&backend);
        is_adopted(*kind, &["--type", &machine_type], &[]);
        // Another one is not what this command would make.
        let other = backend.other_type();
        let told = format!("type is {other}, not {machine_type}");
        is_refused(*kind, &["--type", other], &[], &told);
    }
}

#[test]
fn another_type_is_refused_with_both() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let (machine_type, other) = (default_type(&backend), backend.other_type());
        is_refused(
            *kind,
            &[],
            &["--type", other],
            &format!("type is {machine_type}, not {other}"),
        );
        is_refused(
            *kind,
            &["--type", other],
            &["--type", &machine_type],
            &format!("type is {other}, not {machine_type}"),
        );
    }
}

#[test]
fn size_that_the_machine_has_is_adopted() {
    for kind in CLOUDS {
        is_adopted(*kind, &[], &["--cpus", "1"]);
        is_adopted(*kind, &[], &["--cpus", "1", "--memory", "1"]);
        is_refused(
            *kind,
            &["--cpus", "2", "--memory", "4"],
            &["--cpus", "2"],
            "and the default is requested now",
        );
    }
}

#[test]
fn size_that_the_machine_lacks_is_refused_with_both() {
    for kind in CLOUDS {
        is_refused(*kind, &[], &["--cpus", "64"], "not 64");
        is_refused(*kind, &[], &["--memory", "512"], "not 512 GiB");
    }
}

#[test]
fn architecture_that_the_machine_has_is_adopted() {
    for kind in CLOUDS {
        is_adopted(*kind, &[], &["--arch", "x86_64"]);
        is_refused(*kind, &[], &["--arch", "arm64"], "arch is x86_64, not arm64");
    }
}

#[test]
fn image_that_the_default_gave_is_adopted() {
    for kind in CLOUDS {
        is_adopted(*kind, &[], &["--image", "ubuntu-24.04"]);
        is_adopted(*kind, &["--image", "ubuntu-24.04"], &[]);
        is_refused(*kind, &[], &["--image", "debian-12"], "not debian-12");
    }
}

#[test]
fn labels_are_compared_as_they_are() {
    for kind in CLOUDS {
        is_refused(
            *kind,
            &["-l", "team=x"],
            &["-l", "team=y"],
            "label is team=x, not team=y",
        );
        is_refused(*kind, &[], &["-l", "team=y"], "label is none, not team=y");
        is_refused(
            *kind,
            &["-l", "team=x", "-l", "env=ci"],
            &["-l", "env=ci"],
            "label is env=ci,team=x, not env=ci",
        );
        is_refused(*kind, &["-l", "team=x"], &[], "label is team=x, not none");
    }
}

#[test]
fn label_that_was_put_on_later_is_adopted() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let made = create(&backend, &[]).expect(0).item();
    let id = made["id"].as_str().unwrap_or_default();
    cloud_emulators::client_commands::aws(
        &backend.url(),
        &["ec2", "create-tags", "--resources", id, "--tags", "Key=team,Value=x"],
    );
    let again = create(&backend, &["-l", "team=x"]).expect(0).item();
    assert_eq!(again["id"], made["id"]);
}

#[test]
fn spot_is_compared_as_it_is() {
    for kind in CLOUDS {
        is_refused(*kind, &[], &["--spot"], "spot is no, not yes");
        is_refused(*kind, &["--spot"], &[], "spot is yes, not no");
    }
}

#[test]
fn time_to_live_is_compared_as_it_is() {
    for kind in CLOUDS {
        is_refused(*kind, &["--ttl", "2h"], &["--ttl", "3h"], "ttl is 2h, not 3h");
        is_refused(*kind, &[], &["--ttl", "3h"], "ttl is never, not 3h");
        is_adopted(*kind, &["--ttl", "120m"], &["--ttl", "2h"]);
        is_refused(*kind, &["--ttl", "2h"], &[], "ttl is 2h, not never");
    }
}

#[test]
fn zone_that_the_vm_is_in_is_adopted() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let made = create(&backend, &[]).expect(0).item();
        let zone = made["zone"].as_str().unwrap_or_default();
        let again = create(&backend, &["-z", zone]).expect(0).item();
        assert_eq!(again["id"], made["id"]);
    }
}

#[test]
fn keys_and_user_data_are_said_to_differ_and_not_shown() {
    for kind in BackendKind::EMULATORS {
        let backend = Backend::start(*kind);
        let one = backend.sandbox.write("one.sh", "#!/bin/sh\necho first-secret\n");
        let other = backend.sandbox.write("other.sh", "#!/bin/sh\necho second-secret\n");
        create(&backend, &["--user-data", &one]).expect(0);
        let run = create(&backend, &["--user-data", &other]).expect(6);
        run.expect_in_stderr("user-data differs");
        assert!(!run.stderr.contains("secret") && !run.stdout.contains("secret"));
    }
}

#[test]
fn own_key_that_the_default_gave_is_adopted() {
    for kind in CLOUDS {
        for [first, then] in [[&[][..], &["--ssh-key"]], [&["--ssh-key"], &[]]] {
            let backend = Backend::start(*kind);
            let own = backend
                .sandbox
                .write("home/.ssh/id_ed25519.pub", &format!("{KEY} me@here\n"));
            let key = |words: &[&'static str]| match words {
                [flag] => vec![(*flag).to_owned(), own.clone()],
                _ => Vec::new(),
            };
            let create = |words: &[&'static str]| {
                let words = key(words);
                create(&backend, &words.iter().map(String::as_str).collect::<Vec<_>>())
            };
            let made = create(first).expect(0).item();
            let again = create(then).expect(0).item();
            assert_eq!(again["id"], made["id"], "{kind:?} {first:?} {then:?}");
            assert_eq!(backend.alive().len(), 1);
        }
    }
}

#[test]
fn another_key_is_refused_with_both() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        backend
            .sandbox
            .write("home/.ssh/id_ed25519.pub", &format!("{KEY} me@here\n"));
        create(&backend, &[]).expect(0);
        let run = create(&backend, &["--ssh-key", OTHER_KEY]).expect(6);
        let words = backend.differences().shown_key;
        run.expect_in_stderr(format!("ssh-key is {words}"));
        assert_eq!(run.stderr.matches(words).count(), 2, "{}", run.stderr);
        let backend = Backend::start(*kind);
        create(&backend, &["--ssh-key", OTHER_KEY]).expect(0);
        for none in [&[][..], &["--ssh-key", "none"]] {
            let run = create(&backend, none).expect(6);
            assert!(run.stderr.contains(", not none"), "{kind:?}: {}", run.stderr);
        }
        let backend = Backend::start(*kind);
        create(&backend, &["--ssh-key", "none"]).expect(0);
        let run = create(&backend, &["--ssh-key", KEY]).expect(6);
        assert!(run.stderr.contains("ssh-key is none, not "), "{kind:?}: {}", run.stderr);
    }
}

#[test]
fn default_value_that_cannot_be_read_is_reported() {
    let run = {
        let backend = Backend::start(BackendKind::GceEmulator);
        create(&backend, &[]).expect(0);
        create(&backend, &["--disk-type", "pd-ssd"]).expect(6)
    };
    let told = "disk-type was the default at creation, and pd-ssd is requested now";
    run.expect_in_stderr(told);
}

#[test]
fn type_that_has_what_is_needed_now_is_adopted() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let other = backend.other_type();
        is_adopted(*kind, &["--type", other], &["--cpus", "1"]);
        is_refused(*kind, &["--type", other], &["--cpus", "96"], "not 96");
    }
}

#[test]
fn members_of_a_group_are_adopted_as_they_are() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let machine_type = default_type(&backend);
        let made = create(&backend, &["--count", "2"]).expect(0).items();
        let again = create(&backend, &["--count", "2", "--type", &machine_type])
            .expect(0)
            .items();
        let ids = |items: &[serde_json::Value]| items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&made), ids(&again), "{kind:?}");
    }
}

#[test]
fn network_that_the_default_gave_is_adopted() {
    for kind in [BackendKind::Mock, BackendKind::GceEmulator] {
        let backend = Backend::start(kind);
        let made = create(&backend, &[]).expect(0).item();
        for field in ["network", "subnet"] {
            let Some(value) = made["native"][field].as_str() else {
                continue;
            };
            let again = create(&backend, &[&format!("--{field}"), value]).expect(0).item();
            assert_eq!(again["id"], made["id"], "{kind:?} {field}");
        }
        let other = create(&backend, &["--network", "other"]).expect(6);
        other.expect_in_stderr("network is default, not other");
    }
}

#[test]
fn security_group_and_subnet_that_the_default_gave_are_adopted() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let made = create(&backend, &[]).expect(0).item();
    let native = &made["native"];
    let subnet = native["subnet_id"].as_str().expect("a subnet");
    let again = create(&backend, &["--subnet", subnet]).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    for group in native["security_groups"].as_array().into_iter().flatten() {
        for word in ["id", "name"] {
            let word = group[word].as_str().expect("a word");
            let again = create(&backend, &["--firewall", word]).expect(0).item();
            assert_eq!(again["id"], made["id"], "{word}");
        }
    }
    let other = create(&backend, &["--subnet", "subnet-0123"]).expect(6);
    other.expect_in_stderr(format!("subnet is {subnet}, not subnet-0123"));
}

#[test]
fn disk_that_the_default_gave_is_adopted() {
    for kind in [BackendKind::Mock, BackendKind::GceEmulator] {
        let backend = Backend::start(kind);
        let plan = backend.json("create same --dry-run").expect(0).item();
        let size = plan["disk_gib"].to_string();
        let made = create(&backend, &[]).expect(0).item();
        assert_eq!(create(&backend, &["--disk", &size]).expect(0).item()["id"], made["id"]);
        let other = create(&backend, &["--disk", "99"]).expect(6);
        let told = format!("disk is {size} GiB, not 99 GiB");
        assert!(other.stderr.contains(&told), "{kind:?}: {told} in {}", other.stderr);
    }
}

#[test]
fn protection_and_public_address_are_compared_as_they_are() {
    for kind in [BackendKind::Mock, BackendKind::GceEmulator] {
        is_refused(kind, &[], &["--protect"], "protect is no, not yes");
        is_refused(kind, &[], &["--no-public-ip"], "no-public-ip is no, not yes");
    }
    let backend = Backend::start(BackendKind::GceEmulator);
    let made = create(&backend, &[]).expect(0).item();
    backend.run("protect same").expect(0);
    assert_eq!(create(&backend, &["--protect"]).expect(0).item()["id"], made["id"]);
}

#[test]
fn arm_machine_is_not_taken_for_the_default() {
    let kind = BackendKind::Ec2Emulator;
    // It is the default of an Arm image, and no Arm image is asked for.
    let told = "type is t4g.small, not t3.small";
    is_refused(kind, &["--type", "t4g.small"], &[], told);
    let told = "arch is arm64, and the default is requested now";
    is_refused(kind, &["--arch", "arm64"], &[], told);
}

#[test]
fn firewalls_are_compared_as_a_whole() {
    for kind in [BackendKind::Mock, BackendKind::GceEmulator] {
        let both = ["--firewall", "one", "--firewall", "two"];
        is_refused(kind, &both, &["--firewall", "one"], "firewall is one,two, not one");
        is_refused(kind, &["--firewall", "one"], &both, "firewall is one, not one,two");
    }
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let group = |name: &str| {
        let words = [
            "ec2",
            "create-security-group",
            "--group-name",
            name,
            "--description",
            name,
        ];
        let made = cloud_emulators::client_commands::aws(&backend.url(), &words);
        made["GroupId"].as_str().expect("an id").to_owned()
    };
    let (one, two) = (group("one"), group("two"));
    let made = create(&backend, &["--firewall", &one, "--firewall", &two])
        .expect(0)
        .item();
    let part = create(&backend, &["--firewall", &one]).expect(6);
    part.expect_in_stderr("firewall is one,two, not ");
    // By their names they are the same two.
    let again = create(&backend, &["--firewall", "two", "--firewall", "one"])
        .expect(0)
        .item();
    assert_eq!(again["id"], made["id"]);
}

#[test]
fn network_of_another_project_is_not_the_own_one_of_its_name() {
    let kind = BackendKind::GceEmulator;
    let shared = "projects/host-project/global/networks/default";
    let own = format!("projects/{}/global/networks/default", cloud_emulators::gce::PROJECT);
    is_refused(
        kind,
        &["--network", shared],
        &["--network", "default"],
        &format!("network is {shared}, not default"),
    );
    is_refused(
        kind,
        &[],
        &["--network", shared],
        &format!("network is default, not {shared}"),
    );
    is_adopted(kind, &[], &["--network", &own]);
}

#[test]
fn image_that_the_vm_has_is_adopted_by_its_id() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let made = create(&backend, &[]).expect(0).item();
    let image = made["image"].as_str().expect("an image");
    let again = create(&backend, &["--image", image]).expect(0).item();
    assert_eq!(again["id"], made["id"]);
}

//! A dry run has the exit code of the real run, and changes nothing.

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::client_commands::aws;

const CLOUDS: &[BackendKind] = BackendKind::STEERED;

/// The calls so far that change something. What EC2 is asked as a dry run changes nothing.
fn changes(backend: &Backend) -> Vec<String> {
    let is_read = |name: &str| {
        let verb = name.rsplit('.').next().unwrap_or_default();
        let reads = ["Describe", "Get", "get", "list", "aggregatedList", "wait"];
        reads.iter().any(|read| verb.starts_with(read))
    };
    let is_dry = |body: &[u8]| String::from_utf8_lossy(body).contains("DryRun=true");
    let calls = backend.calls().into_iter();
    let changing = calls.filter(|call| !is_read(&call.operation.name) && !is_dry(&call.request.body));
    changing.map(|call| call.operation.name).collect()
}

/// Runs a command with --dry-run, then for real, and checks that both end with this exit code, for the same reason, and
/// that neither changed anything. Gives the dry run.
#[track_caller]
fn both_are_refused(backend: &Backend, words: &[&str], code: i32) -> Run {
    let (before, changed) = (backend.alive(), changes(backend));
    let dry = backend.json(&[words, &["--dry-run"]].concat());
    assert_eq!(backend.alive(), before, "a dry run changed something: {words:?}");
    assert_eq!(changes(backend), changed, "a dry run changed something: {words:?}");
    let real = backend.json(words);
    let codes = (dry.code, real.code);
    assert_eq!(
        codes,
        (code, code),
        "{:?} {words:?}\n{}\n{}",
        backend.kind,
        dry.stderr,
        real.stderr
    );
    assert_eq!(dry.error_kinds().first(), real.error_kinds().first(), "{words:?}");
    assert_eq!(backend.alive(), before, "{words:?}");
    dry
}

/// Clouds in which another account or project is expected than the one that the credentials are for.
fn pinned_to_another(kind: BackendKind) -> Backend {
    let mut backend = Backend::start(kind);
    backend.run("create web -l team=x --ssh-key none").expect(0);
    backend.sandbox.set("CLOUDCTL_EXPECT_ACCOUNT", "999999999999");
    backend.sandbox.set("CLOUDCTL_EXPECT_PROJECT", "another-project");
    backend
}

#[test]
fn account_pin_refuses_a_dry_run_of_create() {
    for kind in BackendKind::EMULATORS {
        let backend = pinned_to_another(*kind);
        let dry = both_are_refused(&backend, &["create", "new", "--ssh-key", "none"], 6);
        assert_eq!(dry.item()["name"], "new", "the plan is shown all the same");
        // A name that is there is no reason to be silent about the account.
        both_are_refused(&backend, &["create", "web", "--ssh-key", "none"], 6);
        both_are_refused(&backend, &["create", "new", "--count", "3", "--ssh-key", "none"], 6);
    }
}

#[test]
fn account_pin_refuses_a_dry_run_of_terminate() {
    for kind in BackendKind::EMULATORS {
        let backend = pinned_to_another(*kind);
        for words in [&["web"][..], &["-l", "team=x"]] {
            let dry = both_are_refused(&backend, &[&["terminate", "-y"], words].concat(), 6);
            assert_eq!(dry.item()["name"], "web", "the plan is shown all the same");
        }
    }
}

#[test]
fn account_that_is_the_expected_one_is_no_refusal() {
    for kind in BackendKind::EMULATORS {
        let mut backend = Backend::start(*kind);
        let made = backend.json("create web --ssh-key none").expect(0).item();
        let account = made["account"].as_str().expect("an account").to_owned();
        backend.sandbox.set("CLOUDCTL_EXPECT_ACCOUNT", &account);
        backend.sandbox.set("CLOUDCTL_EXPECT_PROJECT", &account);
        backend.run("create new --dry-run").expect(0);
        backend.run("terminate web --dry-run").expect(0);
    }
}

#[test]
fn protection_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        backend.run("create safe --protect -l team=x --ssh-key none").expect(0);
        let dry = both_are_refused(&backend, &["terminate", "safe", "-y"], 6);
        assert_eq!(dry.error_kinds(), ["protected"]);
        both_are_refused(&backend, &["terminate", "-l", "team=x", "-y"], 6);
        // Of several the others would go, so that what is left is a part.
        backend.run("create other -l team=x --ssh-key none").expect(0);
        let dry = backend.json("terminate -l team=x --dry-run").expect(7);
        assert_eq!(
            (dry.item()["name"].as_str(), dry.error_kinds().len()),
            (Some("other"), 1)
        );
        backend.run("terminate -l team=x -y").expect(7);
    }
}

#[test]
fn ownership_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        let id = backend.create_unmanaged("theirs");
        let dry = both_are_refused(&backend, &["terminate", &id, "-y"], 6);
        assert_eq!(dry.item()["id"], id.as_str(), "what was meant is shown");
        both_are_refused(&backend, &["terminate", "theirs", "-y"], 6);
        backend
            .run(&["terminate", &id, "--include-unmanaged", "--dry-run"])
            .expect(0);
    }
}

#[test]
fn expected_number_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        backend.run("create web --count 2 -l team=x --ssh-key none").expect(0);
        for words in [&["-l", "team=x"][..], &["web-1", "web-2"]] {
            let dry = both_are_refused(&backend, &[&["terminate", "-y", "--expect", "3"], words].concat(), 6);
            assert_eq!(dry.items().len(), 2, "those that are selected are shown");
        }
        backend.run("terminate -l team=x --expect 2 --dry-run").expect(0);
    }
}

#[test]
fn number_above_which_expect_is_needed_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        backend.run("create web --count 11 -l team=x --ssh-key none").expect(0);
        let dry = both_are_refused(&backend, &["terminate", "-l", "team=x", "-y"], 2);
        assert_eq!(dry.items().len(), 11, "those that are selected are shown");
        dry.expect_in_stderr("--expect 11");
        backend.run("terminate -l team=x --expect 11 --dry-run").expect(0);
        // A dry run needs no yes.
        backend.run("terminate web-1 --dry-run").expect(0);
    }
}

#[test]
fn absence_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        both_are_refused(&backend, &["terminate", "absent", "-y"], 3);
        let words = ["terminate", "absent", "--ignore-not-found", "--dry-run"];
        backend.run(&words).expect(0);
    }
}

#[test]
fn taken_name_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        backend.create_unmanaged("taken");
        both_are_refused(&backend, &["create", "taken", "--ssh-key", "none"], 6);
        backend.create_unmanaged("web-2");
        both_are_refused(&backend, &["create", "web", "--count", "3", "--ssh-key", "none"], 6);
    }
}

#[test]
fn another_spec_refuses_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        backend.run("create web --ssh-key none").expect(0);
        let words = ["create", "web", "--type", backend.other_type(), "--ssh-key", "none"];
        both_are_refused(&backend, &words, 6);
        both_are_refused(
            &backend,
            &["create", "web", "--max-price", "0.00001", "--ssh-key", "none"],
            6,
        );
    }
}

#[test]
fn price_and_budget_refuse_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        for limit in ["--max-price", "--budget"] {
            both_are_refused(&backend, &["create", "web", limit, "0.000001", "--ssh-key", "none"], 6);
        }
    }
}

#[test]
fn wrong_places_types_and_images_refuse_a_dry_run() {
    for kind in CLOUDS {
        let backend = Backend::start(*kind);
        for words in [
            &["-r", "nowhere-1"][..],
            &["-z", "nowhere-1a"],
            &["--type", "no-such-type"],
            &["--image", "no-such-image"],
            &["--native", "no-such-option=1"],
        ] {
            both_are_refused(&backend, &[&["create", "web", "--ssh-key", "none"], words].concat(), 2);
        }
        both_are_refused(&backend, &["terminate", "web", "-y", "-r", "nowhere-1"], 2);
    }
}

#[test]
fn openings_that_are_not_ours_refuse_a_dry_run() {
    let words = ["create", "web", "--open", "8080", "--ssh-key", "none"];
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let made = backend.json(&words).expect(0).item();
    let groups = made["native"]["security_groups"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let is_ours = |group: &&serde_json::Value| group["name"].as_str().is_some_and(|name| name.starts_with("cloudctl"));
    let group = groups.iter().find(is_ours).expect("the group for openings");
    let id = group["id"].as_str().unwrap_or_default();
    aws(
        &backend.url(),
        &[
            "ec2",
            "delete-tags",
            "--resources",
            id,
            "--tags",
            "Key=cloudctl-managed",
        ],
    );
    let words = ["create", "db", "--open", "8080", "--ssh-key", "none"];
    both_are_refused(&backend, &words, 6);
}

#[test]
fn dry_run_of_what_would_be_made_changes_nothing() {
    for kind in CLOUDS {
        let mut backend = Backend::start(*kind);
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me";
        backend.sandbox.set("CLOUDCTL_TTL", "2h");
        for words in [
            &["web", "--ssh-key", key][..],
            &["web", "--open", "22,443", "--ssh-key", "none"],
            &["web", "--count", "3", "--fallback", "zone,type", "--cpus", "2"],
            &["web", "--spot", "--open", "8080"],
            &["web", "--protect"],
        ] {
            backend.json(&[&["create"], words, &["--dry-run"]].concat()).expect(0);
            assert_eq!(changes(&backend), [""; 0], "{kind:?} {words:?}");
        }
        assert_eq!(backend.alive(), []);
    }
}

//! `terminate --wait` waits for a VM that is terminating already. Exit code 0 means that the VM is gone.

use std::time::Duration;

use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

/// Longer than a test takes: it ends when [`finish_after_looks`] moves the clock on.
const SLOW: Duration = Duration::from_secs(600);
/// Longer than any test.
const NEVER_ENDING: Duration = Duration::from_secs(3600);

/// A cloud with the VMs `web` and `db`, of which `web` is being terminated by an earlier command for so long.
fn with_one_terminating(kind: BackendKind, deletion: Duration) -> Backend {
    let backend = Backend::start(kind);
    backend.run("create web -l team=x --ttl 1h --ssh-key none").expect(0);
    backend.run("create db --ssh-key none").expect(0);
    backend.set_transition(deletion);
    backend.run("terminate web -y").expect(0);
    backend
}

/// After so many looks at the home region, each look moves the clock on: what is terminating is then terminated.
fn finish_after_looks(backend: &Backend, looks: usize) {
    let advance = Fault::on(backend.operations().list, Effect::AdvanceClock(SLOW)).skip(looks);
    backend.inject(if backend.differences().lists_all_regions_at_once {
        advance
    } else {
        advance.at(backend.home_region())
    });
}

/// One listing finds the instance, and one more sees it terminating.
const FIRST_LOOKS: usize = 2;

fn is_gone(backend: &Backend, name: &str) -> bool {
    let seen = backend.instances().into_iter();
    seen.filter(|one| one.name == name).all(|one| one.state == "terminated")
}

/// Runs it again, with --wait, on each cloud, with what names the VM made from its description.
#[track_caller]
fn is_waited_for(kind: BackendKind, words: &dyn Fn(&Backend) -> Vec<String>) {
    let backend = with_one_terminating(kind, SLOW);
    let words = words(&backend);
    let mut arguments = vec!["terminate", "-y", "--wait"];
    arguments.extend(words.iter().map(String::as_str));
    finish_after_looks(&backend, FIRST_LOOKS);
    let again = backend.json(&arguments).expect(0);
    assert!(
        !again.stderr.contains("nothing to terminate"),
        "{kind:?}: {}",
        again.stderr
    );
    assert_eq!(again.item()["state"], "terminated", "{kind:?}");
    assert!(is_gone(&backend, "web"), "{kind:?}: {:?}", backend.instances());
    assert_eq!(backend.alive().iter().filter(|one| one.name == "db").count(), 1);
}

fn described(backend: &Backend, field: &str) -> String {
    let item = backend.json("list --all").expect(0).items();
    let web = item.iter().find(|item| item["name"] == "web").expect("web is listed");
    web[field].as_str().expect("a text").to_owned()
}

#[test]
fn terminating_vm_is_waited_for_by_name() {
    for kind in BackendKind::EMULATORS {
        is_waited_for(*kind, &|_| vec!["web".into()]);
    }
}

#[test]
fn terminating_vm_is_waited_for_by_id_and_reference() {
    for kind in BackendKind::EMULATORS {
        is_waited_for(*kind, &|backend| vec![described(backend, "id")]);
        is_waited_for(*kind, &|backend| vec![described(backend, "ref")]);
    }
}

#[test]
fn terminating_vm_is_waited_for_by_label() {
    for kind in BackendKind::EMULATORS {
        is_waited_for(*kind, &|_| vec!["-l".into(), "team=x".into()]);
    }
}

#[test]
fn terminating_vm_counts_for_the_expected_number() {
    for kind in BackendKind::EMULATORS {
        is_waited_for(*kind, &|_| {
            ["-l", "team=x", "--expect", "1"].map(str::to_owned).to_vec()
        });
    }
}

#[test]
fn terminating_vm_that_is_expired_is_waited_for() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.run("create web --ttl 1m --ssh-key none").expect(0);
    backend.run("create db --ssh-key none").expect(0);
    backend.advance_with_dates(Duration::from_secs(180));
    backend.set_transition(SLOW);
    backend.run("terminate --expired -y").expect(0);
    finish_after_looks(&backend, FIRST_LOOKS);
    let again = backend.json("terminate --expired -y --wait").expect(0);
    assert_eq!(again.item()["state"], "terminated", "{}", again.stderr);
    assert!(is_gone(&backend, "web"));
}

#[test]
fn terminating_vm_is_said_to_be_so_without_wait() {
    for kind in BackendKind::EMULATORS {
        let backend = with_one_terminating(*kind, NEVER_ENDING);
        let reference = described(&backend, "ref");
        for words in [["web", "-y"].as_slice(), &["-l", "team=x", "-y"], &[&reference]] {
            let again = backend.json(&[&["terminate"], words].concat()).expect(0);
            let told = format!("{reference} is terminating already");
            assert!(again.stderr.contains(&told), "{kind:?} {words:?}: {}", again.stderr);
            assert_eq!(
                again.items().len(),
                0,
                "{kind:?} {words:?}: this run terminated nothing"
            );
        }
        let calls = backend.count(backend.operations().terminate);
        assert_eq!(calls, 1, "{kind:?}: only the first run sends a deletion");
    }
}

#[test]
fn terminating_vm_that_never_goes_is_exit_8() {
    for kind in BackendKind::EMULATORS {
        let backend = with_one_terminating(*kind, NEVER_ENDING);
        for words in [["web"].as_slice(), &["-l", "team=x"]] {
            let arguments = [&["terminate", "-y", "--wait", "--timeout", "1s"], words].concat();
            let stuck = backend.run(&arguments).expect(8);
            stuck.expect_in_stderr("is terminating, not terminated");
        }
    }
}

#[test]
fn terminating_vm_is_waited_for_beside_one_that_still_runs() {
    for kind in BackendKind::EMULATORS {
        let backend = with_one_terminating(*kind, SLOW);
        finish_after_looks(&backend, FIRST_LOOKS + 1);
        let both = backend.json("terminate web db -y --wait").expect(0);
        let states: Vec<_> = both.items().iter().map(|item| item["state"].clone()).collect();
        assert_eq!(states, ["terminated", "terminated"], "{kind:?}");
        assert!(is_gone(&backend, "web") && is_gone(&backend, "db"), "{kind:?}");
    }
}

#[test]
fn terminating_vm_shows_in_a_dry_run() {
    for kind in BackendKind::EMULATORS {
        let backend = with_one_terminating(*kind, NEVER_ENDING);
        let plan = backend.json("terminate web --dry-run").expect(0);
        plan.expect_in_stderr("is terminating already");
        assert_eq!(plan.items().len(), 0, "nothing would be terminated: {}", plan.stdout);
    }
}

#[test]
fn name_that_is_terminated_twice_at_a_time_is_gone_for_both() {
    for kind in BackendKind::EMULATORS {
        let backend = Backend::start(*kind);
        backend.run("create web --ssh-key none").expect(0);
        backend.set_transition(SLOW);
        let start = || {
            let mut command = backend.command("terminate web -y --wait");
            command.stderr(std::process::Stdio::piped());
            command
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("the binary starts")
        };
        finish_after_looks(&backend, 3 * FIRST_LOOKS);
        let runs = [start(), start(), start()];
        for run in runs {
            let output = run.wait_with_output().expect("the binary ends");
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{kind:?}: {stderr}");
        }
        assert!(is_gone(&backend, "web"), "{kind:?}: {:?}", backend.instances());
    }
}

#[test]
fn stopping_vm_is_terminated_on_compute_engine() {
    let backend = Backend::start(BackendKind::GceEmulator);
    backend.run("create web --ssh-key none").expect(0);
    backend.set_transition(SLOW);
    backend.run("stop web").expect(0);
    assert_eq!(described(&backend, "state"), "stopping");
    finish_after_looks(&backend, FIRST_LOOKS);
    let ended = backend.json("terminate web -y --wait").expect(0);
    ended.expect_not_in_stderr("terminating already");
    assert_eq!(ended.item()["state"], "terminated");
    assert!(is_gone(&backend, "web"));
    assert_eq!(backend.count("instances.delete"), 1);
}

/// Compute Engine with two VMs called `web` in one region, both being terminated.
fn with_two_terminating() -> Backend {
    let backend = Backend::start(BackendKind::GceEmulator);
    let emulator = backend.gce();
    for zone in ["us-central1-a", "us-central1-b"] {
        emulator.create_from_outside(zone, "web", &[]);
    }
    let ids: Vec<String> = emulator.instances().into_iter().map(|one| one.id).collect();
    backend.set_transition(NEVER_ENDING);
    for id in ids {
        backend.run(&["terminate", &id, "-y", "--include-unmanaged"]).expect(0);
    }
    backend
}

#[test]
fn name_of_two_terminating_vms_with_silent_zone_is_unknown() {
    let backend = with_two_terminating();
    let reference = "gcp/us-central1/web";
    backend.run(&["terminate", reference, "-y"]).expect(0);
    backend.gce().mark_unreachable("us-central1-c");
    // A third one may live there.
    for words in [
        &["-y"][..],
        &["-y", "--ignore-not-found"],
        &["-y", "--wait", "--timeout", "1s"],
    ] {
        let run = backend.run(&[&["terminate", reference], words].concat()).expect(7);
        assert!(run.stderr.contains("gcp/us-central1-c"), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn wait_for_a_name_of_two_terminating_vms_waits_for_both() {
    let backend = with_two_terminating();
    let words = ["wait", "gcp/us-central1/web", "--for", "terminated", "--timeout", "1s"];
    let stuck = backend.json(&words).expect(8);
    assert_eq!(stuck.items().len(), 2, "{}", stuck.stderr);
    backend.advance(NEVER_ENDING);
    backend.run(&words).expect(0);
}

//! Each kind of failure: its exit code, and what is in the cloud afterwards.

use super::cases;
use crate::Case;
use crate::support::backend::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::STEERED;
        no_capacity,
        quota,
        permission_denied,
        unauthenticated,
        throttled_for_good,
        throttled_for_a_while,
        unreachable,
        a_lost_reply_is_replayed_and_makes_one,
        the_wrong_account_changes_nothing,
    ]);
    all.extend(cases![BackendKind::EMULATORS;
        no_credentials,
        an_answer_cut_in_half_is_replayed_and_makes_one,
        an_error_after_the_effect_is_replayed_and_makes_one,
        a_vm_that_is_not_listed_yet_is_not_made_again,
    ]);
    all.extend(cases![&[BackendKind::GceEmulator];
        a_change_that_fails_after_it_was_accepted_is_an_error,
        a_start_that_cannot_be_followed_is_no_failure_without_effect,
        a_create_that_is_refused_is_not_taken_for_a_missing_network,
        a_region_gives_a_zone_that_has_the_machine_type,
    ]);
    all
}

/// Injects a fault; the mock has its own way, by [`run_with`].
fn inject(backend: &Backend, fault: Fault) {
    if backend.kind != BackendKind::Mock {
        backend.inject(fault);
    }
}

/// Runs on the mock with faults, and elsewhere as it is.
pub(super) fn run_with(backend: &Backend, mock_faults: &str, arguments: &[&str]) -> crate::support::sandbox::Run {
    let mut command = backend
        .sandbox
        .command(&[arguments, &["-p", backend.provider(), "-o", "json"]].concat());
    if backend.kind == BackendKind::Mock {
        command.env("CLOUDCTL_MOCK", mock_faults);
    }
    let output = command.output().expect("the binary runs");
    crate::support::sandbox::Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn no_capacity(backend: &Backend) {
    if let Some(emulator) = backend.ec2() {
        emulator.exhaust_zone(backend.home_zone());
    }
    if let Some(emulator) = backend.gce() {
        emulator.exhaust_zone(backend.home_zone());
    }
    let fault = format!("capacity@{}", backend.home_zone());
    let run = run_with(backend, &fault, &["create", "web-1", "-z", backend.home_zone()]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(backend.alive(), []);
}

fn quota(backend: &Backend) {
    if let Some(emulator) = backend.ec2() {
        emulator.set_vcpu_limit(1);
    }
    if let Some(emulator) = backend.gce() {
        emulator.set_quota_exceeded(true);
    }
    let run = run_with(backend, "quota", &["create", "web-1"]).expect(5);
    assert_eq!(run.error_kinds(), ["quota"]);
    assert_eq!(backend.alive(), []);
}

fn permission_denied(backend: &Backend) {
    if let Some(emulator) = backend.ec2() {
        emulator.remove_account_permission("RunInstances");
    }
    if let Some(emulator) = backend.gce() {
        emulator.deny("compute.instances.create");
    }
    let run = run_with(backend, "denied", &["create", "web-1"]).expect(4);
    assert_eq!(run.error_kinds(), ["permission_denied"]);
    assert_eq!(backend.alive(), []);
}

fn unauthenticated(backend: &Backend) {
    if let Some(emulator) = backend.ec2() {
        emulator.expire_credentials();
    }
    if let Some(emulator) = backend.gce() {
        emulator.expire_token();
    }
    let run = run_with(backend, "unauthenticated", &["create", "web-1"]).expect(4);
    assert_eq!(run.error_kinds(), ["unauthenticated"]);
    run_with(backend, "unauthenticated", &["list"]).expect(4);
}

fn no_credentials(backend: &Backend) {
    let mut sandbox = crate::support::sandbox::Sandbox::new();
    for (name, value) in [
        ("AWS_REGION", "us-east-1"),
        ("CLOUDSDK_CORE_PROJECT", "p"),
        ("CLOUDSDK_COMPUTE_REGION", "us-central1"),
    ] {
        sandbox.set(name, value);
    }
    let run = sandbox
        .run(&["create", "web-1", "-p", backend.provider(), "-o", "json"])
        .expect(4);
    assert_eq!(run.error_kinds(), ["unauthenticated"]);
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
}

fn throttled_for_good(backend: &Backend) {
    let code = if backend.gce().is_some() {
        "rateLimitExceeded"
    } else {
        "RequestLimitExceeded"
    };
    let status = if backend.gce().is_some() { 403 } else { 503 };
    inject(
        backend,
        Fault::on(
            backend.list_call(),
            Effect::ErrorBefore {
                status,
                code: code.to_owned(),
            },
        ),
    );
    let run = run_with(backend, "throttle=1.0", &["list", "-r", backend.home_region()]).expect(9);
    assert_eq!(run.error_kinds(), ["throttled"]);
}

fn throttled_for_a_while(backend: &Backend) {
    let code = if backend.gce().is_some() {
        "rateLimitExceeded"
    } else {
        "RequestLimitExceeded"
    };
    let status = if backend.gce().is_some() { 403 } else { 503 };
    let effect = || Effect::ErrorBefore {
        status,
        code: code.to_owned(),
    };
    inject(backend, Fault::on(backend.list_call(), effect()).times(2));
    inject(backend, Fault::on(backend.create_call(), effect()).times(2));
    run_with(backend, "throttle=0.2", &["create", "web-1"]).expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn unreachable(backend: &Backend) {
    inject(backend, Fault::on_all(Effect::ResetBefore));
    let fault = format!("unreachable={}", backend.home_region());
    let run = run_with(backend, &fault, &["list", "-r", backend.home_region()]).expect(9);
    assert_eq!(run.error_kinds(), ["network"]);
    run_with(backend, &fault, &["create", "web-1", "-r", backend.home_region()]).expect(9);
    assert!(backend.kind == BackendKind::Mock || backend.alive().is_empty());
}

fn a_lost_reply_is_replayed_and_makes_one(backend: &Backend) {
    inject(backend, Fault::on(backend.create_call(), Effect::ResetAfter).times(1));
    let run = run_with(backend, "lost-reply", &["create", "web-1"]);
    if backend.kind == BackendKind::Mock {
        // The mock loses every reply, so the outcome stays unknown until the next run.
        assert_eq!(run.expect(8).error_kinds(), ["unknown_outcome"]);
        backend.run(&["create", "web-1"]).expect(0);
    } else {
        run.expect(0);
    }
    assert_eq!(backend.alive().len(), 1);
}

fn an_answer_cut_in_half_is_replayed_and_makes_one(backend: &Backend) {
    inject(backend, Fault::on(backend.create_call(), Effect::Truncate).times(1));
    backend.run(&["create", "web-1"]).expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn an_error_after_the_effect_is_replayed_and_makes_one(backend: &Backend) {
    let code = if backend.gce().is_some() {
        "backendError"
    } else {
        "InternalError"
    };
    let effect = Effect::ErrorAfter {
        status: 500,
        code: code.to_owned(),
    };
    inject(backend, Fault::on(backend.create_call(), effect).times(1));
    backend.run(&["create", "web-1"]).expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn a_vm_that_is_not_listed_yet_is_not_made_again(backend: &Backend) {
    let lag = std::time::Duration::from_secs(3);
    if let Some(emulator) = backend.ec2() {
        emulator.set_lag(lag);
    }
    if let Some(emulator) = backend.gce() {
        emulator.set_lag(lag);
    }
    backend.run(&["create", "web-1", "--wait", "none"]).expect(0);
    backend.run(&["create", "web-1"]).expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn a_change_that_fails_after_it_was_accepted_is_an_error(backend: &Backend) {
    backend.run(&["create", "web-1"]).expect(0);
    if let Some(emulator) = backend.gce() {
        emulator.set_changes_fail(true);
    }
    for command in [
        &["reboot", "web-1"][..],
        &["stop", "web-1"],
        &["terminate", "web-1", "-y"],
    ] {
        let run = backend.json(command).expect(6);
        assert_eq!(run.error_kinds(), ["refused"], "{command:?}");
    }
    assert_eq!(backend.alive().len(), 1);
}

fn fault(status: u16, code: &str) -> Effect {
    Effect::ErrorBefore {
        status,
        code: code.to_owned(),
    }
}

fn a_start_that_cannot_be_followed_is_no_failure_without_effect(backend: &Backend) {
    backend.run(&["create", "web-1"]).expect(0);
    backend.run(&["stop", "web-1"]).expect(0);
    backend.run(&["wait", "web-1", "--for", "stopped"]).expect(0);
    for call in ["zoneOperations.wait", "zoneOperations.get"] {
        inject(backend, Fault::on(call, fault(503, "backendError")));
    }
    if let Some(emulator) = backend.gce() {
        emulator.set_transition_time(std::time::Duration::from_secs(120));
    }
    let run = backend.json(&["start", "web-1"]).expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
}

fn a_create_that_is_refused_is_not_taken_for_a_missing_network(backend: &Backend) {
    inject(backend, Fault::on(backend.create_call(), fault(400, "invalid")));
    let run = backend.json(&["create", "web-1"]).expect(2);
    assert_eq!(run.error_kinds(), ["invalid_spec"]);
    assert!(!run.stderr.contains("network"), "{}", run.stderr);
}

fn a_region_gives_a_zone_that_has_the_machine_type(backend: &Backend) {
    for name in ["gpu-1", "gpu-2", "gpu-3", "gpu-4"] {
        let arguments = ["create", name, "-r", "us-central1", "--type", "a2-highgpu-1g"];
        backend.run(&arguments).expect(0);
        backend.run(&arguments).expect(0);
    }
    assert_eq!(backend.alive().len(), 4);
}

fn the_wrong_account_changes_nothing(backend: &Backend) {
    let mut command = backend.sandbox.command(&["create", "web-1", "-p", backend.provider()]);
    let output = command
        .env("CLOUDCTL_EXPECT_ACCOUNT", "999999999999")
        .env("CLOUDCTL_EXPECT_PROJECT", "another-project")
        .output()
        .expect("the binary runs");
    if backend.kind == BackendKind::Mock {
        // The mock has one account and no pin.
        assert_eq!(output.status.code(), Some(0));
        return;
    }
    assert_eq!(
        output.status.code(),
        Some(6),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(backend.seen(), []);
}

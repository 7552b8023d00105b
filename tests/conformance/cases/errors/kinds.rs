//! Each kind of error: its exit code, and what exists afterwards.

use std::time::Duration;

use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::{Run, Sandbox};
use crate::support::test_cloud::ApiError;
use cloud_emulators::faults::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::STEERED;
        create_without_capacity_is_exit_5,
        create_above_quota_is_exit_5,
        create_without_permission_is_exit_4,
        create_with_expired_credentials_is_exit_4,
        list_throttled_always_is_exit_9,
        create_throttled_for_a_while_succeeds,
        region_that_cannot_be_reached_is_exit_9,
    ]);
    all.extend(cases![&[BackendKind::Mock];
        create_with_lost_reply_is_unknown_and_rerun_adopts,
        mock_ignores_account_pin,
    ]);
    all.extend(cases![BackendKind::EMULATORS;
        create_with_lost_reply_is_replayed_and_creates_one,
        wrong_account_changes_nothing,
        create_without_credentials_is_exit_4,
        create_with_truncated_answer_is_replayed_and_creates_one,
        create_with_error_after_effect_creates_one,
        create_rerun_adopts_vm_that_is_not_listed_yet,
    ]);
    all.extend(cases![&[BackendKind::GceEmulator];
        change_failing_after_acceptance_is_an_error,
        start_that_cannot_be_followed_is_unknown,
        create_refused_does_not_blame_the_network,
        create_in_region_finds_a_zone_with_the_type,
    ]);
    all
}

fn create_without_capacity_is_exit_5(backend: &Backend) {
    backend.exhaust_zone(backend.home_zone());
    let run = backend.json(&["create", "web-1", "-z", backend.home_zone()]).expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(backend.alive(), []);
}

fn create_above_quota_is_exit_5(backend: &Backend) {
    backend.exhaust_quota();
    let run = backend.json("create web-1").expect(5);
    assert_eq!(run.error_kinds(), ["quota"]);
    assert_eq!(backend.alive(), []);
}

fn create_without_permission_is_exit_4(backend: &Backend) {
    backend.deny_create();
    let run = backend.json("create web-1").expect(4);
    assert_eq!(run.error_kinds(), ["permission_denied"]);
    assert_eq!(backend.alive(), []);
}

fn create_with_expired_credentials_is_exit_4(backend: &Backend) {
    backend.expire_credentials();
    let run = backend.json("create web-1").expect(4);
    assert_eq!(run.error_kinds(), ["unauthenticated"]);
    backend.json("list").expect(4);
}

fn create_without_credentials_is_exit_4(backend: &Backend) {
    let mut sandbox = Sandbox::new();
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
    run.expect_in_stderr("hint: ");
}

fn list_throttled_always_is_exit_9(backend: &Backend) {
    backend.throttle_listings();
    let run = backend.json(&["list", "-r", backend.home_region()]).expect(9);
    assert_eq!(run.error_kinds(), ["throttled"]);
}

fn create_throttled_for_a_while_succeeds(backend: &Backend) {
    backend.throttle_some_calls();
    backend.json("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn region_that_cannot_be_reached_is_exit_9(backend: &Backend) {
    backend.cut_off_home_region();
    let run = backend.json(&["list", "-r", backend.home_region()]).expect(9);
    assert_eq!(run.error_kinds(), ["network"]);
    backend
        .json(&["create", "web-1", "-r", backend.home_region()])
        .expect(9);
    assert_eq!(backend.alive(), []);
}

fn create_with_lost_reply_is_replayed_and_creates_one(backend: &Backend) {
    backend.inject(Fault::on(backend.operations().create, Effect::ResetAfter).times(1));
    backend.json("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

/// The mock loses every reply, so no run can learn the outcome of its own create.
fn create_with_lost_reply_is_unknown_and_rerun_adopts(backend: &Backend) {
    let mut command = backend.command("create web-1 -o json");
    let run = Run::of(command.env("CLOUDCTL_MOCK", "lost-reply")).expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    backend.run("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn create_with_truncated_answer_is_replayed_and_creates_one(backend: &Backend) {
    backend.inject(Fault::on(backend.operations().create, Effect::Truncate).times(1));
    backend.run("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn create_with_error_after_effect_creates_one(backend: &Backend) {
    let effect = backend.errors().internal.after();
    backend.inject(Fault::on(backend.operations().create, effect).times(1));
    backend.run("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn create_rerun_adopts_vm_that_is_not_listed_yet(backend: &Backend) {
    backend.set_listing_lag(Duration::from_secs(3));
    backend.run("create web-1 --wait none").expect(0);
    backend.run("create web-1").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn change_failing_after_acceptance_is_an_error(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.gce().set_changes_fail(true);
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

fn start_that_cannot_be_followed_is_unknown(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 --for stopped").expect(0);
    for call in ["zoneOperations.wait", "zoneOperations.get"] {
        backend.inject(Fault::on(call, backend.errors().unavailable.before()));
    }
    backend.set_transition(Duration::from_secs(120));
    let run = backend.json("start web-1").expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
}

fn create_refused_does_not_blame_the_network(backend: &Backend) {
    let invalid = ApiError {
        status: 400,
        code: "invalid",
    };
    backend.inject(Fault::on(backend.operations().create, invalid.before()));
    let run = backend.json("create web-1").expect(2);
    assert_eq!(run.error_kinds(), ["invalid_spec"]);
    run.expect_not_in_stderr("network");
}

fn create_in_region_finds_a_zone_with_the_type(backend: &Backend) {
    for name in ["gpu-1", "gpu-2", "gpu-3", "gpu-4"] {
        let arguments = ["create", name, "-r", "us-central1", "--type", "a2-highgpu-1g"];
        backend.run(&arguments).expect(0);
        backend.run(&arguments).expect(0);
    }
    assert_eq!(backend.alive().len(), 4);
}

/// A create that expects another account or project than the credentials are for.
fn create_in_another_account(backend: &Backend) -> Run {
    let mut command = backend.command("create web-1");
    command
        .env("CLOUDCTL_EXPECT_ACCOUNT", "999999999999")
        .env("CLOUDCTL_EXPECT_PROJECT", "another-project");
    Run::of(&mut command)
}

fn wrong_account_changes_nothing(backend: &Backend) {
    create_in_another_account(backend).expect(6);
    assert_eq!(backend.instances(), []);
}

fn mock_ignores_account_pin(backend: &Backend) {
    create_in_another_account(backend).expect(0);
}

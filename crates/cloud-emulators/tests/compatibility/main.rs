//! Clients that others wrote, against the emulators: what boto3, Google's Python library and gcloud expect of the real
//! clouds, they find here.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::io::Write;
use std::process::Command;

use cloud_emulators::client_commands::{self, Gcloud};
use cloud_emulators::python_environment;
use cloud_emulators::{ec2, gce};

/// The host key of every VM that the scripts make, which they get as a variable.
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

#[test]
fn ec2_emulator_answers_boto3_as_ec2_does() {
    let emulator = ec2::Emulator::start();
    emulator.set_boot_host_keys(&[HOST_KEY]);
    let mut script = client_commands::script("ec2_boto3.py");
    run_checks(script.arg(emulator.url()), 220);
}

#[test]
fn gce_emulator_answers_googles_client_as_google_does() {
    let emulator = gce::Emulator::start_with_discovery(&python_environment::discovery_document());
    emulator.set_boot_host_keys(&[HOST_KEY]);
    let mut script = client_commands::script("gce_client.py");
    run_checks(script.arg(emulator.url()), 120);
    assert_eq!(emulator.violations(), Vec::<String>::new());
}

/// gcloud comes from no package registry, so a machine may lack it: this test then says so, and passes.
#[test]
fn gce_emulator_answers_gcloud_as_google_does() {
    if !Gcloud::is_installed() {
        // Not a macro: those are captured, and a test that passes would say nothing.
        let _ = writeln!(std::io::stderr(), "gcloud is not on PATH: not tested");
        return;
    }
    let emulator = gce::Emulator::start_with_discovery(&python_environment::discovery_document());
    emulator.set_boot_host_keys(&[HOST_KEY]);
    let mut script = client_commands::client("bash");
    run_checks(
        script.arg(client_commands::path_of("gcloud.sh")).arg(emulator.url()),
        30,
    );
    assert_eq!(emulator.violations(), Vec::<String>::new());
}

/// Runs a script that prints `ok - ` for each check, and wants at least so many: a script that ends early proves little.
#[track_caller]
fn run_checks(script: &mut Command, least: usize) {
    let output = script.env("HOST_KEY", HOST_KEY).output().expect("the script starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    let checks = stdout.lines().filter(|line| line.starts_with("ok - ")).count();
    assert!(checks >= least, "{checks} checks, at least {least} expected:\n{stdout}");
}

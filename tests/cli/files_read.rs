//! A command reads only what it needs. Every file that it does not need is a pipe without a writer, so that a read of
//! it never ends.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::sandbox::Sandbox;
use cloud_emulators::{ec2, gce};

/// The variables that name the files, and what needs them.
const CONFIGURATION: &str = "CLOUDCTL_CONFIG";
const PRICES: &str = "CLOUDCTL_CATALOG";
const ROOTS: &str = "SSL_CERT_FILE";
const AWS: [&str; 2] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
const GCP: [&str; 2] = ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"];

fn all() -> Vec<&'static str> {
    [&[CONFIGURATION, PRICES, ROOTS], AWS.as_slice(), &GCP].concat()
}

/// Makes a trap of each of these files.
fn set_traps(sandbox: &mut Sandbox, variables: &[&str]) {
    let pipe = sandbox.folder().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    for variable in variables {
        sandbox.set(variable, &pipe.to_string_lossy());
    }
}

/// What the command came to; a failure if it waits for one of the pipes.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut child = sandbox
        .command(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let started = Instant::now();
    while child.try_wait().expect("its state").is_none() {
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().expect("it can be ended");
            panic!("{arguments:?} reads what it does not need");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("its output")
}

#[track_caller]
fn expect(output: &Output, code: i32) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
}

#[test]
fn help_and_usage_errors_read_no_configuration() {
    let mut sandbox = Sandbox::new();
    set_traps(&mut sandbox, &all());
    for (arguments, code) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["create", "--help"], 0),
        (&["help", "exit-codes"], 0),
        (&["completion", "fish"], 0),
        (&["schema", "error"], 0),
        (&["lst"], 2),
        (&["list", "--nonsense"], 2),
    ] {
        expect(&run(&sandbox, arguments), code);
    }
}

#[test]
fn the_mock_needs_no_cloud_and_no_price_list() {
    let mut sandbox = Sandbox::new();
    let traps: Vec<_> = all()
        .into_iter()
        .filter(|variable| *variable != CONFIGURATION)
        .collect();
    set_traps(&mut sandbox, &traps);
    for arguments in [
        &["create", "web-1", "-p", "mock", "-q"][..],
        &["list", "-p", "mock", "-o", "json"],
        &["terminate", "web-1", "-p", "mock", "-y", "-q"],
    ] {
        expect(&run(&sandbox, arguments), 0);
    }
}

#[test]
fn one_cloud_needs_nothing_of_the_other() {
    let clouds = (ec2::Emulator::start(), gce::Emulator::start());
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&clouds.0.url());
    set_traps(&mut sandbox, &[&[PRICES], GCP.as_slice()].concat());
    expect(
        &run(&sandbox, &["create", "web-1", "-p", "aws", "-q", "--wait", "none"]),
        0,
    );
    expect(&run(&sandbox, &["list", "-p", "aws"]), 0);
    let mut sandbox = Sandbox::new();
    sandbox.point_at_gcp(&clouds.1.url(), gce::PROJECT);
    set_traps(&mut sandbox, &[&[PRICES], AWS.as_slice()].concat());
    expect(
        &run(&sandbox, &["create", "web-1", "-p", "gcp", "-q", "--wait", "none"]),
        0,
    );
    expect(&run(&sandbox, &["list", "-p", "gcp"]), 0);
}

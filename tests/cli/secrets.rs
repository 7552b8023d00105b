//! Secrets: what goes in as user data, secret key or token comes out nowhere, however much is logged.

use std::path::Path;

use crate::support::http::{Effect, Fault};
use crate::support::sandbox::{Run, Sandbox};
use crate::support::{ec2, gce};

/// 21 bytes, so that its base64 is the same wherever it stands at the start of a text.
const USER_DATA: &str = "canary-user-data-5d1c";
const USER_DATA_BASE64: &str = "Y2FuYXJ5LXVzZXItZGF0YS01ZDFj";
const SECRET_KEY: &str = "canary-secret-key-77e0";
const SESSION_TOKEN: &str = "canary-session-token-b64a";
const ACCESS_TOKEN: &str = "canary-access-token-19c2";
const CANARIES: [&str; 5] = [USER_DATA, USER_DATA_BASE64, SECRET_KEY, SESSION_TOKEN, ACCESS_TOKEN];

pub fn point_at_aws(sandbox: &mut Sandbox, url: &str, secret_key: &str) {
    sandbox.set("AWS_ENDPOINT_URL", url);
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    sandbox.set("AWS_SECRET_ACCESS_KEY", secret_key);
    sandbox.set("AWS_REGION", "us-east-1");
}

pub fn point_at_gcp(sandbox: &mut Sandbox, url: &str, token: &str) {
    sandbox.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", &format!("{url}/compute/v1/"));
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN", token);
    sandbox.set("CLOUDSDK_CORE_PROJECT", gce::PROJECT);
    sandbox.set("CLOUDSDK_COMPUTE_REGION", "us-central1");
}

/// Runs a command with as much logging as there is, and looks for the canaries in all that it leaves.
#[track_caller]
fn drive(sandbox: &mut Sandbox, arguments: &[&str], code: i32) {
    let by_flag = [arguments, &["-vvv"]].concat();
    look(sandbox, &by_flag).expect(code);
    sandbox.set("CLOUDCTL_LOG", "trace");
    look(sandbox, arguments).expect(code);
    sandbox.unset("CLOUDCTL_LOG");
}

#[track_caller]
fn look(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let run = sandbox.run_with_input(arguments, USER_DATA);
    for canary in CANARIES {
        assert!(
            !run.stdout.contains(canary),
            "{arguments:?}: {canary} in\n{}",
            run.stdout
        );
        assert!(
            !run.stderr.contains(canary),
            "{arguments:?}: {canary} in\n{}",
            run.stderr
        );
    }
    assert_clean(sandbox.folder());
    run
}

fn assert_clean(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_clean(&path);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        for canary in CANARIES {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
}

/// The commands of a VM's life, and what they say when it is refused.
fn live(sandbox: &mut Sandbox, provider: &str) {
    let on = |arguments: &[&'static str]| [arguments, &["-p"]].concat();
    let create = ["create", "web-1", "--user-data", "-", "-o", "json"];
    for (arguments, code) in [
        (&["create", "web-1", "--user-data", "-", "--dry-run"][..], 0),
        (&create, 0),
        // The second time it is adopted.
        (&create, 0),
        // The same name with other user data is refused, and the difference is described.
        (&["create", "web-1", "-o", "json"], 6),
        (&["list", "-o", "json"], 0),
        (&["list", "-o", "wide"], 0),
        (&["describe", "web-1", "-o", "yaml"], 0),
        (&["console", "web-1"], 0),
        (&["whoami"], 0),
        (&["doctor"], 0),
        (&["context", "show"], 0),
        (&["stop", "web-1"], 0),
    ] {
        let arguments = on(arguments);
        drive(sandbox, &[&arguments[..], &[provider]].concat(), code);
    }
}

/// Answers that say no, or make no sense, are told of; not with the request that they are to. How each ends is held
/// by the fault matrix.
fn stumble(sandbox: &Sandbox, provider: &str, operation: &str, inject: impl Fn(Fault)) {
    let refusal = Effect::ErrorBefore {
        status: 400,
        code: "InvalidParameterValue".to_owned(),
    };
    for effect in [refusal, Effect::Garbage] {
        inject(Fault::on(operation, effect).times(1));
        let create = ["create", "web-2", "--user-data", "-", "-p", provider, "-vvv"];
        let run = look(sandbox, &create);
        assert!(run.stderr.contains("attempt"), "nothing was logged: {run:?}");
    }
}

#[test]
fn on_ec2() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    point_at_aws(&mut sandbox, &emulator.url(), SECRET_KEY);
    sandbox.set("AWS_SESSION_TOKEN", SESSION_TOKEN);
    live(&mut sandbox, "aws");
    // The data did arrive.
    let sent = emulator.calls().iter().any(|call| {
        call.operation.name == "RunInstances" && String::from_utf8_lossy(&call.request.body).contains(USER_DATA_BASE64)
    });
    assert!(sent);
    stumble(&sandbox, "aws", "RunInstances", |fault| emulator.inject(fault));
    emulator.clear_faults();
    emulator.expire_credentials();
    drive(&mut sandbox, &["list", "-p", "aws"], 4);
}

#[test]
fn on_compute_engine() {
    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    point_at_gcp(&mut sandbox, &emulator.url(), ACCESS_TOKEN);
    live(&mut sandbox, "gcp");
    let sent = emulator.calls().iter().any(|call| {
        call.operation.name == "instances.insert" && String::from_utf8_lossy(&call.request.body).contains(USER_DATA)
    });
    assert!(sent);
    stumble(&sandbox, "gcp", "instances.insert", |fault| emulator.inject(fault));
    emulator.clear_faults();
    emulator.expire_token();
    drive(&mut sandbox, &["list", "-p", "gcp"], 4);
}

#[test]
fn on_the_mock() {
    let mut sandbox = Sandbox::new();
    live(&mut sandbox, "mock");
}

/// A private key given for a public one is not repeated, and neither is a credentials file that is broken.
#[test]
fn files_with_secrets_are_not_quoted() {
    let mut sandbox = Sandbox::new();
    let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET_KEY}\n");
    let key = sandbox.write("key", &key);
    let run = sandbox
        .run(&["create", "x", "-p", "mock", "--ssh-key", &key, "-vvv"])
        .expect(2);
    assert!(!run.stderr.contains(SECRET_KEY), "{}", run.stderr);
    for broken in [
        format!("{{\"private_key\": \"{SECRET_KEY}\""),
        format!("{{\"type\": \"service_account\", \"private_key\": \"{SECRET_KEY}\"}}"),
    ] {
        let file = sandbox.write("key.json", &broken);
        sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &file);
        sandbox.set("CLOUDSDK_CORE_PROJECT", "acme");
        let run = sandbox.run(&["list", "-p", "gcp", "-vvv"]).expect(4);
        assert!(!run.stderr.contains(SECRET_KEY), "{}", run.stderr);
    }
}

//! User data, secret keys and tokens are in no output, however much is logged.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::{ec2, gce};

const USER_DATA: &str = "canary-user-data-5d1c";
const SECRET_KEY: &str = "canary-secret-key-77e0";
const SESSION_TOKEN: &str = "canary-session-token-b64a";
const ACCESS_TOKEN: &str = "canary-access-token-19c2";

/// What must be found nowhere: the secrets, and the user data in base64, and in base64 within base64, which is what a
/// MIME part may be.
fn canaries() -> Vec<String> {
    let once = in_base64(USER_DATA);
    let twice: Vec<_> = once.iter().flat_map(|text| in_base64(text)).collect();
    let plain = [USER_DATA, SECRET_KEY, SESSION_TOKEN, ACCESS_TOKEN].map(str::to_owned);
    plain.into_iter().chain(once).chain(twice).collect()
}

/// What base64 makes of a text wherever it stands in a longer one: three possibilities, each without the letters at
/// its ends that hang on the neighbours.
fn in_base64(text: &str) -> Vec<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let shifted = |before: usize| {
        let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(text.bytes()).collect();
        let letters = (0..bytes.len() * 8 / 6).map(|index| {
            let bits = (index * 6..index * 6 + 6).map(|bit| bytes[bit / 8] >> (7 - bit % 8) & 1);
            char::from(LETTERS[usize::from(bits.fold(0, |value, bit| value << 1 | bit))])
        });
        letters.skip((before * 8).div_ceil(6)).collect()
    };
    (0..3).map(shifted).collect()
}

#[test]
fn base64_is_known_wherever_it_stands() {
    let [first, second, third] = in_base64("canary").try_into().unwrap();
    assert_eq!(first, "Y2FuYXJ5");
    // Of "xcanary" and "xxcanary": eGNhbmFyeQ==, eHhjYW5hcnk=
    assert_eq!((second.as_str(), third.as_str()), ("NhbmFye", "jYW5hcn"));
}

/// As user data: more than once, so that no line's end is in the middle of each.
fn user_data() -> String {
    format!("#!/bin/sh\n{USER_DATA}\n{USER_DATA}\n: {USER_DATA} {USER_DATA}\n")
}

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
    let run = sandbox.run_with_input(arguments, &user_data());
    assert_silent(sandbox, arguments, &run.stdout, &run.stderr);
    run
}

#[track_caller]
fn assert_silent(sandbox: &Sandbox, arguments: &[&str], stdout: &str, stderr: &str) {
    let canaries = canaries();
    for canary in &canaries {
        assert!(!stdout.contains(canary), "{arguments:?}: {canary} in\n{stdout}");
        assert!(!stderr.contains(canary), "{arguments:?}: {canary} in\n{stderr}");
    }
    assert_clean(sandbox.folder(), &canaries);
}

fn assert_clean(folder: &Path, canaries: &[String]) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_clean(&path, canaries);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        for canary in canaries {
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
        run.expect_in_stderr("attempt");
    }
}

/// A VM with a TTL, whose timer may be merged into its user data: what differs, what is extended, what is not found.
fn expire(sandbox: &mut Sandbox, provider: &str) {
    // Compute Engine takes a new limit only while a VM is stopped.
    let extended = if provider == "gcp" { 6 } else { 0 };
    let create = |ttl: &'static str| ["create", "timed", "--user-data", "-", "--ttl", ttl, "-p"];
    for (arguments, code) in [
        (&create("2h")[..], 0),
        (&create("2h"), 0),
        (&create("3h"), 6),
        (&["extend", "timed", "--ttl", "4h", "-p"], extended),
        (&["describe", "timed", "-o", "json", "-p"], 0),
        (&["terminate", "--expired", "-y", "-p"], 0),
        (&["terminate", "timed", "-y", "-p"], 0),
    ] {
        // A VM is terminated once only.
        let arguments = [arguments, &[provider]].concat();
        if arguments[1] == "timed" && arguments[0] == "terminate" {
            look(sandbox, &[&arguments[..], &["-vvv"]].concat()).expect(code);
        } else {
            drive(sandbox, &arguments, code);
        }
    }
}

/// Interrupted in flight, whether or not the call took effect: nobody knows what came of it, and it is told without
/// what was sent.
fn interrupt(sandbox: &Sandbox, provider: &str, operation: &str, inject: impl Fn(Fault), calls: impl Fn() -> usize) {
    for (name, effect) in [("cut-1", Effect::HangBefore), ("cut-2", Effect::HangAfter)] {
        inject(Fault::on(operation, effect).times(1));
        let before = calls();
        let arguments = [
            "create",
            name,
            "--user-data",
            "-",
            "--ttl",
            "2h",
            "-p",
            provider,
            "-vvv",
        ];
        let mut child = sandbox
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(user_data().as_bytes()).expect("its input is read");
        drop(input);
        let deadline = Instant::now() + Duration::from_secs(30);
        while calls() == before {
            assert!(Instant::now() < deadline, "{operation} was not called");
            std::thread::sleep(Duration::from_millis(10));
        }
        let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(signal.expect("kill runs").success());
        let output = child.wait_with_output().expect("the binary ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(8), "{stderr}");
        assert_silent(sandbox, &arguments, &stdout, &stderr);
    }
}

#[test]
fn ec2_secrets_are_never_printed() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    point_at_aws(&mut sandbox, &emulator.url(), SECRET_KEY);
    sandbox.set("AWS_SESSION_TOKEN", SESSION_TOKEN);
    live(&mut sandbox, "aws");
    // The data did arrive.
    let sent = emulator.calls().iter().any(|call| {
        call.operation.name == "RunInstances" && {
            let body = String::from_utf8_lossy(&call.request.body);
            in_base64(USER_DATA).iter().any(|text| body.contains(text))
        }
    });
    assert!(sent);
    expire(&mut sandbox, "aws");
    stumble(&sandbox, "aws", "RunInstances", |fault| emulator.inject(fault));
    let calls = || emulator.count("RunInstances");
    interrupt(&sandbox, "aws", "RunInstances", |fault| emulator.inject(fault), calls);
    emulator.clear_faults();
    emulator.expire_credentials();
    drive(&mut sandbox, &["list", "-p", "aws"], 4);
}

#[test]
fn compute_engine_secrets_are_never_printed() {
    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    point_at_gcp(&mut sandbox, &emulator.url(), ACCESS_TOKEN);
    live(&mut sandbox, "gcp");
    let sent = emulator.calls().iter().any(|call| {
        call.operation.name == "instances.insert" && String::from_utf8_lossy(&call.request.body).contains(USER_DATA)
    });
    assert!(sent);
    expire(&mut sandbox, "gcp");
    stumble(&sandbox, "gcp", "instances.insert", |fault| emulator.inject(fault));
    let calls = || emulator.count("instances.insert");
    interrupt(
        &sandbox,
        "gcp",
        "instances.insert",
        |fault| emulator.inject(fault),
        calls,
    );
    emulator.clear_faults();
    emulator.expire_token();
    drive(&mut sandbox, &["list", "-p", "gcp"], 4);
}

#[test]
fn mock_secrets_are_never_printed() {
    let mut sandbox = Sandbox::new();
    live(&mut sandbox, "mock");
    expire(&mut sandbox, "mock");
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
    run.expect_not_in_stderr(SECRET_KEY);
    for broken in [
        format!("{{\"private_key\": \"{SECRET_KEY}\""),
        format!("{{\"type\": \"service_account\", \"private_key\": \"{SECRET_KEY}\"}}"),
    ] {
        let file = sandbox.write("key.json", &broken);
        sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &file);
        sandbox.set("CLOUDSDK_CORE_PROJECT", "acme");
        let run = sandbox.run("list -p gcp -vvv").expect(4);
        run.expect_not_in_stderr(SECRET_KEY);
    }
}

//! AWS credentials: profiles, keys, roles, tokens and processes, as the AWS CLI reads them.

use std::sync::{Arc, Mutex};

use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::ec2;
use cloud_emulators::http::{Server, Service};
use cloud_emulators::recorded_call::{Operation, Reply, Request};

const ID: &str = "AKIAWORKWORKWORKWORK";

/// A sandbox that knows EC2's address and region, and has no credentials.
pub fn sandbox_at(url: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("AWS_ENDPOINT_URL", url).set("AWS_REGION", "us-east-1");
    sandbox
}

/// Lists the VMs of one region.
pub fn list(sandbox: &Sandbox) -> Run {
    sandbox.run("list -p aws -r us-east-1")
}

/// Whose key the last call was signed with.
pub fn signer(emulator: &ec2::Emulator) -> String {
    let calls = emulator.calls();
    let header = calls.last().map(|call| call.request.headers["authorization"].clone());
    let header = header.expect("a call was made");
    let (_, rest) = header.split_once("Credential=").expect("it is signed");
    rest.split('/').next().expect("a key").to_owned()
}

fn keys(id: &str) -> String {
    format!("aws_access_key_id = {id}\naws_secret_access_key = secret\n")
}

/// Answers each request with one text, and keeps the requests.
pub struct Answers {
    status: u16,
    body: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
}

impl Answers {
    pub fn start(status: u16, body: impl Into<String>) -> Server<Self> {
        Server::start(Self {
            status,
            body: body.into(),
            requests: Arc::default(),
        })
    }
}

impl Service for Answers {
    fn operation(&self, request: &Request) -> Operation {
        Operation {
            name: request.path.clone(),
            location: String::new(),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        self.requests.lock().unwrap().push(request.clone());
        Reply {
            status: self.status,
            headers: Vec::new(),
            body: self.body.clone().into_bytes(),
        }
    }

    fn error(&self, status: u16, _: &str, _: &str) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

#[test]
fn profile_variable_chooses_who_signs() {
    let emulator = ec2::Emulator::start();
    for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox.write(
            "home/.aws/credentials",
            &format!("[default]\n{}[work]\n{}", keys("AKIADEFAULTDEFAULT00"), keys(ID)),
        );
        sandbox.set(variable, "work");
        list(&sandbox).expect(0);
        assert_eq!(signer(&emulator), ID, "{variable}");
        sandbox.set(variable, "");
        list(&sandbox).expect(0);
        assert_eq!(signer(&emulator), "AKIADEFAULTDEFAULT00", "{variable}");
    }
}

#[test]
fn two_profile_variables_that_differ_are_refused() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox.write(
        "home/.aws/credentials",
        &format!("[work]\n{}[home]\n{}", keys(ID), keys(ID)),
    );
    sandbox.set("AWS_PROFILE", "work").set("AWS_DEFAULT_PROFILE", "home");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("AWS_PROFILE")
        .expect_in_stderr("AWS_DEFAULT_PROFILE");
    sandbox.set("AWS_DEFAULT_PROFILE", "work");
    list(&sandbox).expect(0);
    assert_eq!(emulator.calls().len(), 1);
}

#[test]
fn absent_profile_is_named_with_the_files_and_the_nearest_names() {
    let emulator = ec2::Emulator::start();
    for (variable, name) in [("AWS_PROFILE", "nope"), ("AWS_DEFAULT_PROFILE", "prd")] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox.write("home/.aws/config", "[profile prod]\nregion = us-east-1\n[stage]\n");
        // Keys in the environment do not make up for it, as in the AWS CLI.
        sandbox
            .set("AWS_ACCESS_KEY_ID", ID)
            .set("AWS_SECRET_ACCESS_KEY", "secret");
        sandbox.set(variable, name);
        let run = list(&sandbox).expect(4);
        for part in [variable, name, "~/.aws/config", "~/.aws/credentials", "prod"] {
            run.expect_in_stderr(part);
        }
        sandbox.set(variable, "stage");
        let run = list(&sandbox).expect(4);
        run.expect_in_stderr("~/.aws/config:3: write the section's name as [profile \"stage\"]");
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn quoted_and_unicode_profile_names_are_found() {
    let emulator = ec2::Emulator::start();
    for (heading, name) in [
        ("profile \"dev team\"", "dev team"),
        ("profile 'dev team'", "dev team"),
        ("profile \"work\"", "work"),
        ("profile dév", "dév"),
        ("profile \"日本\"", "日本"),
        ("profile a@b.example", "a@b.example"),
    ] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox.write("home/.aws/config", &format!("[{heading}]\n{}", keys(ID)));
        sandbox.set("AWS_PROFILE", name);
        list(&sandbox).expect(0);
        assert_eq!(signer(&emulator), ID, "{heading}");
    }
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox.write(
        "home/.aws/credentials",
        &format!("[dev team]\n{}", keys("AKIASPACESPACESPACE0")),
    );
    sandbox.set("AWS_PROFILE", "dev team");
    list(&sandbox).expect(0);
    assert_eq!(signer(&emulator), "AKIASPACESPACESPACE0");
}

#[test]
fn byte_order_mark_and_windows_line_ends_are_taken() {
    let emulator = ec2::Emulator::start();
    for file in ["home/.aws/credentials", "home/.aws/config"] {
        let sandbox = sandbox_at(&emulator.url());
        let text = format!("\u{feff}[default]\n{}", keys(ID)).replace('\n', "\r\n");
        sandbox.write(file, &text);
        list(&sandbox).expect(0);
        assert_eq!(signer(&emulator), ID, "{file}");
    }
}

#[test]
fn broken_file_is_named_with_the_line() {
    let emulator = ec2::Emulator::start();
    for (file, text, place) in [
        ("home/.aws/config", "[default\nregion = us-east-1\n", "~/.aws/config:1"),
        (
            "home/.aws/credentials",
            "[default]\n\naws_access_key_id\n",
            "~/.aws/credentials:3",
        ),
        (
            "home/.aws/credentials",
            "aws_access_key_id = A\n",
            "~/.aws/credentials:1",
        ),
    ] {
        let sandbox = sandbox_at(&emulator.url());
        sandbox.write(file, text);
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr(place);
    }
    let sandbox = sandbox_at(&emulator.url());
    std::fs::create_dir_all(sandbox.home().join(".aws/credentials")).unwrap();
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("~/.aws/credentials: it is a folder");
    assert!(emulator.calls().is_empty());
}

#[test]
fn white_space_around_keys_in_variables_is_trimmed() {
    let emulator = ec2::Emulator::start();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", format!("{ID}\n")),
        ("AWS_ACCESS_KEY_ID", format!(" {ID}\r\n")),
        ("AWS_SECRET_ACCESS_KEY", "secret\r".to_owned()),
        ("AWS_SESSION_TOKEN", "token\n".to_owned()),
    ] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox
            .set("AWS_ACCESS_KEY_ID", ID)
            .set("AWS_SECRET_ACCESS_KEY", "secret");
        sandbox.set(name, &value);
        list(&sandbox).expect(0);
        assert_eq!(signer(&emulator), ID, "{name}");
    }
    let token = emulator
        .calls()
        .last()
        .unwrap()
        .request
        .headers
        .get("x-amz-security-token")
        .cloned();
    assert_eq!(token.as_deref(), Some("token"));
}

#[test]
fn characters_that_no_key_has_are_refused_by_name() {
    let emulator = ec2::Emulator::start();
    let long = "CANARY".repeat(5_000);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIA\nCANARY"),
        ("AWS_ACCESS_KEY_ID", "AKIACANARYé"),
        ("AWS_ACCESS_KEY_ID", "\u{feff}AKIACANARY"),
        ("AWS_SECRET_ACCESS_KEY", "CANARY\nsecond"),
        ("AWS_SECRET_ACCESS_KEY", "CANARY second"),
        ("AWS_SESSION_TOKEN", "CANARY\u{1b}[0m"),
        ("AWS_ACCESS_KEY_ID", long.as_str()),
        ("AWS_SESSION_TOKEN", long.as_str()),
    ] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox
            .set("AWS_ACCESS_KEY_ID", ID)
            .set("AWS_SECRET_ACCESS_KEY", "secret");
        sandbox.set(name, value);
        let run = list(&sandbox).expect(4);
        run.expect_in_stderr(name);
        assert!(!run.stderr.contains("CANARY"), "{name}: {}", run.stderr);
    }
    for (key, value) in [
        ("aws_access_key_id", "AKIA CANARY"),
        ("aws_session_token", "CANARY\u{7f}"),
    ] {
        let sandbox = sandbox_at(&emulator.url());
        sandbox.write(
            "home/.aws/credentials",
            &format!("[default]\n{}{key} = {value}\n", keys(ID)),
        );
        let run = list(&sandbox).expect(4);
        run.expect_in_stderr(key).expect_in_stderr("~/.aws/credentials:4");
        run.expect_not_in_stderr("CANARY");
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn half_a_key_is_refused_by_name() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox.set("AWS_ACCESS_KEY_ID", ID);
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("AWS_SECRET_ACCESS_KEY is not set");
    let sandbox = sandbox_at(&emulator.url());
    sandbox.write(
        "home/.aws/credentials",
        &format!("[default]\naws_access_key_id = {ID}\n"),
    );
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("~/.aws/credentials:2: aws_access_key_id is set, and aws_secret_access_key is not");
}

#[test]
fn process_is_named_with_what_it_gives() {
    let emulator = ec2::Emulator::start();
    let json = |id: &str, token: &str| {
        format!(
            "{{\"Version\": 1, \"AccessKeyId\": \"{id}\", \"SecretAccessKey\": \"s\", \"SessionToken\": \"{token}\"}}"
        )
    };
    for (output, code, part) in [
        (json(&format!("{ID}\\n"), "t"), 0, ""),
        (json(ID, "t\\r\\n"), 0, ""),
        (json("AKIA\\nCANARY", "t"), 4, "AccessKeyId"),
        (json(ID, "CANARY\\n2"), 4, "SessionToken"),
        ("not JSON".to_owned(), 4, "credential_process"),
        ("{\"Version\": 2}".to_owned(), 4, "credential_process"),
    ] {
        let sandbox = sandbox_at(&emulator.url());
        let file = sandbox.write("output.json", &output);
        sandbox.write(
            "home/.aws/config",
            &format!("[default]\ncredential_process = cat {file}\n"),
        );
        let run = list(&sandbox).expect(code);
        assert!(
            run.stderr.contains(part) && !run.stderr.contains("CANARY"),
            "{output}: {}",
            run.stderr
        );
        if code == 4 {
            run.expect_in_stderr("credential_process of the AWS profile \"default\" (~/.aws/config:2)");
        } else {
            assert_eq!(signer(&emulator), ID);
        }
    }
}

#[test]
fn absent_token_file_is_named_with_its_variable() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/absent");
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("AWS_ROLE_ARN");
    sandbox.set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci");
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("/var/run/absent, which AWS_WEB_IDENTITY_TOKEN_FILE names");
    let sandbox = sandbox_at(&emulator.url());
    sandbox.write(
        "home/.aws/config",
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/ci\nweb_identity_token_file = /var/run/gone\n",
    );
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("/var/run/gone")
        .expect_in_stderr("~/.aws/config:3");
}

fn sts_error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

/// What STS answers to AssumeRole or AssumeRoleWithWebIdentity.
pub fn assumed(action: &str, id: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    )
}

const ROLE: &str = "[default]\nregion = us-east-1\n[profile work]\nrole_arn = arn:aws:iam::123456789012:role/deploy\n\
                    source_profile = default\nexternal_id = outside\nduration_seconds = 1800\nrole_session_name = ada\n";

#[test]
fn role_is_assumed_with_the_keys_of_its_source() {
    let emulator = ec2::Emulator::start();
    let sts = Answers::start(200, assumed("AssumeRole", "ASIAROLEROLEROLEROLE"));
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox
        .set("AWS_ENDPOINT_URL_STS", &sts.url())
        .set("AWS_PROFILE", "work");
    sandbox.write("home/.aws/config", ROLE);
    sandbox.write("home/.aws/credentials", &format!("[default]\n{}", keys(ID)));
    list(&sandbox).expect(0);
    assert_eq!(signer(&emulator), "ASIAROLEROLEROLEROLE");
    let request = sts.service.requests.lock().unwrap()[0].clone();
    assert!(request.headers["authorization"].contains(ID));
    let body = String::from_utf8(request.body).unwrap();
    for part in ["ExternalId=outside", "DurationSeconds=1800", "RoleSessionName=ada"] {
        assert!(body.contains(part), "{part}: {body}");
    }
}

#[test]
fn role_of_the_profile_goes_before_the_token_of_the_environment() {
    let emulator = ec2::Emulator::start();
    let sts = Answers::start(200, assumed("AssumeRole", "ASIAROLEROLEROLEROLE"));
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox
        .set("AWS_ENDPOINT_URL_STS", &sts.url())
        .set("AWS_PROFILE", "work")
        .set("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/absent")
        .set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci");
    sandbox.write("home/.aws/config", ROLE);
    sandbox.write("home/.aws/credentials", &format!("[default]\n{}", keys(ID)));
    list(&sandbox).expect(0);
    assert_eq!(signer(&emulator), "ASIAROLEROLEROLEROLE");
}

#[test]
fn refused_role_is_told_in_words() {
    let emulator = ec2::Emulator::start();
    let words = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: sts:AssumeRole";
    let sts = Answers::start(403, sts_error("AccessDenied", words));
    for (more, parts) in [
        ("", &["sts:AssumeRole"][..]),
        (
            "mfa_serial = arn:aws:iam::123456789012:mfa/ada\n",
            &[
                "MFA",
                "arn:aws:iam::123456789012:mfa/ada",
                "aws configure export-credentials --profile work",
            ],
        ),
    ] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox
            .set("AWS_ENDPOINT_URL_STS", &sts.url())
            .set("AWS_PROFILE", "work");
        sandbox.write("home/.aws/config", &format!("{ROLE}{more}"));
        sandbox.write("home/.aws/credentials", &format!("[default]\n{}", keys(ID)));
        for arguments in [&["list", "-p", "aws", "-r", "us-east-1"][..], &["whoami", "-p", "aws"]] {
            let run = sandbox.run(arguments).expect(4);
            for part in ["\"work\"", "role/deploy", words, "AccessDenied"].iter().chain(parts) {
                run.expect_in_stderr(part);
            }
            for debug in ["Error {", "Some(", "ErrorMetadata", "AssumeRoleError"] {
                run.expect_not_in_stderr(debug);
            }
        }
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn role_without_a_usable_source_names_the_line() {
    let emulator = ec2::Emulator::start();
    let arn = "role_arn = arn:aws:iam::123456789012:role/x\n";
    for (config, code, part) in [
        (format!("[default]\n{arn}"), 4, "~/.aws/config:2"),
        (format!("[default]\n{arn}source_profile = gone\n"), 4, "\"gone\""),
        (
            format!("[default]\n{arn}source_profile = a\n[profile a]\n{arn}source_profile = default\n"),
            2,
            "circle",
        ),
        (
            format!("[default]\n{arn}credential_source = Elsewhere\n"),
            2,
            "credential_source",
        ),
        (
            format!("[default]\n{arn}credential_source = Environment\nduration_seconds = 1\n"),
            2,
            "duration_seconds",
        ),
        (
            format!("[default]\n{arn}credential_source = Environment\nsource_profile = a\n"),
            2,
            "both",
        ),
    ] {
        let sandbox = sandbox_at(&emulator.url());
        sandbox.write("home/.aws/config", &config);
        let run = list(&sandbox).expect(code);
        run.expect_in_stderr(part);
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn container_is_asked_past_the_proxy() {
    let emulator = ec2::Emulator::start();
    let body = "{\"AccessKeyId\":\"ASIACONTAINERCONTAIN\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}";
    let container = Answers::start(200, body);
    let proxy = Answers::start(502, "");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox
            .set(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                &format!("{}/creds", container.url()),
            )
            .set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "opaque")
            .set("NO_PROXY", emulator.url().strip_prefix("http://").unwrap())
            .set(variable, &proxy.url());
        list(&sandbox).expect(0);
        assert_eq!(signer(&emulator), "ASIACONTAINERCONTAIN", "{variable}");
    }
    assert!(proxy.calls().is_empty());
    assert_eq!(
        container.service.requests.lock().unwrap()[0].headers["authorization"],
        "opaque"
    );
}

#[test]
fn container_that_fails_is_named_by_its_variable() {
    let emulator = ec2::Emulator::start();
    let refusing = Answers::start(403, "{\"code\":\"AccessDenied\",\"message\":\"no\"}");
    let odd = Answers::start(
        200,
        "{\"AccessKeyId\":\"ASIA\\nCANARY\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}",
    );
    const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    for (name, value, code) in [
        (FULL, "http://127.0.0.1:9/creds".to_owned(), 4),
        (FULL, refusing.url(), 4),
        (FULL, odd.url(), 4),
        (FULL, "127.0.0.1:80".to_owned(), 2),
        (FULL, "garbage".to_owned(), 2),
        (FULL, "http://127.0.0.1:80/\n".to_owned(), 4),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "v2/creds".to_owned(), 2),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "http://x/y".to_owned(), 2),
    ] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox.set(name, &value);
        let run = list(&sandbox).expect(code);
        assert!(run.stderr.contains(name), "{value}: {}", run.stderr);
        run.expect_not_in_stderr("CANARY");
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn configuration_without_credentials_is_not_counted_as_found() {
    for (config, asked) in [
        ("[default]\nregion = us-east-1\noutput = json\n", false),
        (
            "[profile work]\nregion = us-east-1\n[services local]\nec2 =\n  endpoint_url = http://127.0.0.1:9\n",
            false,
        ),
        ("[default]\ncredential_process = false\n", true),
        ("[default]\nsso_session = x\n", true),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("home/.aws/config", config);
        let run = sandbox.run("list");
        let run = run.expect(4);
        assert_eq!(
            !run.stderr.contains("no credentials of any cloud were found"),
            asked,
            "{config}: {}",
            run.stderr
        );
    }
}

//! The AWS settings that are in effect, and where each one is set.

use cloudctl::cloud::ProviderKind;
use cloudctl::providers::Drivers;

use crate::aws_settings::ROLE;
use crate::support::sandbox::Sandbox;
use crate::tls::AUTHORITY;
use cloud_emulators::ec2;

/// What a setting comes to, and where it is set.
fn resolved(sandbox: &Sandbox, name: &str) -> (Option<String>, String) {
    let all = (Drivers::default().get(ProviderKind::Aws).resolved_settings)(&sandbox.settings()).expect("settings");
    let one = all.into_iter().find(|setting| setting.name == name).expect(name);
    (one.value, one.source)
}

#[test]
fn each_value_says_where_it_is_set() {
    let mut sandbox = Sandbox::new();
    let bundle = sandbox.write("home/ca.pem", AUTHORITY);
    sandbox.write(
        "home/.aws/config",
        &format!(
            "[default]\nregion = eu-west-1\n\n[profile \"dev team\"]\nregion = us-gov-west-1\nrole_arn = {ROLE}\n\
             source_profile = default\nca_bundle = ~/ca.pem\nendpoint_url = http://127.0.0.1:9\nmax_attempts = 2\n"
        ),
    );
    sandbox.write(
        "home/.aws/credentials",
        "[default]\naws_access_key_id = A\naws_secret_access_key = hunter2\n",
    );
    sandbox.unset("AWS_MAX_ATTEMPTS");
    sandbox
        .set("AWS_PROFILE", "dev team")
        .set("https_proxy", "http://ada:hunter2@proxy.example.com:3128");
    let section = "[profile \"dev team\"]";
    for (name, value, source) in [
        ("aws.profile", "dev team", "variable AWS_PROFILE".to_owned()),
        ("aws.region", "us-gov-west-1", format!("~/.aws/config:5, {section}")),
        (
            "aws.endpoint",
            "http://127.0.0.1:9",
            format!("~/.aws/config:9, {section}"),
        ),
        ("aws.ca_bundle", bundle.as_str(), format!("~/.aws/config:8, {section}")),
        (
            "aws.proxy_https",
            "http://proxy.example.com:3128",
            "variable https_proxy".to_owned(),
        ),
        (
            "aws.retries",
            "2 attempts, standard",
            format!("~/.aws/config:10, {section}"),
        ),
        (
            "aws.credentials",
            &format!("profile \"dev team\": assume role {ROLE} with profile \"default\": access key"),
            format!("~/.aws/config:6, {section}"),
        ),
    ] {
        assert_eq!(resolved(&sandbox, name), (Some(value.to_owned()), source), "{name}");
    }
    let all = (Drivers::default().get(ProviderKind::Aws).resolved_settings)(&sandbox.settings()).expect("settings");
    assert!(!format!("{all:?}").contains("hunter2"), "{all:?}");
    sandbox
        .unset("AWS_PROFILE")
        .set("AWS_ACCESS_KEY_ID", "A")
        .set("AWS_SECRET_ACCESS_KEY", "hunter2");
    assert_eq!(resolved(&sandbox, "aws.credentials").0.as_deref(), Some("environment"));
    assert_eq!(
        resolved(&sandbox, "aws.profile"),
        (Some("default".to_owned()), "default".to_owned())
    );
    sandbox.set("AWS_REGION", "us-east-2");
    let region = (Some("us-east-2".to_owned()), "variable AWS_REGION".to_owned());
    assert_eq!(resolved(&sandbox, "aws.region"), region);
}

#[cfg(unix)]
#[test]
fn value_that_is_not_unicode_is_refused_by_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let emulator = ec2::Emulator::start();
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
        "AWS_MAX_ATTEMPTS",
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.point_at_aws(&emulator.url());
        let mut command = sandbox.command("list -p aws -r us-east-1");
        let output = command
            .env(name, OsStr::from_bytes(b"a\xff\xfe"))
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        assert!(stderr.contains(name), "{name}: {stderr}");
    }
    assert!(emulator.calls().is_empty());
}

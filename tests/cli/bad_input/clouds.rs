//! Credentials and projects that are missing or have expired.

use super::{check, faults_of};
use crate::support::sandbox::Sandbox;
use cloud_emulators::{ec2, gce};

#[test]
fn no_credentials() {
    let mut sandbox = Sandbox::new();
    check(
        &sandbox,
        &[
            (4, "no credentials", "list"),
            (4, "no credentials", "terminate web-1 -y"),
            (4, "no credentials were found", "create x -p aws -r us-east-1"),
            (4, "no credentials were found", "list -p aws -r us-east-1"),
            (2, "project", "create x -p gcp -r us-central1"),
        ],
    );
    sandbox.set("CLOUDSDK_CORE_PROJECT", "acme");
    check(
        &sandbox,
        &[
            (4, "credentials", "create x -p gcp -r us-central1"),
            (4, "credentials", "list -p gcp"),
        ],
    );
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", "/absent/key.json");
    check(&sandbox, &[(4, "/absent/key.json", "create x -p gcp -r us-central1")]);
}

#[test]
fn no_project() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "a-token");
    check(
        &sandbox,
        &[
            (2, "project", "create x -p gcp -r us-central1"),
            (2, "project", "list -p gcp"),
        ],
    );
}

/// The sign-in of `aws sso login` lies in a file with its time; no cloud needs to be asked.
#[test]
fn an_expired_sign_in() {
    let mut sandbox = Sandbox::new();
    sandbox.write(
        "home/.aws/config",
        "[profile work]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\nregion = us-east-1\n\
         [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://acme.example/start\n",
    );
    // The file's name is the SHA-1 of the session's.
    sandbox.write(
        "home/.aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json",
        "{\"accessToken\": \"x\", \"expiresAt\": \"2020-01-01T00:00:00Z\"}",
    );
    sandbox.set("AWS_PROFILE", "work");
    check(&sandbox, &[(4, "expired", "create x -p aws -r us-east-1")]);
}

#[test]
fn expired_credentials() {
    let (aws, gcp) = (ec2::Emulator::start(), gce::Emulator::start());
    aws.expire_credentials();
    gcp.expire_token();
    let mut sandbox = Sandbox::new();
    crate::secrets::point_at_aws(&mut sandbox, &aws.url(), "a-secret");
    crate::secrets::point_at_gcp(&mut sandbox, &gcp.url(), "a-token");
    for provider in ["aws", "gcp"] {
        let run = sandbox.run(&["create", "x", "-p", provider]);
        let faults = faults_of(&run, 4, provider, false);
        assert!(faults.is_empty(), "{provider}: {faults:?}\n{run:#?}");
    }
    assert!(aws.instances().is_empty() && gcp.instances().is_empty());
}

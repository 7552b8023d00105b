//! Why Compute Engine or a token server could not be reached, or gave no token, in text and JSON.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixed_answer_server::{StandIn, cloud, cloud_without_credentials};
use crate::support::sandbox::{Run, Sandbox};
use crate::tls::{AUTHORITY, TlsServer};
use cloud_emulators::faults::{Effect, Fault};

fn list(sandbox: &Sandbox) -> Run {
    sandbox.run("list -p gcp -o json")
}

/// All of these words stand in the text and in the JSON.
#[track_caller]
fn tells(run: &Run, words: &[&str]) {
    let message = run.json()["errors"][0]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for word in words {
        run.expect_in_stderr(word);
        assert!(message.contains(word), "{word:?} in {message}");
    }
    for debug in ["Error {", "kind:", "Some(", "Os {", "reqwest"] {
        assert!(
            !run.stderr.contains(debug) && !message.contains(debug),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn refused_connection_is_told_with_its_address() {
    let (_emulator, mut sandbox) = cloud();
    sandbox.set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        "http://127.0.0.1:9/compute/v1/",
    );
    tells(&list(&sandbox).expect(9), &["connection refused by 127.0.0.1:9"]);
}

#[test]
fn name_that_does_not_resolve_is_told() {
    let (_emulator, mut sandbox) = cloud();
    let address = "http://compute.absent.invalid/compute/v1/";
    sandbox.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", address);
    tells(
        &list(&sandbox).expect(9),
        &["the name compute.absent.invalid does not resolve"],
    );
}

#[test]
fn proxies_that_fail_are_told_from_the_cloud() {
    let (_emulator, mut sandbox) = cloud();
    sandbox.set("HTTP_PROXY", "http://ada:hunter2@127.0.0.1:9");
    let run = list(&sandbox).expect(9);
    tells(&run, &["connection refused by the proxy 127.0.0.1:9"]);
    run.expect_not_in_stderr("hunter2");
    sandbox.set("HTTP_PROXY", "http://proxy.absent.invalid:3128");
    tells(
        &list(&sandbox).expect(9),
        &["the proxy proxy.absent.invalid:3128 does not resolve"],
    );
}

#[test]
fn connection_that_is_cut_is_told() {
    let (emulator, sandbox) = cloud();
    emulator.inject(Fault::on_all(Effect::ResetBefore));
    let run = list(&sandbox).expect(9);
    let address = emulator.url().trim_start_matches("http://").to_owned();
    tells(&run, &[&address]);
}

#[test]
fn authority_that_is_not_trusted_is_told_at_once() {
    let (emulator, mut sandbox) = cloud();
    let server = TlsServer::before(&emulator.url());
    sandbox.set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        &format!("{}/compute/v1/", server.url()),
    );
    let start = Instant::now();
    let run = list(&sandbox).expect(2);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(server.connections(), 1);
    let address = server.url().trim_start_matches("https://").to_owned();
    tells(
        &run,
        &[&format!(
            "the certificate of {address} was issued by an untrusted certificate authority"
        )],
    );
    for word in ["hint: set SSL_CERT_FILE", "core/custom_ca_certs_file"] {
        run.expect_in_stderr(word);
    }
    run.expect_not_in_stderr("run the same command again");
}

#[test]
fn authority_of_ssl_cert_file_is_trusted() {
    let (emulator, mut sandbox) = cloud();
    let server = TlsServer::before(&emulator.url());
    let path = sandbox.write("ca/authority.pem", AUTHORITY);
    sandbox
        .set(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
            &format!("{}/compute/v1/", server.url()),
        )
        .set("SSL_CERT_FILE", &path);
    list(&sandbox).expect(0);
    // gcloud's own setting may stay where it is.
    sandbox.set("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", &path);
    list(&sandbox).expect(0);
    sandbox.set("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "/another.pem");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE")
        .expect_in_stderr("SSL_CERT_FILE");
    // A folder's files are found by their hashes.
    let folder = sandbox.folder().join("ca");
    sandbox
        .unset("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE")
        .unset("SSL_CERT_FILE")
        .set("SSL_CERT_DIR", &folder.to_string_lossy());
    std::fs::copy(&path, folder.join("0a1b2c3d.0")).unwrap();
    list(&sandbox).expect(0);
}

#[test]
fn certificate_for_another_name_is_told() {
    let (emulator, mut sandbox) = cloud();
    let server = TlsServer::before(&emulator.url());
    let path = sandbox.write("authority.pem", AUTHORITY);
    let url = server.url().replace("127.0.0.1", "localhost");
    sandbox
        .set("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", &url)
        .set("SSL_CERT_FILE", &path);
    let run = list(&sandbox).expect(2);
    tells(&run, &["the certificate of localhost:", "is for another name"]);
    run.expect_not_in_stderr("run the same command again");
}

#[test]
fn plain_server_where_tls_is_expected_is_told() {
    let (emulator, mut sandbox) = cloud();
    let url = emulator.url().replace("http://", "https://");
    sandbox.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", &url);
    tells(&list(&sandbox).expect(2), &["does not speak TLS"]);
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let (_emulator, mut sandbox) = cloud();
    sandbox.set("SSL_CERT_FILE", "/absent/ca.pem");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("SSL_CERT_FILE is /absent/ca.pem");
}

fn user(token_uri: &str) -> Value {
    json!({"type": "authorized_user", "client_id": "a", "client_secret": "hunter2", "refresh_token": "hunter2",
           "token_uri": token_uri, "account": "ada@acme.test"})
}

fn list_as(json: &Value) -> Run {
    let (emulator, mut sandbox) = cloud_without_credentials();
    let path = sandbox.write("key.json", &json.to_string());
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
    let run = list(&sandbox);
    assert!(emulator.calls().is_empty());
    assert!(
        !run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"),
        "{}",
        run.stderr
    );
    run
}

#[test]
fn answer_of_a_token_server_is_shown() {
    for (body, words) in [
        (
            json!({"error": "invalid_grant", "error_description": "Account has been deleted"}),
            "invalid_grant: Account has been deleted",
        ),
        (
            json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked.", "x": "hunter2"}),
            "invalid_grant: Token has been expired or revoked",
        ),
        (json!({"error": "invalid_client"}), "invalid_client"),
    ] {
        let server = StandIn::start(400, &body);
        let run = list_as(&user(&server.url())).expect(4);
        tells(&run, &["the token server 127.0.0.1", "ada@acme.test", words]);
        assert_eq!(run.error_kinds(), ["unauthenticated"]);
    }
}

#[test]
fn answer_of_an_exchange_is_shown_with_the_service_account() {
    let answer = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "ci may not be acted as"}});
    let iam = StandIn::start(403, &answer);
    let tokens = StandIn::start(
        200,
        &json!({"access_token": "a", "expires_in": 3600, "token_type": "Bearer"}),
    );
    let impersonated = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url":
            format!("{}/v1/projects/-/serviceAccounts/ci@acme.test:generateAccessToken", iam.url()),
        "source_credentials": user(&tokens.url()),
    });
    tells(
        &list_as(&impersonated).expect(4),
        &["ci@acme.test", "PERMISSION_DENIED: ci may not be acted as"],
    );
    let sts = StandIn::start(
        400,
        &json!({"error": "invalid_target", "error_description": "The pool is disabled."}),
    );
    let sandbox = Sandbox::new();
    let external = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": sts.url(),
        "credential_source": {"file": sandbox.write("subject", "a")},
    });
    tells(
        &list_as(&external).expect(4),
        &["the token server 127.0.0.1", "invalid_target: The pool is disabled"],
    );
}

#[test]
fn token_server_that_cannot_be_reached_is_told_with_its_address() {
    let run = list_as(&user("http://127.0.0.1:9/token")).expect(9);
    tells(
        &run,
        &["the token server 127.0.0.1", "connection refused by 127.0.0.1:9"],
    );
    let run = list_as(&user("http://tokens.absent.invalid/token")).expect(9);
    tells(&run, &["the name tokens.absent.invalid does not resolve"]);
    let server = TlsServer::before("http://127.0.0.1:9");
    let run = list_as(&user(&server.url())).expect(2);
    tells(&run, &["was issued by an untrusted certificate authority"]);
    run.expect_in_stderr("hint: set SSL_CERT_FILE");
    let broken = StandIn::start(503, &json!({"error": "unavailable"}));
    let run = list_as(&user(&broken.url())).expect(9);
    tells(&run, &["the token server 127.0.0.1", "unavailable"]);
}

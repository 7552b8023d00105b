//! Credential files and access tokens of Google Cloud, as people set them.

use serde_json::{Value, json};

use crate::fixed_answer_server::{StandIn, cloud, cloud_without_credentials, header};
use crate::support::sandbox::{Run, Sandbox};

const KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPIjUcWQE7Fpmq1wOeKdzLwkW9mH\n-----END PRIVATE KEY-----\n";
const TOKEN: &str = "ya29.a0AfB_byCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefghijklmnopqrstuvwxyz";

fn service_account() -> Value {
    json!({
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "0123456789abcdef",
        "private_key": KEY,
        "client_email": "ci@acme.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

fn user(token_uri: &str) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "764086051850-x.apps.googleusercontent.com",
        "client_secret": "d-FL95Q19q7MQmFpd7hHD0Ty",
        "refresh_token": "1//0gAbCdEfGhIjKlMnOpQrStUvWxYz",
        "token_uri": token_uri,
    })
}

fn token_server() -> cloud_emulators::http::Server<StandIn> {
    let token = json!({
        "access_token": "from-the-server",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "expires_in": 3600,
        "token_type": "Bearer",
    });
    StandIn::start(200, &token)
}

/// Lists, with the file's content in a file that the variable names.
fn list_with_file(content: &[u8]) -> Run {
    let (emulator, mut sandbox) = cloud_without_credentials();
    let path = sandbox.folder().join("key.json");
    std::fs::write(&path, content).expect("a file");
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path.to_string_lossy());
    let run = list(&sandbox);
    assert!(
        run.code == 0 || emulator.calls().is_empty(),
        "a call was made: {}",
        run.stderr
    );
    run
}

fn list(sandbox: &Sandbox) -> Run {
    sandbox.run("list -p gcp -o json")
}

/// Exit code 4, all of these words in text and JSON, and none of the secrets.
#[track_caller]
fn refused(run: Run, words: &[&str]) {
    let run = run.expect(4);
    for word in words {
        run.expect_in_stderr(word);
    }
    for secret in [
        "MC4CAQ",
        "PRIVATE KEY",
        "ya29",
        "a0AfB",
        "1//0g",
        "d-FL95",
        "hunter2",
        "panicked",
    ] {
        assert!(
            !run.stderr.contains(secret) && !run.stdout.contains(secret),
            "{secret}: {}",
            run.stderr
        );
    }
    run.expect_not_in_stderr("run the same command again");
}

#[test]
fn content_in_place_of_a_path_is_withheld() {
    let key = service_account();
    let pretty = serde_json::to_string_pretty(&key).unwrap();
    let contents = [
        pretty.clone(),
        key.to_string(),
        format!("\n{pretty}\n"),
        KEY.to_owned(),
        TOKEN.to_owned(),
    ];
    for content in contents {
        for variable in [
            "GOOGLE_APPLICATION_CREDENTIALS",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
        ] {
            let (emulator, mut sandbox) = cloud_without_credentials();
            sandbox.set(variable, &content);
            refused(
                list(&sandbox),
                &[variable, "a value of ", " characters that is not a path"],
            );
            refused(sandbox.run("list -p gcp -vvv"), &[variable]);
            refused(sandbox.run("whoami -p gcp"), &[variable]);
            assert!(emulator.calls().is_empty());
        }
    }
}

#[test]
fn base64_of_a_key_in_place_of_a_path_is_withheld() {
    let (_emulator, mut sandbox) = cloud_without_credentials();
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCJ9");
    let run = list(&sandbox);
    run.expect_not_in_stderr("eyJ0");
    refused(
        run,
        &["GOOGLE_APPLICATION_CREDENTIALS", "characters that is not a path"],
    );
}

#[test]
fn token_in_place_of_its_file_is_told_where_it_belongs() {
    let (_emulator, mut sandbox) = cloud_without_credentials();
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &"ya29.a0AfB_".repeat(20));
    refused(
        list(&sandbox),
        &["hint: a file's name belongs there", "CLOUDSDK_AUTH_ACCESS_TOKEN\n"],
    );
}

#[test]
fn absent_files_are_named_with_what_names_them() {
    for variable in [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    ] {
        for path in ["/absent/key.json", "~/key.json"] {
            let (_emulator, mut sandbox) = cloud_without_credentials();
            sandbox.set(variable, path);
            refused(list(&sandbox), &[variable, path]);
        }
    }
    let (_emulator, sandbox) = cloud_without_credentials();
    sandbox.write(
        "home/.config/gcloud/configurations/config_default",
        "[auth]\ncredential_file_override = /absent/key.json\n",
    );
    refused(list(&sandbox), &["config_default:2, [auth]", "/absent/key.json"]);
}

#[test]
fn files_of_other_kinds_are_told_in_words() {
    let key = service_account().to_string();
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(key.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let without = |field: &str| {
        let mut json = service_account();
        json.as_object_mut().unwrap().remove(field);
        json.to_string().into_bytes()
    };
    let of_type = |kind: &str| json!({"type": kind, "client_id": "a"}).to_string().into_bytes();
    let installed = json!({"installed": {"client_id": "a", "client_secret": "hunter2"}}).to_string();
    let web = json!({"web": {"client_id": "a", "client_secret": "hunter2"}}).to_string();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "is empty"),
        (b" \n\t".to_vec(), "is empty"),
        (
            b"eyJ0eXBlIjogInNlcnZpY2VfYWNjb3Vu\ndCJ9\n".to_vec(),
            "is base64; decode it first",
        ),
        (
            b"ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIKfQ==".to_vec(),
            "is base64; decode it first",
        ),
        (utf16, "is UTF-16 text"),
        (KEY.as_bytes().to_vec(), "is a PEM file"),
        (vec![0x30, 0x82, 0x09, 0x51, 0x02, 0x01, 0x03, 0x00], "is a binary key"),
        (
            b"[default]\naws_access_key_id = AKIAX\naws_secret_access_key = hunter2\n".to_vec(),
            "credentials of AWS",
        ),
        (
            b"{\"AccessKeyId\": \"AKIAX\", \"SecretAccessKey\": \"hunter2\"}".to_vec(),
            "credentials of AWS",
        ),
        (installed.into_bytes(), "is an OAuth client (client_secret.json)"),
        (web.into_bytes(), "is an OAuth client (client_secret.json)"),
        (
            b"{\"type\": \"service_account\", hunter2".to_vec(),
            "is not JSON: line 1, column ",
        ),
        (b"hunter2".to_vec(), "is not JSON"),
        (b"[]".to_vec(), "is JSON, but no object"),
        (b"{}".to_vec(), "has no \"type\""),
        (b"{\"type\": 1}".to_vec(), "has a \"type\" that is no text"),
        (of_type("magic"), "the unknown type \"magic\""),
        (
            of_type("external_account_authorized_user"),
            "has no \"client_secret\", which external_account_authorized_user needs",
        ),
        (of_type("gdch_service_account"), "the type gdch_service_account"),
        (of_type("authorized_user"), "has no \"client_secret\""),
        (without("private_key"), "has no \"private_key\""),
        (without("client_email"), "has no \"client_email\""),
        (format!("{TOKEN}\n").into_bytes(), "is an access token"),
        (vec![0x80, 0x81, 0x82], "is not text"),
    ];
    for (content, words) in cases {
        refused(
            list_with_file(&content),
            &["GOOGLE_APPLICATION_CREDENTIALS", "key.json", words],
        );
    }
}

#[test]
fn folder_is_no_credentials_file() {
    let (_emulator, mut sandbox) = cloud_without_credentials();
    let home = sandbox.home();
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &home.to_string_lossy());
    refused(list(&sandbox), &["GOOGLE_APPLICATION_CREDENTIALS", "is a folder"]);
}

#[test]
fn fields_with_line_ends_are_named_or_trimmed() {
    let mut json = user("https://oauth2.googleapis.com/token");
    json["client_id"] = json!("first\nsecond");
    refused(list_with_file(json.to_string().as_bytes()), &["\"client_id\""]);
    let mut json = service_account();
    json["private_key"] = json!("hunter2");
    refused(
        list_with_file(json.to_string().as_bytes()),
        &["\"private_key\" that is no"],
    );
    let mut json = user("oauth2.googleapis.com/token");
    refused(
        list_with_file(json.to_string().as_bytes()),
        &["\"token_uri\" that is no URL"],
    );
    let server = token_server();
    json = user(&format!("  {}/token\n", server.url()));
    json["refresh_token"] = json!("1//0gAbCdEfGhIjKlMnOpQrStUvWxYz\r\n");
    list_with_file(json.to_string().as_bytes()).expect(0);
    let sent = String::from_utf8(server.calls()[0].request.body.clone()).unwrap();
    assert!(!sent.contains("\\r") && !sent.contains("\\n"), "{sent}");
}

#[test]
fn byte_order_mark_is_taken() {
    let server = token_server();
    let content = format!("\u{feff}{}", user(&server.url()));
    list_with_file(content.as_bytes()).expect(0);
}

/// Every form that the page of Google Cloud names, each from a file.
#[test]
fn all_forms_of_the_readme_sign() {
    let server = token_server();
    let token = json!({"accessToken": "of-ci", "expireTime": "2099-01-01T00:00:00Z"});
    let iam = StandIn::start(200, &token);
    let sandbox = Sandbox::new();
    let subject = sandbox.write("subject", "a-subject-token");
    let external = |source: Value| {
        json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", server.url()),
            "credential_source": source,
        })
    };
    let url = StandIn::start(200, &json!({"id_token": "a-subject-token"}));
    let program = sandbox.write(
        "subject.sh",
        "#!/bin/sh\necho '{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:jwt\",\
         \"id_token\":\"a\",\"expiration_time\":4102444800}'\n",
    );
    let impersonation = format!(
        "{}/v1/projects/-/serviceAccounts/ci@acme.test:generateAccessToken",
        iam.url()
    );
    let forms = [
        (
            external(json!({
                "environment_id": "aws1",
                "regional_cred_verification_url":
                    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
            })),
            "from-the-server",
        ),
        (
            json!({
                "type": "external_account_authorized_user",
                "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/q",
                "client_id": "a",
                "client_secret": "b",
                "refresh_token": "c",
                "token_url": server.url(),
            }),
            "from-the-server",
        ),
        (user(&server.url()), "from-the-server"),
        (external(json!({"file": subject})), "from-the-server"),
        (
            external(json!({"url": url.url(), "format": {"type": "json", "subject_token_field_name": "id_token"}})),
            "from-the-server",
        ),
        (
            external(json!({"executable": {"command": format!("/bin/sh {program}")}})),
            "from-the-server",
        ),
        (
            json!({
                "type": "impersonated_service_account",
                "service_account_impersonation_url": impersonation,
                "source_credentials": user(&server.url()),
            }),
            "of-ci",
        ),
    ];
    for (json, token) in forms {
        let (emulator, mut sandbox) = cloud_without_credentials();
        sandbox
            .set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
            .set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .set("AWS_SECRET_ACCESS_KEY", "a-secret")
            .set("AWS_REGION", "us-east-1");
        let path = sandbox.write("key.json", &json.to_string());
        sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
        list(&sandbox).expect(0);
        assert_eq!(
            header(&emulator, "authorization"),
            Some(format!("Bearer {token}")),
            "{json}"
        );
    }
    // A key signs by itself, also where a secret store wrote its line ends out.
    let pem = include_str!("service_account_key.pem");
    for private_key in [pem.to_owned(), pem.replace('\n', "\\n")] {
        let mut key = service_account();
        key["private_key"] = json!(private_key);
        let (emulator, mut sandbox) = cloud_without_credentials();
        let path = sandbox.write("key.json", &key.to_string());
        sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
        list(&sandbox).expect(0);
        let signed = header(&emulator, "authorization").unwrap_or_default();
        assert!(signed.starts_with("Bearer eyJ") && signed.split('.').count() == 3);
    }
    // The page names these forms, and no test above is left out of it.
    let page = include_str!("../../docs/gcp.md");
    for form in [
        "authorized_user",
        "service_account",
        "external_account",
        "impersonated_service_account",
        "external_account_authorized_user",
    ] {
        assert!(page.contains(&format!("`{form}`")), "{form} is in the page");
    }
}

#[test]
fn external_account_that_cannot_work_is_refused_early() {
    let external = |source: Value| {
        json!({"type": "external_account", "audience": "a", "subject_token_type": "b",
               "token_url": "https://sts.googleapis.com/v1/token", "credential_source": source})
    };
    for (source, words) in [
        (json!({"file": "/var/run/absent/token"}), "/var/run/absent/token"),
        (
            json!({"executable": {"command": "/bin/true"}}),
            "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
        ),
        (json!({"certificate": {}}), "\"credential_source\""),
        (json!({"url": "not a url"}), "credential_source.url"),
    ] {
        refused(list_with_file(external(source).to_string().as_bytes()), &[words]);
    }
}

#[test]
fn workforce_login_sends_quota_project_and_shows_answer() {
    let login = |url: &str| {
        json!({"type": "external_account_authorized_user", "client_id": "a", "client_secret": "hunter2",
               "refresh_token": "hunter2", "token_url": url, "quota_project_id": "acme-billing"})
    };
    let server = token_server();
    let (emulator, mut sandbox) = cloud_without_credentials();
    let path = sandbox.write("key.json", &login(&server.url()).to_string());
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
    list(&sandbox).expect(0);
    assert_eq!(
        header(&emulator, "x-goog-user-project").as_deref(),
        Some("acme-billing")
    );
    assert_eq!(server.calls().len(), 1);
    let sent = server.calls()[0].request.clone();
    assert_eq!(
        String::from_utf8_lossy(&sent.body),
        "grant_type=refresh_token&refresh_token=hunter2"
    );
    assert!(
        sent.headers
            .get("authorization")
            .is_some_and(|header| header.starts_with("Basic "))
    );
    let denied = StandIn::start(
        400,
        &json!({"error": "invalid_grant", "error_description": "The session has ended."}),
    );
    refused(
        list_with_file(login(&denied.url()).to_string().as_bytes()),
        &["the token server 127.0.0.1", "invalid_grant: The session has ended"],
    );
}

#[test]
fn token_of_any_lifetime_is_taken() {
    for lifetime in [
        json!(0),
        json!(u64::MAX),
        json!(-1),
        json!("soon"),
        json!(null),
        json!(1e300),
    ] {
        let answer = json!({"access_token": "a-token", "expires_in": lifetime, "token_type": "Bearer"});
        let server = StandIn::start(200, &answer);
        let login = json!({"type": "external_account_authorized_user", "client_id": "a", "client_secret": "b",
                           "refresh_token": "c", "token_url": server.url()});
        let (_emulator, mut sandbox) = cloud_without_credentials();
        let path = sandbox.write("key.json", &login.to_string());
        sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
        list(&sandbox).expect(0);
    }
}

#[test]
fn white_space_around_a_token_is_trimmed() {
    for variable in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
        let (emulator, mut sandbox) = cloud_without_credentials();
        sandbox.set(variable, " \ta-token\r\n");
        list(&sandbox).expect(0);
        assert_eq!(header(&emulator, "authorization").as_deref(), Some("Bearer a-token"));
    }
    let (emulator, mut sandbox) = cloud_without_credentials();
    let path = sandbox.write("token", "\u{feff}a-token\r\n");
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &format!("{path}\n"));
    list(&sandbox).expect(0);
    assert_eq!(header(&emulator, "authorization").as_deref(), Some("Bearer a-token"));
}

#[test]
fn token_with_invalid_characters_is_withheld() {
    for value in [
        "ya29.abc\ndef",
        "ya29.abc def",
        "ya29.abc\u{e9}",
        "ya29.\u{feff}abc",
        "ya29.a\u{7}b",
    ] {
        for variable in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
            let (emulator, mut sandbox) = cloud_without_credentials();
            sandbox.set(variable, value);
            refused(list(&sandbox), &[variable]);
            assert!(emulator.calls().is_empty());
        }
        let (_emulator, mut sandbox) = cloud_without_credentials();
        let path = sandbox.write("token", value);
        sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &path);
        refused(list(&sandbox), &["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &path]);
    }
}

#[test]
fn token_file_with_a_key_in_it_is_told() {
    let (_emulator, mut sandbox) = cloud_without_credentials();
    let path = sandbox.write("token", &service_account().to_string());
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &path);
    refused(
        list(&sandbox),
        &["is JSON, and no access token", "GOOGLE_APPLICATION_CREDENTIALS"],
    );
    let path = sandbox.write("token", "\n");
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &path);
    refused(list(&sandbox), &["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]);
}

#[test]
fn metadata_server_is_asked_past_a_proxy() {
    let server = token_server();
    let (emulator, mut sandbox) = cloud_without_credentials();
    let proxy = StandIn::start(403, &json!({}));
    sandbox
        .unset("NO_GCE_CHECK")
        .set("GCE_METADATA_HOST", server.url().trim_start_matches("http://"))
        .set("HTTP_PROXY", &proxy.url())
        .set(
            "NO_PROXY",
            emulator.url().trim_start_matches("http://").split(':').next().unwrap(),
        );
    // The address of the metadata server is the same here, so that only the proxy's own log tells.
    list(&sandbox).expect(0);
    assert!(proxy.calls().is_empty());
    assert_eq!(
        header(&emulator, "authorization").as_deref(),
        Some("Bearer from-the-server")
    );
    sandbox.set("NO_PROXY", "compute.googleapis.com");
    list(&sandbox).expect(4);
    let seen: Vec<_> = proxy.calls().iter().map(|call| call.request.path.clone()).collect();
    assert!(
        !seen.is_empty() && seen.iter().all(|path| !path.contains("computeMetadata")),
        "{seen:?}"
    );
}

#[test]
fn token_is_not_overridden_by_broken_files() {
    let (_emulator, mut sandbox) = cloud();
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", "/absent");
    list(&sandbox).expect(0);
}

#[test]
fn broken_credentials_are_told_before_a_missing_project() {
    for (name, value) in [
        ("GOOGLE_APPLICATION_CREDENTIALS", "{\"type\": \"service_account\"}"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "absent.json"),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.abc\ndef"),
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.set(name, value);
        let run = list(&sandbox).expect(4);
        assert!(run.stdout.contains(name), "{}", run.stdout);
    }
}

//! Unusual settings, files and answers, one by one: the error names what is wrong, and no hint says to retry.

use serde_json::json;

use crate::aws_credentials::{Answers, list as list_aws};
use crate::fixed_answer_server::{cloud, cloud_without_credentials, header};
use crate::support::sandbox::{Run, Sandbox};
use crate::tls::{SELF_SIGNED, TlsServer};
use cloud_emulators::ec2;
use cloud_emulators::http::{Server, Service};
use cloud_emulators::recorded_call::{Operation, Reply, Request};

const LIST_GCP: [&str; 3] = ["list", "-p", "gcp"];

fn aws(url: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(url);
    sandbox
}

/// A sandbox whose credentials are in files alone.
fn aws_without_keys(url: &str) -> Sandbox {
    let mut sandbox = aws(url);
    sandbox.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    sandbox
}

#[track_caller]
fn says(run: &Run, words: &[&str]) {
    for word in words {
        run.expect_in_stderr(word);
    }
    run.expect_not_in_stderr("run the same command again");
}

#[test]
fn authorities_are_needed_for_https_alone() {
    let emulator = ec2::Emulator::start();
    let server = TlsServer::before(&emulator.url());
    for (name, value) in [
        ("SSL_CERT_FILE", "empty.pem"),
        ("SSL_CERT_FILE", "garbage.pem"),
        ("SSL_CERT_FILE", "/var/run/absent.pem"),
        ("SSL_CERT_FILE", "~/absent.pem"),
        ("SSL_CERT_FILE", " "),
        ("SSL_CERT_FILE", "\n"),
        ("SSL_CERT_FILE", "."),
        ("SSL_CERT_DIR", "/var/run/absent"),
        ("SSL_CERT_DIR", "empty"),
        ("SSL_CERT_DIR", "\n"),
    ] {
        let mut sandbox = aws(&emulator.url());
        sandbox.write("empty.pem", "");
        sandbox.write("garbage.pem", "garbage");
        std::fs::create_dir(sandbox.folder().join("empty")).unwrap();
        sandbox.unset("SSL_CERT_FILE").unset("SSL_CERT_DIR").set(name, value);
        list_aws(&sandbox).expect(0);
        sandbox.set("AWS_ENDPOINT_URL", &server.url());
        says(&list_aws(&sandbox).expect(2), &[name, "hint: ", "AWS_CA_BUNDLE"]);
        // A proxy that is reached by TLS needs them, too.
        sandbox
            .set("AWS_ENDPOINT_URL", &emulator.url())
            .set("HTTP_PROXY", &server.url());
        says(&list_aws(&sandbox).expect(2), &[name]);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn self_signed_certificate_is_told_in_words() {
    let emulator = ec2::Emulator::start();
    let server = TlsServer::self_signed_before(&emulator.url());
    let address = server.url().replace("https://", "");
    let mut sandbox = aws(&server.url());
    let words = [
        &format!("the certificate of {address} is not trusted: it is a self-signed CA certificate"),
        "AWS_CA_BUNDLE",
        "ca_bundle",
    ];
    says(&list_aws(&sandbox).expect(2), &words);
    let own = sandbox.write("own.pem", SELF_SIGNED);
    sandbox.set("AWS_CA_BUNDLE", &own);
    let run = list_aws(&sandbox).expect(2);
    says(
        &run,
        &["self-signed CA certificate", "CA:FALSE", "own.pem (from AWS_CA_BUNDLE)"],
    );
    let (_, mut sandbox) = cloud();
    sandbox.set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        &format!("{}/compute/v1/", server.url()),
    );
    let run = sandbox.run(&LIST_GCP).expect(2);
    says(&run, &[&address, "self-signed CA certificate", "SSL_CERT_FILE"]);
    run.expect_not_in_stderr("Other(");
}

#[test]
fn bundle_may_begin_with_a_byte_order_mark() {
    let emulator = ec2::Emulator::start();
    let server = TlsServer::before(&emulator.url());
    let mut sandbox = aws(&server.url());
    let authority = crate::tls::AUTHORITY.replace('\n', "\r\n");
    let bundle = sandbox.write("ca.pem", &format!("\u{feff}{authority}"));
    sandbox.set("AWS_CA_BUNDLE", &bundle);
    list_aws(&sandbox).expect(0);
}

#[test]
fn execution_environment_that_fits_into_no_header_is_refused() {
    let emulator = ec2::Emulator::start();
    for value in ["\n", "lambda\n", "a\rb", "a\u{1}b", &"x".repeat(100_000)] {
        let mut sandbox = aws(&emulator.url());
        sandbox.set("AWS_EXECUTION_ENV", value);
        says(&list_aws(&sandbox).expect(2), &["AWS_EXECUTION_ENV"]);
        let show = sandbox.run("context show");
        assert!(show.stdout.contains("AWS_EXECUTION_ENV") || show.stderr.contains("AWS_EXECUTION_ENV"));
    }
    assert!(emulator.calls().is_empty());
    for value in ["AWS_Lambda_python3.12", "CloudShell", "a b"] {
        let mut sandbox = aws(&emulator.url());
        sandbox.set("AWS_EXECUTION_ENV", value);
        list_aws(&sandbox).expect(0);
    }
}

#[test]
fn project_that_is_longer_than_any_is_refused() {
    let long = "x".repeat(100_000);
    for name in [
        "GOOGLE_CLOUD_PROJECT",
        "CLOUDSDK_CORE_PROJECT",
        "GCLOUD_PROJECT",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        "CLOUDSDK_BILLING_QUOTA_PROJECT",
    ] {
        let (emulator, mut sandbox) = cloud();
        if name == "GCLOUD_PROJECT" {
            sandbox.unset("CLOUDSDK_CORE_PROJECT");
        }
        sandbox.set(name, &long);
        says(
            &sandbox.run(&LIST_GCP).expect(2),
            &[name, "a value of 100,000 characters"],
        );
        assert!(emulator.calls().is_empty());
    }
}

#[test]
fn address_that_single_sign_on_does_not_go_by_is_refused() {
    const SESSION: &str = "[sso-session my]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n";
    const PROFILE: &str = "[default]\nsso_session = my\nsso_account_id = 123456789012\nsso_role_name = R\n";
    let emulator = ec2::Emulator::start();
    let url = emulator.url();
    let mut sandbox = aws_without_keys(&url);
    sandbox.write(
        "home/.aws/config",
        &format!("{PROFILE}endpoint_url = http://127.0.0.1:9\n{SESSION}"),
    );
    sandbox.unset("AWS_ENDPOINT_URL");
    let run = list_aws(&sandbox).expect(2);
    says(
        &run,
        &["config:5", "endpoint_url", "single sign-on", "AWS_ENDPOINT_URL_SSO"],
    );
    sandbox.write("home/.aws/config", &format!("{PROFILE}{SESSION}"));
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"] {
        let mut sandbox = aws_without_keys(&url);
        sandbox.write("home/.aws/config", &format!("{PROFILE}{SESSION}"));
        sandbox.unset("AWS_ENDPOINT_URL").set(name, "http://127.0.0.1:9");
        sandbox.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        says(
            &list_aws(&sandbox).expect(2),
            &[name, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"],
        );
    }
}

#[test]
fn proxy_that_wants_a_password_is_told_at_once() {
    let proxy = Answers::start(407, "<html>who are you</html>");
    let address = proxy.url().replace("http://", "");
    for url in ["http://ec2.example.invalid", "https://ec2.example.invalid"] {
        let mut sandbox = aws(url);
        sandbox.set("HTTP_PROXY", &proxy.url()).set("HTTPS_PROXY", &proxy.url());
        let run = list_aws(&sandbox).expect(2);
        says(
            &run,
            &[
                &address,
                "requires a user name and password",
                "_PROXY)",
                "hint: write the proxy's",
            ],
        );
        let (_, mut sandbox) = cloud();
        sandbox
            .set("HTTP_PROXY", &proxy.url())
            .set("HTTPS_PROXY", &proxy.url())
            .set("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", &format!("{url}/compute/v1/"));
        let run = sandbox.run(&LIST_GCP).expect(2);
        says(
            &run,
            &["requires a user name and password", "http://USER:PASSWORD@HOST:PORT"],
        );
    }
    // No call was made twice.
    assert!(proxy.calls().len() <= 4, "{}", proxy.calls().len());
}

#[test]
fn credential_answers_are_never_shown_in_debug_form() {
    for status in [400, 403, 404, 418] {
        let server = Answers::start(status, "");
        for (name, url) in [
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("{}/credentials", server.url()),
            ),
        ] {
            let mut sandbox = aws_without_keys("http://127.0.0.1:9");
            sandbox.unset("AWS_EC2_METADATA_DISABLED").set(name, &url);
            let run = list_aws(&sandbox).expect(4);
            for form in ["StatusCode", "Response {", "SdkBody", "Some("] {
                assert!(!run.stderr.contains(form), "{status}: {}", run.stderr);
            }
        }
    }
    let (metadata, mut sandbox) = (MetadataService, aws_without_keys("http://127.0.0.1:9"));
    let server = Server::start(metadata);
    sandbox
        .unset("AWS_EC2_METADATA_DISABLED")
        .set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url());
    let run = list_aws(&sandbox).expect(4);
    says(&run, &["the metadata service answered with HTTP status 404"]);
    run.expect_not_in_stderr("Response {");
}

/// Gives tokens and the name of a role, and no credentials of it.
struct MetadataService;

impl Service for MetadataService {
    fn operation(&self, request: &Request) -> Operation {
        Operation {
            name: request.path.clone(),
            location: String::new(),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let is_there = request.path.ends_with("/api/token") || request.path.ends_with("/security-credentials/");
        let status = if is_there { 200 } else { 404 };
        self.error(status, "", "")
    }

    fn error(&self, status: u16, _: &str, _: &str) -> Reply {
        Reply {
            status,
            headers: vec![("x-aws-ec2-metadata-token-ttl-seconds".to_owned(), "21600".to_owned())],
            body: b"token".to_vec(),
        }
    }
}

#[test]
fn key_with_quotes_or_of_another_form_is_refused() {
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "\"AKIAIOSFODNN7EXAMPLE\""),
        ("AWS_ACCESS_KEY_ID", "'AKIAIOSFODNN7EXAMPLE'"),
        ("AWS_ACCESS_KEY_ID", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE,x=1"),
        ("AWS_SECRET_ACCESS_KEY", "\"hunter2\""),
        ("AWS_SESSION_TOKEN", "'hunter2'"),
    ] {
        let emulator = ec2::Emulator::start();
        let mut sandbox = aws(&emulator.url());
        sandbox.set(name, value);
        let run = list_aws(&sandbox).expect(4);
        says(&run, &[name]);
        run.expect_not_in_stderr("hunter2").expect_not_in_stderr("wJalr");
        assert!(emulator.calls().is_empty());
    }
    for name in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
        for value in [
            "\"ya29.hunter2\"",
            "'ya29.hunter2'",
            "ya29.hunter2;",
            &"hunter2".repeat(10_000),
        ] {
            let (emulator, mut sandbox) = cloud_without_credentials();
            sandbox.set(name, value);
            let run = sandbox.run(&LIST_GCP).expect(4);
            says(&run, &[name]);
            run.expect_not_in_stderr("hunter2");
            assert!(emulator.calls().is_empty());
        }
    }
}

#[test]
fn files_of_the_aws_cli_are_found_and_read_as_it_does() {
    let emulator = ec2::Emulator::start();
    let keys = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = a-secret\n";
    for (path, text) in [
        ("$HOME/keys", keys.to_owned()),
        ("${HOME}/keys", keys.to_owned()),
        ("~/$PART", keys.to_owned()),
        ("~/keys", keys.replace('\n', "\r")),
        ("~/keys", keys.replace('\n', "\r\n")),
    ] {
        for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            let mut sandbox = aws_without_keys(&emulator.url());
            sandbox.write("home/keys", &text);
            sandbox.set(name, path).set("PART", "keys");
            list_aws(&sandbox).expect(0);
        }
    }
    let calls = emulator.calls().len();
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        let mut sandbox = aws_without_keys(&emulator.url());
        sandbox.set(name, &keys.replace("a-secret", "hunter2"));
        let run = list_aws(&sandbox).expect(4);
        says(&run, &[name, "that is not a path", "write the content to a file"]);
        run.expect_not_in_stderr("hunter2");
        // Not there, as where the AWS CLI finds nothing: the place is told.
        sandbox.set(name, "~/absent");
        says(
            &list_aws(&sandbox).expect(4),
            &["no credentials were found", "~/absent", "\"default\""],
        );
    }
    assert_eq!(emulator.calls().len(), calls);
}

#[test]
fn home_folder_is_meant_by_a_tilde_in_what_gcloud_reads() {
    let (emulator, mut sandbox) = cloud_without_credentials();
    sandbox.write("home/token", "ya29.from-a-file");
    sandbox.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "~/token");
    sandbox.run(&LIST_GCP).expect(0);
    assert_eq!(
        header(&emulator, "authorization"),
        Some("Bearer ya29.from-a-file".to_owned())
    );
    for name in [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    ] {
        let (_, mut sandbox) = cloud_without_credentials();
        sandbox.write("home/key.json", "{\"type\": \"unknown-form\"}");
        sandbox.set(name, "~/key.json");
        says(&sandbox.run(&LIST_GCP).expect(4), &[name, "unknown-form"]);
    }
    let (_, mut sandbox) = cloud();
    sandbox.write(
        "home/gcloud/configurations/config_default",
        "[core]\nproject = \"not one\"\n",
    );
    sandbox
        .unset("CLOUDSDK_CORE_PROJECT")
        .set("CLOUDSDK_CONFIG", "~/gcloud");
    says(&sandbox.run(&LIST_GCP).expect(2), &["config_default:2"]);
}

#[test]
fn broken_key_of_a_service_account_is_told_before_it_signs() {
    let pem = include_str!("service_account_key.pem");
    let lines: Vec<&str> = pem.lines().collect();
    let cut_short = [&lines[..4], &lines[lines.len() - 1..]].concat().join("\n");
    for key in [
        cut_short.as_str(),
        &pem.replace("MII", "AAA"),
        "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n",
    ] {
        let (_, mut sandbox) = cloud_without_credentials();
        let file = json!({
            "type": "service_account",
            "project_id": "acme",
            "private_key_id": "0123456789abcdef",
            "private_key": key,
            "client_email": "ci@acme.iam.gserviceaccount.com",
        });
        let path = sandbox.write("key.json", &file.to_string());
        sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
        says(
            &sandbox.run(&LIST_GCP).expect(4),
            &["\"private_key\" that is broken or cut short"],
        );
    }
}

#[test]
fn packed_credentials_file_is_told() {
    let (_, mut sandbox) = cloud_without_credentials();
    let path = sandbox.write("key.json.gz", "");
    std::fs::write(&path, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]).unwrap();
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
    says(&sandbox.run(&LIST_GCP).expect(4), &["is packed by gzip"]);
}

#[test]
fn tokens_of_many_services_are_withheld_everywhere() {
    for secret in [
        "npm_hunter2hunter2hunter2",
        "hvs.hunter2hunter2hunter2",
        "dckr_pat_hunter2hunter2",
        "sk_live_hunter2hunter2",
        "0123456789abcdef0123456789abcdef",
        "AccountKey=hunter2hunter2",
        "https://ada:hunter2@example.com/x",
    ] {
        let sandbox = Sandbox::new();
        for arguments in [
            &["context", "use", secret][..],
            &["help", secret],
            &["schema", secret],
            &["create", "x", "-p", "mock", "--user-data", secret],
            &["create", "x", "-p", "mock", "--image", secret],
            &["list", "-p", "mock", "-r", secret, "-o", "json", "-vv"],
            &[secret],
        ] {
            let run = sandbox.run(arguments);
            assert_ne!(run.code, 0, "{arguments:?}");
            assert!(
                !run.stderr.contains(secret) && !run.stdout.contains(secret) && !run.stderr.contains("hunter2"),
                "{arguments:?} {}",
                run.stderr
            );
        }
    }
}

#[test]
fn role_whose_keys_are_nowhere_says_what_to_set() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = aws_without_keys(&emulator.url());
    sandbox.write(
        "home/.aws/config",
        "[profile w]\nrole_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Environment\n",
    );
    sandbox.set("AWS_PROFILE", "w");
    let run = list_aws(&sandbox).expect(4);
    says(
        &run,
        &[
            "AWS_ACCESS_KEY_ID is not set",
            "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ],
    );
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    says(&list_aws(&sandbox).expect(4), &["AWS_SECRET_ACCESS_KEY is not set"]);
}

#[test]
fn carriage_return_ends_a_line_in_the_files_of_gcloud() {
    for end in ["\r", "\r\n"] {
        let (_, mut sandbox) = cloud();
        let text = format!("[core]{end}project = not one{end}");
        sandbox.write("home/.config/gcloud/configurations/config_default", &text);
        sandbox.unset("CLOUDSDK_CORE_PROJECT");
        says(&sandbox.run(&LIST_GCP).expect(2), &["config_default:2", "\"not one\""]);
    }
}

#[test]
fn redirected_call_is_not_a_name_error() {
    let server = Redirect::start();
    let (_, mut sandbox) = cloud();
    sandbox.set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        &format!("{}/compute/v1/", server.url()),
    );
    let run = sandbox.run(&LIST_GCP).expect(9);
    run.expect_in_stderr("redirected the request");
    run.expect_not_in_stderr("127.0.0.1 does not resolve");
}

/// Sends every call on to a name that does not resolve.
struct Redirect;

impl Redirect {
    fn start() -> Server<Self> {
        Server::start(Self)
    }
}

impl Service for Redirect {
    fn operation(&self, request: &Request) -> Operation {
        Operation {
            name: request.path.clone(),
            location: String::new(),
        }
    }

    fn answer(&self, _: &Request) -> Reply {
        self.error(302, "", "")
    }

    fn error(&self, status: u16, _: &str, _: &str) -> Reply {
        Reply {
            status,
            headers: vec![("location".to_owned(), "https://elsewhere.absent.invalid/".to_owned())],
            body: Vec::new(),
        }
    }
}

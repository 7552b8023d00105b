//! Why a call to AWS failed, and errors that a retry does not fix.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::aws_credentials::{Answers, list};
use crate::support::sandbox::Sandbox;
use crate::tls::{AUTHORITY, TlsServer};
use cloud_emulators::ec2;

/// A sandbox with credentials and this address of EC2.
fn sandbox_at(url: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(url);
    sandbox
}

fn never_again(stderr: &str) {
    assert!(!stderr.contains("run the same command again"), "{stderr}");
}

/// An address at which nothing listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn address_that_is_none_is_refused_by_name() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS"] {
        for value in [
            "localhost:4566",
            "ec2.us-east-1.amazonaws.com",
            "garbage",
            "http://",
            "http://host:port",
            "http://a b",
            "ftp://localhost",
            "http://localhost:70000",
        ] {
            let mut sandbox = sandbox_at("http://127.0.0.1:9");
            sandbox.set(name, value);
            for arguments in [
                &["list", "-p", "aws", "-r", "us-east-1"][..],
                &["whoami", "-p", "aws"],
                &["create", "web-1", "-p", "aws", "--image", "ami-1"],
            ] {
                let run = sandbox.run(arguments).expect(2);
                run.expect_in_stderr(name).expect_in_stderr(value);
                never_again(&run.stderr);
            }
        }
    }
}

#[test]
fn address_in_a_profile_is_refused_with_its_line() {
    let sandbox = |config: &str| {
        let mut sandbox = sandbox_at("");
        sandbox.unset("AWS_ENDPOINT_URL");
        sandbox.write("home/.aws/config", config);
        sandbox
    };
    let run = list(&sandbox("[default]\nendpoint_url = localhost:4566\n")).expect(2);
    run.expect_in_stderr("~/.aws/config:2")
        .expect_in_stderr("localhost:4566");
    let run = list(&sandbox(
        "[default]\nservices = x\n[services x]\nec2 =\n  endpoint_url = localhost:1\n",
    ))
    .expect(2);
    run.expect_in_stderr("~/.aws/config:5");
    let run = list(&sandbox("[default]\nservices = gone\n")).expect(2);
    run.expect_in_stderr("\"gone\"").expect_in_stderr("~/.aws/config:2");
}

#[test]
fn password_in_an_address_is_not_shown() {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "http://ada:hunter2@localhost:1"),
        ("HTTPS_PROXY", "http://ada:hunter2@proxy:port"),
        ("HTTP_PROXY", "socks5://ada:hunter2@proxy:1080"),
        ("ALL_PROXY", "ada:hunter2@"),
    ] {
        let mut sandbox = sandbox_at("http://127.0.0.1:9");
        sandbox.set(name, value);
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr(name);
        run.expect_not_in_stderr("hunter2");
    }
}

#[test]
fn switch_that_does_not_go_with_an_address_is_named_with_it() {
    let emulator = ec2::Emulator::start();
    for (switch, address) in [
        ("AWS_USE_FIPS_ENDPOINT", "AWS_ENDPOINT_URL"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "AWS_ENDPOINT_URL"),
        ("AWS_USE_FIPS_ENDPOINT", "AWS_ENDPOINT_URL_EC2"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "AWS_ENDPOINT_URL_STS"),
    ] {
        let mut sandbox = sandbox_at(&emulator.url());
        sandbox.unset("AWS_ENDPOINT_URL");
        sandbox.set(address, &emulator.url()).set(switch, "true");
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr(switch).expect_in_stderr(address);
        never_again(&run.stderr);
    }
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox.write("home/.aws/config", "[default]\nuse_fips_endpoint = true\n");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("~/.aws/config:2");
    sandbox.set("AWS_USE_FIPS_ENDPOINT", "maybe");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("AWS_USE_FIPS_ENDPOINT is \"maybe\"");
    assert!(emulator.calls().is_empty());
}

#[test]
fn unknown_authority_is_named_at_once() {
    let emulator = ec2::Emulator::start();
    let server = TlsServer::before(&emulator.url());
    let sandbox = sandbox_at(&server.url());
    let started = Instant::now();
    let run = sandbox.run("list -p aws -r us-east-1 -o json").expect(2);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(server.connections(), 1);
    never_again(&run.stderr);
    let error = run.json()["errors"][0].clone();
    let message = error["message"].as_str().unwrap();
    let address = server.url().replace("https://", "");
    assert!(
        message.contains(&format!(
            "the certificate of {address} was issued by an unknown certificate authority"
        )),
        "{message}"
    );
    assert!(error["hint"].as_str().unwrap().contains("AWS_CA_BUNDLE"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("ca_bundle"), "{error}");
}

#[test]
fn named_authority_is_trusted() {
    let emulator = ec2::Emulator::start();
    let server = TlsServer::before(&emulator.url());
    let mut sandbox = sandbox_at(&server.url());
    let bundle = sandbox.write("ca.pem", AUTHORITY);
    sandbox.set("AWS_CA_BUNDLE", "ca.pem");
    list(&sandbox).expect(0);
    sandbox.set("AWS_CA_BUNDLE", &bundle);
    list(&sandbox).expect(0);
    sandbox.unset("AWS_CA_BUNDLE");
    sandbox.write("home/.aws/config", &format!("[default]\nca_bundle = {bundle}\n"));
    list(&sandbox).expect(0);
    let roots = sandbox.write("roots.pem", AUTHORITY);
    sandbox.write("home/.aws/config", "");
    sandbox.set("SSL_CERT_FILE", &roots);
    list(&sandbox).expect(0);
    assert_eq!(emulator.calls().len(), 4);
    // What is named takes the place of the system's.
    sandbox.set(
        "AWS_CA_BUNDLE",
        &sandbox.write("other.pem", include_str!("../support/roots.pem")),
    );
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("other.pem (from AWS_CA_BUNDLE) are trusted");
}

#[test]
fn file_without_certificates_is_named() {
    let server = TlsServer::before("http://127.0.0.1:9");
    for (content, why) in [
        (None, "there is no such file"),
        (Some(""), "it has no certificates"),
        (Some("garbage"), "it has no certificates"),
        (
            Some("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
            "its PEM text is broken",
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "one of its certificates cannot be used",
        ),
    ] {
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "ca_bundle"] {
            let mut sandbox = sandbox_at(&server.url());
            let path = sandbox.folder().join("bundle.pem");
            if let Some(content) = content {
                sandbox.write("bundle.pem", content);
            }
            if name == "ca_bundle" {
                sandbox.write(
                    "home/.aws/config",
                    &format!("[default]\nca_bundle = {}\n", path.display()),
                );
            } else {
                sandbox.set(name, &path.to_string_lossy());
            }
            let run = list(&sandbox).expect(2);
            assert!(
                run.stderr.contains(name) && run.stderr.contains(why),
                "{name} {content:?}: {}",
                run.stderr
            );
            run.expect_in_stderr("bundle.pem");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn plain_server_at_a_secure_address_is_told() {
    let emulator = ec2::Emulator::start();
    let sandbox = sandbox_at(&emulator.url().replace("http://", "https://"));
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("does not speak TLS");
    never_again(&run.stderr);
}

#[test]
fn causes_are_told_apart_with_the_address() {
    let refused = closed();
    let emulator = ec2::Emulator::start();
    for (endpoint, proxy, words) in [
        (
            format!("http://{refused}"),
            None,
            format!("connection refused by {refused}"),
        ),
        (
            "http://ec2.absent.invalid:4566".to_owned(),
            None,
            "the name in ec2.absent.invalid:4566 does not resolve".to_owned(),
        ),
        (
            emulator.url(),
            Some(format!("http://{refused}")),
            format!("connection refused by the proxy {refused} (variable HTTP_PROXY)"),
        ),
        (
            emulator.url(),
            Some("http://proxy.absent.invalid:3128".to_owned()),
            "the name of the proxy proxy.absent.invalid:3128 (variable HTTP_PROXY) does not resolve".to_owned(),
        ),
    ] {
        let mut sandbox = sandbox_at(&endpoint);
        if let Some(proxy) = proxy {
            sandbox.set("HTTP_PROXY", &proxy);
        }
        let run = list(&sandbox).expect(9);
        run.expect_in_stderr(&words);
        let run = sandbox.run("whoami -p aws -o json").expect(9);
        let message = run.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&words), "{words}: {message}");
    }
}

#[test]
fn hosts_past_the_proxy_are_asked_directly() {
    let emulator = ec2::Emulator::start();
    let proxy = Answers::start(502, "");
    let port = emulator.url().rsplit_once(':').unwrap().1.to_owned();
    for exceptions in [
        "*".to_owned(),
        "127.0.0.1".to_owned(),
        "127.0.0.0/8".to_owned(),
        "example.com, 127.0.0.1".to_owned(),
        format!("127.0.0.1:{port}"),
    ] {
        for name in ["NO_PROXY", "no_proxy"] {
            let mut sandbox = sandbox_at(&emulator.url());
            sandbox.set("HTTP_PROXY", &proxy.url()).set(name, &exceptions);
            list(&sandbox).expect(0);
        }
    }
    assert!(proxy.calls().is_empty());
    let mut sandbox = sandbox_at(&emulator.url());
    sandbox
        .set("HTTP_PROXY", &proxy.url())
        .set("NO_PROXY", "10.0.0.0/8,localhost,127.0.0.1:1");
    list(&sandbox).expect(9);
    assert!(!proxy.calls().is_empty());
}

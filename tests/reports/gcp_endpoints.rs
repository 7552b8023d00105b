//! Where calls to Compute Engine go: endpoints, universes, proxies and the metadata server.

use serde_json::json;

use crate::fixed_answer_server::{StandIn, cloud, cloud_without_credentials, header};
use crate::gcp_settings::{list, resolved, set_property, user, variable_of};

#[test]
fn malformed_endpoints_are_refused_by_name() {
    let (emulator, sandbox) = cloud();
    list(&sandbox).expect(0);
    assert!(!emulator.calls().is_empty(), "the override is where calls go");
    for value in [
        "localhost:8080",
        "127.0.0.1:8080/compute/v1/",
        "ftp://host/compute/v1/",
        "http://",
        "http:///compute/v1/",
        "http://user:hunter2@host/compute/v1/",
        "http://a b/compute/v1/",
        "http://host:port/",
        "http://host:99999/",
        "http://999.999.999.999/",
        "http://host/?x=y",
        "https://host/#x",
        "{\"url\": \"http://host\"}",
        "http://ho\nst/",
    ] {
        for name in ["compute", "cloudbilling", "iamcredentials"] {
            let property = format!("api_endpoint_overrides/{name}");
            for in_file in [false, true] {
                if in_file && value.contains('\n') {
                    continue;
                }
                let (emulator, mut sandbox) = cloud();
                if in_file {
                    sandbox.unset("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE");
                }
                set_property(&mut sandbox, &property, value, in_file);
                let run = list(&sandbox).expect(2);
                let named = match in_file {
                    true => "config_default:2, [api_endpoint_overrides]".to_owned(),
                    false => variable_of(&property),
                };
                run.expect_in_stderr(&named);
                run.expect_not_in_stderr("hunter2");
                assert!(emulator.calls().is_empty());
            }
        }
    }
}

#[test]
fn malformed_universe_is_refused_by_name() {
    for value in [
        "garbage",
        "https://googleapis.com",
        "a b.test",
        "x..test",
        " googleapis.com",
        "goo\ngle.com",
    ] {
        for variable in ["GOOGLE_CLOUD_UNIVERSE_DOMAIN", "CLOUDSDK_CORE_UNIVERSE_DOMAIN"] {
            if variable.starts_with("CLOUDSDK") && value.starts_with(' ') {
                continue;
            }
            let (emulator, mut sandbox) = cloud();
            sandbox.set(variable, value);
            let run = list(&sandbox).expect(2);
            run.expect_in_stderr(variable);
            assert!(emulator.calls().is_empty());
        }
    }
}

#[test]
fn universe_moves_the_apis() {
    let (_emulator, mut sandbox) = cloud();
    sandbox.set("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "apis-test.invalid");
    // A token is of the universe that is set.
    list(&sandbox).expect(0);
    sandbox.unset("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE");
    let settings = resolved(&sandbox);
    assert_eq!(
        settings["gcp.endpoint"].0.as_deref(),
        Some("https://compute.apis-test.invalid")
    );
    for in_file in [false, true] {
        let (_emulator, mut sandbox) = cloud();
        sandbox.unset("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE");
        set_property(&mut sandbox, "core/universe_domain", "apis-test.invalid", in_file);
        let run = list(&sandbox).expect(9);
        run.expect_in_stderr("compute.apis-test.invalid");
    }
    // A key is of its own.
    let (emulator, mut sandbox) = cloud_without_credentials();
    let path = sandbox.write("key.json", &user("http://127.0.0.1:9").to_string());
    sandbox
        .set("GOOGLE_APPLICATION_CREDENTIALS", &path)
        .set("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "apis-test.invalid");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("GOOGLE_CLOUD_UNIVERSE_DOMAIN");
    assert!(emulator.calls().is_empty());
}

#[test]
fn proxies_are_gone_through_and_past() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let (emulator, mut sandbox) = cloud();
        let proxy = StandIn::start(407, &json!({}));
        sandbox.set(variable, &proxy.url());
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr("the proxy requires a user name and password");
        assert!(emulator.calls().is_empty() && !proxy.calls().is_empty());
        for past in [
            "127.0.0.1",
            "127.0.0.0/8",
            "*",
            "example.test, *",
            "example.test,127.0.0.1",
        ] {
            sandbox.set("NO_PROXY", past);
            list(&sandbox).expect(0);
        }
        sandbox.set("NO_PROXY", "example.test,10.0.0.0/8");
        list(&sandbox).expect(2);
    }
    let (_emulator, mut sandbox) = cloud();
    let proxy = StandIn::start(407, &json!({}));
    sandbox.set("HTTPS_PROXY", &proxy.url()).set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        "https://compute.example.test/compute/v1/",
    );
    let run = list(&sandbox).expect(2);
    let address = proxy.url().trim_start_matches("http://").to_owned();
    run.expect_in_stderr(format!("the proxy {address}"));
    run.expect_in_stderr("compute.example.test:443");
}

#[test]
fn malformed_proxies_are_refused_by_name() {
    for variable in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        for value in [
            "socks5://user:hunter2@127.0.0.1:1",
            "http://",
            "ftp://host",
            "user:hunter2@ho st",
            "///",
            "http://127.0.0.1:99999",
        ] {
            let (emulator, mut sandbox) = cloud();
            sandbox.set(variable, value);
            let run = list(&sandbox).expect(2);
            run.expect_in_stderr(variable);
            run.expect_not_in_stderr("hunter2");
            assert!(emulator.calls().is_empty());
        }
    }
}

#[test]
fn metadata_server_gives_token_and_project() {
    let server = StandIn::start(200, &json!({"access_token": "of-this-machine", "expires_in": 3600}));
    let (emulator, mut sandbox) = cloud_without_credentials();
    sandbox
        .unset("NO_GCE_CHECK")
        .set("GCE_METADATA_ROOT", server.url().trim_start_matches("http://"));
    list(&sandbox).expect(0);
    assert_eq!(
        header(&emulator, "authorization").as_deref(),
        Some("Bearer of-this-machine")
    );
    sandbox.set("NO_GCE_CHECK", "1");
    let run = list(&sandbox).expect(4);
    run.expect_in_stderr("no Google Cloud credentials found");
    for value in ["http://host", "a b", "host/path", "user@host"] {
        sandbox.unset("NO_GCE_CHECK").set("GCE_METADATA_HOST", value);
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr("GCE_METADATA_HOST");
    }
}

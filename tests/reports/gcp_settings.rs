//! The settings of gcloud and Google's libraries: each row of the table is honoured or refused, as a variable and as a
//! property of a file alike.

use std::collections::BTreeMap;

use cloudctl::cloud::ProviderKind;
use cloudctl::providers::Drivers;
use cloudctl::settings::{CloudToolSetting, SettingPlace, Treatment};
use serde_json::{Value, json};

use crate::fixed_answer_server::{StandIn, cloud, cloud_without_credentials, header};
use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::gce;

const CONFIGURATION: &str = "home/.config/gcloud/configurations/config_default";

fn table() -> &'static [CloudToolSetting] {
    Drivers::default().get(ProviderKind::Gcp).cloud_tool_settings
}

pub fn list(sandbox: &Sandbox) -> Run {
    sandbox.run("list -p gcp -o json")
}

/// Sets a property as its variable, or in gcloud's file.
pub fn set_property(sandbox: &mut Sandbox, name: &str, value: &str, in_file: bool) {
    let (section, key) = name.split_once('/').expect("section/key");
    if in_file {
        sandbox.write(CONFIGURATION, &format!("[{section}]\n{key} = {value}\n"));
    } else {
        sandbox.set(&variable_of(name), value);
    }
}

pub fn variable_of(name: &str) -> String {
    format!("CLOUDSDK_{}", name.replace('/', "_")).to_uppercase()
}

/// A value that is not one of those that ask for nothing.
fn value_for(name: &str) -> &'static str {
    match name {
        "GOOGLE_API_USE_MTLS_ENDPOINT" => "always",
        "regional/endpoint_mode" => "regional",
        "api_client_overrides/compute" => "beta",
        _ => "true",
    }
}

#[test]
fn every_refused_setting_is_refused_by_its_name() {
    let mut refused = 0;
    for setting in table() {
        if !matches!(setting.treatment, Treatment::Refused(_)) {
            continue;
        }
        let ways: &[bool] = match setting.place {
            SettingPlace::GcloudProperty => &[false, true],
            _ => &[false],
        };
        for in_file in ways {
            let (emulator, mut sandbox) = cloud();
            let named = match (setting.place, in_file) {
                (SettingPlace::GcloudProperty, true) => {
                    set_property(&mut sandbox, setting.name, value_for(setting.name), true);
                    vec![setting.name.to_owned(), "config_default:2".to_owned()]
                }
                (SettingPlace::GcloudProperty, false) => {
                    set_property(&mut sandbox, setting.name, value_for(setting.name), false);
                    vec![variable_of(setting.name)]
                }
                _ => {
                    sandbox.set(setting.name, value_for(setting.name));
                    vec![setting.name.to_owned()]
                }
            };
            let run = list(&sandbox).expect(2);
            for word in &named {
                run.expect_in_stderr(word);
            }
            run.expect_in_stderr("hint: ");
            assert!(emulator.calls().is_empty(), "{}", setting.name);
            refused += 1;
        }
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn settings_that_ask_for_what_is_so_anyway_are_taken() {
    for (name, value) in [
        ("auth/disable_credentials", "False"),
        ("auth/disable_ssl_validation", "no"),
        ("context_aware/use_client_certificate", "false"),
        ("api_client_overrides/compute", "v1"),
        ("regional/endpoint_mode", "global"),
    ] {
        for in_file in [false, true] {
            let (_emulator, mut sandbox) = cloud();
            set_property(&mut sandbox, name, value, in_file);
            list(&sandbox).expect(0);
        }
    }
    let (_emulator, mut sandbox) = cloud();
    sandbox
        .set("GOOGLE_API_USE_CLIENT_CERTIFICATE", "false")
        .set("GOOGLE_API_USE_MTLS_ENDPOINT", "never");
    list(&sandbox).expect(0);
}

/// Which test shows that an honoured setting has its effect.
const SHOWN_BY: &[(&str, &str)] = &[
    ("GOOGLE_OAUTH_ACCESS_TOKEN", "white_space_around_a_token_is_trimmed"),
    ("CLOUDSDK_AUTH_ACCESS_TOKEN", "white_space_around_a_token_is_trimmed"),
    ("auth/access_token_file", "files_that_properties_name_sign"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "all_forms_of_the_readme_sign"),
    ("auth/credential_file_override", "files_that_properties_name_sign"),
    (
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
        "external_account_that_cannot_work_is_refused_early",
    ),
    ("CLOUDSDK_CONFIG", "configuration_that_is_named_holds"),
    ("CLOUDSDK_ACTIVE_CONFIG_NAME", "configuration_that_is_named_holds"),
    ("GCE_METADATA_HOST", "metadata_server_is_asked_past_a_proxy"),
    ("GCE_METADATA_ROOT", "metadata_server_gives_token_and_project"),
    ("NO_GCE_CHECK", "metadata_server_gives_token_and_project"),
    (
        "auth/impersonate_service_account",
        "calls_are_made_as_the_service_account_that_is_set",
    ),
    ("auth/login_config_file", "settings_of_the_login_change_no_call"),
    (
        "auth/service_account_use_self_signed_jwt",
        "settings_of_the_login_change_no_call",
    ),
    ("core/account", "account_of_a_variable_must_be_that_of_the_credentials"),
    ("GOOGLE_CLOUD_PROJECT", "project_is_taken_in_the_documented_order"),
    ("core/project", "project_is_taken_in_the_documented_order"),
    ("GCLOUD_PROJECT", "project_is_taken_in_the_documented_order"),
    ("GOOGLE_CLOUD_QUOTA_PROJECT", "quota_project_is_sent"),
    ("billing/quota_project", "quota_project_is_sent"),
    ("compute/region", "region_and_zone_of_gcloud_are_those_of_new_vms"),
    ("compute/zone", "region_and_zone_of_gcloud_are_those_of_new_vms"),
    (
        "api_endpoint_overrides/compute",
        "malformed_endpoints_are_refused_by_name",
    ),
    (
        "api_endpoint_overrides/iamcredentials",
        "calls_are_made_as_the_service_account_that_is_set",
    ),
    (
        "api_endpoint_overrides/cloudbilling",
        "malformed_endpoints_are_refused_by_name",
    ),
    ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "universe_moves_the_apis"),
    ("core/universe_domain", "universe_moves_the_apis"),
    ("SSL_CERT_FILE", "authority_of_ssl_cert_file_is_trusted"),
    ("SSL_CERT_DIR", "authority_of_ssl_cert_file_is_trusted"),
    ("HTTPS_PROXY", "proxies_are_gone_through_and_past"),
    ("HTTP_PROXY", "proxies_are_gone_through_and_past"),
    ("ALL_PROXY", "proxies_are_gone_through_and_past"),
    ("NO_PROXY", "proxies_are_gone_through_and_past"),
];

#[test]
fn every_honoured_setting_has_a_test_of_its_effect() {
    let tests = concat!(
        include_str!("gcp_settings.rs"),
        include_str!("gcp_endpoints.rs"),
        include_str!("gcp_credentials.rs"),
        include_str!("gcp_connection_errors.rs")
    );
    let shown: BTreeMap<_, _> = SHOWN_BY.iter().copied().collect();
    assert_eq!(shown.len(), SHOWN_BY.len(), "a setting is there twice");
    for setting in table() {
        let Treatment::Honoured(effect) = setting.treatment else {
            assert!(!shown.contains_key(setting.name), "{} is refused", setting.name);
            continue;
        };
        assert!(!effect.is_empty());
        let test = shown
            .get(setting.name)
            .unwrap_or_else(|| panic!("no test shows {}", setting.name));
        assert!(tests.contains(&format!("fn {test}()")), "there is no test {test}");
    }
    let mut names: Vec<_> = table().iter().map(|setting| setting.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table().len(), "a setting is in the table twice");
    assert!(shown.keys().all(|name| names.contains(name)));
}

pub fn user(server: &str) -> Value {
    json!({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c",
           "token_uri": server})
}

#[test]
fn files_that_properties_name_sign() {
    let server = StandIn::start(
        200,
        &json!({"access_token": "of-a-file", "expires_in": 3600, "token_type": "Bearer"}),
    );
    for in_file in [false, true] {
        let (emulator, mut sandbox) = cloud_without_credentials();
        let path = sandbox.write("token", "of-a-file\n");
        set_property(&mut sandbox, "auth/access_token_file", &path, in_file);
        list(&sandbox).expect(0);
        assert_eq!(header(&emulator, "authorization").as_deref(), Some("Bearer of-a-file"));
        let (emulator, mut sandbox) = cloud_without_credentials();
        let path = sandbox.write("key.json", &user(&server.url()).to_string());
        set_property(&mut sandbox, "auth/credential_file_override", &path, in_file);
        list(&sandbox).expect(0);
        assert_eq!(header(&emulator, "authorization").as_deref(), Some("Bearer of-a-file"));
    }
}

#[test]
fn calls_are_made_as_the_service_account_that_is_set() {
    let iam = StandIn::start(
        200,
        &json!({"accessToken": "of-deployer", "expireTime": "2099-01-01T00:00:00Z"}),
    );
    let deployer = "deployer@acme-dev.iam.gserviceaccount.com";
    for in_file in [false, true] {
        iam.forget_calls();
        let (emulator, mut sandbox) = cloud();
        let chain = format!("first@acme-dev.iam.gserviceaccount.com,{deployer}");
        set_property(&mut sandbox, "auth/impersonate_service_account", &chain, in_file);
        sandbox.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &iam.url());
        sandbox.run("create web-1 -p gcp --wait none").expect(0);
        assert_eq!(
            header(&emulator, "authorization").as_deref(),
            Some("Bearer of-deployer")
        );
        let calls = iam.calls();
        assert_eq!(calls.len(), 1);
        let expected = format!("/v1/projects/-/serviceAccounts/{deployer}:generateAccessToken");
        assert_eq!(calls[0].request.path, expected);
        assert_eq!(
            calls[0].request.headers.get("authorization").map(String::as_str),
            Some("Bearer a-token")
        );
        let body: Value = serde_json::from_slice(&calls[0].request.body).unwrap();
        let first = "projects/-/serviceAccounts/first@acme-dev.iam.gserviceaccount.com";
        assert_eq!(body["delegates"], json!([first]));
        let run = sandbox.run("whoami -p gcp -o json").expect(0);
        assert!(run.stdout.contains(deployer), "{}", run.stdout);
    }
}

#[test]
fn impersonation_denied_names_account_and_answer() {
    let answer = json!({"error": {"code": 403, "status": "PERMISSION_DENIED",
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."}});
    let iam = StandIn::start(403, &answer);
    let (emulator, mut sandbox) = cloud();
    sandbox
        .set(
            "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
            "ci@acme.iam.gserviceaccount.com",
        )
        .set("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &iam.url());
    let run = sandbox.run("create web-1 -p gcp -o json").expect(4);
    for word in [
        "ci@acme.iam.gserviceaccount.com",
        "PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied",
        "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
        "roles/iam.serviceAccountTokenCreator",
    ] {
        run.expect_in_stderr(word);
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn what_is_no_service_account_is_refused() {
    for value in ["deployer", "a@b/c", "https://x@y.test", "a@b.test, nope"] {
        for in_file in [false, true] {
            let (emulator, mut sandbox) = cloud();
            set_property(&mut sandbox, "auth/impersonate_service_account", value, in_file);
            let run = list(&sandbox).expect(2);
            let named = if in_file {
                "config_default:2, [auth]"
            } else {
                "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"
            };
            run.expect_in_stderr(named);
            assert!(emulator.calls().is_empty());
        }
    }
}

#[test]
fn quota_project_is_sent() {
    let sent = |set: &dyn Fn(&mut Sandbox)| {
        let (emulator, mut sandbox) = cloud();
        set(&mut sandbox);
        list(&sandbox).expect(0);
        header(&emulator, "x-goog-user-project")
    };
    assert_eq!(sent(&|_| {}), None);
    for in_file in [false, true] {
        let property =
            |value: &'static str| sent(&move |sandbox| set_property(sandbox, "billing/quota_project", value, in_file));
        assert_eq!(property("acme-billing").as_deref(), Some("acme-billing"));
        assert_eq!(property("CURRENT_PROJECT").as_deref(), Some(gce::PROJECT));
        assert_eq!(property("LEGACY"), None);
    }
    let both = sent(&|sandbox| {
        sandbox
            .set("CLOUDSDK_BILLING_QUOTA_PROJECT", "second")
            .set("GOOGLE_CLOUD_QUOTA_PROJECT", " first\n");
    });
    assert_eq!(both.as_deref(), Some("first"));
    for (value, word) in [
        ("CURRENT_PROJECT_WITH_FALLBACK", "CURRENT_PROJECT_WITH_FALLBACK"),
        ("two words", "two words"),
        ("first\nsecond", "CLOUDSDK_BILLING_QUOTA_PROJECT"),
    ] {
        let (emulator, mut sandbox) = cloud();
        sandbox.set("CLOUDSDK_BILLING_QUOTA_PROJECT", value);
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr("CLOUDSDK_BILLING_QUOTA_PROJECT")
            .expect_in_stderr(word);
        assert!(emulator.calls().is_empty());
    }
}

#[test]
fn project_is_taken_in_the_documented_order() {
    let (emulator, mut sandbox) = cloud();
    sandbox.unset("CLOUDSDK_CORE_PROJECT");
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    sandbox.write(CONFIGURATION, "\u{feff}[core]\r\nproject = of-the-file\r\n");
    for (variable, project) in [
        ("", "of-the-file"),
        ("GCLOUD_PROJECT", "of-gcloud"),
        ("CLOUDSDK_CORE_PROJECT", "of-cloudsdk"),
        ("GOOGLE_CLOUD_PROJECT", "of-google"),
    ] {
        if !variable.is_empty() {
            sandbox.set(variable, &format!("{project}\n"));
        }
        emulator.forget_calls();
        list(&sandbox).expect(0);
        expected.push(project.to_owned());
        let path = emulator.calls()[0].request.path.clone();
        seen.push(
            path.split("/projects/")
                .nth(1)
                .unwrap_or_default()
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    assert_eq!(seen, expected);
    for variable in ["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "GCLOUD_PROJECT"] {
        let (emulator, mut sandbox) = cloud();
        sandbox.unset("CLOUDSDK_CORE_PROJECT").set(variable, "a b?c#d");
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr(variable);
        assert!(emulator.calls().is_empty());
    }
}

#[test]
fn account_of_a_variable_must_be_that_of_the_credentials() {
    let server = StandIn::start(
        200,
        &json!({"access_token": "a", "expires_in": 3600, "token_type": "Bearer"}),
    );
    let (emulator, mut sandbox) = cloud_without_credentials();
    let mut json = user(&server.url());
    json["account"] = json!("ada@acme.test");
    let path = sandbox.write("key.json", &json.to_string());
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", &path);
    sandbox.set("CLOUDSDK_CORE_ACCOUNT", "ada@acme.test");
    list(&sandbox).expect(0);
    emulator.forget_calls();
    sandbox.set("CLOUDSDK_CORE_ACCOUNT", "bob@acme.test");
    let run = list(&sandbox).expect(2);
    for word in [
        "CLOUDSDK_CORE_ACCOUNT",
        "bob@acme.test",
        "ada@acme.test",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ] {
        run.expect_in_stderr(word);
    }
    assert!(emulator.calls().is_empty());
}

#[test]
fn settings_of_the_login_change_no_call() {
    for (name, value) in [
        ("auth/login_config_file", "/home/ada/login.json"),
        ("auth/service_account_use_self_signed_jwt", "true"),
    ] {
        for in_file in [false, true] {
            let (emulator, mut sandbox) = cloud();
            set_property(&mut sandbox, name, value, in_file);
            list(&sandbox).expect(0);
            assert_eq!(header(&emulator, "authorization").as_deref(), Some("Bearer a-token"));
        }
    }
}

#[test]
fn region_and_zone_of_gcloud_are_those_of_new_vms() {
    for in_file in [false, true] {
        let (_emulator, mut sandbox) = cloud();
        sandbox.unset("CLOUDSDK_COMPUTE_REGION");
        set_property(&mut sandbox, "compute/region", "europe-west1", in_file);
        let made = sandbox.run("create web-1 -p gcp --wait none -o json").expect(0).item();
        assert_eq!(made["region"], "europe-west1");
        set_property(&mut sandbox, "compute/zone", "us-central1-b", in_file);
        let made = sandbox.run("create web-2 -p gcp --wait none -o json").expect(0).item();
        assert_eq!(made["zone"], "us-central1-b");
    }
}

#[test]
fn configuration_that_is_named_holds() {
    let (emulator, mut sandbox) = cloud();
    sandbox.unset("CLOUDSDK_CORE_PROJECT");
    sandbox.write("sdk/configurations/config_work", "[core]\nproject = of-work\n");
    let folder = sandbox.folder().join("sdk");
    sandbox
        .set("CLOUDSDK_CONFIG", &folder.to_string_lossy())
        .set("CLOUDSDK_ACTIVE_CONFIG_NAME", "work");
    list(&sandbox).expect(0);
    assert!(emulator.calls()[0].request.path.contains("/projects/of-work/"));
    sandbox.set("CLOUDSDK_ACTIVE_CONFIG_NAME", "absent");
    let run = list(&sandbox).expect(2);
    run.expect_in_stderr("CLOUDSDK_ACTIVE_CONFIG_NAME")
        .expect_in_stderr("\"absent\"");
}

#[test]
fn properties_of_the_installation_count() {
    let (emulator, mut sandbox) = cloud();
    sandbox.unset("CLOUDSDK_CORE_PROJECT");
    sandbox.write("opt/sdk/properties", "[core]\nproject = of-all\n");
    let program = sandbox.write("opt/sdk/bin/gcloud", "#!/bin/sh\n");
    let folder = program.trim_end_matches("/gcloud").to_owned();
    sandbox.set("PATH", &folder);
    list(&sandbox).expect(0);
    assert!(emulator.calls()[0].request.path.contains("/projects/of-all/"));
    sandbox.write(CONFIGURATION, "[core]\nproject = of-mine\n");
    emulator.forget_calls();
    list(&sandbox).expect(0);
    assert!(emulator.calls()[0].request.path.contains("/projects/of-mine/"));
}

#[test]
fn broken_lines_of_gcloud_files_are_named() {
    for (content, at) in [
        (&b"[core]\nproject acme\n"[..], "config_default:2"),
        (b"project = acme\n", "config_default:1"),
        (b"[core\n", "config_default:1"),
        (b"[core]\nproject = \xff\n", "config_default"),
    ] {
        let (emulator, mut sandbox) = cloud();
        sandbox.unset("CLOUDSDK_CORE_PROJECT");
        sandbox.write(CONFIGURATION, "");
        std::fs::write(sandbox.folder().join(CONFIGURATION), content).unwrap();
        let run = list(&sandbox).expect(2);
        run.expect_in_stderr(at);
        assert!(emulator.calls().is_empty());
    }
}

/// What the settings come to, and where each is set, by name.
pub fn resolved(sandbox: &Sandbox) -> BTreeMap<&'static str, (Option<String>, String)> {
    let settings =
        (Drivers::default().get(ProviderKind::Gcp).resolved_settings)(&sandbox.settings()).expect("settings");
    settings
        .into_iter()
        .map(|setting| (setting.name, (setting.value, setting.source)))
        .collect()
}

#[test]
fn resolved_settings_say_where_each_is_set() {
    let (_emulator, mut sandbox) = cloud();
    sandbox.write(
        CONFIGURATION,
        "[core]\nproject = acme\n[auth]\nimpersonate_service_account = ci@acme.test\n[compute]\nzone = us-central1-a\n",
    );
    sandbox
        .unset("CLOUDSDK_CORE_PROJECT")
        .set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.hunter2")
        .set("HTTPS_PROXY", "http://ada:hunter2@proxy.test:3128")
        .set("GOOGLE_CLOUD_QUOTA_PROJECT", "acme-billing");
    let settings = resolved(&sandbox);
    let at = |line: usize, section: &str| format!("~/.config/gcloud/configurations/config_default:{line}, [{section}]");
    let expected = [
        ("gcp.project", Some("acme"), at(2, "core")),
        ("gcp.impersonate", Some("ci@acme.test"), at(4, "auth")),
        ("gcp.zone", Some("us-central1-a"), at(6, "compute")),
        (
            "gcp.region",
            Some("us-central1"),
            "variable CLOUDSDK_COMPUTE_REGION".to_owned(),
        ),
        (
            "gcp.credentials",
            Some("access token"),
            "variable CLOUDSDK_AUTH_ACCESS_TOKEN".to_owned(),
        ),
        (
            "gcp.quota_project",
            Some("acme-billing"),
            "variable GOOGLE_CLOUD_QUOTA_PROJECT".to_owned(),
        ),
        (
            "gcp.proxy",
            Some("http://proxy.test:3128"),
            "variable HTTPS_PROXY".to_owned(),
        ),
        ("gcp.universe", Some("googleapis.com"), "default".to_owned()),
        ("gcp.account", None, "the credentials do not say".to_owned()),
    ];
    for (name, value, source) in expected {
        assert_eq!(settings[name], (value.map(str::to_owned), source), "{name}");
    }
    assert_eq!(
        settings["gcp.endpoint"].1,
        "variable CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
    );
    assert_eq!(settings["gcp.ca_certs"].1, "variable SSL_CERT_FILE");
    assert!(!format!("{settings:?}").contains("hunter2"));
}

/// No value of a variable leads to a panic, to a secret in the output, or to an error of the network that is none.
#[test]
fn every_variable_takes_any_value_without_a_panic_or_a_leak() {
    let mut names: Vec<String> = table()
        .iter()
        .map(|setting| match setting.place {
            SettingPlace::GcloudProperty => variable_of(setting.name),
            _ => setting.name.to_owned(),
        })
        .collect();
    names.extend(
        [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "no_proxy",
            "CLOUDSDK_ROOT_DIR",
        ]
        .map(str::to_owned),
    );
    let long = format!("hunter2{}", "a".repeat(5_000));
    let values = [
        "",
        " ",
        "\n",
        "\u{feff}",
        "x\u{1}\u{2}\u{7f}",
        "http://[",
        "{\"private_key\": \"hunter2\"}",
        "/dev/null",
        &long,
    ];
    let (emulator, sandbox) = cloud();
    let tried = |name: &str, value: &str, with_token: bool| {
        let mut command = sandbox.command("list -p gcp -o json");
        command.env(name, value);
        if !with_token {
            command.env_remove("CLOUDSDK_AUTH_ACCESS_TOKEN");
        }
        let output = command.output().expect("a run");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 2 | 4)), "{name}={value:?}: {code:?} {text}");
        assert!(
            !text.contains("hunter2") && !text.contains("panicked"),
            "{name}={value:?}: {text}"
        );
    };
    let of_endpoint = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE";
    std::thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(3)) {
            let (tried, values) = (&tried, &values);
            scope.spawn(move || {
                for name in part {
                    for value in values {
                        // Without an override the real Compute Engine would be asked.
                        if name != of_endpoint || !value.trim().is_empty() {
                            tried(name, value, true);
                        }
                        if name.contains("FILE") || name.contains("CREDENTIALS") || name.contains("METADATA") {
                            tried(name, value, false);
                        }
                    }
                }
            });
        }
    });
    assert!(!emulator.calls().is_empty());
}

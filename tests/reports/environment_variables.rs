//! Environment variables with unusual values.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cloudctl::cloud::ProviderKind;
use cloudctl::providers::Drivers;
use cloudctl::settings::{SettingPlace, is_cloud_setting};

use crate::support::parallel_cases::in_threads;
use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::{ec2, gce};

/// In values that no message may show.
const CANARY: &str = "canary-in-a-variable-77aa";
/// In values that may be shown, unless the variable holds a credential.
const ORDINARY: &str = "ordinary-text-77aa";

/// The variables that the AWS SDK for Rust, the AWS CLI and their credential sources read.
const AWS: [&str; 58] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCOUNT_ID",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_BEARER_TOKEN_EC2",
    "AWS_CA_BUNDLE",
    "AWS_CLI_HISTORY_FILE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_DATA_PATH",
    "AWS_DEFAULTS_MODE",
    "AWS_DEFAULT_OUTPUT",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_DISABLE_REQUEST_COMPRESSION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_EC2_METADATA_V1_DISABLED",
    "AWS_ENDPOINT_DISCOVERY_ENABLED",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_PRICING",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_STS",
    "AWS_EXECUTION_ENV",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "AWS_MAX_ATTEMPTS",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_NEW_RETRIES_2026",
    "AWS_PAGER",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "AWS_RETRY_MODE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_UA_APP_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// The variables that gcloud and Google's client libraries read.
const GCP: [&str; 44] = [
    "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "CLOUDSDK_API_CLIENT_OVERRIDES_COMPUTE",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "CLOUDSDK_AUTH_DISABLE_CREDENTIALS",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
    "CLOUDSDK_AUTH_LOGIN_CONFIG_FILE",
    "CLOUDSDK_AUTH_TOKEN_HOST",
    "CLOUDSDK_BILLING_QUOTA_PROJECT",
    "CLOUDSDK_COMPUTE_REGION",
    "CLOUDSDK_COMPUTE_ZONE",
    "CLOUDSDK_CONFIG",
    "CLOUDSDK_CONTEXT_AWARE_USE_CLIENT_CERTIFICATE",
    "CLOUDSDK_CORE_ACCOUNT",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "CLOUDSDK_CORE_DISABLE_SSL_VALIDATION",
    "CLOUDSDK_CORE_HTTP_TIMEOUT",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_CORE_UNIVERSE_DOMAIN",
    "CLOUDSDK_PROXY_ADDRESS",
    "CLOUDSDK_PROXY_PASSWORD",
    "CLOUDSDK_PROXY_PORT",
    "CLOUDSDK_PROXY_RDNS",
    "CLOUDSDK_PROXY_TYPE",
    "CLOUDSDK_PROXY_USERNAME",
    "CLOUD_SDK_CONFIG",
    "GCE_METADATA_HOST",
    "GCE_METADATA_IP",
    "GCE_METADATA_ROOT",
    "GCLOUD_PROJECT",
    "GOOGLE_API_USE_CLIENT_CERTIFICATE",
    "GOOGLE_API_USE_MTLS_ENDPOINT",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_AUTH_TRUST_BOUNDARY_ENABLED",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_CLOUD_RUST_LOGGING",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
    "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "NO_GCE_CHECK",
];

const NETWORK: [&str; 12] = [
    "ALL_PROXY",
    "all_proxy",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// What a variable can be by mistake, without NUL, which none can have.
fn values() -> Vec<OsString> {
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    vec![
        "".into(),
        " \t ".into(),
        "\n".into(),
        format!("{ORDINARY}\n").into(),
        format!("\u{feff}{ORDINARY}").into(),
        bytes(b"\x01\x02\x1b[31m\x7f"),
        bytes(&[&b"\xff\xfe"[..], CANARY.as_bytes()].concat()),
        "x".repeat(100_000).into(),
        "'\"".into(),
        "../..".into(),
        "{".into(),
        format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n").into(),
    ]
}

struct Case {
    name: String,
    value: OsString,
    command: &'static [&'static str],
}

/// Whether exit code 9 has a cause in the network: the value may lead to an address where nobody answers.
fn may_lead_elsewhere(case: &Case) -> bool {
    let upper = case.name.to_ascii_uppercase();
    let parts = ["ENDPOINT", "PROXY", "UNIVERSE_DOMAIN", "METADATA", "TOKEN_HOST", "_URI"];
    // Without a token the metadata server is asked, whose address is such a one here.
    let asks_metadata =
        case.name == "CLOUDSDK_AUTH_ACCESS_TOKEN" && case.value.to_str().is_some_and(|value| value.trim().is_empty());
    asks_metadata || parts.iter().any(|part| upper.contains(part))
}

fn holds_credential(name: &str) -> bool {
    ["SECRET", "TOKEN", "PASSWORD"].iter().any(|part| name.contains(part)) && !name.ends_with("_FILE")
}

fn names(kind: ProviderKind, own: &[&str]) -> BTreeSet<String> {
    let table = Drivers::default()
        .get(kind)
        .cloud_tool_settings
        .iter()
        .filter_map(|setting| match setting.place {
            SettingPlace::Variable => Some(setting.name.to_owned()),
            SettingPlace::GcloudProperty => Some(format!("CLOUDSDK_{}", setting.name.replace('/', "_").to_uppercase())),
            SettingPlace::AwsProfile => None,
        });
    table.chain(own.iter().map(|name| (*name).to_owned())).collect()
}

fn cases() -> Vec<Case> {
    let help = Sandbox::new().run("help environment").expect(0).stdout;
    let own = help.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let own: BTreeSet<String> = own
        .filter(|word| word.starts_with("CLOUDCTL_") && word.len() > 9)
        .map(str::to_owned)
        .collect();
    assert!(own.len() >= 13, "{own:?}");
    const LIST_AWS: &[&str] = &["list", "-p", "aws", "-r", "us-east-1", "-o", "json"];
    const LIST_GCP: &[&str] = &["list", "-p", "gcp"];
    const LIST_MOCK: &[&str] = &["list", "-p", "mock"];
    const PLAN: &[&str] = &["create", "x", "-p", "mock", "--dry-run"];
    const SHOW: &[&str] = &["context", "show"];
    let network = NETWORK.map(str::to_owned).into();
    let groups: [(BTreeSet<String>, &[&[&str]]); 4] = [
        (names(ProviderKind::Aws, &AWS), &[LIST_AWS, SHOW]),
        (names(ProviderKind::Gcp, &GCP), &[LIST_GCP, SHOW]),
        (network, &[LIST_AWS, LIST_GCP]),
        (own, &[LIST_MOCK, PLAN, SHOW]),
    ];
    let mut cases = Vec::new();
    let mut variables = 0;
    for (names, commands) in groups {
        variables += names.len();
        for name in names {
            for value in values() {
                // What is shown of a setting takes the same way in each command.
                let is_worth_showing = value.len() > 4 && value.len() < 1000;
                let commands = commands.iter().filter(|command| **command != SHOW || is_worth_showing);
                cases.extend(commands.map(|command| Case {
                    name: name.clone(),
                    value: value.clone(),
                    command,
                }));
            }
        }
    }
    println!(
        "{variables} variables × {} values, {} runs",
        values().len(),
        cases.len()
    );
    cases
}

/// Runs it with the variable, and with an end to how long it may take.
fn run(sandbox: &Sandbox, case: &Case) -> Run {
    let plain = sandbox.command(case.command);
    let mut command = Command::new("timeout");
    command
        .args(["-s", "KILL", "60"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .envs(sandbox.variables())
        .env(&case.name, &case.value)
        .current_dir(sandbox.folder())
        .stdin(Stdio::null());
    let output = command.output().expect("it runs");
    Run::from_output(&output)
}

const PANICKED: &str = "panicked";
const CALLED_TEMPORARY: &str = "called temporary";
const SHOWS_VALUE: &str = "shows the value";

/// What is wrong with a run, if anything is.
fn fault_of(case: &Case, run: &Run) -> Option<&'static str> {
    let is_refused = run.code == 2 && (run.stderr.contains(&case.name) || run.stdout.contains(&case.name));
    let is_unreadable = case.value.to_str().is_none();
    let cloud = |kind| Drivers::default().get(kind).info;
    let is_meant = match case.command {
        ["list", "-p", "aws", ..] => is_cloud_setting(cloud(ProviderKind::Aws), &case.name),
        ["list", "-p", "gcp", ..] => is_cloud_setting(cloud(ProviderKind::Gcp), &case.name),
        _ => case.name.starts_with("CLOUDCTL_"),
    };
    let shows = |text: &str| run.stdout.contains(text) || run.stderr.contains(text);
    match run.code {
        137 => Some("did not end"),
        code if !(0..=9).contains(&code) => Some("ended by a signal"),
        1 => Some("called a bug"),
        _ if run.stderr.contains("panicked") || run.stderr.contains("a bug in cloudctl") => Some(PANICKED),
        9 if !may_lead_elsewhere(case) => Some(CALLED_TEMPORARY),
        _ if shows(CANARY) || holds_credential(&case.name) && shows(ORDINARY) => Some(SHOWS_VALUE),
        _ if is_unreadable && is_meant && !is_refused => Some("takes what is not UTF-8"),
        _ => None,
    }
}

#[test]
fn variable_with_any_value_never_panics_hangs_or_leaks() {
    let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
    let started = Instant::now();
    let faults = Mutex::new(Vec::new());
    let world = || {
        let mut sandbox = Sandbox::new();
        sandbox.point_at_aws(&ec2.url()).point_at_gcp(&gce.url(), gce::PROJECT);
        sandbox.set("AWS_MAX_ATTEMPTS", "1");
        // Nobody answers at the metadata server's address.
        sandbox.set("GCE_METADATA_HOST", "127.0.0.1:9");
        sandbox
    };
    let unreachable = AtomicUsize::new(0);
    in_threads(cases(), world, |sandbox, case| {
        let run = run(sandbox, case);
        if run.code == 9 {
            unreachable.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(fault) = fault_of(case, &run) {
            let start = |text: &str| text.chars().take(400).collect::<String>();
            let value: String = format!("{:?}", OsStr::new(&case.value)).chars().take(40).collect();
            let text = format!(
                "{}={value} {:?} {fault}: exit {}\n{}{}",
                case.name,
                case.command,
                run.code,
                start(&run.stdout),
                start(&run.stderr)
            );
            faults.lock().expect("no thread panics with it").push(text);
        }
    });
    let faults = faults.into_inner().expect("no thread panics with it");
    let of_kind = |kind: &str| faults.iter().filter(|fault| fault.contains(kind)).count();
    println!(
        "{} panics, {} exits with 9 without a cause in the network (and {} with one), {} canaries, {} faults in {} s",
        of_kind(PANICKED),
        of_kind(CALLED_TEMPORARY),
        unreachable.into_inner() - of_kind(CALLED_TEMPORARY),
        of_kind(SHOWS_VALUE),
        faults.len(),
        started.elapsed().as_secs()
    );
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn variable_that_is_not_text_is_refused_only_where_it_bears_on() {
    let sandbox = Sandbox::new();
    let value = OsString::from_vec(vec![0xff, 0xfe]);
    for (name, command, code) in [
        ("AWS_PROFILE", &["list", "-p", "mock"][..], 0),
        ("AWS_PROFILE", &["list"], 2),
        ("AWS_PROFILE", &["describe", "aws/us-east-1/i-0123456789abcdef0"], 2),
        (
            "AWS_PROFILE",
            &["create", "x", "-p", "aws", "-r", "us-east-1", "--dry-run"],
            2,
        ),
        ("CLOUDSDK_CORE_PROJECT", &["terminate", "gcp/us-central1-a/1", "-y"], 2),
        ("CLOUDCTL_TTL", &["list", "-p", "mock"], 2),
        ("EDITOR", &["list", "-p", "mock"], 0),
    ] {
        let case = Case {
            name: name.to_owned(),
            value: value.clone(),
            command: &[],
        };
        let output = sandbox.command(command).env(&case.name, &case.value).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name} {command:?} {stderr}");
        assert!(code != 2 || stderr.contains(name), "{stderr}");
    }
}

#[test]
fn empty_variable_counts_as_unset() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    for name in [
        "AWS_ENDPOINT_URL_EC2",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
    ] {
        sandbox.set(name, "");
    }
    sandbox.run("list -p aws -r us-east-1").expect(0);
}

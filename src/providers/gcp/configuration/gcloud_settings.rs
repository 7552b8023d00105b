//! The settings of gcloud and Google's client libraries that matter for Compute Engine, and what cloudctl does with
//! each. <https://cloud.google.com/sdk/docs/properties>

use super::endpoints::parse_endpoint;
use super::gcloud_config::{GcloudConfiguration, SourcedValue};
use super::setting_values;
use super::setting_values::QuotaProject;
use crate::cloud::{Error, Result};
use crate::providers::common::server_address::{has_valid_port, is_host, shown_address};
use crate::settings::{CloudToolSetting, Environment, SettingPlace, Settings, Topic, Treatment, refuse_unsupported};

const USE_PROXY_VARIABLES: Treatment =
    Treatment::Refused("set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT instead, which gcloud takes too");
const USE_SSL_CERT_FILE: Treatment =
    Treatment::Refused("set SSL_CERT_FILE to that PEM file, too: cloudctl's connections go by it");
const NO_CLIENT_CERTIFICATE: Treatment =
    Treatment::Refused("unset it: cloudctl shows no certificate of its own to Google");
const TOKEN_SERVER_IN_FILE: Treatment =
    Treatment::Refused("unset it: the credentials file itself names the server that gives tokens");
const NO_RETRY_SETTING: Treatment =
    Treatment::Refused("unset it: cloudctl tries calls again by itself, for 50 to 60 seconds");

/// All settings, by topic.
pub(in crate::providers) const VENDOR_SETTINGS: &[CloudToolSetting] = {
    use Topic::{Account, Credentials, Endpoint, Location, Network, Retries};
    use Treatment::{Honoured, Refused};
    &[
        CloudToolSetting::variable(
            Credentials,
            "GOOGLE_OAUTH_ACCESS_TOKEN",
            Honoured("this access token signs; it goes before all other credentials"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "CLOUDSDK_AUTH_ACCESS_TOKEN",
            Honoured("this access token signs"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/access_token_file",
            Honoured("the access token in this file signs"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "GOOGLE_APPLICATION_CREDENTIALS",
            Honoured("this credentials file signs"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/credential_file_override",
            Honoured("this credentials file signs, after GOOGLE_APPLICATION_CREDENTIALS"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
            Honoured("1 lets an external_account file run its program"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "CLOUDSDK_CONFIG",
            Honoured("the folder of gcloud's files, the default credentials among them"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "CLOUDSDK_ACTIVE_CONFIG_NAME",
            Honoured("the configuration whose properties hold"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "GCE_METADATA_HOST",
            Honoured("the host of the metadata server, asked without a proxy"),
        ),
        CloudToolSetting::variable(
            Credentials,
            "GCE_METADATA_ROOT",
            Honoured("the same, after GCE_METADATA_HOST"),
        ),
        CloudToolSetting::variable(Credentials, "GCE_METADATA_IP", Refused("set GCE_METADATA_HOST instead")),
        CloudToolSetting::variable(
            Credentials,
            "NO_GCE_CHECK",
            Honoured("this machine is not taken for one of Google's"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/impersonate_service_account",
            Honoured("calls are made as this service account; of a list, the last one, through the others"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/disable_credentials",
            Refused("unset it: cloudctl makes no calls without credentials"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/authorization_token_file",
            Refused("unset it; CLOUDSDK_AUTH_ACCESS_TOKEN_FILE names a file with a token"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/authority_selector",
            Refused("unset it: cloudctl knows no authority selectors"),
        ),
        CloudToolSetting::property(Credentials, "auth/token_host", TOKEN_SERVER_IN_FILE),
        CloudToolSetting::property(Credentials, "auth/mtls_token_host", TOKEN_SERVER_IN_FILE),
        CloudToolSetting::property(Credentials, "auth/token_introspection_endpoint", TOKEN_SERVER_IN_FILE),
        CloudToolSetting::property(Credentials, "auth/client_id", TOKEN_SERVER_IN_FILE),
        CloudToolSetting::property(Credentials, "auth/client_secret", TOKEN_SERVER_IN_FILE),
        CloudToolSetting::property(
            Credentials,
            "auth/login_config_file",
            Honoured("says how `gcloud auth login` signs in; calls go by the credentials that come of it"),
        ),
        CloudToolSetting::property(
            Credentials,
            "auth/service_account_use_self_signed_jwt",
            Honoured("service account keys sign their tokens themselves, as they always do here"),
        ),
        CloudToolSetting::property(
            Account,
            "core/account",
            Honoured(
                "as a variable it must be the account of the credentials; in a file it says which of gcloud's own logins \
                 gcloud uses, and credentials here have their own account",
            ),
        ),
        CloudToolSetting::variable(Account, "GOOGLE_CLOUD_PROJECT", Honoured("the project of all calls")),
        CloudToolSetting::property(
            Account,
            "core/project",
            Honoured("the project of all calls, after GOOGLE_CLOUD_PROJECT"),
        ),
        CloudToolSetting::variable(
            Account,
            "GCLOUD_PROJECT",
            Honoured("the project of all calls, after CLOUDSDK_CORE_PROJECT"),
        ),
        CloudToolSetting::variable(
            Account,
            "GOOGLE_CLOUD_QUOTA_PROJECT",
            Honoured("the project that calls are billed to: X-Goog-User-Project"),
        ),
        CloudToolSetting::property(
            Account,
            "billing/quota_project",
            Honoured("the same; CURRENT_PROJECT is the project of the calls, LEGACY is none"),
        ),
        CloudToolSetting::property(
            Account,
            "core/request_reason",
            Refused("unset it: cloudctl sends no reasons with its calls"),
        ),
        CloudToolSetting::property(Location, "compute/region", Honoured("the region of new VMs")),
        CloudToolSetting::property(Location, "compute/zone", Honoured("the zone of new VMs")),
        CloudToolSetting::property(
            Endpoint,
            "api_endpoint_overrides/compute",
            Honoured("the address of Compute Engine's API"),
        ),
        CloudToolSetting::property(
            Endpoint,
            "api_endpoint_overrides/iamcredentials",
            Honoured("the address of the API that makes tokens of service accounts"),
        ),
        CloudToolSetting::property(
            Endpoint,
            "api_endpoint_overrides/cloudbilling",
            Honoured("the address of the API that has the prices"),
        ),
        CloudToolSetting::property(Endpoint, "api_endpoint_overrides/sts", TOKEN_SERVER_IN_FILE),
        CloudToolSetting::property(
            Endpoint,
            "api_client_overrides/compute",
            Refused("unset it: cloudctl speaks v1"),
        ),
        CloudToolSetting::property(
            Endpoint,
            "regional/endpoint_mode",
            Refused("unset it, or name the address in CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"),
        ),
        CloudToolSetting::variable(
            Endpoint,
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
            Honoured("the universe that the APIs are in"),
        ),
        CloudToolSetting::property(
            Endpoint,
            "core/universe_domain",
            Honoured("the same, after GOOGLE_CLOUD_UNIVERSE_DOMAIN"),
        ),
        CloudToolSetting::variable(Endpoint, "GOOGLE_API_USE_MTLS_ENDPOINT", NO_CLIENT_CERTIFICATE),
        CloudToolSetting::variable(Network, "GOOGLE_API_USE_CLIENT_CERTIFICATE", NO_CLIENT_CERTIFICATE),
        CloudToolSetting::variable(Network, "GOOGLE_API_CERTIFICATE_CONFIG", NO_CLIENT_CERTIFICATE),
        CloudToolSetting::property(Network, "context_aware/use_client_certificate", NO_CLIENT_CERTIFICATE),
        CloudToolSetting::property(Network, "context_aware/always_use_mtls_endpoint", NO_CLIENT_CERTIFICATE),
        CloudToolSetting::property(
            Network,
            "context_aware/certificate_config_file_path",
            NO_CLIENT_CERTIFICATE,
        ),
        CloudToolSetting::property(Network, "context_aware/auto_discovery_file_path", NO_CLIENT_CERTIFICATE),
        CloudToolSetting::property(Network, "core/custom_ca_certs_file", USE_SSL_CERT_FILE),
        CloudToolSetting::property(
            Network,
            "auth/disable_ssl_validation",
            Refused("unset it: cloudctl always checks certificates; SSL_CERT_FILE names others to trust"),
        ),
        CloudToolSetting::variable(
            Network,
            "SSL_CERT_FILE",
            Honoured("certificates that are trusted instead of the system's"),
        ),
        CloudToolSetting::variable(
            Network,
            "SSL_CERT_DIR",
            Honoured("folders of certificates that are trusted instead of the system's"),
        ),
        CloudToolSetting::property(Network, "proxy/type", USE_PROXY_VARIABLES),
        CloudToolSetting::property(Network, "proxy/address", USE_PROXY_VARIABLES),
        CloudToolSetting::property(Network, "proxy/port", USE_PROXY_VARIABLES),
        CloudToolSetting::property(Network, "proxy/username", USE_PROXY_VARIABLES),
        CloudToolSetting::property(Network, "proxy/password", USE_PROXY_VARIABLES),
        CloudToolSetting::property(Network, "proxy/rdns", USE_PROXY_VARIABLES),
        CloudToolSetting::variable(Network, "HTTPS_PROXY", Honoured("the proxy for https addresses")),
        CloudToolSetting::variable(Network, "HTTP_PROXY", Honoured("the proxy for http addresses")),
        CloudToolSetting::variable(
            Network,
            "ALL_PROXY",
            Honoured("the proxy where the other two are not set"),
        ),
        CloudToolSetting::variable(
            Network,
            "NO_PROXY",
            Honoured("hosts, domains, addresses and ranges that are asked directly; * is all of them"),
        ),
        CloudToolSetting::property(Retries, "core/http_timeout", NO_RETRY_SETTING),
        CloudToolSetting::variable(Retries, "GCE_METADATA_TIMEOUT", NO_RETRY_SETTING),
        CloudToolSetting::variable(Retries, "GCE_METADATA_DETECT_RETRIES", NO_RETRY_SETTING),
    ]
};

/// Checks that no unsupported setting is set, and that proxies and addresses are valid.
///
/// # Errors
/// `InvalidSpec` that names the setting.
pub(crate) fn check_vendor_settings(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<()> {
    let environment = &settings.environment;
    refuse_unsupported(VENDOR_SETTINGS, |setting| {
        let located = find_setting(setting, environment, gcloud)?;
        (!is_harmless(setting.name, &located, environment)).then_some(located.source)
    })?;
    for proxy in list_proxies(environment) {
        check_proxy(&proxy)?;
    }
    setting_values::configured_universe(settings, gcloud)?;
    setting_values::resolve_impersonation(gcloud)?;
    for (api, version) in [
        ("compute", "/compute/v1"),
        ("iamcredentials", "/v1"),
        ("cloudbilling", "/v1"),
    ] {
        if let Some(named) = gcloud.setting("api_endpoint_overrides", api) {
            parse_endpoint(&named, version)?;
        }
    }
    QuotaProject::resolve(settings, gcloud)?;
    Ok(())
}

fn find_setting(
    setting: &CloudToolSetting,
    environment: &Environment,
    gcloud: &GcloudConfiguration,
) -> Option<SourcedValue> {
    if setting.place == SettingPlace::Variable {
        return SourcedValue::from_variable(environment, setting.name);
    }
    let (section, key) = setting.name.split_once('/')?;
    let located = gcloud.setting(section, key)?;
    Some(match located.variable_name() {
        Some(_) => located,
        None => SourcedValue {
            source: format!("{} ({})", setting.name, located.source),
            value: located.value,
        },
    })
}

/// Says whether a value means yes. gcloud's words for no are False, No, Off and 0, in any case.
fn is_on(value: &str) -> bool {
    let word = value.to_ascii_lowercase();
    !matches!(word.as_str(), "false" | "no" | "off" | "0" | "none" | "n" | "f")
}

/// Says whether a refused setting has a value that asks for what cloudctl does anyway.
fn is_harmless(name: &str, setting: &SourcedValue, environment: &Environment) -> bool {
    let is = |words: &[&str]| words.iter().any(|word| setting.value.eq_ignore_ascii_case(word));
    match name {
        "auth/disable_credentials"
        | "auth/disable_ssl_validation"
        | "context_aware/use_client_certificate"
        | "context_aware/always_use_mtls_endpoint"
        | "GOOGLE_API_USE_CLIENT_CERTIFICATE" => !is_on(&setting.value),
        "GOOGLE_API_USE_MTLS_ENDPOINT" => is(&["never", "auto"]),
        "api_client_overrides/compute" => is(&["v1"]),
        "regional/endpoint_mode" => is(&["global", "auto"]),
        // SSL_CERT_FILE names the same file.
        "core/custom_ca_certs_file" => environment.get("SSL_CERT_FILE").map(str::trim) == Some(setting.value.as_str()),
        _ => false,
    }
}

/// Lists the proxies that are set, those with precedence first.
pub(crate) fn list_proxies(environment: &Environment) -> Vec<SourcedValue> {
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let set = names
        .iter()
        .filter_map(|name| SourcedValue::from_exact_variable(environment, name));
    set.collect()
}

/// Checks the address of a proxy. The SDK ignores one that it cannot parse.
fn check_proxy(proxy: &SourcedValue) -> Result<()> {
    let parsed = proxy.value.parse::<http::Uri>().ok();
    let is_proxy = parsed.as_ref().is_some_and(|uri| {
        let host = uri.host().unwrap_or_default();
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        is_host(host) && has_valid_port(authority, host) && matches!(uri.scheme_str(), None | Some("http" | "https"))
    });
    if is_proxy {
        return Ok(());
    }
    let shown = shown_address(&proxy.value);
    Err(
        Error::invalid(format!("{}: {shown} is not the address of a proxy", proxy.source))
            .with_hint("set it to http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"),
    )
}

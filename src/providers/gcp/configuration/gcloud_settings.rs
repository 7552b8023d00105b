//! The settings of gcloud and Google's client libraries that matter for Compute Engine, and what cloudctl does with
//! each. <https://cloud.google.com/sdk/docs/properties>

use http::Uri;

use super::endpoints::{GoogleApi, parse_endpoint};
use super::gcloud_config::{GcloudConfiguration, SourcedValue};
use super::resolve_settings::{QuotaProject, resolve_impersonation, resolve_universe};
use crate::cloud::{Error, Result};
use crate::providers::common::endpoint_address::{has_valid_or_no_port, is_host, shown_address};
use crate::settings::{CloudToolSetting, Environment, SettingPlace, Settings, cloud_tool_settings, refuse_unsupported};

const USE_PROXY_VARIABLES: &str = "set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT instead, which gcloud takes too";
const USE_SSL_CERT_FILE: &str = "also set SSL_CERT_FILE to that PEM file, which cloudctl uses for its connections";
const NO_CLIENT_CERTIFICATE: &str = "unset it: cloudctl shows no certificate of its own to Google";
const TOKEN_SERVER_IN_FILE: &str = "unset it: the credentials file itself names the server that gives tokens";
const NO_RETRY_SETTING: &str = "unset it: cloudctl tries calls again by itself, for 50 to 60 seconds";

pub(in crate::providers) const GCLOUD_SETTINGS: &[CloudToolSetting] = cloud_tool_settings! {
    Credentials {
        variable "GOOGLE_OAUTH_ACCESS_TOKEN" Honoured "this access token signs; it goes before all other credentials"
        variable "CLOUDSDK_AUTH_ACCESS_TOKEN" Honoured "this access token signs"
        property "auth/access_token_file" Honoured "the access token in this file signs"
        variable "GOOGLE_APPLICATION_CREDENTIALS" Honoured "this credentials file signs"
        property "auth/credential_file_override" Honoured
            "this credentials file signs, after GOOGLE_APPLICATION_CREDENTIALS"
        variable "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES" Honoured "1 lets an external_account file run its program"
        variable "CLOUDSDK_CONFIG" Honoured "the folder of gcloud's files, the default credentials among them"
        variable "CLOUDSDK_ACTIVE_CONFIG_NAME" Honoured "the gcloud configuration to use"
        variable "GCE_METADATA_HOST" Honoured "the host of the metadata server, asked without a proxy"
        variable "GCE_METADATA_ROOT" Honoured "the same, after GCE_METADATA_HOST"
        variable "GCE_METADATA_IP" Refused "set GCE_METADATA_HOST instead"
        variable "NO_GCE_CHECK" Honoured "cloudctl does not check whether it runs on Google Cloud"
        property "auth/impersonate_service_account" Honoured
            "calls are made as this service account; in a list, as the last one, with the others as delegates"
        property "auth/disable_credentials" Refused "unset it: cloudctl makes no calls without credentials"
        property "auth/authorization_token_file" Refused
            "unset it; CLOUDSDK_AUTH_ACCESS_TOKEN_FILE names a file with a token"
        property "auth/authority_selector" Refused "unset it: cloudctl knows no authority selectors"
        property "auth/token_host" Refused TOKEN_SERVER_IN_FILE
        property "auth/mtls_token_host" Refused TOKEN_SERVER_IN_FILE
        property "auth/token_introspection_endpoint" Refused TOKEN_SERVER_IN_FILE
        property "auth/client_id" Refused TOKEN_SERVER_IN_FILE
        property "auth/client_secret" Refused TOKEN_SERVER_IN_FILE
        property "auth/login_config_file" Honoured
            "controls how `gcloud auth login` signs in; cloudctl uses the resulting credentials"
        property "auth/service_account_use_self_signed_jwt" Honoured
            "service account keys sign their tokens themselves, as they always do here"
    }
    Account {
        property "core/account" Honoured
            "as a variable it must be the account of the credentials; in a file it says which of gcloud's own \
             logins gcloud uses, and credentials here have their own account"
        variable "GOOGLE_CLOUD_PROJECT" Honoured "the project of all calls"
        property "core/project" Honoured "the project of all calls, after GOOGLE_CLOUD_PROJECT"
        variable "GCLOUD_PROJECT" Honoured "the project of all calls, after CLOUDSDK_CORE_PROJECT"
        variable "GOOGLE_CLOUD_QUOTA_PROJECT" Honoured "the project that calls are billed to: X-Goog-User-Project"
        property "billing/quota_project" Honoured
            "the same; CURRENT_PROJECT is the project of the calls, LEGACY is none"
        property "core/request_reason" Refused "unset it: cloudctl sends no reasons with its calls"
    }
    Location {
        property "compute/region" Honoured "the region of new VMs"
        property "compute/zone" Honoured "the zone of new VMs"
    }
    Endpoint {
        property "api_endpoint_overrides/compute" Honoured "the address of Compute Engine's API"
        property "api_endpoint_overrides/iamcredentials" Honoured
            "the address of the API that makes tokens of service accounts"
        property "api_endpoint_overrides/cloudbilling" Honoured "the address of the API that has the prices"
        property "api_endpoint_overrides/sts" Refused TOKEN_SERVER_IN_FILE
        property "api_client_overrides/compute" Refused "unset it: cloudctl speaks v1"
        property "regional/endpoint_mode" Refused
            "unset it, or name the address in CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
        variable "GOOGLE_CLOUD_UNIVERSE_DOMAIN" Honoured "the universe that the APIs are in"
        property "core/universe_domain" Honoured "the same, after GOOGLE_CLOUD_UNIVERSE_DOMAIN"
        variable "GOOGLE_API_USE_MTLS_ENDPOINT" Refused NO_CLIENT_CERTIFICATE
    }
    Network {
        variable "GOOGLE_API_USE_CLIENT_CERTIFICATE" Refused NO_CLIENT_CERTIFICATE
        variable "GOOGLE_API_CERTIFICATE_CONFIG" Refused NO_CLIENT_CERTIFICATE
        property "context_aware/use_client_certificate" Refused NO_CLIENT_CERTIFICATE
        property "context_aware/always_use_mtls_endpoint" Refused NO_CLIENT_CERTIFICATE
        property "context_aware/certificate_config_file_path" Refused NO_CLIENT_CERTIFICATE
        property "context_aware/auto_discovery_file_path" Refused NO_CLIENT_CERTIFICATE
        property "core/custom_ca_certs_file" Refused USE_SSL_CERT_FILE
        property "auth/disable_ssl_validation" Refused
            "unset it: cloudctl always checks certificates; SSL_CERT_FILE names others to trust"
        variable "SSL_CERT_FILE" Honoured "certificates that are trusted instead of the system's"
        variable "SSL_CERT_DIR" Honoured "folders of certificates that are trusted instead of the system's"
        property "proxy/type" Refused USE_PROXY_VARIABLES
        property "proxy/address" Refused USE_PROXY_VARIABLES
        property "proxy/port" Refused USE_PROXY_VARIABLES
        property "proxy/username" Refused USE_PROXY_VARIABLES
        property "proxy/password" Refused USE_PROXY_VARIABLES
        property "proxy/rdns" Refused USE_PROXY_VARIABLES
        variable "HTTPS_PROXY" Honoured "the proxy for https addresses"
        variable "HTTP_PROXY" Honoured "the proxy for http addresses"
        variable "ALL_PROXY" Honoured "the proxy where the other two are not set"
        variable "NO_PROXY" Honoured "hosts, domains, addresses and ranges that are asked directly; * is all of them"
    }
    Retries {
        property "core/http_timeout" Refused NO_RETRY_SETTING
        variable "GCE_METADATA_TIMEOUT" Refused NO_RETRY_SETTING
        variable "GCE_METADATA_DETECT_RETRIES" Refused NO_RETRY_SETTING
    }
};

/// Checks that no unsupported setting is set, and that proxies and addresses are valid.
pub(crate) fn check_gcloud_settings(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<()> {
    let environment = &settings.environment;
    refuse_unsupported(GCLOUD_SETTINGS, |setting| {
        let located = find_setting(setting, environment, gcloud)?;
        if is_harmless(setting.name, &located, environment) {
            return None;
        }
        Some(located.source)
    })?;
    for proxy in list_proxies(environment) {
        check_proxy(&proxy)?;
    }
    // Each of these also checks the value.
    resolve_universe(settings, gcloud)?;
    resolve_impersonation(gcloud)?;
    QuotaProject::resolve(settings, gcloud)?;
    for api in GoogleApi::ALL {
        if let Some(address) = api.address_setting(gcloud) {
            parse_endpoint(&address, api)?;
        }
    }
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
    if located.variable_name().is_some() {
        return Some(located);
    }
    Some(SourcedValue::new(
        located.value,
        format!("{} ({})", setting.name, located.source),
    ))
}

/// Says whether a value turns a setting off. gcloud's words for no are False, No, Off and 0, in any case.
fn means_no(value: &str) -> bool {
    let word = value.to_ascii_lowercase();
    ["false", "no", "off", "0", "none", "n", "f"].contains(&word.as_str())
}

/// Says whether a refused setting has a value that asks for what cloudctl does anyway.
fn is_harmless(name: &str, setting: &SourcedValue, environment: &Environment) -> bool {
    let is_one_of = |words: &[&str]| words.iter().any(|word| setting.value.eq_ignore_ascii_case(word));
    match name {
        "auth/disable_credentials"
        | "auth/disable_ssl_validation"
        | "context_aware/use_client_certificate"
        | "context_aware/always_use_mtls_endpoint"
        | "GOOGLE_API_USE_CLIENT_CERTIFICATE" => means_no(&setting.value),
        "GOOGLE_API_USE_MTLS_ENDPOINT" => is_one_of(&["never", "auto"]),
        "api_client_overrides/compute" => is_one_of(&["v1"]),
        "regional/endpoint_mode" => is_one_of(&["global", "auto"]),
        // SSL_CERT_FILE names the same file.
        "core/custom_ca_certs_file" => environment.get("SSL_CERT_FILE").map(str::trim) == Some(setting.value.as_str()),
        _ => false,
    }
}

/// Lists the proxies that are set, those with precedence first.
pub(crate) fn list_proxies(environment: &Environment) -> Vec<SourcedValue> {
    const VARIABLES: &[&str] = &[
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let proxies = VARIABLES.iter();
    proxies
        .filter_map(|name| SourcedValue::from_untrimmed_variable(environment, name))
        .collect()
}

/// Checks the address of a proxy. The SDK ignores one that it cannot parse.
fn check_proxy(proxy: &SourcedValue) -> Result<()> {
    if proxy.value.parse().is_ok_and(|uri| is_proxy_address(&uri)) {
        return Ok(());
    }
    let shown = shown_address(&proxy.value);
    Err(
        Error::invalid(format!("{}: {shown} is not the address of a proxy", proxy.source))
            .with_hint("set it to http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"),
    )
}

fn is_proxy_address(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let has_supported_scheme = matches!(uri.scheme_str(), None | Some("http" | "https"));
    has_supported_scheme && is_host(authority.host()) && has_valid_or_no_port(authority)
}

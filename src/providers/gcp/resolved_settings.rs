//! The values of Google's own settings in this run, for `context show`.

use super::configuration::config_file_keys::{REGION, ZONE};
use super::configuration::endpoints::GoogleApi;
use super::configuration::gcloud_config::{GcloudConfiguration, SourcedValue};
use super::configuration::gcloud_settings::{check_gcloud_settings, list_proxies};
use super::configuration::resolve_settings::{
    DEFAULT_UNIVERSE, QuotaProject, resolve_endpoint, resolve_impersonation, resolve_universe,
};
use super::credentials::resolve_with_credentials::{check_universe, resolve_project};
use super::credentials::{CredentialSource, find_credentials, metadata_server};
use crate::cloud::{ProviderKind, Result, path_text};
use crate::providers::common::endpoint_address::shown_proxy;
use crate::settings::{ResolvedSetting, Settings};

/// Lists the values of the settings in this run.
pub(in crate::providers) fn resolved_settings(settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    let environment = &settings.environment;
    let gcloud = &GcloudConfiguration::read(environment)?;
    check_gcloud_settings(settings, gcloud)?;
    let credentials = find_credentials(environment, gcloud)?;
    let credentials = credentials.as_ref();
    let mut list = Vec::new();
    let mut add = |name: &'static str, located: Option<SourcedValue>, source_if_unset: &str| {
        list.push(ResolvedSetting::new(name, located, source_if_unset));
    };
    let project_source_if_unset = match metadata_server::is_available(environment) {
        true => "metadata server",
        false => "not set",
    };
    let project = resolve_project(settings, gcloud, credentials)?;
    add("gcp.project", project, project_source_if_unset);
    let description = credentials.map(CredentialSource::description);
    add("gcp.credentials", description, "not found");
    let account = credentials.and_then(|credentials| {
        Some(SourcedValue {
            value: credentials.principal()?,
            source: credentials.description().source,
        })
    });
    add("gcp.account", account, "the credentials do not say");
    let impersonated = resolve_impersonation(gcloud)?.map(|impersonation| SourcedValue {
        value: impersonation.principal,
        source: impersonation.source,
    });
    add("gcp.impersonate", impersonated, "not set");
    let quota_project = QuotaProject::resolve(settings, gcloud)?.map(|quota| match quota {
        QuotaProject::Named(named) => named,
        QuotaProject::Current(source) => SourcedValue {
            value: "the project of the calls".to_owned(),
            source,
        },
    });
    add("gcp.quota_project", quota_project, "not set");
    for (name, key) in [("gcp.region", REGION), ("gcp.zone", ZONE)] {
        let setting = settings.cloud_setting(ProviderKind::Gcp, key).sourced_value();
        add(name, setting.or_else(|| gcloud.setting("compute", key)), "not set");
    }
    let universe_setting = resolve_universe(settings, gcloud)?;
    let universe = match credentials {
        Some(credentials) => check_universe(credentials, universe_setting.as_ref())?,
        None => universe_setting.as_ref().map(|setting| setting.value.clone()),
    };
    let endpoint = resolve_endpoint(gcloud, GoogleApi::COMPUTE, universe.as_deref())?;
    add("gcp.endpoint", Some(endpoint), "default");
    let universe_with_source = universe_setting
        .or_else(|| {
            Some(SourcedValue {
                value: credentials?.universe()?.to_owned(),
                source: credentials?.description().source,
            })
        })
        .unwrap_or_else(|| SourcedValue {
            value: DEFAULT_UNIVERSE.to_owned(),
            source: "default".to_owned(),
        });
    add("gcp.universe", Some(universe_with_source), "default");
    let mut authorities = SourcedValue::from_variable(environment, "SSL_CERT_FILE")
        .or_else(|| SourcedValue::from_variable(environment, "SSL_CERT_DIR"));
    if let Some(authorities) = &mut authorities {
        authorities.value = path_text(&authorities.value);
    }
    add("gcp.ca_certs", authorities, "the system's");
    let proxy = list_proxies(environment).into_iter().find_map(|proxy| {
        Some(SourcedValue {
            value: shown_proxy(&proxy.value.parse().ok()?),
            source: proxy.source,
        })
    });
    add("gcp.proxy", proxy, "not set");
    Ok(list)
}

//! The values of Google's own settings in this run, for `context show`.

use super::configuration::config_file_keys::{REGION, ZONE};
use super::configuration::endpoints::GoogleApi;
use super::configuration::gcloud_config::{GcloudConfiguration, SourcedValue};
use super::configuration::gcloud_settings::{check_gcloud_settings, list_proxies};
use super::configuration::resolve_settings::{
    DEFAULT_UNIVERSE, QuotaProject, resolve_endpoint, resolve_impersonation, resolve_universe,
};
use super::credentials::resolve_with_credentials::{resolve_matching_universe, resolve_project};
use super::credentials::{CredentialSource, find_credentials, metadata_server};
use crate::cloud::{ProviderKind, Result, path_text};
use crate::providers::common::endpoint_address::shown_proxy;
use crate::settings::{Environment, ResolvedSetting, Settings};

/// Lists the values of the settings in this run.
pub(in crate::providers) fn resolved_settings(settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    let environment = &settings.environment;
    let gcloud = &GcloudConfiguration::read(environment)?;
    check_gcloud_settings(settings, gcloud)?;
    let found_credentials = find_credentials(environment, gcloud)?;
    let credentials = found_credentials.as_ref();
    let project = resolve_project(settings, gcloud, credentials)?;
    let project_source_if_unset = match metadata_server::is_available(environment) {
        true => "metadata server",
        false => "not set",
    };
    let impersonated_account = resolve_impersonation(gcloud)?
        .map(|impersonation| SourcedValue::new(impersonation.principal, impersonation.source));
    let quota_project = QuotaProject::resolve(settings, gcloud)?.map(describe_quota_project);
    let universe_setting = resolve_universe(settings, gcloud)?;
    let universe = match credentials {
        Some(credentials) => resolve_matching_universe(credentials, universe_setting.as_ref())?,
        None => universe_setting.as_ref().map(|setting| setting.value.clone()),
    };
    let endpoint = resolve_endpoint(gcloud, GoogleApi::COMPUTE, universe.as_deref())?;
    let universe_with_source = universe_setting
        .or_else(|| credentials.and_then(find_universe))
        .unwrap_or_else(|| SourcedValue::new(DEFAULT_UNIVERSE, "default"));
    let description = credentials.map(CredentialSource::description);
    Ok(vec![
        ResolvedSetting::new("gcp.project", project, project_source_if_unset),
        ResolvedSetting::new("gcp.credentials", description, "not found"),
        ResolvedSetting::new(
            "gcp.account",
            credentials.and_then(find_account),
            "the credentials do not say",
        ),
        ResolvedSetting::or_not_set("gcp.impersonate", impersonated_account),
        ResolvedSetting::or_not_set("gcp.quota_project", quota_project),
        ResolvedSetting::or_not_set("gcp.region", find_compute_setting(settings, gcloud, REGION)),
        ResolvedSetting::or_not_set("gcp.zone", find_compute_setting(settings, gcloud, ZONE)),
        ResolvedSetting::new("gcp.endpoint", Some(endpoint), "default"),
        ResolvedSetting::new("gcp.universe", Some(universe_with_source), "default"),
        ResolvedSetting::new("gcp.ca_certs", find_authorities(environment), "the system's"),
        ResolvedSetting::or_not_set("gcp.proxy", find_proxy(environment)),
    ])
}

fn find_account(credentials: &CredentialSource) -> Option<SourcedValue> {
    Some(SourcedValue::new(
        credentials.principal()?,
        credentials.description().source,
    ))
}

fn describe_quota_project(quota_project: QuotaProject) -> SourcedValue {
    match quota_project {
        QuotaProject::Named(project) => project,
        QuotaProject::Current(source) => SourcedValue::new("the project of the calls", source),
    }
}

fn find_compute_setting(settings: &Settings, gcloud: &GcloudConfiguration, key: &'static str) -> Option<SourcedValue> {
    let own_setting = settings.cloud_setting(ProviderKind::Gcp, key).sourced_value();
    own_setting.or_else(|| gcloud.setting("compute", key))
}

fn find_universe(credentials: &CredentialSource) -> Option<SourcedValue> {
    Some(SourcedValue::new(
        credentials.universe()?.to_owned(),
        credentials.description().source,
    ))
}

fn find_authorities(environment: &Environment) -> Option<SourcedValue> {
    let file = SourcedValue::from_variable(environment, "SSL_CERT_FILE");
    let file_or_folder = file.or_else(|| SourcedValue::from_variable(environment, "SSL_CERT_DIR"))?;
    Some(SourcedValue::new(
        path_text(&file_or_folder.value),
        file_or_folder.source,
    ))
}

fn find_proxy(environment: &Environment) -> Option<SourcedValue> {
    list_proxies(environment)
        .into_iter()
        .find_map(|proxy| Some(SourcedValue::new(shown_proxy(&proxy.value.parse().ok()?), proxy.source)))
}

//! What the settings and the credentials come to together: project, universe, account, and the list that
//! `context show` prints. Each value says where it is set.

use super::{CredentialSource, find_credentials, metadata_server};
use crate::cloud::{Error, ProviderKind, Result, path_text, quoted};
use crate::providers::common::endpoint_address::shown_proxy;
use crate::providers::gcp::configuration::config_file_keys::{PROJECT, REGION, ZONE};
use crate::providers::gcp::configuration::effective_settings::{
    DEFAULT_UNIVERSE, QuotaProject, check_project, resolve_endpoint, resolve_impersonation, resolve_universe,
};
use crate::providers::gcp::configuration::endpoints::GoogleApi;
use crate::providers::gcp::configuration::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::providers::gcp::configuration::gcloud_settings::{check_gcloud_settings, list_proxies};
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

/// Returns the project that the settings name, or else the credentials.
///
/// # Errors
/// `InvalidSpec` if it cannot be the name of a project.
pub(crate) fn resolve_project(
    settings: &Settings,
    gcloud: &GcloudConfiguration,
    credentials: Option<&CredentialSource>,
) -> Result<Option<SourcedValue>> {
    let variable = |name| SourcedValue::from_variable(&settings.environment, name);
    let project = settings
        .cloud_setting(ProviderKind::Gcp, PROJECT)
        .sourced_value()
        .or_else(|| variable("GOOGLE_CLOUD_PROJECT"))
        .or_else(|| variable("CLOUDSDK_CORE_PROJECT"))
        .or_else(|| variable("GCLOUD_PROJECT"))
        .or_else(|| gcloud.file_setting("core", "project"))
        .or_else(|| credentials?.project());
    if let Some(project) = &project {
        check_project(project)?;
    }
    Ok(project)
}

/// Checks that the credentials belong to the universe that a setting names. Returns that universe, or else the one of a
/// credentials file. `None` if neither says: the default universe, or that of the metadata server.
///
/// # Errors
/// `InvalidSpec` if they belong to another one.
pub(crate) fn check_universe(credentials: &CredentialSource, setting: Option<&SourcedValue>) -> Result<Option<String>> {
    let universe_of_file = match credentials {
        CredentialSource::File(_) => Some(credentials.universe().unwrap_or(DEFAULT_UNIVERSE)),
        CredentialSource::Token(..) | CredentialSource::MetadataServer => None,
    };
    let Some(setting) = setting else {
        return Ok(universe_of_file.map(str::to_owned));
    };
    if let Some(universe_of_file) = universe_of_file
        && setting.value != universe_of_file
    {
        let message = format!(
            "{} is {}, and the credentials ({}) are of {universe_of_file}",
            setting.source,
            setting.value,
            credentials.description().source
        );
        return Err(Error::invalid(message).with_hint("use credentials of that universe, or unset it"));
    }
    Ok(Some(setting.value.clone()))
}

/// Checks that the credentials belong to the account that a variable names. In gcloud's files this property selects one
/// of gcloud's own logins; application default credentials have their own account.
///
/// # Errors
/// `InvalidSpec` if the credentials name another account.
pub(crate) fn check_account(settings: &Settings, credentials: &CredentialSource) -> Result<()> {
    let Some(account) = SourcedValue::from_variable(&settings.environment, "CLOUDSDK_CORE_ACCOUNT") else {
        return Ok(());
    };
    match credentials.principal() {
        Some(principal) if principal != account.value => Err(Error::invalid(format!(
            "{} is {}, and the credentials ({}) are of {principal}",
            account.source,
            quoted(&account.value),
            credentials.description().source
        ))
        .with_hint("use credentials of that account, or unset the variable")),
        _ => Ok(()),
    }
}

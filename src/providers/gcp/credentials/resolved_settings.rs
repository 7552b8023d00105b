//! What the settings and the credentials come to together: project, universe, account, and the list that
//! `context show` prints. Each value says where it is set.

use super::{CredentialSource, find_credentials, metadata_server};
use crate::cloud::{Error, ProviderKind, Result, path_text, quoted};
use crate::providers::common::server_address::shown_proxy;
use crate::providers::gcp::configuration::cloudctl_keys::{PROJECT, REGION, ZONE};
use crate::providers::gcp::configuration::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::providers::gcp::configuration::gcloud_settings::{check_vendor_settings, list_proxies};
use crate::providers::gcp::configuration::setting_values::{
    DEFAULT_UNIVERSE, QuotaProject, check_project, configured_universe, resolve_endpoint, resolve_impersonation,
};
use crate::settings::{ResolvedSetting, Settings};

/// Lists the values of the settings in this run.
pub(in crate::providers) fn resolved_settings(settings: &Settings) -> Result<Vec<ResolvedSetting>> {
    let environment = &settings.environment;
    let gcloud = &GcloudConfiguration::read(environment)?;
    check_vendor_settings(settings, gcloud)?;
    let found = find_credentials(environment, gcloud)?;
    let mut list = Vec::new();
    let mut add = |name: &'static str, located: Option<SourcedValue>, otherwise: &str| {
        list.push(ResolvedSetting::new(name, located, otherwise));
    };
    let on_google = metadata_server::is_available(environment);
    let unset_project = if on_google { "metadata server" } else { "not set" };
    add(
        "gcp.project",
        resolve_project(settings, gcloud, found.as_ref())?,
        unset_project,
    );
    add(
        "gcp.credentials",
        found.as_ref().map(CredentialSource::description),
        "not found",
    );
    let principal = found.as_ref().and_then(|found| {
        Some(SourcedValue {
            value: found.principal()?,
            source: found.description().source,
        })
    });
    add("gcp.account", principal, "the credentials do not say");
    let impersonate = resolve_impersonation(gcloud)?.map(|impersonation| SourcedValue {
        value: impersonation.principal,
        source: impersonation.source,
    });
    add("gcp.impersonate", impersonate, "not set");
    let quota_project = QuotaProject::resolve(settings, gcloud)?.map(|quota| match quota {
        QuotaProject::Named(named) => named,
        QuotaProject::Current(source) => SourcedValue {
            value: "the project of the calls".to_owned(),
            source,
        },
    });
    add("gcp.quota_project", quota_project, "not set");
    let region = settings
        .cloud_setting(ProviderKind::Gcp, REGION)
        .sourced_value()
        .or_else(|| gcloud.setting("compute", "region"));
    add("gcp.region", region, "not set");
    let zone = settings
        .cloud_setting(ProviderKind::Gcp, ZONE)
        .sourced_value()
        .or_else(|| gcloud.setting("compute", "zone"));
    add("gcp.zone", zone, "not set");
    let universe = configured_universe(settings, gcloud)?;
    let universe_name = match &found {
        Some(found) => resolve_universe(found, universe.as_ref())?,
        None => universe.as_ref().map(|setting| setting.value.clone()),
    };
    let endpoint = resolve_endpoint(gcloud, "compute", "/compute/v1", universe_name.as_deref())?;
    add("gcp.endpoint", Some(endpoint), "default");
    let universe = universe.or_else(|| {
        Some(SourcedValue {
            value: found.as_ref()?.universe()?.to_owned(),
            source: found.as_ref()?.description().source,
        })
    });
    let default = SourcedValue {
        value: DEFAULT_UNIVERSE.to_owned(),
        source: "default".to_owned(),
    };
    add("gcp.universe", universe.or(Some(default)), "default");
    let authorities = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
    let authorities = authorities
        .iter()
        .find_map(|name| SourcedValue::from_variable(environment, name));
    let authorities = authorities.map(|located| SourcedValue {
        value: path_text(&located.value),
        source: located.source,
    });
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
    found: Option<&CredentialSource>,
) -> Result<Option<SourcedValue>> {
    let variable = |name| SourcedValue::from_variable(&settings.environment, name);
    let named = settings
        .cloud_setting(ProviderKind::Gcp, PROJECT)
        .sourced_value()
        .or_else(|| variable("GOOGLE_CLOUD_PROJECT"))
        .or_else(|| variable("CLOUDSDK_CORE_PROJECT"))
        .or_else(|| variable("GCLOUD_PROJECT"))
        .or_else(|| gcloud.file_setting("core", "project"))
        .or_else(|| found?.project());
    if let Some(project) = &named {
        check_project(project)?;
    }
    Ok(named)
}

/// Checks that the credentials belong to the universe that is set, and returns it, or that of the credentials. `None`
/// means the default universe.
///
/// # Errors
/// `InvalidSpec` if they belong to another one.
pub(crate) fn resolve_universe(found: &CredentialSource, named: Option<&SourcedValue>) -> Result<Option<String>> {
    let of_credentials = match found {
        CredentialSource::File(_) => Some(found.universe().unwrap_or(DEFAULT_UNIVERSE)),
        CredentialSource::Token(..) | CredentialSource::MetadataServer => None,
    };
    match (named, of_credentials) {
        (Some(named), Some(other)) if named.value != other => Err(Error::invalid(format!(
            "{} is {}, and the credentials ({}) are of {other}",
            named.source,
            named.value,
            found.description().source
        ))
        .with_hint("use credentials of that universe, or unset it")),
        (Some(named), _) => Ok(Some(named.value.clone())),
        (None, other) => Ok(other.map(str::to_owned)),
    }
}

/// Checks that the credentials belong to the account that a variable names. In gcloud's files this property selects one
/// of gcloud's own logins; application default credentials have their own account.
///
/// # Errors
/// `InvalidSpec` if the credentials name another account.
pub(crate) fn check_account(settings: &Settings, found: &CredentialSource) -> Result<()> {
    let Some(named) = SourcedValue::from_variable(&settings.environment, "CLOUDSDK_CORE_ACCOUNT") else {
        return Ok(());
    };
    match found.principal() {
        Some(principal) if principal != named.value => Err(Error::invalid(format!(
            "{} is {}, and the credentials ({}) are of {principal}",
            named.source,
            quoted(&named.value),
            found.description().source
        ))
        .with_hint("use credentials of that account, or unset the variable")),
        _ => Ok(()),
    }
}

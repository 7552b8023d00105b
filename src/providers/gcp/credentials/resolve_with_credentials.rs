//! Values that the settings and the credentials decide together: project, universe and account. Each says where it is set.

use super::CredentialSource;
use crate::cloud::{Error, ProviderKind, Result, quoted};
use crate::providers::gcp::configuration::config_file_keys::PROJECT;
use crate::providers::gcp::configuration::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::providers::gcp::configuration::resolve_settings::{DEFAULT_UNIVERSE, check_project};
use crate::settings::Settings;

/// Returns the project that the settings name, or else the credentials.
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
pub(crate) fn resolve_matching_universe(
    credentials: &CredentialSource,
    setting: Option<&SourcedValue>,
) -> Result<Option<String>> {
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
        return Err(Error::invalid(message).with_hint(format!(
            "use credentials of {}, or unset {}",
            setting.value, setting.source
        )));
    }
    Ok(Some(setting.value.clone()))
}

/// Checks that the credentials belong to the account that a variable names. In gcloud's files this property selects one
/// of gcloud's own logins; application default credentials have their own account.
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

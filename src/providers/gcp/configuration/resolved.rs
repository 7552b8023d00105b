//! What the settings for Compute Engine come to: cloudctl's own, then those of gcloud and Google's libraries. Each
//! value knows where it is set.

use http::HeaderValue;

use super::endpoint::address_of;
use super::gcloud_config::{GcloudConfiguration, Located};
use super::setting_keys::PROJECT;
use crate::cloud::{Error, ProviderKind, Result, quoted};
use crate::providers::gcp::credentials::CredentialSource;
use crate::providers::gcp::credentials::impersonation::Impersonation;
use crate::settings::Settings;

/// Google's own cloud, unless something else is said.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// No project's id is longer: a domain, a colon and 30 characters.
const LONGEST_PROJECT: usize = 300;

/// The project that something names: settings, or else the credentials.
///
/// # Errors
/// `InvalidSpec` if it cannot be the name of a project.
pub(crate) fn project(
    settings: &Settings,
    gcloud: &GcloudConfiguration,
    found: Option<&CredentialSource>,
) -> Result<Option<Located>> {
    let variable = |name| Located::variable(&settings.environment, name);
    let named = settings
        .of(ProviderKind::Gcp, PROJECT)
        .located()
        .or_else(|| variable("GOOGLE_CLOUD_PROJECT"))
        .or_else(|| variable("CLOUDSDK_CORE_PROJECT"))
        .or_else(|| variable("GCLOUD_PROJECT"))
        .or_else(|| gcloud.located_in_file("core", "project"))
        .or_else(|| found?.project());
    if let Some(project) = &named {
        check_project(project)?;
    }
    Ok(named)
}

fn check_project(project: &Located) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    let is_id = project.value.len() <= LONGEST_PROJECT && project.value.chars().all(is_plain);
    match is_id {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "{}: {} is not the id of a project",
            project.source,
            quoted(&project.value)
        ))
        .with_hint("`gcloud projects list` shows the ids of yours")),
    }
}

/// Which project pays for calls, where it is another than the one they go to.
pub(crate) enum QuotaProject {
    /// This one.
    Named(Located),
    /// The one that calls go to; where that is set.
    Current(String),
}

impl QuotaProject {
    /// # Errors
    /// `InvalidSpec` for what is no project and no word that can be honoured.
    pub(crate) fn of(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<Option<Self>> {
        let variable = Located::variable(&settings.environment, "GOOGLE_CLOUD_QUOTA_PROJECT");
        let Some(named) = variable.or_else(|| gcloud.located("billing", "quota_project")) else {
            return Ok(None);
        };
        // gcloud's own words. <https://cloud.google.com/sdk/gcloud/reference/config/set>
        match named.value.as_str() {
            "LEGACY" => Ok(None),
            "CURRENT_PROJECT" => Ok(Some(Self::Current(named.source))),
            "CURRENT_PROJECT_WITH_FALLBACK" => Err(Error::invalid(format!(
                "{} is CURRENT_PROJECT_WITH_FALLBACK, which cloudctl does not support",
                named.source
            ))
            .with_hint("set it to CURRENT_PROJECT, LEGACY or the id of a project")),
            _ => {
                check_project(&named)?;
                Ok(Some(Self::Named(named)))
            }
        }
    }

    /// The header's value for a project.
    ///
    /// # Errors
    /// `InvalidSpec` if it fits into none.
    pub(crate) fn header(project: &str) -> Result<HeaderValue> {
        HeaderValue::from_str(project)
            .map_err(|_| Error::invalid(format!("{} is not the id of a project", quoted(project))))
    }
}

/// Whom calls are made as, if it is not the caller.
///
/// # Errors
/// `InvalidSpec` if that is no service account.
pub(crate) fn impersonation(gcloud: &GcloudConfiguration) -> Result<Option<Impersonation>> {
    let setting = gcloud.located("auth", "impersonate_service_account");
    setting.as_ref().map(Impersonation::of).transpose()
}

/// The universe that is set.
///
/// # Errors
/// `InvalidSpec` if it is no domain.
pub(crate) fn universe(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<Option<Located>> {
    // The SDK reads this variable by itself, with all that is in it.
    let variable = Located::exact_variable(&settings.environment, "GOOGLE_CLOUD_UNIVERSE_DOMAIN");
    let Some(named) = variable.or_else(|| gcloud.located("core", "universe_domain")) else {
        return Ok(None);
    };
    let is_label = |label: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.len() < 64 && label.chars().all(is_plain) && !label.starts_with('-')
    };
    if named.value.contains('.') && named.value.len() <= 200 && named.value.split('.').all(is_label) {
        return Ok(Some(named));
    }
    Err(
        Error::invalid(format!("{}: {} is not a domain", named.source, quoted(&named.value)))
            .with_hint(format!("unset it for Google's own cloud, which is {DEFAULT_UNIVERSE}")),
    )
}

/// Checks that the credentials are of the universe that is set, and gives the one that holds, if it is not Google's own.
///
/// # Errors
/// `InvalidSpec` if they are of another one.
pub(crate) fn universe_of(found: &CredentialSource, named: Option<&Located>) -> Result<Option<String>> {
    let of_credentials = match found {
        CredentialSource::File(_) => Some(found.universe().unwrap_or(DEFAULT_UNIVERSE)),
        CredentialSource::Token(..) | CredentialSource::MetadataServer => None,
    };
    match (named, of_credentials) {
        (Some(named), Some(other)) if named.value != other => Err(Error::invalid(format!(
            "{} is {}, and the credentials ({}) are of {other}",
            named.source,
            named.value,
            found.described().source
        ))
        .with_hint("use credentials of that universe, or unset it")),
        (Some(named), _) => Ok(Some(named.value.clone())),
        (None, other) => Ok(other.map(str::to_owned)),
    }
}

/// Checks that the credentials are of the account that a variable names. In gcloud's files that property says which of
/// gcloud's own logins acts; application default credentials have their own account.
///
/// # Errors
/// `InvalidSpec` if they say that they are another one's.
pub(crate) fn check_account(settings: &Settings, found: &CredentialSource) -> Result<()> {
    let Some(named) = Located::variable(&settings.environment, "CLOUDSDK_CORE_ACCOUNT") else {
        return Ok(());
    };
    match found.principal() {
        Some(principal) if principal != named.value => Err(Error::invalid(format!(
            "{} is {}, and the credentials ({}) are of {principal}",
            named.source,
            quoted(&named.value),
            found.described().source
        ))
        .with_hint("use credentials of that account, or unset the variable")),
        _ => Ok(()),
    }
}

/// The address of Google's API of this name, which gcloud's override moves, without its version and last slash.
///
/// # Errors
/// `InvalidSpec` if the override is no address.
pub(crate) fn endpoint(
    gcloud: &GcloudConfiguration,
    api: &str,
    version: &str,
    universe: Option<&str>,
) -> Result<Located> {
    match gcloud.located("api_endpoint_overrides", api) {
        Some(named) => Ok(Located {
            value: address_of(&named, version)?,
            source: named.source,
        }),
        None => Ok(Located {
            value: format!("https://{api}.{}", universe.unwrap_or(DEFAULT_UNIVERSE)),
            source: "default".to_owned(),
        }),
    }
}

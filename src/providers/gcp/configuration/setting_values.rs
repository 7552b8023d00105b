//! The values of settings for Compute Engine: cloudctl's own first, then those of gcloud and Google's client libraries.
//! Each value says where it is set.

use http::HeaderValue;

use super::endpoints::parse_endpoint;
use super::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::cloud::{Error, Result, quoted};
use crate::settings::Settings;

/// The universe of Google's public cloud.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// The most characters of a project id: a domain, a colon and 30 characters are fewer.
const MAX_PROJECT_ID_LENGTH: usize = 300;

pub(crate) fn check_project(project: &SourcedValue) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    let is_id = project.value.len() <= MAX_PROJECT_ID_LENGTH && project.value.chars().all(is_plain);
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

/// The project that pays for calls, if it may differ from the project of the calls.
pub(crate) enum QuotaProject {
    /// A named project.
    Named(SourcedValue),
    /// The project of the calls, and where this is set.
    Current(String),
}

impl QuotaProject {
    /// # Errors
    /// `InvalidSpec` for text that is neither a project nor a supported word.
    pub(crate) fn resolve(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<Option<Self>> {
        let variable = SourcedValue::from_variable(&settings.environment, "GOOGLE_CLOUD_QUOTA_PROJECT");
        let Some(named) = variable.or_else(|| gcloud.setting("billing", "quota_project")) else {
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

    /// Makes the header value for a project.
    ///
    /// # Errors
    /// `InvalidSpec` if the project does not fit into a header.
    pub(crate) fn header_value(project: &str) -> Result<HeaderValue> {
        HeaderValue::from_str(project)
            .map_err(|_| Error::invalid(format!("{} is not the id of a project", quoted(project))))
    }
}

/// The service account that calls are made as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Impersonation {
    pub(crate) principal: String,
    /// Each account may act as the next one, the last one as the principal.
    pub(crate) delegates: Vec<String>,
    pub(crate) source: String,
}

impl Impersonation {
    /// Parses gcloud's comma-separated list: the last account is impersonated, the others are the chain to it.
    /// <https://cloud.google.com/sdk/docs/properties>
    ///
    /// # Errors
    /// `InvalidSpec` if one is not the address of a service account.
    pub(crate) fn parse(setting: &SourcedValue) -> Result<Self> {
        let accounts = setting.value.split(',').map(str::trim);
        let mut accounts: Vec<String> = accounts
            .filter(|account| !account.is_empty())
            .map(str::to_owned)
            .collect();
        let is_address = |account: &String| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            // A number is the unique id of a service account.
            account.chars().all(|c| c.is_ascii_digit())
                || account.split_once('@').is_some_and(|(name, domain)| {
                    !name.is_empty()
                        && name.chars().all(is_plain)
                        && domain.contains('.')
                        && domain.chars().all(is_plain)
                })
        };
        let wrong = accounts.iter().find(|account| !is_address(account));
        let wrong = wrong.cloned();
        match (wrong, accounts.pop()) {
            (None, Some(principal)) => Ok(Self {
                principal,
                delegates: accounts,
                source: setting.source.clone(),
            }),
            (wrong, _) => {
                let shown = quoted(&wrong.unwrap_or_else(|| setting.value.clone()));
                Err(
                    Error::invalid(format!("{}: {shown} is not a service account", setting.source))
                        .with_hint("name it as NAME@PROJECT.iam.gserviceaccount.com"),
                )
            }
        }
    }
}

/// Returns the service account to impersonate, if one is set.
///
/// # Errors
/// `InvalidSpec` if it is not a service account.
pub(crate) fn resolve_impersonation(gcloud: &GcloudConfiguration) -> Result<Option<Impersonation>> {
    let setting = gcloud.setting("auth", "impersonate_service_account");
    setting.as_ref().map(Impersonation::parse).transpose()
}

/// Returns the universe that is set.
///
/// # Errors
/// `InvalidSpec` if it is not a domain.
pub(crate) fn configured_universe(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<Option<SourcedValue>> {
    // The SDK reads this variable too, with all white space in it.
    let variable = SourcedValue::from_exact_variable(&settings.environment, "GOOGLE_CLOUD_UNIVERSE_DOMAIN");
    let Some(named) = variable.or_else(|| gcloud.setting("core", "universe_domain")) else {
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

/// Returns the address of an API, without its version and last slash. gcloud's override changes it.
///
/// # Errors
/// `InvalidSpec` if the override is not an address.
pub(crate) fn resolve_endpoint(
    gcloud: &GcloudConfiguration,
    api: &str,
    version: &str,
    universe: Option<&str>,
) -> Result<SourcedValue> {
    match gcloud.setting("api_endpoint_overrides", api) {
        Some(named) => Ok(SourcedValue {
            value: parse_endpoint(&named, version)?,
            source: named.source,
        }),
        None => Ok(SourcedValue {
            value: format!("https://{api}.{}", universe.unwrap_or(DEFAULT_UNIVERSE)),
            source: "default".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Impersonation> {
        Impersonation::parse(&SourcedValue {
            value: value.to_owned(),
            source: "here".to_owned(),
        })
    }

    #[test]
    fn last_account_of_a_chain_is_impersonated() {
        let chain = of("a@p.iam.gserviceaccount.com, b@p.iam.gserviceaccount.com").unwrap();
        assert_eq!(chain.principal, "b@p.iam.gserviceaccount.com");
        assert_eq!(chain.delegates, ["a@p.iam.gserviceaccount.com"]);
    }

    #[test]
    fn text_that_is_no_service_account_is_refused() {
        for value in ["deployer", "a@b", "a@b.test/x", ",", "a b@c.test", "a@p.test,nope"] {
            assert!(of(value).is_err(), "{value}");
        }
    }
}

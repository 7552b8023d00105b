//! The values of settings for Compute Engine: cloudctl's own first, then those of gcloud and Google's client libraries.
//! Each value says where it is set.

use http::HeaderValue;

use super::endpoints::{GoogleApi, parse_endpoint};
use super::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::cloud::{Error, Result, quoted};
use crate::settings::Settings;

/// The universe of Google's public cloud.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// The most characters of a project id: a domain, a colon and 30 characters are fewer.
const MAX_PROJECT_ID_LENGTH: usize = 300;

pub(crate) fn check_project(project: &SourcedValue) -> Result<()> {
    let is_id_character = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
    if project.value.len() <= MAX_PROJECT_ID_LENGTH && project.value.chars().all(is_id_character) {
        return Ok(());
    }
    let message = format!(
        "{}: {} is not the id of a project",
        project.source,
        quoted(&project.value)
    );
    Err(Error::invalid(message).with_hint("`gcloud projects list` shows the ids of yours"))
}

/// The project that pays for calls, if it may differ from the project of the calls.
pub(crate) enum QuotaProject {
    /// A named project.
    Named(SourcedValue),
    /// The project of the calls, and where this is set.
    Current(String),
}

impl QuotaProject {
    pub(crate) fn resolve(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<Option<Self>> {
        let variable = SourcedValue::from_variable(&settings.environment, "GOOGLE_CLOUD_QUOTA_PROJECT");
        let Some(setting) = variable.or_else(|| gcloud.setting("billing", "quota_project")) else {
            return Ok(None);
        };
        // gcloud's own words. <https://cloud.google.com/sdk/gcloud/reference/config/set>
        match setting.value.as_str() {
            "LEGACY" => Ok(None),
            "CURRENT_PROJECT" => Ok(Some(Self::Current(setting.source))),
            "CURRENT_PROJECT_WITH_FALLBACK" => Err(Error::invalid(format!(
                "{} is CURRENT_PROJECT_WITH_FALLBACK, which cloudctl does not support",
                setting.source
            ))
            .with_hint("set it to CURRENT_PROJECT, LEGACY or the id of a project")),
            _ => {
                check_project(&setting)?;
                Ok(Some(Self::Named(setting)))
            }
        }
    }

    /// Makes the header value for a project.
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
    pub(crate) fn parse(setting: &SourcedValue) -> Result<Self> {
        let parts = setting.value.split(',').map(str::trim);
        let accounts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        if let Some(invalid) = accounts.iter().find(|account| !is_service_account(account)) {
            return Err(not_service_account_error(setting, invalid));
        }
        let Some((principal, delegates)) = accounts.split_last() else {
            return Err(not_service_account_error(setting, &setting.value));
        };
        Ok(Self {
            principal: (*principal).to_owned(),
            delegates: delegates.iter().map(ToString::to_string).collect(),
            source: setting.source.clone(),
        })
    }
}

fn not_service_account_error(setting: &SourcedValue, text: &str) -> Error {
    let message = format!("{}: {} is not a service account", setting.source, quoted(text));
    Error::invalid(message).with_hint("name it as NAME@PROJECT.iam.gserviceaccount.com")
}

/// Says whether a text is the address of a service account, or its unique id, which is a number.
fn is_service_account(text: &str) -> bool {
    let has_address_characters = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    match text.split_once('@') {
        Some((name, domain)) => {
            !name.is_empty() && domain.contains('.') && has_address_characters(name) && has_address_characters(domain)
        }
        None => text.chars().all(|c| c.is_ascii_digit()),
    }
}

/// Returns the service account to impersonate, if one is set.
pub(crate) fn resolve_impersonation(gcloud: &GcloudConfiguration) -> Result<Option<Impersonation>> {
    match gcloud.setting("auth", "impersonate_service_account") {
        Some(setting) => Impersonation::parse(&setting).map(Some),
        None => Ok(None),
    }
}

/// Returns the universe that is set.
pub(crate) fn resolve_universe(settings: &Settings, gcloud: &GcloudConfiguration) -> Result<Option<SourcedValue>> {
    // The SDK reads this variable too, with all white space in it.
    let variable = SourcedValue::from_untrimmed_variable(&settings.environment, "GOOGLE_CLOUD_UNIVERSE_DOMAIN");
    let Some(setting) = variable.or_else(|| gcloud.setting("core", "universe_domain")) else {
        return Ok(None);
    };
    if is_domain(&setting.value) {
        return Ok(Some(setting));
    }
    let message = format!("{}: {} is not a domain", setting.source, quoted(&setting.value));
    Err(Error::invalid(message).with_hint(format!("unset it for Google's own cloud, which is {DEFAULT_UNIVERSE}")))
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..64).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
    };
    text.contains('.') && text.len() <= 200 && text.split('.').all(is_label)
}

/// Returns the address of an API, without its base path and last slash: gcloud's setting, or the one in the universe.
pub(crate) fn resolve_endpoint(
    gcloud: &GcloudConfiguration,
    api: &GoogleApi,
    universe: Option<&str>,
) -> Result<SourcedValue> {
    match api.address_setting(gcloud) {
        Some(setting) => Ok(SourcedValue::new(parse_endpoint(&setting, api)?, setting.source)),
        None => Ok(SourcedValue::new(
            format!("https://{}.{}", api.name, universe.unwrap_or(DEFAULT_UNIVERSE)),
            "default",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_service_account_is_refused() {
        for value in ["deployer", "a@b", "a@b.test/x", ",", "a b@c.test", "a@p.test,nope"] {
            let setting = SourcedValue::new(value.to_owned(), "here");
            assert!(Impersonation::parse(&setting).is_err(), "{value}");
        }
    }
}

//! Credentials: where they are found, and the tokens that they give.
//!
//! The order is: a token in `GOOGLE_OAUTH_ACCESS_TOKEN`, `CLOUDSDK_AUTH_ACCESS_TOKEN` or the file that
//! `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE` names; the file that `GOOGLE_APPLICATION_CREDENTIALS` or else
//! `CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE` names; the last two properties in gcloud's files;
//! `application_default_credentials.json` in gcloud's folder; the metadata server, only on Google's machines.
//! <https://cloud.google.com/docs/authentication/application-default-credentials>
//!
//! EC2 differs: aws-config has the whole chain. google-cloud-auth lacks static tokens, gcloud's settings, workforce
//! logins, and the project of the credentials.

pub(super) mod access_token;
pub(super) mod credentials_file;
pub(super) mod impersonation;
pub(super) mod metadata_server;
pub(super) mod resolve_with_credentials;
pub(super) mod workforce;

use google_cloud_auth::credentials::{Credentials, external_account, impersonated, service_account, user_account};
use http::HeaderMap;
use serde_json::Value;

use self::access_token::{RenewedToken, StaticToken, bearer_header};
use self::credentials_file::{CredentialsFile, FileType};
use self::metadata_server::{MetadataServer, MetadataToken};
use self::workforce::WorkforceToken;
use super::configuration::gcloud_config;
use super::configuration::gcloud_config::{GcloudConfiguration, SourcedValue};
use crate::cloud::{Error, ErrorKind, Result};
use crate::settings::Environment;

const HOW_TO_LOG_IN: &str =
    "run `gcloud auth application-default login`, or point GOOGLE_APPLICATION_CREDENTIALS at a credentials file";

/// Where credentials were found.
pub(super) enum CredentialSource {
    /// An access token, as a header, and where it is set.
    Token(HeaderMap, String),
    /// A credentials file.
    File(Box<CredentialsFile>),
    /// The metadata server of this machine, which is Google's.
    MetadataServer,
}

/// Finds credentials. Makes no network call.
///
/// # Errors
/// `Unauthenticated` that names a variable or file that cannot be read or used.
pub(super) fn find_credentials(
    environment: &Environment,
    gcloud: &GcloudConfiguration,
) -> Result<Option<CredentialSource>> {
    for variable in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
        if let Some(token) = SourcedValue::from_variable(environment, variable) {
            return check_token(&token.value, token.source).map(Some);
        }
    }
    let in_variable = |name| SourcedValue::from_variable(environment, name);
    let in_file = |key| gcloud.file_setting("auth", key);
    if let Some(setting) = in_variable("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE") {
        return read_token_file(&setting, environment).map(Some);
    }
    let credentials_file_variable =
        in_variable("GOOGLE_APPLICATION_CREDENTIALS").or_else(|| in_variable("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"));
    if let Some(setting) = credentials_file_variable {
        return read_credentials_file(&setting, environment).map(Some);
    }
    if let Some(setting) = in_file("access_token_file") {
        return read_token_file(&setting, environment).map(Some);
    }
    if let Some(setting) = in_file("credential_file_override") {
        return read_credentials_file(&setting, environment).map(Some);
    }
    if let Some(folder) = gcloud_config::config_folder(environment) {
        let path = folder.join("application_default_credentials.json");
        let shown = environment.display_path(&path);
        if let Some(text) = credentials_file::read_text(&path, &shown)? {
            let file = CredentialsFile::parse(&text, shown.clone(), shown, environment)?;
            return Ok(Some(CredentialSource::File(Box::new(file))));
        }
    }
    if metadata_server::is_available(environment) {
        return Ok(Some(CredentialSource::MetadataServer));
    }
    Ok(None)
}

pub(super) fn missing_credentials_error() -> Error {
    Error::new(ErrorKind::Unauthenticated, "no Google Cloud credentials found").with_hint(HOW_TO_LOG_IN)
}

/// Checks the form of an access token.
fn check_token(token: &str, source: String) -> Result<CredentialSource> {
    // Tokens have the characters of <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>. Google's have 2,048 bytes at
    // most.
    const MAX_TOKEN_LENGTH: usize = 16 * 1024;
    let is_token_character = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let token_error = |problem: &str| {
        Error::new(ErrorKind::Unauthenticated, format!("{source} {problem}"))
            .with_hint("set it to what `gcloud auth print-access-token` prints, which is one word")
    };
    if token.is_empty() {
        return Err(token_error("is empty"));
    }
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(token_error("is far too long for an access token"));
    }
    let wrong_character = || token_error("has characters that no access token has");
    if !token.chars().all(is_token_character) {
        return Err(wrong_character());
    }
    let headers = bearer_header(token).map_err(|_| wrong_character())?;
    Ok(CredentialSource::Token(headers, source))
}

fn read_token_file(setting: &SourcedValue, environment: &Environment) -> Result<CredentialSource> {
    let path = &environment.expand_path(&setting.value);
    let shown = credentials_file::describe_setting(setting);
    let Some(text) = credentials_file::read_text(path, &shown)? else {
        let hint = match credentials_file::is_content(&setting.value) {
            true => "a file's name belongs there; the token itself goes in CLOUDSDK_AUTH_ACCESS_TOKEN",
            false => "name the file that has the token; the token itself goes in CLOUDSDK_AUTH_ACCESS_TOKEN",
        };
        return Err(credentials_file::missing_file_error(setting).with_hint(hint));
    };
    let token = text.trim();
    if token.starts_with('{') {
        let message = format!("the file of {shown} is JSON, and no access token");
        return Err(Error::new(ErrorKind::Unauthenticated, message)
            .with_hint("point GOOGLE_APPLICATION_CREDENTIALS at it if it is a credentials file"));
    }
    check_token(token, format!("the file of {shown}"))
}

/// Reads the credentials file that a setting names. The file must exist.
fn read_credentials_file(setting: &SourcedValue, environment: &Environment) -> Result<CredentialSource> {
    let shown = credentials_file::describe_setting(setting);
    let path = &environment.expand_path(&setting.value);
    let Some(text) = credentials_file::read_text(path, &shown)? else {
        return Err(credentials_file::missing_file_error(setting));
    };
    let name = environment.display_path(path);
    let file = CredentialsFile::parse(&text, name, shown, environment)?;
    Ok(CredentialSource::File(Box::new(file)))
}

impl CredentialSource {
    /// Builds the SDK's credentials, for a universe if one is set. Must run inside Tokio.
    ///
    /// # Errors
    /// `Unauthenticated` for an incomplete file.
    pub(super) fn to_credentials(&self, environment: &Environment, universe: Option<&str>) -> Result<Credentials> {
        match self {
            Self::Token(headers, _) => Ok(StaticToken::new(headers.clone(), universe.map(str::to_owned)).into()),
            Self::File(file) if file.file_type == FileType::WorkforceUser => Ok(WorkforceToken::new(file)?.into()),
            Self::File(file) => {
                let (json, file_type) = (file.json.clone(), file.file_type);
                let build = move || build_credentials(json.expose().clone(), file_type);
                let Some(credentials) = build() else {
                    return Err(file.unusable_error("is not complete"));
                };
                Ok(RenewedToken::new(file.token_server(), credentials, build).into())
            }
            Self::MetadataServer => {
                let server = MetadataServer::new(environment)?;
                Ok(MetadataToken::new(server, universe.map(str::to_owned)).into())
            }
        }
    }

    /// Returns the project that the credentials belong to or are billed to, and where it is named.
    pub(super) fn project(&self) -> Option<SourcedValue> {
        let Self::File(file) = self else { return None };
        let value = file.text("project_id").or_else(|| file.text("quota_project_id"))?;
        Some(SourcedValue::new(value.to_owned(), file.source.clone()))
    }

    pub(super) fn universe(&self) -> Option<&str> {
        let Self::File(file) = self else { return None };
        file.text("universe_domain")
    }

    /// Returns the project to bill that the credentials file names, if the SDK does not handle it.
    pub(super) fn quota_project(&self) -> Option<&str> {
        match self {
            Self::File(file) if file.file_type == FileType::WorkforceUser => file
                .text("quota_project_id")
                .or_else(|| file.text("workforce_pool_user_project")),
            _ => None,
        }
    }

    /// Returns the account of the credentials, if they name it.
    pub(super) fn principal(&self) -> Option<String> {
        let Self::File(file) = self else { return None };
        file.principal()
    }

    /// Describes the credentials and where they were found, without a secret.
    pub(super) fn description(&self) -> SourcedValue {
        match self {
            Self::Token(_, source) => SourcedValue::new("access token", source.clone()),
            Self::File(file) => SourcedValue::new(
                format!("{} in {}", file.file_type.name(), file.name),
                file.source.clone(),
            ),
            Self::MetadataServer => SourcedValue::new("service account of this machine", "metadata server"),
        }
    }
}

/// Builds the SDK's credentials; `None` for a file that the SDK refuses. The SDK's message could quote a value of the
/// file.
fn build_credentials(json: Value, file_type: FileType) -> Option<Credentials> {
    let built = match file_type {
        FileType::AuthorizedUser => user_account::Builder::new(json).build(),
        FileType::ServiceAccount => service_account::Builder::new(json).build(),
        FileType::ExternalAccount => external_account::Builder::new(json).build(),
        FileType::ImpersonatedServiceAccount => impersonated::Builder::new(json).build(),
        FileType::WorkforceUser => return None,
    };
    built.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_file_need_not_exist() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [
            ("CLOUDSDK_CONFIG", folder.path().to_str().unwrap()),
            ("NO_GCE_CHECK", "1"),
        ];
        let environment = Environment::new(variables.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let find = || find_credentials(&environment, &GcloudConfiguration::from_variables(&environment)).unwrap();
        assert!(find().is_none());
        let path = folder.path().join("application_default_credentials.json");
        let json = r#"{"type":"authorized_user","client_id":"a","client_secret":"b","refresh_token":"c",
                       "quota_project_id":"acme"}"#;
        std::fs::write(path, json).unwrap();
        let found = find().unwrap();
        assert_eq!(found.project().map(|project| project.value), Some("acme".to_owned()));
    }
}

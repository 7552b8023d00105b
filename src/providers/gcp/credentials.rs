//! Credentials. Only Compute Engine: aws-config has its whole chain in itself, google-cloud-auth lacks static
//! tokens, `CLOUDSDK_CONFIG`, and any notion of a project.
//!
//! In this order: a token in `GOOGLE_OAUTH_ACCESS_TOKEN`, `CLOUDSDK_AUTH_ACCESS_TOKEN` or the file that
//! `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE` names; the file that `GOOGLE_APPLICATION_CREDENTIALS` names;
//! `application_default_credentials.json` in gcloud's folder; the metadata server, on Google's own machines only.
//! <https://cloud.google.com/docs/authentication/application-default-credentials>

use std::fmt;
use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::{Credentials, external_account, impersonated, mds, service_account, user_account};
use serde_json::Value;

use super::gcloud_configuration;
use super::token::{RenewedToken, StaticToken};
use crate::cloud::{Error, ErrorKind, Result, Secret};
use crate::settings::Environment;

const HOW_TO_LOG_IN: &str =
    "run `gcloud auth application-default login`, or point GOOGLE_APPLICATION_CREDENTIALS at a credentials file";

/// Where credentials were found.
pub(super) enum Found {
    /// An access token.
    Token(Secret<String>),
    /// A credentials file: where it is, and what it says.
    File(PathBuf, Secret<Value>),
    /// This machine is Google's; its metadata server gives tokens.
    MetadataServer,
}

/// Looks for credentials; asks no network.
///
/// # Errors
/// `Unauthenticated` if a file that is named is not there or is no JSON.
pub(super) fn find(environment: &Environment) -> Result<Option<Found>> {
    for variable in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
        if let Some(token) = environment.get(variable) {
            return Ok(Some(Found::Token(Secret::new(token.trim().to_owned()))));
        }
    }
    if let Some(path) = environment.get("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE") {
        let token = std::fs::read_to_string(path).map_err(|error| unreadable(Path::new(path), &error))?;
        return Ok(Some(Found::Token(Secret::new(token.trim().to_owned()))));
    }
    if let Some(path) = environment.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from) {
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        return file(path, &text).map(Some);
    }
    if let Some(folder) = gcloud_configuration::folder(environment) {
        let path = folder.join("application_default_credentials.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => return file(path, &text).map(Some),
            // A home that is no folder, /dev/null say, holds no files.
            Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(on_google_cloud(environment).then_some(Found::MetadataServer))
}

/// The error of having none.
pub(super) fn missing() -> Error {
    Error::new(ErrorKind::Unauthenticated, "no Google Cloud credentials found").with_remedy(HOW_TO_LOG_IN)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot read the credentials file {}: {error}", path.display());
    Error::new(ErrorKind::Unauthenticated, message).with_remedy(HOW_TO_LOG_IN)
}

fn file(path: PathBuf, text: &str) -> Result<Found> {
    // The parser's own message could quote a key out of the file.
    let Ok(value) = serde_json::from_str(text) else {
        let message = format!("the credentials file {} is not JSON", path.display());
        return Err(Error::new(ErrorKind::Unauthenticated, message).with_remedy(HOW_TO_LOG_IN));
    };
    Ok(Found::File(path, Secret::new(value)))
}

impl Found {
    /// Makes the SDK's credentials. Must run inside Tokio.
    ///
    /// # Errors
    /// `Unauthenticated` for a file that is not complete or of a type that is not known.
    pub(super) fn credentials(&self, environment: &Environment) -> Result<Credentials> {
        match self {
            Self::Token(token) => StaticToken::new(token.expose()).map(Credentials::from),
            Self::File(path, json) => {
                let (json, quota_project) = (json.clone(), environment.get("GOOGLE_CLOUD_QUOTA_PROJECT"));
                let quota_project = quota_project.map(str::to_owned);
                let build = move || from_json(json.expose().clone(), quota_project.as_deref());
                match build() {
                    Some(Ok(first)) => Ok(RenewedToken::new(self.token_server(), first, move || build()?.ok()).into()),
                    Some(Err(_)) => Err(unusable(&path.display(), "is not complete")),
                    None => Err(unusable(&path.display(), "has a type that is not supported")),
                }
            }
            Self::MetadataServer => {
                let build = || mds::Builder::default().build();
                let first = build().map_err(|_| unusable(&"of the metadata server", "is not complete"))?;
                Ok(RenewedToken::new(self.token_server(), first, move || build().ok()).into())
            }
        }
    }

    /// Who gives the tokens, with its address if that is in the file.
    fn token_server(&self) -> String {
        let Self::File(_, json) = self else {
            return "the metadata server".to_owned();
        };
        let url = ["token_uri", "token_url"]
            .iter()
            .find_map(|key| json.expose().get(key)?.as_str());
        let host = url.and_then(|url| url.split("://").nth(1)?.split(['/', '?', '#']).next());
        match host.and_then(|host| host.rsplit('@').next()) {
            Some(host) => format!("the token server {host}"),
            None => "the token server".to_owned(),
        }
    }

    /// The project that the credentials belong to or are billed to, if they say.
    pub(super) fn project(&self) -> Option<&str> {
        let Self::File(_, json) = self else { return None };
        ["project_id", "quota_project_id"]
            .iter()
            .filter_map(|key| json.expose().get(key)?.as_str())
            .find(|project| !project.is_empty())
    }

    /// Whom the credentials stand for, if they say.
    pub(super) fn principal(&self) -> Option<String> {
        let Self::File(_, json) = self else { return None };
        let text = |key: &str| {
            json.expose()
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        // …/serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken
        let impersonated = || {
            let url = text("service_account_impersonation_url")?;
            url.rsplit_once("/serviceAccounts/")?.1.split(':').next()
        };
        text("client_email")
            .or_else(impersonated)
            .or_else(|| text("account"))
            .map(str::to_owned)
    }
}

/// Nothing for a type that the SDK does not know.
fn from_json(json: Value, quota_project: Option<&str>) -> Option<Result<Credentials, BuildError>> {
    // The builders of the SDK share their method names but no trait.
    macro_rules! build {
        ($builder:expr) => {{
            let builder = $builder;
            match quota_project {
                Some(project) => builder.with_quota_project_id(project).build(),
                None => builder.build(),
            }
        }};
    }
    Some(match json.get("type").and_then(Value::as_str)? {
        "authorized_user" => build!(user_account::Builder::new(json)),
        "service_account" => build!(service_account::Builder::new(json)),
        "external_account" => build!(external_account::Builder::new(json)),
        "impersonated_service_account" => build!(impersonated::Builder::new(json)),
        _ => return None,
    })
}

/// Without the SDK's own message, which could quote a value out of the file.
fn unusable(which: &dyn fmt::Display, why: &str) -> Error {
    let message = format!("the credentials file {which} {why}");
    Error::new(ErrorKind::Unauthenticated, message).with_remedy(HOW_TO_LOG_IN)
}

/// Whether this machine is Google's: its firmware says so on a VM, the environment on Cloud Run. Google's own
/// libraries know `GCE_METADATA_HOST`, which moves the metadata server, and `NO_GCE_CHECK`, which rules it out.
pub(super) fn on_google_cloud(environment: &Environment) -> bool {
    if environment.has("NO_GCE_CHECK") {
        return false;
    }
    let variables = ["GCE_METADATA_HOST", "K_SERVICE", "CLOUD_RUN_JOB"];
    variables.iter().any(|variable| environment.has(variable))
        || std::fs::read_to_string("/sys/devices/virtual/dmi/id/product_name")
            .is_ok_and(|name| name.trim() == "Google Compute Engine")
}

/// The project of this machine, from its metadata server. Only to be asked where there is one: it is a second at
/// most. <https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys>
pub(super) fn metadata_project(environment: &Environment) -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let host = environment.get("GCE_METADATA_HOST").unwrap_or("169.254.169.254");
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = std::net::ToSocketAddrs::to_socket_addrs(&address).ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "GET /computeMetadata/v1/project/project-id HTTP/1.0\r\nHost: {host}\r\nMetadata-Flavor: Google\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let granted = head.split(' ').nth(1) == Some("200");
    let project = body.trim();
    (granted && !project.is_empty()).then(|| project.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter().chain(&[("NO_GCE_CHECK", "1")]);
        Environment::new(variables.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_token_comes_before_a_file() {
        let environment = environment(&[
            ("GOOGLE_OAUTH_ACCESS_TOKEN", "abc"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/absent"),
        ]);
        assert!(matches!(find(&environment), Ok(Some(Found::Token(_)))));
    }

    #[test]
    fn a_named_file_must_be_there_and_the_well_known_one_need_not() {
        let named = environment(&[("GOOGLE_APPLICATION_CREDENTIALS", "/absent")]);
        assert_eq!(
            find(&named).err().map(|error| error.kind()),
            Some(ErrorKind::Unauthenticated)
        );
        let folder = tempfile::tempdir().unwrap();
        let configured = environment(&[("CLOUDSDK_CONFIG", &folder.path().display().to_string())]);
        assert!(find(&configured).unwrap().is_none());
        let path = folder.path().join("application_default_credentials.json");
        std::fs::write(path, r#"{"type":"authorized_user","quota_project_id":"acme"}"#).unwrap();
        let found = find(&configured).unwrap().unwrap();
        assert_eq!(found.project(), Some("acme"));
    }

    #[test]
    fn the_principal_is_read_from_every_kind_of_file() {
        let impersonation = "https://iam.test/v1/projects/-/serviceAccounts/b@acme.iam.test:generateAccessToken";
        for (json, principal) in [
            (json!({"client_email": "a@acme.iam.test"}), Some("a@acme.iam.test")),
            (
                json!({"service_account_impersonation_url": impersonation}),
                Some("b@acme.iam.test"),
            ),
            (json!({"type": "authorized_user", "account": ""}), None),
        ] {
            let found = Found::File("file".into(), Secret::new(json));
            assert_eq!(found.principal().as_deref(), principal);
        }
    }

    #[test]
    fn no_secret_of_a_file_is_printed() {
        let broken = file("x".into(), "{\"private_key\": hunter2").err().unwrap();
        assert!(!format!("{broken} {broken:?}").contains("hunter2"));
    }
}

//! The metadata server of Google's machines: it names their project and gives tokens. It is called directly, never
//! through a proxy, which would see the tokens. <https://cloud.google.com/compute/docs/metadata/overview>

use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use super::access_token::{TokenAnswer, TokenCache, TokenError, build_http_client, debug_without_fields};
use crate::cloud::{Error, Result, quoted};
use crate::settings::Environment;

/// The address on every Google machine.
const ADDRESS: &str = "169.254.169.254";
/// How long to wait for a project or universe: the server is on this machine and answers at once.
const TEXT_TIMEOUT: Duration = Duration::from_secs(1);

/// Says whether this machine is Google's: the firmware of a VM says so, and the environment on Cloud Run. Google's
/// libraries know `GCE_METADATA_HOST`, which moves the metadata server, and `NO_GCE_CHECK`, which disables it.
pub(crate) fn is_available(environment: &Environment) -> bool {
    if environment.has("NO_GCE_CHECK") {
        return false;
    }
    let variables = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "K_SERVICE", "CLOUD_RUN_JOB"];
    variables.iter().any(|variable| environment.has(variable))
        || std::fs::read_to_string("/sys/devices/virtual/dmi/id/product_name")
            .is_ok_and(|name| name.trim() == "Google Compute Engine")
}

#[derive(Clone, Debug)]
pub(crate) struct MetadataServer {
    host: String,
    http: reqwest::Client,
}

impl MetadataServer {
    pub(crate) fn new(environment: &Environment) -> Result<Self> {
        let set = |variable| Some((variable, environment.get(variable)?.trim()));
        let (variable, host) = set("GCE_METADATA_HOST")
            .or_else(|| set("GCE_METADATA_ROOT"))
            .unwrap_or(("", ADDRESS));
        let is_host = !host.contains(['/', '@', '?', '#', ' ', '\\'])
            && reqwest::Url::parse(&format!("http://{host}/")).is_ok_and(|url| url.has_host());
        if !is_host {
            let message = format!("{variable}: {} is not a host", quoted(host));
            return Err(Error::invalid(message).with_hint(format!("set {variable} to HOST or HOST:PORT, or unset it")));
        }
        Ok(Self {
            host: host.to_owned(),
            http: build_http_client(reqwest::Client::builder().no_proxy(), "the metadata server")?,
        })
    }

    /// Returns the project of this machine; `None` if the server does not name it.
    pub(crate) async fn project(&self) -> Option<String> {
        self.read_text("project/project-id").await
    }

    async fn read_text(&self, path: &str) -> Option<String> {
        let answer = self.get(path).timeout(TEXT_TIMEOUT).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let text = answer.text().await.ok()?;
        let text = text.trim();
        let is_name_character = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        if text.is_empty() || text.len() >= 256 || !text.chars().all(is_name_character) {
            return None;
        }
        Some(text.to_owned())
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}/computeMetadata/v1/{path}", self.host);
        self.http.get(url).header("Metadata-Flavor", "Google")
    }

    async fn token(&self) -> Result<(HeaderMap, Duration), TokenError> {
        let message = |why: String| format!("the metadata server {}: {why}", self.host);
        let request = self.get("instance/service-accounts/default/token");
        let answer = TokenAnswer::send(request, message).await?;
        match answer.status {
            200 => Ok((answer.header("access_token", message)?, answer.lifetime())),
            404 => Err(TokenError::permanent(message(
                "this machine has no service account".to_owned(),
            ))),
            status => Err(TokenError::from_status(status, message(answer.reason()))),
        }
    }
}

pub(crate) struct MetadataToken {
    server: MetadataServer,
    universe: Option<String>,
    cache: TokenCache,
}

impl MetadataToken {
    /// Creates the provider. `universe` is the universe that is set; without one the server is asked.
    pub(crate) fn new(server: MetadataServer, universe: Option<String>) -> Self {
        Self {
            server,
            universe,
            cache: TokenCache::default(),
        }
    }
}

debug_without_fields!(MetadataToken);

impl CredentialsProvider for MetadataToken {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        self.cache.headers(self.server.token()).await
    }

    async fn universe_domain(&self) -> Option<String> {
        match &self.universe {
            Some(universe) => Some(universe.clone()),
            None => self.server.read_text("universe/universe-domain").await,
        }
    }
}

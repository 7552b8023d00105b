//! Tokens of a service account that the caller may impersonate.
//!
//! The SDK's own impersonation cannot use another address for the IAM Credentials API, and hides its answers.
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};
use serde_json::json;

use super::access_token::{TokenAnswer, TokenCache, TokenError, build_http_client, debug_without_fields};
use crate::cloud::Result;
use crate::providers::gcp::configuration::resolve_settings::Impersonation;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const LIFETIME: Duration = Duration::from_secs(3600);

/// Tokens of a service account, which the IAM Credentials API creates for the caller.
pub(crate) struct ImpersonatedToken {
    caller: Credentials,
    impersonation: Impersonation,
    /// The address of the API, without a last slash.
    endpoint: String,
    http: reqwest::Client,
    cache: TokenCache,
}

impl ImpersonatedToken {
    pub(crate) fn new(caller: Credentials, impersonation: Impersonation, endpoint: String) -> Result<Self> {
        Ok(Self {
            caller,
            impersonation,
            http: build_http_client(reqwest::Client::builder(), &endpoint)?,
            endpoint,
            cache: TokenCache::default(),
        })
    }

    async fn fetch(&self, caller: HeaderMap) -> Result<(HeaderMap, Duration), TokenError> {
        let principal = &self.impersonation.principal;
        let message = |why: String| format!("acting as {principal} ({}): {why}", self.impersonation.source);
        let url = format!(
            "{}/v1/projects/-/serviceAccounts/{principal}:generateAccessToken",
            self.endpoint
        );
        let delegates = self.impersonation.delegates.iter();
        let delegates: Vec<String> = delegates
            .map(|account| format!("projects/-/serviceAccounts/{account}"))
            .collect();
        let lifetime = format!("{}s", LIFETIME.as_secs());
        let body = json!({"scope": [SCOPE], "lifetime": lifetime, "delegates": delegates});
        let request = self.http.post(url).headers(caller).json(&body);
        let answer = TokenAnswer::send(request, message).await?;
        if answer.status != 200 {
            let failure = TokenError::from_status(answer.status, message(answer.reason()));
            return Err(match answer.status {
                403 | 404 => failure.with_hint(format!(
                    "the caller needs roles/iam.serviceAccountTokenCreator on {principal}; or unset {}",
                    self.impersonation.source
                )),
                _ => failure,
            });
        }
        Ok((answer.header("accessToken", message)?, LIFETIME))
    }
}

debug_without_fields!(ImpersonatedToken);

impl CredentialsProvider for ImpersonatedToken {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let caller = match self.caller.headers(extensions).await? {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => HeaderMap::new(),
        };
        self.cache.headers(self.fetch(caller)).await
    }

    async fn universe_domain(&self) -> Option<String> {
        self.caller.universe_domain().await
    }
}

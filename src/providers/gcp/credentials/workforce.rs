//! Tokens for a person who logged in through a workforce identity pool (`external_account_authorized_user`), which the
//! SDK does not support. <https://google.aip.dev/auth/4117>

use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use super::access_token::{TokenAnswer, TokenCache, TokenError, build_http_client, debug_without_fields};
use super::credentials_file::CredentialsFile;
use crate::cloud::{Result, Secret};

/// Tokens that the server in the credentials file gives for a refresh token.
pub(crate) struct WorkforceToken {
    url: String,
    client_id: String,
    client_secret: Secret<String>,
    refresh_token: Secret<String>,
    universe: Option<String>,
    server: String,
    http: reqwest::Client,
    cache: TokenCache,
}

impl WorkforceToken {
    /// Creates the provider from a credentials file.
    pub(crate) fn new(file: &CredentialsFile) -> Result<Self> {
        let text = |key| file.text(key).unwrap_or_default().to_owned();
        Ok(Self {
            url: text("token_url"),
            client_id: text("client_id"),
            client_secret: Secret::new(text("client_secret")),
            refresh_token: Secret::new(text("refresh_token")),
            universe: file.text("universe_domain").map(str::to_owned),
            server: file.token_server(),
            http: build_http_client(reqwest::Client::builder(), &file.token_server())?,
            cache: TokenCache::default(),
        })
    }

    async fn fetch(&self) -> Result<(HeaderMap, Duration), TokenError> {
        let message = |why: String| format!("{}: {why}", self.server);
        let refresh_token = self.refresh_token.expose().as_str();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let request = self.http.post(&self.url).form(&form);
        let request = request.basic_auth(&self.client_id, Some(self.client_secret.expose()));
        let answer = TokenAnswer::send(request, message).await?;
        if answer.status != 200 {
            return Err(TokenError::from_status(answer.status, message(answer.reason())));
        }
        Ok((answer.header("access_token", message)?, answer.lifetime()))
    }
}

debug_without_fields!(WorkforceToken);

impl CredentialsProvider for WorkforceToken {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        self.cache.headers(self.fetch()).await
    }

    async fn universe_domain(&self) -> Option<String> {
        self.universe.clone()
    }
}

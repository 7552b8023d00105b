//! Providers of access tokens, and why a token is missing.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::header::{AUTHORIZATION, InvalidHeaderValue};
use http::{Extensions, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;

use crate::cloud::{Error, Result, may_be_secret};
use crate::providers::common::connection_errors::error_chain;
use crate::providers::gcp::connection_errors::{Cause, find_cause, format_message};

/// How long to wait for a token. The SDK itself has no limit.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(25);
/// How long before its end a token is renewed.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);
/// After this time a token is renewed, even if its server says that it lives longer.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The header that names the project to bill. <https://cloud.google.com/apis/docs/system-parameters>
const BILLED_PROJECT_HEADER: &str = "x-goog-user-project";

/// Implements `Debug` without the fields, which have secrets.
macro_rules! debug_without_fields {
    ($($type:ident),*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(concat!(stringify!($type), "([secret])"))
            }
        }
    )*};
}
pub(super) use debug_without_fields;
debug_without_fields!(StaticToken, BilledCredentials, RenewedToken);

/// Makes the header of a token.
///
/// # Errors
/// If the token has characters that a header cannot have.
pub(crate) fn bearer_header(token: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))?;
    header.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, header)]))
}

fn to_cacheable(headers: HeaderMap) -> CacheableResource<HeaderMap> {
    CacheableResource::New {
        entity_tag: EntityTag::new(),
        data: headers,
    }
}

/// A token that a user has fetched. Nothing renews it.
pub(crate) struct StaticToken {
    headers: HeaderMap,
    universe: Option<String>,
}

impl StaticToken {
    pub(crate) fn new(headers: HeaderMap, universe: Option<String>) -> Self {
        Self { headers, universe }
    }
}

impl CredentialsProvider for StaticToken {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        Ok(to_cacheable(self.headers.clone()))
    }

    async fn universe_domain(&self) -> Option<String> {
        self.universe.clone()
    }
}

/// Credentials whose calls are billed to a named project.
pub(crate) struct BilledCredentials {
    credentials: Credentials,
    project: HeaderValue,
}

impl BilledCredentials {
    pub(crate) fn new(credentials: Credentials, project: HeaderValue) -> Self {
        Self { credentials, project }
    }
}

impl CredentialsProvider for BilledCredentials {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        Ok(match self.credentials.headers(extensions).await? {
            CacheableResource::New { entity_tag, mut data } => {
                data.insert(BILLED_PROJECT_HEADER, self.project.clone());
                CacheableResource::New { entity_tag, data }
            }
            unchanged @ CacheableResource::NotModified => unchanged,
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        self.credentials.universe_domain().await
    }
}

/// A token that is fetched when it is missing or about to end.
#[derive(Default)]
pub(crate) struct TokenCache {
    current: tokio::sync::Mutex<Option<(HeaderMap, Instant)>>,
}

impl TokenCache {
    /// Returns the headers of the token, and fetches it if necessary; `fetch` returns the headers and their lifetime.
    pub(crate) async fn headers(
        &self,
        fetch: impl Future<Output = Result<(HeaderMap, Duration), TokenError>> + Send,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let mut current = self.current.lock().await;
        if let Some((headers, end)) = current.as_ref()
            && Instant::now() < *end
        {
            return Ok(to_cacheable(headers.clone()));
        }
        let requested_at = Instant::now();
        let (headers, lifetime) = fetch.await.map_err(TokenError::into_error)?;
        let end = requested_at + lifetime.min(MAX_LIFETIME).saturating_sub(RENEWAL_MARGIN);
        *current = Some((headers.clone(), end));
        Ok(to_cacheable(headers))
    }
}

type Build = Box<dyn Fn() -> Option<Credentials> + Send + Sync>;

/// Tokens from a server. After a transient failure the next attempt asks the server again: the SDK's own credentials
/// would return the same failure for ten seconds.
pub(crate) struct RenewedToken {
    server: String,
    build: Build,
    /// `None` after a failure.
    current: Mutex<Option<Arc<Credentials>>>,
}

impl RenewedToken {
    /// Wraps credentials, which `build` can build again. `server` says which server gives tokens and for which account.
    pub(crate) fn new(
        server: String,
        credentials: Credentials,
        build: impl Fn() -> Option<Credentials> + Send + Sync + 'static,
    ) -> Self {
        Self {
            server,
            build: Box::new(build),
            current: Mutex::new(Some(Arc::new(credentials))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Credentials>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        let mut current = self.lock();
        if current.is_none() {
            *current = (self.build)().map(Arc::new);
        }
        current.clone()
    }

    /// Forgets failed credentials. Another call may have replaced them already.
    fn forget(&self, failed: &Arc<Credentials>) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, failed)) {
            *current = None;
        }
    }

    fn to_token_error(&self, error: &CredentialsError) -> TokenError {
        let message = |why: String| format!("{}: {why}", self.server);
        if !was_answered(error)
            && let Some(cause) = find_cause(error)
        {
            return TokenError::unreachable(message, Some(cause));
        }
        let text = match find_error_text(error) {
            Some(answer) => message(answer),
            None if error.is_transient() => format!("{} cannot be reached or is not working", self.server),
            None => message("the credentials were not accepted".to_owned()),
        };
        match error.is_transient() {
            true => TokenError::transient(text),
            false => TokenError::permanent(text),
        }
    }
}

impl CredentialsProvider for RenewedToken {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let Some(credentials) = self.current() else {
            return Err(CredentialsError::from_msg(false, "the credentials are not complete"));
        };
        let failure = match tokio::time::timeout(TOKEN_TIMEOUT, credentials.headers(extensions)).await {
            Ok(Err(error)) => self.to_token_error(&error),
            Ok(result) => return result,
            Err(_) => TokenError::transient(format!("{} gave no answer in time", self.server)),
        };
        if failure.is_transient {
            self.forget(&credentials);
        }
        Err(failure.into_error())
    }

    async fn universe_domain(&self) -> Option<String> {
        self.current()?.universe_domain().await
    }
}

/// Says whether a server answered, so that it was reached.
fn was_answered(error: &CredentialsError) -> bool {
    error_chain(error).any(|link| {
        let status_of_request = link.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::status);
        let status_of_sdk = link
            .downcast_ref::<google_cloud_gax::error::Error>()
            .and_then(google_cloud_gax::error::Error::http_status_code);
        status_of_request.is_some() || status_of_sdk.is_some()
    })
}

/// Finds the answer of a token server, as one line. The SDK keeps the body of the answer in its own message, or in an
/// error of its HTTP layer.
fn find_error_text(error: &CredentialsError) -> Option<String> {
    error_chain(error)
        .filter_map(find_body)
        .find_map(|body| error_text(&body))
}

fn find_body(error: &(dyn std::error::Error + 'static)) -> Option<Value> {
    if let Some(error) = error.downcast_ref::<google_cloud_gax::error::Error>() {
        return serde_json::from_slice(error.http_payload()?).ok();
    }
    let text = error.downcast_ref::<CredentialsError>()?.to_string();
    let body = text.split_once("body=<")?.1.rsplit_once('>')?.0;
    serde_json::from_str(body).ok()
}

/// Builds the HTTP client for a server that gives tokens.
pub(crate) fn build_http_client(builder: reqwest::ClientBuilder, server: &str) -> Result<reqwest::Client> {
    let client = builder.build();
    client.map_err(|error| Error::invalid(format!("cannot prepare the connection to {server}")).with_source(error))
}

pub(crate) struct TokenAnswer {
    pub(crate) status: u16,
    body: Option<Value>,
}

impl TokenAnswer {
    /// Sends the request. `message` puts the server before a reason.
    pub(crate) async fn send(
        request: reqwest::RequestBuilder,
        message: impl Fn(String) -> String,
    ) -> Result<Self, TokenError> {
        let answer = request.timeout(TOKEN_TIMEOUT).send().await;
        let answer = answer.map_err(|error| TokenError::unreachable(message, find_cause(&error)))?;
        Ok(Self {
            status: answer.status().as_u16(),
            body: answer.json().await.ok(),
        })
    }

    /// Returns why the server refused, in its own words if it gave any.
    pub(crate) fn reason(&self) -> String {
        let words = self.body.as_ref().and_then(error_text);
        words.unwrap_or_else(|| format!("the answer was HTTP status {}", self.status))
    }

    /// Returns the header of the token that the answer has under this key.
    pub(crate) fn header(&self, key: &str, message: impl Fn(String) -> String) -> Result<HeaderMap, TokenError> {
        let token = self.body.as_ref().and_then(|body| text_at(body, &[key]));
        let header = token.and_then(|token| bearer_header(token).ok());
        header.ok_or_else(|| TokenError::permanent(message("the answer has no token".to_owned())))
    }

    /// Returns the lifetime of the token; zero if the answer does not name it.
    pub(crate) fn lifetime(&self) -> Duration {
        let seconds = self.body.as_ref().and_then(|body| body.get("expires_in")?.as_u64());
        Duration::from_secs(seconds.unwrap_or_default())
    }
}

/// Returns the text of an answer that refuses a token: OAuth's `{"error": CODE, "error_description": …}`, or Google's
/// `{"error": {"status": CODE, "message": …}}`. <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
fn error_text(body: &Value) -> Option<String> {
    let code = text_at(body, &["error", "status"]).or_else(|| text_at(body, &["error"]));
    let message = text_at(body, &["error", "message"]).or_else(|| text_at(body, &["error_description"]));
    // A server may repeat a secret that it was sent.
    let can_be_shown = |text: &String| !text.is_empty() && !may_be_secret(text);
    let code = code.map(format_message).filter(can_be_shown);
    let first_line = message.and_then(|message| message.lines().next());
    let message = first_line.map(|line| line.trim().trim_end_matches('.').to_owned());
    match (code, message.filter(can_be_shown)) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message),
    }
}

/// Returns the text at a path of keys.
fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) struct TokenError {
    text: String,
    /// Whether another attempt may succeed.
    is_transient: bool,
    /// Whether the settings are wrong, not the credentials or the network.
    is_caused_by_setting: bool,
    hint: Option<String>,
}

impl TokenError {
    /// Makes the error for a missing answer; `message` puts the server before the reason.
    pub(crate) fn unreachable(message: impl Fn(String) -> String, cause: Option<Cause>) -> Self {
        match cause {
            Some(cause) => Self {
                text: message(cause.text),
                is_transient: !cause.permanent,
                is_caused_by_setting: cause.permanent,
                hint: cause.hint,
            },
            None => Self::transient(message("it cannot be reached".to_owned())),
        }
    }

    /// Makes the error for a refusal, which another attempt would get again.
    pub(crate) fn permanent(text: String) -> Self {
        Self {
            text,
            is_transient: false,
            is_caused_by_setting: false,
            hint: None,
        }
    }

    /// Makes the error for a failure that may pass.
    pub(crate) fn transient(text: String) -> Self {
        Self {
            is_transient: true,
            ..Self::permanent(text)
        }
    }

    pub(crate) fn from_status(status: u16, text: String) -> Self {
        match status {
            408 | 429 | 500.. => Self::transient(text),
            _ => Self::permanent(text),
        }
    }

    /// Sets the next step, if it is not to log in again.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn is_caused_by_setting(&self) -> bool {
        self.is_caused_by_setting
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn into_error(self) -> CredentialsError {
        CredentialsError::from_source(self.is_transient, self)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not get a token: {}", self.text)
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_output_hides_tokens() {
        let token = || StaticToken::new(bearer_header("ya29.secret").unwrap(), None);
        assert!(!format!("{:?} {:?}", token(), Credentials::from(token())).contains("ya29"));
    }

    #[test]
    fn error_text_has_code_and_message() {
        for (body, words) in [
            (
                json!({"error": "invalid_grant", "error_description": "Account has been deleted"}),
                Some("invalid_grant: Account has been deleted"),
            ),
            (
                json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no.\nmore"}}),
                Some("PERMISSION_DENIED: no"),
            ),
            (json!({"error": "invalid_client"}), Some("invalid_client")),
            (
                json!({"error": "denied", "error_description": "ya29.abcdefghijklmnop"}),
                Some("denied"),
            ),
            (json!("page"), None),
        ] {
            assert_eq!(error_text(&body).as_deref(), words, "{body}");
        }
    }
}

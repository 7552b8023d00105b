//! Where calls have their tokens from. Only Compute Engine: aws-config does all of this by itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};

use crate::cloud::{Error, ErrorKind, Result};

/// How long a token is waited for: the SDK itself would wait for ever.
const PATIENCE: Duration = Duration::from_secs(25);

/// A token that somebody else fetched and that nobody renews.
pub(super) struct StaticToken {
    header: HeaderValue,
}

impl StaticToken {
    /// # Errors
    /// `Unauthenticated` if it has characters that no header takes.
    pub(super) fn new(token: &str) -> Result<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            Error::new(
                ErrorKind::Unauthenticated,
                "the access token has characters that no token has",
            )
        })?;
        header.set_sensitive(true);
        Ok(Self { header })
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StaticToken([secret])")
    }
}

impl CredentialsProvider for StaticToken {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data: HeaderMap::from_iter([(AUTHORIZATION, self.header.clone())]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

type Build = Box<dyn Fn() -> Option<Credentials> + Send + Sync>;

/// Tokens that a server gives. After a passing failure the next attempt asks it again: the SDK's own credentials would
/// show the same failure to every attempt of the next ten seconds.
pub(super) struct RenewedToken {
    server: String,
    build: Build,
    /// Nothing after a failure.
    current: Mutex<Option<Arc<Credentials>>>,
}

impl RenewedToken {
    /// Of these credentials, which `build` makes again.
    pub(super) fn new(
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

    /// Another call may have made new ones by now.
    fn forget(&self, failed: &Arc<Credentials>) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, failed)) {
            *current = None;
        }
    }

    fn passing_failure(&self, what: &str) -> CredentialsError {
        CredentialsError::from_source(true, NoToken(format!("{} {what}", self.server)))
    }
}

impl fmt::Debug for RenewedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RenewedToken([secret])")
    }
}

impl CredentialsProvider for RenewedToken {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let Some(current) = self.current() else {
            return Err(CredentialsError::from_msg(false, "the credentials are not complete"));
        };
        let failure = match tokio::time::timeout(PATIENCE, current.headers(extensions)).await {
            Ok(Err(error)) if error.is_transient() => self.passing_failure("cannot be reached or is out of order"),
            Ok(result) => return result,
            Err(_) => self.passing_failure("gave no answer in time"),
        };
        self.forget(&current);
        Err(failure)
    }

    async fn universe_domain(&self) -> Option<String> {
        self.current()?.universe_domain().await
    }
}

/// Why there is no token just now.
#[derive(Debug)]
pub(super) struct NoToken(String);

impl fmt::Display for NoToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not get a token: {}", self.0)
    }
}

impl std::error::Error for NoToken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_printed() {
        let token = || StaticToken::new("ya29.secret").unwrap();
        assert!(!format!("{:?} {:?}", token(), Credentials::from(token())).contains("ya29"));
    }
}

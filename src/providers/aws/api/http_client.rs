//! Only aws has this file: the SDK's HTTP client, with some differences.
//!
//! - A connector is built on first use: the SDK builds one when a client is made, which loads the TLS roots, and drops it.
//! - An answer that was cut short is an error: the SDK reads half a list as a whole one.
//! - The clock is set by the date of each answer, and XML that the SDK's parser would refuse is repaired.
//! - Proxies and certificate authorities are those of [`Connection`].
//!
//! The Compute Engine SDK takes no HTTP client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use http::Uri;
use memchr::memmem;
use tokio::time::timeout;

use super::connection_errors;
use super::connection_errors::Server;
use super::retry::ATTEMPT_TIMEOUT;
use super::server_time;
use super::server_time::ServerTime;
use super::xml_sanitizer::sanitize;
use crate::providers::aws::configuration::connection::{Connection, Proxy};

/// What some servers begin a text with, and no reader expects.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// <https://www.rfc-editor.org/rfc/rfc9110#section-15.5.8>
const PROXY_WANTS_PASSWORD: u16 = 407;

/// Connect and read timeout, the proxy, and whether TLS is spoken, which a connector is built for.
type Key = (Option<Duration>, Option<Duration>, Option<Proxy>, bool);

/// Gives each call the connector for its timeouts and its proxy, and makes it only then.
#[derive(Clone, Debug)]
pub(crate) struct LazyHttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: ServerTime,
    connection: Connection,
    connectors: Mutex<HashMap<Key, SharedHttpConnector>>,
}

impl LazyHttpClient {
    /// One client, to be shared by all services and regions, that tells the clock what it hears.
    pub(crate) fn new_shared(clock: &ServerTime, connection: Connection) -> SharedHttpClient {
        SharedHttpClient::new(Self(Arc::new(Inner {
            clock: clock.clone(),
            connection,
            connectors: Mutex::default(),
        })))
    }
}

impl HttpClient for LazyHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(CompleteBodyCheck {
            client: Arc::clone(&self.0),
            settings: settings.clone(),
            components: components.clone(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

impl Inner {
    fn get_connector(
        &self,
        proxy: Option<&Proxy>,
        is_secure: bool,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let key = (
            settings.connect_timeout(),
            settings.read_timeout(),
            proxy.cloned(),
            is_secure,
        );
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(key).or_insert_with(|| {
            // Which proxy is asked, if any, is decided here for each request, not by the SDK.
            let through = proxy.and_then(|proxy| ProxyConfig::all(proxy.uri.clone()).ok());
            let mut builder = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .connector_settings(settings.clone())
                .proxy_config(through.unwrap_or_else(ProxyConfig::disabled));
            let store = match &self.connection.authorities {
                Some(authorities) => Some(TrustStore::empty().with_pem_certificate(authorities.pem.clone())),
                // The system's are not read where nothing is checked by them: the SDK panics if there are none.
                None => (!is_secure).then(TrustStore::empty),
            };
            let trusted = store.and_then(|store| TlsContext::builder().with_trust_store(store).build().ok());
            if let Some(context) = trusted {
                builder = builder.tls_context(context);
            }
            builder.set_sleep_impl(components.sleep_impl());
            SharedHttpConnector::new(builder.build_with_resolver(SystemResolver))
        });
        connector.clone()
    }
}

/// Looks names up as the system does, and says by type that one does not resolve.
#[derive(Clone, Debug)]
struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Reads each answer to its end before it hands it on. All of EC2's answers are read whole in any case.
#[derive(Debug)]
struct CompleteBodyCheck {
    client: Arc<Inner>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for CompleteBodyCheck {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let requested = server_time::read_request_date(&request);
        let uri: Uri = request.uri().parse().unwrap_or_default();
        let proxy = self.client.connection.proxy_for(&uri);
        let server = Server::new(&uri, proxy);
        let is_secure = |uri: &Uri| uri.scheme_str() != Some("http");
        let is_secure = is_secure(&uri) || proxy.is_some_and(|proxy| is_secure(&proxy.uri));
        if is_secure && let Some((reason, hint)) = self.client.connection.find_missing_authorities() {
            return HttpConnectorFuture::ready(Err(connection_errors::permanent_error(reason, hint)));
        }
        let answer = self
            .client
            .get_connector(proxy, is_secure, &self.settings, &self.components)
            .call(request);
        let client = Arc::clone(&self.client);
        HttpConnectorFuture::new(async move {
            let whole = async {
                let mut response = answer.await?;
                // Without a proxy it is an answer as any other, and what it is an answer to may have had its effect.
                if server.is_behind_proxy() && response.status().as_u16() == PROXY_WANTS_PASSWORD {
                    return Err(connection_errors::proxy_password_error(&server));
                }
                if let Some(requested) = requested {
                    client.clock.record(requested, &mut response);
                }
                let body = ByteStream::new(response.take_body()).collect().await;
                let mut body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
                if body.starts_with(BYTE_ORDER_MARK) {
                    body = body.slice(BYTE_ORDER_MARK.len()..);
                }
                let sanitize = sanitize(&body);
                if is_truncated(sanitize.as_deref().unwrap_or(&body)) {
                    return Err(ConnectorError::io("the answer was cut short".into()));
                }
                *response.body_mut() = match sanitize {
                    Some(sanitize) => SdkBody::from(sanitize),
                    None => SdkBody::from(body),
                };
                Ok(response)
            };
            match timeout(ATTEMPT_TIMEOUT, whole).await {
                Ok(answer) => answer.map_err(|error| {
                    connection_errors::add_reason(error, &server, client.connection.authorities.as_ref())
                }),
                Err(_) => Err(connection_errors::timeout_error(&server, ATTEMPT_TIMEOUT)),
            }
        })
    }
}

/// Whether it is one of EC2's or STS's documents without its end. Their root elements are all named `…Response`.
fn is_truncated(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let Some(document) = body.strip_prefix(b"<") else {
        return false;
    };
    let root = match document.strip_prefix(b"?") {
        None => document,
        Some(declaration) => match memmem::find(declaration, b"?>") {
            Some(end) => {
                let rest = declaration[end + 2..].trim_ascii_start();
                rest.strip_prefix(b"<").unwrap_or_default()
            }
            None => return true,
        },
    };
    let Some(end) = root
        .iter()
        .position(|letter| letter.is_ascii_whitespace() || *letter == b'>')
    else {
        return true;
    };
    let name = &root[..end];
    let complete = body
        .strip_suffix(b">")
        .and_then(|body| body.strip_suffix(name)?.strip_suffix(b"</"));
    name.ends_with(b"Response") && complete.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_end_is_not_taken_for_a_whole_one() {
        let whole = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeRegionsResponse xmlns=\"x\"><requestId>1</requestId>\
                     <name>naïve</name></DescribeRegionsResponse>\n";
        assert!(!is_truncated(whole.as_bytes()));
        for end in 1..whole.trim_end().len() {
            assert!(is_truncated(&whole.as_bytes()[..end]), "{end}");
        }
    }

    #[test]
    fn other_documents_are_left_alone() {
        for body in [
            "",
            "{\"Token\":",
            "us-east-1",
            "<!doctype html>\n<title>500</title>",
            "<html><body>",
        ] {
            assert!(!is_truncated(body.as_bytes()), "{body}");
        }
        assert!(!is_truncated(b"<Response><Errors/></Response>"));
    }

    #[test]
    fn a_comment_or_cdata_without_its_end_was_cut_short() {
        for section in ["<!--", "<!-- -- >", "<![CDATA[", "<![CDATA[ -->"] {
            for document in [
                format!("<AResponse><b>1</b>{section} </AResponse>"),
                format!("<AResponse></AResponse>{section}</AResponse>"),
                format!("{section}<AResponse></AResponse>"),
            ] {
                assert!(is_truncated(&sanitize(document.as_bytes()).unwrap()), "{document}");
            }
        }
    }
}

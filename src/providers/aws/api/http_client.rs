//! The SDK's HTTP client, changed in four ways:
//!
//! - A connector is built on first use. The SDK builds one when a client is created, which loads the TLS roots, and drops it.
//! - A response that was cut short is an error. The SDK reads half a list as a complete one.
//! - The date of each response sets the clock, and XML that the SDK cannot parse is repaired.
//! - Proxies and certificate authorities are those of [`Connection`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
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
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use http::Uri;
use jiff::Timestamp;
use memchr::memmem;
use rustls::Error as TlsError;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection_errors;
use super::connection_errors::Server;
use super::retry::ATTEMPT_TIMEOUT;
use super::server_time;
use super::server_time::ServerTime;
use super::xml_sanitizer::repair_if_invalid;
use crate::providers::aws::configuration::proxy_and_certificates::{Connection, Proxy};

/// Some servers begin a text with it; the parsers do not expect it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// <https://www.rfc-editor.org/rfc/rfc9110#section-15.5.8>
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

/// More than most answers have. A page of a thousand instances has some 7 MB.
const LARGE_BODY_BYTES: usize = 256 * 1024;
const CONCURRENT_LARGE_BODIES: usize = 4;

/// What a connector is built for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ConnectorKey {
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    proxy: Option<Proxy>,
    trust: Trust,
}

/// The authorities that a connector trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Trust {
    /// None, because there is no TLS. The system's are not read: the SDK panics if there are none.
    Nobody,
    /// Those that a setting names.
    Named,
    /// Those in the system's file.
    SystemBundle,
    /// Those in the system's file and folder.
    System,
}

/// Gives each call a connector for its timeouts and its proxy. Connectors are built on first use.
#[derive(Clone, Debug)]
pub(crate) struct LazyHttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: ServerTime,
    connection: Connection,
    connectors: Mutex<HashMap<ConnectorKey, SharedHttpConnector>>,
    /// Whether a server's authority was not in the system's file.
    needs_folder: AtomicBool,
    large_bodies: Semaphore,
}

impl LazyHttpClient {
    /// Creates the client that all services and regions share. It sets `clock` by the responses.
    pub(crate) fn new_shared(clock: &ServerTime, connection: Connection) -> SharedHttpClient {
        SharedHttpClient::new(Self(Arc::new(Inner {
            clock: clock.clone(),
            connection,
            connectors: Mutex::default(),
            needs_folder: AtomicBool::new(false),
            large_bodies: Semaphore::new(CONCURRENT_LARGE_BODIES),
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
    fn choose_trust(&self, uses_tls: bool) -> Trust {
        if !uses_tls {
            Trust::Nobody
        } else if self.connection.authorities.is_some() {
            Trust::Named
        } else if self.connection.system_bundle().is_some() && !self.needs_folder.load(Ordering::Relaxed) {
            Trust::SystemBundle
        } else {
            Trust::System
        }
    }

    fn get_connector(
        &self,
        proxy: Option<&Proxy>,
        trust: Trust,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let key = ConnectorKey {
            connect_timeout: settings.connect_timeout(),
            read_timeout: settings.read_timeout(),
            proxy: proxy.cloned(),
            trust,
        };
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(key).or_insert_with(|| {
            // The proxy is chosen here for each request, not by the SDK.
            let proxy_config = match proxy.map(|proxy| ProxyConfig::all(proxy.uri.clone())) {
                Some(Ok(config)) => config,
                Some(Err(_)) | None => ProxyConfig::disabled(),
            };
            let mut builder = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .connector_settings(settings.clone())
                .proxy_config(proxy_config);
            let with_pem = |pem: &[u8]| TrustStore::empty().with_pem_certificate(pem);
            let trust_store = match trust {
                Trust::Nobody => Some(TrustStore::empty()),
                Trust::Named => self.connection.authorities.as_ref().map(|named| with_pem(&named.pem)),
                Trust::SystemBundle => self.connection.system_bundle().map(with_pem),
                // The SDK reads them.
                Trust::System => None,
            };
            if let Some(store) = trust_store
                && let Ok(context) = TlsContext::builder().with_trust_store(store).build()
            {
                builder = builder.tls_context(context);
            }
            builder.set_sleep_impl(components.sleep_impl());
            SharedHttpConnector::new(builder.build_with_resolver(SystemResolver))
        });
        connector.clone()
    }

    /// Reads a response to its end, repairs its body and sets the clock. `request_date` is the date that the request
    /// was signed with.
    async fn read_whole_response(
        &self,
        response: HttpConnectorFuture,
        request_date: Option<Timestamp>,
        server: &Server,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut response = response.await?;
        // Without a proxy the server itself sent this status, and the call may have taken effect.
        if server.is_behind_proxy() && response.status().as_u16() == PROXY_AUTHENTICATION_REQUIRED {
            return Err(connection_errors::proxy_password_error(server));
        }
        if let Some(request_date) = request_date {
            self.clock.update_and_annotate(&mut response, request_date);
        }
        let mut body = self.read_body(response.take_body()).await?;
        if body.starts_with(BYTE_ORDER_MARK) {
            body.drain(..BYTE_ORDER_MARK.len());
        }
        if let Some(repaired) = repair_if_invalid(&body) {
            body = repaired;
        }
        if is_truncated(&body) {
            return Err(ConnectorError::io("the answer was cut short".into()));
        }
        *response.body_mut() = SdkBody::from(body);
        Ok(response)
    }

    /// Reads a body. Of the large ones only a few are read at the same time: the network holds the others back, so that a
    /// listing of many regions does not hold a page of each in memory.
    async fn read_body(&self, body: SdkBody) -> Result<Vec<u8>, ConnectorError> {
        let (mut stream, mut whole, mut permit) = (ByteStream::new(body), Vec::new(), None);
        while let Some(part) = stream.next().await {
            whole.extend_from_slice(&part.map_err(|error| ConnectorError::io(error.into()))?);
            if permit.is_none() && whole.len() > LARGE_BODY_BYTES {
                permit = self.large_bodies.acquire().await.ok();
            }
        }
        Ok(whole)
    }
}

/// Resolves names as the system does. A name that does not resolve has an error of its own type.
#[derive(Clone, Debug)]
struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// Reads each response to its end before the SDK gets it. The SDK reads all responses of EC2 whole in any case.
#[derive(Debug)]
struct CompleteBodyCheck {
    client: Arc<Inner>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for CompleteBodyCheck {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request_date = server_time::read_request_date(&request);
        let uri: Uri = request.uri().parse().unwrap_or_default();
        let connection = &self.client.connection;
        let proxy = connection.proxy_for(&uri);
        let server = Server::new(&uri, proxy);
        let uses_tls = is_https(&uri) || proxy.is_some_and(|proxy| is_https(&proxy.uri));
        if uses_tls && let Some((reason, hint)) = connection.find_missing_authorities() {
            return HttpConnectorFuture::ready(Err(connection_errors::permanent_error(reason, hint)));
        }
        let trust = self.client.choose_trust(uses_tls);
        // Nothing was sent to a server whose certificate is not trusted, so the call can begin again.
        let retry = match trust {
            Trust::SystemBundle => request
                .try_clone()
                .map(|request| self.retry_with_folder(request, proxy.cloned())),
            _ => None,
        };
        let connector = self
            .client
            .get_connector(proxy, trust, &self.settings, &self.components);
        let first_response = connector.call(request);
        let response = HttpConnectorFuture::new(async move {
            match (first_response.await, retry) {
                (Err(error), Some(retry)) if has_untrusted_certificate(&error) => retry.await,
                (response, _) => response,
            }
        });
        let client = Arc::clone(&self.client);
        HttpConnectorFuture::new(async move {
            match timeout(
                ATTEMPT_TIMEOUT,
                client.read_whole_response(response, request_date, &server),
            )
            .await
            {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => {
                    let authorities = client.connection.authorities.as_ref();
                    Err(connection_errors::add_reason(error, &server, authorities))
                }
                Err(_) => Err(connection_errors::timeout_error(&server, ATTEMPT_TIMEOUT)),
            }
        })
    }
}

impl CompleteBodyCheck {
    /// Sends a request once more, trusting also the authorities that only the system's folder has.
    fn retry_with_folder(&self, request: HttpRequest, proxy: Option<Proxy>) -> HttpConnectorFuture {
        let (client, settings, components) = (Arc::clone(&self.client), self.settings.clone(), self.components.clone());
        HttpConnectorFuture::new(async move {
            client.needs_folder.store(true, Ordering::Relaxed);
            let connector = client.get_connector(proxy.as_ref(), Trust::System, &settings, &components);
            connector.call(request).await
        })
    }
}

fn has_untrusted_certificate(error: &ConnectorError) -> bool {
    let tls = connection_errors::find_cause::<TlsError>(error);
    matches!(tls, Some(TlsError::InvalidCertificate(_)))
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() != Some("http")
}

/// Whether a body is a document of EC2 or STS without its end. Their root elements are all named `…Response`.
fn is_truncated(body: &[u8]) -> bool {
    let document = body.trim_ascii();
    if !document.starts_with(b"<") {
        return false;
    }
    let Some(root_name) = find_root_name(document) else {
        return true;
    };
    let before_end = document
        .strip_suffix(b">")
        .and_then(|rest| rest.strip_suffix(root_name));
    let is_closed = before_end.is_some_and(|rest| rest.ends_with(b"</"));
    root_name.ends_with(b"Response") && !is_closed
}

/// The name of a document's root element; `None` if the document ends before the end of the name.
fn find_root_name(document: &[u8]) -> Option<&[u8]> {
    let mut root = document;
    if document.starts_with(b"<?") {
        let declaration_end = memmem::find(document, b"?>")? + 2;
        root = document[declaration_end..].trim_ascii_start();
    }
    let content = root.strip_prefix(b"<")?;
    let end = content
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || *byte == b'>')?;
    Some(&content[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_without_end_is_truncated() {
        let complete_response = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeRegionsResponse xmlns=\"x\"><requestId>1</requestId>\
                     <name>naïve</name></DescribeRegionsResponse>\n";
        assert!(!is_truncated(complete_response.as_bytes()));
        for end in 1..complete_response.trim_end().len() {
            assert!(is_truncated(&complete_response.as_bytes()[..end]), "{end}");
        }
    }

    #[test]
    fn other_documents_are_not_truncated() {
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
    fn unclosed_comment_or_cdata_is_truncated() {
        for section in ["<!--", "<!-- -- >", "<![CDATA[", "<![CDATA[ -->"] {
            for document in [
                format!("<AResponse><b>1</b>{section} </AResponse>"),
                format!("<AResponse></AResponse>{section}</AResponse>"),
                format!("{section}<AResponse></AResponse>"),
            ] {
                assert!(
                    is_truncated(&repair_if_invalid(document.as_bytes()).unwrap()),
                    "{document}"
                );
            }
        }
    }
}

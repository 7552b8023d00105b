//! Only aws has this file: the SDK's HTTP client with its connector built on first use. The SDK's own builds one
//! when a client is made, which loads the TLS roots, and throws it away. The Compute Engine SDK takes no client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Connect and read timeout, which a connector is built with.
type Timeouts = (Option<Duration>, Option<Duration>);

/// Gives each call the connector for its timeouts, and makes it only then.
#[derive(Debug, Default)]
pub(super) struct LazyHttpClient {
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

impl LazyHttpClient {
    /// One client, to be shared by all services and regions.
    pub(super) fn shared() -> SharedHttpClient {
        SharedHttpClient::new(Self::default())
    }
}

impl HttpClient for LazyHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors
            .entry((settings.connect_timeout(), settings.read_timeout()))
            .or_insert_with(|| {
                let mut builder = Connector::builder()
                    .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                    .connector_settings(settings.clone())
                    // HTTPS_PROXY and NO_PROXY hold, as in the SDK's own client.
                    .proxy_config(ProxyConfig::from_env());
                builder.set_sleep_impl(components.sleep_impl());
                SharedHttpConnector::new(builder.build())
            });
        connector.clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

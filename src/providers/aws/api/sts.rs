//! Clients of STS, which tells who the caller is and gives credentials for roles.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::retry;
use super::retry::{ClockSkewRetry, ReadRetryLimit};
use super::server_time::{ServerTime, choose_time_source};

#[derive(Clone, Debug)]
pub(crate) struct StsClients {
    /// The SDK's configuration, without credentials.
    pub(crate) config: SdkConfig,
    /// The custom address of STS, if one is set.
    pub(crate) endpoint: Option<String>,
    pub(crate) clock: ServerTime,
    pub(crate) retry_limit: ReadRetryLimit,
}

impl StsClients {
    /// Creates a client for a region. It signs with these credentials, or does not sign.
    pub(crate) fn client(&self, region: &str, credentials: Option<Credentials>) -> aws_sdk_sts::Client {
        let mut config = self.config.to_builder();
        config.set_credentials_provider(credentials.map(SharedCredentialsProvider::new));
        self.client_with_config(&config.build(), region)
    }

    /// Creates a client for a region with the credentials of a configuration.
    pub(crate) fn client_with_config(&self, config: &SdkConfig, region: &str) -> aws_sdk_sts::Client {
        let mut builder = aws_sdk_sts::config::Builder::from(config).region(Region::new(region.to_owned()));
        builder.set_endpoint_url(self.endpoint.clone());
        let builder = builder
            .disable_clock_skew_correction(true)
            .time_source(choose_time_source(config, &self.clock))
            .retry_partition(retry::unlimited_retry_tokens())
            .interceptor(self.retry_limit.clone())
            .retry_classifier(ClockSkewRetry);
        aws_sdk_sts::Client::from_conf(builder.build())
    }
}

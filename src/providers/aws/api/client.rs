//! The clients of one run. Configuration and credentials are loaded on first use and shared by all calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_smithy_async::time::SharedTimeSource;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::credentials_provider::RunCredentials;
use super::error::{Call, translate};
use super::http_client::LazyHttpClient;
use super::retry;
use super::retry::{ClockSkewRetry, ReadRetryLimit};
use super::server_time::{ServerTime, choose_time_source};
use super::sts::StsClients;
use crate::cloud::{Error, ErrorKind, ErrorLocation, ProviderKind, Result};
use crate::providers::aws::configuration::Configuration;
use crate::providers::aws::configuration::aws_cli_settings::check_aws_cli_settings;
use crate::providers::aws::configuration::config_file_keys::REGION;
use crate::providers::aws::configuration::endpoints::Endpoints;
use crate::providers::aws::configuration::metadata_service::{build_metadata_client, can_ask_metadata_service};
use crate::providers::aws::configuration::partition::Partition;
use crate::providers::aws::configuration::proxy_and_certificates::Connection;
use crate::providers::aws::configuration::region_name_syntax::choose_region_for_global_calls;
use crate::settings::Settings;

const BEHAVIOR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;

pub(crate) struct Clients {
    settings: Settings,
    clock: ServerTime,
    loaded: OnceCell<Loaded>,
    by_region: Mutex<HashMap<String, aws_sdk_ec2::Client>>,
}

/// What the settings in variables and files resolve to.
struct Loaded {
    config: SdkConfig,
    endpoints: Endpoints,
    sts: StsClients,
    default_region: Option<String>,
    region_for_global_calls: String,
    retry_limit: ReadRetryLimit,
    /// The error that every call fails with, if the settings are invalid.
    refusal: Option<Error>,
}

/// Fails each call before anything is sent.
#[derive(Debug)]
struct Refusal(Error);

impl Intercept for Refusal {
    fn name(&self) -> &'static str {
        "Refusal"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Err(self.0.clone().into())
    }
}

impl Clients {
    /// Creates the clients. Reads no file and sends no call.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            clock: ServerTime::default(),
            loaded: OnceCell::new(),
            by_region: Mutex::default(),
        }
    }

    /// The SDK's configuration, from the environment, the profile and the settings. It is loaded once.
    ///
    /// # Errors
    /// `InvalidSpec` or `Unauthenticated` for settings that are invalid or that cloudctl does not support.
    pub(crate) async fn config(&self) -> Result<&SdkConfig> {
        let loaded = self.load_once().await;
        match &loaded.refusal {
            Some(error) => Err(error.clone()),
            None => Ok(&loaded.config),
        }
    }

    /// The custom address of the price list, if one is set, and the retry limit of its calls.
    pub(crate) async fn pricing_settings(&self) -> (Option<String>, ReadRetryLimit) {
        let loaded = self.load_once().await;
        let endpoint = loaded.endpoints.pricing.as_ref().map(|setting| setting.value.clone());
        (endpoint, loaded.retry_limit.clone())
    }

    async fn load_once(&self) -> &Loaded {
        let load_or_refuse = || async {
            match self.load().await {
                Ok(loaded) => loaded,
                Err(error) => self.build_refused(error),
            }
        };
        self.loaded.get_or_init(load_or_refuse).await
    }

    async fn load(&self) -> Result<Loaded> {
        let configuration = Arc::new(Configuration::read(&self.settings)?);
        check_aws_cli_settings(&configuration)?;
        let endpoints = Endpoints::from_configuration(&configuration)?;
        let connection = Connection::from_configuration(&configuration)?;
        let retry_limit = ReadRetryLimit::from_configuration(&configuration)?;
        let direct_http = LazyHttpClient::new_shared(&self.clock, connection.without_proxies());
        let http = LazyHttpClient::new_shared(&self.clock, connection);
        let direct = build_provider_config(None, &endpoints)
            .with_time_source(self.clock.clone())
            .with_http_client(direct_http);
        let default_region = self.find_default_region(&configuration, &direct).await?;
        let region_for_global_calls = choose_region_for_global_calls(&self.settings, default_region.as_deref());
        let provider = build_provider_config(Some(&region_for_global_calls), &endpoints)
            .with_time_source(self.clock.clone())
            .with_http_client(http.clone());

        let mut builder = SdkConfig::builder()
            .behavior_version(BEHAVIOR())
            .http_client(http)
            .region(default_region.clone().map(Region::new))
            .retry_config(retry_limit.retry_config())
            .timeout_config(retry_limit.timeout_config())
            .time_source(self.clock.clone())
            .identity_cache(IdentityCache::lazy().build());
        builder.set_sleep_impl(default_async_sleep());
        builder.set_app_name(AppName::new("cloudctl").ok());
        builder.set_use_fips(Some(endpoints.use_fips.is_some()));
        builder.set_use_dual_stack(Some(endpoints.use_dual_stack.is_some()));
        let skew = configuration.switch("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "disable_clock_skew_correction")?;
        builder.set_disable_clock_skew_correction(skew.map(|(is_disabled, _)| is_disabled));
        let config = builder.build();
        let sts = StsClients {
            config: config.clone(),
            endpoint: endpoints.sts.as_ref().map(|setting| setting.value.clone()),
            clock: self.clock.clone(),
            retry_limit: retry_limit.clone(),
        };
        let credentials = RunCredentials {
            configuration,
            sts: sts.clone(),
            provider,
            direct,
            region: region_for_global_calls.clone(),
        };
        let credentials = SharedCredentialsProvider::new(credentials);
        Ok(Loaded {
            config: config.into_builder().credentials_provider(credentials).build(),
            endpoints,
            sts,
            default_region,
            region_for_global_calls,
            retry_limit,
            refusal: None,
        })
    }

    /// The replacement for a configuration that cannot be used: every call fails before it is sent.
    fn build_refused(&self, error: Error) -> Loaded {
        let retry_limit = ReadRetryLimit::default();
        let mut builder = SdkConfig::builder()
            .behavior_version(BEHAVIOR())
            .http_client(LazyHttpClient::new_shared(&self.clock, Connection::default()))
            .retry_config(RetryConfig::disabled());
        builder.set_sleep_impl(default_async_sleep());
        let config = builder.build();
        let default_region = self.settings.cloud_setting(ProviderKind::Aws, REGION).value.clone();
        Loaded {
            sts: StsClients {
                config: config.clone(),
                endpoint: None,
                clock: self.clock.clone(),
                retry_limit: retry_limit.clone(),
            },
            config,
            endpoints: Endpoints::default(),
            region_for_global_calls: choose_region_for_global_calls(&self.settings, default_region.as_deref()),
            default_region,
            retry_limit,
            refusal: Some(error),
        }
    }

    /// Finds the region that the settings or AWS's own configuration name.
    async fn find_default_region(
        &self,
        configuration: &Configuration,
        direct: &ProviderConfig,
    ) -> Result<Option<String>> {
        if let Some(region) = &self.settings.cloud_setting(ProviderKind::Aws, REGION).value {
            return Ok(Some(region.clone()));
        }
        if let Some(region) = configuration.region()? {
            return Ok(Some(region.value));
        }
        // Outside EC2 the SDK would wait for the metadata service until its timeout.
        if !can_ask_metadata_service(configuration)? {
            return Ok(None);
        }
        let client = build_metadata_client(configuration, direct)?;
        let region = ImdsRegionProvider::builder().imds_client(client).build().region().await;
        Ok(region.map(|region| region.as_ref().to_owned()))
    }

    /// The region that the settings or AWS's own configuration name.
    ///
    /// # Errors
    /// The errors of [`Clients::config`].
    pub(crate) async fn default_region(&self) -> Result<Option<String>> {
        self.config().await?;
        Ok(self.load_once().await.default_region.clone())
    }

    /// The region to send calls to that concern no region.
    pub(crate) async fn region_for_global_calls(&self) -> String {
        let region = self.load_once().await.region_for_global_calls.clone();
        // The command may name the partition only by an instance ref: then a client of it exists already.
        let clients = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in_partition = |other: &String| Partition::of_region(other) == Partition::of_region(&region);
        match clients.keys().next() {
            Some(other) if !clients.keys().any(is_in_partition) => other.clone(),
            _ => region,
        }
    }

    pub(crate) async fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        let loaded = self.load_once().await;
        let mut clients = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let mut builder = aws_sdk_ec2::config::Builder::from(&loaded.config).region(Region::new(region.to_owned()));
            builder.set_endpoint_url(loaded.endpoints.ec2.as_ref().map(|setting| setting.value.clone()));
            if let Some(error) = &loaded.refusal {
                builder = builder.interceptor(Refusal(error.clone()));
            }
            let builder = builder
                .disable_clock_skew_correction(true)
                .time_source(choose_time_source(&loaded.config, &self.clock))
                .retry_partition(retry::unlimited_retry_tokens())
                .interceptor(loaded.retry_limit.clone())
                .retry_classifier(ClockSkewRetry);
            aws_sdk_ec2::Client::from_conf(builder.build())
        });
        client.clone()
    }

    /// The STS client of a region.
    ///
    /// # Errors
    /// The errors of [`Clients::config`].
    pub(crate) async fn sts(&self, region: &str) -> Result<aws_sdk_sts::Client> {
        let config = self.config().await?;
        Ok(self.load_once().await.sts.client_with_config(config, region))
    }

    /// The clock that requests are dated by, instead of the SDK's own correction.
    pub(crate) fn time_source(&self, config: &SdkConfig) -> SharedTimeSource {
        choose_time_source(config, &self.clock)
    }

    /// The cloud's time, from its latest response. Sends a call if there was no response yet.
    ///
    /// # Errors
    /// The error of the call if it gets no response; `Network` if the responses have no date.
    pub(crate) async fn time(&self) -> Result<Timestamp> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        let region = self.region_for_global_calls().await;
        tracing::debug!(operation = "GetCallerIdentity", place = region, "call");
        let response = self.sts(&region).await?.get_caller_identity().send().await;
        let failure_prefix = "cannot ask the cloud for its time";
        // A refusal has a date too.
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        Err(match response {
            Err(error) if error.raw_response().is_none() => translate(&error, Call::Read, failure_prefix, &region),
            _ => Error::new(
                ErrorKind::Network,
                format!("{failure_prefix}: its answers have no date"),
            )
            .at(ErrorLocation::new(ProviderKind::Aws, region))
            .with_hint("run the same command where no proxy takes the `Date` header out of answers"),
        })
    }
}

/// The configuration for the SDK's own credential sources.
fn build_provider_config(region: Option<&str>, endpoints: &Endpoints) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_region(region.map(|region| Region::new(region.to_owned())))
        .with_use_fips(Some(endpoints.use_fips.is_some()))
        .with_use_dual_stack(Some(endpoints.use_dual_stack.is_some()))
        .with_behavior_version(Some(BEHAVIOR()))
        .with_timeout_config(ReadRetryLimit::default().timeout_config())
}

/// The configuration of one attempt of a changing call: no retries by the SDK, because
/// [`retry_change`](super::retry::retry_change) must see each attempt.
pub(crate) fn one_attempt_config() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::Config::builder().retry_config(RetryConfig::disabled())
}

//! Configuration, credentials and clients: loaded on first use, then shared by every call.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

use super::error::{Call, translate};
use super::http_client::LazyHttpClient;
use super::retry;
use super::retry::{ClockSkewRetry, ReadRetryLimit};
use super::server_time::ServerTime;
use crate::cloud::{Error, ErrorKind, ProviderKind, Result};
use crate::providers::aws::configuration::Configuration;
use crate::providers::aws::configuration::connection::Connection;
use crate::providers::aws::configuration::endpoints::Endpoints;
use crate::providers::aws::configuration::partition::Partition;
use crate::providers::aws::configuration::setting_keys::REGION;
use crate::providers::aws::configuration::vendor_settings;
use crate::providers::aws::credentials::source::{CredentialSource, is_container, metadata_may_be_asked};
use crate::providers::aws::credentials::sts::StsClients;
use crate::providers::aws::credentials::{CredentialsOfRun, metadata_client};
use crate::providers::aws::regions::{may_be_asked, region_of_zone};
use crate::settings::Settings;

/// How long one attempt may take: the SDK has no limit of its own.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const BEHAVIOR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;

/// The clients of one run.
pub(crate) struct Clients {
    settings: Settings,
    clock: ServerTime,
    loaded: OnceCell<Loaded>,
    by_region: Mutex<HashMap<String, aws_sdk_ec2::Client>>,
}

/// What variables and files come to.
struct Loaded {
    config: SdkConfig,
    endpoints: Endpoints,
    sts: StsClients,
    home: Option<String>,
    any_region: String,
    patience: ReadRetryLimit,
    /// Why no call can be made.
    refusal: Option<Error>,
}

/// Ends each call before anything is sent.
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
    /// Takes the settings; reads nothing yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            clock: ServerTime::default(),
            loaded: OnceCell::new(),
            by_region: Mutex::default(),
        }
    }

    /// The SDK's configuration, from the environment, the profile and the settings. They are read once.
    ///
    /// # Errors
    /// Those of settings that make no sense, or that cloudctl does not support.
    pub(crate) async fn config(&self) -> Result<&SdkConfig> {
        let loaded = self.loaded().await;
        match &loaded.refusal {
            Some(error) => Err(error.clone()),
            None => Ok(&loaded.config),
        }
    }

    /// Another address of the price list than its own, and how long its calls are repeated.
    pub(crate) async fn pricing(&self) -> (Option<String>, ReadRetryLimit) {
        let loaded = self.loaded().await;
        let endpoint = loaded.endpoints.pricing.as_ref().map(|setting| setting.value.clone());
        (endpoint, loaded.patience.clone())
    }

    async fn loaded(&self) -> &Loaded {
        let load = async {
            match self.load().await {
                Ok(loaded) => loaded,
                Err(error) => self.refused(error),
            }
        };
        self.loaded.get_or_init(|| load).await
    }

    async fn load(&self) -> Result<Loaded> {
        let configuration = Arc::new(Configuration::read(&self.settings)?);
        vendor_settings::refuse(&configuration)?;
        let endpoints = Endpoints::of(&configuration)?;
        let connection = Connection::of(&configuration)?;
        let patience = ReadRetryLimit::of(&configuration)?;
        let direct = LazyHttpClient::shared(&self.clock, connection.without_proxies());
        let http = LazyHttpClient::shared(&self.clock, connection);
        let direct = provider_config(None, &endpoints)
            .with_time_source(self.clock.clone())
            .with_http_client(direct);
        let home = self.find_home(&configuration, &direct).await?;
        let any_region = any_region_near(&self.settings, home.as_deref());
        let provider = provider_config(Some(&any_region), &endpoints)
            .with_time_source(self.clock.clone())
            .with_http_client(http.clone());

        let mut config = SdkConfig::builder()
            .behavior_version(BEHAVIOR())
            .http_client(http)
            .region(home.clone().map(Region::new))
            .retry_config(patience.retries())
            .timeout_config(patience.timeouts())
            .time_source(self.clock.clone())
            .identity_cache(IdentityCache::lazy().build());
        config.set_sleep_impl(default_async_sleep());
        config.set_app_name(AppName::new("cloudctl").ok());
        config.set_use_fips(Some(endpoints.use_fips.is_some()));
        config.set_use_dual_stack(Some(endpoints.use_dual_stack.is_some()));
        let skew = configuration.switch("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "disable_clock_skew_correction")?;
        config.set_disable_clock_skew_correction(skew.map(|(is_disabled, _)| is_disabled));
        let config = config.build();
        let sts = StsClients {
            config: config.clone(),
            endpoint: endpoints.sts.as_ref().map(|setting| setting.value.clone()),
            clock: self.clock.clone(),
            patience: patience.clone(),
        };
        let credentials = CredentialsOfRun {
            configuration,
            sts: sts.clone(),
            provider,
            direct,
            region: any_region.clone(),
        };
        let credentials = SharedCredentialsProvider::new(credentials);
        Ok(Loaded {
            config: config.into_builder().credentials_provider(credentials).build(),
            endpoints,
            sts,
            home,
            any_region,
            patience,
            refusal: None,
        })
    }

    /// What takes the place of a configuration that cannot be used: its calls end before anything is sent.
    fn refused(&self, error: Error) -> Loaded {
        let patience = ReadRetryLimit::default();
        let mut config = SdkConfig::builder()
            .behavior_version(BEHAVIOR())
            .http_client(LazyHttpClient::shared(&self.clock, Connection::default()))
            .retry_config(RetryConfig::disabled());
        config.set_sleep_impl(default_async_sleep());
        let config = config.build();
        let home = self.settings.of(ProviderKind::Aws, REGION).value.clone();
        Loaded {
            sts: StsClients {
                config: config.clone(),
                endpoint: None,
                clock: self.clock.clone(),
                patience: patience.clone(),
            },
            config,
            endpoints: Endpoints::default(),
            any_region: any_region_near(&self.settings, home.as_deref()),
            home,
            patience,
            refusal: Some(error),
        }
    }

    /// The region that the settings or AWS's own configuration names.
    async fn find_home(&self, configuration: &Configuration, direct: &ProviderConfig) -> Result<Option<String>> {
        if let Some(region) = &self.settings.of(ProviderKind::Aws, REGION).value {
            return Ok(Some(region.clone()));
        }
        if let Some(region) = configuration.region()? {
            return Ok(Some(region.value));
        }
        // The SDK would ask the metadata service anywhere, and outside EC2 wait until its time limit.
        if !metadata_may_be_asked(configuration)? {
            return Ok(None);
        }
        let client = metadata_client(configuration, direct)?;
        let region = ImdsRegionProvider::builder().imds_client(client).build().region().await;
        Ok(region.map(|region| region.as_ref().to_owned()))
    }

    /// The region that the settings or AWS's own configuration names.
    ///
    /// # Errors
    /// Those of [`Clients::config`].
    pub(crate) async fn home(&self) -> Result<Option<String>> {
        self.config().await?;
        Ok(self.loaded().await.home.clone())
    }

    /// The region for calls that are about none.
    pub(crate) async fn any_region(&self) -> String {
        let any = self.loaded().await.any_region.clone();
        // Nothing but a reference may have named the partition that the command is about.
        let clients = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |region: &String| Partition::of_region(region) == Partition::of_region(&any);
        match clients.keys().next() {
            Some(other) if !clients.keys().any(is_same) => other.clone(),
            _ => any,
        }
    }

    /// The client of a region.
    pub(crate) async fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        let loaded = self.loaded().await;
        let mut clients = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let mut builder = aws_sdk_ec2::config::Builder::from(&loaded.config).region(Region::new(region.to_owned()));
            builder.set_endpoint_url(loaded.endpoints.ec2.as_ref().map(|setting| setting.value.clone()));
            if let Some(error) = &loaded.refusal {
                builder = builder.interceptor(Refusal(error.clone()));
            }
            let builder = builder
                .disable_clock_skew_correction(true)
                .time_source(time_source(&loaded.config, &self.clock))
                .retry_partition(retry::unrationed())
                .interceptor(loaded.patience.clone())
                .retry_classifier(ClockSkewRetry);
            aws_sdk_ec2::Client::from_conf(builder.build())
        });
        client.clone()
    }

    /// The client that is asked who is asking.
    ///
    /// # Errors
    /// Those of [`Clients::config`].
    pub(crate) async fn sts(&self, region: &str) -> Result<aws_sdk_sts::Client> {
        let config = self.config().await?;
        Ok(self.loaded().await.sts.with(config, region))
    }

    /// What requests are dated by, instead of by the SDK's own correction.
    pub(crate) fn time_source(&self, config: &SdkConfig) -> SharedTimeSource {
        time_source(config, &self.clock)
    }

    /// The cloud's time, by its latest answer; if there was none yet, one is asked for.
    ///
    /// # Errors
    /// Those of a call that gets no answer; `Network` if the answers have no date.
    pub(crate) async fn time(&self) -> Result<Timestamp> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        let region = self.any_region().await;
        tracing::debug!(operation = "GetCallerIdentity", place = region, "call");
        let answer = self.sts(&region).await?.get_caller_identity().send().await;
        let attempted = "cannot ask the cloud for its time";
        match (self.clock.now(), answer) {
            // A refusal has a date, too.
            (Some(now), _) => Ok(now),
            (None, Err(error)) if error.raw_response().is_none() => {
                Err(translate(&error, Call::Read, attempted, &region))
            }
            (None, _) => Err(
                Error::new(ErrorKind::Network, format!("{attempted}: its answers have no date"))
                    .at(format!("aws/{region}"))
                    .with_hint("run the same command where no proxy takes the `Date` header out of answers"),
            ),
        }
    }
}

/// The region for calls that are about none: the home, if it is of the partition that the command is about, else a
/// region of that partition. A mistyped home has no server that could be asked.
pub(crate) fn any_region_near(settings: &Settings, home: Option<&str>) -> String {
    let home = home.filter(|home| may_be_asked(home));
    let named = settings.regions.value.iter().flatten().map(String::as_str);
    let zone = settings.zone.value.as_deref().and_then(region_of_zone);
    let mut named = named.chain(zone.as_deref()).filter(|region| may_be_asked(region));
    let (base, named) = (home.unwrap_or(Partition::Commercial.main_region()), named.next());
    match named {
        Some(named) if Partition::of_region(named) != Partition::of_region(base) => named.to_owned(),
        _ => base.to_owned(),
    }
}

/// The clock that requests are dated by: this machine's own if the correction of its time is turned off.
pub(crate) fn time_source(config: &SdkConfig, clock: &ServerTime) -> SharedTimeSource {
    match config.disable_clock_skew_correction() {
        Some(true) => SharedTimeSource::default(),
        _ => SharedTimeSource::new(clock.clone()),
    }
}

/// What the SDK's own sources of credentials are made with.
fn provider_config(region: Option<&str>, endpoints: &Endpoints) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_region(region.map(|region| Region::new(region.to_owned())))
        .with_use_fips(Some(endpoints.use_fips.is_some()))
        .with_use_dual_stack(Some(endpoints.use_dual_stack.is_some()))
        .with_behavior_version(Some(BEHAVIOR()))
        .with_timeout_config(ReadRetryLimit::default().timeouts())
}

/// What a changing call adds to its client's configuration: one attempt, since [`super::replay`] must see each.
pub(crate) fn one_attempt() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::Config::builder().retry_config(RetryConfig::disabled())
}

/// Whether credentials are found where AWS's tools keep them; asks no network. Settings that make no sense count as
/// found: the call that uses them says why.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
pub(crate) fn has_credentials(settings: &Settings) -> bool {
    let found = || {
        let configuration = Configuration::read(settings)?;
        let is_named = CredentialSource::named(&configuration)?.is_some();
        Ok(is_named || is_container(&configuration)? || metadata_may_be_asked(&configuration)?)
    };
    let found: Result<bool> = found();
    found.unwrap_or(true)
}

/// Whether this machine is an EC2 instance, which has a metadata service.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html>
pub(crate) fn on_ec2() -> bool {
    let says = |file: &str, word: &str| {
        std::fs::read_to_string(Path::new("/sys/devices/virtual/dmi/id").join(file))
            .is_ok_and(|text| text.to_ascii_lowercase().contains(word))
    };
    // Nitro instances name their vendor, Xen ones have it in the version of their BIOS.
    says("sys_vendor", "amazon ec2") || says("bios_version", "amazon")
}

//! Configuration, credentials and clients: loaded on first use, then shared by every call.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::SharedTimeSource;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::error::{Call, translate};
use super::http::LazyHttpClient;
use super::patience::{self, Patience, WrongDate};
use super::places::may_be_asked;
use super::server_time::ServerTime;
use crate::cloud::{Error, ErrorKind, Result};
use crate::settings::{Environment, Settings};

/// The region for calls that are about none, if nothing names another.
const FALLBACK_REGION: &str = "us-east-1";
/// The SDK has no limit of its own on how long one attempt may take.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for a call with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(120);

/// The clients of one run.
pub(super) struct Clients {
    settings: Settings,
    clock: ServerTime,
    config: OnceCell<SdkConfig>,
    by_region: Mutex<HashMap<String, aws_sdk_ec2::Client>>,
}

impl Clients {
    /// Takes the settings; reads nothing yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            clock: ServerTime::default(),
            config: OnceCell::new(),
            by_region: Mutex::default(),
        }
    }

    /// The SDK's configuration, from the environment, the profile and the settings. It is read once.
    pub(super) async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(|| self.load()).await
    }

    async fn load(&self) -> SdkConfig {
        let profile = self.settings.aws.profile.value.as_deref();
        let mut profile_region = ProfileFileRegionProvider::builder();
        let http = LazyHttpClient::shared(&self.clock);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http);
        if let Some(profile) = profile {
            profile_region = profile_region.profile_name(profile);
            loader = loader.profile_name(profile);
        }
        let mut region = RegionProviderChain::first_try(self.settings.aws.region.value.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile_region.build());
        // The SDK would ask the metadata service anywhere, and wait for it in vain anywhere but on EC2.
        if on_ec2(&self.settings.environment) {
            region = region.or_else(ImdsRegionProvider::builder().build());
        }
        let region = region.region().await;
        if let Ok(name) = AppName::new("cloudctl") {
            loader = loader.app_name(name);
        }
        let config = loader
            .region(region)
            .retry_config(patience::retries())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            )
            .load()
            .await;
        match profile {
            Some(profile) => with_profile(config, profile),
            None => config,
        }
    }

    /// The region that the settings or AWS's own configuration names.
    pub(super) async fn home(&self) -> Option<String> {
        self.config().await.region().map(|region| region.as_ref().to_owned())
    }

    /// The region for calls that are about none. A mistyped home has no server that could be asked.
    pub(super) async fn any_region(&self) -> String {
        let home = self.home().await.filter(|home| may_be_asked(home));
        home.unwrap_or_else(|| FALLBACK_REGION.to_owned())
    }

    /// The client of a region.
    pub(super) async fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        let config = self.config().await;
        let mut clients = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let builder = aws_sdk_ec2::config::Builder::from(config).region(Region::new(region.to_owned()));
            let builder = builder
                .disable_clock_skew_correction(true)
                .time_source(self.time_source(config));
            let builder = builder
                .retry_partition(patience::unrationed())
                .interceptor(Patience)
                .retry_classifier(WrongDate);
            aws_sdk_ec2::Client::from_conf(builder.build())
        });
        client.clone()
    }

    /// The client that is asked who is asking.
    pub(super) async fn sts(&self, region: &str) -> aws_sdk_sts::Client {
        let config = self.config().await;
        let builder = aws_sdk_sts::config::Builder::from(config).region(Region::new(region.to_owned()));
        let builder = builder
            .disable_clock_skew_correction(true)
            .time_source(self.time_source(config));
        let builder = builder
            .retry_partition(patience::unrationed())
            .interceptor(Patience)
            .retry_classifier(WrongDate);
        aws_sdk_sts::Client::from_conf(builder.build())
    }

    /// What requests are dated by, instead of by the SDK's own correction. Who turned that off gets none.
    pub(super) fn time_source(&self, config: &SdkConfig) -> SharedTimeSource {
        match config.disable_clock_skew_correction() {
            Some(true) => SharedTimeSource::default(),
            _ => SharedTimeSource::new(self.clock.clone()),
        }
    }

    /// The cloud's time, by its latest answer; if there was none yet, one is asked for.
    ///
    /// # Errors
    /// Those of a call that gets no answer; `Network` if the answers have no date.
    pub(super) async fn time(&self) -> Result<Timestamp> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        let region = self.any_region().await;
        tracing::debug!(operation = "GetCallerIdentity", place = region, "call");
        let answer = self.sts(&region).await.get_caller_identity().send().await;
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
                    .with_remedy("run the same command where no proxy takes the `Date` header out of answers"),
            ),
        }
    }
}

/// The configuration with the credentials of a profile and no others: the SDK's own chain asks the environment first,
/// and would act in the account of an AWS_ACCESS_KEY_ID that happens to be there.
fn with_profile(config: SdkConfig, profile: &str) -> SdkConfig {
    // For the calls that a role or a single sign-on takes.
    let mut provider = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack())
        .with_behavior_version(config.behavior_version());
    if let Some(http) = config.http_client() {
        provider = provider.with_http_client(http);
    }
    if let Some(retry) = config.retry_config() {
        provider = provider.with_retry_config(retry.clone());
    }
    if let Some(timeout) = config.timeout_config() {
        provider = provider.with_timeout_config(timeout.clone());
    }
    let credentials = ProfileFileCredentialsProvider::builder()
        .profile_name(profile)
        .configure(&provider)
        .build();
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// What a changing call adds to its client's configuration: one attempt, since [`super::replay`] must see each.
pub(super) fn one_attempt() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::Config::builder().retry_config(RetryConfig::disabled())
}

/// Whether credentials are found where AWS's tools keep them; asks no network.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
pub(super) fn has_credentials(settings: &Settings) -> bool {
    let environment = &settings.environment;
    let file_exists = |variable: &str, under_home: &str| {
        let path = match environment.get(variable) {
            Some(path) => match (path.strip_prefix("~/"), environment.home()) {
                (Some(rest), Some(home)) => Some(home.join(rest)),
                _ => Some(PathBuf::from(path)),
            },
            None => environment.home().map(|home| home.join(under_home)),
        };
        path.is_some_and(|path| path.is_file())
    };
    settings.aws.profile.value.is_some()
        || [
            "AWS_ACCESS_KEY_ID",
            "AWS_PROFILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ]
        .into_iter()
        .any(|variable| environment.has(variable))
        || file_exists("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")
        || file_exists("AWS_CONFIG_FILE", ".aws/config")
        || on_ec2(environment)
}

/// Whether this machine is an EC2 instance whose metadata service may be asked.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html>
fn on_ec2(environment: &Environment) -> bool {
    let disabled = environment
        .get("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let says = |file: &str, word: &str| {
        std::fs::read_to_string(Path::new("/sys/devices/virtual/dmi/id").join(file))
            .is_ok_and(|text| text.to_ascii_lowercase().contains(word))
    };
    // Nitro instances name their vendor, Xen ones have it in the version of their BIOS.
    !disabled && (says("sys_vendor", "amazon ec2") || says("bios_version", "amazon"))
}

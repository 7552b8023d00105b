//! The client of Compute Engine: settings, credentials, the SDK's clients and the cloud's clock. Each is made on first
//! use.

use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use google_cloud_compute_v1::client::{
    Disks, Firewalls, GlobalOperations, Images, Instances, MachineTypes, Networks, Projects, ZoneOperations, Zones,
};
use google_cloud_compute_v1::model::{Image, MachineType, Network};
use google_cloud_gax::client_builder::Error as BuilderError;
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::NeverRetry;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use super::error::{call_error, response_date};
use super::resource_name::region_of;
use crate::cloud::{Error, ErrorKind, Identity, Location, ProviderKind, Result, path_text};
use crate::providers::common::certificates::has_system_authorities;
use crate::providers::common::lookup_cache::LookupCache;
use crate::providers::common::rate_limit::RateLimiter;
use crate::providers::gcp::configuration::config_file_keys::{REGION, ZONE};
use crate::providers::gcp::configuration::endpoints::GoogleApi;
use crate::providers::gcp::configuration::gcloud_config::GcloudConfiguration;
use crate::providers::gcp::configuration::gcloud_settings::check_gcloud_settings;
use crate::providers::gcp::configuration::resolve_settings;
use crate::providers::gcp::configuration::resolve_settings::{QuotaProject, resolve_impersonation, resolve_universe};
use crate::providers::gcp::credentials;
use crate::providers::gcp::credentials::access_token::BilledCredentials;
use crate::providers::gcp::credentials::impersonation::ImpersonatedToken;
use crate::providers::gcp::credentials::metadata_server::MetadataServer;
use crate::providers::gcp::credentials::resolve_with_credentials::{
    check_account, resolve_matching_universe, resolve_project,
};
use crate::providers::gcp::credentials::{CredentialSource, metadata_server};
use crate::settings::Settings;

/// How long one attempt of a call may take. The SDK itself has no limit.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How many batches of instances are in progress: while the calls of one are sent, the next one is read.
pub(crate) const CONCURRENT_BATCHES: usize = 2;

/// Sends all calls to Compute Engine.
pub(crate) struct Client {
    settings: Settings,
    gcloud_config: OnceCell<GcloudConfiguration>,
    credential_source: OnceCell<CredentialSource>,
    project: OnceCell<String>,
    credentials: OnceCell<Credentials>,
    sdk_clients: SdkClients,
    /// Limits the rate of calls that change something.
    pub(crate) rate_limiter: RateLimiter,
    /// Limits how many batches of instances are read and changed at once: the calls must follow the read soon.
    pub(crate) batch_slots: Semaphore,
    /// The time on the cloud's clock, and when it was read.
    pub(crate) clock: OnceCell<(Timestamp, Instant)>,
    /// The zones of the project. Requested once.
    pub(crate) zone_entries: OnceCell<Vec<ZoneEntry>>,
    /// Machine types by zone and name, or the error that says that the zone lacks it.
    pub(crate) known_types: LookupCache<(String, String), Result<MachineType>>,
    /// Images by project and name.
    pub(crate) known_images: LookupCache<(String, String), Option<Image>>,
    /// The newest images by project and family.
    pub(crate) newest_images: LookupCache<(String, String), Option<Image>>,
    /// The networks of the project.
    pub(crate) own_networks: LookupCache<(), Vec<Network>>,
    /// Whether the project's VMs use OS Login, unless their own metadata says otherwise.
    pub(crate) uses_os_login: LookupCache<(), bool>,
}

/// The SDK's clients, one for each kind of resource. Each is built on first use.
#[derive(Default)]
struct SdkClients {
    instances: OnceCell<Instances>,
    listing: OnceCell<Instances>,
    zones: OnceCell<Zones>,
    machine_types: OnceCell<MachineTypes>,
    images: OnceCell<Images>,
    operations: OnceCell<ZoneOperations>,
    disks: OnceCell<Disks>,
    tags: OnceCell<Instances>,
    firewalls: OnceCell<Firewalls>,
    networks: OnceCell<Networks>,
    projects: OnceCell<Projects>,
    global_operations: OnceCell<GlobalOperations>,
}

/// A zone that the project can use.
#[derive(Debug)]
pub(crate) struct ZoneEntry {
    pub(crate) name: String,
    pub(crate) region: String,
    /// Whether it takes new instances.
    pub(crate) is_up: bool,
}

/// Defines an accessor that builds one of the SDK's clients on first use. Each client loads the TLS roots again.
macro_rules! client_on_first_use {
    ($(#[$doc:meta])* $name:ident: $type:ident, $suffix:literal) => {
        $(#[$doc])*
        pub(crate) async fn $name(&self) -> Result<&$type> {
            let build = || async {
                let endpoint = self.resolve_endpoint(GoogleApi::COMPUTE).await?;
                let builder = $type::builder().with_credentials(self.credentials().await?.clone());
                let builder = builder.with_endpoint(format!("{endpoint}{}", $suffix));
                let client = builder.with_universe_domain(self.universe_or_default().await?).build().await;
                client.map_err(|error| self.client_setup_error(&endpoint, error))
            };
            self.sdk_clients.$name.get_or_try_init(build).await
        }
    };
}

impl Client {
    /// Creates the client. Reads no file and opens no connection.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            gcloud_config: OnceCell::new(),
            credential_source: OnceCell::new(),
            project: OnceCell::new(),
            credentials: OnceCell::new(),
            sdk_clients: SdkClients::default(),
            rate_limiter: RateLimiter::default(),
            batch_slots: Semaphore::new(CONCURRENT_BATCHES),
            clock: OnceCell::new(),
            zone_entries: OnceCell::new(),
            known_types: LookupCache::default(),
            known_images: LookupCache::default(),
            newest_images: LookupCache::default(),
            own_networks: LookupCache::default(),
            uses_os_login: LookupCache::default(),
        }
    }

    client_on_first_use!(instances: Instances, "");
    client_on_first_use!(
        /// For aggregated lists. The SDK's builder lacks this parameter; a query in the endpoint is sent with every
        /// call.
        listing: Instances, "/?returnPartialSuccess=true"
    );
    client_on_first_use!(zones: Zones, "");
    client_on_first_use!(machine_types: MachineTypes, "");
    client_on_first_use!(images: Images, "");
    client_on_first_use!(operations: ZoneOperations, "");
    client_on_first_use!(disks: Disks, "");
    client_on_first_use!(
        /// For aggregated lists that need only the network tags, so that a large project is listed fast.
        tags: Instances, "/?returnPartialSuccess=true&fields=nextPageToken,unreachables,warning,\
                          items/*/warning,items/*/instances(id,name,zone,status,tags/items)"
    );
    client_on_first_use!(firewalls: Firewalls, "");
    client_on_first_use!(networks: Networks, "");
    client_on_first_use!(projects: Projects, "");
    client_on_first_use!(global_operations: GlobalOperations, "");

    /// Returns the project that all calls go to.
    ///
    /// # Errors
    /// `InvalidSpec` if nothing names one; the errors of finding credentials, which may name it.
    pub(crate) async fn project(&self) -> Result<&str> {
        let project = self.project.get_or_try_init(|| async {
            let credential_source = self.credential_source().await;
            let usable_credentials = credential_source.as_ref().ok().copied();
            let gcloud = self.gcloud_config().await?;
            if let Some(project) = resolve_project(&self.settings, gcloud, usable_credentials)? {
                return Ok(project.value);
            }
            let environment = &self.settings.environment;
            if metadata_server::is_available(environment)
                && let Some(project) = MetadataServer::new(environment)?.project().await
            {
                return Ok(project);
            }
            // The credentials that cannot be used may have named the project.
            if let Err(error) = credential_source
                && credentials::find_credentials(environment, gcloud).is_err()
            {
                return Err(error);
            }
            Err(Error::invalid("no Google Cloud project is named")
                .with_hint("set GOOGLE_CLOUD_PROJECT, or run `gcloud config set project PROJECT`"))
        });
        project.await.map(String::as_str)
    }

    /// Returns the location for new instances that cloudctl's settings name, or else gcloud's.
    pub(crate) async fn default_location(&self) -> Result<Option<Location>> {
        let setting = |key| self.settings.cloud_setting(ProviderKind::Gcp, key).value.as_deref();
        let (region, zone) = (setting(REGION), setting(ZONE));
        if let (Some(region), Some(zone)) = (region, zone)
            && region_of(zone) != region
        {
            let message = format!("the zone {zone} is not in the region {region}; both are set for gcp");
            return Err(Error::invalid(message));
        }
        if let Some(location) = location_of(zone, region) {
            return Ok(Some(location));
        }
        // gcloud's zone and region are independent. If they differ, an instance goes to the zone.
        let gcloud = self.gcloud_config().await?;
        let (zone, region) = (gcloud.value_of("compute", "zone"), gcloud.value_of("compute", "region"));
        Ok(location_of(zone.as_deref(), region.as_deref()))
    }

    /// Returns the caller's identity, checked by a small call.
    pub(crate) async fn identity(&self) -> Result<Identity> {
        let project = self.project().await?;
        let zones = self.zones().await?;
        self.read("identify the caller", "", || {
            let call = zones.list().set_project(project).set_max_results(1_u32);
            with_call_options(call).send()
        })
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_kind(ErrorKind::InvalidSpec).with_hint(format!(
                "check the project's name; `gcloud projects describe {project}` shows it"
            )),
            _ => error,
        })?;
        Ok(Identity {
            account: project.to_owned(),
            principal: match resolve_impersonation(self.gcloud_config().await?)? {
                Some(impersonation) => Some(impersonation.principal),
                None => self.credential_source().await?.principal(),
            },
        })
    }

    /// Returns gcloud's configuration, after refusing settings that cloudctl cannot honour.
    pub(crate) async fn gcloud_config(&self) -> Result<&GcloudConfiguration> {
        let read = || async {
            let gcloud = GcloudConfiguration::read(&self.settings.environment)?;
            check_gcloud_settings(&self.settings, &gcloud)?;
            Ok(gcloud)
        };
        self.gcloud_config.get_or_try_init(read).await
    }

    async fn credential_source(&self) -> Result<&CredentialSource> {
        let find = || async {
            let gcloud = self.gcloud_config().await?;
            credentials::find_credentials(&self.settings.environment, gcloud)?
                .ok_or_else(credentials::missing_credentials_error)
        };
        self.credential_source.get_or_try_init(find).await
    }

    /// Returns the credentials that sign calls. Settings may add a service account to impersonate and a project to
    /// bill.
    ///
    /// # Errors
    /// `Unauthenticated` if there are none; `InvalidSpec` for settings that contradict them.
    pub(crate) async fn credentials(&self) -> Result<&Credentials> {
        self.credentials.get_or_try_init(|| self.build_credentials()).await
    }

    async fn build_credentials(&self) -> Result<Credentials> {
        let (gcloud, credential_source) = (self.gcloud_config().await?, self.credential_source().await?);
        check_account(&self.settings, credential_source)?;
        let universe = self.universe().await?;
        let caller = credential_source.to_credentials(&self.settings.environment, universe.as_deref())?;
        let signer = match resolve_impersonation(gcloud)? {
            Some(impersonation) => {
                let endpoint = self.resolve_endpoint(GoogleApi::IAM_CREDENTIALS).await?;
                ImpersonatedToken::new(caller, impersonation, endpoint)?.into()
            }
            None => caller,
        };
        let billed_project = match QuotaProject::resolve(&self.settings, gcloud)? {
            Some(QuotaProject::Named(project)) => Some(project.value),
            Some(QuotaProject::Current(_)) => Some(self.project().await?.to_owned()),
            None => credential_source.quota_project().map(str::to_owned),
        };
        match billed_project {
            Some(project) => Ok(BilledCredentials::new(signer, QuotaProject::header_value(&project)?).into()),
            None => Ok(signer),
        }
    }

    /// Returns the universe that the settings or the credentials name.
    async fn universe(&self) -> Result<Option<String>> {
        let setting = resolve_universe(&self.settings, self.gcloud_config().await?)?;
        resolve_matching_universe(self.credential_source().await?, setting.as_ref())
    }

    /// Returns the universe for the SDK's builders: the default one if nothing names another.
    pub(crate) async fn universe_or_default(&self) -> Result<String> {
        let universe = match self.universe().await? {
            Some(universe) => Some(universe),
            // The metadata server of a Google machine knows its universe.
            None => self.credentials().await?.universe_domain().await,
        };
        Ok(universe.unwrap_or_else(|| resolve_settings::DEFAULT_UNIVERSE.to_owned()))
    }

    /// Returns the address of an API, without its base path and last slash.
    pub(crate) async fn resolve_endpoint(&self, api: &GoogleApi) -> Result<String> {
        let (gcloud, universe) = (self.gcloud_config().await?, self.universe().await?);
        let endpoint = resolve_settings::resolve_endpoint(gcloud, api, universe.as_deref())?;
        Ok(endpoint.value)
    }

    /// Makes the error for a client that the SDK could not build.
    pub(crate) fn client_setup_error(&self, endpoint: &str, error: BuilderError) -> Error {
        let set = |variable| Some((variable, self.settings.environment.get(variable)?));
        let authorities = set("SSL_CERT_FILE").or_else(|| set("SSL_CERT_DIR"));
        let message = format!("cannot prepare the connection to {endpoint}");
        match authorities {
            Some((variable, path)) => {
                let path = path_text(path);
                Error::invalid(format!("{message}: no certificates could be read; {variable} is {path}"))
                    .with_hint(format!("set {variable} to PEM certificates, or unset it"))
            }
            None if !has_system_authorities() => Error::invalid(format!(
                "{message}: there are no certificate authorities on this machine"
            ))
            .with_hint(
                "install them (in most distributions the package ca-certificates), or set SSL_CERT_FILE to PEM certificates",
            ),
            None => Error::invalid(message).with_source(error),
        }
    }
}

/// Returns the location of a zone, or else of a region. The zone implies its region.
fn location_of(zone: Option<&str>, region: Option<&str>) -> Option<Location> {
    let region = match zone {
        Some(zone) => region_of(zone),
        None => region?,
    };
    Some(Location {
        region: region.to_owned(),
        zone: zone.map(str::to_owned),
    })
}

/// The scope of calls that concern no zone.
pub(crate) const NO_ZONE: &str = "";
/// A zone name that cannot exist: zones are named after their region, with a letter.
const MISSING_ZONE: &str = "no-such-zone";

impl Client {
    /// Returns the time on the cloud's clock. It is requested once, and can be late by a second and the time of the
    /// answer, if this machine's clock differs from the cloud's.
    ///
    /// # Errors
    /// Those of any call; `Network` if the answer has no date.
    pub(crate) async fn server_time(&self) -> Result<Timestamp> {
        let (server_time, read_at) = self.clock.get_or_try_init(|| self.request_date()).await?;
        server_time
            .checked_add(read_at.elapsed())
            .map_err(|_| Error::new(ErrorKind::Network, "the cloud returned an invalid time").at(ProviderKind::Gcp))
    }

    async fn request_date(&self) -> Result<(Timestamp, Instant)> {
        let (project, zones) = (self.project().await?, self.zones().await?);
        let attempted = "ask the cloud for its time";
        let asked_at = Timestamp::now();
        let answer = self.try_read(attempted, "", || {
            with_call_options(zones.get().set_project(project).set_zone(MISSING_ZONE)).send()
        });
        let no_date_error = || {
            let message = format!("cannot {attempted}: its answer has no date");
            Error::new(ErrorKind::Network, message).at(ProviderKind::Gcp)
        };
        let Err(failure) = answer.await else {
            return Err(no_date_error());
        };
        if let Some(time) = response_date(&failure.error) {
            return Ok((add_fraction(time, asked_at, Timestamp::now()), Instant::now()));
        }
        let error = call_error(failure.error, &format!("cannot {attempted}"), "");
        Err(match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidSpec => no_date_error(),
            _ => error,
        })
    }
}

/// The time at which an answer arrived, by the cloud's clock. The date of an answer has whole seconds; this machine's clock
/// has their fractions, if it shows the same second.
fn add_fraction(date: Timestamp, asked_at: Timestamp, answered_at: Timestamp) -> Timestamp {
    let next_second = date + SignedDuration::from_secs(1);
    if answered_at >= date && asked_at < next_second {
        return answered_at;
    }
    date
}

/// Adds the options that every call has. One attempt each, because the retry loop must know what each attempt may have
/// done.
pub(crate) fn with_call_options<B: RequestOptionsBuilder>(call: B) -> B {
    call.with_retry_policy(NeverRetry)
        .with_attempt_timeout(ATTEMPT_TIMEOUT)
        .with_idempotency(true)
        .with_user_agent(concat!("cloudctl/", env!("CARGO_PKG_VERSION")))
}

/// Returns a random request id, so that a later command does not get the failure of this one. All attempts of a call
/// use the same id.
pub(crate) fn fresh_request_id() -> String {
    let random = fastrand::u128(..).to_be_bytes();
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraction_is_added_only_if_both_clocks_show_the_same_second() {
        let date: Timestamp = "2026-11-28T12:00:05Z".parse().unwrap();
        let at = |milliseconds| date + SignedDuration::from_millis(milliseconds);
        assert_eq!(add_fraction(date, at(300), at(320)), at(320));
        // The second changed while the answer was on its way.
        assert_eq!(add_fraction(date, at(990), at(1_010)), at(1_010));
        assert_eq!(add_fraction(date, at(-200), at(-100)), date);
        assert_eq!(add_fraction(date, at(1_000), at(1_100)), date);
    }

    #[test]
    fn default_zone_implies_its_region() {
        let location = location_of(Some("us-central1-a"), Some("europe-west1")).unwrap();
        assert_eq!(location.region, "us-central1");
    }
}

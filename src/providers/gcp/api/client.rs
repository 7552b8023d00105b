//! The connection to Compute Engine: configuration, credentials, and clients made on first use.
//! The cloud's own clock.
//!
//! The SDK shows an answer's headers only with an error, so the time is asked for by a call that must fail.

use std::collections::BTreeMap;
use std::sync::Mutex;

use google_cloud_auth::credentials::Credentials;
use google_cloud_compute_v1::client::{
    Disks, Firewalls, GlobalOperations, Images, Instances, MachineTypes, Networks, Projects, ZoneOperations, Zones,
};
use google_cloud_compute_v1::model::MachineType;
use google_cloud_gax::client_builder::Error as BuilderError;
use google_cloud_gax::error::Error as SdkError;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use super::error::of_call;
use super::pace::RateLimiter;
use super::retry::prepared;
use crate::cloud::{Error, ErrorKind, Identity, Location, ProviderKind, Result, path_text};
use crate::providers::common::certificates::has_system_authorities;
use crate::providers::gcp::configuration::gcloud_config::GcloudConfiguration;
use crate::providers::gcp::configuration::resolved::QuotaProject;
use crate::providers::gcp::configuration::setting_keys::{REGION, ZONE};
use crate::providers::gcp::configuration::{resolved, vendor_settings};
use crate::providers::gcp::credentials;
use crate::providers::gcp::credentials::access_token::BilledTo;
use crate::providers::gcp::credentials::impersonation::ImpersonatedToken;
use crate::providers::gcp::credentials::metadata_server::MetadataServer;
use crate::providers::gcp::credentials::{CredentialSource, metadata_server};
use crate::providers::gcp::instances::change_batch::CONCURRENT_BATCHES;
use crate::providers::gcp::regions::{ZoneEntry, region_of};
use crate::settings::Settings;

/// Everything that is asked of Compute Engine goes through here.
pub(crate) struct Client {
    settings: Settings,
    gcloud: OnceCell<GcloudConfiguration>,
    found: OnceCell<CredentialSource>,
    project: OnceCell<String>,
    credentials: OnceCell<Credentials>,
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
    /// The turns of calls that change something.
    pub(crate) pace: RateLimiter,
    /// Who may look at a wave of instances and change them: calls must follow the look soon.
    pub(crate) waves: Semaphore,
    /// What the cloud's clock showed, and when it was asked.
    pub(crate) clock: OnceCell<(Timestamp, Instant)>,
    /// The zones of the project, asked for once.
    pub(crate) zone_entries: OnceCell<Vec<ZoneEntry>>,
    /// Machine types by zone and name, asked for once each.
    pub(crate) known_types: Mutex<BTreeMap<(String, String), MachineType>>,
}

/// Makes an accessor that builds one of the SDK's clients on first use: each loads the TLS roots again.
macro_rules! client_on_first_use {
    ($(#[$doc:meta])* $name:ident: $type:ident, $suffix:literal) => {
        $(#[$doc])*
        pub(crate) async fn $name(&self) -> Result<&$type> {
            let build = || async {
                let endpoint = self.endpoint_of("compute", "/compute/v1").await?;
                let builder = $type::builder().with_credentials(self.credentials().await?.clone());
                let builder = builder.with_endpoint(format!("{endpoint}{}", $suffix));
                let client = builder.with_universe_domain(self.universe_or_default().await?).build().await;
                client.map_err(|error| self.cannot_connect(&endpoint, error))
            };
            self.$name.get_or_try_init(build).await
        }
    };
}

impl Client {
    /// Reads and connects nothing.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            gcloud: OnceCell::new(),
            found: OnceCell::new(),
            project: OnceCell::new(),
            credentials: OnceCell::new(),
            instances: OnceCell::new(),
            listing: OnceCell::new(),
            zones: OnceCell::new(),
            machine_types: OnceCell::new(),
            images: OnceCell::new(),
            operations: OnceCell::new(),
            disks: OnceCell::new(),
            tags: OnceCell::new(),
            firewalls: OnceCell::new(),
            networks: OnceCell::new(),
            projects: OnceCell::new(),
            global_operations: OnceCell::new(),
            pace: RateLimiter::default(),
            waves: Semaphore::new(CONCURRENT_BATCHES),
            clock: OnceCell::new(),
            zone_entries: OnceCell::new(),
            known_types: Mutex::default(),
        }
    }

    client_on_first_use!(instances: Instances, "");
    client_on_first_use!(
        /// For aggregated lists: the SDK's builder lacks this parameter, and a query in the endpoint stays on every
        /// call.
        listing: Instances, "/?returnPartialSuccess=true"
    );
    client_on_first_use!(zones: Zones, "");
    client_on_first_use!(machine_types: MachineTypes, "");
    client_on_first_use!(images: Images, "");
    client_on_first_use!(operations: ZoneOperations, "");
    client_on_first_use!(disks: Disks, "");
    client_on_first_use!(
        /// For aggregated lists of which the network tags are all that matters, in a project of any size.
        tags: Instances, "/?returnPartialSuccess=true&fields=nextPageToken,unreachables,warning,\
                          items/*/warning,items/*/instances(id,name,zone,status,tags/items)"
    );
    client_on_first_use!(firewalls: Firewalls, "");
    client_on_first_use!(networks: Networks, "");
    client_on_first_use!(projects: Projects, "");
    client_on_first_use!(global_operations: GlobalOperations, "");

    /// The project that all calls go to.
    ///
    /// # Errors
    /// `InvalidSpec` if nothing names one; those of looking for credentials, which may name it.
    pub(crate) async fn project(&self) -> Result<&str> {
        let project = self.project.get_or_try_init(|| async {
            let found = self.found().await;
            let known = found.as_ref().ok().copied();
            if let Some(project) = resolved::project(&self.settings, self.gcloud().await?, known)? {
                return Ok(project.value);
            }
            let environment = &self.settings.environment;
            let own = match metadata_server::is_here(environment) {
                true => MetadataServer::new(environment)?.project().await,
                false => None,
            };
            match (own, found) {
                (Some(own), _) => Ok(own),
                // Credentials that cannot be used may name the project.
                (None, Err(error)) if credentials::find(environment, self.gcloud().await?).is_err() => Err(error),
                (None, _) => Err(Error::invalid("no Google Cloud project is named")
                    .with_hint("set GOOGLE_CLOUD_PROJECT, or run `gcloud config set project PROJECT`")),
            }
        });
        project.await.map(String::as_str)
    }

    /// The place that cloudctl's settings, or else gcloud's, name for new instances.
    pub(crate) async fn home(&self) -> Result<Option<Location>> {
        let setting = |key| self.settings.of(ProviderKind::Gcp, key).value.as_deref();
        let (region, zone) = (setting(REGION), setting(ZONE));
        if let Some(place) = place(region, zone) {
            if let Some(region) = region.filter(|region| *region != place.region) {
                return Err(Error::invalid(format!(
                    "the zone {place} is not in the region {region}; both are set for gcp"
                )));
            }
            return Ok(Some(place));
        }
        // gcloud takes its zone and its region each for itself; where they differ, an instance follows the zone.
        let gcloud = self.gcloud().await?;
        Ok(place(
            gcloud.property("compute", "region").as_deref(),
            gcloud.property("compute", "zone").as_deref(),
        ))
    }

    /// Who is asking, checked by a small call.
    pub(crate) async fn identity(&self) -> Result<Identity> {
        let project = self.project().await?;
        let zones = self.zones().await?;
        self.read("identify the caller", "", || {
            let call = zones.list().set_project(project).set_max_results(1_u32);
            prepared(call).send()
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
            principal: match resolved::impersonation(self.gcloud().await?)? {
                Some(whom) => Some(whom.principal),
                None => self.found().await?.principal(),
            },
        })
    }

    /// gcloud's configuration, without settings that cannot be honoured.
    ///
    /// # Errors
    /// `InvalidSpec` that names such a setting, or a file that cannot be read.
    pub(crate) async fn gcloud(&self) -> Result<&GcloudConfiguration> {
        let read = || async {
            let gcloud = GcloudConfiguration::read(&self.settings.environment)?;
            vendor_settings::check(&self.settings, &gcloud)?;
            Ok(gcloud)
        };
        self.gcloud.get_or_try_init(read).await
    }

    async fn found(&self) -> Result<&CredentialSource> {
        let find = || async {
            let gcloud = self.gcloud().await?;
            credentials::find(&self.settings.environment, gcloud)?.ok_or_else(credentials::missing)
        };
        self.found.get_or_try_init(find).await
    }

    /// What signs calls: the credentials that were found, as the service account and on the bill that settings name.
    ///
    /// # Errors
    /// `Unauthenticated` if there are none; `InvalidSpec` for settings that do not go with them.
    pub(crate) async fn credentials(&self) -> Result<&Credentials> {
        let build = || async {
            let (gcloud, found) = (self.gcloud().await?, self.found().await?);
            resolved::check_account(&self.settings, found)?;
            let universe = self.universe().await?;
            let caller = found.credentials(&self.settings.environment, universe.as_deref())?;
            let signer = match resolved::impersonation(gcloud)? {
                Some(whom) => {
                    let endpoint = self.endpoint_of("iamcredentials", "/v1").await?;
                    ImpersonatedToken::new(caller, whom, endpoint)?.into()
                }
                None => caller,
            };
            let billed = match QuotaProject::of(&self.settings, gcloud)? {
                Some(QuotaProject::Named(named)) => named.value,
                Some(QuotaProject::Current(_)) => self.project().await?.to_owned(),
                None => match found.quota_project() {
                    Some(project) => project.to_owned(),
                    None => return Ok(signer),
                },
            };
            Ok(BilledTo::new(signer, QuotaProject::header(&billed)?).into())
        };
        self.credentials.get_or_try_init(build).await
    }

    /// The universe that is set or that the credentials are of.
    async fn universe(&self) -> Result<Option<String>> {
        let named = resolved::universe(&self.settings, self.gcloud().await?)?;
        resolved::universe_of(self.found().await?, named.as_ref())
    }

    /// The same for the SDK's builders.
    pub(crate) async fn universe_or_default(&self) -> Result<String> {
        let universe = match self.universe().await? {
            Some(universe) => Some(universe),
            // A machine of Google's knows its universe.
            None => self.credentials().await?.universe_domain().await,
        };
        Ok(universe.unwrap_or_else(|| resolved::DEFAULT_UNIVERSE.to_owned()))
    }

    /// The address of an API, which gcloud's own override moves; without its version and last slash.
    ///
    /// # Errors
    /// `InvalidSpec` for settings that are no addresses.
    pub(crate) async fn endpoint_of(&self, api: &str, version: &str) -> Result<String> {
        let (gcloud, universe) = (self.gcloud().await?, self.universe().await?);
        resolved::endpoint(gcloud, api, version, universe.as_deref()).map(|located| located.value)
    }

    /// The error for a client that the SDK could not make.
    pub(crate) fn cannot_connect(&self, endpoint: &str, error: BuilderError) -> Error {
        let authorities = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
        let environment = &self.settings.environment;
        let set = authorities.iter().find_map(|name| Some((name, environment.get(name)?)));
        let message = format!("cannot prepare the connection to {endpoint}");
        match set {
            Some((name, path)) => {
                let message = format!(
                    "{message}: no certificates could be read; {name} is {}",
                    path_text(path)
                );
                Error::invalid(message).with_hint(format!("set {name} to PEM certificates, or unset it"))
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

fn place(region: Option<&str>, zone: Option<&str>) -> Option<Location> {
    match (region, zone) {
        (_, Some(zone)) => Some(Location {
            region: region_of(zone).to_owned(),
            zone: Some(zone.to_owned()),
        }),
        (Some(region), None) => Some(Location {
            region: region.to_owned(),
            zone: None,
        }),
        (None, None) => None,
    }
}

/// Zones are called after their region, with a letter: this can be none.
const NO_ZONE: &str = "no-such-zone";

impl Client {
    /// The time by the cloud's clock, which is asked once; at most a second and an answer's way behind.
    ///
    /// # Errors
    /// Those of any call; `Network` if the answers have no time.
    pub(crate) async fn time(&self) -> Result<Timestamp> {
        let (then, asked) = self.clock.get_or_try_init(|| self.ask_the_time()).await?;
        let since = SignedDuration::try_from(asked.elapsed()).unwrap_or_default();
        then.checked_add(since)
            .map_err(|_| Error::new(ErrorKind::Network, "the cloud's time is out of all bounds").at("gcp"))
    }

    async fn ask_the_time(&self) -> Result<(Timestamp, Instant)> {
        let (project, zones) = (self.project().await?, self.zones().await?);
        let attempted = "ask the cloud for its time";
        let answer = self.probe(attempted, "", || {
            prepared(zones.get().set_project(project).set_zone(NO_ZONE)).send()
        });
        let without = || {
            Error::new(
                ErrorKind::Network,
                format!("cannot {attempted}: its answer has no date"),
            )
            .at("gcp")
        };
        let Err(failure) = answer.await else {
            return Err(without());
        };
        if let Some(time) = date_of(&failure.error) {
            return Ok((time, Instant::now()));
        }
        let error = of_call(failure.error, &format!("cannot {attempted}"), "");
        Err(match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidSpec => without(),
            _ => error,
        })
    }
}

/// When an answer was given, by its `Date`. <https://www.rfc-editor.org/rfc/rfc9110#field.date>
pub(crate) fn date_of(error: &SdkError) -> Option<Timestamp> {
    let text = error.http_headers()?.get("date")?.to_str().ok()?;
    parse_date(text)
}

/// Reads the form that HTTP has for dates.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_names_its_region() {
        let place = place(None, Some("us-central1-a")).unwrap();
        assert_eq!(place.region, "us-central1");
    }
}

#[cfg(test)]
mod clock_tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let with = |value: &'static str| {
            let headers = HeaderMap::from_iter([(http::header::DATE, http::HeaderValue::from_static(value))]);
            date_of(&SdkError::http(404, headers, bytes::Bytes::new()))
        };
        let read = with("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(read.to_string(), "1994-11-06T08:49:37Z");
        assert_eq!(with("yesterday"), None);
        assert_eq!(
            date_of(&SdkError::http(404, HeaderMap::new(), bytes::Bytes::new())),
            None
        );
    }
}

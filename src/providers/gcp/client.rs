//! The connection to Compute Engine: configuration, credentials, and clients made on first use.

use std::collections::BTreeMap;
use std::sync::Mutex;

use google_cloud_auth::credentials::Credentials;
use google_cloud_compute_v1::client::{
    Disks, Firewalls, GlobalOperations, Images, Instances, MachineTypes, Networks, Projects, ZoneOperations, Zones,
};
use google_cloud_compute_v1::model::MachineType;
use jiff::Timestamp;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use super::changes::WAVES_AT_ONCE;
use super::credentials::{self, Found};
use super::gcloud_configuration::GcloudConfiguration;
use super::pace::Pace;
use super::places::{ZoneEntry, region_of};
use super::replay::prepared;
use crate::cloud::{Error, ErrorKind, Identity, Place, Result};
use crate::settings::Settings;

/// Everything that is asked of Compute Engine goes through here.
pub(super) struct Client {
    settings: Settings,
    gcloud: OnceCell<GcloudConfiguration>,
    found: OnceCell<Found>,
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
    pub(super) pace: Pace,
    /// Who may look at a wave of instances and change them: calls must follow the look soon.
    pub(super) waves: Semaphore,
    /// What the cloud's clock showed, and when it was asked.
    pub(super) clock: OnceCell<(Timestamp, Instant)>,
    /// The zones of the project, asked for once.
    pub(super) zone_entries: OnceCell<Vec<ZoneEntry>>,
    /// Machine types by zone and name, asked for once each.
    pub(super) known_types: Mutex<BTreeMap<(String, String), MachineType>>,
}

/// Makes an accessor that builds one of the SDK's clients on first use: each loads the TLS roots again.
macro_rules! client_on_first_use {
    ($(#[$doc:meta])* $name:ident: $type:ident, $suffix:literal) => {
        $(#[$doc])*
        pub(super) async fn $name(&self) -> Result<&$type> {
            let build = || async {
                let builder = $type::builder().with_credentials(self.credentials().await?.clone());
                let endpoint = self.endpoint().await?;
                let client = builder.with_endpoint(format!("{endpoint}{}", $suffix)).build().await;
                client.map_err(|error| {
                    let message = format!("cannot prepare the connection to {endpoint}");
                    Error::new(ErrorKind::InvalidSpec, message).with_source(error)
                })
            };
            self.$name.get_or_try_init(build).await
        }
    };
}

impl Client {
    /// Reads and connects nothing.
    pub(super) fn new(settings: &Settings) -> Self {
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
            pace: Pace::default(),
            waves: Semaphore::new(WAVES_AT_ONCE),
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
    /// `InvalidSpec` if nothing names one.
    pub(super) async fn project(&self) -> Result<&str> {
        let project = self.project.get_or_try_init(|| async {
            let environment = &self.settings.environment;
            let gcloud = self.gcloud().await?;
            let named = [
                self.settings.gcp.project.value.as_deref(),
                environment.get("GOOGLE_CLOUD_PROJECT"),
                environment.get("CLOUDSDK_CORE_PROJECT"),
                environment.get("GCLOUD_PROJECT"),
                gcloud.in_file("core", "project"),
            ];
            if let Some(project) = named.into_iter().flatten().next() {
                return Ok(project.to_owned());
            }
            if let Some(project) = self.found().await.ok().and_then(Found::project) {
                return Ok(project.to_owned());
            }
            let on_google_cloud = credentials::on_google_cloud(environment);
            let own = on_google_cloud
                .then(|| credentials::metadata_project(environment))
                .flatten();
            own.ok_or_else(|| {
                Error::invalid("no Google Cloud project is named")
                    .with_remedy("set GOOGLE_CLOUD_PROJECT, or run `gcloud config set project PROJECT`")
            })
        });
        project.await.map(String::as_str)
    }

    /// The place that cloudctl's settings, or else gcloud's, name for new instances.
    pub(super) async fn home(&self) -> Result<Option<Place>> {
        let gcp = &self.settings.gcp;
        if let Some(place) = place(gcp.region.value.as_deref(), gcp.zone.value.as_deref()) {
            if gcp.region.value.as_ref().is_some_and(|region| *region != place.region) {
                return Err(Error::invalid(format!(
                    "the zone {place} is not in the region {}; both are set for gcp",
                    gcp.region.value.as_deref().unwrap_or_default()
                )));
            }
            return Ok(Some(place));
        }
        // gcloud takes its zone and its region each for itself; where they differ, an instance follows the zone.
        let gcloud = self.gcloud().await?;
        Ok(place(
            gcloud.property("compute", "region"),
            gcloud.property("compute", "zone"),
        ))
    }

    /// Who is asking, checked by a small call.
    pub(super) async fn identity(&self) -> Result<Identity> {
        let project = self.project().await?;
        let zones = self.zones().await?;
        self.read("identify the caller", "", || {
            let call = zones.list().set_project(project).set_max_results(1_u32);
            prepared(call).send()
        })
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.as_kind(ErrorKind::InvalidSpec).with_remedy(format!(
                "check the project's name; `gcloud projects describe {project}` shows it"
            )),
            _ => error,
        })?;
        Ok(Identity {
            account: project.to_owned(),
            principal: self.found().await?.principal(),
        })
    }

    pub(super) async fn gcloud(&self) -> Result<&GcloudConfiguration> {
        let read = || async { GcloudConfiguration::read(&self.settings.environment) };
        self.gcloud.get_or_try_init(read).await
    }

    async fn found(&self) -> Result<&Found> {
        let find = || async { credentials::find(&self.settings.environment)?.ok_or_else(credentials::missing) };
        self.found.get_or_try_init(find).await
    }

    pub(super) async fn credentials(&self) -> Result<&Credentials> {
        let build = || async { self.found().await?.credentials(&self.settings.environment) };
        self.credentials.get_or_try_init(build).await
    }

    /// The address of the API, which gcloud's own override moves; without its last slash.
    async fn endpoint(&self) -> Result<String> {
        let gcloud = self.gcloud().await?;
        let Some(named) = gcloud.property("api_endpoint_overrides", "compute") else {
            return Ok("https://compute.googleapis.com".to_owned());
        };
        endpoint_of(named)
    }
}

fn place(region: Option<&str>, zone: Option<&str>) -> Option<Place> {
    match (region, zone) {
        (_, Some(zone)) => Some(Place {
            region: region_of(zone).to_owned(),
            zone: Some(zone.to_owned()),
        }),
        (Some(region), None) => Some(Place {
            region: region.to_owned(),
            zone: None,
        }),
        (None, None) => None,
    }
}

/// gcloud's form has the API's path in it (`https://host/compute/v1/`), which the SDK adds by itself.
fn endpoint_of(named: &str) -> Result<String> {
    let trimmed = named.trim_end_matches('/');
    let endpoint = trimmed.strip_suffix("/compute/v1").unwrap_or(trimmed);
    let address = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"));
    if address.is_none_or(|address| address.is_empty() || address.contains(['?', '#', '@'])) {
        return Err(
            Error::invalid(format!("invalid Compute Engine endpoint {named:?}")).with_remedy(
                "set CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE to a URL such as http://127.0.0.1:8080/compute/v1/",
            ),
        );
    }
    Ok(endpoint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_loses_the_path_that_the_sdk_adds() {
        for (named, endpoint) in [
            ("http://127.0.0.1:1/compute/v1/", "http://127.0.0.1:1"),
            ("http://127.0.0.1:1/compute/v1", "http://127.0.0.1:1"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1"),
            ("https://host.test/prefix/compute/v1/", "https://host.test/prefix"),
        ] {
            assert_eq!(endpoint_of(named).unwrap(), endpoint);
        }
        for named in [
            "127.0.0.1:1",
            "ftp://host",
            "http://",
            "https://a@b/",
            "https://host/?x=y",
        ] {
            assert!(endpoint_of(named).is_err(), "{named}");
        }
    }

    #[test]
    fn a_zone_names_its_region() {
        let place = place(None, Some("us-central1-a")).unwrap();
        assert_eq!(place.region, "us-central1");
    }
}

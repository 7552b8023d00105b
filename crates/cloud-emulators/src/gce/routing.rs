//! From an HTTP request to a call of the API: the routes, their parameters, the permission each needs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::errors::ApiError;
use crate::recorded_call::Request;

/// A method that this emulator answers.
pub struct Route {
    pub method: &'static str,
    /// As in the discovery document's `flatPath`.
    pub path: &'static str,
    /// The discovery document's id, without its leading `compute.`.
    pub name: &'static str,
    /// What IAM asks for.
    pub permission: &'static str,
}

const fn route(method: &'static str, path: &'static str, name: &'static str, permission: &'static str) -> Route {
    Route {
        method,
        path,
        name,
        permission,
    }
}

#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route("POST", "projects/{project}/zones/{zone}/instances", "instances.insert", "compute.instances.create"),
    route("GET", "projects/{project}/zones/{zone}/instances", "instances.list", "compute.instances.list"),
    route("GET", "projects/{project}/aggregated/instances", "instances.aggregatedList", "compute.instances.list"),
    route("POST", "projects/{project}/zones/{zone}/instances/bulkInsert", "instances.bulkInsert", "compute.instances.create"),
    route("GET", "projects/{project}/zones/{zone}/instances/{instance}", "instances.get", "compute.instances.get"),
    route("DELETE", "projects/{project}/zones/{zone}/instances/{instance}", "instances.delete", "compute.instances.delete"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/start", "instances.start", "compute.instances.start"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/stop", "instances.stop", "compute.instances.stop"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/reset", "instances.reset", "compute.instances.reset"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/setLabels", "instances.setLabels", "compute.instances.setLabels"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/setMetadata", "instances.setMetadata", "compute.instances.setMetadata"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/setScheduling", "instances.setScheduling", "compute.instances.setScheduling"),
    route("GET", "projects/{project}/zones/{zone}/instances/{instance}/serialPort", "instances.getSerialPortOutput", "compute.instances.getSerialPortOutput"),
    route("GET", "projects/{project}/zones/{zone}/instances/{instance}/getGuestAttributes", "instances.getGuestAttributes", "compute.instances.getGuestAttributes"),
    route("POST", "projects/{project}/zones/{zone}/instances/{resource}/setDeletionProtection", "instances.setDeletionProtection", "compute.instances.setDeletionProtection"),
    route("POST", "projects/{project}/zones/{zone}/instances/{instance}/setDiskAutoDelete", "instances.setDiskAutoDelete", "compute.instances.setDiskAutoDelete"),
    route("GET", "projects/{project}/zones/{zone}/disks", "disks.list", "compute.disks.list"),
    route("GET", "projects/{project}/aggregated/disks", "disks.aggregatedList", "compute.disks.list"),
    route("GET", "projects/{project}/zones/{zone}/disks/{disk}", "disks.get", "compute.disks.get"),
    route("DELETE", "projects/{project}/zones/{zone}/disks/{disk}", "disks.delete", "compute.disks.delete"),
    route("GET", "projects/{project}/zones/{zone}/operations", "zoneOperations.list", "compute.zoneOperations.list"),
    route("GET", "projects/{project}/zones/{zone}/operations/{operation}", "zoneOperations.get", "compute.zoneOperations.get"),
    route("DELETE", "projects/{project}/zones/{zone}/operations/{operation}", "zoneOperations.delete", "compute.zoneOperations.delete"),
    route("POST", "projects/{project}/zones/{zone}/operations/{operation}/wait", "zoneOperations.wait", "compute.zoneOperations.get"),
    route("GET", "projects/{project}/global/operations/{operation}", "globalOperations.get", "compute.globalOperations.get"),
    route("POST", "projects/{project}/global/operations/{operation}/wait", "globalOperations.wait", "compute.globalOperations.get"),
    route("GET", "projects/{project}/zones", "zones.list", "compute.zones.list"),
    route("GET", "projects/{project}/zones/{zone}", "zones.get", "compute.zones.get"),
    route("GET", "projects/{project}/regions", "regions.list", "compute.regions.list"),
    route("GET", "projects/{project}/regions/{region}", "regions.get", "compute.regions.get"),
    route("GET", "projects/{project}/zones/{zone}/machineTypes", "machineTypes.list", "compute.machineTypes.list"),
    route("GET", "projects/{project}/aggregated/machineTypes", "machineTypes.aggregatedList", "compute.machineTypes.list"),
    route("GET", "projects/{project}/zones/{zone}/machineTypes/{machineType}", "machineTypes.get", "compute.machineTypes.get"),
    route("GET", "projects/{project}/global/images", "images.list", "compute.images.list"),
    route("GET", "projects/{project}/global/images/family/{family}", "images.getFromFamily", "compute.images.getFromFamily"),
    route("GET", "projects/{project}/global/images/{image}", "images.get", "compute.images.get"),
    route("GET", "projects/{project}/global/networks", "networks.list", "compute.networks.list"),
    route("GET", "projects/{project}/global/networks/{network}", "networks.get", "compute.networks.get"),
    route("POST", "projects/{project}/global/firewalls", "firewalls.insert", "compute.firewalls.create"),
    route("GET", "projects/{project}/global/firewalls", "firewalls.list", "compute.firewalls.list"),
    route("GET", "projects/{project}/global/firewalls/{firewall}", "firewalls.get", "compute.firewalls.get"),
    route("DELETE", "projects/{project}/global/firewalls/{firewall}", "firewalls.delete", "compute.firewalls.delete"),
    route("GET", "projects/{project}/regions/{region}/subnetworks", "subnetworks.list", "compute.subnetworks.list"),
    route("GET", "projects/{project}/regions/{region}/subnetworks/{subnetwork}", "subnetworks.get", "compute.subnetworks.get"),
    route("GET", "projects/{project}", "projects.get", "compute.projects.get"),
];

/// A request that found its route.
pub struct Call {
    pub route: &'static Route,
    /// The path's parameters; those that a path lacks read as empty.
    parameters: BTreeMap<&'static str, String>,
    pub query: Query,
    /// Null where no body came.
    pub body: Value,
}

impl Call {
    /// Finds the route and takes the path apart; the body is left for [`Call::read_body`].
    pub fn of(request: &Request) -> Option<Self> {
        let path = resource_path(&request.path)?;
        let segments: Vec<String> = path.split('/').map(|part| decode(part, false)).collect();
        ROUTES
            .iter()
            .filter(|route| route.method == request.method)
            .find_map(|route| Some((route, capture(route.path, &segments)?)))
            .map(|(route, parameters)| Self {
                route,
                parameters,
                query: Query::parse(&request.query),
                body: Value::Null,
            })
    }

    pub fn read_body(&mut self, request: &Request) -> Result<(), ApiError> {
        if !request.body.iter().all(u8::is_ascii_whitespace) {
            self.body = serde_json::from_slice(&request.body)
                .map_err(|error| ApiError::payload(format!("Invalid JSON payload received. {error}")))?;
        }
        Ok(())
    }

    pub fn name(&self) -> &'static str {
        self.route.name
    }

    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.parameters.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub fn project(&self) -> &str {
        self.parameter("project")
    }

    pub fn zone(&self) -> &str {
        self.parameter("zone")
    }

    /// Zone or region; empty for a call that has neither.
    pub fn location(&self) -> &str {
        match self.zone() {
            "" => self.parameter("region"),
            zone => zone,
        }
    }

    /// What the call is about, as error messages name it: `projects/p/zones/z/instances/n`.
    pub fn resource(&self) -> String {
        let mut resource = self.route.path.to_owned();
        for (name, value) in &self.parameters {
            resource = resource.replace(&format!("{{{name}}}"), value);
        }
        match (self.name(), self.body.get("name").and_then(Value::as_str)) {
            ("instances.insert", Some(name)) => format!("{resource}/{name}"),
            _ => resource,
        }
    }
}

/// A query string, decoded.
pub struct Query(Vec<(String, String)>);

impl Query {
    fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        });
        Self(pairs.collect())
    }

    /// The parameter's value; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a flag is set; an absent one is not.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The part of a URL path below `/compute/v1/`.
pub fn resource_path(path: &str) -> Option<&str> {
    path.trim_start_matches('/').strip_prefix("compute/v1/")
}

/// Matches a path against a template such as `projects/{project}/zones`.
pub fn capture<'t>(template: &'t str, segments: &[String]) -> Option<BTreeMap<&'t str, String>> {
    let expected: Vec<&str> = template.split('/').collect();
    if expected.len() != segments.len() {
        return None;
    }
    let mut found = BTreeMap::new();
    for (want, have) in expected.into_iter().zip(segments) {
        match want.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !have.is_empty() => {
                found.insert(name, have.clone());
            }
            None if want == have => {}
            _ => return None,
        }
    }
    Some(found)
}

/// Percent-decoding; in a query (`plus`) a plus sign is a space.
pub fn decode(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = &tail[2..];
            }
            None if *first == b'+' && plus => bytes.push(b' '),
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

//! Regions, zones, and the project around them.

use serde_json::{Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::instances::metadata;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::mix_bits;

/// Regions with the letters of their zones, which are not everywhere `abc`.
const REGIONS: &[(&str, &str)] = &[
    ("asia-east1", "abc"),
    ("asia-northeast1", "abc"),
    ("asia-southeast1", "abc"),
    ("australia-southeast1", "abc"),
    ("europe-north1", "abc"),
    ("europe-west1", "bcd"),
    ("europe-west4", "abc"),
    ("southamerica-east1", "abc"),
    ("us-central1", "abcf"),
    ("us-east1", "bcd"),
    ("us-east4", "abc"),
    ("us-west1", "abc"),
];

/// All zones, in order.
pub fn all() -> impl Iterator<Item = String> {
    REGIONS
        .iter()
        .flat_map(|(region, letters)| letters.chars().map(move |letter| format!("{region}-{letter}")))
}

pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(region, _)| *region)
}

pub fn in_region(region: &str) -> impl Iterator<Item = String> {
    all().filter(move |zone| region_of(zone) == region)
}

pub fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

/// The scopes that an aggregated list of zonal (else regional) resources names.
pub fn scopes(call: &Call, zonal: bool) -> impl Iterator<Item = String> {
    let all_kinds = call.query.is_true("includeAllScopes");
    let zones = all()
        .filter(move |_| zonal || all_kinds)
        .map(|zone| format!("zones/{zone}"));
    let regions = regions()
        .filter(move |_| !zonal || all_kinds)
        .map(|region| format!("regions/{region}"));
    let global = all_kinds.then(|| "global".to_owned());
    zones.chain(regions).chain(global)
}

/// A call in an unknown zone or region is refused, in words that depend on the method.
pub fn check_location(call: &Call) -> Result<(), ApiError> {
    let (zone, region) = (call.zone(), call.parameter("region"));
    let known_zone = zone.is_empty() || all().any(|known| known == zone);
    let known_region = region.is_empty() || regions().any(|known| known == region);
    if known_zone && known_region {
        return Ok(());
    }
    let (kind, name) = if known_zone { ("region", region) } else { ("zone", zone) };
    let itself = matches!(call.name(), "zones.get" | "regions.get");
    if itself {
        let path = format!("projects/{}/{kind}s/{name}", call.project());
        return Err(ApiError::not_found(&path));
    }
    Err(ApiError::invalid(kind, name, &format!("Unknown {kind}.")))
}

pub fn project_number(project: &str) -> u64 {
    let seed = project.bytes().fold(3, |seed, byte| mix_bits(seed ^ u64::from(byte)));
    100_000_000_000 + seed % 900_000_000_000
}

pub fn default_service_account(project: &str) -> String {
    format!("{}-compute@developer.gserviceaccount.com", project_number(project))
}

fn zone_body(project: &str, zone: &str) -> Value {
    let path = format!("projects/{project}/zones/{zone}");
    json!({
        "kind": "compute#zone",
        "id": (2000 + all().position(|known| known == zone).unwrap_or(0)).to_string(),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "name": zone,
        "description": zone,
        "status": "UP",
        "region": super::link(&format!("projects/{project}/regions/{}", region_of(zone))),
        "availableCpuPlatforms": ["Intel Broadwell", "Intel Cascade Lake"],
        "supportsPzs": true,
        "selfLink": super::link(&path),
    })
}

fn region_body(project: &str, region: &str) -> Value {
    let zones: Vec<String> = in_region(region)
        .map(|zone| super::link(&format!("projects/{project}/zones/{zone}")))
        .collect();
    json!({
        "kind": "compute#region",
        "id": (1000 + regions().position(|known| known == region).unwrap_or(0)).to_string(),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "name": region,
        "description": region,
        "status": "UP",
        "zones": zones,
        "quotas": [
            {"metric": "CPUS", "limit": 24.0, "usage": 0.0},
            {"metric": "IN_USE_ADDRESSES", "limit": 8.0, "usage": 0.0},
        ],
        "supportsPzs": true,
        "selfLink": super::link(&format!("projects/{project}/regions/{region}")),
    })
}

pub fn get_zone(_: &mut Context, call: &Call) -> Result<Value, ApiError> {
    Ok(zone_body(call.project(), call.zone()))
}

pub fn list_zones(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Zone")?;
    let rows = all().map(|zone| (String::new(), zone.clone(), move || zone_body(call.project(), &zone)));
    let page = paging.fill(&mut context.state.controls, rows);
    Ok(paging::list(call, "compute#zoneList", page))
}

pub fn get_region(_: &mut Context, call: &Call) -> Result<Value, ApiError> {
    Ok(region_body(call.project(), call.parameter("region")))
}

pub fn list_regions(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Region")?;
    let rows = regions().map(|region| (String::new(), region.to_owned(), || region_body(call.project(), region)));
    let page = paging.fill(&mut context.state.controls, rows);
    Ok(paging::list(call, "compute#regionList", page))
}

pub fn get_project(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let project = call.project();
    let common = context.state.common_metadata.get(project).into_iter().flatten();
    let items: Vec<Value> = common.map(|(key, value)| json!({"key": key, "value": value})).collect();
    Ok(json!({
        "kind": "compute#project",
        "id": project_number(project).to_string(),
        "creationTimestamp": "2024-02-01T08:00:00.000-08:00",
        "name": project,
        "commonInstanceMetadata": metadata(&items.into()),
        "quotas": [{"metric": "NETWORKS", "limit": 5.0, "usage": 1.0}],
        "defaultServiceAccount": default_service_account(project),
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "defaultNetworkTier": "PREMIUM",
        "vmDnsSetting": "ZONAL_ONLY",
        "cloudArmorTier": "CA_STANDARD",
        "selfLink": super::link(&format!("projects/{project}")),
    }))
}

//! Regions and zones: what a user names, and the zones for a new instance.
//!
//! Names are unique in a zone, so a zone must always be picked. EC2 picks the zone itself if none is named.

use std::collections::BTreeSet;

use google_cloud_compute_v1::model::zone::Status;

use super::api::client::{Client, ZoneEntry, with_call_options};
use super::api::error::{error_location, with_project_hint};
use super::api::pagination::collect_complete_list;
use super::api::resource_name::{last_segment, region_of};
use crate::cloud::{
    Error, ErrorKind, InstanceName, Location, Result, closest, quoted, region_given_as_zone_error,
    zone_given_as_region_error,
};

/// How many names a hint suggests at most.
pub(super) const MAX_SUGGESTIONS: usize = 3;

impl Client {
    /// Returns the zones of the project, sorted by name.
    pub(super) async fn all_zones(&self) -> Result<&[ZoneEntry]> {
        let fetch = || async {
            let (project, zones) = (self.project().await?, self.zones().await?);
            let fetch_page = |token: Option<String>| {
                self.read("list the zones", "", move || {
                    let call = zones.list().set_project(project).set_max_results(500_u32);
                    with_call_options(call.set_or_clear_page_token(token.clone())).send()
                })
            };
            let listed = collect_complete_list(fetch_page, "").await.map_err(with_project_hint)?;
            let with_names = listed.into_iter().filter_map(|zone| {
                let name = zone.name?;
                Some(ZoneEntry {
                    region: zone.region.as_deref().map_or(region_of(&name), last_segment).to_owned(),
                    is_up: zone.status == Some(Status::Up),
                    name,
                })
            });
            let mut entries: Vec<ZoneEntry> = with_names.collect();
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(entries)
        };
        self.zone_entries.get_or_try_init(fetch).await.map(Vec::as_slice)
    }

    /// Resolves the region and zone that a user typed.
    pub(super) async fn resolve_location(&self, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
        let zones = self.all_zones().await?;
        find_location(zones, region, zone)
    }

    /// Returns the zones for a new instance, the preferred one first: the zone of the location, or all zones of the
    /// region that are up, rotated by the hash of the name. So processes that race for a name meet in one zone, where
    /// the name is unique.
    pub(super) async fn list_candidate_zones(&self, location: &Location, name: &InstanceName) -> Result<Vec<String>> {
        let zones = self.all_zones().await?;
        find_location(zones, Some(&location.region), location.zone.as_deref())?;
        if let Some(zone) = &location.zone {
            return Ok(vec![zone.clone()]);
        }
        let candidates = zones.iter().filter(|zone| zone.region == location.region && zone.is_up);
        let mut candidates: Vec<_> = candidates.map(|zone| zone.name.clone()).collect();
        if candidates.is_empty() {
            let message = format!("no zone of {} is up", location.region);
            return Err(Error::new(ErrorKind::Capacity, message).at(error_location(&location.region)));
        }
        name.rotate_by_hash(&mut candidates);
        Ok(candidates)
    }
}

/// Reads a location from the form of its names alone: `us-central1` is a region, `us-central1-a` a zone of it.
/// <https://cloud.google.com/compute/docs/regions-zones#identifying_a_region_or_zone>
pub(super) fn parse_location(region: Option<&str>, zone: Option<&str>) -> Option<Location> {
    let Some(zone) = zone else {
        let region = region.filter(|region| is_region_shaped(region))?;
        return Some(Location::in_region(region));
    };
    let (region_of_zone, letter) = zone.rsplit_once('-')?;
    let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_in_region = region.is_none_or(|region| region == region_of_zone);
    (is_letter && is_in_region && is_region_shaped(region_of_zone)).then(|| Location::in_zone(region_of_zone, zone))
}

/// Whether a name is two words with a number behind them.
fn is_region_shaped(text: &str) -> bool {
    let Some((area, place)) = text.split_once('-') else {
        return false;
    };
    let name = place.trim_end_matches(|character: char| character.is_ascii_digit());
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word(area) && is_word(name) && name.len() < place.len()
}

fn find_location(zones: &[ZoneEntry], region: Option<&str>, zone: Option<&str>) -> Result<Location> {
    let regions: BTreeSet<&str> = zones.iter().map(|zone| zone.region.as_str()).collect();
    if let Some(region) = region.filter(|region| !regions.contains(region)) {
        if zones.iter().any(|zone| zone.name == region) {
            return Err(zone_given_as_region_error(region, region_of(region)));
        }
        let error = Error::invalid(format!("Compute Engine has no region {}", quoted(region)));
        return Err(error.with_hint(format!(
            "the nearest are {}",
            closest(region, regions, MAX_SUGGESTIONS).join(", ")
        )));
    }
    let Some(zone) = zone else {
        let region = region.ok_or_else(|| Error::invalid("neither a region nor a zone is given"))?;
        return Ok(Location::in_region(region));
    };
    let Some(entry) = zones.iter().find(|entry| entry.name == zone) else {
        if let Some(first) = zones.iter().find(|entry| entry.region == zone) {
            return Err(region_given_as_zone_error(zone, &first.name));
        }
        let in_region = zones
            .iter()
            .filter(|entry| region.is_none_or(|region| entry.region == region));
        let nearest = closest(zone, in_region.map(|entry| entry.name.as_str()), MAX_SUGGESTIONS);
        return Err(Error::invalid(format!("Compute Engine has no zone {}", quoted(zone)))
            .with_hint(format!("the nearest are {}", nearest.join(", "))));
    };
    if let Some(region) = region.filter(|region| *region != entry.region) {
        return Err(Error::invalid(format!("the zone {zone} is not in the region {region}"))
            .with_hint(format!("leave the region out, or use {}", entry.region)));
    }
    Ok(Location::in_zone(entry.region.clone(), entry.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_is_parsed_from_the_form_of_its_names() {
        let in_region = Some(Location::in_region("us-central1"));
        let in_zone = Some(Location::in_zone("us-central1", "us-central1-a"));
        assert_eq!(parse_location(Some("us-central1"), None), in_region);
        assert_eq!(parse_location(None, Some("us-central1-a")), in_zone);
        assert_eq!(parse_location(Some("us-central1"), Some("us-central1-a")), in_zone);
        for (region, zone) in [
            (None, None),
            (Some("us-central1-a"), None),
            (Some("europe"), None),
            (Some("us-east-1"), None),
            (Some("us-central1"), Some("us-east1-b")),
            (None, Some("us-central1")),
            (None, Some("us-east-1a")),
            (Some(""), None),
        ] {
            assert_eq!(parse_location(region, zone), None, "{region:?} {zone:?}");
        }
    }

    fn zones() -> Vec<ZoneEntry> {
        let names = ["europe-west1-b", "us-central1-a", "us-central1-b", "us-east1-b"];
        let entry = |name: &str| ZoneEntry {
            name: name.to_owned(),
            region: region_of(name).to_owned(),
            is_up: true,
        };
        names.map(entry).into()
    }

    #[test]
    fn zone_implies_its_region() {
        let location = find_location(&zones(), None, Some("us-central1-b")).unwrap();
        assert_eq!(
            (location.region.as_str(), location.zone.as_deref()),
            ("us-central1", Some("us-central1-b"))
        );
        assert_eq!(find_location(&zones(), Some("us-east1"), None).unwrap().zone, None);
    }

    #[test]
    fn unknown_location_error_suggests_the_closest() {
        let hint = |region, zone| {
            find_location(&zones(), region, zone)
                .unwrap_err()
                .hint()
                .unwrap()
                .to_owned()
        };
        assert!(hint(Some("us-centrall"), None).starts_with("the nearest are us-central1"));
        assert!(hint(None, Some("us-central1-x")).contains("us-central1-a"));
        assert!(hint(Some("us-central1-a"), None).contains("--zone us-central1-a"));
        assert!(hint(Some("us-east1"), Some("us-central1-a")).contains("us-central1"));
        assert!(find_location(&zones(), None, None).is_err());
    }
}

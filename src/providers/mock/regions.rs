//! The regions of the mock cloud, and their zones.

use sha2::{Digest, Sha256};

use crate::cloud::{
    Error, InstanceName, Location, Result, quoted, region_given_as_zone_error, zone_given_as_region_error,
};

/// A region and its zones, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) name: &'static str,
    /// Its zones' full names.
    pub(super) zones: &'static [&'static str],
}

/// Every region. The names are EC2's, so that a script can be tried here first.
pub(super) const REGIONS: &[Region] = &[
    Region {
        name: "us-east-1",
        zones: &["us-east-1a", "us-east-1b", "us-east-1c"],
    },
    Region {
        name: "eu-west-1",
        zones: &["eu-west-1a", "eu-west-1b", "eu-west-1c"],
    },
    Region {
        name: "ap-south-1",
        zones: &["ap-south-1a", "ap-south-1b"],
    },
];

/// The region of new instances if none is named: the mock costs nothing, so a default is safe.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

/// Finds a region.
pub(super) fn find_region(name: &str) -> Result<&'static Region> {
    REGIONS.iter().find(|region| region.name == name).ok_or_else(|| {
        if let Some(region) = REGIONS.iter().find(|region| region.zones.contains(&name)) {
            return zone_given_as_region_error(name, region.name);
        }
        Error::invalid(format!("the mock cloud has no region {}", quoted(name))).with_hint(format!(
            "use one of {}",
            join_names(REGIONS.iter().map(|region| region.name))
        ))
    })
}

/// Finds the region of a zone.
pub(super) fn find_region_of_zone(zone: &str) -> Result<&'static Region> {
    REGIONS
        .iter()
        .find(|region| region.zones.contains(&zone))
        .ok_or_else(|| {
            if let Some(region) = REGIONS.iter().find(|region| region.name == zone) {
                return region_given_as_zone_error(zone, region.zones.first().unwrap_or(&"us-east-1a"));
            }
            let zones = REGIONS.iter().flat_map(|region| region.zones).copied();
            Error::invalid(format!("the mock cloud has no zone {}", quoted(zone)))
                .with_hint(format!("use one of {}", join_names(zones)))
        })
}

/// Resolves the region and zone that a user typed.
pub(super) fn resolve_location(region_name: Option<&str>, zone: Option<&str>) -> Result<Location> {
    let region = match (region_name, zone) {
        (Some(name), None) => find_region(name)?,
        (None, Some(zone)) => find_region_of_zone(zone)?,
        (Some(name), Some(zone)) => {
            let region = find_region(name)?;
            if find_region_of_zone(zone)? != region {
                let message = format!("the zone {zone} is not in the region {name}");
                let zones = join_names(region.zones.iter().copied());
                return Err(Error::invalid(message).with_hint(format!("{name} has {zones}")));
            }
            region
        }
        (None, None) => return Err(Error::invalid("neither a region nor a zone is given")),
    };
    Ok(Location {
        region: region.name.to_owned(),
        zone: zone.map(str::to_owned),
    })
}

/// Picks the zone of an instance if only the region is given. A name always gets the same zone, so that processes that
/// race for the name meet in one zone.
pub(super) fn zone_for_name(name: &InstanceName, region: &Region) -> &'static str {
    let digest = Sha256::digest(name.as_str());
    region.zones[usize::from(digest[0]) % region.zones.len()]
}

fn join_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spread_over_zones_and_keep_theirs() {
        let region = find_region("us-east-1").unwrap();
        let zones: std::collections::BTreeSet<_> = (0..20)
            .map(|index| zone_for_name(&format!("web-{index}").parse().unwrap(), region))
            .collect();
        assert_eq!(zones.len(), 3);
        let name = "web-1".parse().unwrap();
        assert_eq!(zone_for_name(&name, region), zone_for_name(&name, region));
    }
}

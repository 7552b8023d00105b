//! Where instances are: the part of a cloud that one listing covers, and the place where one instance goes.

use std::fmt;

use super::Error;

/// What one listing covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListScope {
    /// All of a cloud, for clouds that list all of themselves at once.
    AllRegions,
    /// One region.
    Region(String),
    /// One zone, and the region it is in.
    Zone {
        /// The region.
        region: String,
        /// The zone.
        zone: String,
    },
}

impl ListScope {
    /// Whether an instance in this region and zone is in this location.
    pub fn contains(&self, region: &str, zone: Option<&str>) -> bool {
        match self {
            Self::AllRegions => true,
            Self::Region(own) => own == region,
            Self::Zone { zone: own, .. } => Some(own.as_str()) == zone,
        }
    }
}

impl fmt::Display for ListScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AllRegions => "all regions",
            Self::Region(region) => region,
            Self::Zone { zone, .. } => zone,
        })
    }
}

/// Where an instance goes: a region, and a zone if it matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The region.
    pub region: String,
    /// The zone; without one the driver, or the cloud, picks one by a rule that gives the same answer every time.
    pub zone: Option<String>,
}

impl Location {
    /// The location that a name is unique in: the region, also where a zone is asked for.
    pub fn region_scope(&self) -> ListScope {
        ListScope::Region(self.region.clone())
    }

    /// The location that a listing limited to this place covers.
    pub fn list_scope(&self) -> ListScope {
        match &self.zone {
            Some(zone) => ListScope::Zone {
                region: self.region.clone(),
                zone: zone.clone(),
            },
            None => self.region_scope(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.zone.as_deref().unwrap_or(&self.region))
    }
}

/// The error for a region that is given in the place of a zone.
pub fn region_given_as_zone_error(region: &str, zone: &str) -> Error {
    Error::invalid(format!("{region} is a region: use -r {region}")).with_hint(format!(
        "pass --region {region}, or a zone of it, such as --zone {zone}"
    ))
}

/// The error for a zone that is given in the place of a region.
pub fn zone_given_as_region_error(zone: &str, region: &str) -> Error {
    Error::invalid(format!("{zone} is a zone: use -z {zone}"))
        .with_hint(format!("pass --zone {zone}, or its region: --region {region}"))
}

//! Locations: the scope of one listing call, and the region and zone of one instance.

use std::fmt;

use super::Error;

/// The scope of one listing call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListScope {
    /// All regions, for a cloud that lists them in one call.
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
    /// Whether an instance in this region and zone is in the scope.
    pub fn contains(&self, region: &str, zone: Option<&str>) -> bool {
        match self {
            Self::AllRegions => true,
            Self::Region(scope) => scope == region,
            Self::Zone { zone: scope, .. } => Some(scope.as_str()) == zone,
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

/// The location of an instance: a region, and a zone if one is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The region.
    pub region: String,
    /// The zone. Without one the driver or the cloud picks a zone, by a rule that always gives the same one.
    pub zone: Option<String>,
}

impl Location {
    /// A region without a zone.
    pub fn in_region(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            zone: None,
        }
    }

    /// A zone of a region.
    pub fn in_zone(region: impl Into<String>, zone: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            zone: Some(zone.into()),
        }
    }

    /// The scope that a name is unique in: the region, even if the location has a zone.
    pub fn region_scope(&self) -> ListScope {
        ListScope::Region(self.region.clone())
    }

    /// The scope of a listing of this location: the zone, or else the region.
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

/// Creates the error for a region that is given as a zone.
pub fn region_given_as_zone_error(region: &str, zone: &str) -> Error {
    Error::invalid(format!("{region} is a region: use -r {region}")).with_hint(format!(
        "pass --region {region}, or a zone of it, such as --zone {zone}"
    ))
}

/// Creates the error for a zone that is given as a region.
pub fn zone_given_as_region_error(zone: &str, region: &str) -> Error {
    Error::invalid(format!("{zone} is a zone: use -z {zone}"))
        .with_hint(format!("pass --zone {zone}, or its region: --region {region}"))
}

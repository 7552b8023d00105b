//! Areas: parts of the world, for people who care where a machine is but not what a cloud calls the place.

use std::fmt;
use std::str::FromStr;

use super::{Error, ProviderKind, Result, quoted};

/// A part of the world that regions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// United States.
    Us,
    /// The Americas without the United States.
    Americas,
    /// Europe.
    Europe,
    /// Asia, without the Middle East.
    Asia,
    /// Australia and New Zealand.
    Oceania,
    /// The Middle East.
    MiddleEast,
    /// Africa.
    Africa,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 7] = [
        Self::Us,
        Self::Americas,
        Self::Europe,
        Self::Asia,
        Self::Oceania,
        Self::MiddleEast,
        Self::Africa,
    ];

    /// The area's word on the command line, which is no cloud's word for a region.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Americas => "americas",
            Self::Europe => "europe",
            Self::Asia => "asia",
            Self::Oceania => "oceania",
            Self::MiddleEast => "middle-east",
            Self::Africa => "africa",
        }
    }

    /// The area that a region is in, by its name; `None` for regions of partitions that have accounts of their own
    /// (GovCloud, China) and for names that say nothing.
    ///
    /// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>,
    /// <https://cloud.google.com/compute/docs/regions-zones>
    pub fn of_region(provider: ProviderKind, region: &str) -> Option<Self> {
        let (first, rest) = region.split_once('-')?;
        Some(match (provider, first) {
            (ProviderKind::Aws | ProviderKind::Mock, _) => match first {
                "us" if rest.starts_with("gov") || rest.starts_with("iso") => return None,
                "us" => Self::Us,
                "ca" | "mx" | "sa" => Self::Americas,
                "eu" if rest.starts_with("iso") => return None,
                "eu" => Self::Europe,
                // Sydney, Melbourne and Auckland.
                "ap" if ["southeast-2", "southeast-4", "southeast-6"].contains(&rest) => Self::Oceania,
                "ap" => Self::Asia,
                "me" | "il" => Self::MiddleEast,
                "af" => Self::Africa,
                _ => return None,
            },
            (ProviderKind::Gcp, "us") => Self::Us,
            (ProviderKind::Gcp, "northamerica" | "southamerica") => Self::Americas,
            (ProviderKind::Gcp, "europe") => Self::Europe,
            (ProviderKind::Gcp, "asia") => Self::Asia,
            (ProviderKind::Gcp, "australia") => Self::Oceania,
            (ProviderKind::Gcp, "me") => Self::MiddleEast,
            (ProviderKind::Gcp, "africa") => Self::Africa,
            (ProviderKind::Gcp, _) => return None,
        })
    }
}

impl fmt::Display for Area {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Area {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|area| area.as_str() == input)
            .ok_or_else(|| {
                let all = Self::ALL.map(Self::as_str).join(", ");
                Error::invalid(format!("unknown area {}", quoted(input))).with_hint(format!("use one of {all}"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_somewhere() {
        for (provider, region, area) in [
            (ProviderKind::Aws, "us-east-1", Some(Area::Us)),
            (ProviderKind::Aws, "us-gov-west-1", None),
            (ProviderKind::Aws, "eu-west-1", Some(Area::Europe)),
            (ProviderKind::Aws, "ap-southeast-2", Some(Area::Oceania)),
            (ProviderKind::Aws, "ap-southeast-1", Some(Area::Asia)),
            (ProviderKind::Aws, "cn-north-1", None),
            (ProviderKind::Gcp, "europe-west1", Some(Area::Europe)),
            (ProviderKind::Gcp, "northamerica-northeast1", Some(Area::Americas)),
            (ProviderKind::Gcp, "nowhere", None),
            (ProviderKind::Mock, "eu-west-1", Some(Area::Europe)),
        ] {
            assert_eq!(Area::of_region(provider, region), area, "{region}");
        }
        assert_eq!("europe".parse::<Area>().unwrap(), Area::Europe);
        assert!("mars".parse::<Area>().is_err());
    }
}

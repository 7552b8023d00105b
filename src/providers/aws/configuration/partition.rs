//! The partitions of AWS. Each has its own regions, accounts, names and addresses.
//!
//! <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partition {
    Commercial,
    China,
    GovCloud,
    Iso,
    IsoB,
    IsoE,
    IsoF,
    European,
}

impl Partition {
    const ALL: [Self; 8] = [
        Self::Commercial,
        Self::China,
        Self::GovCloud,
        Self::Iso,
        Self::IsoB,
        Self::IsoE,
        Self::IsoF,
        Self::European,
    ];

    /// The partition of a region.
    pub(crate) fn of_region(region: &str) -> Self {
        let is_of = |partition: &&Self| partition.prefix().is_some_and(|prefix| region.starts_with(prefix));
        Self::ALL.iter().find(is_of).copied().unwrap_or(Self::Commercial)
    }

    /// The partition of an ARN: `arn:aws-cn:…`.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let name = arn.strip_prefix("arn:")?.split(':').next()?;
        Self::ALL.into_iter().find(|partition| partition.name() == name)
    }

    /// The prefix of its regions' names; `None` for the commercial partition.
    pub(crate) fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Commercial => None,
            Self::China => Some("cn-"),
            Self::GovCloud => Some("us-gov-"),
            Self::Iso => Some("us-iso-"),
            Self::IsoB => Some("us-isob-"),
            Self::IsoE => Some("eu-isoe-"),
            Self::IsoF => Some("us-isof-"),
            Self::European => Some("eusc-"),
        }
    }

    /// Its name, as in `arn:aws-cn:…`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commercial => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
            Self::Iso => "aws-iso",
            Self::IsoB => "aws-iso-b",
            Self::IsoE => "aws-iso-e",
            Self::IsoF => "aws-iso-f",
            Self::European => "aws-eusc",
        }
    }

    /// The region to send calls to that concern no region of the partition.
    pub(crate) fn main_region(self) -> &'static str {
        match self {
            Self::Commercial => "us-east-1",
            Self::China => "cn-north-1",
            Self::GovCloud => "us-gov-west-1",
            Self::Iso => "us-iso-east-1",
            Self::IsoB => "us-isob-east-1",
            Self::IsoE => "eu-isoe-west-1",
            Self::IsoF => "us-isof-south-1",
            Self::European => "eusc-de-east-1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_is_found_by_region_and_arn() {
        for (region, partition) in [
            ("eu-west-1", Partition::Commercial),
            ("us-gov-east-1", Partition::GovCloud),
            ("cn-northwest-1", Partition::China),
            ("us-isob-east-1", Partition::IsoB),
            ("eusc-de-east-1", Partition::European),
        ] {
            assert_eq!(Partition::of_region(region), partition, "{region}");
        }
        for partition in Partition::ALL {
            assert_eq!(Partition::of_region(partition.main_region()), partition);
            let arn = format!("arn:{}:iam::123456789012:role/x", partition.name());
            assert_eq!(Partition::of_arn(&arn), Some(partition));
        }
        assert_eq!(Partition::of_arn("role/x"), None);
    }
}

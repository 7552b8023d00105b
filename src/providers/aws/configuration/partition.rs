//! The partitions of AWS. Each has its own regions, accounts, names and addresses.
//!
//! <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Its name, as in `arn:aws-cn:…`.
    pub(crate) name: &'static str,
    /// How the names of its regions begin.
    pub(crate) region_prefix: &'static str,
    /// The region to send calls to that concern no region of the partition.
    pub(crate) main_region: &'static str,
}

impl Partition {
    /// The partition of all regions whose names do not begin like those of another.
    pub(crate) const COMMERCIAL: Self = Self::new("aws", "", "us-east-1");

    const ALL: [Self; 8] = [
        Self::new("aws-cn", "cn-", "cn-north-1"),
        Self::new("aws-us-gov", "us-gov-", "us-gov-west-1"),
        Self::new("aws-iso", "us-iso-", "us-iso-east-1"),
        Self::new("aws-iso-b", "us-isob-", "us-isob-east-1"),
        Self::new("aws-iso-e", "eu-isoe-", "eu-isoe-west-1"),
        Self::new("aws-iso-f", "us-isof-", "us-isof-south-1"),
        Self::new("aws-eusc", "eusc-", "eusc-de-east-1"),
        // The last, because its prefix fits every region.
        Self::COMMERCIAL,
    ];

    const fn new(name: &'static str, region_prefix: &'static str, main_region: &'static str) -> Self {
        Self {
            name,
            region_prefix,
            main_region,
        }
    }

    pub(crate) fn of_region(region: &str) -> Self {
        let mut partitions = Self::ALL.into_iter();
        let partition = partitions.find(|partition| region.starts_with(partition.region_prefix));
        partition.unwrap_or(Self::COMMERCIAL)
    }

    /// The partition of an ARN: `arn:aws-cn:…`.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let name = arn.strip_prefix("arn:")?.split(':').next()?;
        Self::ALL.into_iter().find(|partition| partition.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_is_found_by_region_and_arn() {
        for (region, name) in [
            ("eu-west-1", "aws"),
            ("us-gov-east-1", "aws-us-gov"),
            ("cn-northwest-1", "aws-cn"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of_region(region).name, name, "{region}");
        }
        for partition in Partition::ALL {
            assert_eq!(Partition::of_region(partition.main_region), partition);
            let arn = format!("arn:{}:iam::123456789012:role/x", partition.name);
            assert_eq!(Partition::of_arn(&arn), Some(partition));
        }
        assert_eq!(Partition::of_arn("role/x"), None);
    }
}

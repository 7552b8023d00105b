//! The known regions, and what the names of regions and zones say. Nothing here sends a call.

use super::partition::Partition;
use crate::settings::Settings;

/// The known regions. Their names need no check by a call.
///
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
#[rustfmt::skip]
pub(crate) const REGIONS: [&str; 38] = [
    "af-south-1",
    "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
    "ap-southeast-7", "ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1",
    "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
    "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
    "sa-east-1",
    "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
];

/// The regions that are enabled in every account of the commercial partition and cannot be disabled.
///
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
#[rustfmt::skip]
const ALWAYS_ENABLED: [&str; 17] = [
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1",
    "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
];

/// Whether calls can be sent to a region: it is known, or it is in a partition without known regions.
pub(crate) fn is_region_name(region: &str) -> bool {
    REGIONS.contains(&region) || regions_of_partition(Partition::of_region(region)).is_empty()
}

fn regions_of_partition(partition: Partition) -> Vec<&'static str> {
    let is_of = |region: &&str| Partition::of_region(region) == partition;
    REGIONS.into_iter().filter(is_of).collect()
}

/// Chooses the region to send calls to that concern no region: the default region, or a region of the partition that
/// the command names. A mistyped default region is skipped, because it has no server.
pub(crate) fn choose_region_for_global_calls(settings: &Settings, default_region: Option<&str>) -> String {
    let region_of_calls = match default_region {
        Some(region) if is_region_name(region) => region,
        _ => Partition::COMMERCIAL.main_region,
    };
    let regions = settings.regions.value.iter().flatten().map(String::as_str);
    let zone_region = settings.zone.value.as_deref().and_then(region_of_zone);
    let mut named_regions = regions.chain(zone_region.as_deref());
    match named_regions.find(|region| is_region_name(region)) {
        Some(named) if Partition::of_region(named) != Partition::of_region(region_of_calls) => named.to_owned(),
        _ => region_of_calls.to_owned(),
    }
}

/// The regions that every account with this default region has.
pub(crate) fn always_enabled_regions(default_region: &str) -> Vec<&str> {
    let partition = Partition::of_region(default_region);
    if partition != Partition::COMMERCIAL {
        let known = regions_of_partition(partition);
        return if known.is_empty() { vec![default_region] } else { known };
    }
    let mut regions = ALWAYS_ENABLED.to_vec();
    // The default region is enabled, since the account uses it.
    if !regions.contains(&default_region) {
        regions.push(default_region);
    }
    regions
}

/// The region in a zone's name: `us-east-1a`, the local zone `us-west-2-lax-1a`, the Wavelength zone
/// `us-east-1-wl1-bos-wlz-1`. The region's number is the first part that begins with a digit.
pub(crate) fn region_of_zone(zone: &str) -> Option<String> {
    let mut region = Vec::new();
    for part in zone.split('-') {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        if digits.is_empty() {
            region.push(part);
            continue;
        }
        region.push(&digits);
        let region = region.join("-");
        return (is_region_shaped(&region) && zone.len() > region.len()).then_some(region);
    }
    None
}

/// Whether a name consists of words and a number at the end: `us-east-1`, `us-gov-west-1`.
pub(crate) fn is_region_shaped(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    words.len() >= 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_name_has_its_region() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("us-east-1", None),
            ("us-central1-a", None),
            ("nowhere", None),
            ("", None),
        ] {
            assert_eq!(region_of_zone(zone).as_deref(), region, "{zone}");
        }
    }

    #[test]
    fn known_regions_are_region_shaped() {
        assert!(REGIONS.iter().all(|region| is_region_shaped(region)));
        for text in ["", "us", "us-1", "us-east-", "US-EAST-1", "us-east-1a", "--1"] {
            assert!(!is_region_shaped(text), "{text}");
        }
    }

    #[test]
    fn mistyped_region_is_no_region_name() {
        for (region, asked) in [
            ("eu-west-1", true),
            ("cn-north-1", true),
            ("eusc-de-east-1", true),
            ("us-iso-east-1", true),
            ("us-esat-1", false),
        ] {
            assert_eq!(is_region_name(region), asked, "{region}");
        }
    }

    #[test]
    fn always_enabled_regions_are_of_own_partition() {
        assert_eq!(always_enabled_regions("us-east-1"), ALWAYS_ENABLED);
        assert_eq!(always_enabled_regions("me-central-1").len(), 18);
        assert_eq!(always_enabled_regions("cn-north-1"), ["cn-north-1", "cn-northwest-1"]);
        assert_eq!(
            always_enabled_regions("us-gov-west-1"),
            ["us-gov-east-1", "us-gov-west-1"]
        );
        assert_eq!(always_enabled_regions("eusc-de-east-1"), ["eusc-de-east-1"]);
        assert!(ALWAYS_ENABLED.iter().all(|region| REGIONS.contains(region)));
    }
}

//! What is known of machine types and prices, held against what the vendors' pages say.

use super::*;
use crate::cloud::PublishedPrice;
use ProviderKind::{Aws, Gcp, Mock};

fn price(catalog: &Catalog, provider: ProviderKind, region: &str, name: &str, spot: bool) -> Option<f64> {
    let machine = catalog.machine_type(provider, name).unwrap();
    catalog
        .price(provider, region, &machine, spot)
        .map(|price| price.usd_per_hour)
}

#[test]
fn well_known_prices_are_right() {
    let catalog = Catalog::default();
    for (provider, region, name, spot, usd) in [
        (Aws, "us-east-1", "m5.xlarge", false, Some(0.192)),
        (Aws, "us-west-2", "m5.xlarge", false, Some(0.192)),
        (Aws, "eu-west-1", "m5.xlarge", false, Some(0.214)),
        (Aws, "us-east-1", "t3.small", false, Some(0.0208)),
        (Aws, "us-east-1", "t3.small", true, None),
        (Aws, "us-east-1", "m7i.xlarge", false, Some(0.2016)),
        (Aws, "us-east-1", "c7g.xlarge", false, Some(0.145)),
        (Aws, "us-east-1", "g4dn.xlarge", false, Some(0.526)),
        (Aws, "us-east-1", "g5.xlarge", false, Some(1.006)),
        (Aws, "atlantis-1", "t3.small", false, None),
        (Gcp, "us-central1", "e2-standard-4", false, Some(0.134023)),
        (Gcp, "us-central1", "e2-micro", false, Some(0.008376)),
        (Gcp, "us-central1", "e2-medium", false, Some(0.033506)),
        (Gcp, "us-central1", "n2-standard-2", false, Some(0.097118)),
        (Gcp, "us-central1", "n1-standard-1", false, Some(0.0475)),
        (Gcp, "us-central1", "f1-micro", false, Some(0.0076)),
        (Gcp, "us-central1", "n2-custom-4-8192", false, Some(0.168264)),
        (Gcp, "us-central1", "n2-custom-2-20480-ext", false, Some(0.175684)),
        (Gcp, "us-central1", "n4-standard-2", false, None),
        (Gcp, "us-central1", "e2-standard-4", true, Some(0.028215)),
    ] {
        let known = price(&catalog, provider, region, name, spot);
        let close = match (known, usd) {
            (Some(known), Some(usd)) => (known - usd).abs() < 2e-6,
            (known, usd) => known == usd,
        };
        assert!(close, "{name} in {region}: {known:?}, not {usd:?}");
    }
}

#[test]
fn types_come_cheapest_first_and_unknown_prices_last() {
    let catalog = Catalog::default();
    for (provider, region) in [(Aws, "eu-west-1"), (Gcp, "europe-west1")] {
        let machines = catalog.machine_types(provider, region);
        let prices = machines
            .iter()
            .map(|machine| catalog.price(provider, region, machine, false));
        let prices: Vec<_> = prices
            .map(|price| price.map_or(f64::INFINITY, |price| price.usd_per_hour))
            .collect();
        assert!(prices.len() > 90, "{provider}: {}", prices.len());
        assert!(prices.is_sorted(), "{provider}");
        assert!(prices.iter().all(|price| *price > 0.0));
    }
    assert!(catalog.machine_types(Gcp, "atlantis").is_empty());
    assert!(catalog.machine_types(Mock, "us-east-1").is_empty());
}

#[test]
fn accelerators_can_be_attached_where_the_cloud_takes_them() {
    let catalog = Catalog::default();
    for (provider, name, gpu, expected) in [
        (Gcp, "n1-standard-4", "t4", true),
        (Gcp, "n1-standard-4", "t4:3", false),
        (Gcp, "n1-standard-96", "t4", false),
        (Gcp, "n1-standard-96", "t4:4", true),
        (Gcp, "custom-4-8192", "v100", true),
        (Gcp, "n2-standard-4", "t4", false),
        (Gcp, "g2-standard-4", "l4", false),
        (Aws, "m5.xlarge", "t4", false),
    ] {
        let machine = catalog.machine_type(provider, name).unwrap();
        assert_eq!(
            catalog.can_attach(provider, &machine, &gpu.parse().unwrap()),
            expected,
            "{name} {gpu}"
        );
    }
}

fn published(region: &str, name: &str, usd: f64) -> PublishedPrice {
    PublishedPrice {
        region: region.to_owned(),
        machine_type: name.to_owned(),
        spot: false,
        usd_per_hour: usd,
    }
}

#[test]
fn what_was_fetched_goes_over_what_was_built_in() {
    let mut fetched = Fetched::default();
    let day = jiff::civil::date(2026, 1, 2);
    fetched.replace(
        Aws,
        day,
        &[
            published("us-east-1", "m5.xlarge", 0.5),
            published("moon-1", "m5.large", 1.0),
        ],
    );
    let parts = ["n1 core", "n1 memory", "gpu t4"].map(|part| published("us-central1", part, 0.25));
    fetched.replace(Gcp, day, &parts);
    let catalog = Catalog::with(fetched);
    assert_eq!(price(&catalog, Aws, "us-east-1", "m5.xlarge", false), Some(0.5));
    assert_eq!(price(&catalog, Aws, "us-east-1", "t3.small", false), Some(0.0208));
    let names: Vec<_> = catalog
        .machine_types(Aws, "moon-1")
        .into_iter()
        .map(|machine| machine.name)
        .collect();
    assert_eq!(names, ["m5.large"]);
    let mut machine = catalog.machine_type(Gcp, "n1-standard-4").unwrap();
    assert_eq!(
        catalog.price(Gcp, "us-central1", &machine, false).unwrap().usd_per_hour,
        1.0 + 15.0 / 4.0
    );
    machine.gpu = Some("t4:2".parse().unwrap());
    let with_gpu = catalog.price(Gcp, "us-central1", &machine, false).unwrap();
    assert_eq!((with_gpu.usd_per_hour, with_gpu.as_of), (1.0 + 15.0 / 4.0 + 0.5, day));
    // The price of the accelerators is not known there.
    assert!(catalog.price(Gcp, "europe-west1", &machine, false).is_none());
}

#[test]
fn what_was_fetched_before_cloudctl_was_built_is_left_alone() {
    let mut fetched = Fetched::default();
    fetched.replace(
        Aws,
        jiff::civil::date(2024, 1, 2),
        &[published("us-east-1", "m5.xlarge", 0.5)],
    );
    let catalog = Catalog::with(fetched);
    assert_eq!(price(&catalog, Aws, "us-east-1", "m5.xlarge", false), Some(0.192));
}

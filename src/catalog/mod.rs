//! What is known of the clouds without asking them: image aliases, machine types and prices.
//!
//! The machine types of EC2 and the prices of both clouds are in `data/catalogue.tsv.gz`, which is made anew by one
//! command, `python3 src/catalog/generate/generate.py`; `data/SOURCES.txt` names its sources and their licence, and the
//! head of that program says how far the prices are to be trusted. Over them goes what `cloudctl catalog update` fetched.
//! What machines there are and what they cost, as far as that is known without asking.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use jiff::civil::Date;

use self::embedded::{Cell, Cells, Embedded};
use self::gce_custom::CustomMachineType;
use self::parts::{main_sku, sku_quantities};
use crate::cloud::{Gpu, MachineType, ProviderKind};

mod attachments;
mod embedded;
mod gce_custom;
mod gce_shapes;
mod images;
mod parts;
mod price_file;

pub use embedded::{CatalogMetadata, metadata};
pub use images::LoginMethod;
pub use images::{
    AwsImage, DEFAULT_IMAGE, GcpImage, IMAGE_ALIASES, ImageAlias, closest_alias, has_license_fee, image_alias,
};
pub use parts::{Sku, SkuKind};
pub use price_file::{CloudPrices, PriceFile};

/// A price, and when it was true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// USD per hour, with Linux and without disk and traffic.
    pub usd_per_hour: f64,
    /// The day on which it was published or looked up.
    pub as_of: Date,
}

/// Machine types and prices: what cloudctl was built with, and over it what `catalog update` fetched. Nothing is read
/// before it is asked for. Of the mock, which knows its own prices, there is nothing here.
#[derive(Debug, Default)]
pub struct Catalog {
    embedded: OnceLock<Embedded>,
    fetched: OnceLock<PriceFile>,
    file: Option<PathBuf>,
}

impl Catalog {
    /// A catalogue with what is in this file over what cloudctl was built with, if it is there. One that makes no sense is
    /// warned of and left aside: nothing fails for want of a price.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// A catalogue with this over what cloudctl was built with.
    #[cfg(test)]
    fn with(fetched: PriceFile) -> Self {
        Self {
            fetched: OnceLock::from(fetched),
            ..Self::default()
        }
    }

    fn embedded(&self) -> &Embedded {
        self.embedded.get_or_init(|| Embedded::load().unwrap_or_default())
    }

    /// What `catalog update` fetched.
    pub fn fetched(&self) -> &PriceFile {
        self.fetched.get_or_init(|| {
            let read = self.file.as_deref().map_or(Ok(None), PriceFile::read);
            read.unwrap_or_else(|error| {
                tracing::warn!("fetched prices are left aside: {error}");
                None
            })
            .unwrap_or_default()
        })
    }

    /// The regions of which something is known, by name.
    pub fn regions(&self, provider: ProviderKind) -> Vec<String> {
        let embedded = match provider {
            ProviderKind::Aws => self.embedded().aws_regions.clone(),
            ProviderKind::Gcp => self.embedded().gcp_regions.clone(),
            ProviderKind::Mock => Vec::new(),
        };
        let fetched = self
            .fetched()
            .of(provider)
            .into_iter()
            .flat_map(|cloud| cloud.regions());
        let all: BTreeSet<_> = embedded.into_iter().chain(fetched.map(str::to_owned)).collect();
        all.into_iter().collect()
    }

    /// The machine types that a region is known to have, the cheapest first; those without a known price come last.
    /// Accelerators that could be attached are not in them: see [`can_attach`](Self::can_attach).
    pub fn machine_types(&self, provider: ProviderKind, region: &str) -> Vec<MachineType> {
        let machines = match provider {
            ProviderKind::Aws => self.aws_types(region),
            ProviderKind::Gcp => {
                let all = gce_shapes::all().values();
                let there = all.filter(|machine| self.part(region, main_sku(machine), false).is_some());
                there.cloned().collect()
            }
            ProviderKind::Mock => Vec::new(),
        };
        let priced = machines.into_iter().map(|machine| {
            let price = self.price(provider, region, &machine, false);
            (price.map_or(f64::INFINITY, |price| price.usd_per_hour), machine)
        });
        let mut priced: Vec<_> = priced.collect();
        priced.sort_by(|(one, first), (other, second)| match one.total_cmp(other) {
            Ordering::Equal => first.name.cmp(&second.name),
            order => order,
        });
        priced.into_iter().map(|(_, machine)| machine).collect()
    }

    fn aws_types(&self, region: &str) -> Vec<MachineType> {
        let embedded = self.embedded();
        let at = embedded.aws_regions.iter().position(|known| known == region);
        let is_there = |name: &str, cells: &Cells| {
            let known = at
                .and_then(|at| cells.aws_at(at))
                .is_some_and(|cell| cell != Cell::Absent);
            known || self.fetched_price(ProviderKind::Aws, region, name, false).is_some()
        };
        let types = embedded.aws.iter().filter(|(name, (_, cells))| is_there(name, cells));
        types.map(|(_, (machine, _))| machine.clone()).collect()
    }

    /// Every machine type that is known, wherever it is, in no order.
    pub fn all_machine_types(&self, provider: ProviderKind) -> Vec<MachineType> {
        match provider {
            ProviderKind::Aws => self
                .embedded()
                .aws
                .values()
                .map(|(machine, _)| machine.clone())
                .collect(),
            ProviderKind::Gcp => gce_shapes::all().values().cloned().collect(),
            ProviderKind::Mock => Vec::new(),
        }
    }

    /// What is known of a machine type, wherever it is; custom types of Compute Engine say it in their names.
    pub fn machine_type(&self, provider: ProviderKind, name: &str) -> Option<MachineType> {
        match provider {
            ProviderKind::Aws => self.embedded().aws.get(name).map(|(machine, _)| machine.clone()),
            ProviderKind::Gcp => match CustomMachineType::parse(name) {
                Some(custom) => Some(custom.machine(name)),
                None => gce_shapes::all().get(name).cloned(),
            },
            ProviderKind::Mock => None,
        }
    }

    /// The price of a machine in a region, with the accelerators that it says it has. `None` is unknown, never free.
    /// What spare capacity costs on EC2 changes from hour to hour, and is not known here.
    pub fn price(&self, provider: ProviderKind, region: &str, machine: &MachineType, spot: bool) -> Option<Price> {
        match provider {
            ProviderKind::Aws => {
                let fetched = self.fetched_price(provider, region, &machine.name, spot);
                fetched.or_else(|| self.embedded_aws_price(region, &machine.name, spot))
            }
            ProviderKind::Gcp if spot && !machine.has_spot => None,
            ProviderKind::Gcp => self.price_of_parts(region, machine, spot),
            ProviderKind::Mock => None,
        }
    }

    /// Whether accelerators that a machine type does not come with can be attached to it.
    pub fn can_attach(&self, provider: ProviderKind, machine: &MachineType, gpu: &Gpu) -> bool {
        provider == ProviderKind::Gcp && attachments::can_attach(machine, gpu)
    }

    /// What was fetched, unless cloudctl was built later.
    fn fetched_price(&self, provider: ProviderKind, region: &str, name: &str, spot: bool) -> Option<Price> {
        let cloud = self.fetched().of(provider)?;
        let usd_per_hour = cloud.price(region, name, spot)?;
        let price = Price {
            usd_per_hour,
            as_of: cloud.as_of,
        };
        (cloud.as_of >= self.embedded().as_of).then_some(price)
    }

    fn embedded_aws_price(&self, region: &str, name: &str, spot: bool) -> Option<Price> {
        let embedded = self.embedded();
        let at = embedded.aws_regions.iter().position(|known| known == region)?;
        match embedded.aws.get(name)?.1.aws_at(at)? {
            Cell::Price(usd_per_hour) if !spot => Some(Price {
                usd_per_hour,
                as_of: embedded.as_of,
            }),
            _ => None,
        }
    }

    fn price_of_parts(&self, region: &str, machine: &MachineType, spot: bool) -> Option<Price> {
        let mut sum: Option<Price> = None;
        for (part, amount) in sku_quantities(machine)? {
            let price = self.part(region, part, spot)?;
            let before = sum.unwrap_or(Price {
                usd_per_hour: 0.0,
                as_of: price.as_of,
            });
            sum = Some(Price {
                usd_per_hour: before.usd_per_hour + price.usd_per_hour * amount,
                as_of: before.as_of.min(price.as_of),
            });
        }
        // Sums of binary fractions end in nonsense: no price is finer than this.
        sum.map(|price| Price {
            usd_per_hour: (price.usd_per_hour * 1e6).round() / 1e6,
            ..price
        })
    }

    /// What a part of a machine of Compute Engine costs.
    fn part(&self, region: &str, part: Sku<'_>, spot: bool) -> Option<Price> {
        let part = part.to_string();
        if let Some(price) = self.fetched_price(ProviderKind::Gcp, region, &part, spot) {
            return Some(price);
        }
        let embedded = self.embedded();
        let at = embedded.gcp_regions.iter().position(|known| known == region)?;
        let usd_per_hour = embedded.gcp.get(&(part, spot))?.gcp_at(at)?;
        Some(Price {
            usd_per_hour,
            as_of: embedded.as_of,
        })
    }
}

#[cfg(test)]
mod prices_tests {
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
        let mut fetched = PriceFile::default();
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
        let mut fetched = PriceFile::default();
        fetched.replace(
            Aws,
            jiff::civil::date(2024, 1, 2),
            &[published("us-east-1", "m5.xlarge", 0.5)],
        );
        let catalog = Catalog::with(fetched);
        assert_eq!(price(&catalog, Aws, "us-east-1", "m5.xlarge", false), Some(0.192));
    }
}

//! What is known of the clouds without asking them: image aliases, machine types and prices.
//!
//! The machine types of EC2 and the prices of both clouds are in `data/catalogue.tsv.gz`, which is made anew by one
//! command, `python3 src/catalog/generate/generate.py`; `data/SOURCES.txt` names its sources and their licence, and the
//! head of that program says how far the prices are to be trusted. Over them goes what `cloudctl catalog update` fetched.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::cloud::{Gpu, MachineType, ProviderKind};

mod embedded;
mod images;
mod price_file;

pub use embedded::{CatalogMetadata, Cell, EmbeddedRow, EmbeddedRows, embedded_as_of, embedded_rows, metadata};
pub use images::LoginMethod;
pub use images::{DEFAULT_IMAGE, IMAGE_ALIASES, ImageAlias, closest_alias, has_license_fee, image_alias};
pub use price_file::{CloudPrices, Price, PriceFile};

/// What is known of one cloud without asking it. `fetched` are the prices that `catalog update` fetched, if they are newer
/// than what cloudctl was built with: they come first.
pub trait OfflineCatalog: Sync {
    /// The regions that cloudctl was built with.
    fn regions(&self) -> Vec<String>;

    /// The machine types that a region is known to have, in no order.
    fn machine_types(&self, region: &str, fetched: Option<&CloudPrices>) -> Vec<MachineType>;

    /// Every machine type that is known, wherever it is, in no order.
    fn all_machine_types(&self) -> Vec<MachineType>;

    /// What is known of a machine type, wherever it is.
    fn machine_type(&self, name: &str) -> Option<MachineType>;

    /// The price of a machine in a region, with the accelerators that it says it has. `None` is unknown, never free.
    fn price(&self, region: &str, machine: &MachineType, spot: bool, fetched: Option<&CloudPrices>) -> Option<Price>;

    /// Whether accelerators that a machine type does not come with can be attached to it.
    fn can_attach(&self, _machine: &MachineType, _gpu: &Gpu) -> bool {
        false
    }
}

/// The offline catalogue of each cloud that has one, in the order of [`ProviderKind::ALL`].
type OfflineCatalogs = [Option<&'static dyn OfflineCatalog>; ProviderKind::ALL.len()];

/// Machine types and prices: what cloudctl was built with, and over it what `catalog update` fetched. Nothing is read
/// before it is asked for. Of a cloud without an offline catalogue, such as the mock, there is nothing here.
#[derive(Default)]
pub struct Catalog {
    clouds: OfflineCatalogs,
    fetched: OnceLock<PriceFile>,
    file: Option<PathBuf>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Catalog")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// A catalogue with what is in this file over what cloudctl was built with, if it is there. One that makes no sense is
    /// warned of and left aside: nothing fails for want of a price.
    pub fn new(file: Option<PathBuf>, clouds: OfflineCatalogs) -> Self {
        Self {
            clouds,
            fetched: OnceLock::new(),
            file,
        }
    }

    fn offline(&self, provider: ProviderKind) -> Option<&'static dyn OfflineCatalog> {
        self.clouds[provider as usize]
    }

    /// What was fetched of a cloud, unless cloudctl was built later.
    fn newer_prices(&self, provider: ProviderKind) -> Option<&CloudPrices> {
        let fetched = self.fetched().prices_of(provider);
        fetched.filter(|cloud| cloud.as_of >= embedded_as_of())
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
        let Some(offline) = self.offline(provider) else {
            return Vec::new();
        };
        let fetched = self.fetched().prices_of(provider).into_iter();
        let fetched = fetched.flat_map(|cloud| cloud.regions().map(str::to_owned));
        let all: BTreeSet<_> = offline.regions().into_iter().chain(fetched).collect();
        all.into_iter().collect()
    }

    /// The machine types that a region is known to have, the cheapest first; those without a known price come last.
    /// Accelerators that could be attached are not in them: see [`can_attach`](Self::can_attach).
    pub fn machine_types(&self, provider: ProviderKind, region: &str) -> Vec<MachineType> {
        let Some(offline) = self.offline(provider) else {
            return Vec::new();
        };
        let machines = offline.machine_types(region, self.newer_prices(provider));
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

    /// Every machine type that is known, wherever it is, in no order.
    pub fn all_machine_types(&self, provider: ProviderKind) -> Vec<MachineType> {
        let offline = self.offline(provider);
        offline.map(OfflineCatalog::all_machine_types).unwrap_or_default()
    }

    /// What is known of a machine type, wherever it is.
    pub fn machine_type(&self, provider: ProviderKind, name: &str) -> Option<MachineType> {
        self.offline(provider)?.machine_type(name)
    }

    /// The price of a machine in a region, with the accelerators that it says it has. `None` is unknown, never free.
    /// What spare capacity costs on EC2 changes from hour to hour, and is not known here.
    pub fn price(&self, provider: ProviderKind, region: &str, machine: &MachineType, spot: bool) -> Option<Price> {
        let offline = self.offline(provider)?;
        offline.price(region, machine, spot, self.newer_prices(provider))
    }

    /// Whether accelerators that a machine type does not come with can be attached to it.
    pub fn can_attach(&self, provider: ProviderKind, machine: &MachineType, gpu: &Gpu) -> bool {
        let offline = self.offline(provider);
        offline.is_some_and(|offline| offline.can_attach(machine, gpu))
    }
}

#[cfg(test)]
mod prices_tests {
    use super::*;
    use crate::cloud::PublishedPrice;
    use crate::providers::Drivers;
    use ProviderKind::{Aws, Gcp, Mock};

    fn with_prices(fetched: PriceFile) -> Catalog {
        Catalog {
            fetched: OnceLock::from(fetched),
            ..Drivers::default().catalog(None)
        }
    }

    fn price(catalog: &Catalog, provider: ProviderKind, region: &str, name: &str, spot: bool) -> Option<f64> {
        let machine = catalog.machine_type(provider, name).unwrap();
        catalog
            .price(provider, region, &machine, spot)
            .map(|price| price.usd_per_hour)
    }

    #[test]
    fn well_known_prices_are_right() {
        let catalog = Drivers::default().catalog(None);
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
        let catalog = Drivers::default().catalog(None);
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
        let catalog = Drivers::default().catalog(None);
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
        let catalog = with_prices(fetched);
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
        let catalog = with_prices(fetched);
        assert_eq!(price(&catalog, Aws, "us-east-1", "m5.xlarge", false), Some(0.192));
    }
}

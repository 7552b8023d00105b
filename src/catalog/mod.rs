//! The catalog: image aliases, machine types and prices that are known without a call to a cloud.
//!
//! The machine types of EC2 and the prices of both clouds are in `data/catalogue.tsv.gz`. The command
//! `python3 src/catalog/generate/generate.py` writes that file anew; its head says how exact the prices are.
//! `data/SOURCES.txt` names the sources and their licence. Prices that `cloudctl catalog update` fetched replace those of
//! the file.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::cloud::{Gpu, MachineType, ProviderKind};

mod built_in_data;
mod fetched_price_file;
mod image_aliases;

pub use built_in_data::{CatalogMetadata, EmbeddedRow, EmbeddedRows, embedded_as_of, embedded_rows, metadata};
pub use fetched_price_file::{CloudPrices, Price, PriceFile};
pub use image_aliases::{
    DEFAULT_IMAGE, IMAGE_ALIASES, ImageAlias, LoginMethod, has_license_fee, image_alias, sort_aliases_by_similarity,
};

/// The built-in data of one cloud. `fetched` are the prices that `catalog update` fetched, if they are newer; they go before
/// the built-in ones.
pub trait OfflineCatalog: Sync {
    /// The built-in regions.
    fn regions(&self) -> Vec<String>;

    /// The machine types that a region is known to have, in no order.
    fn machine_types(&self, region: &str, fetched: Option<&CloudPrices>) -> Vec<MachineType>;

    /// Every known machine type of any region, in no order.
    fn all_machine_types(&self) -> Vec<MachineType>;

    /// A machine type by its name, in any region.
    fn machine_type(&self, name: &str) -> Option<MachineType>;

    /// The price of a machine type in a region, with the GPUs in `machine`. `None` is unknown, never free.
    fn price(&self, region: &str, machine: &MachineType, spot: bool, fetched: Option<&CloudPrices>) -> Option<Price>;

    /// Whether GPUs can be attached to a machine type that has none of its own.
    fn can_attach(&self, _machine: &MachineType, _gpu: &Gpu) -> bool {
        false
    }
}

/// The offline catalog of each cloud that has one, in the order of [`ProviderKind::ALL`].
type OfflineCatalogs = [Option<&'static dyn OfflineCatalog>; ProviderKind::ALL.len()];

/// Machine types and prices: the built-in ones, and those that `catalog update` fetched. Each file is read at first use.
/// There is nothing for a cloud without an offline catalog, such as the mock.
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
    /// Creates a catalog. The prices in `file`, if it exists, replace built-in ones. An invalid file causes a warning and is
    /// not used: no command fails because of a missing price.
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

    /// The fetched prices of a cloud, unless the built-in ones are newer.
    fn newer_prices(&self, provider: ProviderKind) -> Option<&CloudPrices> {
        let fetched = self.fetched().prices_of(provider);
        fetched.filter(|cloud| cloud.as_of >= embedded_as_of())
    }

    /// The prices that `catalog update` fetched.
    pub fn fetched(&self) -> &PriceFile {
        self.fetched.get_or_init(|| {
            let Some(file) = &self.file else {
                return PriceFile::default();
            };
            match PriceFile::read(file) {
                Ok(Some(prices)) => prices,
                Ok(None) => PriceFile::default(),
                Err(error) => {
                    tracing::warn!("fetched prices are not used: {error}");
                    PriceFile::default()
                }
            }
        })
    }

    /// The known regions, sorted by name.
    pub fn regions(&self, provider: ProviderKind) -> Vec<String> {
        let Some(offline) = self.offline(provider) else {
            return Vec::new();
        };
        let mut regions: BTreeSet<_> = offline.regions().into_iter().collect();
        if let Some(prices) = self.fetched().prices_of(provider) {
            regions.extend(prices.regions().map(str::to_owned));
        }
        regions.into_iter().collect()
    }

    /// The machine types that a region is known to have, cheapest first, those of unknown price last. They do not include
    /// GPUs that can be attached: see [`can_attach`](Self::can_attach).
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

    /// Every known machine type of any region, in no order.
    pub fn all_machine_types(&self, provider: ProviderKind) -> Vec<MachineType> {
        let offline = self.offline(provider);
        offline.map(OfflineCatalog::all_machine_types).unwrap_or_default()
    }

    /// A machine type by its name, in any region.
    pub fn machine_type(&self, provider: ProviderKind, name: &str) -> Option<MachineType> {
        self.offline(provider)?.machine_type(name)
    }

    /// The price of a machine type in a region, with the GPUs in `machine`. `None` is unknown, never free. Spot prices of EC2
    /// change from hour to hour and are not known here.
    pub fn price(&self, provider: ProviderKind, region: &str, machine: &MachineType, spot: bool) -> Option<Price> {
        let offline = self.offline(provider)?;
        offline.price(region, machine, spot, self.newer_prices(provider))
    }

    /// Whether GPUs can be attached to a machine type that has none of its own.
    pub fn can_attach(&self, provider: ProviderKind, machine: &MachineType, gpu: &Gpu) -> bool {
        let offline = self.offline(provider);
        offline.is_some_and(|offline| offline.can_attach(machine, gpu))
    }

    /// Attaches the required GPUs to a machine type that has none and allows it.
    pub fn attach_gpu(&self, provider: ProviderKind, machine: &mut MachineType, required: Option<&Gpu>) {
        if let Some(gpu) = required
            && machine.gpu.is_none()
            && self.can_attach(provider, machine, gpu)
        {
            machine.gpu = Some(gpu.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fetched_price_file::published;
    use super::*;
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
    fn built_in_price_equals_published_one() {
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
    fn machine_types_are_sorted_by_price() {
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
    fn gpu_is_attached_only_where_the_cloud_allows_it() {
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

    #[test]
    fn fetched_price_replaces_built_in_one() {
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
        let skus = ["n1 core", "n1 memory", "gpu t4"].map(|sku| published("us-central1", sku, 0.25));
        fetched.replace(Gcp, day, &skus);
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
        // The price of the GPUs is not known there.
        assert!(catalog.price(Gcp, "europe-west1", &machine, false).is_none());
    }

    #[test]
    fn fetched_price_older_than_built_in_one_is_ignored() {
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

//! The machine types and prices of a cloud, for `price`: from the catalog, or from a cloud that itself sets its prices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::cloud::{CloudInfo, Gpu, Instance, Location, MachineType, Provider, Result, cost_for};

/// The hours of a month, as the clouds' own price calculators count.
const HOURS_PER_MONTH: f64 = 730.0;

/// The price for a month, rounded to cents.
pub(super) fn monthly_price(usd_per_hour: f64) -> f64 {
    (usd_per_hour * HOURS_PER_MONTH * 100.0).round() / 100.0
}

/// What an instance will have cost when it expires, counted from its creation.
pub(super) fn price_for_ttl(instance: &Instance) -> Option<f64> {
    let lifetime = instance.expires_at?.duration_since(instance.created_at?);
    Some(cost_for(
        instance.price_usd_per_hour?,
        Duration::try_from(lifetime).ok()?,
    ))
}

/// Rounds memory for output: machine types of Compute Engine have odd fractions of a GiB.
pub(super) fn round_gib(memory_gib: f64) -> f64 {
    (memory_gib * 100.0).round() / 100.0
}

/// A price, and the day that it was published, where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownPrice {
    pub(super) usd_per_hour: f64,
    pub(super) as_of: Option<jiff::civil::Date>,
}

/// The machine types and prices of one cloud.
pub(super) struct PriceList {
    pub(super) cloud: &'static CloudInfo,
    /// The regions with known machine types, sorted by name.
    pub(super) regions: Vec<String>,
    source: PriceSource,
}

enum PriceSource {
    Catalog(Arc<Catalog>),
    /// The machine types of each region, with the prices on demand and on spot.
    Provider(BTreeMap<String, Vec<PricedMachine>>),
}

struct PricedMachine {
    machine: MachineType,
    on_demand: Option<f64>,
    spot: Option<f64>,
}

impl PriceList {
    /// The list in the catalog.
    pub(super) fn from_catalog(cloud: &'static CloudInfo, catalog: &Arc<Catalog>) -> Self {
        Self {
            cloud,
            regions: catalog.regions(cloud.kind),
            source: PriceSource::Catalog(Arc::clone(catalog)),
        }
    }

    /// Asks a cloud that itself sets its prices.
    ///
    /// # Errors
    /// Those of the calls.
    pub(super) async fn from_provider(provider: &dyn Provider) -> Result<Self> {
        let regions = provider.regions().await?;
        let mut machines_by_region = BTreeMap::new();
        for region in &regions {
            let location = Location {
                region: region.clone(),
                zone: None,
            };
            let mut priced = Vec::new();
            for machine in provider.machine_types(region, &[]).await? {
                priced.push(PricedMachine {
                    on_demand: provider.fixed_price(&machine.name),
                    spot: provider.spot_price(&location, &machine.name).await?,
                    machine,
                });
            }
            machines_by_region.insert(region.clone(), priced);
        }
        Ok(Self {
            cloud: provider.info(),
            regions,
            source: PriceSource::Provider(machines_by_region),
        })
    }

    /// The machine types that a region is known to have.
    pub(super) fn machine_types(&self, region: &str) -> Vec<MachineType> {
        match &self.source {
            PriceSource::Catalog(catalog) => catalog.machine_types(self.cloud.kind, region),
            PriceSource::Provider(machines_by_region) => match machines_by_region.get(region) {
                Some(priced) => priced.iter().map(|known| known.machine.clone()).collect(),
                None => Vec::new(),
            },
        }
    }

    /// Every known machine type of any region.
    pub(super) fn all_machine_types(&self) -> Vec<MachineType> {
        match &self.source {
            PriceSource::Catalog(catalog) => catalog.all_machine_types(self.cloud.kind),
            PriceSource::Provider(machines_by_region) => {
                let mut machines: BTreeMap<&str, &MachineType> = BTreeMap::new();
                for known in machines_by_region.values().flatten() {
                    machines.insert(&known.machine.name, &known.machine);
                }
                machines.into_values().cloned().collect()
            }
        }
    }

    /// The price of a machine type in a region, with the GPUs in `machine`. `None` is unknown, never free.
    pub(super) fn price(&self, region: &str, machine: &MachineType, spot: bool) -> Option<KnownPrice> {
        match &self.source {
            PriceSource::Catalog(catalog) => {
                let price = catalog.price(self.cloud.kind, region, machine, spot)?;
                Some(KnownPrice {
                    usd_per_hour: price.usd_per_hour,
                    as_of: Some(price.as_of),
                })
            }
            PriceSource::Provider(machines_by_region) => {
                let mut priced = machines_by_region.get(region)?.iter();
                let known = priced.find(|known| known.machine.name == machine.name)?;
                let usd_per_hour = if spot { known.spot? } else { known.on_demand? };
                Some(KnownPrice {
                    usd_per_hour,
                    as_of: None,
                })
            }
        }
    }

    /// Attaches the required GPUs to a machine type that has none and allows it.
    pub(super) fn attach_gpu(&self, machine: &mut MachineType, required: Option<&Gpu>) {
        if let PriceSource::Catalog(catalog) = &self.source {
            catalog.attach_gpu(self.cloud.kind, machine, required);
        }
    }
}

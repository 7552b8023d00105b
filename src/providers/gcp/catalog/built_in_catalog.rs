//! Prices of Compute Engine that cloudctl was built with. Compute Engine charges for the parts of a machine. Types that
//! are smaller than a core have a price as a whole, or pay for a part of a core.
//! <https://cloud.google.com/compute/vm-instance-pricing>

use std::fmt;

use super::built_in_machine_types::{CustomMachineType, family_of, predefined_types};
use crate::catalog::{CloudPrices, OfflineCatalog, Price, embedded_as_of, embedded_rows};
use crate::cloud::{Gpu, MachineType, ProviderKind};

/// How many price units of the built-in data are one USD.
const PRICE_UNITS_PER_USD: f64 = 100_000_000.0;

/// What is known of Compute Engine without asking it. Nothing is read before it is asked for.
pub(crate) static CATALOG: Catalog = Catalog;

pub(crate) struct Catalog;

impl OfflineCatalog for Catalog {
    fn regions(&self) -> Vec<String> {
        embedded_rows(ProviderKind::Gcp).regions.clone()
    }

    fn machine_types(&self, region: &str, fetched: Option<&CloudPrices>) -> Vec<MachineType> {
        let is_in_region = |machine: &&MachineType| sku_price(region, main_sku(machine), false, fetched).is_some();
        predefined_types().values().filter(is_in_region).cloned().collect()
    }

    fn all_machine_types(&self) -> Vec<MachineType> {
        predefined_types().values().cloned().collect()
    }

    /// Custom types say in their names what they have.
    fn machine_type(&self, name: &str) -> Option<MachineType> {
        match CustomMachineType::parse(name) {
            Some(custom) => custom.to_machine_type(name),
            None => predefined_types().get(name).cloned(),
        }
    }

    fn price(&self, region: &str, machine: &MachineType, spot: bool, fetched: Option<&CloudPrices>) -> Option<Price> {
        if spot && !machine.has_spot {
            return None;
        }
        let mut prices_of_parts = Vec::new();
        for (sku, quantity) in sku_quantities(machine)? {
            let price = sku_price(region, sku, spot, fetched)?;
            prices_of_parts.push(Price {
                usd_per_hour: price.usd_per_hour * quantity,
                as_of: price.as_of,
            });
        }
        let total: f64 = prices_of_parts.iter().map(|price| price.usd_per_hour).sum();
        Some(Price {
            // Sums of binary fractions end in nonsense: no price is finer than this.
            usd_per_hour: (total * 1e6).round() / 1e6,
            as_of: prices_of_parts.iter().map(|price| price.as_of).min()?,
        })
    }

    fn can_attach(&self, machine: &MachineType, gpu: &Gpu) -> bool {
        let is_n1 = matches!(family_of(&machine.name), "n1" | "custom");
        let Some((_, limits)) = N1_GPU_LIMITS.iter().find(|(kind, _)| *kind == gpu.kind) else {
            return false;
        };
        let fits = |(count, max_cpus): &(u32, u32)| *count == gpu.count && machine.cpus <= *max_cpus;
        is_n1 && machine.gpu.is_none() && limits.iter().any(fits)
    }
}

/// The accelerators that can be attached to n1 types: how many of a kind, and to how many CPUs at most.
/// <https://cloud.google.com/compute/docs/gpus#nvidia_gpus_for_compute_workloads>
const N1_GPU_LIMITS: &[(&str, &[(u32, u32)])] = &[
    ("t4", &[(1, 48), (2, 48), (4, 96)]),
    ("p4", &[(1, 24), (2, 48), (4, 96)]),
    ("v100", &[(1, 12), (2, 24), (4, 48), (8, 96)]),
    ("p100", &[(1, 16), (2, 32), (4, 64)]),
];

/// Returns what a part of a machine costs; `None` if its price in the region is not known.
fn sku_price(region: &str, sku: Sku<'_>, spot: bool, fetched: Option<&CloudPrices>) -> Option<Price> {
    let name = sku.to_string();
    if let Some(fetched) = fetched
        && let Some(price) = fetched.price(region, &name, spot)
    {
        return Some(price);
    }
    let table = embedded_rows(ProviderKind::Gcp);
    let usage = if spot { "spot" } else { "on-demand" };
    // A row has one attribute: the usage that its prices are for.
    let row = table.rows_of(&name).iter().find(|row| row.attributes == [usage])?;
    Some(Price {
        usd_per_hour: f64::from(table.price(row, region)?) / PRICE_UNITS_PER_USD,
        as_of: embedded_as_of(),
    })
}

/// A part that is charged for by the hour. Its text is what stands in the place of a machine type where prices of
/// Compute Engine are kept: `n2 core`, `n2-custom-extended memory`, `gpu t4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sku<'a> {
    /// A virtual CPU of a family; those of custom types have a price of their own.
    Core(&'a str, SkuKind),
    /// A GiB of memory of a family.
    Memory(&'a str, SkuKind),
    /// A machine that is smaller than a core, by its family.
    Whole(&'a str),
    /// An accelerator, by its kind.
    Gpu(&'a str),
}

/// Which of a family's types a part is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkuKind {
    /// Predefined ones.
    Predefined,
    /// Custom ones.
    Custom,
    /// Custom ones, beyond the memory that the family's CPUs come with.
    Extended,
}

impl fmt::Display for Sku<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |kind: &SkuKind| match kind {
            SkuKind::Predefined => "",
            SkuKind::Custom => "-custom",
            SkuKind::Extended => "-custom-extended",
        };
        match self {
            Self::Core(family, kind) => write!(formatter, "{family}{} core", suffix(kind)),
            Self::Memory(family, kind) => write!(formatter, "{family}{} memory", suffix(kind)),
            Self::Whole(family) => write!(formatter, "{family} whole"),
            Self::Gpu(kind) => write!(formatter, "gpu {kind}"),
        }
    }
}

/// Returns what a machine is charged for, and how much of it; `None` if that is not known.
fn sku_quantities(machine: &MachineType) -> Option<Vec<(Sku<'_>, f64)>> {
    // Its local disks are charged for, too, and their number is not known here.
    if machine.name.ends_with("-lssd") {
        return None;
    }
    let mut parts = match (machine.name.as_str(), CustomMachineType::parse(&machine.name)) {
        ("f1-micro", _) => vec![(Sku::Whole("f1"), 1.0)],
        ("g1-small", _) => vec![(Sku::Whole("g1"), 1.0)],
        (_, Some(custom)) => custom_sku_quantities(&custom),
        (name, None) => {
            // <https://cloud.google.com/compute/docs/general-purpose-machines#e2-shared-core>
            let cores = match name {
                "e2-micro" => 0.25,
                "e2-small" => 0.5,
                "e2-medium" => 1.0,
                _ => f64::from(machine.cpus),
            };
            predefined_sku_quantities(family_of(name), cores, machine.memory_gib)
        }
    };
    if let Some(gpu) = &machine.gpu {
        parts.push((Sku::Gpu(&gpu.kind), f64::from(gpu.count)));
    }
    Some(parts)
}

fn predefined_sku_quantities(family: &str, cores: f64, memory_gib: f64) -> Vec<(Sku<'_>, f64)> {
    vec![
        (Sku::Core(family, SkuKind::Predefined), cores),
        (Sku::Memory(family, SkuKind::Predefined), memory_gib),
    ]
}

fn custom_sku_quantities<'a>(custom: &CustomMachineType<'a>) -> Vec<(Sku<'a>, f64)> {
    let family = custom.family;
    // Custom types of e2 cost what the predefined ones do.
    if family == "e2" {
        return predefined_sku_quantities(family, custom.billed_cpus, custom.memory_gib);
    }
    let extended = custom.extended_gib();
    let mut parts = vec![
        (Sku::Core(family, SkuKind::Custom), custom.billed_cpus),
        (Sku::Memory(family, SkuKind::Custom), custom.memory_gib - extended),
    ];
    if extended > 0.0 {
        parts.push((Sku::Memory(family, SkuKind::Extended), extended));
    }
    parts
}

/// Returns the part without which no machine of the type's family can be had in a region.
fn main_sku(machine: &MachineType) -> Sku<'_> {
    match machine.name.as_str() {
        "f1-micro" => Sku::Whole("f1"),
        "g1-small" => Sku::Whole("g1"),
        name => Sku::Core(family_of(name), SkuKind::Predefined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_row_is_a_price_of_a_part() {
        let rows = embedded_rows(ProviderKind::Gcp);
        assert!(rows.iter().count() > 40, "{}", rows.iter().count());
        for (name, row) in rows.iter() {
            assert!(
                ["spot", "on-demand"].iter().any(|usage| row.attributes == [*usage]),
                "{name}"
            );
            for region in &rows.regions {
                let has_price = rows.price(row, region).is_some();
                assert_eq!(rows.is_available(row, region), has_price, "{name} in {region}");
            }
        }
    }
}

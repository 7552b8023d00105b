//! Machine types and prices of EC2 that cloudctl was built with.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::catalog::{CloudPrices, EmbeddedRow, EmbeddedRows, OfflineCatalog, Price, embedded_as_of, embedded_rows};
use crate::cloud::{Architecture, Gpu, MachineType, ProviderKind, normalize_gpu_kind};

/// How many price units of the built-in data are one USD.
const PRICE_UNITS_PER_USD: f64 = 100_000.0;

/// What is known of EC2 without asking it. Nothing is read before it is asked for.
pub(crate) static CATALOG: Catalog = Catalog(OnceLock::new());

pub(crate) struct Catalog(OnceLock<BTreeMap<&'static str, KnownType>>);

/// A machine type, and where it is at which price.
struct KnownType {
    machine: MachineType,
    row: &'static EmbeddedRow,
}

impl Catalog {
    fn types(&self) -> &BTreeMap<&'static str, KnownType> {
        self.0.get_or_init(|| {
            let types = rows().iter().filter_map(|(name, row)| {
                let machine = parse_machine_type(name, &row.attributes)?;
                Some((name, KnownType { machine, row }))
            });
            types.collect()
        })
    }
}

fn rows() -> &'static EmbeddedRows {
    embedded_rows(ProviderKind::Aws)
}

fn parse_machine_type(name: &str, fields: &[String]) -> Option<MachineType> {
    let [cpus, memory, architecture, gpu, flags] = fields else {
        return None;
    };
    let gpu = match gpu.rsplit_once(':') {
        None => None,
        Some((kind, count)) => Some(Gpu {
            kind: normalize_gpu_kind(kind),
            count: count.parse().ok()?,
        }),
    };
    Some(MachineType {
        name: name.to_owned(),
        cpus: cpus.parse().ok()?,
        memory_gib: memory.parse().ok()?,
        architecture: architecture.parse::<Architecture>().ok()?,
        gpu,
        is_current: flags.contains('c'),
        has_spot: flags.contains('s'),
    })
}

impl OfflineCatalog for Catalog {
    fn regions(&self) -> Vec<String> {
        rows().regions.clone()
    }

    fn machine_types(&self, region: &str, fetched: Option<&CloudPrices>) -> Vec<MachineType> {
        let is_offered = |known: &&KnownType| {
            let has_price = || fetched.is_some_and(|prices| prices.price(region, &known.machine.name, false).is_some());
            rows().is_available(known.row, region) || has_price()
        };
        let types = self.types().values().filter(is_offered);
        types.map(|known| known.machine.clone()).collect()
    }

    fn all_machine_types(&self) -> Vec<MachineType> {
        self.types().values().map(|known| known.machine.clone()).collect()
    }

    fn machine_type(&self, name: &str) -> Option<MachineType> {
        self.types().get(name).map(|known| known.machine.clone())
    }

    fn price(&self, region: &str, machine: &MachineType, spot: bool, fetched: Option<&CloudPrices>) -> Option<Price> {
        if let Some(price) = fetched.and_then(|prices| prices.price(region, &machine.name, spot)) {
            return Some(price);
        }
        if spot {
            return None;
        }
        let known = self.types().get(machine.name.as_str())?;
        Some(Price {
            usd_per_hour: f64::from(rows().price(known.row, region)?) / PRICE_UNITS_PER_USD,
            as_of: embedded_as_of(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_row_is_a_machine_type() {
        assert_eq!(CATALOG.types().len(), rows().iter().count());
        assert!(CATALOG.types().len() > 1_000, "{}", CATALOG.types().len());
        for (name, known) in CATALOG.types() {
            assert!(known.machine.cpus > 0 && known.machine.memory_gib > 0.0, "{name}");
        }
    }

    #[test]
    fn gpus_have_the_same_words_as_on_the_command_line() {
        let gpu = |name: &str| CATALOG.types()[name].machine.gpu.as_ref().map(ToString::to_string);
        for (name, expected) in [
            ("g4dn.xlarge", Some("t4")),
            ("g4dn.12xlarge", Some("t4:4")),
            ("g5.xlarge", Some("a10g")),
            ("g6.48xlarge", Some("l4:8")),
            ("g6f.large", Some("l4-fraction")),
            ("inf2.xlarge", None),
            ("m5.large", None),
        ] {
            assert_eq!(gpu(name).as_deref(), expected, "{name}");
        }
        for machine in CATALOG.all_machine_types() {
            if let Some(gpu) = &machine.gpu {
                assert_eq!(gpu.to_string().parse::<Gpu>().unwrap(), *gpu, "{}", machine.name);
            }
        }
    }
}

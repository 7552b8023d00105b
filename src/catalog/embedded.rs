//! The data that cloudctl was built with, unpacked and read when it is first asked for.
//! What the embedded data is, and where it is from.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use jiff::civil::Date;

use crate::cloud::{Architecture, Gpu, MachineType, normalize_gpu_kind};

/// The packed file, as `generate/generate.py` made it.
pub(super) const PACKED: &[u8] = include_bytes!("data/catalogue.tsv.gz");
/// Unpacked it is a fifth of this; more would not be our file.
const MOST_UNPACKED: u64 = 1024 * 1024;
const HEAD: &str = "cloudctl-catalogue\t1";
/// The units of the numbers in the file, in one USD.
const AWS_UNITS: f64 = 100_000.0;
const GCP_UNITS: f64 = 100_000_000.0;

/// What is known of one type in one region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// It is not known to be there.
    Absent,
    /// It is there, at a price that is not known.
    Unpriced,
    /// USD per hour.
    Price(f64),
}

/// The file's content.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    /// The day of its prices.
    pub(super) as_of: Date,
    /// The regions of EC2, in the order of each type's cells.
    pub(super) aws_regions: Vec<String>,
    /// The machine types of EC2 by name.
    pub(super) aws: BTreeMap<String, (MachineType, Cells)>,
    /// The regions of Compute Engine, in the order of each part's prices.
    pub(super) gcp_regions: Vec<String>,
    /// USD per hour of the parts that Compute Engine charges for, by part and whether that is for spare capacity.
    pub(super) gcp: BTreeMap<(String, bool), Cells>,
}

/// What is known of one thing in each region, as the file has it: few of its many numbers are ever asked for.
#[derive(Debug)]
pub(super) struct Cells(String);

impl Cells {
    /// The cells of one line, one for each region; `None` if they are not.
    fn of(text: &str, regions: usize) -> Option<Self> {
        (text.split(',').count() == regions).then(|| Self(text.to_owned()))
    }

    /// Each cell of a type of EC2; `None` where it makes no sense.
    pub(super) fn aws(&self) -> impl Iterator<Item = Option<Cell>> {
        self.0.split(',').map(aws_cell)
    }

    /// The cell of one region of EC2.
    pub(super) fn aws_at(&self, region: usize) -> Option<Cell> {
        self.0.split(',').nth(region).and_then(aws_cell)
    }

    /// Each price of a part of a machine of Compute Engine; `None` where it is not known.
    pub(super) fn gcp(&self) -> impl Iterator<Item = Option<f64>> {
        self.0.split(',').map(gcp_price)
    }

    /// The price in one region of Compute Engine.
    pub(super) fn gcp_at(&self, region: usize) -> Option<f64> {
        self.0.split(',').nth(region).and_then(gcp_price)
    }
}

impl Embedded {
    /// Unpacks and reads the file; `None` if it is not ours, which a test rules out.
    pub(super) fn load() -> Option<Self> {
        let mut text = String::new();
        GzDecoder::new(PACKED)
            .take(MOST_UNPACKED)
            .read_to_string(&mut text)
            .ok()?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return None;
        }
        let mut read = Self::default();
        for line in lines {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["as-of", date] => read.as_of = date.parse().ok()?,
                ["aws-regions", regions @ ..] => read.aws_regions = owned(regions),
                ["gcp-regions", regions @ ..] => read.gcp_regions = owned(regions),
                ["aws", name, facts @ .., cells] => {
                    let cells = Cells::of(cells, read.aws_regions.len())?;
                    read.aws.insert((*name).to_owned(), (machine(name, facts)?, cells));
                }
                ["gcp", part, usage, prices] => {
                    let spot = match *usage {
                        "spot" => true,
                        "on-demand" => false,
                        _ => return None,
                    };
                    let prices = Cells::of(prices, read.gcp_regions.len())?;
                    read.gcp.insert(((*part).to_owned(), spot), prices);
                }
                _ => return None,
            }
        }
        Some(read)
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn machine(name: &str, facts: &[&str]) -> Option<MachineType> {
    let [cpus, memory, architecture, gpu, flags] = facts else {
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

fn aws_cell(cell: &str) -> Option<Cell> {
    match cell {
        "" => Some(Cell::Absent),
        "?" => Some(Cell::Unpriced),
        price => amount(price, AWS_UNITS).map(Cell::Price),
    }
}

fn gcp_price(cell: &str) -> Option<f64> {
    amount(cell, GCP_UNITS)
}

/// A price of nothing is a mistake of somebody's.
fn amount(text: &str, units: f64) -> Option<f64> {
    let whole: u32 = text.parse().ok()?;
    (whole > 0).then(|| f64::from(whole) / units)
}

/// The licence of both sources.
const LICENCE: &str = "Apache-2.0";
const SOURCE: &str = "apache-libcloud 3.9.1 (prices), moto 5.2.5 (EC2 machine types)";

/// What the embedded data is.
#[derive(Clone, Debug)]
pub struct CatalogMetadata {
    /// The packages that it was made from.
    pub source: &'static str,
    /// Their licence.
    pub licence: &'static str,
    /// The day of its prices.
    pub as_of: Date,
    /// Machine types of EC2, and parts that Compute Engine charges for.
    pub rows: usize,
    /// Prices, of all regions together.
    pub prices: usize,
    /// How many bytes of the program it takes.
    pub bytes: usize,
}

/// Reads the embedded data for what it is.
pub fn metadata() -> CatalogMetadata {
    let embedded = Embedded::load().unwrap_or_default();
    let is_price = |cell: &Option<Cell>| matches!(cell, Some(Cell::Price(_)));
    let aws = embedded
        .aws
        .values()
        .map(|(_, cells)| cells.aws().filter(is_price).count());
    let gcp = embedded.gcp.values().map(|prices| prices.gcp().flatten().count());
    CatalogMetadata {
        source: SOURCE,
        licence: LICENCE,
        as_of: embedded.as_of,
        rows: embedded.aws.len() + embedded.gcp.len(),
        prices: aws.sum::<usize>() + gcp.sum::<usize>(),
        bytes: PACKED.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_small_and_every_row_of_it_makes_sense() {
        assert!(PACKED.len() <= 200 * 1024, "{} bytes", PACKED.len());
        let embedded = Embedded::load().unwrap();
        assert!(embedded.aws.len() > 1_000, "{}", embedded.aws.len());
        assert!(embedded.gcp.len() > 40, "{}", embedded.gcp.len());
        assert_eq!(embedded.as_of, jiff::civil::date(2025, 3, 2));
        for (name, (machine, cells)) in &embedded.aws {
            assert!(machine.cpus > 0 && machine.memory_gib > 0.0, "{name}");
            assert!(cells.aws().all(|cell| cell.is_some()), "{name}");
            assert!(cells.aws().any(|cell| cell != Some(Cell::Absent)), "{name}");
        }
        for ((part, _), prices) in &embedded.gcp {
            let known = prices.gcp().flatten().count();
            assert!(
                known > 0 && known == prices.0.split(',').filter(|cell| !cell.is_empty()).count(),
                "{part}"
            );
        }
    }

    #[test]
    fn gpus_have_the_same_words_as_on_the_command_line() {
        let embedded = Embedded::load().unwrap();
        let gpu = |name: &str| embedded.aws[name].0.gpu.as_ref().map(ToString::to_string);
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
        for (machine, _) in embedded.aws.values() {
            if let Some(gpu) = &machine.gpu {
                assert_eq!(gpu.to_string().parse::<Gpu>().unwrap(), *gpu, "{}", machine.name);
            }
        }
    }

    #[test]
    fn a_price_of_nothing_is_none() {
        let cells = Cells::of("0,,?,192000", 4).unwrap();
        let read: Vec<_> = cells.aws().collect();
        assert_eq!(
            read,
            [None, Some(Cell::Absent), Some(Cell::Unpriced), Some(Cell::Price(1.92))]
        );
        let read: Vec<_> = cells.gcp().collect();
        assert_eq!(read, [None, None, None, Some(0.00192)]);
        assert_eq!((cells.aws_at(3), cells.aws_at(4)), (Some(Cell::Price(1.92)), None));
        assert_eq!((cells.gcp_at(3), cells.gcp_at(0)), (Some(0.00192), None));
    }

    #[test]
    fn a_file_of_another_kind_is_none() {
        for text in [
            "",
            "cloudctl-catalogue\t2\n",
            "cloudctl-catalogue\t1\nnonsense\n",
            "cloudctl-catalogue\t1\naws-regions\ta\naws\tm\t2\t8\tx86_64\t\tcs\t1,1\n",
        ] {
            assert!(Embedded::parse(text).is_none(), "{text:?}");
        }
    }
}

#[cfg(test)]
mod facts_tests {
    use super::*;

    #[test]
    fn the_sources_are_those_that_the_generator_takes() {
        let sources = include_str!("data/SOURCES.txt");
        for line in include_str!("generate/requirements.txt").lines() {
            let (name, version) = line.split_once("==").unwrap();
            assert!(SOURCE.contains(&format!("{name} {version}")), "{line}");
            assert!(sources.contains(&format!("{name} {version}")), "{line}");
        }
        let facts = metadata();
        assert!(sources.contains(&format!("of {}", facts.as_of)), "{sources}");
        assert!(sources.contains(&format!("{} bytes", facts.bytes)), "{sources}");
        assert!(facts.prices > 10_000);
    }
}

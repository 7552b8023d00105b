//! What the embedded data is, and where it is from.

use jiff::civil::Date;

use super::embedded::{Cell, Embedded, PACKED};

/// The licence of both sources.
const LICENCE: &str = "Apache-2.0";
const SOURCE: &str = "apache-libcloud 3.9.1 (prices), moto 5.2.5 (EC2 machine types)";

/// What the embedded data is.
#[derive(Clone, Debug)]
pub struct Facts {
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
pub fn embedded_facts() -> Facts {
    let embedded = Embedded::load().unwrap_or_default();
    let is_price = |cell: &Option<Cell>| matches!(cell, Some(Cell::Price(_)));
    let aws = embedded
        .aws
        .values()
        .map(|(_, cells)| cells.aws().filter(is_price).count());
    let gcp = embedded.gcp.values().map(|prices| prices.gcp().flatten().count());
    Facts {
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
    fn the_sources_are_those_that_the_generator_takes() {
        let sources = include_str!("data/SOURCES.txt");
        for line in include_str!("generate/requirements.txt").lines() {
            let (name, version) = line.split_once("==").unwrap();
            assert!(SOURCE.contains(&format!("{name} {version}")), "{line}");
            assert!(sources.contains(&format!("{name} {version}")), "{line}");
        }
        let facts = embedded_facts();
        assert!(sources.contains(&format!("of {}", facts.as_of)), "{sources}");
        assert!(sources.contains(&format!("{} bytes", facts.bytes)), "{sources}");
        assert!(facts.prices > 10_000);
    }
}

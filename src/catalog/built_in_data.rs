//! The built-in catalog data: rows of each cloud, which its driver interprets. It is unpacked and parsed at first use.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use jiff::civil::Date;

use crate::cloud::ProviderKind;

/// The packed file, as `generate/generate.py` writes it.
const PACKED: &[u8] = include_bytes!("data/catalogue.tsv.gz");
/// The maximum size of the unpacked file, five times the actual size.
const MAX_UNPACKED_BYTES: u64 = 1024 * 1024;
const HEAD: &str = "cloudctl-catalogue\t1";
/// The suffix of a cloud's word in the line with its regions.
const REGIONS: &str = "-regions";

/// What is known about a row's machine type or SKU in one region.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    /// The region is not known to have it.
    Absent,
    /// The region has it, at an unknown price.
    Unpriced,
    /// The price, in the unit that the file has for this cloud.
    Price(u32),
}

/// The rows of one cloud.
#[derive(Debug, Default)]
pub struct EmbeddedRows {
    /// The regions, in the order of each row's cells.
    pub regions: Vec<String>,
    /// The rows by name. Several rows can have one name.
    rows: BTreeMap<String, Vec<EmbeddedRow>>,
}

/// One row: the attributes of a machine type or SKU, and a cell for each region.
#[derive(Debug)]
pub struct EmbeddedRow {
    /// What the file says of the machine type or SKU, in the order of the file, which differs between clouds.
    pub attributes: Vec<String>,
    /// The cells as text. A run parses few of them.
    cells: String,
}

/// The content of the file.
#[derive(Debug, Default)]
struct Embedded {
    /// The day of the prices.
    as_of: Date,
    clouds: BTreeMap<String, EmbeddedRows>,
}

/// The rows of a cloud; empty if the file has none.
pub fn embedded_rows(kind: ProviderKind) -> &'static EmbeddedRows {
    static NO_ROWS: EmbeddedRows = EmbeddedRows {
        regions: Vec::new(),
        rows: BTreeMap::new(),
    };
    embedded().clouds.get(kind.as_str()).unwrap_or(&NO_ROWS)
}

/// The day of the prices.
pub fn embedded_as_of() -> Date {
    embedded().as_of
}

fn embedded() -> &'static Embedded {
    static EMBEDDED: OnceLock<Embedded> = OnceLock::new();
    EMBEDDED.get_or_init(|| Embedded::load().unwrap_or_default())
}

impl EmbeddedRows {
    /// Iterates over each row with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &EmbeddedRow)> {
        self.rows
            .iter()
            .flat_map(|(name, rows)| rows.iter().map(move |row| (name.as_str(), row)))
    }

    /// The rows of a name.
    pub fn rows_of(&self, name: &str) -> &[EmbeddedRow] {
        self.rows.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a region is known to have the machine type or SKU of a row.
    pub fn is_available(&self, row: &EmbeddedRow, region: &str) -> bool {
        matches!(self.cell(row, region), Some(Cell::Unpriced | Cell::Price(_)))
    }

    /// The price of a row in a region, in the unit that the file has for this cloud; `None` is unknown.
    pub fn price(&self, row: &EmbeddedRow, region: &str) -> Option<u32> {
        match self.cell(row, region)? {
            Cell::Price(price) => Some(price),
            Cell::Absent | Cell::Unpriced => None,
        }
    }

    /// The cell of a row in a region; `None` for a region that is not in the file.
    fn cell(&self, row: &EmbeddedRow, region: &str) -> Option<Cell> {
        let index = self.regions.iter().position(|known| known == region)?;
        parse_cell(row.cells.split(',').nth(index)?)
    }
}

impl EmbeddedRow {
    /// Parses each cell; `None` for an invalid one.
    fn cells(&self) -> impl Iterator<Item = Option<Cell>> {
        self.cells.split(',').map(parse_cell)
    }
}

fn parse_cell(text: &str) -> Option<Cell> {
    match text {
        "" => Some(Cell::Absent),
        "?" => Some(Cell::Unpriced),
        // A price of zero is an error in the data.
        price => match price.parse() {
            Ok(price) if price > 0 => Some(Cell::Price(price)),
            _ => None,
        },
    }
}

impl Embedded {
    /// Unpacks and parses the file; `None` if it is invalid. A test ensures that it is valid.
    fn load() -> Option<Self> {
        let mut text = String::new();
        GzDecoder::new(PACKED)
            .take(MAX_UNPACKED_BYTES)
            .read_to_string(&mut text)
            .ok()?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return None;
        }
        let mut embedded = Self::default();
        for line in lines {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["as-of", date] => embedded.as_of = date.parse().ok()?,
                [word, regions @ ..] if word.ends_with(REGIONS) => {
                    let cloud = word.trim_end_matches(REGIONS).to_owned();
                    embedded.clouds.entry(cloud).or_default().regions = to_strings(regions);
                }
                [word, name, attributes @ .., cells] => {
                    let cloud = embedded.clouds.get_mut(*word)?;
                    let row = EmbeddedRow {
                        attributes: to_strings(attributes),
                        cells: (*cells).to_owned(),
                    };
                    if row.cells().count() != cloud.regions.len() {
                        return None;
                    }
                    cloud.rows.entry((*name).to_owned()).or_default().push(row);
                }
                _ => return None,
            }
        }
        Some(embedded)
    }
}

fn to_strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The licence of both sources.
const LICENCE: &str = "Apache-2.0";
/// The packages that the data was generated from.
const SOURCE: &str = "apache-libcloud 3.9.1 (prices), moto 5.2.5 (EC2 machine types)";

/// The source, date and size of the built-in data.
#[derive(Clone, Debug)]
pub struct CatalogMetadata {
    /// The packages that it was generated from.
    pub source: &'static str,
    /// Their licence.
    pub licence: &'static str,
    /// The day of the prices.
    pub as_of: Date,
    /// The number of rows: machine types of EC2, and SKUs of Compute Engine.
    pub rows: usize,
    /// The number of prices in all regions.
    pub prices: usize,
    /// The size in the program, in bytes.
    pub bytes: usize,
}

/// The source, date and size of the built-in data.
pub fn metadata() -> CatalogMetadata {
    let rows = || embedded().clouds.values().flat_map(EmbeddedRows::iter);
    let prices = |row: &EmbeddedRow| row.cells().filter(|cell| matches!(cell, Some(Cell::Price(_)))).count();
    CatalogMetadata {
        source: SOURCE,
        licence: LICENCE,
        as_of: embedded_as_of(),
        rows: rows().count(),
        prices: rows().map(|(_, row)| prices(row)).sum(),
        bytes: PACKED.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_data_is_small_and_its_cells_are_valid() {
        assert!(PACKED.len() <= 200 * 1024, "{} bytes", PACKED.len());
        let embedded = Embedded::load().unwrap();
        assert_eq!(embedded.as_of, jiff::civil::date(2025, 3, 2));
        for rows in embedded.clouds.values() {
            for (name, row) in rows.iter() {
                assert!(row.cells().all(|cell| cell.is_some()), "{name}");
                assert!(row.cells().any(|cell| cell != Some(Cell::Absent)), "{name}");
            }
        }
    }

    #[test]
    fn price_of_zero_is_no_price() {
        for (text, expected) in [
            ("0", None),
            ("x", None),
            ("", Some(Cell::Absent)),
            ("?", Some(Cell::Unpriced)),
            ("192000", Some(Cell::Price(192_000))),
        ] {
            assert_eq!(parse_cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn file_of_another_kind_is_refused() {
        for text in [
            "",
            "cloudctl-catalogue\t2\n",
            "cloudctl-catalogue\t1\nnonsense\n",
            "cloudctl-catalogue\t1\naws\tm\t1\n",
            "cloudctl-catalogue\t1\naws-regions\ta\naws\tm\t2\t8\tx86_64\t\tcs\t1,1\n",
        ] {
            assert!(Embedded::parse(text).is_none(), "{text:?}");
        }
        let good = "cloudctl-catalogue\t1\naws-regions\ta\tb\naws\tm\tx\t1,?\n";
        let embedded = Embedded::parse(good).unwrap();
        let rows = &embedded.clouds["aws"];
        let [row] = rows.rows_of("m") else { panic!("{rows:?}") };
        assert_eq!(row.attributes, ["x"]);
        assert_eq!((rows.cell(row, "b"), rows.cell(row, "c")), (Some(Cell::Unpriced), None));
    }

    #[test]
    fn metadata_names_the_generator_sources() {
        let sources = include_str!("data/SOURCES.txt");
        for line in include_str!("generate/requirements.txt").lines() {
            let (name, version) = line.split_once("==").unwrap();
            assert!(SOURCE.contains(&format!("{name} {version}")), "{line}");
            assert!(sources.contains(&format!("{name} {version}")), "{line}");
        }
        let metadata = metadata();
        assert!(sources.contains(&format!("of {}", metadata.as_of)), "{sources}");
        assert!(sources.contains(&format!("{} bytes", metadata.bytes)), "{sources}");
        assert!(metadata.prices > 10_000);
    }
}

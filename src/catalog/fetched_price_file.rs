//! The price file, in which `catalog update` stores fetched prices: a line for each cloud and each price.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use jiff::civil::Date;

use crate::cloud::{Error, ErrorKind, ProviderKind, PublishedPrice, Result, path_text};

const HEAD: &str = "cloudctl-prices\t1";
/// The maximum size of the file, some ten times the size with all published prices.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The upper limit of a valid price per hour. No machine costs this much.
const MAX_USD_PER_HOUR: f64 = 100_000.0;

/// A price, and its day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// USD per hour, with Linux and without disk and traffic.
    pub usd_per_hour: f64,
    /// The day on which it was published or fetched.
    pub as_of: Date,
}

/// The fetched prices by cloud.
#[derive(Clone, Debug, Default)]
pub struct PriceFile(BTreeMap<ProviderKind, CloudPrices>);

/// The fetched prices of one cloud.
#[derive(Clone, Debug)]
pub struct CloudPrices {
    /// The day on which they were fetched.
    pub as_of: Date,
    /// By region, then by machine type or SKU and whether it is a spot price.
    prices: HashMap<String, HashMap<(String, bool), f64>>,
}

impl CloudPrices {
    /// The price of a machine type, or of a SKU that the cloud charges for.
    pub fn price(&self, region: &str, name: &str, spot: bool) -> Option<Price> {
        let usd_per_hour = *self.prices.get(region)?.get(&(name.to_owned(), spot))?;
        Some(Price {
            usd_per_hour,
            as_of: self.as_of,
        })
    }

    /// Iterates over the regions that have prices, in no order.
    pub(super) fn regions(&self) -> impl Iterator<Item = &str> {
        self.prices.keys().map(String::as_str)
    }

    /// The number of prices.
    pub fn count(&self) -> usize {
        self.prices.values().map(HashMap::len).sum()
    }
}

impl PriceFile {
    /// Iterates over the clouds that have fetched prices.
    pub fn clouds(&self) -> impl Iterator<Item = (ProviderKind, &CloudPrices)> {
        self.0.iter().map(|(kind, cloud)| (*kind, cloud))
    }

    /// The fetched prices of a cloud.
    pub fn prices_of(&self, kind: ProviderKind) -> Option<&CloudPrices> {
        self.0.get(&kind)
    }

    /// Replaces the prices of a cloud. Invalid prices are left out; 0 is a price that the cloud does not publish.
    pub fn replace(&mut self, kind: ProviderKind, as_of: Date, published: &[PublishedPrice]) {
        let mut prices: HashMap<String, HashMap<(String, bool), f64>> = HashMap::new();
        for price in published {
            let is_field = |text: &str| !text.is_empty() && !text.contains(['\t', '\n', '\r']);
            if is_price(price.usd_per_hour) && is_field(&price.region) && is_field(&price.machine_type) {
                let region = prices.entry(price.region.clone()).or_default();
                region.insert((price.machine_type.clone(), price.spot), price.usd_per_hour);
            }
        }
        self.0.insert(kind, CloudPrices { as_of, prices });
    }

    /// Reads the file; `None` if it does not exist.
    ///
    /// # Errors
    /// `InvalidSpec` if it cannot be read, or was not written by `catalog update`.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let failed = |error: io::Error| {
            Error::new(ErrorKind::InvalidSpec, format!("cannot read {}", path_text(path))).with_source(error)
        };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            // Reading a pipe or a device might never end.
            Ok(metadata) if !metadata.is_file() => return Err(wrong_file_error(path, 0)),
            Ok(_) => {}
        }
        let file = File::open(path).map_err(failed)?;
        let mut fetched = Self::default();
        for (index, line) in BufReader::new(file.take(MAX_BYTES)).lines().enumerate() {
            let line = line.map_err(failed)?;
            let is_valid = if index == 0 {
                line == HEAD
            } else {
                fetched.parse_line(&line).is_some()
            };
            if !is_valid {
                return Err(wrong_file_error(path, index + 1));
            }
        }
        Ok(Some(fetched))
    }

    /// Adds the cloud or price of a line; `None` if the line is invalid.
    fn parse_line(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["cloud", kind, as_of] => {
                let cloud = CloudPrices {
                    as_of: as_of.parse().ok()?,
                    prices: HashMap::new(),
                };
                self.0.insert(kind.parse().ok()?, cloud);
            }
            ["price", kind, region, name, usage, usd] => {
                let cloud = self.0.get_mut(&kind.parse::<ProviderKind>().ok()?)?;
                let usd = usd.parse().ok().filter(|usd| is_price(*usd))?;
                let spot = match *usage {
                    "spot" => true,
                    "on-demand" => false,
                    _ => return None,
                };
                let region = cloud.prices.entry((*region).to_owned()).or_default();
                region.insert(((*name).to_owned(), spot), usd);
            }
            _ => return None,
        }
        Some(())
    }

    /// Writes the file completely or not at all. Replaces a symbolic link instead of following it.
    ///
    /// # Errors
    /// `InvalidSpec` that names the file, if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.try_write(path).map_err(|error| {
            let error =
                Error::new(ErrorKind::InvalidSpec, format!("cannot write {}", path_text(path))).with_source(error);
            error.with_hint("name a file that can be written with CLOUDCTL_CATALOG")
        })
    }

    fn try_write(&self, path: &Path) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut out = BufWriter::new(&mut file);
        writeln!(out, "{HEAD}")?;
        for (kind, cloud) in &self.0 {
            writeln!(out, "cloud\t{kind}\t{}", cloud.as_of)?;
            let prices = cloud.prices.iter().flat_map(|(region, prices)| {
                prices
                    .iter()
                    .map(move |((name, spot), usd)| (region, name, *spot, *usd))
            });
            let mut prices: Vec<_> = prices.collect();
            prices.sort_by(|one, other| (one.0, one.1, one.2).cmp(&(other.0, other.1, other.2)));
            for (region, name, spot, usd) in prices {
                let usage = if spot { "spot" } else { "on-demand" };
                writeln!(out, "price\t{kind}\t{region}\t{name}\t{usage}\t{usd}")?;
            }
        }
        out.flush()?;
        drop(out);
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn is_price(usd: f64) -> bool {
    usd.is_finite() && usd > 0.0 && usd < MAX_USD_PER_HOUR
}

fn wrong_file_error(path: &Path, line: usize) -> Error {
    let message = match line {
        0 => format!("{} is not a regular file", path_text(path)),
        line => format!(
            "{} was not written by `cloudctl catalog update`: line {line} is invalid",
            path_text(path)
        ),
    };
    Error::invalid(message).with_hint("remove it, and fetch prices with `cloudctl catalog update`")
}

/// A price for tests.
#[cfg(test)]
pub(super) fn published(region: &str, name: &str, usd: f64) -> PublishedPrice {
    PublishedPrice {
        region: region.to_owned(),
        machine_type: name.to_owned(),
        spot: false,
        usd_per_hour: usd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/prices.tsv");
        assert!(PriceFile::read(&path).unwrap().is_none());
        let day = jiff::civil::date(2026, 1, 2);
        let mut fetched = PriceFile::default();
        let zero = published("us-east-1", "free.large", 0.0);
        fetched.replace(
            ProviderKind::Aws,
            day,
            &[published("us-east-1", "m5.large", 0.0971), zero],
        );
        fetched.replace(ProviderKind::Gcp, day, &[published("us-central1", "n2 core", 0.031611)]);
        fetched.write(&path).unwrap();
        let again = PriceFile::read(&path).unwrap().unwrap();
        let aws = again.prices_of(ProviderKind::Aws).unwrap();
        assert_eq!((aws.as_of, aws.count()), (day, 1));
        let usd = |cloud: &CloudPrices, region, name| cloud.price(region, name, false).map(|price| price.usd_per_hour);
        assert_eq!(usd(aws, "us-east-1", "m5.large"), Some(0.0971));
        assert_eq!(aws.price("us-east-1", "m5.large", true), None);
        let gcp = again.prices_of(ProviderKind::Gcp).unwrap();
        assert_eq!(usd(gcp, "us-central1", "n2 core"), Some(0.031611));
    }

    #[test]
    fn other_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.tsv");
        for (text, line) in [
            ("hello\n", "line 1"),
            ("cloudctl-prices\t1\nprice\taws\tr\tm\ton-demand\t1\n", "line 2"),
            (
                "cloudctl-prices\t1\ncloud\taws\t2026-01-02\nprice\taws\tr\tm\ton-demand\t0\n",
                "line 3",
            ),
            (
                "cloudctl-prices\t1\ncloud\taws\t2026-01-02\nprice\taws\tr\tm\ton-demand\tNaN\n",
                "line 3",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = PriceFile::read(&path).unwrap_err();
            assert!(error.message().contains(line), "{error}");
        }
        assert!(PriceFile::read(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (other, path) = (folder.path().join("other"), folder.path().join("prices.tsv"));
        std::fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        PriceFile::default().write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
        assert!(PriceFile::read(&path).unwrap().is_some());
    }
}

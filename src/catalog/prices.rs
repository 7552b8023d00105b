//! What machines there are and what they cost, as far as that is known without asking.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use jiff::civil::Date;

use super::attachments;
use super::embedded::{Cell, Cells, Embedded};
use super::gce_custom::Custom;
use super::gce_shapes;
use super::parts::{Part, bill, chief_part};
use super::price_file::Fetched;
use crate::cloud::{Gpu, MachineType, ProviderKind};

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
    fetched: OnceLock<Fetched>,
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
    fn with(fetched: Fetched) -> Self {
        Self {
            fetched: OnceLock::from(fetched),
            ..Self::default()
        }
    }

    fn embedded(&self) -> &Embedded {
        self.embedded.get_or_init(|| Embedded::load().unwrap_or_default())
    }

    /// What `catalog update` fetched.
    pub fn fetched(&self) -> &Fetched {
        self.fetched.get_or_init(|| {
            let read = self.file.as_deref().map_or(Ok(None), Fetched::read);
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
                let there = all.filter(|machine| self.part(region, chief_part(machine), false).is_some());
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
            ProviderKind::Gcp => match Custom::parse(name) {
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
        for (part, amount) in bill(machine)? {
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
    fn part(&self, region: &str, part: Part<'_>, spot: bool) -> Option<Price> {
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
#[path = "price_tests.rs"]
mod tests;

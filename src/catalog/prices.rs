//! What machines cost, as far as that is known without asking.

use jiff::civil::Date;

use crate::cloud::{Gpu, MachineType, ProviderKind};

/// A price, and when it was true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// USD per hour, with Linux and without disk and traffic.
    pub usd_per_hour: f64,
    /// The day on which it was published or looked up.
    pub as_of: Date,
}

/// Machine types and prices: what cloudctl was built with, and over it what `catalog update` fetched.
#[derive(Debug, Default)]
pub struct Catalog {}

impl Catalog {
    /// The machine types that a region is known to have, the cheapest first; those without a known price come last.
    pub fn machine_types(&self, _provider: ProviderKind, _region: &str) -> Vec<MachineType> {
        Vec::new()
    }

    /// What is known of a machine type, wherever it is.
    pub fn machine_type(&self, _provider: ProviderKind, _name: &str) -> Option<MachineType> {
        None
    }

    /// The price of a machine in a region, with the accelerators that it says it has. `None` is unknown, never free.
    pub fn price(&self, _provider: ProviderKind, _region: &str, _machine: &MachineType, _spot: bool) -> Option<Price> {
        None
    }

    /// Whether accelerators that a machine type does not come with can be attached to it.
    pub fn can_attach(&self, _provider: ProviderKind, _machine: &MachineType, _gpu: &Gpu) -> bool {
        false
    }
}

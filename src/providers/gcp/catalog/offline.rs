//! Compute Engine charges for the parts of a machine. Types that are smaller than a core have a price as a whole, or pay
//! for a part of a core. <https://cloud.google.com/compute/vm-instance-pricing>

use std::fmt;

use super::gce_custom::CustomMachineType;
use super::gce_shapes::family;
use crate::cloud::MachineType;

/// A part that is charged for by the hour. Its text is what stands in the place of a machine type where prices of
/// Compute Engine are kept: `n2 core`, `n2-custom-extended memory`, `gpu t4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sku<'a> {
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
pub enum SkuKind {
    /// Predefined ones.
    Predefined,
    /// Custom ones.
    Custom,
    /// Custom ones, beyond the memory that the family's CPUs come with.
    Extended,
}

impl fmt::Display for Sku<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |sort: &SkuKind| match sort {
            SkuKind::Predefined => "",
            SkuKind::Custom => "-custom",
            SkuKind::Extended => "-custom-extended",
        };
        match self {
            Self::Core(family, sort) => write!(formatter, "{family}{} core", suffix(sort)),
            Self::Memory(family, sort) => write!(formatter, "{family}{} memory", suffix(sort)),
            Self::Whole(family) => write!(formatter, "{family} whole"),
            Self::Gpu(kind) => write!(formatter, "gpu {kind}"),
        }
    }
}

/// What a machine is charged for, and how much of it; `None` if that is not known.
pub(super) fn sku_quantities(machine: &MachineType) -> Option<Vec<(Sku<'_>, f64)>> {
    // Its local disks are charged for, too, and their number is not known here.
    if machine.name.ends_with("-lssd") {
        return None;
    }
    let mut parts = match (machine.name.as_str(), CustomMachineType::parse(&machine.name)) {
        ("f1-micro", _) => vec![(Sku::Whole("f1"), 1.0)],
        ("g1-small", _) => vec![(Sku::Whole("g1"), 1.0)],
        (_, Some(custom)) => bill_of_custom(&custom),
        (name, None) => {
            // <https://cloud.google.com/compute/docs/general-purpose-machines#e2-shared-core>
            let cores = match name {
                "e2-micro" => 0.25,
                "e2-small" => 0.5,
                "e2-medium" => 1.0,
                _ => f64::from(machine.cpus),
            };
            predefined(family(name), cores, machine.memory_gib)
        }
    };
    if let Some(gpu) = &machine.gpu {
        parts.push((Sku::Gpu(&gpu.kind), f64::from(gpu.count)));
    }
    Some(parts)
}

fn predefined(family: &str, cores: f64, memory_gib: f64) -> Vec<(Sku<'_>, f64)> {
    vec![
        (Sku::Core(family, SkuKind::Predefined), cores),
        (Sku::Memory(family, SkuKind::Predefined), memory_gib),
    ]
}

fn bill_of_custom<'a>(custom: &CustomMachineType<'a>) -> Vec<(Sku<'a>, f64)> {
    let family = custom.family;
    // Custom types of e2 cost what the predefined ones do.
    if family == "e2" {
        return predefined(family, custom.billed_cpus, custom.memory_gib);
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

/// The part without which no machine of the type's family can be had in a region.
pub(super) fn main_sku(machine: &MachineType) -> Sku<'_> {
    match machine.name.as_str() {
        "f1-micro" => Sku::Whole("f1"),
        "g1-small" => Sku::Whole("g1"),
        name => Sku::Core(family(name), SkuKind::Predefined),
    }
}

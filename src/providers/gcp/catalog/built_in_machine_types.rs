//! The predefined machine types of Compute Engine, which its price list does not name. Sources, read at each family:
//! <https://cloud.google.com/compute/docs/general-purpose-machines>, `compute-optimized-machines`,
//! `memory-optimized-machines` and `accelerator-optimized-machines`, in the same folder.
//!
//! Not here: types with local disks (`-lssd`) and bare metal.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::cloud::{Architecture, Gpu, MachineType};

/// Machine types with the same memory for each CPU.
struct TypeSeries {
    name: &'static str,
    cpu_counts: &'static [u32],
    gib_per_cpu: f64,
}

/// A type that is in no series: name, CPUs, GiB, accelerator and how many.
type SingleType = (&'static str, u32, f64, Option<(&'static str, u32)>);

const fn series(name: &'static str, cpu_counts: &'static [u32], gib_per_cpu: f64) -> TypeSeries {
    TypeSeries {
        name,
        cpu_counts,
        gib_per_cpu,
    }
}

const N2: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 80, 96, 128];
const N2D_MOST: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 224];
const TO_96: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 80, 96];
const N4: &[u32] = &[2, 4, 8, 16, 32, 48, 64, 80];
const N1: &[u32] = &[2, 4, 8, 16, 32, 64, 96];
const C3: &[u32] = &[4, 8, 22, 44, 88, 176];
const C3D: &[u32] = &[4, 8, 16, 30, 60, 90, 180, 360];
const C4: &[u32] = &[4, 8, 16, 24, 32, 48, 96, 144, 192, 288];
const C4A: &[u32] = &[1, 2, 4, 8, 16, 32, 48, 64, 72];
const C2D: &[u32] = &[2, 4, 8, 16, 32, 56, 112];

const SERIES: &[TypeSeries] = &[
    series("e2-standard", &[2, 4, 8, 16, 32], 4.0),
    series("e2-highmem", &[2, 4, 8, 16], 8.0),
    series("e2-highcpu", &[2, 4, 8, 16, 32], 1.0),
    series("n1-standard", &[1, 2, 4, 8, 16, 32, 64, 96], 3.75),
    series("n1-highmem", N1, 6.5),
    series("n1-highcpu", N1, 0.9),
    series("n2-standard", N2, 4.0),
    series("n2-highmem", TO_96, 8.0),
    series("n2-highcpu", TO_96, 1.0),
    series("n2d-standard", N2D_MOST, 4.0),
    series("n2d-highmem", TO_96, 8.0),
    series("n2d-highcpu", N2D_MOST, 1.0),
    series("n4-standard", N4, 4.0),
    series("n4-highmem", N4, 8.0),
    series("n4-highcpu", N4, 2.0),
    series("c3-standard", C3, 4.0),
    series("c3-highmem", C3, 8.0),
    series("c3-highcpu", C3, 2.0),
    series("c3d-standard", C3D, 4.0),
    series("c3d-highmem", C3D, 8.0),
    series("c3d-highcpu", &[4, 8, 16], 2.0),
    series("c4-standard", C4, 3.75),
    series("c4-highmem", C4, 7.75),
    series("c4-highcpu", &[2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288], 2.0),
    series("c4a-standard", C4A, 4.0),
    series("c4a-highmem", C4A, 8.0),
    series("c4a-highcpu", C4A, 2.0),
    series("t2d-standard", &[1, 2, 4, 8, 16, 32, 48, 60], 4.0),
    series("t2a-standard", &[1, 2, 4, 8, 16, 32, 48], 4.0),
    series("c2-standard", &[4, 8, 16, 30, 60], 4.0),
    series("c2d-standard", C2D, 4.0),
    series("c2d-highmem", C2D, 8.0),
    series("c2d-highcpu", C2D, 2.0),
];

const SINGLE_TYPES: &[SingleType] = &[
    ("e2-micro", 2, 1.0, None),
    ("e2-small", 2, 2.0, None),
    ("e2-medium", 2, 4.0, None),
    ("f1-micro", 1, 0.6, None),
    ("g1-small", 1, 1.7, None),
    ("n2-highmem-128", 128, 864.0, None),
    ("c3d-highcpu-30", 30, 59.0, None),
    ("c3d-highcpu-60", 60, 118.0, None),
    ("c3d-highcpu-90", 90, 177.0, None),
    ("c3d-highcpu-180", 180, 354.0, None),
    ("c3d-highcpu-360", 360, 708.0, None),
    ("c4-standard-2", 2, 7.0, None),
    ("c4-highmem-2", 2, 15.0, None),
    ("m1-ultramem-40", 40, 961.0, None),
    ("m1-ultramem-80", 80, 1922.0, None),
    ("m1-ultramem-160", 160, 3844.0, None),
    ("m1-megamem-96", 96, 1433.6, None),
    ("m2-ultramem-208", 208, 5888.0, None),
    ("m2-ultramem-416", 416, 11776.0, None),
    ("m2-megamem-416", 416, 5888.0, None),
    ("m2-hypermem-416", 416, 8832.0, None),
    ("m3-ultramem-32", 32, 976.0, None),
    ("m3-ultramem-64", 64, 1952.0, None),
    ("m3-ultramem-128", 128, 3904.0, None),
    ("m3-megamem-64", 64, 976.0, None),
    ("m3-megamem-128", 128, 1952.0, None),
    ("g2-standard-4", 4, 16.0, Some(("l4", 1))),
    ("g2-standard-8", 8, 32.0, Some(("l4", 1))),
    ("g2-standard-12", 12, 48.0, Some(("l4", 1))),
    ("g2-standard-16", 16, 64.0, Some(("l4", 1))),
    ("g2-standard-24", 24, 96.0, Some(("l4", 2))),
    ("g2-standard-32", 32, 128.0, Some(("l4", 1))),
    ("g2-standard-48", 48, 192.0, Some(("l4", 4))),
    ("g2-standard-96", 96, 384.0, Some(("l4", 8))),
    ("a2-highgpu-1g", 12, 85.0, Some(("a100", 1))),
    ("a2-highgpu-2g", 24, 170.0, Some(("a100", 2))),
    ("a2-highgpu-4g", 48, 340.0, Some(("a100", 4))),
    ("a2-highgpu-8g", 96, 680.0, Some(("a100", 8))),
    ("a2-megagpu-16g", 96, 1360.0, Some(("a100", 16))),
    ("a2-ultragpu-1g", 12, 170.0, Some(("a100-80gb", 1))),
    ("a2-ultragpu-2g", 24, 340.0, Some(("a100-80gb", 2))),
    ("a2-ultragpu-4g", 48, 680.0, Some(("a100-80gb", 4))),
    ("a2-ultragpu-8g", 96, 1360.0, Some(("a100-80gb", 8))),
    ("a3-highgpu-1g", 26, 234.0, Some(("h100-80gb", 1))),
    ("a3-highgpu-2g", 52, 468.0, Some(("h100-80gb", 2))),
    ("a3-highgpu-4g", 104, 936.0, Some(("h100-80gb", 4))),
    ("a3-highgpu-8g", 208, 1872.0, Some(("h100-80gb", 8))),
    ("a3-megagpu-8g", 208, 1872.0, Some(("h100-mega-80gb", 8))),
    ("a3-ultragpu-8g", 224, 2952.0, Some(("h200-141gb", 8))),
];

/// Returns every predefined type by its name, put together when it is first asked for.
pub(crate) fn predefined_types() -> &'static BTreeMap<String, MachineType> {
    static TYPES: LazyLock<BTreeMap<String, MachineType>> = LazyLock::new(|| {
        let types = build_predefined_types();
        types.map(|machine| (machine.name.clone(), machine)).collect()
    });
    &TYPES
}

fn build_predefined_types() -> impl Iterator<Item = MachineType> {
    let of_series = SERIES.iter().flat_map(|series| {
        series.cpu_counts.iter().filter_map(|cpus| {
            let name = format!("{}-{cpus}", series.name);
            build_machine_type(&name, *cpus, f64::from(*cpus) * series.gib_per_cpu, None)
        })
    });
    let singles = SINGLE_TYPES.iter().filter_map(|(name, cpus, memory_gib, gpu)| {
        let gpu = gpu.map(|(kind, count)| Gpu {
            kind: kind.to_owned(),
            count,
        });
        build_machine_type(name, *cpus, *memory_gib, gpu)
    });
    of_series.chain(singles)
}

/// Makes a machine type, with what its family says of it; `None` if the architecture of its family is not known.
fn build_machine_type(name: &str, cpus: u32, memory_gib: f64, gpu: Option<Gpu>) -> Option<MachineType> {
    let family = family_of(name);
    Some(MachineType {
        name: name.to_owned(),
        cpus,
        memory_gib: round_to_mib(memory_gib),
        architecture: architecture_of_family(family)?,
        gpu,
        is_current: !is_first_generation(family),
        // <https://cloud.google.com/compute/docs/instances/spot>
        has_spot: !matches!(family, "m2" | "m3"),
    })
}

/// Rounds to whole MiB, the unit of the API: 0.9 GiB for each CPU is no whole number of them.
fn round_to_mib(gib: f64) -> f64 {
    (gib * 1024.0).round() / 1024.0
}

/// Returns the family that a type's name begins with, such as `n2`.
pub(crate) fn family_of(type_name: &str) -> &str {
    type_name.split('-').next().unwrap_or_default()
}

/// Says whether a family is of the first generation. <https://cloud.google.com/compute/docs/machine-resource>
pub(crate) fn is_first_generation(family: &str) -> bool {
    matches!(family, "n1" | "custom" | "f1" | "g1" | "m1")
}

/// Returns the architecture of a family; `None` for a family that is not listed here.
/// <https://cloud.google.com/compute/docs/instances/arm-on-compute>
pub(crate) fn architecture_of_family(family: &str) -> Option<Architecture> {
    match family {
        "t2a" | "c4a" | "n4a" | "a4x" => Some(Architecture::Arm64),
        "a2" | "a3" | "a4" | "c2" | "c2d" | "c3" | "c3d" | "c4" | "c4d" | "custom" | "e2" | "f1" | "g1" | "g2"
        | "g4" | "h3" | "h4d" | "m1" | "m2" | "m3" | "m4" | "n1" | "n2" | "n2d" | "n4" | "n4d" | "t2d" | "x4"
        | "z3" => Some(Architecture::X86_64),
        _ => None,
    }
}

/// A custom type, taken apart: its name says what it has.
/// <https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type>
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CustomMachineType<'a> {
    pub(crate) family: &'a str,
    /// Virtual CPUs that the machine sees.
    pub(crate) cpus: u32,
    /// Virtual CPUs that are paid for; fewer for shared cores.
    pub(crate) billed_cpus: f64,
    pub(crate) memory_gib: f64,
}

impl<'a> CustomMachineType<'a> {
    /// Takes a name apart: `FAMILY-custom-CPUS-MIB`, with `-ext` behind it for more memory than the family's CPUs come
    /// with; `custom-CPUS-MIB` is of n1. On e2 `micro`, `small` and `medium` stand for shared cores. `None` for any
    /// other name.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let parts: Vec<&str> = name.split('-').collect();
        let (family, size) = match parts.as_slice() {
            ["custom", size @ ..] => ("n1", size),
            [family @ ("n1" | "n2" | "n2d" | "n4" | "e2"), "custom", size @ ..] => (*family, size),
            _ => return None,
        };
        let (cpus, mib) = match size {
            [cpus, mib] => (*cpus, *mib),
            [cpus, mib, "ext"] if family != "e2" => (*cpus, *mib),
            _ => return None,
        };
        let (cpus, billed_cpus) = match (family, cpus) {
            ("e2", "micro") => (2, 0.25),
            ("e2", "small") => (2, 0.5),
            ("e2", "medium") => (2, 1.0),
            (_, cpus) => {
                let cpus: u32 = cpus.parse().ok()?;
                (cpus, f64::from(cpus))
            }
        };
        let mib: u32 = mib.parse().ok()?;
        if !(1..=1_024).contains(&cpus) || mib == 0 {
            return None;
        }
        Some(Self {
            family,
            cpus,
            billed_cpus,
            memory_gib: f64::from(mib) / 1024.0,
        })
    }

    /// Returns the memory that costs more, in GiB: what is above the family's most for each CPU.
    pub(crate) fn extended_gib(&self) -> f64 {
        let max_gib_per_cpu = match self.family {
            "e2" => return 0.0,
            "n1" => 6.5,
            _ => 8.0,
        };
        (self.memory_gib - max_gib_per_cpu * f64::from(self.cpus)).max(0.0)
    }

    /// Returns the type in words that mean the same on every cloud.
    pub(crate) fn to_machine_type(self, name: &str) -> Option<MachineType> {
        build_machine_type(name, self.cpus, self.memory_gib, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_there_once_and_as_the_vendor_has_them() {
        let listed = SERIES.iter().map(|series| series.cpu_counts.len()).sum::<usize>() + SINGLE_TYPES.len();
        assert_eq!(listed, predefined_types().len());
        let find = |name: &str| &predefined_types()[name];
        for (name, cpus, memory) in [
            ("e2-standard-4", 4, 16.0),
            ("e2-micro", 2, 1.0),
            ("n1-standard-1", 1, 3.75),
            ("n2-highmem-128", 128, 864.0),
            ("c4-standard-4", 4, 15.0),
            ("c4-highmem-8", 8, 62.0),
            ("m1-megamem-96", 96, 1433.6),
        ] {
            let machine = find(name);
            assert_eq!(machine.cpus, cpus, "{name}");
            assert!(
                (machine.memory_gib - memory).abs() < 0.001,
                "{name}: {}",
                machine.memory_gib
            );
        }
        assert_eq!(find("t2a-standard-4").architecture, Architecture::Arm64);
        assert_eq!(find("g2-standard-24").gpu.as_ref().unwrap().to_string(), "l4:2");
        assert!(!find("n1-standard-1").is_current && find("n2-standard-2").is_current);
        assert!(!find("m3-megamem-64").has_spot);
    }

    #[test]
    fn names_are_taken_apart() {
        for (name, family, cpus, billed, gib, extended) in [
            ("n2-custom-4-8192", "n2", 4, 4.0, 8.0, 0.0),
            ("custom-2-4096", "n1", 2, 2.0, 4.0, 0.0),
            ("n2-custom-2-20480-ext", "n2", 2, 2.0, 20.0, 4.0),
            ("e2-custom-medium-2816", "e2", 2, 1.0, 2.75, 0.0),
        ] {
            let custom = CustomMachineType::parse(name).unwrap();
            assert_eq!(
                (custom.family, custom.cpus, custom.billed_cpus, custom.memory_gib),
                (family, cpus, billed, gib),
                "{name}"
            );
            assert_eq!(custom.extended_gib(), extended, "{name}");
        }
        for name in [
            "n2-standard-4",
            "n2-custom-4",
            "n2-custom-0-8192",
            "n2-custom-4-lots",
            "c2-custom-4-8192",
            "n2-custom-4-8192-big",
        ] {
            assert_eq!(CustomMachineType::parse(name), None, "{name}");
        }
    }
}

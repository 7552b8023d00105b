//! The predefined machine types of Compute Engine, which its price list does not name. Sources, read at each family:
//! <https://cloud.google.com/compute/docs/general-purpose-machines>, `compute-optimized-machines`,
//! `memory-optimized-machines` and `accelerator-optimized-machines`, in the same folder.
//!
//! Not here: types with local disks (`-lssd`) and bare metal.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::cloud::{Architecture, Gpu, MachineType};

/// Types of one line: so much memory for each CPU.
struct Family {
    name: &'static str,
    cpus: &'static [u32],
    gib_per_cpu: f64,
}

/// A type that fits in no line: name, CPUs, GiB, accelerator and how many.
type SharedCoreType = (&'static str, u32, f64, Option<(&'static str, u32)>);

const fn line(name: &'static str, cpus: &'static [u32], gib_per_cpu: f64) -> Family {
    Family {
        name,
        cpus,
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

const LINES: &[Family] = &[
    line("e2-standard", &[2, 4, 8, 16, 32], 4.0),
    line("e2-highmem", &[2, 4, 8, 16], 8.0),
    line("e2-highcpu", &[2, 4, 8, 16, 32], 1.0),
    line("n1-standard", &[1, 2, 4, 8, 16, 32, 64, 96], 3.75),
    line("n1-highmem", N1, 6.5),
    line("n1-highcpu", N1, 0.9),
    line("n2-standard", N2, 4.0),
    line("n2-highmem", TO_96, 8.0),
    line("n2-highcpu", TO_96, 1.0),
    line("n2d-standard", N2D_MOST, 4.0),
    line("n2d-highmem", TO_96, 8.0),
    line("n2d-highcpu", N2D_MOST, 1.0),
    line("n4-standard", N4, 4.0),
    line("n4-highmem", N4, 8.0),
    line("n4-highcpu", N4, 2.0),
    line("c3-standard", C3, 4.0),
    line("c3-highmem", C3, 8.0),
    line("c3-highcpu", C3, 2.0),
    line("c3d-standard", C3D, 4.0),
    line("c3d-highmem", C3D, 8.0),
    line("c3d-highcpu", &[4, 8, 16], 2.0),
    line("c4-standard", C4, 3.75),
    line("c4-highmem", C4, 7.75),
    line("c4-highcpu", &[2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288], 2.0),
    line("c4a-standard", C4A, 4.0),
    line("c4a-highmem", C4A, 8.0),
    line("c4a-highcpu", C4A, 2.0),
    line("t2d-standard", &[1, 2, 4, 8, 16, 32, 48, 60], 4.0),
    line("t2a-standard", &[1, 2, 4, 8, 16, 32, 48], 4.0),
    line("c2-standard", &[4, 8, 16, 30, 60], 4.0),
    line("c2d-standard", C2D, 4.0),
    line("c2d-highmem", C2D, 8.0),
    line("c2d-highcpu", C2D, 2.0),
];

const SINGLES: &[SharedCoreType] = &[
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

/// Every predefined type by its name, put together when it is first asked for.
pub(crate) fn predefined_types() -> &'static BTreeMap<String, MachineType> {
    static ALL: LazyLock<BTreeMap<String, MachineType>> =
        LazyLock::new(|| every().map(|machine| (machine.name.clone(), machine)).collect());
    &ALL
}

fn every() -> impl Iterator<Item = MachineType> {
    let lines = LINES.iter().flat_map(|line| {
        line.cpus.iter().map(|cpus| {
            let name = format!("{}-{cpus}", line.name);
            machine(name, *cpus, f64::from(*cpus) * line.gib_per_cpu, None)
        })
    });
    let singles = SINGLES.iter().map(|(name, cpus, memory_gib, gpu)| {
        let gpu = gpu.map(|(kind, count)| Gpu {
            kind: kind.to_owned(),
            count,
        });
        machine((*name).to_owned(), *cpus, *memory_gib, gpu)
    });
    lines.chain(singles)
}

/// A type of Compute Engine, with what its family says of it.
pub(crate) fn machine(name: String, cpus: u32, memory_gib: f64, gpu: Option<Gpu>) -> MachineType {
    let family = family(&name);
    MachineType {
        cpus,
        // 0.9 GiB for each CPU is no number that a computer has.
        memory_gib: (memory_gib * 1024.0).round() / 1024.0,
        architecture: match family {
            "t2a" | "c4a" => Architecture::Arm64,
            _ => Architecture::X86_64,
        },
        gpu,
        // <https://cloud.google.com/compute/docs/machine-resource>: the first generation.
        is_current: !matches!(family, "n1" | "custom" | "f1" | "g1" | "m1"),
        // <https://cloud.google.com/compute/docs/instances/spot>
        has_spot: !matches!(family, "m2" | "m3"),
        name,
    }
}

/// The family that a type's name begins with.
pub(crate) fn family(name: &str) -> &str {
    name.split('-').next().unwrap_or_default()
}

/// A custom type, taken apart: its name says what it has.
/// <https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type>
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CustomMachineType<'a> {
    /// The family that it is of.
    pub(crate) family: &'a str,
    /// Virtual CPUs that the machine sees.
    pub(crate) cpus: u32,
    /// Virtual CPUs that are paid for; fewer for shared cores.
    pub(crate) billed_cpus: f64,
    /// Memory in GiB.
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
                let cpus: u32 = cpus.parse().ok().filter(|cpus| (1..=1_024).contains(cpus))?;
                (cpus, f64::from(cpus))
            }
        };
        let mib: u32 = mib.parse().ok().filter(|mib| *mib > 0)?;
        Some(Self {
            family,
            cpus,
            billed_cpus,
            memory_gib: f64::from(mib) / 1024.0,
        })
    }

    /// The memory that costs more, in GiB: what is above the family's most for each CPU.
    pub(crate) fn extended_gib(&self) -> f64 {
        let most = match self.family {
            "n1" => 6.5,
            _ => 8.0,
        };
        match self.family {
            "e2" => 0.0,
            _ => (self.memory_gib - most * f64::from(self.cpus)).max(0.0),
        }
    }

    /// The type in words that mean the same on every cloud.
    pub(crate) fn machine(&self, name: &str) -> MachineType {
        machine(name.to_owned(), self.cpus, self.memory_gib, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_there_once_and_as_the_vendor_has_them() {
        assert_eq!(every().count(), predefined_types().len());
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
                (
                    custom.family,
                    custom.cpus,
                    custom.billed_cpus,
                    custom.memory_gib,
                    custom.extended_gib()
                ),
                (family, cpus, billed, gib, extended),
                "{name}"
            );
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

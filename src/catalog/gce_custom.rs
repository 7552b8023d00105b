//! Custom machine types of Compute Engine, which say in their names what they have.
//! <https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type>

use super::gce_shapes::machine;
use crate::cloud::MachineType;

/// A custom type, taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CustomMachineType<'a> {
    /// The family that it is of.
    pub(super) family: &'a str,
    /// Virtual CPUs that the machine sees.
    pub(super) cpus: u32,
    /// Virtual CPUs that are paid for; fewer for shared cores.
    pub(super) billed_cpus: f64,
    /// Memory in GiB.
    pub(super) memory_gib: f64,
}

impl<'a> CustomMachineType<'a> {
    /// Takes a name apart: `FAMILY-custom-CPUS-MIB`, with `-ext` behind it for more memory than the family's CPUs come
    /// with; `custom-CPUS-MIB` is of n1. On e2 `micro`, `small` and `medium` stand for shared cores. `None` for any
    /// other name.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
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
    pub(super) fn extended_gib(&self) -> f64 {
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
    pub(super) fn machine(&self, name: &str) -> MachineType {
        machine(name.to_owned(), self.cpus, self.memory_gib, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

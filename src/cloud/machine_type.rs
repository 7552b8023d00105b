//! Machine types, requirements for them, and images, in words that mean the same on every cloud.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::{Error, ProviderKind, Result, may_be_secret, quoted, word_enum};

word_enum! {
    /// The instruction set of an instance. Its words are also those of EC2.
    #[derive(serde::Deserialize)]
    pub enum Architecture {
        /// 64-bit x86.
        #[serde(rename = "x86_64", alias = "amd64", alias = "x64", alias = "x86-64")]
        X86_64 = "x86_64",
        /// 64-bit Arm.
        #[serde(rename = "arm64", alias = "aarch64")]
        Arm64 = "arm64",
    }
}

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        match input {
            "x86_64" | "amd64" | "x64" | "x86-64" => Ok(Self::X86_64),
            "arm64" | "aarch64" => Ok(Self::Arm64),
            _ => {
                Err(Error::invalid(format!("unknown architecture {}", quoted(input))).with_hint("use x86_64 or arm64"))
            }
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A machine type.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineType {
    /// Its name, in the cloud's own word.
    pub name: String,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Instruction set.
    pub architecture: Architecture,
    /// Its GPUs; `None` for most.
    pub gpu: Option<Gpu>,
    /// Whether its hardware generation is one that the cloud still recommends.
    pub is_current: bool,
    /// Whether it can run as a spot instance, on spare capacity.
    pub has_spot: bool,
}

/// One or more GPUs, or other accelerators, of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The kind in lower case without its maker, such as `t4`, `l4`, `a10g` or `a100-80gb`.
    pub kind: String,
    /// How many.
    pub count: u32,
}

impl FromStr for Gpu {
    type Err = Error;

    /// Parses `KIND` or `KIND:N`. Ignores the maker's name (`nvidia-tesla-t4`) and case.
    fn from_str(input: &str) -> Result<Self> {
        if input.parse::<u32>().is_ok() {
            let message = format!("{input} is a number, and the kind of GPU is missing");
            return Err(Error::invalid(message).with_hint(format!("write it as KIND:N, such as t4:{input}")));
        }
        parse_gpu(input).ok_or_else(|| {
            Error::invalid(format!("invalid GPU {}", quoted(input)))
                .with_hint("write it as KIND or KIND:N, such as t4 or l4:2")
        })
    }
}

fn parse_gpu(input: &str) -> Option<Gpu> {
    let (kind, count) = match input.split_once(':') {
        Some((kind, count)) => (kind, count.parse().ok()?),
        None => (input, 1),
    };
    let kind = normalize_gpu_kind(kind);
    let has_valid_characters = kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let is_valid = count > 0 && !kind.is_empty() && has_valid_characters && !may_be_secret(input);
    is_valid.then_some(Gpu { kind, count })
}

impl fmt::Display for Gpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => formatter.write_str(&self.kind),
            count => write!(formatter, "{}:{count}", self.kind),
        }
    }
}

/// Removes the maker and the product line from a GPU kind: `nvidia-tesla-t4` and `T4` are both `t4`.
pub fn normalize_gpu_kind(word: &str) -> String {
    let lower = word.trim().to_lowercase().replace([' ', '_'], "-");
    let mut kind = lower.as_str();
    for maker in ["nvidia-", "amd-", "aws-", "google-", "tesla-"] {
        kind = kind.strip_prefix(maker).unwrap_or(kind);
    }
    kind.to_owned()
}

/// What a machine must have at least.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MachineRequirements {
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Memory in GiB.
    pub memory_gib: Option<f64>,
    /// Instruction set.
    pub architecture: Option<Architecture>,
    /// GPUs.
    pub gpu: Option<Gpu>,
}

impl MachineRequirements {
    /// Whether there is no requirement.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The hint if the memory is most likely in MiB, as other tools take it.
    pub fn memory_unit_hint(&self) -> Option<String> {
        let gib = self
            .memory_gib
            .filter(|memory| *memory >= 1024.0 && memory % 512.0 == 0.0)?
            / 1024.0;
        Some(format!("memory is in GiB: did you mean {gib}?"))
    }

    /// Whether a machine type meets all requirements. A machine type may have more of everything, but not GPUs that are not
    /// required: they cost too much.
    pub fn are_met_by(&self, machine: &MachineType) -> bool {
        let gpu_matches = match &self.gpu {
            None => machine.gpu.is_none(),
            Some(required) => machine
                .gpu
                .as_ref()
                .is_some_and(|gpu| gpu.kind == required.kind && gpu.count >= required.count),
        };
        gpu_matches
            && self.cpus.is_none_or(|cpus| cpus <= machine.cpus)
            && self.memory_gib.is_none_or(|memory| memory <= machine.memory_gib)
            && self
                .architecture
                .is_none_or(|architecture| architecture == machine.architecture)
    }
}

impl fmt::Display for MachineRequirements {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.cpus.map(|cpus| format!("{cpus} CPUs")),
            self.memory_gib.map(|memory| format!("{memory} GiB")),
            self.architecture.map(|architecture| architecture.to_string()),
            self.gpu.as_ref().map(|gpu| format!("GPU {gpu}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        formatter.write_str(&parts.join(", "))
    }
}

/// The image that an image alias means on one cloud now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The cloud.
    pub provider: ProviderKind,
    /// The alias.
    pub alias: String,
    /// Instruction set.
    pub architecture: Architecture,
    /// The image in the cloud's own word: an id on EC2 (of one region), a path on Compute Engine.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The smallest disk that it fits on, in GiB.
    pub disk_gib: Option<u32>,
    /// When it was published.
    pub created_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cpus: u32, memory_gib: f64, gpu: Option<&str>) -> MachineType {
        MachineType {
            name: "m".to_owned(),
            cpus,
            memory_gib,
            architecture: Architecture::X86_64,
            gpu: gpu.map(|gpu| gpu.parse().unwrap()),
            is_current: true,
            has_spot: true,
        }
    }

    #[test]
    fn gpu_is_parsed_without_its_maker() {
        for (text, kind, count) in [
            ("t4", "t4", 1),
            ("T4:2", "t4", 2),
            ("nvidia-tesla-t4", "t4", 1),
            ("NVIDIA L4:8", "l4", 8),
            ("nvidia-a100-80gb", "a100-80gb", 1),
        ] {
            assert_eq!(
                text.parse::<Gpu>().unwrap(),
                Gpu {
                    kind: kind.to_owned(),
                    count
                },
                "{text}"
            );
        }
        for text in ["", ":2", "t4:0", "t4:many", "t4;x"] {
            assert!(text.parse::<Gpu>().is_err(), "{text}");
        }
    }

    #[test]
    fn requirements_are_minimums() {
        let requirements = MachineRequirements {
            cpus: Some(4),
            memory_gib: Some(16.0),
            ..MachineRequirements::default()
        };
        assert!(requirements.are_met_by(&machine(4, 16.0, None)));
        assert!(requirements.are_met_by(&machine(8, 32.0, None)));
        assert!(!requirements.are_met_by(&machine(4, 15.0, None)));
        assert!(!requirements.are_met_by(&machine(2, 16.0, None)));
        assert!(!requirements.are_met_by(&machine(8, 32.0, Some("t4"))));
        let gpu = MachineRequirements {
            gpu: Some("t4:2".parse().unwrap()),
            ..MachineRequirements::default()
        };
        assert!(gpu.are_met_by(&machine(8, 32.0, Some("t4:4"))));
        assert!(!gpu.are_met_by(&machine(8, 32.0, Some("t4"))));
        assert!(!gpu.are_met_by(&machine(8, 32.0, Some("l4:2"))));
        assert_eq!(requirements.to_string(), "4 CPUs, 16 GiB");
    }
}

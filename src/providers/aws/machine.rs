//! Machine types: what EC2 tells of one.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{ArchitectureType, InstanceType};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::error::{Call, told, translate};
use crate::cloud::{Architecture, Error, Result};

/// A machine type.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) architecture: Architecture,
    pub(super) cpus: Option<u32>,
    pub(super) memory_gib: Option<f64>,
}

/// The machine type of an instance for which none was asked.
pub(super) fn default_type(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "t3.small",
        Architecture::Arm64 => "t4g.small",
    }
}

/// Arm types have a `g` among the letters after their generation: `t4g`, `m7gd`, `x2gd`; `a1` was the first.
///
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>
pub(super) fn expected_architecture(machine_type: &str) -> Architecture {
    let family = machine_type.split('.').next().unwrap_or_default();
    let letters = family
        .trim_start_matches(|letter: char| !letter.is_ascii_digit())
        .trim_start_matches(|letter: char| letter.is_ascii_digit());
    let letters = letters.split('-').next().unwrap_or_default();
    if family == "a1" || letters.contains('g') {
        Architecture::Arm64
    } else {
        Architecture::X86_64
    }
}

/// Looks a machine type up.
pub(super) async fn find(client: &Client, region: &str, name: &str) -> Result<Machine> {
    let unknown = || {
        Error::invalid(format!("unknown machine type {name:?} in {region}"))
            .at(format!("aws/{region}"))
            .with_remedy("use one such as t3.small or m7g.large; `aws ec2 describe-instance-type-offerings` lists them")
    };
    tracing::debug!(operation = "DescribeInstanceTypes", place = region, "call");
    let answer = client
        .describe_instance_types()
        .instance_types(InstanceType::from(name))
        .send()
        .await;
    let output = answer.map_err(|error| match error.code() {
        Some("InvalidInstanceType" | "InvalidParameterValue") => told(unknown(), &error),
        _ => translate(
            &error,
            Call::Read,
            format!("cannot look up machine type {name}"),
            region,
        ),
    })?;
    let found = output
        .instance_types()
        .iter()
        .find(|info| info.instance_type().is_some_and(|machine| machine.as_str() == name))
        .ok_or_else(unknown)?;
    let architecture = found
        .processor_info()
        .and_then(|processor| processor.supported_architectures().iter().find_map(architecture_of))
        .ok_or_else(|| Error::unsupported(format!("machine type {name} has no 64-bit architecture")))?;
    let memory_mib = found.memory_info().and_then(|memory| memory.size_in_mib());
    let cpus = found.v_cpu_info().and_then(|cpus| cpus.default_v_cpus());
    Ok(Machine {
        name: name.to_owned(),
        architecture,
        cpus: cpus.and_then(|cpus| u32::try_from(cpus).ok()),
        // Exact: no machine has more than 2^52 MiB.
        memory_gib: memory_mib.map(|mib| mib as f64 / 1024.0),
    })
}

/// The architecture for a machine type's word; old types have 32-bit x86 beside a 64-bit one.
fn architecture_of(value: &ArchitectureType) -> Option<Architecture> {
    match value {
        ArchitectureType::X8664 | ArchitectureType::X8664Mac => Some(Architecture::X86_64),
        ArchitectureType::Arm64 | ArchitectureType::Arm64Mac => Some(Architecture::Arm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_shows_in_the_name() {
        for (machine, architecture) in [
            ("t3.small", Architecture::X86_64),
            ("g4dn.xlarge", Architecture::X86_64),
            ("g6.xlarge", Architecture::X86_64),
            ("p5.48xlarge", Architecture::X86_64),
            ("u-6tb1.metal", Architecture::X86_64),
            ("t4g.small", Architecture::Arm64),
            ("m7gd.large", Architecture::Arm64),
            ("im4gn.large", Architecture::Arm64),
            ("g5g.xlarge", Architecture::Arm64),
            ("a1.medium", Architecture::Arm64),
        ] {
            assert_eq!(expected_architecture(machine), architecture, "{machine}");
        }
    }
}

//! Machine types: reads one, lists those of a region, and checks them against requirements.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    ArchitectureType, Filter, GpuDeviceInfo, GpuInfo, InstanceType, InstanceTypeInfo, InstanceTypeOffering,
    LocationType, UsageClassType,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::{
    Architecture, Error, ErrorLocation, Gpu, MachineRequirements, MachineType, ProviderKind, Result,
    normalize_gpu_kind, quoted,
};
use crate::providers::aws::api::error::{Call, translate, with_sdk_details};
use crate::providers::aws::api::filters::{MAX_FILTER_VALUES, build_filter};

/// A machine type as EC2 describes it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) architecture: Architecture,
    pub(crate) cpus: Option<u32>,
    pub(crate) memory_gib: Option<f64>,
    pub(crate) gpu: Option<Gpu>,
    pub(crate) is_current: bool,
    pub(crate) has_spot: bool,
}

/// The machine type for a spec that names none.
pub(crate) fn default_type(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "t3.small",
        Architecture::Arm64 => "t4g.small",
    }
}

/// Guesses the architecture by the name. Arm types have a `g` among the letters after their generation: `t4g`,
/// `m7gd`, `x2gd`; `a1` was the first.
///
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>
pub(crate) fn guess_architecture(machine_type: &str) -> Architecture {
    let family = machine_type.split('.').next().unwrap_or_default();
    let after_generation = family
        .trim_start_matches(|character: char| !character.is_ascii_digit())
        .trim_start_matches(|character: char| character.is_ascii_digit());
    let letters = after_generation.split('-').next().unwrap_or_default();
    if family == "a1" || letters.contains('g') {
        Architecture::Arm64
    } else {
        Architecture::X86_64
    }
}

pub(crate) async fn find_machine_type(client: &Client, region: &str, name: &str) -> Result<Machine> {
    let unknown_type_error = || {
        Error::invalid(format!("unknown machine type {} in {region}", quoted(name)))
            .at(ErrorLocation::new(ProviderKind::Aws, region))
            .with_hint("use one such as t3.small or m7g.large; `aws ec2 describe-instance-type-offerings` lists them")
    };
    tracing::debug!(operation = "DescribeInstanceTypes", place = region, "call");
    let answer = client
        .describe_instance_types()
        .instance_types(InstanceType::from(name))
        .send()
        .await;
    let output = answer.map_err(|error| match error.code() {
        Some("InvalidInstanceType" | "InvalidParameterValue") => with_sdk_details(unknown_type_error(), &error),
        _ => {
            let failure_prefix = format!("cannot look up machine type {name}");
            translate(&error, Call::Read, failure_prefix, region)
        }
    })?;
    let is_requested = |info: &&InstanceTypeInfo| info.instance_type().is_some_and(|listed| listed.as_str() == name);
    let info = output
        .instance_types()
        .iter()
        .find(is_requested)
        .ok_or_else(unknown_type_error)?;
    Machine::from_ec2(info).ok_or_else(|| Error::unsupported(format!("machine type {name} has no 64-bit architecture")))
}

/// Lists the machine types of a region, or those with the given names; see
/// [`CatalogSource::machine_types`](crate::cloud::CatalogSource::machine_types).
pub(crate) async fn list_machine_types(client: &Client, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
    if among.is_empty() {
        return list_all_pages(client, region, None).await;
    }
    let mut found = Vec::new();
    for names in among.chunks(MAX_FILTER_VALUES) {
        // An unknown name in a filter is no error.
        found.extend(list_all_pages(client, region, Some(build_filter("instance-type", names))).await?);
    }
    Ok(found)
}

pub(crate) async fn find_zones_with_type(client: &Client, region: &str, machine_type: &str) -> Result<HashSet<String>> {
    tracing::debug!(operation = "DescribeInstanceTypeOfferings", place = region, "call");
    let call = client
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(build_filter("instance-type", [machine_type]));
    let answer: Result<Vec<InstanceTypeOffering>, _> = call.into_paginator().items().send().try_collect().await;
    let offerings = answer.map_err(|error| {
        let failure_prefix = format!("cannot find zones with {machine_type}");
        translate(&error, Call::Read, failure_prefix, region)
    })?;
    Ok(offerings.into_iter().filter_map(|offering| offering.location).collect())
}

/// Refuses a machine type that does not meet the requirements. A named type may have GPUs that were not requested.
///
/// # Errors
/// `InvalidSpec` that names what is missing.
pub(crate) fn check_requirements(machine: &Machine, requirements: &MachineRequirements) -> Result<()> {
    let mut mismatches = Vec::new();
    if let (Some(needed), Some(has)) = (requirements.cpus, machine.cpus)
        && has < needed
    {
        mismatches.push(format!("{has} CPUs, not {needed}"));
    }
    if let (Some(needed), Some(has)) = (requirements.memory_gib, machine.memory_gib)
        && has < needed
    {
        mismatches.push(format!("{has} GiB of memory, not {needed}"));
    }
    if let Some(needed) = requirements.architecture
        && needed != machine.architecture
    {
        mismatches.push(format!("the architecture {}, not {needed}", machine.architecture));
    }
    if let Some(needed) = &requirements.gpu {
        match &machine.gpu {
            None => mismatches.push(format!("no GPU, not {needed}")),
            Some(has) if has.kind != needed.kind || has.count < needed.count => {
                mismatches.push(format!("GPU {has}, not {needed}"));
            }
            Some(_) => {}
        }
    }
    if mismatches.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "machine type {} has {}",
        machine.name,
        mismatches.join(", and ")
    ))
    .with_hint("leave the machine type out to get the cheapest one that fits"))
}

async fn list_all_pages(client: &Client, region: &str, filter: Option<Filter>) -> Result<Vec<MachineType>> {
    tracing::debug!(operation = "DescribeInstanceTypes", place = region, "call");
    let call = client
        .describe_instance_types()
        .set_filters(filter.map(|filter| vec![filter]))
        .max_results(PAGE_SIZE);
    let answer: Result<Vec<InstanceTypeInfo>, _> = call.into_paginator().items().send().try_collect().await;
    let infos = answer.map_err(|error| {
        let failure_prefix = format!("cannot list the machine types of {region}");
        translate(&error, Call::Read, failure_prefix, region)
    })?;
    Ok(infos
        .iter()
        .filter_map(Machine::from_ec2)
        .filter_map(Machine::into_machine_type)
        .collect())
}

impl Machine {
    /// Converts EC2's description; `None` for a type without a 64-bit architecture.
    pub(crate) fn from_ec2(info: &InstanceTypeInfo) -> Option<Self> {
        let processor = info.processor_info()?;
        let memory_mib = info.memory_info().and_then(|memory| memory.size_in_mib());
        let cpus = info.v_cpu_info().and_then(|cpus| cpus.default_v_cpus());
        Some(Self {
            name: info.instance_type()?.as_str().to_owned(),
            architecture: processor.supported_architectures().iter().find_map(architecture_of)?,
            cpus: cpus.and_then(|cpus| u32::try_from(cpus).ok()),
            // Exact: no machine has more than 2^52 MiB.
            memory_gib: memory_mib.map(|mib| mib as f64 / 1024.0),
            gpu: info.gpu_info().and_then(read_gpu),
            is_current: info.current_generation() == Some(true),
            has_spot: info.supported_usage_classes().contains(&UsageClassType::Spot),
        })
    }

    /// Converts it to the type of all clouds; `None` if EC2 does not say its size.
    pub(crate) fn into_machine_type(self) -> Option<MachineType> {
        Some(MachineType {
            cpus: self.cpus?,
            memory_gib: self.memory_gib?,
            name: self.name,
            architecture: self.architecture,
            gpu: self.gpu,
            is_current: self.is_current,
            has_spot: self.has_spot,
        })
    }
}

/// The GPUs of a machine type: all of the first kind. A part of a GPU is a kind of its own, because a request for a
/// GPU means a whole one.
fn read_gpu(info: &GpuInfo) -> Option<Gpu> {
    let kind = |device: &GpuDeviceInfo| {
        let kind = normalize_gpu_kind(device.name()?);
        let is_part = device.gpu_partition_size().is_some_and(|size| size < 1.0);
        Some(if is_part { format!("{kind}-partition") } else { kind })
    };
    let first = info.gpus().iter().find_map(kind)?;
    let same = info
        .gpus()
        .iter()
        .filter(|device| kind(device).as_ref() == Some(&first));
    let count = same.filter_map(|device| u32::try_from(device.count()?).ok()).sum();
    (count > 0).then_some(Gpu { kind: first, count })
}

/// The architecture of a machine type. Old types have 32-bit x86 too.
fn architecture_of(value: &ArchitectureType) -> Option<Architecture> {
    match value {
        ArchitectureType::X8664 | ArchitectureType::X8664Mac => Some(Architecture::X86_64),
        ArchitectureType::Arm64 | ArchitectureType::Arm64Mac => Some(Architecture::Arm64),
        _ => None,
    }
}

/// The maximum page size of DescribeInstanceTypes.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html>
const PAGE_SIZE: i32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architecture_is_guessed_by_name() {
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
            assert_eq!(guess_architecture(machine), architecture, "{machine}");
        }
    }

    fn device(name: &str, count: i32, part: Option<f64>) -> GpuDeviceInfo {
        let device = GpuDeviceInfo::builder().name(name).count(count);
        device.set_gpu_partition_size(part).build()
    }

    #[test]
    fn gpu_kinds_are_normalized() {
        let of = |gpus: Vec<GpuDeviceInfo>| {
            read_gpu(&GpuInfo::builder().set_gpus(Some(gpus)).build()).map(|gpu| gpu.to_string())
        };
        assert_eq!(of(vec![device("T4", 1, None)]).as_deref(), Some("t4"));
        assert_eq!(
            of(vec![device("H100", 4, Some(1.0)), device("H100", 4, None)]).as_deref(),
            Some("h100:8")
        );
        assert_eq!(
            of(vec![device("Radeon Pro V520", 2, None), device("T4", 1, None)]).as_deref(),
            Some("radeon-pro-v520:2")
        );
        assert_eq!(of(vec![device("L4", 1, Some(0.125))]).as_deref(), Some("l4-partition"));
        assert_eq!(of(Vec::new()), None);
    }

    #[test]
    fn named_type_must_meet_requirements() {
        let machine = Machine {
            name: "g4dn.xlarge".into(),
            architecture: Architecture::X86_64,
            cpus: Some(4),
            memory_gib: Some(16.0),
            gpu: Some("t4".parse().unwrap()),
            is_current: true,
            has_spot: true,
        };
        let mut requirements = MachineRequirements {
            cpus: Some(4),
            ..MachineRequirements::default()
        };
        check_requirements(&machine, &requirements).unwrap();
        requirements = MachineRequirements {
            cpus: Some(8),
            memory_gib: Some(32.0),
            architecture: Some(Architecture::Arm64),
            gpu: Some("t4:2".parse().unwrap()),
        };
        let error = check_requirements(&machine, &requirements).unwrap_err();
        for word in [
            "g4dn.xlarge",
            "4 CPUs, not 8",
            "16 GiB of memory, not 32",
            "x86_64, not arm64",
            "GPU t4, not t4:2",
        ] {
            assert!(error.message().contains(word), "{word} in {}", error.message());
        }
    }
}

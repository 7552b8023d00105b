//! GPUs, and the rest of what a machine must have: built into a machine type, or attached to one of the first
//! generation. Only Compute Engine: EC2's types are all there is.
//!
//! <https://cloud.google.com/compute/docs/gpus>

use google_cloud_compute_v1::model::{AcceleratorConfig, MachineType as ApiMachineType};

use super::machine_types::{family, is_current};
use crate::cloud::{Error, Gpu, InstanceSpec, MachineNeed, MachineType, Result, plain_gpu_kind};
use crate::providers::gcp::instances::convert::architecture_of;

/// What can be attached to an N1 machine: the kind, the cloud's own word, and how many there can be of it.
/// <https://cloud.google.com/compute/docs/gpus#n1-gpus>
const ATTACHABLE: &[(&str, &str, &[u32])] = &[
    ("t4", "nvidia-tesla-t4", &[1, 2, 4]),
    ("t4-vws", "nvidia-tesla-t4-vws", &[1, 2, 4]),
    ("p4", "nvidia-tesla-p4", &[1, 2, 4]),
    ("p4-vws", "nvidia-tesla-p4-vws", &[1, 2, 4]),
    ("p100", "nvidia-tesla-p100", &[1, 2, 4]),
    ("p100-vws", "nvidia-tesla-p100-vws", &[1, 2, 4]),
    ("v100", "nvidia-tesla-v100", &[1, 2, 4, 8]),
];

/// Kinds that come with the machine, and the families that have them.
/// <https://cloud.google.com/compute/docs/accelerator-optimized-machines>
const BUILT_IN: &[(&str, &str)] = &[
    ("l4", "g2"),
    ("rtx-pro-6000", "g4"),
    ("a100", "a2-highgpu"),
    ("a100-80gb", "a2-ultragpu"),
    ("h100-80gb", "a3-highgpu"),
    ("h100-mega-80gb", "a3-megagpu"),
    ("h200-141gb", "a3-ultragpu"),
    ("b200", "a4-highgpu"),
    ("gb200", "a4x-highgpu"),
];

/// The machine type in the contract's terms.
pub(crate) fn machine(api: &ApiMachineType, name: &str) -> MachineType {
    let kind = |word: Option<&String>| word.map(|word| plain_gpu_kind(word));
    let gpu = api.accelerators.first().and_then(|first| {
        let kind = kind(first.guest_accelerator_type.as_ref())?;
        let count = first
            .guest_accelerator_count
            .and_then(|count| u32::try_from(count).ok())?;
        Some(Gpu { kind, count })
    });
    MachineType {
        name: name.to_owned(),
        cpus: api.guest_cpus.and_then(|cpus| cpus.try_into().ok()).unwrap_or_default(),
        memory_gib: api.memory_mb.map_or(0.0, |memory| f64::from(memory) / 1024.0),
        architecture: architecture_of(api, name),
        gpu,
        is_current: is_current(api, name),
        // The API does not say; nearly every type can.
        has_spot: true,
    }
}

/// What a new instance has: its machine, with the accelerators that are attached for its need; and those, as the API
/// names them in that zone.
///
/// # Errors
/// `InvalidSpec` naming what the type lacks of what is needed.
pub(crate) fn equipped(
    spec: &InstanceSpec,
    api: &ApiMachineType,
    name: &str,
    zone: &str,
) -> Result<(MachineType, Option<AcceleratorConfig>)> {
    let mut machine = machine(api, name);
    let mut attached = None;
    if let Some(need) = &spec.need.gpu
        && machine.gpu.is_none()
    {
        let (word, count) = attachable(need, name)?;
        machine.gpu = Some(Gpu {
            kind: need.kind.clone(),
            count,
        });
        let accelerator = AcceleratorConfig::new()
            .set_accelerator_type(format!("zones/{zone}/acceleratorTypes/{word}"))
            .set_accelerator_count(i32::try_from(count).unwrap_or(i32::MAX));
        attached = Some(accelerator);
    }
    let lacking = lacking(&spec.need, &machine);
    if lacking.is_empty() {
        return Ok((machine, attached));
    }
    let message = format!("the machine type {name} has {}", lacking.join(", and "));
    Err(Error::invalid(message).with_remedy(match &spec.need.gpu {
        Some(need) if machine.gpu.as_ref().is_some_and(|has| has.kind != need.kind) => with_such(need),
        _ => "use a larger --type, or leave --type out and let one be chosen".to_owned(),
    }))
}

/// The cloud's own word for accelerators that can be attached to a machine of that type, and how many.
fn attachable(need: &Gpu, name: &str) -> Result<(&'static str, u32)> {
    // N1's own custom types may leave the family out.
    let takes_any = matches!(family(name), "n1" | "custom");
    let known = ATTACHABLE.iter().find(|(kind, ..)| *kind == need.kind);
    let Some((_, word, counts)) = known.filter(|_| takes_any) else {
        let message = format!("the machine type {name} has no GPU {need}, and none such can be attached to it");
        return Err(Error::invalid(message).with_remedy(with_such(need)));
    };
    if !counts.contains(&need.count) {
        let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
        let message = format!("{} GPUs {} cannot be attached to a machine", need.count, need.kind);
        return Err(Error::invalid(message).with_remedy(format!("use {} of them", counts.join(", "))));
    }
    Ok((word, need.count))
}

/// Where such a GPU is to be had.
fn with_such(need: &Gpu) -> String {
    if ATTACHABLE.iter().any(|(kind, ..)| *kind == need.kind) {
        return format!(
            "use an n1 type, such as n1-standard-4, to which {} can be attached",
            need.kind
        );
    }
    match BUILT_IN.iter().find(|(kind, _)| *kind == need.kind) {
        Some((kind, family)) => format!("use a type of {family}, which comes with {kind}"),
        None => {
            let built_in = BUILT_IN.iter().map(|(kind, family)| format!("{family} has {kind}"));
            let built_in: Vec<_> = built_in.collect();
            format!("n1 types take t4, p4, p100 and v100; {}", built_in.join(", "))
        }
    }
}

/// What of a need a machine lacks, as in `4 CPUs, not 8`. That it has a GPU unasked is no lack: its type was named.
fn lacking(need: &MachineNeed, machine: &MachineType) -> Vec<String> {
    let gpu = machine.gpu.as_ref();
    let cpus = need.cpus.filter(|cpus| *cpus > machine.cpus);
    let memory = need.memory_gib.filter(|memory| *memory > machine.memory_gib);
    let architecture = need.architecture.filter(|needed| *needed != machine.architecture);
    let lacks_gpu = |need: &&Gpu| gpu.is_none_or(|gpu| gpu.kind != need.kind || gpu.count < need.count);
    let has_gpu = gpu.map_or_else(|| "no GPU".to_owned(), |gpu| format!("GPU {gpu}"));
    let lacking = [
        cpus.map(|cpus| format!("{} CPUs, not {cpus}", machine.cpus)),
        memory.map(|memory| format!("{} GiB, not {memory}", machine.memory_gib)),
        architecture.map(|needed| format!("the architecture {}, not {needed}", machine.architecture)),
        need.gpu
            .as_ref()
            .filter(lacks_gpu)
            .map(|need| format!("{has_gpu}, not {need}")),
    ];
    lacking.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::machine_type::Accelerators;

    use super::*;
    use crate::cloud::{Architecture, ErrorKind};
    use crate::providers::gcp::create::request::tests::spec;

    fn api(cpus: i32, memory_mb: i32, gpu: Option<(&str, i32)>) -> ApiMachineType {
        let gpu = gpu.map(|(kind, count)| {
            Accelerators::new()
                .set_guest_accelerator_type(kind)
                .set_guest_accelerator_count(count)
        });
        ApiMachineType::new()
            .set_guest_cpus(cpus)
            .set_memory_mb(memory_mb)
            .set_accelerators(gpu)
    }

    fn needing(gpu: &str) -> InstanceSpec {
        let mut needing = spec("web-1");
        needing.need.gpu = Some(gpu.parse().unwrap());
        needing
    }

    #[test]
    fn a_gpu_is_built_in_or_attached_to_n1() {
        let l4 = api(4, 16_384, Some(("nvidia-l4", 1)));
        let (machine, attached) = equipped(&needing("l4"), &l4, "g2-standard-4", "z").unwrap();
        assert_eq!((machine.gpu, attached), (Some("l4".parse().unwrap()), None));
        let (machine, attached) = equipped(&needing("t4:2"), &api(4, 15_360, None), "n1-standard-4", "z").unwrap();
        assert_eq!(machine.gpu, Some("t4:2".parse().unwrap()));
        let attached = attached.unwrap();
        assert_eq!(
            attached.accelerator_type.as_deref(),
            Some("zones/z/acceleratorTypes/nvidia-tesla-t4")
        );
        assert_eq!(attached.accelerator_count, Some(2));
    }

    #[test]
    fn a_gpu_that_cannot_be_is_refused_with_what_has_it() {
        for (need, machine, name, remedy) in [
            ("t4", api(4, 16_384, None), "e2-standard-4", "n1"),
            ("l4", api(4, 15_360, None), "n1-standard-4", "g2"),
            (
                "l4:2",
                api(4, 16_384, Some(("nvidia-l4", 1))),
                "g2-standard-4",
                "--type",
            ),
            ("t4", api(4, 16_384, Some(("nvidia-l4", 1))), "g2-standard-4", "n1"),
            ("t4:3", api(4, 15_360, None), "n1-standard-4", "1, 2, 4"),
            ("mi300x", api(4, 15_360, None), "n1-standard-4", "v100"),
        ] {
            let error = equipped(&needing(need), &machine, name, "z").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSpec);
            assert!(error.message().contains(name) || need == "t4:3", "{error}");
            assert!(error.remedy().unwrap().contains(remedy), "{need}: {:?}", error.remedy());
        }
    }

    #[test]
    fn what_a_named_type_lacks_is_said() {
        let mut need = spec("web-1");
        need.need.cpus = Some(8);
        need.need.memory_gib = Some(64.0);
        need.need.architecture = Some(Architecture::Arm64);
        let error = equipped(&need, &api(4, 16_384, None), "e2-standard-4", "z").unwrap_err();
        for word in ["e2-standard-4", "4 CPUs, not 8", "16 GiB, not 64", "x86_64, not arm64"] {
            assert!(error.message().contains(word), "{word} in {error}");
        }
        // More is as good, also a GPU that nobody asked for.
        need.need.architecture = None;
        assert!(
            equipped(
                &need,
                &api(96, 1_392_640, Some(("nvidia-tesla-a100", 8))),
                "a2-megagpu-16g",
                "z"
            )
            .is_ok()
        );
    }
}

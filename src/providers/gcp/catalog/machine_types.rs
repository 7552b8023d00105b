//! Machine types of a zone: which zones have one, what follows from its family, and the GPUs that are built in or can
//! be attached. <https://cloud.google.com/compute/docs/gpus>

use futures_util::future::join_all;
use google_cloud_compute_v1::model::deprecation_status::State as DeprecationState;
use google_cloud_compute_v1::model::machine_type::Architecture as ApiArchitecture;
use google_cloud_compute_v1::model::{
    AcceleratorConfig, MachineType as ApiMachineType, MachineTypeAggregatedList, MachineTypeList,
};

use super::built_in_machine_types::{
    CustomMachineType, architecture_of_family, family_of, is_first_generation, predefined_types,
};
use crate::cloud::{
    Architecture, Error, ErrorKind, Gpu, InstanceSpec, MachineRequirements, MachineType, Result, closest,
    normalize_gpu_kind, quoted,
};
use crate::providers::gcp::api::client::{Client, NO_ZONE, with_call_options};
use crate::providers::gcp::api::resource_name::{last_segment, region_of};
use crate::providers::gcp::labels::is_resource_name;
use crate::providers::gcp::regions::MAX_SUGGESTIONS;

/// Reads a machine type of a zone. The answer is kept.
///
/// # Errors
/// `NotFound` if the zone does not have it.
pub(crate) async fn get_machine_type(client: &Client, zone: &str, name: &str) -> Result<ApiMachineType> {
    let look_up = async {
        let (project, types) = (client.project().await?, client.machine_types().await?);
        let answer = client.read("look up the machine type", zone, || {
            let call = types.get().set_project(project).set_zone(zone).set_machine_type(name);
            with_call_options(call).send()
        });
        match answer.await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(error)),
            answer => answer.map(Ok),
        }
    };
    let key = (zone.to_owned(), name.to_owned());
    client.known_types.get_or_look_up(key, look_up).await?
}

/// Returns what the built-in list knows of a machine type, in the form of the API; `None` for a type with GPUs, which few
/// zones have, and for one that is not in the list.
pub(crate) fn built_in_type(name: &str) -> Option<ApiMachineType> {
    let machine = match CustomMachineType::parse(name) {
        Some(custom) => custom.to_machine_type(name)?,
        None => predefined_types().get(name)?.clone(),
    };
    if machine.gpu.is_some() {
        return None;
    }
    let architecture = match machine.architecture {
        Architecture::X86_64 => ApiArchitecture::X8664,
        Architecture::Arm64 => ApiArchitecture::Arm64,
    };
    Some(
        ApiMachineType::new()
            .set_name(name)
            .set_architecture(architecture)
            .set_guest_cpus(i32::try_from(machine.cpus).ok()?)
            .set_memory_mb((machine.memory_gib * 1024.0).round() as i32),
    )
}

/// Finds the first of `zones` that has a machine type, and reads the type there. Asks one zone after another: most
/// zones have most types, and no list has the custom types.
///
/// # Errors
/// `InvalidSpec` with the type and the zone or region, and the zones that have it or the closest types; `Capacity` if
/// another zone of the region has it.
pub(crate) async fn find_in_first_zone(
    client: &Client,
    zones: &[String],
    name: &str,
) -> Result<(String, ApiMachineType)> {
    check_name(name)?;
    for zone in zones {
        match get_machine_type(client, zone, name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            answer => return Ok((zone.clone(), answer?)),
        }
    }
    Err(not_in_zones_error(client, zones, name).await)
}

/// Returns those of `zones` that have a machine type, in the same order.
///
/// # Errors
/// As for [`find_in_first_zone`].
pub(crate) async fn select_zones_with_type(client: &Client, zones: &[String], name: &str) -> Result<Vec<String>> {
    check_name(name)?;
    let answers = join_all(zones.iter().map(|zone| get_machine_type(client, zone, name))).await;
    let mut zones_with_type = Vec::new();
    for (zone, answer) in zones.iter().zip(answers) {
        match answer {
            Ok(_) => zones_with_type.push(zone.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    match zones_with_type.is_empty() {
        true => Err(not_in_zones_error(client, zones, name).await),
        false => Ok(zones_with_type),
    }
}

fn check_name(name: &str) -> Result<()> {
    // Custom types (`n2-custom-4-8192-ext`) are resource names, too.
    if is_resource_name(name) {
        return Ok(());
    }
    Err(Error::invalid(format!("invalid machine type {} for gcp", quoted(name)))
        .with_hint("use a type such as e2-small, n2-standard-4 or n2-custom-4-8192"))
}

async fn not_in_zones_error(client: &Client, zones: &[String], name: &str) -> Error {
    let zone = zones.first().map_or("", String::as_str);
    let location = match zones {
        [zone] => format!("zone {zone}"),
        _ => format!("region {}", region_of(zone)),
    };
    let message = format!("the {location} has no machine type {}", quoted(name));
    let zones_with_type = list_zones_with_type(client, zone, name).await.unwrap_or_default();
    // Another zone of the region may help, as on EC2, where the error is the same.
    let in_region: Vec<_> = zones_with_type
        .iter()
        .filter(|found| region_of(found) == region_of(zone))
        .cloned()
        .collect();
    if !in_region.is_empty() {
        let hint = format!(
            "it is available in {}: pass one of them with --zone, or pass --fallback zone",
            join_zones(&in_region)
        );
        return Error::new(ErrorKind::Capacity, message)
            .with_zones_with_capacity(in_region)
            .with_hint(hint);
    }
    let error = Error::invalid(message);
    if !zones_with_type.is_empty() {
        return error.with_hint(format!("it is in {}; choose with --zone", join_zones(&zones_with_type)));
    }
    match find_closest_types(client, zone, name).await {
        Some(nearest) => error.with_hint(format!("the nearest are {nearest}")),
        None => error,
    }
}

fn join_zones(zones: &[String]) -> String {
    const MAX_ZONES: usize = 5;
    zones.iter().take(MAX_ZONES).cloned().collect::<Vec<_>>().join(", ")
}

/// Lists the zones that have a machine type, those of the same region first; `None` if this is unknown.
async fn list_zones_with_type(client: &Client, zone: &str, name: &str) -> Option<Vec<String>> {
    let (project, types) = (client.project().await.ok()?, client.machine_types().await.ok()?);
    let answer: MachineTypeAggregatedList = client
        .read("look for the machine type", NO_ZONE, || {
            let call = types
                .aggregated_list()
                .set_project(project)
                .set_filter(format!("name = \"{name}\""));
            with_call_options(call.set_max_results(500_u32)).send()
        })
        .await
        .ok()?;
    let zones_with_type = answer.items.iter().filter(|(_, part)| {
        let mut names = part.machine_types.iter().filter_map(|found| found.name.as_deref());
        names.any(|found| found == name)
    });
    let mut zones: Vec<_> = zones_with_type
        .map(|(scope, _)| last_segment(scope).to_owned())
        .collect();
    zones.sort_by_key(|found| (region_of(found) != region_of(zone), found.clone()));
    Some(zones)
}

/// Finds the machine types of a zone with the closest names; `None` if there are none or this is unknown.
async fn find_closest_types(client: &Client, zone: &str, name: &str) -> Option<String> {
    let (project, types) = (client.project().await.ok()?, client.machine_types().await.ok()?);
    let answer: MachineTypeList = client
        .read("list the machine types", zone, || {
            with_call_options(
                types
                    .list()
                    .set_project(project)
                    .set_zone(zone)
                    .set_max_results(500_u32),
            )
            .send()
        })
        .await
        .ok()?;
    let names = answer.items.iter().filter_map(|found| found.name.as_deref());
    let nearest = closest(name, names, MAX_SUGGESTIONS);
    (!nearest.is_empty()).then(|| nearest.join(", "))
}

/// Returns the general-purpose SSD for a machine type: since the fourth generation, families take only hyperdisks.
/// <https://cloud.google.com/compute/docs/machine-resource#machine_type_comparison>
pub(crate) fn default_disk_type(machine_type: &str) -> &'static str {
    let family = family_of(machine_type);
    let generation = family.chars().find_map(|character| character.to_digit(10));
    let hyperdisk_only = generation.is_some_and(|generation| generation >= 4) || machine_type.starts_with("a3-ultra");
    if hyperdisk_only {
        "hyperdisk-balanced"
    } else {
        "pd-balanced"
    }
}

/// Says whether a machine is stopped when its host is serviced: machines with GPUs or TPUs, bare metal, and the
/// families for high-performance computing are.
/// <https://cloud.google.com/compute/docs/instances/live-migration-process#limitations>
pub(crate) fn cannot_migrate(machine_type: &ApiMachineType, name: &str) -> bool {
    let family = family_of(name);
    !machine_type.accelerators.is_empty()
        || matches!(family, "a2" | "a3" | "a4" | "a4x" | "g2" | "g4" | "h3" | "h4d")
        || family.starts_with("ct")
        || name.ends_with("-metal")
}

/// Says whether the cloud still recommends a machine type: it is not deprecated, and its family is not of the first
/// generation. <https://cloud.google.com/compute/docs/machine-resource>
pub(crate) fn is_current(machine_type: &ApiMachineType, name: &str) -> bool {
    let state = machine_type
        .deprecated
        .as_ref()
        .and_then(|status| status.state.as_ref());
    let is_deprecated = state.is_some_and(|state| *state != DeprecationState::Active);
    !is_deprecated && !is_first_generation(family_of(name))
}

/// A GPU that can be attached to a machine.
struct AttachableGpu {
    kind: &'static str,
    /// Its name in the API.
    api_name: &'static str,
    /// How many of it one machine can have.
    counts: &'static [u32],
}

const fn attachable(kind: &'static str, api_name: &'static str, counts: &'static [u32]) -> AttachableGpu {
    AttachableGpu { kind, api_name, counts }
}

/// GPUs that can be attached to an N1 machine. <https://cloud.google.com/compute/docs/gpus#n1-gpus>
const ATTACHABLE_GPUS: &[AttachableGpu] = &[
    attachable("t4", "nvidia-tesla-t4", &[1, 2, 4]),
    attachable("t4-vws", "nvidia-tesla-t4-vws", &[1, 2, 4]),
    attachable("p4", "nvidia-tesla-p4", &[1, 2, 4]),
    attachable("p4-vws", "nvidia-tesla-p4-vws", &[1, 2, 4]),
    attachable("p100", "nvidia-tesla-p100", &[1, 2, 4]),
    attachable("p100-vws", "nvidia-tesla-p100-vws", &[1, 2, 4]),
    attachable("v100", "nvidia-tesla-v100", &[1, 2, 4, 8]),
];

/// GPU kinds that are built into machine types, and the families that have them.
/// <https://cloud.google.com/compute/docs/accelerator-optimized-machines>
const BUILT_IN_GPUS: &[(&str, &str)] = &[
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

pub(crate) fn to_machine_type(api: &ApiMachineType, name: &str) -> MachineType {
    let gpu = api.accelerators.first().and_then(|accelerator| {
        Some(Gpu {
            kind: normalize_gpu_kind(accelerator.guest_accelerator_type.as_deref()?),
            count: accelerator.guest_accelerator_count?.try_into().ok()?,
        })
    });
    MachineType {
        name: name.to_owned(),
        cpus: api.guest_cpus.and_then(|cpus| cpus.try_into().ok()).unwrap_or_default(),
        memory_gib: api.memory_mb.map_or(0.0, |memory| f64::from(memory) / 1024.0),
        // The API says it for every type of a new family. Images are for x86 unless something else is known.
        architecture: architecture_of(api, name).unwrap_or(Architecture::X86_64),
        gpu,
        is_current: is_current(api, name),
        // The API does not say; nearly every type has spot capacity.
        has_spot: true,
    }
}

/// Returns the machine of a new instance with the GPUs that are attached to meet its requirements, and those GPUs as
/// the API names them in the zone.
pub(crate) fn with_gpu(
    spec: &InstanceSpec,
    api: &ApiMachineType,
    name: &str,
    zone: &str,
) -> Result<(MachineType, Option<AcceleratorConfig>)> {
    let mut machine = to_machine_type(api, name);
    let mut attached = None;
    if let Some(required) = &spec.requirements.gpu
        && machine.gpu.is_none()
    {
        let (api_name, count) = find_attachable(required, name)?;
        machine.gpu = Some(Gpu {
            kind: required.kind.clone(),
            count,
        });
        let accelerator = AcceleratorConfig::new()
            .set_accelerator_type(format!("zones/{zone}/acceleratorTypes/{api_name}"))
            .set_accelerator_count(i32::try_from(count).unwrap_or(i32::MAX));
        attached = Some(accelerator);
    }
    let unmet = list_unmet_requirements(&spec.requirements, &machine);
    if unmet.is_empty() {
        return Ok((machine, attached));
    }
    let message = format!("the machine type {name} has {}", unmet.join(", and "));
    Err(Error::invalid(message).with_hint(match &spec.requirements.gpu {
        Some(required) if machine.gpu.as_ref().is_some_and(|has| has.kind != required.kind) => gpu_hint(required),
        _ => "use a larger --type, or leave --type out and let one be chosen".to_owned(),
    }))
}

/// Finds the API name of a GPU that can be attached to a machine type, and checks the count.
fn find_attachable(required: &Gpu, name: &str) -> Result<(&'static str, u32)> {
    // Custom types of N1 may leave out the family.
    let takes_gpus = matches!(family_of(name), "n1" | "custom");
    let gpu = match ATTACHABLE_GPUS.iter().find(|gpu| gpu.kind == required.kind) {
        Some(gpu) if takes_gpus => gpu,
        _ => {
            let message =
                format!("the machine type {name} has no GPU {required}, and this GPU cannot be attached to it");
            return Err(Error::invalid(message).with_hint(gpu_hint(required)));
        }
    };
    if !gpu.counts.contains(&required.count) {
        let counts: Vec<_> = gpu.counts.iter().map(ToString::to_string).collect();
        let message = format!(
            "{} GPUs {} cannot be attached to a machine",
            required.count, required.kind
        );
        return Err(Error::invalid(message).with_hint(format!("use {} of them", counts.join(", "))));
    }
    Ok((gpu.api_name, required.count))
}

/// Returns a hint with the machine types that have such a GPU.
fn gpu_hint(required: &Gpu) -> String {
    if ATTACHABLE_GPUS.iter().any(|gpu| gpu.kind == required.kind) {
        return format!(
            "use an n1 type, such as n1-standard-4, to which {} can be attached",
            required.kind
        );
    }
    match BUILT_IN_GPUS.iter().find(|(kind, _)| *kind == required.kind) {
        Some((kind, family)) => format!("use a type of {family}, which comes with {kind}"),
        None => {
            let built_in = BUILT_IN_GPUS
                .iter()
                .map(|(kind, family)| format!("{family} has {kind}"));
            let built_in: Vec<_> = built_in.collect();
            format!("n1 types take t4, p4, p100 and v100; {}", built_in.join(", "))
        }
    }
}

/// Lists the requirements that a machine does not meet, as in `4 CPUs, not 8`. An additional GPU is no problem: the
/// user named the type.
fn list_unmet_requirements(required: &MachineRequirements, machine: &MachineType) -> Vec<String> {
    let mut unmet = Vec::new();
    if let Some(cpus) = required.cpus
        && cpus > machine.cpus
    {
        unmet.push(format!("{} CPUs, not {cpus}", machine.cpus));
    }
    if let Some(memory) = required.memory_gib
        && memory > machine.memory_gib
    {
        unmet.push(format!("{} GiB, not {memory}", machine.memory_gib));
    }
    if let Some(architecture) = required.architecture
        && architecture != machine.architecture
    {
        unmet.push(format!("the architecture {}, not {architecture}", machine.architecture));
    }
    if let Some(needed) = &required.gpu {
        match &machine.gpu {
            Some(gpu) if gpu.kind == needed.kind && gpu.count >= needed.count => {}
            Some(gpu) => unmet.push(format!("GPU {gpu}, not {needed}")),
            None => unmet.push(format!("no GPU, not {needed}")),
        }
    }
    unmet
}

/// Returns the architecture of a machine type, as the API says or else by its family; `None` if neither says.
pub(crate) fn architecture_of(machine_type: &ApiMachineType, name: &str) -> Option<Architecture> {
    match machine_type.architecture {
        Some(ApiArchitecture::Arm64) => Some(Architecture::Arm64),
        Some(ApiArchitecture::X8664) => Some(Architecture::X86_64),
        _ => architecture_of_family(family_of(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Architecture, ErrorKind};
    use crate::providers::gcp::create::request::tests::spec;
    use google_cloud_compute_v1::model::DeprecationStatus;
    use google_cloud_compute_v1::model::machine_type::Accelerators;

    #[test]
    fn default_disk_type_follows_the_family() {
        for (machine_type, disk_type) in [
            ("e2-small", "pd-balanced"),
            ("n1-standard-1", "pd-balanced"),
            ("f1-micro", "pd-balanced"),
            ("c3-standard-4", "pd-balanced"),
            ("t2a-standard-1", "pd-balanced"),
            ("c4-standard-2", "hyperdisk-balanced"),
            ("c4a-standard-1", "hyperdisk-balanced"),
            ("n4-custom-4-16384", "hyperdisk-balanced"),
            ("a3-ultragpu-8g", "hyperdisk-balanced"),
            ("custom-4-8192", "pd-balanced"),
        ] {
            assert_eq!(default_disk_type(machine_type), disk_type, "{machine_type}");
        }
    }

    #[test]
    fn old_and_deprecated_types_are_not_current() {
        let plain = ApiMachineType::new();
        for (name, expected) in [
            ("e2-small", true),
            ("n2-standard-4", true),
            ("m3-ultramem-32", true),
            ("n1-standard-1", false),
            ("g1-small", false),
            ("m1-megamem-96", false),
        ] {
            assert_eq!(is_current(&plain, name), expected, "{name}");
        }
        let deprecated = DeprecationStatus::new().set_state(DeprecationState::Deprecated);
        assert!(!is_current(&plain.set_deprecated(deprecated), "e2-small"));
    }

    #[test]
    fn special_machines_cannot_migrate() {
        let plain = ApiMachineType::new();
        for (name, expected) in [
            ("e2-small", false),
            ("n2-standard-4", false),
            ("a2-highgpu-1g", true),
            ("g2-standard-4", true),
            ("h3-standard-88", true),
            ("c3-standard-192-metal", true),
            ("ct5lp-hightpu-1t", true),
        ] {
            assert_eq!(cannot_migrate(&plain, name), expected, "{name}");
        }
        let with_gpu = ApiMachineType::new().set_accelerators([Accelerators::new()]);
        assert!(cannot_migrate(&with_gpu, "new-1"));
    }

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

    #[test]
    fn unknown_gpu_error_lists_all_kinds() {
        let mut needing_gpu = spec("web-1");
        needing_gpu.requirements.gpu = Some("mi300x".parse().unwrap());
        let error = with_gpu(&needing_gpu, &api(4, 15_360, None), "n1-standard-4", "z").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        let hint = error.hint().unwrap();
        assert!(hint.contains("v100") && hint.contains("g2 has l4"), "{hint}");
    }

    #[test]
    fn error_lists_unmet_requirements() {
        let mut required = spec("web-1");
        required.requirements.cpus = Some(8);
        required.requirements.memory_gib = Some(64.0);
        required.requirements.architecture = Some(Architecture::Arm64);
        let error = with_gpu(&required, &api(4, 16_384, None), "e2-standard-4", "z").unwrap_err();
        for word in ["e2-standard-4", "4 CPUs, not 8", "16 GiB, not 64", "x86_64, not arm64"] {
            assert!(error.message().contains(word), "{word} in {error}");
        }
        // More than required is fine, also a GPU that was not required.
        required.requirements.architecture = None;
        assert!(
            with_gpu(
                &required,
                &api(96, 1_392_640, Some(("nvidia-tesla-a100", 8))),
                "a2-megagpu-16g",
                "z"
            )
            .is_ok()
        );
    }
}

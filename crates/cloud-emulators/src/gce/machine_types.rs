//! Machine types: which there are, and in which zones.

use serde_json::{Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::{State, mix_bits};
use super::zones;

/// A machine type in a zone.
pub struct MachineType {
    pub name: String,
    zone: String,
    cpus: u64,
    memory_mb: u64,
    family: &'static Family,
}

/// Machine types of one make.
struct Family {
    /// `n2-standard`, say; the size follows after a dash.
    prefix: &'static str,
    arm: bool,
    platform: &'static str,
    /// vCPUs of each size; they are also its name.
    sizes: &'static [u64],
    /// Memory for each vCPU, in MB.
    memory_mb: u64,
    /// Zones that have it; empty is all.
    zones: &'static [&'static str],
}

/// A type whose name is no size, or that comes with GPUs: name, vCPUs, memory in MB, GPU and their number.
type Special = (&'static str, u64, u64, &'static str, u64);

#[rustfmt::skip]
const SPECIAL: &[Special] = &[
    ("e2-micro", 2, 1024, "", 0),
    ("e2-small", 2, 2048, "", 0),
    ("e2-medium", 2, 4096, "", 0),
    ("f1-micro", 1, 614, "", 0),
    ("g1-small", 1, 1740, "", 0),
    ("a2-highgpu-1g", 12, 87_040, "nvidia-tesla-a100", 1),
    ("a2-highgpu-2g", 24, 174_080, "nvidia-tesla-a100", 2),
    ("g2-standard-4", 4, 16_384, "nvidia-l4", 1),
    ("g2-standard-8", 8, 32_768, "nvidia-l4", 1),
];

const ARM_ZONES: &[&str] = &[
    "us-central1-a",
    "us-central1-b",
    "us-central1-f",
    "us-east4-a",
    "us-east4-b",
    "europe-west1-b",
    "europe-west1-c",
    "europe-west4-a",
    "europe-west4-b",
    "europe-west4-c",
    "asia-southeast1-b",
    "asia-southeast1-c",
];
const GPU_ZONES: &[&str] = &[
    "us-central1-a",
    "us-central1-c",
    "us-west1-b",
    "europe-west4-a",
    "asia-east1-a",
];

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    Family { prefix: "e2-standard", arm: false, platform: "Intel Broadwell", sizes: &[2, 4, 8, 16, 32], memory_mb: 4096, zones: &[] },
    Family { prefix: "e2-highmem", arm: false, platform: "Intel Broadwell", sizes: &[2, 4, 8, 16], memory_mb: 8192, zones: &[] },
    Family { prefix: "e2-highcpu", arm: false, platform: "Intel Broadwell", sizes: &[2, 4, 8, 16, 32], memory_mb: 1024, zones: &[] },
    Family { prefix: "n1-standard", arm: false, platform: "Intel Haswell", sizes: &[1, 2, 4, 8, 16, 32, 64, 96], memory_mb: 3840, zones: &[] },
    Family { prefix: "n2-standard", arm: false, platform: "Intel Cascade Lake", sizes: &[2, 4, 8, 16, 32, 48, 64, 80, 96, 128], memory_mb: 4096, zones: &[] },
    Family { prefix: "n2-highmem", arm: false, platform: "Intel Cascade Lake", sizes: &[2, 4, 8, 16, 32, 64], memory_mb: 8192, zones: &[] },
    Family { prefix: "n2-highcpu", arm: false, platform: "Intel Cascade Lake", sizes: &[2, 4, 8, 16, 32, 64], memory_mb: 1024, zones: &[] },
    Family { prefix: "n2d-standard", arm: false, platform: "AMD Rome", sizes: &[2, 4, 8, 16, 32, 64], memory_mb: 4096, zones: &[] },
    Family { prefix: "c3-standard", arm: false, platform: "Intel Sapphire Rapids", sizes: &[4, 8, 22, 44], memory_mb: 4096, zones: &[] },
    Family { prefix: "t2a-standard", arm: true, platform: "Ampere Altra", sizes: &[1, 2, 4, 8, 16, 32, 48], memory_mb: 4096, zones: ARM_ZONES },
    Family { prefix: "c4a-standard", arm: true, platform: "Google Axion", sizes: &[1, 2, 4, 8, 16, 32, 48, 64, 72], memory_mb: 4096, zones: ARM_ZONES },
    Family { prefix: "c4a-highmem", arm: true, platform: "Google Axion", sizes: &[1, 2, 4, 8, 16, 32], memory_mb: 8192, zones: ARM_ZONES },
];
static SHARED: Family = Family {
    prefix: "",
    arm: false,
    platform: "Intel Broadwell",
    sizes: &[],
    memory_mb: 0,
    zones: &[],
};

impl MachineType {
    pub fn architecture(&self) -> &'static str {
        if self.family.arm { "ARM64" } else { "X86_64" }
    }

    pub fn platform(&self) -> &'static str {
        self.family.platform
    }

    fn special(&self) -> Option<&'static Special> {
        SPECIAL.iter().find(|(name, ..)| *name == self.name)
    }

    pub fn has_accelerators(&self) -> bool {
        self.special().is_some_and(|(.., count)| *count > 0)
    }

    /// C4A takes no persistent disk of the older kinds.
    pub fn takes_hyperdisk_only(&self) -> bool {
        self.name.starts_with("c4a-")
    }

    fn render(&self, project: &str) -> Value {
        let Self { name, zone, cpus, .. } = self;
        let path = format!("projects/{project}/zones/{zone}/machineTypes/{name}");
        let seed = name
            .bytes()
            .chain(zone.bytes())
            .fold(7, |seed, byte| mix_bits(seed ^ u64::from(byte)));
        let mut body = json!({
            "kind": "compute#machineType",
            "id": (seed >> 2).to_string(),
            "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
            "name": name,
            "description": format!("{cpus} vCPU, {} GB RAM", self.memory_mb as f64 / 1024.0),
            "guestCpus": cpus,
            "memoryMb": self.memory_mb,
            "imageSpaceGb": 0,
            "maximumPersistentDisks": 128,
            "maximumPersistentDisksSizeGb": "263168",
            "zone": zone,
            "isSharedCpu": self.special().is_some_and(|(.., count)| *count == 0),
            "architecture": self.architecture(),
            "selfLink": super::link(&path),
        });
        if let Some((_, _, _, kind, count @ 1..)) = self.special() {
            body["accelerators"] = json!([{"guestAcceleratorType": kind, "guestAcceleratorCount": count}]);
        }
        body
    }
}

fn all(zone: &str) -> impl Iterator<Item = MachineType> + use<> {
    let special = SPECIAL
        .iter()
        .filter(|(.., count)| *count == 0 || GPU_ZONES.contains(&zone))
        .map(|(name, cpus, memory_mb, ..)| ((*name).to_owned(), *cpus, *memory_mb, &SHARED));
    let sized = FAMILIES
        .iter()
        .filter(|family| family.zones.is_empty() || family.zones.contains(&zone))
        .flat_map(|family| {
            family.sizes.iter().map(move |cpus| {
                (
                    format!("{}-{cpus}", family.prefix),
                    *cpus,
                    cpus * family.memory_mb,
                    family,
                )
            })
        });
    let mut types: Vec<_> = special.chain(sized).collect();
    types.sort_by(|left, right| left.0.cmp(&right.0));
    let zone = zone.to_owned();
    types
        .into_iter()
        .map(move |(name, cpus, memory_mb, family)| MachineType {
            name,
            zone: zone.clone(),
            cpus,
            memory_mb,
            family,
        })
}

/// The machine type of a name in a zone, custom ones (`n2-custom-4-8192`) included.
pub fn find(zone: &str, name: &str) -> Option<MachineType> {
    all(zone)
        .find(|machine_type| machine_type.name == name)
        .or_else(|| custom(zone, name))
}

fn custom(zone: &str, name: &str) -> Option<MachineType> {
    let (make, size) = name.split_once("custom-")?;
    let (cpus, memory) = size.split_once('-')?;
    let (cpus, memory_mb): (u64, u64) = (cpus.parse().ok()?, memory.trim_end_matches("-ext").parse().ok()?);
    let make = if make.is_empty() { "n1-" } else { make };
    let family = FAMILIES
        .iter()
        .find(|family| family.prefix == format!("{make}standard"))?;
    let sound = !family.arm && (cpus == 1 || cpus.is_multiple_of(2)) && cpus > 0 && cpus <= 96;
    (sound && memory_mb.is_multiple_of(256) && memory_mb >= cpus * 512).then(|| MachineType {
        name: name.to_owned(),
        zone: zone.to_owned(),
        cpus,
        memory_mb,
        family,
    })
}

pub fn get(_: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let found = find(call.zone(), call.parameter("machineType"));
    let found = found.ok_or_else(|| ApiError::not_found(&call.resource()))?;
    Ok(found.render(call.project()))
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "MachineType")?;
    let rows = all(call.zone()).map(|found| {
        let render = move |found: MachineType| found.render(call.project());
        (String::new(), found.name.clone(), move || render(found))
    });
    let page = paging.fill(&mut context.state.controls, rows);
    Ok(paging::list(call, "compute#machineTypeList", page))
}

pub fn aggregated_list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let unreachable = context.unreachable(call)?;
    let paging = Paging::of(call, context, "MachineType")?;
    let rows = zones::all()
        .filter(|zone| !unreachable.contains(zone))
        .flat_map(|zone| {
            all(&zone).map(move |found| {
                let key = format!("{zone}/{}", found.name);
                (format!("zones/{zone}"), key, move || found.render(call.project()))
            })
        });
    let State { controls, .. } = &mut *context.state;
    let page = paging.fill(controls, rows);
    let kind = "compute#machineTypeAggregatedList";
    Ok(paging::aggregated(
        call,
        kind,
        "machineTypes",
        page,
        zones::scopes(call, true),
        &unreachable,
    ))
}

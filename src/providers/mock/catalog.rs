//! What the mock cloud offers: machine types, images and disk types. The real clouds list theirs through an API.

use crate::catalog::{DEFAULT_IMAGE, IMAGE_ALIASES, ImageAlias, image_alias, sort_aliases_by_similarity};
use crate::cloud::{self, Architecture, Error, Gpu, MachineRequirements, ProviderKind, Result, quoted};

#[derive(Debug, PartialEq)]
pub(super) struct MachineType {
    pub(super) name: &'static str,
    pub(super) cpus: u32,
    pub(super) memory_gib: f64,
    pub(super) architecture: Architecture,
    /// The number of GPUs, all of [`GPU_KIND`].
    pub(super) gpus: u32,
    /// USD per hour on demand. Invented, but of the size of real prices.
    pub(super) price: f64,
}

const fn new_machine(
    name: &'static str,
    cpus: u32,
    memory_gib: f64,
    architecture: Architecture,
    price: f64,
) -> MachineType {
    MachineType {
        name,
        cpus,
        memory_gib,
        architecture,
        gpus: 0,
        price,
    }
}

/// Every machine type.
const MACHINE_TYPES: &[MachineType] = &[
    new_machine("nano", 1, 0.5, Architecture::X86_64, 0.005),
    new_machine("small", 1, 2.0, Architecture::X86_64, 0.02),
    new_machine("medium", 2, 4.0, Architecture::X86_64, 0.04),
    new_machine("large", 4, 16.0, Architecture::X86_64, 0.16),
    new_machine("xlarge", 8, 32.0, Architecture::X86_64, 0.32),
    new_machine("arm-small", 1, 2.0, Architecture::Arm64, 0.016),
    new_machine("arm-medium", 2, 4.0, Architecture::Arm64, 0.032),
    new_machine("arm-large", 4, 16.0, Architecture::Arm64, 0.128),
    MachineType {
        gpus: 1,
        ..new_machine("gpu-large", 8, 32.0, Architecture::X86_64, 0.9)
    },
];

/// The machine type of an instance whose spec names none.
pub(super) const DEFAULT_MACHINE_TYPE: &str = "small";
/// The only kind of GPU.
const GPU_KIND: &str = "t4";
/// The spot price as a part of the on-demand price.
const SPOT_FACTOR: f64 = 0.3;

impl MachineType {
    /// Returns the price in USD per hour.
    pub(super) fn price(&self, spot: bool) -> f64 {
        if spot { self.price * SPOT_FACTOR } else { self.price }
    }

    pub(super) fn to_machine_type(&self) -> cloud::MachineType {
        cloud::MachineType {
            name: self.name.to_owned(),
            cpus: self.cpus,
            memory_gib: self.memory_gib,
            architecture: self.architecture,
            gpu: (self.gpus > 0).then(|| Gpu {
                kind: GPU_KIND.to_owned(),
                count: self.gpus,
            }),
            is_current: true,
            has_spot: true,
        }
    }
}

pub(super) fn list_machine_types() -> Vec<cloud::MachineType> {
    MACHINE_TYPES.iter().map(MachineType::to_machine_type).collect()
}

/// Finds a machine type. Stored instances may have one that this version does not know.
pub(super) fn find_machine_type(name: &str) -> Option<&'static MachineType> {
    MACHINE_TYPES.iter().find(|machine| machine.name == name)
}

/// Selects the named machine type, or the default one, and checks that it meets the requirements.
pub(super) fn select_machine_type(
    name: Option<&str>,
    requirements: &MachineRequirements,
) -> Result<&'static MachineType> {
    let type_name = name.unwrap_or(DEFAULT_MACHINE_TYPE);
    let machine = find_machine_type(type_name).ok_or_else(|| {
        let names: Vec<_> = MACHINE_TYPES.iter().map(|machine| machine.name).collect();
        Error::invalid(format!("the mock cloud has no machine type {}", quoted(type_name)))
            .with_hint(format!("use one of {}", names.join(", ")))
    })?;
    if requirements.is_empty() || requirements.are_met_by(&machine.to_machine_type()) {
        return Ok(machine);
    }
    Err(Error::invalid(format!(
        "the machine type {type_name} does not have what is needed: {requirements}"
    ))
    .with_hint("leave the machine type out to get the cheapest one that fits"))
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The id, `img-<alias>-<architecture>`.
    pub(super) id: String,
    pub(super) alias: &'static str,
    /// The size of its disk in GiB, which is the smallest disk for the image.
    pub(super) disk_gib: u32,
}

/// Selects the image of an alias or an id, or the default one, and checks that it runs on `machine`.
pub(super) fn select_image(requested: Option<&str>, machine: &MachineType) -> Result<Image> {
    let name = requested.unwrap_or(DEFAULT_IMAGE);
    let architecture = machine.architecture;
    let (alias, has_architecture) = match image_alias(name) {
        Some(alias) => (alias, exists_for(alias, architecture)),
        None => {
            let (alias, of_image) = parse_image_id(name).ok_or_else(|| unknown_image_error(name))?;
            (alias, of_image == architecture)
        }
    };
    if !has_architecture {
        return Err(Error::invalid(format!(
            "the image {name} does not run on the machine type {}, which is {architecture}",
            machine.name
        ))
        .with_hint("choose a machine type of the image's architecture, or another image"));
    }
    Ok(Image {
        id: image_id(alias, architecture),
        alias: alias.name,
        disk_gib: min_disk_gib(alias.name),
    })
}

/// Says whether any cloud has the alias for an architecture. The mock has it then too.
fn exists_for(alias: &ImageAlias, architecture: Architecture) -> bool {
    alias.architectures.contains(&architecture)
}

fn image_id(alias: &ImageAlias, architecture: Architecture) -> String {
    format!("img-{}-{architecture}", alias.name)
}

fn parse_image_id(id: &str) -> Option<(&'static ImageAlias, Architecture)> {
    let (name, architecture) = id.strip_prefix("img-")?.rsplit_once('-')?;
    let architecture = architecture.parse().ok()?;
    let alias = image_alias(name)?;
    exists_for(alias, architecture).then_some((alias, architecture))
}

pub(super) fn list_images() -> Vec<cloud::Image> {
    let image = |alias: &ImageAlias, architecture| cloud::Image {
        provider: ProviderKind::Mock,
        alias: alias.name.to_owned(),
        architecture,
        id: image_id(alias, architecture),
        name: image_id(alias, architecture),
        disk_gib: Some(min_disk_gib(alias.name)),
        created_at: None,
    };
    let mut images = Vec::new();
    for alias in IMAGE_ALIASES {
        for architecture in alias.architectures {
            images.push(image(alias, *architecture));
        }
    }
    images
}

/// Returns the smallest disk for an image, in GiB.
fn min_disk_gib(alias: &str) -> u32 {
    if alias.starts_with("windows") { 30 } else { 8 }
}

fn unknown_image_error(requested: &str) -> Error {
    // A misspelled id is closest to the alias in it.
    let names = sort_aliases_by_similarity(requested.trim_start_matches("img-"), |_| true);
    Error::invalid(format!("the mock cloud has no image {}", quoted(requested))).with_hint(format!(
        "use an alias ({}) or an id such as img-{DEFAULT_IMAGE}-x86_64",
        names.join(", ")
    ))
}

/// The disk types. The first is the default, a general-purpose SSD.
const DISK_TYPES: [&str; 2] = ["ssd", "standard"];
/// The largest disk, in GiB: 64 TiB, as on both clouds.
const MAX_DISK_GIB: u32 = 64 * 1024;

/// Selects the named disk type, or the default one.
pub(super) fn select_disk_type(requested: Option<&str>) -> Result<&'static str> {
    let name = requested.unwrap_or(DISK_TYPES[0]);
    DISK_TYPES.into_iter().find(|known| *known == name).ok_or_else(|| {
        Error::invalid(format!("the mock cloud has no disk type {}", quoted(name)))
            .with_hint(format!("use one of {}", DISK_TYPES.join(", ")))
    })
}

/// Selects the size of the boot disk in GiB: the one in the spec, or that of the image.
pub(super) fn select_disk_gib(requested: Option<u32>, image: &Image) -> Result<u32> {
    let size = requested.unwrap_or(image.disk_gib);
    if size < image.disk_gib || size > MAX_DISK_GIB {
        return Err(Error::invalid(format!(
            "a disk of {size} GiB is out of range for the image {}",
            image.id
        ))
        .with_hint(format!("give a size from {} to {MAX_DISK_GIB} GiB", image.disk_gib)));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> &'static MachineType {
        select_machine_type(None, &MachineRequirements::default()).unwrap()
    }

    #[test]
    fn alias_and_id_select_the_same_image() {
        for alias in IMAGE_ALIASES {
            let by_alias = select_image(Some(alias.name), small()).unwrap();
            assert_eq!(by_alias.id, format!("img-{}-x86_64", alias.name));
            assert_eq!(select_image(Some(&by_alias.id), small()).unwrap(), by_alias);
        }
    }
}

//! What the mock cloud sells: machine types, images, disk types. Only the mock has this file: the others' shelves
//! are on the far side of an API.

use crate::catalog::{DEFAULT_IMAGE, IMAGE_ALIASES, ImageAlias, closest_alias, image_alias};
use crate::cloud::{self, Architecture, Error, Gpu, MachineRequirements, ProviderKind, Result, quoted};

/// A machine type.
#[derive(Debug, PartialEq)]
pub(super) struct MachineType {
    /// Its name.
    pub(super) name: &'static str,
    /// Virtual CPUs.
    pub(super) cpus: u32,
    /// Memory in GiB.
    pub(super) memory_gib: f64,
    /// Instruction set.
    pub(super) architecture: Architecture,
    /// Accelerators: how many of [`GPU_KIND`].
    pub(super) gpus: u32,
    /// USD per hour on demand: play money, in the order of what the clouds ask.
    pub(super) price: f64,
}

const fn machine(
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
    machine("nano", 1, 0.5, Architecture::X86_64, 0.005),
    machine("small", 1, 2.0, Architecture::X86_64, 0.02),
    machine("medium", 2, 4.0, Architecture::X86_64, 0.04),
    machine("large", 4, 16.0, Architecture::X86_64, 0.16),
    machine("xlarge", 8, 32.0, Architecture::X86_64, 0.32),
    machine("arm-small", 1, 2.0, Architecture::Arm64, 0.016),
    machine("arm-medium", 2, 4.0, Architecture::Arm64, 0.032),
    machine("arm-large", 4, 16.0, Architecture::Arm64, 0.128),
    MachineType {
        gpus: 1,
        ..machine("gpu-large", 8, 32.0, Architecture::X86_64, 0.9)
    },
];

/// The machine type of an instance for which none was asked.
pub(super) const DEFAULT_MACHINE_TYPE: &str = "small";
/// The only kind of accelerator.
const GPU_KIND: &str = "t4";
/// What spare capacity costs, as a part of the price on demand.
const SPOT_FACTOR: f64 = 0.3;

impl MachineType {
    /// USD per hour.
    pub(super) fn price(&self, spot: bool) -> f64 {
        if spot { self.price * SPOT_FACTOR } else { self.price }
    }

    /// The machine type as the contract has it.
    pub(super) fn described(&self) -> cloud::MachineType {
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

/// Every machine type as the contract has it.
pub(super) fn machine_types() -> Vec<cloud::MachineType> {
    MACHINE_TYPES.iter().map(MachineType::described).collect()
}

/// Looks a machine type up, for records whose type this version may not know.
pub(super) fn known_machine_type(name: &str) -> Option<&'static MachineType> {
    MACHINE_TYPES.iter().find(|machine| machine.name == name)
}

/// The machine type that was asked for, or the default one. It must have what is needed.
///
/// # Errors
/// `InvalidSpec` naming it, with the types there are.
pub(super) fn machine_type(name: Option<&str>, need: &MachineRequirements) -> Result<&'static MachineType> {
    let asked = name.unwrap_or(DEFAULT_MACHINE_TYPE);
    let machine = known_machine_type(asked).ok_or_else(|| {
        let names: Vec<_> = MACHINE_TYPES.iter().map(|machine| machine.name).collect();
        Error::invalid(format!("the mock cloud has no machine type {}", quoted(asked)))
            .with_hint(format!("use one of {}", names.join(", ")))
    })?;
    if need.is_empty() || need.are_met_by(&machine.described()) {
        return Ok(machine);
    }
    Err(
        Error::invalid(format!("the machine type {asked} does not have what is needed: {need}"))
            .with_hint("leave the machine type out, and the cheapest that has it is taken"),
    )
}

/// An image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Its id, `img-<alias>-<architecture>`.
    pub(super) id: String,
    /// The alias it stands for.
    pub(super) alias: &'static str,
    /// The size of its disk in GiB, the smallest that it fits on.
    pub(super) disk_gib: u32,
}

/// Finds the image of an alias or an id that runs on `machine`, or the default one.
///
/// # Errors
/// `InvalidSpec` for an unknown image, and for one that this machine type cannot run.
pub(super) fn image(wanted: Option<&str>, machine: &MachineType) -> Result<Image> {
    let wanted = wanted.unwrap_or(DEFAULT_IMAGE);
    let architecture = machine.architecture;
    let (alias, has_architecture) = match image_alias(wanted) {
        Some(alias) => (alias, exists_for(alias, architecture)),
        None => {
            let (alias, of_image) = image_of_id(wanted).ok_or_else(|| unknown_image(wanted))?;
            (alias, of_image == architecture)
        }
    };
    if !has_architecture {
        return Err(Error::invalid(format!(
            "the image {wanted} does not run on the machine type {}, which is {architecture}",
            machine.name
        ))
        .with_hint("choose a machine type of the image's architecture, or another image"));
    }
    Ok(Image {
        id: id_of(alias, architecture),
        alias: alias.name,
        disk_gib: least_disk_gib(alias.name),
    })
}

/// Whether any cloud has the alias for an architecture; the mock then has it too.
fn exists_for(alias: &ImageAlias, architecture: Architecture) -> bool {
    alias.architectures.contains(&architecture)
}

fn id_of(alias: &ImageAlias, architecture: Architecture) -> String {
    format!("img-{}-{architecture}", alias.name)
}

fn image_of_id(id: &str) -> Option<(&'static ImageAlias, Architecture)> {
    let (name, architecture) = id.strip_prefix("img-")?.rsplit_once('-')?;
    let architecture = [Architecture::X86_64, Architecture::Arm64]
        .into_iter()
        .find(|known| known.as_str() == architecture)?;
    let alias = image_alias(name).filter(|alias| exists_for(alias, architecture))?;
    Some((alias, architecture))
}

/// Every image as the contract has it.
pub(super) fn images() -> Vec<cloud::Image> {
    let image = |alias: &ImageAlias, architecture| cloud::Image {
        provider: ProviderKind::Mock,
        alias: alias.name.to_owned(),
        architecture,
        id: id_of(alias, architecture),
        name: id_of(alias, architecture),
        disk_gib: Some(least_disk_gib(alias.name)),
        created_at: None,
    };
    let architectures = [Architecture::X86_64, Architecture::Arm64];
    let of_alias = |alias: &'static ImageAlias| {
        let has = architectures
            .into_iter()
            .filter(|architecture| exists_for(alias, *architecture));
        has.map(move |architecture| image(alias, architecture))
    };
    IMAGE_ALIASES.iter().flat_map(of_alias).collect()
}

/// The smallest disk that an image fits on, in GiB.
fn least_disk_gib(alias: &str) -> u32 {
    if alias.starts_with("windows") { 30 } else { 8 }
}

fn unknown_image(wanted: &str) -> Error {
    // An id that is not quite right is nearest to the alias in it.
    let names = closest_alias(wanted.trim_start_matches("img-"), |_| true);
    Error::invalid(format!("the mock cloud has no image {}", quoted(wanted))).with_hint(format!(
        "use an alias ({}) or an id such as img-{DEFAULT_IMAGE}-x86_64",
        names.join(", ")
    ))
}

/// The types of disk; the first is the default, the general-purpose SSD.
const DISK_TYPES: [&str; 2] = ["ssd", "standard"];
/// The largest disk, in GiB: 64 TiB, as on both clouds.
const LARGEST_DISK_GIB: u32 = 64 * 1024;

/// The disk type that was asked for, or the default one.
///
/// # Errors
/// `InvalidSpec` naming it, with the types there are.
pub(super) fn disk_type(wanted: Option<&str>) -> Result<&'static str> {
    let wanted = wanted.unwrap_or(DISK_TYPES[0]);
    DISK_TYPES.into_iter().find(|known| *known == wanted).ok_or_else(|| {
        Error::invalid(format!("the mock cloud has no disk type {}", quoted(wanted)))
            .with_hint(format!("use one of {}", DISK_TYPES.join(", ")))
    })
}

/// The size of the boot disk in GiB: what was asked for, or the image's own.
///
/// # Errors
/// `InvalidSpec` for a disk that the image does not fit on, and one that no cloud has.
pub(super) fn disk_gib(wanted: Option<u32>, image: &Image) -> Result<u32> {
    let size = wanted.unwrap_or(image.disk_gib);
    if size < image.disk_gib || size > LARGEST_DISK_GIB {
        return Err(Error::invalid(format!(
            "a disk of {size} GiB is out of range for the image {}",
            image.id
        ))
        .with_hint(format!("give a size from {} to {LARGEST_DISK_GIB} GiB", image.disk_gib)));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> &'static MachineType {
        machine_type(None, &MachineRequirements::default()).unwrap()
    }

    #[test]
    fn every_alias_has_an_image_and_its_id_is_the_same_image() {
        for alias in IMAGE_ALIASES {
            let by_alias = image(Some(alias.name), small()).unwrap();
            assert_eq!(by_alias.id, format!("img-{}-x86_64", alias.name));
            assert_eq!(image(Some(&by_alias.id), small()).unwrap(), by_alias);
        }
    }

    #[test]
    fn an_image_of_another_architecture_is_refused() {
        let arm = machine_type(Some("arm-small"), &MachineRequirements::default()).unwrap();
        assert_eq!(image(None, arm).unwrap().id, "img-ubuntu-24.04-arm64");
        assert!(image(Some("img-ubuntu-24.04-arm64"), small()).is_err());
        assert!(image(Some("img-ubuntu-24.04-x86_64"), arm).is_err());
        assert!(image(Some("windows-2025"), arm).is_err());
        assert!(image(Some("img-windows-2025-arm64"), arm).is_err());
    }

    #[test]
    fn what_is_not_sold_is_named_with_what_is() {
        let error = machine_type(Some("t3.small"), &MachineRequirements::default()).unwrap_err();
        assert!(error.message().contains("\"t3.small\""));
        assert!(error.hint().unwrap().contains("small"));
        let error = image(Some("ubuntu-24.10"), small()).unwrap_err();
        assert!(error.message().contains("\"ubuntu-24.10\""));
        assert!(error.hint().unwrap().starts_with("use an alias (ubuntu-24.04"));
        assert!(disk_type(Some("gp3")).unwrap_err().hint().unwrap().contains("ssd"));
    }

    #[test]
    fn the_image_must_fit_on_the_disk() {
        let linux = image(None, small()).unwrap();
        let windows = image(Some("windows-2022"), small()).unwrap();
        assert_eq!(disk_gib(None, &linux).unwrap(), 8);
        assert_eq!(disk_gib(Some(65_536), &linux).unwrap(), 65_536);
        assert!(disk_gib(Some(7), &linux).is_err());
        assert!(disk_gib(Some(65_537), &linux).is_err());
        assert!(disk_gib(Some(29), &windows).is_err());
    }
}

//! Machine types: whether a zone has one, and what follows from its family. Only Compute Engine: EC2 answers these
//! questions in the create call itself.

use futures_util::future::join_all;
use google_cloud_compute_v1::model::deprecation_status::State as DeprecationState;
use google_cloud_compute_v1::model::{MachineType, MachineTypeAggregatedList, MachineTypeList};

use crate::cloud::{Error, ErrorKind, Result, nearest, quoted};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::retry::prepared;
use crate::providers::gcp::labels::is_resource_name;
use crate::providers::gcp::regions::{SUGGESTED, last_segment, region_of};

/// What the API says of a machine type in a zone; asked once.
///
/// # Errors
/// `NotFound` if the zone does not have it.
pub(crate) async fn described(client: &Client, zone: &str, name: &str) -> Result<MachineType> {
    let key = (zone.to_owned(), name.to_owned());
    let known = client
        .known_types
        .lock()
        .ok()
        .and_then(|types| types.get(&key).cloned());
    if let Some(known) = known {
        return Ok(known);
    }
    let (project, types) = (client.project().await?, client.machine_types().await?);
    let answer = client.read("look up the machine type", zone, || {
        let call = types.get().set_project(project).set_zone(zone).set_machine_type(name);
        prepared(call).send()
    });
    let found = answer.await?;
    if let Ok(mut types) = client.known_types.lock() {
        types.insert(key, found.clone());
    }
    Ok(found)
}

/// The first of `zones` that has a type that a user named, and what the API says of it there. Asks one zone after the
/// other: most have most types, and no list has the custom ones.
///
/// # Errors
/// `InvalidSpec` naming the type and the place, with the zones that have it or the types that come near; `Capacity` if
/// another zone of the region has it.
pub(crate) async fn first_with(client: &Client, zones: &[String], name: &str) -> Result<(String, MachineType)> {
    check_name(name)?;
    for zone in zones {
        match described(client, zone, name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            answer => return Ok((zone.clone(), answer?)),
        }
    }
    Err(in_none_of(client, zones, name).await)
}

/// All of `zones` that have it, in the same order.
///
/// # Errors
/// As for [`first_with`].
pub(crate) async fn all_with(client: &Client, zones: &[String], name: &str) -> Result<Vec<String>> {
    check_name(name)?;
    let answers = join_all(zones.iter().map(|zone| described(client, zone, name))).await;
    let mut having = Vec::new();
    for (zone, answer) in zones.iter().zip(answers) {
        match answer {
            Ok(_) => having.push(zone.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    match having.is_empty() {
        true => Err(in_none_of(client, zones, name).await),
        false => Ok(having),
    }
}

fn check_name(name: &str) -> Result<()> {
    // Custom types (`n2-custom-4-8192-ext`) are resource names, too.
    if is_resource_name(name) {
        return Ok(());
    }
    Err(Error::invalid(format!("invalid machine type {} for gcp", quoted(name)))
        .with_remedy("use a type such as e2-small, n2-standard-4 or n2-custom-4-8192"))
}

async fn in_none_of(client: &Client, zones: &[String], name: &str) -> Error {
    let zone = zones.first().map_or("", String::as_str);
    let place = match zones {
        [zone] => format!("zone {zone}"),
        _ => format!("region {}", region_of(zone)),
    };
    let message = format!("the {place} has no machine type {}", quoted(name));
    let having = zones_with(client, zone, name).await.unwrap_or_default();
    // Another zone of the region can cure it, as on EC2, which says so in the same way.
    let near: Vec<_> = having
        .iter()
        .filter(|found| region_of(found) == region_of(zone))
        .cloned()
        .collect();
    if !near.is_empty() {
        let remedy = format!(
            "it is in {}; choose with --zone, or let it look with --fallback zone",
            shown(&near)
        );
        return Error::new(ErrorKind::Capacity, message)
            .with_room_in(near)
            .with_remedy(remedy);
    }
    let error = Error::invalid(message);
    if !having.is_empty() {
        return error.with_remedy(format!("it is in {}; choose with --zone", shown(&having)));
    }
    match nearest_in(client, zone, name).await {
        Some(nearest) => error.with_remedy(format!("the nearest are {nearest}")),
        None => error,
    }
}

fn shown(zones: &[String]) -> String {
    const MOST_SHOWN: usize = 5;
    zones.iter().take(MOST_SHOWN).cloned().collect::<Vec<_>>().join(", ")
}

/// The zones where the type is to be had, those of the same region first; nothing if that cannot be told.
async fn zones_with(client: &Client, zone: &str, name: &str) -> Option<Vec<String>> {
    let (project, types) = (client.project().await.ok()?, client.machine_types().await.ok()?);
    let answer: MachineTypeAggregatedList = client
        .read("look for the machine type", "", || {
            let call = types
                .aggregated_list()
                .set_project(project)
                .set_filter(format!("name = \"{name}\""));
            prepared(call.set_max_results(500_u32)).send()
        })
        .await
        .ok()?;
    let having = answer.items.iter().filter(|(_, part)| {
        let mut names = part.machine_types.iter().filter_map(|found| found.name.as_deref());
        names.any(|found| found == name)
    });
    let mut zones: Vec<_> = having.map(|(scope, _)| last_segment(scope).to_owned()).collect();
    zones.sort_by_key(|found| (region_of(found) != region_of(zone), found.clone()));
    Some(zones)
}

/// What the zone has that is called nearly so; nothing if that cannot be told.
async fn nearest_in(client: &Client, zone: &str, name: &str) -> Option<String> {
    let (project, types) = (client.project().await.ok()?, client.machine_types().await.ok()?);
    let answer: MachineTypeList = client
        .read("list the machine types", zone, || {
            prepared(
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
    let nearest = nearest(name, names, SUGGESTED);
    (!nearest.is_empty()).then(|| nearest.join(", "))
}

/// The general-purpose SSD that goes with a family: since the fourth generation, only hyperdisks do.
/// <https://cloud.google.com/compute/docs/machine-resource#machine_type_comparison>
pub(crate) fn default_disk_type(machine_type: &str) -> &'static str {
    let family = family(machine_type);
    let generation = family.chars().find_map(|character| character.to_digit(10));
    let hyperdisk_only = generation.is_some_and(|generation| generation >= 4) || machine_type.starts_with("a3-ultra");
    if hyperdisk_only {
        "hyperdisk-balanced"
    } else {
        "pd-balanced"
    }
}

/// Whether such a machine is stopped when its host is serviced: those with GPUs or TPUs, bare metal, and the families
/// for high-performance computing.
/// <https://cloud.google.com/compute/docs/instances/live-migration-process#limitations>
pub(crate) fn cannot_migrate(machine_type: &MachineType, name: &str) -> bool {
    let family = family(name);
    !machine_type.accelerators.is_empty()
        || matches!(family, "a2" | "a3" | "a4" | "a4x" | "g2" | "g4" | "h3" | "h4d")
        || family.starts_with("ct")
        || name.ends_with("-metal")
}

/// The family that a type's name begins with, such as `n2`.
pub(crate) fn family(name: &str) -> &str {
    name.split('-').next().unwrap_or_default()
}

/// Whether the cloud still recommends a type: it is not marked as on its way out, and its family is not of the first
/// generation. <https://cloud.google.com/compute/docs/machine-resource>
pub(crate) fn is_current(machine_type: &MachineType, name: &str) -> bool {
    let state = machine_type
        .deprecated
        .as_ref()
        .and_then(|status| status.state.as_ref());
    let goes = state.is_some_and(|state| *state != DeprecationState::Active);
    !goes && !matches!(family(name), "n1" | "custom" | "f1" | "g1" | "m1")
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::DeprecationStatus;
    use google_cloud_compute_v1::model::machine_type::Accelerators;

    use super::*;

    #[test]
    fn the_disk_type_follows_the_family() {
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
    fn older_and_deprecated_types_are_not_current() {
        let plain = MachineType::new();
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
    fn machines_that_cannot_migrate() {
        let plain = MachineType::new();
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
        let with_gpu = MachineType::new().set_accelerators([Accelerators::new()]);
        assert!(cannot_migrate(&with_gpu, "new-1"));
    }
}

//! What a region offers: machine types, images and prices.
//!
//! EC2 differs: its create call itself refuses a machine type that a zone lacks, and its GPUs are part of the machine
//! type. Here a GPU may be attached to a machine type, and an image has a path, a family and a project.

pub(super) mod built_in_catalog;
pub(super) mod built_in_machine_types;
pub(super) mod images;
pub(super) mod machine_types;
pub(super) mod prices;

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use google_cloud_compute_v1::model::MachineType as ApiMachineType;

use self::images::IMAGE_SOURCES;
use self::machine_types::to_machine_type;
use super::api::client::{Client, with_call_options};
use super::api::pagination::collect_complete_list;
use super::api::timestamp::parse_time;
use crate::cloud::{Architecture, Image, Location, MachineType, ProviderKind, Result};
use crate::providers::common::image_alias_sources::ImageSource;

/// Lists the machine types that any zone of a region has, each once. `among` limits the list to these names.
///
/// # Errors
/// `InvalidSpec` if there is no such region; those of the calls.
pub(super) async fn list_machine_types(client: &Client, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
    let zones = list_zones(client, region).await?;
    let lists = try_join_all(zones.iter().map(|zone| list_in_zone(client, zone))).await?;
    let mut found = BTreeMap::new();
    for (zone, list) in zones.iter().zip(lists) {
        for api in list {
            let Some(name) = api.name.clone() else { continue };
            if !among.is_empty() && !among.contains(&name) {
                continue;
            }
            found
                .entry(name.clone())
                .or_insert_with(|| to_machine_type(&api, &name));
            // The caller usually goes on to create an instance of one.
            client.known_types.insert((zone.clone(), name), Ok(api));
        }
    }
    Ok(found.into_values().collect())
}

async fn list_zones(client: &Client, region: &str) -> Result<Vec<String>> {
    let Location { region, .. } = client.resolve_location(Some(region), None).await?;
    let zones = client.all_zones().await?.iter();
    Ok(zones
        .filter(|zone| zone.region == region)
        .map(|zone| zone.name.clone())
        .collect())
}

async fn list_in_zone(client: &Client, zone: &str) -> Result<Vec<ApiMachineType>> {
    let (project, types) = (client.project().await?, client.machine_types().await?);
    let fetch_page = |token: Option<String>| {
        client.read("list the machine types", zone, move || {
            let mut request = types.list().set_project(project).set_zone(zone);
            request = request.set_max_results(500_u32).set_or_clear_page_token(token.clone());
            with_call_options(request).send()
        })
    };
    collect_complete_list(fetch_page, zone).await
}

/// Lists the newest images of the aliases, which are the same in every region. An alias without an image is left out.
pub(super) async fn list_images(client: &Client) -> Result<Vec<Image>> {
    let families = IMAGE_SOURCES.iter().flat_map(|source| {
        let family = move |architecture| Some((source, architecture, source.name_for(architecture)?));
        [Architecture::X86_64, Architecture::Arm64]
            .into_iter()
            .filter_map(family)
    });
    let requests =
        families.map(|(source, architecture, family)| find_image_of_alias(client, source, architecture, family));
    Ok(try_join_all(requests).await?.into_iter().flatten().collect())
}

async fn find_image_of_alias(
    client: &Client,
    source: &ImageSource,
    architecture: Architecture,
    family: &str,
) -> Result<Option<Image>> {
    let Some(api) = images::find_newest_of_family(client, source.publisher, family).await? else {
        return Ok(None);
    };
    let created_at = parse_time(api.creation_timestamp.as_ref());
    let resolved = images::to_resolved_image(api, source.publisher, family);
    Ok(Some(Image {
        provider: ProviderKind::Gcp,
        alias: source.alias.to_owned(),
        architecture,
        id: resolved.path,
        name: resolved.name,
        disk_gib: resolved.disk_gib,
        created_at,
    }))
}

//! What a region offers: its machine types, and what the image aliases mean there.

pub(super) mod images;
mod known_types;
pub(super) mod machine_types;
pub(super) mod offline;
pub(super) mod prices;

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use google_cloud_compute_v1::model::{MachineType as ApiMachineType, MachineTypeList};

use self::images::{ALIAS_SOURCES, AliasSource};
use self::machine_types::machine;
use super::api::client::Client;
use super::api::pagination::{Page, all_pages};
use super::api::retry::prepared;
use crate::cloud::{Architecture, Image, Location, MachineType, ProviderKind, Result};

/// The machine types that any zone of a region has, each once. With `among` only those of these names.
///
/// # Errors
/// `InvalidSpec` if there is no such region; those of the calls.
pub(super) async fn machine_types(client: &Client, region: &str, among: &[String]) -> Result<Vec<MachineType>> {
    let zones = zones_of(client, region).await?;
    let lists = try_join_all(zones.iter().map(|zone| in_zone(client, zone))).await?;
    let mut found = BTreeMap::new();
    for (zone, list) in zones.iter().zip(lists) {
        for api in list {
            let Some(name) = api.name.clone() else { continue };
            if !among.is_empty() && !among.contains(&name) {
                continue;
            }
            found.entry(name.clone()).or_insert_with(|| machine(&api, &name));
            // Whoever chooses among them goes on to make one.
            if let Ok(mut known) = client.known_types.lock() {
                known.insert((zone.clone(), name), api);
            }
        }
    }
    Ok(found.into_values().collect())
}

async fn zones_of(client: &Client, region: &str) -> Result<Vec<String>> {
    let Location { region, .. } = client.locate(Some(region), None).await?;
    let zones = client.all_zones().await?.iter();
    Ok(zones
        .filter(|zone| zone.region == region)
        .map(|zone| zone.name.clone())
        .collect())
}

async fn in_zone(client: &Client, zone: &str) -> Result<Vec<ApiMachineType>> {
    let (project, types) = (client.project().await?, client.machine_types().await?);
    let fetch = |token: Option<String>| {
        client.read("list the machine types", zone, move || {
            let call = types.list().set_project(project).set_zone(zone);
            let call = call.set_max_results(500_u32).set_or_clear_page_token(token.clone());
            prepared(call).send()
        })
    };
    all_pages(fetch, |all: &mut Vec<ApiMachineType>, page: MachineTypeList| {
        let next = Page::whole(&page, zone)?;
        all.extend(page.items);
        Ok(next)
    })
    .await
}

/// What the aliases mean now, which is the same in every region; those that are not to be found are left out.
///
/// # Errors
/// Those of the calls.
pub(super) async fn images(client: &Client) -> Result<Vec<Image>> {
    let families = ALIAS_SOURCES.iter().flat_map(|source| {
        let family = move |architecture| Some((source, architecture, source.family(architecture)?));
        [Architecture::X86_64, Architecture::Arm64]
            .into_iter()
            .filter_map(family)
    });
    let asked = families.map(|(source, architecture, family)| of_family(client, source, architecture, family));
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

async fn of_family(
    client: &Client,
    source: &AliasSource,
    architecture: Architecture,
    family: &str,
) -> Result<Option<Image>> {
    let Some(api) = images::newest(client, source.project, family).await? else {
        return Ok(None);
    };
    let created_at = api.creation_timestamp.as_deref().and_then(|time| time.parse().ok());
    let resolved = images::resolved(api, source.project, family);
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

//! Finds disks that outlive their instances.
//!
//! An instance names its disks without their ids, and another disk can have the same name later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use google_cloud_compute_v1::model;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::list::{MAX_FILTER_TERMS, find_by_name};
use crate::cloud::{Disk, Instance, InstanceName, NativeName, OrphanedDisk, Ownership, Result};
use crate::providers::gcp::api::client::{Client, with_call_options};
use crate::providers::gcp::api::pagination::{PAGE_SIZE, collect_complete_list};
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::api::timestamp::parse_time;
use crate::providers::gcp::api::zone_operations;

/// How long to wait until disks are deleted together with their instance.
const DELETION_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(2);
const CONCURRENT_ZONES: usize = 10;
/// How far the creation times of an instance and its disks may differ if one call created them.
const MAX_CREATION_GAP: SignedDuration = SignedDuration::from_mins(5);

/// Finds the disks of terminated instances that still exist. Waits for those that are deleted with their instance.
pub(crate) async fn find_orphaned_disks(client: &Client, gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
    let mut zones: BTreeMap<&str, Vec<(&Instance, &Disk)>> = BTreeMap::new();
    for instance in gone {
        let disks = instance.disks.iter().map(|disk| (instance, disk));
        zones
            .entry(instance.reference.scope.as_str())
            .or_default()
            .extend(disks);
    }
    let searches: Vec<_> = zones
        .into_iter()
        .filter(|(_, disks)| !disks.is_empty())
        .map(|(zone, disks)| find_in_zone(client, zone, disks))
        .collect();
    let found: Vec<Vec<OrphanedDisk>> = stream::iter(searches).buffered(CONCURRENT_ZONES).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn find_in_zone(
    client: &Client,
    zone: &str,
    mut candidates: Vec<(&Instance, &Disk)>,
) -> Result<Vec<OrphanedDisk>> {
    let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
    let existing_disks = loop {
        // Right after many changes the rate limit may refuse another call.
        client.rate_limiter.acquire().await;
        let names: Vec<_> = candidates.iter().map(|(_, disk)| disk.id.as_str()).collect();
        let existing_disks = list_by_names(client, zone, &names).await?;
        candidates.retain(|(_, disk)| existing_disks.contains_key(&disk.id));
        let may_be_deleted_soon = |(instance, disk): &(&Instance, &Disk)| {
            disk.deleted_with_instance
                && existing_disks
                    .get(&disk.id)
                    .is_some_and(|api| !is_used_by_other(api, instance))
        };
        if !candidates.iter().any(may_be_deleted_soon) || start.elapsed() + pause > DELETION_TIMEOUT {
            break existing_disks;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    };
    let mut orphaned = Vec::new();
    for (instance, disk) in candidates {
        if let Some(api) = existing_disks.get(&disk.id)
            && disk_belonged_to_instance(client, zone, api, instance).await?
        {
            orphaned.push(OrphanedDisk {
                instance: instance.reference.clone(),
                id: disk.id.clone(),
            });
        }
    }
    Ok(orphaned)
}

/// Lists the disks with these names that a failed create call left. The call was sent at `since`. Waits until they are
/// deleted, for `timeout` at most.
pub(crate) async fn find_leftover_disks(
    client: &Client,
    zone: &str,
    names: &[InstanceName],
    since: Option<Timestamp>,
    timeout: Duration,
) -> Vec<String> {
    let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
    let names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
    loop {
        let existing_disks = match list_by_names(client, zone, &names).await {
            Ok(disks) => disks,
            Err(error) => {
                tracing::debug!(%error, "no disks could be looked for");
                return Vec::new();
            }
        };
        let unused_disks = existing_disks.into_iter().filter(|(_, disk)| disk.users.is_empty());
        let disks_of_call = unused_disks.filter(|(name, disk)| was_created_by_call(name, disk, since));
        let leftover_names: Vec<String> = disks_of_call.map(|(name, _)| name).collect();
        if leftover_names.is_empty() || start.elapsed() + pause > timeout {
            return leftover_names;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Whether cloudctl created a disk, and, as far as both times are known, around the time of a call.
fn was_created_by_call(name: &str, disk: &model::Disk, sent_at: Option<Timestamp>) -> bool {
    let labels = disk.labels.clone().into_iter().collect();
    let is_managed = Ownership::from_labels(&labels, NativeName::Resource(name)).managed;
    let is_of_that_time = match (creation_time(disk), sent_at) {
        (Some(created_at), Some(sent_at)) => created_at.duration_since(sent_at).abs() < MAX_CREATION_GAP,
        (None, _) | (_, None) => true,
    };
    is_managed && is_of_that_time
}

/// Says whether a disk with the right name belonged to the instance that is gone.
async fn disk_belonged_to_instance(client: &Client, zone: &str, disk: &model::Disk, gone: &Instance) -> Result<bool> {
    if is_used_by_other(disk, gone) {
        return Ok(false);
    }
    let name = gone.reference.native_name.as_deref();
    if !disk.users.is_empty()
        && let Some(name) = name
    {
        let holder = find_by_name(client, zone, name).await?.and_then(|holder| holder.id);
        if holder.is_some_and(|id| id.to_string() != gone.reference.id) {
            return Ok(false);
        }
    }
    // The disk was attached later, or it was created after the end of the instance.
    if let Some(disk_created) = creation_time(disk)
        && let Some(instance_created) = gone.created_at
        && disk_created.duration_since(instance_created) > MAX_CREATION_GAP
        && let Ok(id) = gone.reference.id.parse()
        && let Some(deleted) = zone_operations::find_deletion_time(client, zone, id).await?
    {
        return Ok(disk_created <= deleted);
    }
    Ok(true)
}

fn is_used_by_other(disk: &model::Disk, gone: &Instance) -> bool {
    let name = gone.reference.native_name.as_deref();
    disk.users.iter().any(|user| Some(last_segment(user)) != name)
}

fn creation_time(disk: &model::Disk) -> Option<Timestamp> {
    parse_time(disk.creation_timestamp.as_ref())
}

/// Lists the disks of a zone that have one of these names, by name, in one listing.
async fn list_by_names(client: &Client, zone: &str, names: &[&str]) -> Result<BTreeMap<String, model::Disk>> {
    let (project, disks_client) = (client.project().await?, client.disks().await?);
    let names: BTreeSet<&str> = names.iter().copied().collect();
    let filter = &build_name_filter(&names);
    let fetch_page = |token: Option<String>| {
        client.read("list the disks", zone, move || {
            let request = disks_client
                .list()
                .set_project(project)
                .set_zone(zone)
                .set_max_results(PAGE_SIZE)
                .set_or_clear_filter(filter.clone())
                .set_or_clear_page_token(token.clone());
            with_call_options(request).send()
        })
    };
    let mut disks_by_name = BTreeMap::new();
    for disk in collect_complete_list(fetch_page, zone).await? {
        if let Some(name) = &disk.name
            && names.contains(name.as_str())
        {
            disks_by_name.insert(name.clone(), disk);
        }
    }
    Ok(disks_by_name)
}

/// A filter of the API for disks with these names; `None` if they are too many for a filter.
fn build_name_filter(names: &BTreeSet<&str>) -> Option<String> {
    if names.len() > MAX_FILTER_TERMS {
        return None;
    }
    let terms: Vec<_> = names.iter().map(|name| format!("(name = \"{name}\")")).collect();
    Some(terms.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{InstanceRef, ProviderKind};

    fn gone() -> Instance {
        let mut gone = Instance::with_id_only(ProviderKind::Gcp, "us-central1-a".to_owned(), "7".to_owned());
        gone.reference = InstanceRef {
            native_name: Some("web-1".to_owned()),
            ..gone.reference
        };
        gone
    }

    #[test]
    fn disk_user_differs_from_the_gone_instance() {
        let used_by = |users: &[&str]| {
            let link =
                |user: &&str| format!("https://www.googleapis.com/compute/v1/projects/p/zones/z/instances/{user}");
            model::Disk::new().set_users(users.iter().map(link))
        };
        assert!(!is_used_by_other(&used_by(&[]), &gone()));
        assert!(!is_used_by_other(&used_by(&["web-1"]), &gone()));
        assert!(is_used_by_other(&used_by(&["web-2"]), &gone()));
        assert!(is_used_by_other(&used_by(&["web-1", "web-10"]), &gone()));
    }
}

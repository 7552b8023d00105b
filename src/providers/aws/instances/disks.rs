//! Finds volumes that are left of terminated instances.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Volume, VolumeAttachment, VolumeState};
use tokio::time::{Instant, sleep};

use crate::cloud::{Instance, InstanceRef, OrphanedDisk, Result};
use crate::providers::aws::api::client::Clients;
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::{MAX_FILTER_VALUES, build_filter};

/// How long to wait for volumes that are being deleted: EC2 deletes them after their instance.
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);
const DELETE_PAUSE: Duration = Duration::from_secs(1);

/// Finds the orphaned disks of gone instances; see [`Cleanup::orphaned_disks`](crate::cloud::Cleanup::orphaned_disks).
pub(crate) async fn find_orphaned_disks(clients: &Clients, gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
    let mut regions: BTreeMap<&str, HashMap<&str, &InstanceRef>> = BTreeMap::new();
    for instance in gone {
        let owners = regions.entry(&instance.reference.scope).or_default();
        for disk in &instance.disks {
            owners.insert(&disk.id, &instance.reference);
        }
    }
    let mut orphaned_disks = Vec::new();
    for (region, owners) in regions {
        orphaned_disks.extend(find_in_region(&clients.ec2(region).await, region, &owners).await?);
    }
    Ok(orphaned_disks)
}

async fn find_in_region(
    client: &Client,
    region: &str,
    owners: &HashMap<&str, &InstanceRef>,
) -> Result<Vec<OrphanedDisk>> {
    let started_at = Instant::now();
    loop {
        let volumes = list_volumes(client, region, owners.keys().copied()).await?;
        let remaining: Vec<_> = volumes.iter().filter(|volume| is_orphaned(volume, owners)).collect();
        let is_settled = |volume: &&Volume| volume.state() == Some(&VolumeState::Available);
        if remaining.iter().all(is_settled) || started_at.elapsed() + DELETE_PAUSE > DELETE_TIMEOUT {
            let to_orphaned_disk = |volume: &Volume| {
                let id = volume.volume_id()?;
                Some(OrphanedDisk {
                    instance: (*owners.get(id)?).clone(),
                    id: id.to_owned(),
                })
            };
            return Ok(remaining.into_iter().filter_map(to_orphaned_disk).collect());
        }
        sleep(DELETE_PAUSE).await;
    }
}

/// Whether a volume is orphaned: it is not being deleted, and no other instance uses it. A volume in an unknown state
/// counts as orphaned.
fn is_orphaned(volume: &Volume, owners: &HashMap<&str, &InstanceRef>) -> bool {
    let owner = volume.volume_id().and_then(|id| owners.get(id));
    let owner_id = owner.map(|owner| owner.id.as_str());
    let is_used_by_another = |user: &VolumeAttachment| user.instance_id().is_some() && user.instance_id() != owner_id;
    let is_being_deleted = matches!(volume.state(), Some(VolumeState::Deleting | VolumeState::Deleted));
    !is_being_deleted && !volume.attachments().iter().any(is_used_by_another)
}

/// Lists the volumes with these ids that exist. The ids are a filter, since an unknown id in a filter is no error.
async fn list_volumes<'a>(client: &Client, region: &str, ids: impl Iterator<Item = &'a str>) -> Result<Vec<Volume>> {
    let all_ids: Vec<&str> = ids.collect();
    let mut volumes = Vec::new();
    for ids in all_ids.chunks(MAX_FILTER_VALUES) {
        tracing::debug!(operation = "DescribeVolumes", place = region, "call");
        let call = client.describe_volumes().filters(build_filter("volume-id", ids));
        let answer = call.into_paginator().items().send().try_collect().await;
        volumes.extend(answer.map_err(|error| translate(&error, Call::Read, "cannot look for volumes", region))?);
    }
    Ok(volumes)
}

//! Volumes that outlive their instances. On Compute Engine they are disks with names.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Volume, VolumeState};
use tokio::time::{Instant, sleep};

use crate::cloud::{Instance, InstanceRef, OrphanedDisk, Result};
use crate::providers::aws::api::client::Clients;
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::{MAX_FILTER_VALUES, build_filter};

/// How long volumes are given that are on their way out; EC2 deletes them after their instance.
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);
const DELETE_PAUSE: Duration = Duration::from_secs(1);

/// See [`Provider::surviving_disks`](crate::cloud::Provider::surviving_disks).
pub(crate) async fn find_orphaned_disks(clients: &Clients, gone: &[Instance]) -> Result<Vec<OrphanedDisk>> {
    let mut regions: BTreeMap<&str, HashMap<&str, &InstanceRef>> = BTreeMap::new();
    for instance in gone {
        let owners = regions.entry(&instance.reference.scope).or_default();
        owners.extend(
            instance
                .disks
                .iter()
                .map(|disk| (disk.id.as_str(), &instance.reference)),
        );
    }
    let mut survivors = Vec::new();
    for (region, owners) in regions {
        survivors.extend(find_in_region(&clients.ec2(region).await, region, &owners).await?);
    }
    Ok(survivors)
}

async fn find_in_region(
    client: &Client,
    region: &str,
    owners: &HashMap<&str, &InstanceRef>,
) -> Result<Vec<OrphanedDisk>> {
    let start = Instant::now();
    loop {
        let volumes = list_volumes(client, region, owners.keys().copied()).await?;
        let there: Vec<_> = volumes.iter().filter(|volume| is_orphaned(volume, owners)).collect();
        let is_settled = there
            .iter()
            .all(|volume| volume.state() == Some(&VolumeState::Available));
        if is_settled || start.elapsed() + DELETE_PAUSE > DELETE_TIMEOUT {
            let survivor = |volume: &Volume| {
                let id = volume.volume_id()?;
                Some(OrphanedDisk {
                    instance: (*owners.get(id)?).clone(),
                    id: id.to_owned(),
                })
            };
            return Ok(there.into_iter().filter_map(survivor).collect());
        }
        sleep(DELETE_PAUSE).await;
    }
}

/// Whether it costs on for the instance that had it: it is not on its way out, and nobody else uses it.
fn is_orphaned(volume: &Volume, owners: &HashMap<&str, &InstanceRef>) -> bool {
    let owner = volume.volume_id().and_then(|id| owners.get(id));
    let by_another = |attachment: &aws_sdk_ec2::types::VolumeAttachment| {
        attachment.instance_id().is_some() && attachment.instance_id() != owner.map(|owner| owner.id.as_str())
    };
    let is_going = matches!(volume.state(), Some(VolumeState::Deleting | VolumeState::Deleted));
    !is_going && !volume.attachments().iter().any(by_another)
}

/// Those of these volumes that there are. As a filter, ids that are gone are no error.
async fn list_volumes<'a>(client: &Client, region: &str, ids: impl Iterator<Item = &'a str>) -> Result<Vec<Volume>> {
    let ids: Vec<&str> = ids.collect();
    let mut found = Vec::new();
    for ids in ids.chunks(MAX_FILTER_VALUES) {
        tracing::debug!(operation = "DescribeVolumes", place = region, "call");
        let call = client.describe_volumes().filters(build_filter("volume-id", ids));
        let answer = call.into_paginator().items().send().try_collect().await;
        found.extend(answer.map_err(|error| translate(&error, Call::Read, "cannot look for volumes", region))?);
    }
    Ok(found)
}

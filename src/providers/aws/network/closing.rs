//! Removing the security groups that opened ports to instances that are gone.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::SecurityGroup;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use super::security_group::{OPENINGS, is_gone, is_ours};
use crate::cloud::{self, LABEL_MANAGED, Result};
use crate::providers::aws::api::client::Clients;
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::{FILTER_VALUES, equal, tag_filter};
use crate::providers::aws::instances::list;

/// How long a group is given whose last instances are on their way out: their network interfaces go with them.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);

/// See [`Provider::remove_openings`](crate::cloud::Provider::remove_openings).
pub(crate) async fn remove(clients: &Clients, gone: &[cloud::Instance]) -> Result<Vec<String>> {
    let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for instance in gone {
        let names = instance.openings.iter().map(String::as_str);
        let names = names.filter(|name| name.starts_with(OPENINGS));
        regions.entry(&instance.region).or_default().extend(names);
    }
    let ids: HashSet<&str> = gone.iter().map(|instance| instance.reference.id.as_str()).collect();
    let mut kept = Vec::new();
    for (region, names) in regions {
        if names.is_empty() {
            continue;
        }
        let client = clients.ec2(region).await;
        let deadline = Instant::now() + PATIENCE;
        // Whatever keeps one of them from going, here or in another region, the others go.
        let groups = match groups(&client, region, &names).await {
            Ok(groups) => groups,
            Err(error) => {
                let names: Vec<&str> = names.into_iter().collect();
                let names = names.join(", ");
                kept.push(format!(
                    "the security group {names} in {region} could not be removed: {error}"
                ));
                continue;
            }
        };
        for group in groups {
            let removed = remove_one(&client, region, &group, &ids, deadline).await;
            kept.extend(removed.unwrap_or_else(|error| Some(format!("{error} ({region})"))));
        }
    }
    Ok(kept)
}

/// The groups of these names that are ours. The VPC is part of the name.
async fn groups(client: &Client, region: &str, names: &BTreeSet<&str>) -> Result<Vec<SecurityGroup>> {
    let names: Vec<&str> = names.iter().copied().collect();
    let mut found: Vec<SecurityGroup> = Vec::new();
    for names in names.chunks(FILTER_VALUES) {
        tracing::debug!(operation = "DescribeSecurityGroups", place = region, "call");
        let call = client
            .describe_security_groups()
            .filters(equal("group-name", names))
            .filters(equal(&tag_filter(LABEL_MANAGED), ["true"]));
        let answer: Result<Vec<SecurityGroup>, _> = call.into_paginator().items().send().try_collect().await;
        let groups = answer.map_err(|error| {
            let attempted = "cannot look up the security groups that opened ports";
            translate(&error, Call::Read, attempted, region)
        })?;
        found.extend(groups.into_iter().filter(is_ours));
    }
    Ok(found)
}

/// Deletes a group, or says who uses it still. EC2 itself refuses to delete one that a network interface has.
async fn remove_one(
    client: &Client,
    region: &str,
    group: &SecurityGroup,
    gone: &HashSet<&str>,
    deadline: Instant,
) -> Result<Option<String>> {
    let (Some(id), Some(name)) = (group.group_id(), group.group_name()) else {
        return Ok(None);
    };
    loop {
        tracing::debug!(operation = "DeleteSecurityGroup", place = region, "call");
        let error = match client.delete_security_group().group_id(id).send().await {
            Ok(_) => return Ok(None),
            Err(error) => error,
        };
        if is_gone(error.code()) {
            return Ok(None);
        }
        if error.code() != Some("DependencyViolation") {
            let attempted = format!("cannot delete the security group {name}");
            return Err(translate(&error, Call::Change, attempted, region));
        }
        let users = list::query(client, region, vec![equal("instance.group-id", [id])]).await?;
        let others: Vec<_> = users
            .iter()
            .filter(|user| !user.state.is_gone() && !gone.contains(user.reference.id.as_str()))
            .map(|user| user.reference.id.as_str())
            .collect();
        if others.is_empty() && Instant::now() + PAUSE <= deadline {
            sleep(PAUSE).await;
            continue;
        }
        let why = match others.as_slice() {
            [] if users.is_empty() => "something that is no instance uses it".to_owned(),
            [] => "its last instances are still on their way out".to_owned(),
            [one] => format!("{one} uses it"),
            [one, rest @ ..] => format!("{one} and {} more use it", rest.len()),
        };
        return Ok(Some(format!(
            "the security group {name} ({id}) in {region} stays: {why}"
        )));
    }
}

//! The security groups that open ports: one for each set of ingress rules in a VPC. Instances with the same rules
//! share it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroup, Tag};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::cloud::{self, Error, ErrorKind, ErrorLocation, IngressRule, LABEL_MANAGED, Leftover, ProviderKind, Result};
use crate::providers::aws::api::client::Clients;
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::{MAX_FILTER_VALUES, build_filter, tag_filter_name};
use crate::providers::aws::instances::list;
use crate::providers::aws::tags::{GROUP_NAME_PREFIX, managed_tag_specification};

/// How often a group is looked up that another process is creating or that EC2 does not list yet.
const MAX_ATTEMPTS: u32 = 5;

/// How long to wait for a group whose last instances are being terminated: their network interfaces are deleted with
/// them.
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);
const DELETE_PAUSE: Duration = Duration::from_secs(1);

/// Returns the id of the group for these ingress rules. Creates the group or its missing rules. After an interruption
/// the group costs nothing, and the next run finds it.
///
/// # Errors
/// `AlreadyExists` if a group of that name is not managed; the errors of the calls.
pub(crate) async fn ensure_group(
    client: &Client,
    region: &str,
    vpc: &str,
    ingress_rules: &[IngressRule],
) -> Result<String> {
    let unique_rules: BTreeSet<&IngressRule> = ingress_rules.iter().collect();
    let name = group_name(vpc, &unique_rules);
    for attempt in 1..=MAX_ATTEMPTS {
        let complete_group = match find_group(client, region, vpc, &name).await? {
            // A new group can be listed before its tags.
            Some(group) if !is_managed(&group) => None,
            Some(group) => add_missing_rules(client, region, &group, &unique_rules).await?,
            None => create_group_with_rules(client, region, vpc, &name, &unique_rules).await?,
        };
        if let Some(id) = complete_group {
            return Ok(id);
        }
        if attempt < MAX_ATTEMPTS {
            sleep(Duration::from_millis(500) * attempt).await;
        }
    }
    let error = match find_group(client, region, vpc, &name).await? {
        Some(group) if !is_managed(&group) => foreign_group_error(vpc, &name),
        _ => Error::new(
            ErrorKind::Network,
            format!("cannot use the security group {name} in network {vpc}: another process is changing it"),
        )
        .with_hint("run the same command again"),
    };
    Err(error.at(ErrorLocation::new(ProviderKind::Aws, region)))
}

/// Adds the rules that a group lacks. Returns its id; `None` if another process is changing it.
async fn add_missing_rules(
    client: &Client,
    region: &str,
    group: &SecurityGroup,
    ingress_rules: &BTreeSet<&IngressRule>,
) -> Result<Option<String>> {
    let Some(id) = group.group_id() else {
        return Ok(None);
    };
    let rules = ingress_rules.iter().copied();
    let missing: Vec<_> = rules.filter(|rule| !has_rule(group, rule)).collect();
    let is_complete = add_rules(client, region, id, &missing).await?;
    Ok(is_complete.then(|| id.to_owned()))
}

/// Creates the group. Returns its id; `None` if another process created it first or is changing it.
async fn create_group_with_rules(
    client: &Client,
    region: &str,
    vpc: &str,
    name: &str,
    ingress_rules: &BTreeSet<&IngressRule>,
) -> Result<Option<String>> {
    let Some(id) = create_group(client, region, vpc, name).await? else {
        return Ok(None);
    };
    let rules: Vec<_> = ingress_rules.iter().copied().collect();
    match add_rules(client, region, &id, &rules).await {
        Ok(is_complete) => Ok(is_complete.then_some(id)),
        // The group is new, has no rules, and nothing uses it.
        Err(error) => Err(delete_if_unused(client, region, &id, error).await),
    }
}

/// Checks that the group for these ingress rules is managed, if it exists. Changes nothing.
///
/// # Errors
/// `AlreadyExists` if it is not managed; the errors of the calls.
pub(crate) async fn check_group(client: &Client, region: &str, vpc: &str, ingress_rules: &[IngressRule]) -> Result<()> {
    let name = group_name(vpc, &ingress_rules.iter().collect());
    match find_group(client, region, vpc, &name).await? {
        Some(group) if !is_managed(&group) => {
            Err(foreign_group_error(vpc, &name).at(ErrorLocation::new(ProviderKind::Aws, region)))
        }
        _ => Ok(()),
    }
}

/// Deletes the group of a launch that was refused, if nothing uses it: EC2 refuses to delete a group in use. A run
/// that needs it at the same time creates it again. A group that stays costs nothing, and the returned error names it
/// as a leftover.
pub(crate) async fn delete_if_unused(client: &Client, region: &str, id: &str, launch_error: Error) -> Error {
    tracing::debug!(operation = "DeleteSecurityGroup", place = region, "call");
    match client.delete_security_group().group_id(id).send().await {
        Ok(_) => launch_error,
        // Another instance uses it, or another run deleted it.
        Err(error) if error.code() == Some("DependencyViolation") || is_missing_group_code(error.code()) => {
            launch_error
        }
        Err(error) => {
            tracing::debug!(code = error.code(), "the security group stays");
            launch_error.with_leftover(Leftover::resource(ProviderKind::Aws, region, id))
        }
    }
}

/// Deletes the groups that only gone instances used; returns a message for each that stays. See
/// [`Cleanup::delete_unused_firewall_rules`](crate::cloud::Cleanup::delete_unused_firewall_rules).
pub(crate) async fn delete_unused_groups(clients: &Clients, gone: &[cloud::Instance]) -> Result<Vec<String>> {
    let mut names_by_region: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for instance in gone {
        let names = instance.ingress_rules.iter().map(String::as_str);
        let group_names = names.filter(|name| name.starts_with(GROUP_NAME_PREFIX));
        names_by_region.entry(&instance.region).or_default().extend(group_names);
    }
    let gone_ids: HashSet<&str> = gone.iter().map(|instance| instance.reference.id.as_str()).collect();
    let mut messages = Vec::new();
    for (region, names) in names_by_region {
        if names.is_empty() {
            continue;
        }
        let client = clients.ec2(region).await;
        let deadline = Instant::now() + DELETE_TIMEOUT;
        // A failure for one group does not keep the others from being deleted.
        let groups = match find_managed_groups(&client, region, &names).await {
            Ok(groups) => groups,
            Err(error) => {
                let list = Vec::from_iter(names).join(", ");
                messages.push(format!(
                    "the security group {list} in {region} could not be removed: {error}"
                ));
                continue;
            }
        };
        for group in groups {
            match delete_group(&client, region, &group, &gone_ids, deadline).await {
                Ok(None) => {}
                Ok(Some(message)) => messages.push(message),
                Err(error) => messages.push(format!("{error} ({region})")),
            }
        }
    }
    Ok(messages)
}

/// Whether a code says that a group does not exist, or not yet.
pub(crate) fn is_missing_group_code(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("InvalidGroup.NotFound" | "InvalidGroupId.NotFound" | "InvalidSecurityGroupID.NotFound")
    )
}

/// Whether cloudctl created the group.
pub(crate) fn is_managed(group: &SecurityGroup) -> bool {
    let is_managed_tag = |tag: &Tag| tag.key() == Some(LABEL_MANAGED) && tag.value() == Some("true");
    group.tags().iter().any(is_managed_tag)
}

/// The name of the group for these ingress rules in a VPC. It is the same in every process.
fn group_name(vpc: &str, ingress_rules: &BTreeSet<&IngressRule>) -> String {
    let text: Vec<_> = ingress_rules.iter().map(ToString::to_string).collect();
    let digest = Sha256::digest(format!("{vpc}\n{}", text.join("\n")));
    let digits = hex::encode(&digest[..8]);
    format!("{GROUP_NAME_PREFIX}{digits}")
}

fn foreign_group_error(vpc: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("the security group {name} in network {vpc} is not cloudctl's: it has no tag {LABEL_MANAGED}=true"),
    )
    .with_hint("rename or delete that group, or open the ports with a group of your own and --firewall")
}

async fn find_group(client: &Client, region: &str, vpc: &str, name: &str) -> Result<Option<SecurityGroup>> {
    tracing::debug!(operation = "DescribeSecurityGroups", place = region, "call");
    let call = client.describe_security_groups().filters(build_filter("vpc-id", [vpc]));
    let answer = call.filters(build_filter("group-name", [name])).send().await;
    let output = answer.map_err(|error| {
        let failure_prefix = format!("cannot look up the security group {name}");
        translate(&error, Call::Read, failure_prefix, region)
    })?;
    Ok(output.security_groups.unwrap_or_default().into_iter().next())
}

fn has_rule(group: &SecurityGroup, ingress_rule: &IngressRule) -> bool {
    let port = Some(i32::from(ingress_rule.port));
    group.ip_permissions().iter().any(|rule| {
        let ipv4_ranges = rule.ip_ranges().iter().filter_map(IpRange::cidr_ip);
        let mut sources = ipv4_ranges.chain(rule.ipv6_ranges().iter().filter_map(Ipv6Range::cidr_ipv6));
        let is_tcp_port = rule.ip_protocol() == Some("tcp") && rule.from_port() == port && rule.to_port() == port;
        is_tcp_port && sources.any(|source| source == ingress_rule.source)
    })
}

/// Creates the group; `None` if another process created it first.
async fn create_group(client: &Client, region: &str, vpc: &str, name: &str) -> Result<Option<String>> {
    tracing::debug!(operation = "CreateSecurityGroup", place = region, "call");
    let answer = client
        .create_security_group()
        .group_name(name)
        .description("Made by cloudctl: opens ports to instances, and goes with the last of them")
        .vpc_id(vpc)
        .tag_specifications(managed_tag_specification(ResourceType::SecurityGroup))
        .send()
        .await;
    match answer {
        Ok(output) => Ok(output.group_id),
        Err(error) if error.code() == Some("InvalidGroup.Duplicate") => Ok(None),
        // A group whose response was lost costs nothing, and the next run finds it. So the call counts as a read.
        Err(error) => {
            let failure_prefix = "cannot make a security group to open ports";
            Err(translate(&error, Call::Read, failure_prefix, region))
        }
    }
}

/// Adds rules. Returns whether all of them are there; otherwise another process is changing the group, and it must be
/// looked up again.
async fn add_rules(client: &Client, region: &str, id: &str, ingress_rules: &[&IngressRule]) -> Result<bool> {
    if ingress_rules.is_empty() {
        return Ok(true);
    }
    tracing::debug!(operation = "AuthorizeSecurityGroupIngress", place = region, "call");
    let permissions = ingress_rules.iter().map(|rule| to_permission(rule)).collect();
    let call = client.authorize_security_group_ingress().group_id(id);
    match call.set_ip_permissions(Some(permissions)).send().await {
        Ok(_) => Ok(true),
        // One existing rule fails the call for the others.
        Err(error) if error.code() == Some("InvalidPermission.Duplicate") => Ok(ingress_rules.len() == 1),
        Err(error) if is_missing_group_code(error.code()) => Ok(false),
        Err(error) => {
            let failure_prefix = format!("cannot open ports with the security group {id}");
            Err(translate(&error, Call::Read, failure_prefix, region))
        }
    }
}

fn to_permission(ingress_rule: &IngressRule) -> IpPermission {
    let port = i32::from(ingress_rule.port);
    let builder = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
    let is_ipv6 = ingress_rule.source.contains(':');
    let with_source = match is_ipv6 {
        true => builder.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(&ingress_rule.source).build()),
        false => builder.ip_ranges(IpRange::builder().cidr_ip(&ingress_rule.source).build()),
    };
    with_source.build()
}

/// Finds the managed groups with these names. The VPC is part of the name.
async fn find_managed_groups(client: &Client, region: &str, names: &BTreeSet<&str>) -> Result<Vec<SecurityGroup>> {
    let all_names: Vec<&str> = names.iter().copied().collect();
    let mut managed: Vec<SecurityGroup> = Vec::new();
    for names in all_names.chunks(MAX_FILTER_VALUES) {
        tracing::debug!(operation = "DescribeSecurityGroups", place = region, "call");
        let call = client
            .describe_security_groups()
            .filters(build_filter("group-name", names))
            .filters(build_filter(&tag_filter_name(LABEL_MANAGED), ["true"]));
        let answer: Result<Vec<SecurityGroup>, _> = call.into_paginator().items().send().try_collect().await;
        let groups = answer.map_err(|error| {
            let failure_prefix = "cannot look up the security groups that opened ports";
            translate(&error, Call::Read, failure_prefix, region)
        })?;
        managed.extend(groups.into_iter().filter(is_managed));
    }
    Ok(managed)
}

/// Deletes a group, or returns a message about what uses it. EC2 refuses to delete a group that a network interface
/// has.
async fn delete_group(
    client: &Client,
    region: &str,
    group: &SecurityGroup,
    gone_ids: &HashSet<&str>,
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
        if is_missing_group_code(error.code()) {
            return Ok(None);
        }
        if error.code() != Some("DependencyViolation") {
            let failure_prefix = format!("cannot delete the security group {name}");
            return Err(translate(&error, Call::Change, failure_prefix, region));
        }
        let users = list::list_matching(client, region, vec![build_filter("instance.group-id", [id])]).await?;
        let others: Vec<_> = users
            .iter()
            .filter(|user| !user.state.is_gone() && !gone_ids.contains(user.reference.id.as_str()))
            .map(|user| user.reference.id.as_str())
            .collect();
        if others.is_empty() && Instant::now() + DELETE_PAUSE <= deadline {
            sleep(DELETE_PAUSE).await;
            continue;
        }
        let reason = match others.as_slice() {
            [] if users.is_empty() => "something other than an instance uses it".to_owned(),
            [] => "its last instances are still being terminated".to_owned(),
            [one] => format!("{one} uses it"),
            [one, rest @ ..] => format!("{one} and {} more use it", rest.len()),
        };
        return Ok(Some(format!(
            "the security group {name} ({id}) in {region} stays: {reason}"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress_rules(texts: &[&str]) -> Vec<IngressRule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn same_ingress_rules_share_group_in_vpc() {
        let name = |vpc: &str, texts: &[&str]| {
            let ingress_rules = ingress_rules(texts);
            group_name(vpc, &ingress_rules.iter().collect())
        };
        let one = name("vpc-1", &["22", "443/10.0.0.0/8"]);
        assert_eq!(one, name("vpc-1", &["443/10.0.0.0/8", "22", "22/0.0.0.0/0"]));
        assert_ne!(one, name("vpc-2", &["22", "443/10.0.0.0/8"]));
        assert_ne!(one, name("vpc-1", &["22"]));
        assert!(one.starts_with(GROUP_NAME_PREFIX) && one.len() == GROUP_NAME_PREFIX.len() + 16);
    }

    #[test]
    fn group_allows_its_own_ingress_rules() {
        let all = ingress_rules(&["22", "22/::/0", "443/10.0.0.0/8"]);
        let group = SecurityGroup::builder()
            .set_ip_permissions(Some(all.iter().map(to_permission).collect()))
            .build();
        assert!(all.iter().all(|ingress_rule| has_rule(&group, ingress_rule)));
        for other in ingress_rules(&["23", "22/10.0.0.0/8", "443"]) {
            assert!(!has_rule(&group, &other), "{other}");
        }
    }
}

//! The network of a new instance: VPC, subnet and security groups.
//!
//! EC2 has `security_group`, Compute Engine `firewall_rule` and `ingress`: a security group is in one VPC and belongs
//! to instances, a firewall rule applies to a network and to instances with a tag.

pub(super) mod security_group;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, InstanceNetworkInterfaceSpecification, SecurityGroup, Subnet};
use futures_util::future;
use sha2::{Digest, Sha256};

use super::api::error::{Call, NO_DEFAULT_VPC_HINT, translate};
use super::api::filters::build_filter;
use super::catalog::machine_types::find_zones_with_type;
use crate::cloud::{Error, ErrorKind, ErrorLocation, InstanceName, InstanceSpec, ProviderKind, Result, quoted};
use crate::providers::common::lookup_cache::LookupCache;

/// The security group that every VPC has, and that cannot be deleted.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html>
const DEFAULT_GROUP: &str = "default";

/// The resolved network of a spec. Without a subnet EC2 picks a default one.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    pub(super) subnet: Option<String>,
    /// The VPC, if a security group in it is named.
    pub(super) vpc: Option<String>,
    /// The security groups of the spec; empty for the VPC's default one.
    pub(super) groups: Vec<String>,
    public_ip: bool,
}

impl Network {
    /// Builds the network interface, if a subnet is set. Only an interface can say whether there is a public address.
    pub(super) fn build_interface(&self, groups: &[String]) -> Option<InstanceNetworkInterfaceSpecification> {
        let subnet = self.subnet.as_ref()?;
        let interface = InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(subnet)
            .set_groups((!groups.is_empty()).then(|| groups.to_vec()))
            .associate_public_ip_address(self.public_ip)
            .delete_on_termination(true);
        Some(interface.build())
    }
}

/// The networks that were looked up, by everything in a spec that they depend on.
#[derive(Default)]
pub(super) struct NetworkLookups(LookupCache<NetworkKey, Network>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct NetworkKey {
    region: String,
    zone: Option<String>,
    machine_type: String,
    network: Option<String>,
    subnet: Option<String>,
    public_ip: bool,
    firewalls: Vec<String>,
    has_ingress_rules: bool,
    /// The name decides which subnet is picked.
    name_for_subnet: Option<InstanceName>,
}

impl NetworkLookups {
    /// Gives the network of a spec, as [`resolve_network`] finds it.
    pub(super) async fn resolve(&self, client: &Client, spec: &InstanceSpec, machine_type: &str) -> Result<Network> {
        let key = NetworkKey {
            region: spec.location.region.clone(),
            zone: spec.location.zone.clone(),
            machine_type: machine_type.to_owned(),
            network: spec.network.clone(),
            subnet: spec.subnet.clone(),
            public_ip: spec.public_ip,
            firewalls: spec.firewalls.clone(),
            has_ingress_rules: !spec.ingress_rules.is_empty(),
            name_for_subnet: (spec.subnet.is_none() && needs_explicit_subnet(spec)).then(|| spec.name.clone()),
        };
        let look_up = resolve_network(client, spec, machine_type);
        self.0.get_or_look_up(key, look_up).await
    }
}

/// Looks up the network of a spec, and picks a subnet if the spec needs one and names none.
async fn resolve_network(client: &Client, spec: &InstanceSpec, machine_type: &str) -> Result<Network> {
    let region = &spec.location.region;
    let subnet = match &spec.subnet {
        Some(id) => Some(get_subnet(client, spec, id).await?),
        None if needs_explicit_subnet(spec) => Some(pick_subnet(client, spec, machine_type).await?),
        None => None,
    };
    let mut network = Network {
        subnet: subnet.as_ref().and_then(Subnet::subnet_id).map(str::to_owned),
        public_ip: spec.public_ip,
        ..Network::default()
    };
    if spec.firewalls.is_empty() && spec.ingress_rules.is_empty() {
        return Ok(network);
    }
    let vpc = match &subnet {
        // Groups of another VPC, such as the default one, do not fit this subnet.
        Some(subnet) => subnet.vpc_id.clone().ok_or_else(|| unknown_vpc_error(subnet, region))?,
        None => find_default_vpc(client, region).await?,
    };
    network.groups = if spec.firewalls.is_empty() {
        // The default group is named too: a group for ingress rules alone would replace it.
        find_security_groups(client, region, &vpc, &[DEFAULT_GROUP.to_owned()]).await?
    } else {
        find_security_groups(client, region, &vpc, &spec.firewalls).await?
    };
    network.vpc = Some(vpc);
    Ok(network)
}

/// Whether the call must name a subnet. A default subnet gives a public address; an instance without one needs an
/// interface, which needs a subnet.
pub(super) fn needs_explicit_subnet(spec: &InstanceSpec) -> bool {
    spec.network.is_some() || !spec.public_ip
}

/// The filter for the subnets that a spec can use.
pub(super) fn subnet_filter(spec: &InstanceSpec) -> Filter {
    match &spec.network {
        Some(network) => build_filter("vpc-id", [network]),
        None => build_filter("default-for-az", ["true"]),
    }
}

fn unknown_vpc_error(subnet: &Subnet, region: &str) -> Error {
    let id = subnet.subnet_id().unwrap_or_default();
    let message = format!("ec2 does not say which network subnet {id} is in");
    Error::new(ErrorKind::Internal, message).at(ErrorLocation::new(ProviderKind::Aws, region))
}

async fn get_subnet(client: &Client, spec: &InstanceSpec, id: &str) -> Result<Subnet> {
    let region = &spec.location.region;
    tracing::debug!(operation = "DescribeSubnets", place = region, "call");
    let answer = client.describe_subnets().subnet_ids(id).send().await;
    let output = answer.map_err(|error| {
        let failure_prefix = format!("cannot look up subnet {}", quoted(id));
        translate(&error, Call::Read, failure_prefix, region)
    })?;
    let subnet = output.subnets.unwrap_or_default().into_iter().next().ok_or_else(|| {
        Error::invalid(format!("subnet {id} does not exist in {region}"))
            .at(ErrorLocation::new(ProviderKind::Aws, region))
    })?;
    if let Some(network) = &spec.network
        && subnet.vpc_id() != Some(network)
    {
        let vpc = subnet.vpc_id().unwrap_or("another vpc");
        let message = format!("subnet {id} is not in network {network} but in {vpc}");
        return Err(Error::invalid(message));
    }
    if let Some(zone) = &spec.location.zone
        && subnet.availability_zone() != Some(zone)
    {
        let subnet_zone = subnet.availability_zone().unwrap_or("another zone");
        return Err(
            Error::invalid(format!("subnet {id} is not in zone {zone} but in {subnet_zone}"))
                .with_hint("leave the zone out: the subnet decides it"),
        );
    }
    Ok(subnet)
}

/// Picks one of the network's subnets. The same name gives the same subnet.
async fn pick_subnet(client: &Client, spec: &InstanceSpec, machine_type: &str) -> Result<Subnet> {
    let region = &spec.location.region;
    let mut filters = vec![subnet_filter(spec)];
    if let Some(zone) = &spec.location.zone {
        filters.push(build_filter("availability-zone", [zone]));
    }
    let (subnets, zones) = future::try_join(
        list_subnets(client, region, filters),
        find_zones_with_type(client, region, machine_type),
    )
    .await?;
    if subnets.is_empty() {
        return Err(no_subnet_error(spec));
    }
    let offers_type = |subnet: &Subnet| subnet.availability_zone().is_some_and(|zone| zones.contains(zone));
    let usable: Vec<Subnet> = subnets.into_iter().filter(offers_type).collect();
    choose_subnet(usable, spec.name.as_str(), spec.public_ip).ok_or_else(|| {
        let network = spec.network.as_deref().unwrap_or("the default network");
        Error::new(
            ErrorKind::Capacity,
            format!("no zone in which {network} has a subnet offers {machine_type}"),
        )
        .at(ErrorLocation::new(ProviderKind::Aws, region))
    })
}

fn no_subnet_error(spec: &InstanceSpec) -> Error {
    let location = &spec.location;
    let error = match &spec.network {
        Some(network) => Error::invalid(format!(
            "network {network} does not exist or has no subnet in {location}"
        ))
        .with_hint("`aws ec2 describe-vpcs` lists the networks; a subnet can be named with --subnet"),
        None => {
            Error::new(ErrorKind::Refused, format!("{location} has no default subnet")).with_hint(NO_DEFAULT_VPC_HINT)
        }
    };
    error.at(ErrorLocation::new(ProviderKind::Aws, &location.region))
}

/// Chooses a subnet: first those whose setting for public addresses matches, then by a hash of the name and the
/// subnet's id. So a new or removed subnet changes the choice for few names.
fn choose_subnet(subnets: Vec<Subnet>, name: &str, public_ip: bool) -> Option<Subnet> {
    subnets.into_iter().max_by_key(|subnet| {
        let matches_public_ip = subnet.map_public_ip_on_launch() == Some(public_ip);
        let id = subnet.subnet_id().unwrap_or_default();
        let hash: [u8; 32] = Sha256::digest(format!("{name}\n{id}")).into();
        (matches_public_ip, hash)
    })
}

pub(super) async fn list_subnets(client: &Client, region: &str, filters: Vec<Filter>) -> Result<Vec<Subnet>> {
    tracing::debug!(operation = "DescribeSubnets", place = region, "call");
    let call = client.describe_subnets().set_filters(Some(filters));
    let answer: Result<Vec<Subnet>, _> = call.into_paginator().items().send().try_collect().await;
    answer.map_err(|error| translate(&error, Call::Read, "cannot list the subnets", region))
}

async fn find_default_vpc(client: &Client, region: &str) -> Result<String> {
    tracing::debug!(operation = "DescribeVpcs", place = region, "call");
    let call = client.describe_vpcs().filters(build_filter("is-default", ["true"]));
    let answer = call.send().await;
    let output = answer.map_err(|error| translate(&error, Call::Read, "cannot look up the default network", region))?;
    let vpc = output.vpcs.unwrap_or_default().into_iter().find_map(|vpc| vpc.vpc_id);
    vpc.ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("{region} has no default network"))
            .at(ErrorLocation::new(ProviderKind::Aws, region))
            .with_hint(NO_DEFAULT_VPC_HINT)
    })
}

/// Finds the ids of security groups by id or name, all in one VPC.
async fn find_security_groups(client: &Client, region: &str, vpc: &str, requested: &[String]) -> Result<Vec<String>> {
    let (ids, names): (Vec<String>, Vec<String>) =
        requested.iter().cloned().partition(|group| group.starts_with("sg-"));
    let find_by = |filter: &'static str, values: Vec<String>| async move {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        tracing::debug!(operation = "DescribeSecurityGroups", place = region, "call");
        let answer = client
            .describe_security_groups()
            .filters(build_filter("vpc-id", [vpc]))
            .filters(build_filter(filter, values))
            .send()
            .await;
        answer
            .map(|output| output.security_groups.unwrap_or_default())
            .map_err(|error| translate(&error, Call::Read, "cannot look up the security groups", region))
    };
    let (by_id, by_name) = future::try_join(find_by("group-id", ids), find_by("group-name", names)).await?;
    let found: Vec<SecurityGroup> = by_id.into_iter().chain(by_name).collect();
    let mut groups = Vec::with_capacity(requested.len());
    for group in requested {
        let id = found
            .iter()
            .find(|known| known.group_id() == Some(group) || known.group_name() == Some(group))
            .and_then(SecurityGroup::group_id)
            .ok_or_else(|| {
                Error::invalid(format!("security group {group} does not exist in network {vpc}"))
                    .at(ErrorLocation::new(ProviderKind::Aws, region))
                    .with_hint(format!(
                        "`aws ec2 describe-security-groups --region {region} --filters Name=vpc-id,Values={vpc}` \
                         lists them"
                    ))
            })?;
        if !groups.iter().any(|known| known == id) {
            groups.push(id.to_owned());
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn subnet(id: &str, public: bool) -> Subnet {
        Subnet::builder().subnet_id(id).map_public_ip_on_launch(public).build()
    }

    #[test]
    fn same_name_gets_same_subnet_in_any_order() {
        let ids = ["subnet-a", "subnet-b", "subnet-c", "subnet-d"];
        let forth = ids.iter().map(|id| subnet(id, true)).collect();
        let back = ids.iter().rev().map(|id| subnet(id, true)).collect();
        assert_eq!(choose_subnet(forth, "web-1", true), choose_subnet(back, "web-1", true));
        let spread: HashSet<_> = (0..100)
            .filter_map(|number| {
                let subnets = ids.iter().map(|id| subnet(id, true)).collect();
                choose_subnet(subnets, &format!("web-{number}"), true)?.subnet_id
            })
            .collect();
        assert_eq!(spread.len(), ids.len());
    }

    #[test]
    fn subnet_with_matching_public_ip_is_preferred() {
        for name in ["a", "b", "c", "d"] {
            let subnets = vec![subnet("subnet-1", true), subnet("subnet-2", false)];
            assert_eq!(
                choose_subnet(subnets, name, false).unwrap().subnet_id(),
                Some("subnet-2")
            );
        }
    }
}

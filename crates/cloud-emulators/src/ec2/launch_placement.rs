//! Where a launch may go: zone, subnet, network interface, security groups.

use super::errors::{Answer, Refusal};
use super::instance_types::InstanceType;
use super::network::{no_default_vpc, subnet_not_found};
use super::query_protocol::Node;
use super::security_groups;
use super::state::Context;

/// The one network interface that a request may describe. What it shuts out is judged here too, before
/// anything is looked up.
pub fn interface(query: &Node) -> Answer<Option<&Node>> {
    if query.node("SecurityGroup").is_some() && query.get("SubnetId").is_some() {
        return Err(Refusal::combination(
            "The parameter groupName cannot be used with the parameter subnet",
        ));
    }
    let interfaces = query.list("NetworkInterface");
    let [interface] = interfaces.as_slice() else {
        return match interfaces.len() {
            0 => Ok(None),
            _ => Err(Refusal::not_emulated("more than one network interface")),
        };
    };
    if query.get("SubnetId").is_some() {
        return Err(Refusal::combination(
            "Network interfaces and an instance-level subnet ID may not be specified on the same request",
        ));
    }
    if query.node("SecurityGroupId").is_some() || query.node("SecurityGroup").is_some() {
        return Err(Refusal::combination(
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        ));
    }
    match interface.integer("DeviceIndex") {
        Some(0) => Ok(Some(interface)),
        Some(_) => Err(Refusal::value("The primary network interface must have device index 0")),
        None => Err(Refusal::value("Each network interface requires a device index.")),
    }
}

/// The subnet that a request names, for the launch itself and for the scope of its token.
pub fn subnet_id(query: &Node) -> Option<&str> {
    let interface = query.list("NetworkInterface").into_iter().next();
    query.get("SubnetId").or_else(|| interface?.get("SubnetId"))
}

pub fn subnets(context: &mut Context, interface: Option<&Node>, kind: &InstanceType) -> Answer<Vec<String>> {
    let query = context.query;
    let zone = query.get("Placement.AvailabilityZone");
    let region = context.region();
    if let Some(zone) = zone
        && !region.info.zones().any(|known| known.name == zone)
    {
        return Err(Refusal::value(format!("Invalid availability zone: [{zone}]")));
    }
    let named = query.get("SubnetId").or_else(|| interface?.get("SubnetId"));
    if let Some(id) = named {
        let subnet = region.subnets.get(id).ok_or_else(|| subnet_not_found(id))?;
        if zone.is_some_and(|zone| zone != subnet.zone) {
            return Err(Refusal::value(format!(
                "The availability zone of the subnet {id} is {}, not the one requested",
                subnet.zone
            )));
        }
        offered(kind, &subnet.zone)?;
        return Ok(vec![id.to_owned()]);
    }
    let vpc = region.default_vpc().ok_or_else(no_default_vpc)?;
    let mut subnets: Vec<_> = region
        .subnets
        .values()
        .filter(|subnet| subnet.vpc == vpc.id && zone.is_none_or(|zone| zone == subnet.zone))
        .collect();
    if let Some(zone) = zone {
        offered(kind, zone)?;
    }
    subnets.retain(|subnet| kind.is_offered_in_zone(&subnet.zone));
    subnets.sort_by(|one, other| one.zone.cmp(&other.zone));
    if subnets.is_empty() {
        return Err(Refusal::new(
            "MissingInput",
            format!(
                "No subnets found for the default VPC '{}'. Please specify a subnet.",
                vpc.id
            ),
        ));
    }
    Ok(subnets.into_iter().map(|subnet| subnet.id.clone()).collect())
}

fn offered(kind: &InstanceType, zone: &str) -> Answer<()> {
    if kind.is_offered_in_zone(zone) {
        return Ok(());
    }
    Err(Refusal::new(
        "Unsupported",
        format!(
            "Your requested instance type ({}) is not supported in your requested Availability Zone ({zone}). Please \
             retry your request by not specifying an Availability Zone or choosing another.",
            kind.name
        ),
    ))
}

pub fn group_ids(context: &mut Context, interface: Option<&Node>, subnets: &[String]) -> Answer<Vec<String>> {
    let query = context.query;
    let names = query.values("SecurityGroup");
    let mut ids = query.values("SecurityGroupId");
    if let Some(interface) = interface {
        ids = interface.values("SecurityGroupId");
    }
    let region = context.region();
    let vpc = region.subnets[&subnets[0]].vpc.clone();
    let mut chosen = Vec::new();
    for name in names {
        chosen.push(security_groups::find_by_name(region, name)?.id.clone());
    }
    for id in ids {
        let group = security_groups::find(region, id)?;
        if group.vpc != vpc {
            return Err(Refusal::new(
                "InvalidParameter",
                format!(
                    "Security group {id} and subnet {} belong to different networks.",
                    subnets[0]
                ),
            ));
        }
        chosen.push(group.id.clone());
    }
    if chosen.len() > 5 {
        return Err(Refusal::new(
            "SecurityGroupsPerInstanceLimitExceeded",
            "You have exceeded the maximum number of security groups allowed per network interface",
        ));
    }
    if chosen.is_empty() {
        let default = region
            .groups
            .values()
            .find(|group| group.vpc == vpc && group.name == "default");
        chosen.extend(default.map(|group| group.id.clone()));
    }
    Ok(chosen)
}

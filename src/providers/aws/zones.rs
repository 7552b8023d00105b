//! Zones: which there are, which take new instances, and which have a machine type.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AvailabilityZone, AvailabilityZoneState, LocationType};
use futures_util::future;

use super::api::error::{Call, translate};
use super::api::filters::equal;
use super::catalog::images;
use super::network;
use super::regions::unknown;
use crate::cloud::{Error, InstanceSpec, Place, Result};

/// Refuses a zone that the account cannot use.
pub(super) async fn check_zone(client: &Client, region: &str, zone: &str) -> Result<()> {
    let zones = all_zones(client, region).await?;
    let Some(found) = zones.iter().find(|known| known.zone_name() == Some(zone)) else {
        let names = zones
            .iter()
            .filter(|zone| is_enabled(zone))
            .filter_map(AvailabilityZone::zone_name);
        return Err(unknown("zone", zone, names).at(format!("aws/{region}")));
    };
    if is_enabled(found) {
        return Ok(());
    }
    let group = found.group_name().unwrap_or(zone);
    Err(Error::invalid(format!("zone {zone} is not enabled for this account"))
        .at(format!("aws/{region}"))
        .with_remedy(format!(
            "enable it with `aws ec2 modify-availability-zone-group --group-name {group} --opt-in-status opted-in`"
        )))
}

fn is_enabled(zone: &AvailabilityZone) -> bool {
    zone.opt_in_status()
        .is_none_or(|status| status.as_str() != "not-opted-in")
}

async fn all_zones(client: &Client, region: &str) -> Result<Vec<AvailabilityZone>> {
    tracing::debug!(operation = "DescribeAvailabilityZones", place = region, "call");
    let call = client.describe_availability_zones().all_availability_zones(true);
    let answer = call.send().await;
    let output =
        answer.map_err(|error| translate(&error, Call::Read, format!("cannot list the zones of {region}"), region))?;
    Ok(output.availability_zones.unwrap_or_default())
}

/// The zones of the spec's region that have its machine type, from the one on that its name prefers. A subnet is in
/// one zone, so that with one there is nothing to choose; and local zones are for those who name them.
pub(super) async fn zones_for(client: &Client, spec: &InstanceSpec) -> Result<Vec<Place>> {
    let region = &spec.place.region;
    if spec.place.zone.is_some() || spec.subnet.is_some() {
        return Ok(vec![spec.place.clone()]);
    }
    let machine_type = images::machine_type(client, region, spec).await?;
    let (zones, having) = future::try_join(all_zones(client, region), zones_with(client, region, machine_type)).await?;
    let takes_instances = |zone: &&AvailabilityZone| {
        is_enabled(zone)
            && zone.state() == Some(&AvailabilityZoneState::Available)
            && zone.zone_type().is_none_or(|kind| kind == "availability-zone")
    };
    let usable = zones
        .iter()
        .filter(takes_instances)
        .filter_map(AvailabilityZone::zone_name);
    let plugged = zones_with_subnets(client, spec).await?;
    let mut names: Vec<&str> = usable
        .filter(|zone| having.contains(*zone))
        .filter(|zone| plugged.as_ref().is_none_or(|plugged| plugged.contains(*zone)))
        .collect();
    if names.is_empty() {
        return Err(
            Error::invalid(format!("no zone of {region} has the machine type {machine_type}"))
                .at(format!("aws/{region}"))
                .with_remedy("use another --type or --region"),
        );
    }
    names.sort_unstable();
    spec.name.prefer(&mut names);
    let place = |zone: &str| Place {
        region: region.clone(),
        zone: Some(zone.to_owned()),
    };
    Ok(names.into_iter().map(place).collect())
}

/// The zones in which the network has a subnet, where the spec needs one to be picked; `None` where EC2 picks it.
async fn zones_with_subnets(client: &Client, spec: &InstanceSpec) -> Result<Option<HashSet<String>>> {
    let filter = match &spec.network {
        Some(network) => equal("vpc-id", [network]),
        None => equal("default-for-az", ["true"]),
    };
    if spec.network.is_none() && spec.public_ip {
        return Ok(None);
    }
    let subnets = network::subnets(client, &spec.place.region, vec![filter]).await?;
    Ok(Some(
        subnets
            .into_iter()
            .filter_map(|subnet| subnet.availability_zone)
            .collect(),
    ))
}

async fn zones_with(client: &Client, region: &str, machine_type: &str) -> Result<HashSet<String>> {
    tracing::debug!(operation = "DescribeInstanceTypeOfferings", place = region, "call");
    let answer = client
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(equal("instance-type", [machine_type]))
        .send()
        .await;
    let output = answer.map_err(|error| {
        let attempted = format!("cannot tell which zones of {region} have {machine_type}");
        translate(&error, Call::Read, attempted, region)
    })?;
    let offerings = output.instance_type_offerings.unwrap_or_default();
    Ok(offerings.into_iter().filter_map(|offering| offering.location).collect())
}

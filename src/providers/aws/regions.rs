//! Regions and zones: lists them, and checks the ones that users name.
//!
//! An account must enable some regions of AWS before it can use them; Compute Engine has no such regions.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AvailabilityZone, AvailabilityZoneState};
use futures_util::future;

use super::api::client::Clients;
use super::api::error::{Call, translate};
use super::api::filters::build_filter;
use super::api::retry::with_timeout;
use super::catalog::images;
use super::catalog::machine_types::find_zones_with_type;
use super::configuration::partition::Partition;
use super::configuration::region_names::{REGIONS, always_enabled_regions, is_region_shaped, region_of_zone};
use super::network;
use crate::cloud::{
    Error, ErrorKind, ErrorLocation, InstanceSpec, ListScope, Location, ProviderKind, Result, closest, quoted,
    region_given_as_zone_error, zone_given_as_region_error,
};

/// Finds the location for a region, a zone or both that a user named.
pub(super) async fn resolve_location(clients: &Clients, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
    let zone_region = zone.map(|zone| region_of_zone(zone).ok_or_else(|| unknown_zone_error(zone)));
    let zone_region = zone_region.transpose()?;
    let region = match (region, zone_region) {
        (Some(region), Some(zone_region)) if region != zone_region => {
            let zone = zone.unwrap_or_default();
            return Err(Error::invalid(format!("zone {zone} is not in region {region}"))
                .with_hint(format!("use --region {zone_region}, or leave the region out")));
        }
        (Some(region), _) => region.to_owned(),
        (None, Some(zone_region)) => zone_region,
        (None, None) => return Err(Error::invalid("neither a region nor a zone was given")),
    };
    check_region(clients, &region).await.map_err(|error| match zone {
        Some(zone) => error.context(format!("unknown zone {}", quoted(zone))),
        None => error,
    })?;
    if let Some(zone) = zone {
        let check = async {
            match check_zone(&clients.ec2(&region).await, &region, zone).await {
                Err(error) => Err(explain_opt_in(clients, &region, error).await),
                checked => checked,
            }
        };
        with_timeout(
            &region,
            format!("cannot tell whether zone {} exists", quoted(zone)),
            check,
        )
        .await?;
    }
    Ok(Location {
        region,
        zone: zone.map(str::to_owned),
    })
}

/// Lists the regions that the account has enabled.
pub(super) async fn list_scopes(clients: &Clients) -> Result<Vec<ListScope>> {
    let regions = list_regions(clients, false).await?;
    Ok(regions.into_iter().map(ListScope::Region).collect())
}

/// Lists the regions that are certainly enabled, without a call: those of the default region's partition.
pub(super) async fn list_known_scopes(clients: &Clients) -> Vec<ListScope> {
    let default_region = clients.region_for_global_calls().await;
    let regions = always_enabled_regions(&default_region);
    regions
        .into_iter()
        .map(|region| ListScope::Region(region.to_owned()))
        .collect()
}

/// Lists the names of the regions, sorted; with `all`, also of those that the account has not enabled.
pub(super) async fn list_regions(clients: &Clients, all: bool) -> Result<Vec<String>> {
    let region = clients.region_for_global_calls().await;
    tracing::debug!(operation = "DescribeRegions", place = region, "call");
    let call = async {
        let request = clients.ec2(&region).await.describe_regions().all_regions(all);
        let answer = request.send().await;
        answer.map_err(|error| translate(&error, Call::Read, "cannot list the regions", &region))
    };
    let output = with_timeout(&region, "cannot list the regions", call).await?;
    let mut names: Vec<String> = output
        .regions()
        .iter()
        .filter_map(|region| region.region_name().map(str::to_owned))
        .collect();
    names.sort_unstable();
    Ok(names)
}

async fn check_region(clients: &Clients, region: &str) -> Result<()> {
    if REGIONS.contains(&region) {
        return Ok(());
    }
    // A name that cannot be a region is refused without a call, which would need credentials.
    if let Some(own) = region_of_zone(region) {
        return Err(zone_given_as_region_error(region, &own));
    }
    if !is_region_shaped(region) {
        return Err(unknown_name_error("region", region, REGIONS));
    }
    let attempted = format!("cannot tell whether region {} exists", quoted(region));
    let all = list_regions(clients, true)
        .await
        .map_err(|error| error.context(attempted))?;
    if all.iter().any(|known| known == region) {
        return Ok(());
    }
    Err(unknown_name_error("region", region, all.iter().map(String::as_str)))
}

fn unknown_zone_error(zone: &str) -> Error {
    if is_region_shaped(zone) {
        return region_given_as_zone_error(zone, &format!("{zone}a"));
    }
    Error::invalid(format!("unknown zone {}", quoted(zone))).with_hint("write a zone such as us-east-1a")
}

/// The error for an unknown name, with the closest known ones.
pub(super) fn unknown_name_error<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let error = Error::invalid(format!("unknown {what} {}", quoted(name)));
    let nearest = closest(name, known, 6);
    match nearest.is_empty() {
        true => error,
        false => error.with_hint(format!("the nearest are {}", nearest.join(", "))),
    }
}

/// Explains an error of a region that the account has not enabled. Its error code could also mean wrong credentials.
///
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
pub(super) async fn explain_opt_in(clients: &Clients, region: &str, error: Error) -> Error {
    if !matches!(
        error.code(),
        Some("AuthFailure" | "InvalidClientTokenId" | "UnrecognizedClientException")
    ) {
        return error;
    }
    let default_region = clients.region_for_global_calls().await;
    // Every account has enabled the main region of its partition, which knows the others.
    let partition = Partition::of_region(region);
    let asked_region = match default_region == region || Partition::of_region(&default_region) != partition {
        true => partition.main_region(),
        false => &default_region,
    };
    tracing::debug!(operation = "DescribeRegions", place = asked_region, "call");
    let call = clients.ec2(asked_region).await.describe_regions();
    let answer = call.region_names(region).all_regions(true).send().await;
    let is_disabled = answer.is_ok_and(|output| {
        let mut regions = output.regions().iter();
        regions.any(|known| known.region_name() == Some(region) && known.opt_in_status() == Some("not-opted-in"))
    });
    if !is_disabled {
        return error;
    }
    error
        .context(format!("region {region} is not enabled for this account"))
        .with_kind(ErrorKind::PermissionDenied)
        .with_hint(format!(
            "enable it with `aws account enable-region --region-name {region}`, or use another with --region"
        ))
}

/// Refuses a zone that the account cannot use.
pub(super) async fn check_zone(client: &Client, region: &str, zone: &str) -> Result<()> {
    let zones = list_zones(client, region).await?;
    let Some(found) = zones.iter().find(|known| known.zone_name() == Some(zone)) else {
        let names = zones
            .iter()
            .filter(|zone| is_enabled(zone))
            .filter_map(AvailabilityZone::zone_name);
        return Err(unknown_name_error("zone", zone, names).at(ErrorLocation::new(ProviderKind::Aws, region)));
    };
    if is_enabled(found) {
        return Ok(());
    }
    let group = found.group_name().unwrap_or(zone);
    Err(Error::invalid(format!("zone {zone} is not enabled for this account"))
        .at(ErrorLocation::new(ProviderKind::Aws, region))
        .with_hint(format!(
            "enable it with `aws ec2 modify-availability-zone-group --group-name {group} --opt-in-status opted-in`"
        )))
}

fn is_enabled(zone: &AvailabilityZone) -> bool {
    zone.opt_in_status()
        .is_none_or(|status| status.as_str() != "not-opted-in")
}

async fn list_zones(client: &Client, region: &str) -> Result<Vec<AvailabilityZone>> {
    tracing::debug!(operation = "DescribeAvailabilityZones", place = region, "call");
    let call = client.describe_availability_zones().all_availability_zones(true);
    let answer = call.send().await;
    let output =
        answer.map_err(|error| translate(&error, Call::Read, format!("cannot list the zones of {region}"), region))?;
    Ok(output.availability_zones.unwrap_or_default())
}

/// Finds the zones of the spec's region that have its machine type, in the order that the name's hash gives. A subnet
/// is in one zone, so that with a subnet there is one candidate. Local zones are used only if they are named.
pub(super) async fn find_candidate_zones(client: &Client, spec: &InstanceSpec) -> Result<Vec<Location>> {
    let region = &spec.location.region;
    if spec.location.zone.is_some() || spec.subnet.is_some() {
        return Ok(vec![spec.location.clone()]);
    }
    let machine_type = images::choose_machine_type(client, region, spec).await?;
    let (zones, with_type) = future::try_join(
        list_zones(client, region),
        find_zones_with_type(client, region, machine_type),
    )
    .await?;
    let takes_instances = |zone: &&AvailabilityZone| {
        is_enabled(zone)
            && zone.state() == Some(&AvailabilityZoneState::Available)
            && zone.zone_type().is_none_or(|kind| kind == "availability-zone")
    };
    let usable = zones
        .iter()
        .filter(takes_instances)
        .filter_map(AvailabilityZone::zone_name);
    let with_subnets = find_zones_with_subnets(client, spec).await?;
    let mut names: Vec<&str> = usable
        .filter(|zone| with_type.contains(*zone))
        .filter(|zone| {
            with_subnets
                .as_ref()
                .is_none_or(|with_subnets| with_subnets.contains(*zone))
        })
        .collect();
    if names.is_empty() {
        return Err(
            Error::invalid(format!("no zone of {region} has the machine type {machine_type}"))
                .at(ErrorLocation::new(ProviderKind::Aws, region))
                .with_hint("use another --type or --region"),
        );
    }
    names.sort_unstable();
    spec.name.rotate_by_hash(&mut names);
    let location = |zone: &str| Location {
        region: region.clone(),
        zone: Some(zone.to_owned()),
    };
    Ok(names.into_iter().map(location).collect())
}

/// The zones in which the network has a subnet, if the spec needs a subnet; `None` if EC2 picks one.
async fn find_zones_with_subnets(client: &Client, spec: &InstanceSpec) -> Result<Option<HashSet<String>>> {
    let filter = match &spec.network {
        Some(network) => build_filter("vpc-id", [network]),
        None => build_filter("default-for-az", ["true"]),
    };
    if spec.network.is_none() && spec.public_ip {
        return Ok(None);
    }
    let subnets = network::list_subnets(client, &spec.location.region, vec![filter]).await?;
    Ok(Some(
        subnets
            .into_iter()
            .filter_map(|subnet| subnet.availability_zone)
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_name_error_has_closest_names() {
        let error = unknown_name_error("region", "us-esat-1", REGIONS);
        assert_eq!(error.message(), "unknown region \"us-esat-1\"");
        assert!(
            error.hint().unwrap().starts_with("the nearest are us-east-1, us-"),
            "{:?}",
            error.hint()
        );
    }
}

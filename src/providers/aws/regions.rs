//! Regions and zones: lists them, and checks the ones that users name.
//!
//! An account must enable some regions of AWS before it can use them; Compute Engine has no such regions.

use std::collections::HashSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AvailabilityZone, AvailabilityZoneState, Subnet};
use futures_util::future;

use super::api::client::Clients;
use super::api::error::{Call, translate};
use super::api::retry::with_timeout;
use super::catalog::images;
use super::catalog::images::CatalogLookups;
use super::catalog::machine_types::find_zones_with_type;
use super::configuration::partition::Partition;
use super::configuration::region_name_syntax::{REGIONS, always_enabled_regions, is_region_shaped, region_of_zone};
use super::network;
use crate::cloud::{
    Error, ErrorKind, ErrorLocation, InstanceSpec, ListScope, Location, ProviderKind, Result, closest, quoted,
    region_given_as_zone_error, zone_given_as_region_error,
};

/// Finds the location for a region, a zone or both that a user named.
pub(super) async fn resolve_location(clients: &Clients, region: Option<&str>, zone: Option<&str>) -> Result<Location> {
    let Some(zone) = zone else {
        let region = region.ok_or_else(|| Error::invalid("neither a region nor a zone was given"))?;
        if let Some(problem) = find_region_problem(clients, region).await? {
            return Err(problem);
        }
        return Ok(Location::in_region(region));
    };
    let zone_region = region_of_zone(zone).ok_or_else(|| unknown_zone_error(zone))?;
    if let Some(region) = region
        && region != zone_region
    {
        return Err(Error::invalid(format!("zone {zone} is not in region {region}"))
            .with_hint(format!("use --region {zone_region}, or leave the region out")));
    }
    if let Some(problem) = find_region_problem(clients, &zone_region).await? {
        return Err(match region {
            Some(_) => problem,
            None => problem.context(format!("unknown zone {}", quoted(zone))),
        });
    }
    let failure_prefix = format!("cannot tell whether zone {} exists", quoted(zone));
    with_timeout(&zone_region, failure_prefix, async {
        match check_zone(&clients.ec2(&zone_region).await, &zone_region, zone).await {
            Err(error) => Err(explain_opt_in(clients, &zone_region, error).await),
            Ok(()) => Ok(()),
        }
    })
    .await?;
    Ok(Location::in_zone(zone_region, zone))
}

/// Lists the regions that the account has enabled.
pub(super) async fn list_scopes(clients: &Clients) -> Result<Vec<ListScope>> {
    let regions = list_regions(clients, RegionSet::Enabled).await?;
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

/// Which regions a listing has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionSet {
    Enabled,
    /// Also those that the account has not enabled.
    All,
}

/// Lists the names of the regions, sorted.
pub(super) async fn list_regions(clients: &Clients, listed: RegionSet) -> Result<Vec<String>> {
    let failure_prefix = "cannot list the regions";
    let region = clients.region_for_global_calls().await;
    tracing::debug!(operation = "DescribeRegions", place = region, "call");
    let output = with_timeout(&region, failure_prefix, async {
        let request = clients.ec2(&region).await.describe_regions();
        let answer = request.all_regions(listed == RegionSet::All).send().await;
        answer.map_err(|error| translate(&error, Call::Read, failure_prefix, &region))
    })
    .await?;
    let mut names: Vec<String> = output
        .regions()
        .iter()
        .filter_map(|region| region.region_name().map(str::to_owned))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The error for a region that does not exist; `None` for one that does.
async fn find_region_problem(clients: &Clients, region: &str) -> Result<Option<Error>> {
    if REGIONS.contains(&region) {
        return Ok(None);
    }
    // A name that cannot be a region is refused without a call, which would need credentials.
    if let Some(region_of_name) = region_of_zone(region) {
        return Ok(Some(zone_given_as_region_error(region, &region_of_name)));
    }
    if !is_region_shaped(region) {
        return Ok(Some(unknown_name_error("region", region, REGIONS)));
    }
    let regions = list_regions(clients, RegionSet::All)
        .await
        .map_err(|error| error.context(format!("cannot tell whether region {} exists", quoted(region))))?;
    if regions.iter().any(|known| known == region) {
        return Ok(None);
    }
    let names = regions.iter().map(String::as_str);
    Ok(Some(unknown_name_error("region", region, names)))
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
    if nearest.is_empty() {
        return error;
    }
    error.with_hint(format!("the nearest are {}", nearest.join(", ")))
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
    let knows_region = default_region != region && Partition::of_region(&default_region) == partition;
    let asked_region = if knows_region {
        &default_region
    } else {
        partition.main_region
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
    let Some(listed_zone) = zones.iter().find(|known| known.zone_name() == Some(zone)) else {
        let enabled = zones.iter().filter(|known| is_enabled(known));
        let names = enabled.filter_map(AvailabilityZone::zone_name);
        return Err(unknown_name_error("zone", zone, names).at(ErrorLocation::new(ProviderKind::Aws, region)));
    };
    if is_enabled(listed_zone) {
        return Ok(());
    }
    let group = listed_zone.group_name().unwrap_or(zone);
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
pub(super) async fn find_candidate_zones(
    client: &Client,
    lookups: &CatalogLookups,
    spec: &InstanceSpec,
) -> Result<Vec<Location>> {
    let region = &spec.location.region;
    if spec.location.zone.is_some() || spec.subnet.is_some() {
        return Ok(vec![spec.location.clone()]);
    }
    let machine_type = images::choose_machine_type(client, lookups, region, spec).await?;
    let (zones, zones_with_type) = future::try_join(
        list_zones(client, region),
        find_zones_with_type(client, region, machine_type),
    )
    .await?;
    let takes_instances = |zone: &&AvailabilityZone| {
        is_enabled(zone)
            && zone.state() == Some(&AvailabilityZoneState::Available)
            && zone.zone_type().is_none_or(|kind| kind == "availability-zone")
    };
    let usable_zones = zones.iter().filter(takes_instances);
    let mut names: Vec<&str> = usable_zones.filter_map(AvailabilityZone::zone_name).collect();
    names.retain(|zone| zones_with_type.contains(*zone));
    if network::needs_explicit_subnet(spec) {
        let subnets = network::list_subnets(client, region, vec![network::subnet_filter(spec)]).await?;
        let zones_with_subnets: HashSet<&str> = subnets.iter().filter_map(Subnet::availability_zone).collect();
        names.retain(|zone| zones_with_subnets.contains(zone));
    }
    if names.is_empty() {
        return Err(
            Error::invalid(format!("no zone of {region} has the machine type {machine_type}"))
                .at(ErrorLocation::new(ProviderKind::Aws, region))
                .with_hint("use another --type or --region"),
        );
    }
    names.sort_unstable();
    spec.name.rotate_by_hash(&mut names);
    let to_location = |zone: &str| Location::in_zone(region, zone);
    Ok(names.into_iter().map(to_location).collect())
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

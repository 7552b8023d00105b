//! Finds the clouds, regions and zone in which VMs are requested. Never guesses where something costs money.

use std::sync::Arc;

use super::spec_file::merge::SpecFile;
use crate::cloud::{Error, ErrorKind, Location, Provider, Result};
use crate::command_context::Context;
use crate::operations::{ProviderLocation, resolve_region_or_area};
use crate::settings::{ProviderChoice, Source};

/// The clouds on which VMs are requested. A flag overrides the file; the file overrides the rest.
///
/// # Errors
/// `InvalidSpec` if none is named; `Unauthenticated` if any will do and no credentials are found.
pub(super) fn find_providers(file: &SpecFile, context: &Context) -> Result<Vec<Arc<dyn Provider>>> {
    match (&file.provider, &context.settings.providers.source) {
        (Some(ProviderChoice::One(kind)), source) if !matches!(source, Source::Flag(_)) => {
            Ok(vec![context.cloud(*kind)?])
        }
        (Some(ProviderChoice::Any), source) if !matches!(source, Source::Flag(_)) => {
            context.configured_providers_or_error()
        }
        _ => context.providers_for_create(),
    }
}

/// Requested regions or areas, and a requested zone.
#[derive(Clone, Copy, Default)]
pub(super) struct RegionArgs<'a> {
    pub(super) regions: &'a [String],
    pub(super) zone: Option<&'a str>,
}

/// The requested locations, at least one. The first of the flags, the file and the settings that has a region or a zone decides
/// alone. An area means all of its regions. Of several locations the best one is taken.
///
/// # Errors
/// `InvalidSpec` for an unknown location, or if there is none.
pub(super) async fn find_locations(
    providers: &[Arc<dyn Provider>],
    in_file: RegionArgs<'_>,
    context: &mut Context,
) -> Result<Vec<ProviderLocation>> {
    let args = choose_region_args(in_file, context);
    let (regions, zone) = (args.regions.to_vec(), args.zone.map(str::to_owned));
    let args = RegionArgs {
        regions: &regions,
        zone: zone.as_deref(),
    };
    let (mut locations, mut refusals): (Vec<ProviderLocation>, Vec<Error>) = (Vec::new(), Vec::new());
    // A requested provider is not left out only because no location is given.
    let may_leave_out = context.settings.any_provider || !regions.is_empty() || zone.is_some();
    for provider in providers {
        match resolve_region_args(provider.as_ref(), args).await {
            Ok(found) => locations.extend(found.into_iter().map(|location| (Arc::clone(provider), location))),
            Err(error) if may_leave_out && providers.len() > 1 && error.kind() == ErrorKind::InvalidSpec => {
                refusals.push(error)
            }
            Err(error) => return Err(error),
        }
    }
    if locations.is_empty() {
        return Err(refusals
            .into_iter()
            .next()
            .unwrap_or_else(|| Error::invalid("no provider is given")));
    }
    for refusal in refusals {
        context.printer.note(&format!("a provider is left out: {refusal}"));
    }
    Ok(locations)
}

fn choose_region_args<'a>(in_file: RegionArgs<'a>, context: &'a Context) -> RegionArgs<'a> {
    let (regions, zone) = (&context.settings.regions, &context.settings.zone);
    let in_settings = |is_flag: bool| RegionArgs {
        regions: regions
            .value
            .as_deref()
            .filter(|_| matches!(regions.source, Source::Flag(_)) == is_flag)
            .unwrap_or_default(),
        zone: zone
            .value
            .as_deref()
            .filter(|_| matches!(zone.source, Source::Flag(_)) == is_flag),
    };
    let sources = [in_settings(true), in_file, in_settings(false)];
    let first = sources
        .into_iter()
        .find(|args| !args.regions.is_empty() || args.zone.is_some());
    first.unwrap_or_default()
}

/// The requested locations of one cloud.
async fn resolve_region_args(provider: &dyn Provider, args: RegionArgs<'_>) -> Result<Vec<Location>> {
    match (args.regions, args.zone) {
        ([], None) => match provider.default_location().await? {
            Some(home) => Ok(vec![
                provider
                    .resolve_location(Some(&home.region), home.zone.as_deref())
                    .await?,
            ]),
            None => Err(Error::invalid(format!(
                "no region is given for {}, and where a VM goes is never guessed",
                provider.kind()
            ))
            .with_hint("pass -r REGION or -z ZONE, or set one in the cloud's own configuration")),
        },
        ([], zone) => Ok(vec![provider.resolve_location(None, zone).await?]),
        ([region], zone @ Some(_)) => Ok(vec![provider.resolve_location(Some(region), zone).await?]),
        (_, Some(_)) => Err(Error::invalid("several regions are given, and a zone").with_hint("pass one of the two")),
        (regions, None) => resolve_regions(provider, regions).await,
    }
}

/// Resolves the names of regions and areas. Of several names, leaves out those that the cloud does not have.
async fn resolve_regions(provider: &dyn Provider, names: &[String]) -> Result<Vec<Location>> {
    let (mut locations, mut refusal): (Vec<Location>, Option<Error>) = (Vec::new(), None);
    for name in names {
        match resolve_region_or_area(provider, name).await {
            Ok(found) => locations.extend(
                found
                    .into_iter()
                    .filter(|location| !locations.contains(location))
                    .collect::<Vec<_>>(),
            ),
            Err(error) if names.len() > 1 && error.kind() == ErrorKind::InvalidSpec => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refusal {
        Some(refusal) if locations.is_empty() => Err(refusal),
        _ => Ok(locations),
    }
}

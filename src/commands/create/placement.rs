//! Finds the clouds, regions and zone in which VMs are requested. Never guesses where something costs money.

use std::sync::Arc;

use super::spec_file::merge::SpecFile;
use crate::cloud::{Error, ErrorKind, Location, Provider, Result};
use crate::context::Context;
use crate::operations::{ProviderLocation, resolve_region_or_area};
use crate::settings::{ProviderChoice, Source};

/// The clouds to make VMs on. A flag overrides the file; the file overrides the rest.
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

/// The locations to make VMs in, at least one. Flags go before the file, and the file before variables. Who names a region
/// or a zone names the whole location. An area is all of its regions; of several locations the best one is taken.
///
/// # Errors
/// `InvalidSpec` for a place that is not there, or none at all.
pub(super) async fn find_locations(
    providers: &[Arc<dyn Provider>],
    in_file: RegionArgs<'_>,
    context: &mut Context,
) -> Result<Vec<ProviderLocation>> {
    let words = region_args(in_file, context);
    let (regions, zone) = (words.regions.to_vec(), words.zone.map(str::to_owned));
    let words = RegionArgs {
        regions: &regions,
        zone: zone.as_deref(),
    };
    let (mut locations, mut refusals): (Vec<ProviderLocation>, Vec<Error>) = (Vec::new(), Vec::new());
    // A provider that was named is not left out because nothing says where on it.
    let may_lack = context.settings.any_provider || !regions.is_empty() || zone.is_some();
    for provider in providers {
        match locations_on(provider.as_ref(), words).await {
            Ok(found) => locations.extend(found.into_iter().map(|location| (Arc::clone(provider), location))),
            Err(error) if may_lack && providers.len() > 1 && error.kind() == ErrorKind::InvalidSpec => {
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

fn region_args<'a>(in_file: RegionArgs<'a>, context: &'a Context) -> RegionArgs<'a> {
    let (regions, zone) = (&context.settings.regions, &context.settings.zone);
    let named = |is_flag: bool| RegionArgs {
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
    let said = [named(true), in_file, named(false)];
    let first = said
        .into_iter()
        .find(|words| !words.regions.is_empty() || words.zone.is_some());
    first.unwrap_or_default()
}

/// The locations of one cloud.
async fn locations_on(provider: &dyn Provider, words: RegionArgs<'_>) -> Result<Vec<Location>> {
    match (words.regions, words.zone) {
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
        (regions, None) => in_regions(provider, regions).await,
    }
}

/// Regions by name, and all regions of areas. With several, those that the cloud has.
async fn in_regions(provider: &dyn Provider, words: &[String]) -> Result<Vec<Location>> {
    let (mut locations, mut refusal): (Vec<Location>, Option<Error>) = (Vec::new(), None);
    for word in words {
        match resolve_region_or_area(provider, word).await {
            Ok(found) => locations.extend(
                found
                    .into_iter()
                    .filter(|location| !locations.contains(location))
                    .collect::<Vec<_>>(),
            ),
            Err(error) if words.len() > 1 && error.kind() == ErrorKind::InvalidSpec => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refusal {
        Some(refusal) if locations.is_empty() => Err(refusal),
        _ => Ok(locations),
    }
}

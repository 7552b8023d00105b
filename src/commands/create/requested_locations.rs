//! Finds the clouds, regions and zone in which VMs are requested. Never guesses where something costs money.

use std::sync::Arc;

use super::spec_file::merge::SpecFile;
use crate::cloud::{Error, ErrorKind, Location, Provider, Result};
use crate::command_context::Context;
use crate::operations::{ProviderLocation, resolve_region_and_zone, resolve_region_or_area};
use crate::settings::{ProviderChoice, Settings};

/// The clouds on which VMs are requested. A flag overrides the file; the file overrides the rest.
///
/// # Errors
/// `InvalidSpec` if none is named; `Unauthenticated` if any will do and no credentials are found.
pub(super) fn find_providers(file: &SpecFile, context: &Context) -> Result<Vec<Arc<dyn Provider>>> {
    if context.settings.providers.source.is_flag() {
        return context.providers_for_create();
    }
    match file.provider {
        Some(ProviderChoice::One(kind)) => Ok(vec![context.cloud(kind)?]),
        Some(ProviderChoice::Any) => context.configured_providers_or_error(),
        None => context.providers_for_create(),
    }
}

/// Requested regions or areas, and a requested zone.
#[derive(Clone, Copy)]
pub(super) struct RegionArgs<'a> {
    pub(super) regions: &'a [String],
    pub(super) zone: Option<&'a str>,
}

impl RegionArgs<'_> {
    fn is_empty(&self) -> bool {
        self.regions.is_empty() && self.zone.is_none()
    }
}

/// The requested locations, at least one. The first of the flags, the file and the settings that has a region or a zone decides
/// alone. An area means all of its regions. Of several locations the best one is taken.
///
/// A single location may be unchecked if `may_be_unchecked`: [`Instances::prepare`](crate::cloud::Instances::prepare) checks it
/// later, beside other look-ups.
///
/// # Errors
/// `InvalidSpec` for an unknown location, or if there is none.
pub(super) async fn find_locations(
    providers: &[Arc<dyn Provider>],
    in_file: RegionArgs<'_>,
    may_be_unchecked: bool,
    context: &mut Context,
) -> Result<Vec<ProviderLocation>> {
    let args = choose_region_args(in_file, &context.settings);
    if may_be_unchecked
        && let [provider] = providers
        && let Some(location) = parse_location(provider.as_ref(), args).await?
    {
        return Ok(vec![(Arc::clone(provider), location)]);
    }
    let (mut locations, mut refusals): (Vec<ProviderLocation>, Vec<Error>) = (Vec::new(), Vec::new());
    // A requested provider is not left out only because no location is given.
    let may_leave_out = providers.len() > 1 && (context.settings.any_provider || !args.is_empty());
    let mut unknown_names = Vec::new();
    for provider in providers {
        match resolve_region_args(provider.as_ref(), args, &mut unknown_names).await {
            Ok(resolved) => locations.extend(resolved.into_iter().map(|location| (Arc::clone(provider), location))),
            Err(error) if may_leave_out && error.kind() == ErrorKind::InvalidSpec => refusals.push(error),
            Err(error) => return Err(error),
        }
    }
    if locations.is_empty() {
        let first = refusals.into_iter().next();
        return Err(first.unwrap_or_else(|| Error::invalid("no provider is given")));
    }
    // A cloud may lack a region that another one has. A name that none of them knows is a mistake.
    for name in args.regions {
        let mut refusals_of_name = unknown_names.iter().filter(|(unknown, _)| unknown == name);
        if refusals_of_name.clone().count() == providers.len()
            && let Some((_, refusal)) = refusals_of_name.next()
        {
            return Err(refusal.clone());
        }
    }
    for refusal in refusals {
        context.printer.note(&format!("a provider is left out: {refusal}"));
    }
    Ok(locations)
}

fn choose_region_args<'a>(in_file: RegionArgs<'a>, settings: &'a Settings) -> RegionArgs<'a> {
    let in_settings = RegionArgs {
        regions: settings.regions.value.as_deref().unwrap_or_default(),
        zone: settings.zone.value.as_deref(),
    };
    // A location flag leaves no room for variables, so the settings are from flags alone or from variables alone.
    let has_location_flag = settings.regions.source.is_flag() || settings.zone.source.is_flag();
    match has_location_flag || in_file.is_empty() {
        true => in_settings,
        false => in_file,
    }
}

/// The requested location, if there is one and the form of its names says which it is.
async fn parse_location(provider: &dyn Provider, args: RegionArgs<'_>) -> Result<Option<Location>> {
    Ok(match (args.regions, args.zone) {
        ([], None) => match provider.default_location().await? {
            Some(default) => provider.parse_location(Some(&default.region), default.zone.as_deref()),
            None => None,
        },
        ([], zone) => provider.parse_location(None, zone),
        ([region], zone) => provider.parse_location(Some(region), zone),
        _ => None,
    })
}

/// The requested locations of one cloud. Adds the names that it does not know to `unknown_names`.
async fn resolve_region_args(
    provider: &dyn Provider,
    args: RegionArgs<'_>,
    unknown_names: &mut Vec<(String, Error)>,
) -> Result<Vec<Location>> {
    match (args.regions, args.zone) {
        ([], None) => Ok(vec![resolve_default_location(provider).await?]),
        ([], zone) => Ok(vec![provider.resolve_location(None, zone).await?]),
        ([region], zone @ Some(_)) => Ok(vec![resolve_region_and_zone(provider, Some(region), zone).await?]),
        (_, Some(_)) => Err(Error::invalid("several regions are given, and a zone").with_hint("pass either -r or -z")),
        (regions, None) => resolve_regions(provider, regions, unknown_names).await,
    }
}

async fn resolve_default_location(provider: &dyn Provider) -> Result<Location> {
    let Some(default) = provider.default_location().await? else {
        let message = format!("no region is given for {}, and there is no default", provider.kind());
        return Err(
            Error::invalid(message).with_hint("pass -r REGION or -z ZONE, or set one in the cloud's own configuration")
        );
    };
    let zone = default.zone.as_deref();
    provider.resolve_location(Some(&default.region), zone).await
}

/// Resolves the names of regions and areas. Of several names, leaves out those that the cloud does not have, and adds them
/// to `unknown_names`.
async fn resolve_regions(
    provider: &dyn Provider,
    names: &[String],
    unknown_names: &mut Vec<(String, Error)>,
) -> Result<Vec<Location>> {
    let (mut locations, mut refusal): (Vec<Location>, Option<Error>) = (Vec::new(), None);
    for name in names {
        match resolve_region_or_area(provider, name).await {
            Ok(resolved) => {
                for location in resolved {
                    if !locations.contains(&location) {
                        locations.push(location);
                    }
                }
            }
            Err(error) if names.len() > 1 && error.kind() == ErrorKind::InvalidSpec => {
                unknown_names.push((name.clone(), error.clone()));
                refusal = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refusal {
        Some(refusal) if locations.is_empty() => Err(refusal),
        _ => Ok(locations),
    }
}

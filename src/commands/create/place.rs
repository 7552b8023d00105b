//! Where VMs are made: on which cloud, and in which region or zone. Never guessed at a cost.

use std::sync::Arc;

use super::inputs::Request;
use super::spec_file::SpecFile;
use crate::cloud::{Error, Place, Provider, Result};
use crate::context::Context;
use crate::settings::Source;

/// The cloud to make VMs on. A flag overrides the file; the file overrides the rest.
///
/// # Errors
/// `InvalidSpec` if none or several are named.
pub(super) fn provider(file: &SpecFile, context: &Context) -> Result<Arc<dyn Provider>> {
    match (&file.provider, &context.settings.providers.source) {
        (Some(kind), source) if !matches!(source, Source::Flag(_)) => Ok(context.clouds().get(*kind)),
        _ => context.provider_for_create(),
    }
}

/// Flags go before the file, and the file before variables. Who names a region or a zone names the whole place.
///
/// # Errors
/// `InvalidSpec` for a place that is not there, several, or none at all.
pub(super) async fn place(provider: &dyn Provider, request: &Request, context: &Context) -> Result<Place> {
    let (regions, zone) = (&context.settings.regions, &context.settings.zone);
    let named = |is_flag: bool| {
        let regions = regions
            .value
            .as_deref()
            .filter(|_| matches!(regions.source, Source::Flag(_)) == is_flag);
        let zone = zone
            .value
            .as_deref()
            .filter(|_| matches!(zone.source, Source::Flag(_)) == is_flag);
        (regions.unwrap_or_default(), zone)
    };
    let in_file = (request.region.as_slice(), request.zone.as_deref());
    for (regions, zone) in [named(true), in_file, named(false)] {
        match (regions, zone) {
            ([], None) => {}
            ([], zone) => return provider.locate(None, zone).await,
            ([region], zone) => return provider.locate(Some(region), zone).await,
            _ => {
                return Err(
                    Error::invalid("several regions are given, but a VM goes to one").with_remedy("pass one -r")
                );
            }
        }
    }
    match provider.home().await? {
        Some(home) => provider.locate(Some(&home.region), home.zone.as_deref()).await,
        None => Err(Error::invalid(format!(
            "no region is given for {}, and where a VM goes is never guessed",
            provider.kind()
        ))
        .with_remedy("pass -r REGION or -z ZONE, or set one in the cloud's own configuration")),
    }
}

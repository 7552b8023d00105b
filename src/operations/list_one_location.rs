//! Lists one location of a cloud until it ends or stays silent for too long. Also resolves the name of a region or area.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::listing_timeout::{ActiveTimer, IdleTimeout};
use crate::cloud::{
    Area, Error, ErrorKind, ErrorLocation, Gap, Instance, InstanceSink, ListFilter, ListScope, Location, Provider,
    Result, explain_region_word,
};

/// How long a location may send nothing, before its first page and between two pages.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// How many pages in a row may be empty before the location counts as silent. Filters can leave pages empty.
const MAX_EMPTY_PAGES: usize = 100;

/// A listing of one scope of a cloud, and what is known of it so far.
#[derive(Debug)]
pub(super) struct LocationQuery {
    pub(super) scope: ListScope,
    has_instances: AtomicBool,
    /// Whether the cloud has this scope; `None` until the cloud has named its scopes.
    exists: watch::Sender<Option<bool>>,
}

impl LocationQuery {
    /// A listing of a scope that exists.
    pub(super) fn confirmed(scope: ListScope) -> Self {
        Self::new(scope, Some(true))
    }

    /// A listing that starts before the cloud has named its scopes.
    pub(super) fn speculative(scope: ListScope) -> Self {
        Self::new(scope, None)
    }

    fn new(scope: ListScope, exists: Option<bool>) -> Self {
        Self {
            scope,
            has_instances: AtomicBool::new(false),
            exists: watch::Sender::new(exists),
        }
    }

    /// Records whether the cloud has this scope.
    pub(super) fn confirm(&self, exists: bool) {
        self.exists.send_replace(Some(exists));
    }

    /// Whether the cloud has this scope; `None` until that is known.
    pub(super) fn existence(&self) -> Option<bool> {
        *self.exists.borrow()
    }

    /// Waits until it is known whether the cloud has this scope, and says so.
    pub(super) async fn wait_for_existence(&self) -> bool {
        let mut receiver = self.exists.subscribe();
        // The sender is a field of `self`, so it lives long enough.
        let existence = receiver.wait_for(Option::is_some).await;
        existence.is_ok_and(|exists| *exists == Some(true))
    }

    pub(super) fn has_instances(&self) -> bool {
        self.has_instances.load(Ordering::Relaxed)
    }

    fn mark_nonempty(&self) {
        self.has_instances.store(true, Ordering::Relaxed);
    }
}

/// Lists one scope and gives each page to `on_page`.
///
/// # Errors
/// `Network` if the cloud does not answer within the idle timeout; those of the listing.
pub(super) async fn list_with_idle_timeout(
    provider: &dyn Provider,
    query: &LocationQuery,
    filter: &ListFilter,
    timer: &ActiveTimer,
    on_page: &mut (dyn FnMut(Vec<Instance>) + Send),
) -> Result<Vec<Gap>> {
    let timeout = IdleTimeout::start(timer, MAX_SILENCE);
    let mut empty_pages = 0;
    let mut receive = |page: Vec<Instance>| {
        empty_pages = if page.is_empty() { empty_pages + 1 } else { 0 };
        if empty_pages == 0 {
            query.mark_nonempty();
        }
        on_page(page);
        // A location that sends only empty pages counts as silent.
        if empty_pages <= MAX_EMPTY_PAGES {
            timeout.restart();
        }
    };
    let sink = InstanceSink::new(&query.scope, filter, &mut receive);
    run_with_timeout(provider, &query.scope, &timeout, provider.list_into(&sink)).await
}

/// Runs a call about a scope. Its errors name the location.
///
/// # Errors
/// `Network` if it takes too long; those of the call.
pub(super) async fn run_with_idle_timeout<T>(
    provider: &dyn Provider,
    scope: &ListScope,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let timer = ActiveTimer::start();
    run_with_timeout(provider, scope, &IdleTimeout::start(&timer, MAX_SILENCE), call).await
}

async fn run_with_timeout<T>(
    provider: &dyn Provider,
    scope: &ListScope,
    timeout: &IdleTimeout<'_>,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let error = match timeout.run(call).await {
        Some(Ok(result)) => return Ok(result),
        Some(Err(error)) => error,
        None => Error::new(
            ErrorKind::Network,
            format!("no answer within {} s", MAX_SILENCE.as_secs()),
        ),
    };
    Err(error.at_if_unset(match scope {
        ListScope::AllRegions => provider.kind().into(),
        _ => ErrorLocation::new(provider.kind(), scope),
    }))
}

/// Resolves the name of a region, or of an area: then to all regions of the area that the account can use.
///
/// # Errors
/// `InvalidSpec` if there is none; those of listing the regions.
pub async fn resolve_region_or_area(provider: &dyn Provider, name: &str) -> Result<Vec<Location>> {
    let Ok(area) = name.parse::<Area>() else {
        let resolved = provider.resolve_location(Some(name), None).await;
        return match (resolved, explain_region_word(name)) {
            (Ok(location), _) => Ok(vec![location]),
            (Err(error), Some(hint)) if error.kind() == ErrorKind::InvalidSpec => Err(error.with_hint(hint)),
            (Err(error), _) => Err(error),
        };
    };
    let mut regions = provider.regions().await?;
    regions.retain(|region| (provider.info().area_of)(region) == Some(area));
    let new_location = |region| Location { region, zone: None };
    let locations: Vec<_> = regions.into_iter().map(new_location).collect();
    if locations.is_empty() {
        let message = format!("{} has no region in {area} that this account can use", provider.kind());
        return Err(Error::invalid(message).with_hint("name another area, or a region"));
    }
    Ok(locations)
}

/// Resolves a zone, and the region or area that is given with it.
///
/// # Errors
/// `InvalidSpec` if there is no such zone, or if it is not in the region or area.
pub async fn resolve_region_and_zone(
    provider: &dyn Provider,
    region: Option<&str>,
    zone: Option<&str>,
) -> Result<Location> {
    let Some(area) = region.and_then(|region| region.parse::<Area>().ok()) else {
        return provider.resolve_location(region, zone).await;
    };
    let location = provider.resolve_location(None, zone).await?;
    match (provider.info().area_of)(&location.region) == Some(area) {
        true => Ok(location),
        false => {
            let message = format!("zone {location} is in {}, which is not in {area}", location.region);
            Err(Error::invalid(message).with_hint(format!("pass one of the two: -r {area}, or -z {location}")))
        }
    }
}

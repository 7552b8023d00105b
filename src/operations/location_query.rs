//! Asking one location, for as long as it has something to say.
//! Words for places: a region by its name, or an area.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::idle_timeout::{ActiveTimer, IdleTimeout};
use crate::cloud::{
    Area, Error, ErrorKind, ErrorLocation, Gap, Instance, InstanceSink, ListFilter, ListScope, Location, Provider,
    Result,
};

/// How long one location may say nothing, before its first page and between any two.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// So many pages in a row may have nothing on them before a cloud counts as silent: filters can leave pages empty.
const MOST_EMPTY: usize = 100;

/// A location, and what is heard of it while it is being listed.
#[derive(Debug)]
pub(super) struct LocationQuery {
    pub(super) location: ListScope,
    has_instances: AtomicBool,
    /// Whether the cloud has it among its locations; `None` as long as it has not said.
    is_named: watch::Sender<Option<bool>>,
}

impl LocationQuery {
    /// A location of which it is known that there is one.
    pub(super) fn named(location: ListScope) -> Self {
        Self::new(location, Some(true))
    }

    /// A location that is asked before the cloud has named those that it has.
    pub(super) fn early(location: ListScope) -> Self {
        Self::new(location, None)
    }

    fn new(location: ListScope, is_named: Option<bool>) -> Self {
        Self {
            location,
            has_instances: AtomicBool::new(false),
            is_named: watch::Sender::new(is_named),
        }
    }

    /// Says whether the cloud has named it.
    pub(super) fn confirm(&self, is_named: bool) {
        self.is_named.send_replace(Some(is_named));
    }

    /// Whether the cloud has named it; `None` as long as it has named none.
    pub(super) fn is_named(&self) -> Option<bool> {
        *self.is_named.borrow()
    }

    /// Waits until the cloud has named its locations; whether this is one of them.
    pub(super) async fn confirmed_by_cloud(&self) -> bool {
        let mut is_named = self.is_named.subscribe();
        // The sender lives as long as this does.
        let decided = is_named.wait_for(Option::is_some).await;
        decided.is_ok_and(|decided| *decided == Some(true))
    }

    /// Instances were listed.
    pub(super) fn mark_nonempty(&self) {
        self.has_instances.store(true, Ordering::Relaxed);
    }

    /// Whether any were.
    pub(super) fn has_instances(&self) -> bool {
        self.has_instances.load(Ordering::Relaxed)
    }
}

/// Lists one location for as long as it goes on saying something.
pub(super) async fn list_with_idle_timeout(
    provider: &dyn Provider,
    asked: &LocationQuery,
    filter: &ListFilter,
    stopwatch: &ActiveTimer,
    hand_on: &mut (dyn FnMut(Vec<Instance>) + Send),
) -> Result<Vec<Gap>> {
    let silence = IdleTimeout::start(stopwatch, LONGEST_SILENCE);
    let mut empty = 0;
    let mut listen = |page: Vec<Instance>| {
        empty = if page.is_empty() { empty + 1 } else { 0 };
        if empty == 0 {
            asked.mark_nonempty();
        }
        hand_on(page);
        // One that goes on for ever without saying anything might as well be silent.
        if empty <= MOST_EMPTY {
            silence.restart();
        }
    };
    let pages = InstanceSink::new(&asked.location, filter, &mut listen);
    in_time(provider, &asked.location, &silence, provider.list_into(&pages)).await
}

/// Ends a call about a location that is silent for too long; its errors name the place.
///
/// # Errors
/// `Network` after too long a silence; those of the call.
pub(super) async fn within_deadline<T>(
    provider: &dyn Provider,
    location: &ListScope,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let watch = ActiveTimer::start();
    in_time(provider, location, &IdleTimeout::start(&watch, LONGEST_SILENCE), call).await
}

/// Ends a call when its silence has lasted too long; its errors name the place.
async fn in_time<T>(
    provider: &dyn Provider,
    location: &ListScope,
    silence: &IdleTimeout<'_>,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let answer = silence.run(call).await.unwrap_or_else(|| {
        let seconds = LONGEST_SILENCE.as_secs();
        Err(Error::new(ErrorKind::Network, format!("no answer within {seconds} s")))
    });
    answer.map_err(|error| error.at_if_unset(error_location(provider, location)))
}

fn error_location(provider: &dyn Provider, scope: &ListScope) -> ErrorLocation {
    match scope {
        ListScope::AllRegions => provider.kind().into(),
        _ => ErrorLocation::new(provider.kind(), scope),
    }
}

/// The places that a word means on a cloud: the region of that name, or all regions of that area that the account can
/// use.
///
/// # Errors
/// `InvalidSpec` if there is none; those of asking for the regions.
pub async fn resolve_region_or_area(provider: &dyn Provider, word: &str) -> Result<Vec<Location>> {
    let Ok(area) = word.parse::<Area>() else {
        return Ok(vec![provider.resolve_location(Some(word), None).await?]);
    };
    let regions = provider.regions().await?.into_iter();
    let places: Vec<_> = regions
        .filter(|region| (provider.info().area_of)(region) == Some(area))
        .map(|region| Location { region, zone: None })
        .collect();
    if places.is_empty() {
        let message = format!("{} has no region in {area} that this account can use", provider.kind());
        return Err(Error::invalid(message).with_hint("name another area, or a region"));
    }
    Ok(places)
}

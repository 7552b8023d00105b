//! Asking every location of every cloud at once, and knowing what did not answer.
//! Asking the whole of a cloud: the locations that every account has at once, and the others as soon as the cloud has
//! named them.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::idle_timeout::ActiveTimer;
use super::location_query::{LocationQuery, list_with_idle_timeout, resolve_region_or_area, within_deadline};
use crate::cloud::{Error, ErrorKind, Gap, Instance, ListFilter, ListScope, Provider, Result, SkippedCloud};

/// Which parts of the clouds are asked.
#[derive(Clone, Debug, Default)]
pub struct RegionSelection {
    /// These regions, and those of these areas; empty is all.
    pub regions: Vec<String>,
    /// This zone.
    pub zone: Option<String>,
}

impl RegionSelection {
    fn is_everything(&self) -> bool {
        self.regions.is_empty() && self.zone.is_none()
    }
}

/// What was found, and what is missing.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Every instance of every location that answered.
    pub instances: Vec<Instance>,
    /// The locations that did not answer. With one, the inventory is incomplete.
    pub gaps: Vec<Gap>,
    /// The clouds that were not queried. Another one has the region or zone.
    pub skipped: Vec<SkippedCloud>,
    /// How many locations were asked.
    pub asked: usize,
    /// How many of them answered, wholly or in part.
    pub answered: usize,
}

impl Inventory {
    /// Whether locations were asked and none answered, so that there is nothing to go by.
    pub fn nothing_answered(&self) -> bool {
        self.answered == 0 && !self.gaps.is_empty()
    }

    /// Adds what another inventory found and misses.
    pub(super) fn merge(&mut self, other: Self) {
        self.instances.extend(other.instances);
        self.gaps.extend(other.gaps);
        self.skipped.extend(other.skipped);
        self.asked += other.asked;
        self.answered += other.answered;
    }

    /// What there is to tell of a location that was asked.
    fn of_location(instances: Vec<Instance>, heard: bool, listed: Result<Vec<Gap>, Gap>) -> Self {
        let answered = usize::from(heard || listed.is_ok());
        Self {
            instances,
            gaps: listed.unwrap_or_else(|gap| vec![gap]),
            skipped: Vec::new(),
            asked: 1,
            answered,
        }
    }

    /// What there is to tell of a cloud that would not say which locations it has.
    pub(super) fn for_unanswered_cloud(provider: &dyn Provider, error: Error) -> Self {
        Self {
            gaps: vec![Gap::new(error, provider.kind())],
            asked: 1,
            ..Self::default()
        }
    }
}

/// Lists everything in scope that the filter admits. Locations that fail or fall silent become gaps; they never
/// hold up or hide the rest. Nothing is taken of a location that failed half-way.
///
/// # Errors
/// `InvalidSpec` if no cloud has the region or zone that the scope names.
pub async fn list_all(
    providers: &[Arc<dyn Provider>],
    scope: &RegionSelection,
    filter: &ListFilter,
) -> Result<Inventory> {
    list_all_with_progress(providers, scope, filter, &mut |_| ()).await
}

/// The same; `on_answer` is told of each location, as soon as it has answered, how many instances were found there.
///
/// # Errors
/// As [`list_all`].
pub async fn list_all_with_progress(
    providers: &[Arc<dyn Provider>],
    scope: &RegionSelection,
    filter: &ListFilter,
    on_answer: &mut (dyn FnMut(usize) + Send),
) -> Result<Inventory> {
    let watch = ActiveTimer::start();
    let on_answer = Mutex::new(on_answer);
    let list = async |provider: &dyn Provider, asked: &LocationQuery| {
        let mut instances = Vec::new();
        let mut gather = |page: Vec<Instance>| instances.extend(page);
        let listed = list_with_idle_timeout(provider, asked, filter, &watch, &mut gather).await;
        match &listed {
            Ok(_) if asked.confirmed_by_cloud().await => {
                on_answer.lock().unwrap_or_else(PoisonError::into_inner)(instances.len());
            }
            _ => instances.clear(),
        }
        let gap = |error| Gap::new(error, provider.kind());
        Inventory::of_location(instances, false, listed.map_err(gap))
    };
    let mut inventory = ask_all(providers, scope, &list).await?;
    // The order must not depend on who answered first.
    inventory
        .instances
        .sort_by(|one, other| one.reference.cmp(&other.reference));
    Ok(inventory)
}

/// The same without gathering: each page of each location goes to `on_page` as it comes, in no order, and
/// [`Inventory::instances`] stays empty. What a location gave before it failed stands, and the location is a gap.
/// `None` if `on_page` wanted no more.
///
/// # Errors
/// As [`list_all`].
pub async fn stream_all(
    providers: &[Arc<dyn Provider>],
    scope: &RegionSelection,
    filter: &ListFilter,
    on_page: &mut (dyn FnMut(Vec<Instance>) -> ControlFlow<()> + Send),
) -> Result<Option<Inventory>> {
    let watch = ActiveTimer::start();
    let printing = Mutex::new((on_page, ControlFlow::Continue(())));
    let lock = || printing.lock().unwrap_or_else(PoisonError::into_inner);
    let list = async |provider: &dyn Provider, asked: &LocationQuery| {
        let print = |page: Vec<Instance>| {
            let mut printing = lock();
            if !page.is_empty() && printing.1.is_continue() {
                printing.1 = watch.exclude(|| (printing.0)(page));
            }
        };
        // What is asked before the cloud has named its locations may be none of them.
        let mut held = Vec::new();
        let mut hand_on = |page: Vec<Instance>| match asked.is_named() {
            None => held.push(page),
            Some(true) => held.drain(..).chain([page]).for_each(print),
            Some(false) => {}
        };
        let listed = list_with_idle_timeout(provider, asked, filter, &watch, &mut hand_on).await;
        if asked.confirmed_by_cloud().await {
            held.into_iter().for_each(print);
        }
        let gap = |error| Gap::new(error, provider.kind());
        Inventory::of_location(Vec::new(), asked.has_instances(), listed.map_err(gap))
    };
    let mut asking = pin!(ask_all(providers, scope, &list));
    poll_fn(|task| match asking.as_mut().poll(task) {
        // Nobody waits for the rest.
        _ if lock().1.is_break() => Poll::Ready(Ok(None)),
        answer => answer.map_ok(Some),
    })
    .await
}

/// Asks every location in scope with `list`, all at once, and puts the answers together.
async fn ask_all(
    providers: &[Arc<dyn Provider>],
    scope: &RegionSelection,
    list: &impl AsyncFn(&dyn Provider, &LocationQuery) -> Inventory,
) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    if scope.is_everything() {
        // No cloud waits for another one to say where it is.
        let clouds = providers
            .iter()
            .map(|provider| query_all_locations(provider.as_ref(), list));
        for part in join_all(clouds).await.into_iter().flatten() {
            inventory.merge(part);
        }
        return Ok(inventory);
    }
    let located = join_all(providers.iter().map(|provider| locations_in(provider.as_ref(), scope))).await;
    let mut asked: Vec<(&dyn Provider, ListScope)> = Vec::new();
    // By the region's place in the scope: a region of one cloud is unknown to the others, and a mistake only if it is
    // unknown to all.
    let mut known = BTreeSet::new();
    let mut refused = Vec::new();
    for (provider, located) in providers.iter().map(Arc::as_ref).zip(located) {
        match located {
            Ok(locations) => {
                for (index, location) in locations {
                    match location {
                        Ok(location) => {
                            known.insert(index);
                            // A zone's region may be named beside it, and a region twice.
                            if !asked
                                .iter()
                                .any(|(one, other)| one.kind() == provider.kind() && *other == location)
                            {
                                asked.push((provider, location));
                            }
                        }
                        Err(error) => refused.push((index, provider.kind(), error)),
                    }
                }
            }
            Err(error) => inventory.merge(Inventory::for_unanswered_cloud(provider, error)),
        }
    }
    for (index, provider, reason) in refused {
        // A cloud that did not answer may know it.
        if !known.contains(&index) && inventory.gaps.is_empty() {
            return Err(reason);
        }
        inventory.skipped.push(SkippedCloud { provider, reason });
    }
    let asked: Vec<_> = asked
        .into_iter()
        .map(|(provider, location)| (provider, LocationQuery::named(location)))
        .collect();
    let listings = asked.iter().map(|(provider, asked)| list(*provider, asked));
    for part in join_all(listings).await {
        inventory.merge(part);
    }
    Ok(inventory)
}

/// The locations of one cloud that the scope names, each with the place of its word in the scope; the refusal of a region
/// that this cloud does not know among them. An area is all of its regions.
async fn locations_in(provider: &dyn Provider, scope: &RegionSelection) -> Result<Vec<(usize, Result<ListScope>)>> {
    let words: Vec<Option<&str>> = match scope.regions.as_slice() {
        [] => vec![None],
        several => several.iter().map(|region| Some(region.as_str())).collect(),
    };
    let mut locations = Vec::new();
    for (position, word) in words.into_iter().enumerate() {
        let found = match (word, scope.zone.as_deref()) {
            (Some(word), None) => resolve_region_or_area(provider, word).await,
            (region, zone) => provider.resolve_location(region, zone).await.map(|place| vec![place]),
        };
        match found {
            Ok(found) => locations.extend(found.iter().map(|place| (position, Ok(place.list_scope())))),
            Err(error) if error.kind() == ErrorKind::InvalidSpec => {
                locations.push((position, Err(error.at(provider.kind()))));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(locations)
}

/// Asks every location of a cloud with `list`.
///
/// One that was asked before the cloud named its locations, and is none of them, does not count, whatever it answered:
/// who is first must make no difference.
pub(super) async fn query_all_locations(
    provider: &dyn Provider,
    list: &impl AsyncFn(&dyn Provider, &LocationQuery) -> Inventory,
) -> Vec<Inventory> {
    let ask = |asked: Arc<LocationQuery>| async move {
        let part = list(provider, &asked).await;
        (asked, part)
    };
    // Reading the configuration can take for ever, too, where home is on a network.
    let known = async { Ok(provider.known_list_scopes().await) };
    let known = within_deadline(provider, &ListScope::AllRegions, known)
        .await
        .unwrap_or_default();
    let mut open: Vec<_> = known
        .iter()
        .cloned()
        .map(|known| Arc::new(LocationQuery::early(known)))
        .collect();
    let mut asking: FuturesUnordered<_> = open.iter().cloned().map(ask).collect();
    let mut answers = Vec::new();
    let mut discovery = pin!(within_deadline(
        provider,
        &ListScope::AllRegions,
        provider.list_scopes()
    ));
    let named = loop {
        tokio::select! {
            named = &mut discovery => break named,
            Some(answer) = asking.next() => answers.push(answer),
        }
    };
    let named = named.and_then(|named| match named.is_empty() {
        true => Err(Error::new(
            ErrorKind::Network,
            "it named no region, and there is no such account",
        )),
        false => Ok(named),
    });
    let named: BTreeSet<ListScope> = match named {
        Ok(named) => named.into_iter().collect(),
        Err(error) => {
            open.iter().for_each(|asked| asked.confirm(true));
            answers.extend(asking.collect::<Vec<_>>().await);
            // Whoever failed of the same need not be named: the whole cloud is incomplete.
            let tells_more = |part: &Inventory| part.gaps.iter().any(|gap| gap.error.kind() != error.kind());
            answers.retain(|(asked, part)| part.answered > 0 || asked.has_instances() || tells_more(part));
            let mut parts = in_order(answers);
            parts.push(Inventory::for_unanswered_cloud(provider, error));
            return parts;
        }
    };
    for asked in &open {
        asked.confirm(named.contains(&asked.location));
    }
    for location in named.iter().filter(|location| !known.contains(location)) {
        let asked = Arc::new(LocationQuery::named(location.clone()));
        open.push(Arc::clone(&asked));
        asking.push(ask(asked));
    }
    let counts = |asked: &Arc<LocationQuery>| asked.is_named() == Some(true);
    open.retain(|asked| !answers.iter().any(|(answered, _)| Arc::ptr_eq(answered, asked)));
    while open.iter().any(counts) {
        let Some((asked, part)) = asking.next().await else {
            break;
        };
        open.retain(|open| !Arc::ptr_eq(open, &asked));
        answers.push((asked, part));
    }
    answers.retain(|(asked, _)| counts(asked));
    in_order(answers)
}

/// The answers by their locations: who was first must make no difference.
fn in_order(mut answers: Vec<(Arc<LocationQuery>, Inventory)>) -> Vec<Inventory> {
    answers.sort_by(|(one, _), (other, _)| one.location.cmp(&other.location));
    answers.into_iter().map(|(_, part)| part).collect()
}

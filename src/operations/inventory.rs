//! Asking every location of every cloud at once, and knowing what did not answer.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::future::join_all;

use super::area::places_of;
use super::everywhere::ask_everywhere;
use super::idle_timeout::Stopwatch;
use super::location_query::{Asked, list_in_time};
use crate::cloud::{Error, ErrorKind, Instance, ListFilter, Location, Provider, Result};

/// Which parts of the clouds are asked.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// These regions, and those of these areas; empty is all.
    pub regions: Vec<String>,
    /// This zone.
    pub zone: Option<String>,
}

impl Scope {
    fn is_everything(&self) -> bool {
        self.regions.is_empty() && self.zone.is_none()
    }
}

/// What was found, and what is missing.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Every instance of every location that answered.
    pub instances: Vec<Instance>,
    /// One error for each location that did not answer, with its place. Not empty: the inventory is incomplete.
    pub gaps: Vec<Error>,
    /// Why a cloud was left out: it has no such region or zone, or cannot tell. Another one has it.
    pub left_out: Vec<Error>,
    /// How many locations were asked.
    pub asked: usize,
    /// How many of them answered, wholly or in part.
    pub answered: usize,
}

impl Inventory {
    /// Whether locations were asked and none answered, so that there is nothing to go by.
    pub fn is_blind(&self) -> bool {
        self.answered == 0 && !self.gaps.is_empty()
    }

    /// Adds what another inventory found and misses.
    pub(super) fn merge(&mut self, other: Self) {
        self.instances.extend(other.instances);
        self.gaps.extend(other.gaps);
        self.left_out.extend(other.left_out);
        self.asked += other.asked;
        self.answered += other.answered;
    }

    /// What there is to tell of a location that was asked.
    fn of_location(instances: Vec<Instance>, heard: bool, listed: Result<Vec<Error>>) -> Self {
        let answered = usize::from(heard || listed.is_ok());
        Self {
            instances,
            gaps: listed.unwrap_or_else(|error| vec![error]),
            left_out: Vec::new(),
            asked: 1,
            answered,
        }
    }

    /// What there is to tell of a cloud that would not say which locations it has.
    pub(super) fn of_silent_cloud(provider: &dyn Provider, error: Error) -> Self {
        let location = error
            .location()
            .map_or_else(|| provider.kind().to_string(), str::to_owned);
        Self {
            gaps: vec![error.at(location)],
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
pub async fn take_inventory(providers: &[Arc<dyn Provider>], scope: &Scope, filter: &ListFilter) -> Result<Inventory> {
    watch_inventory(providers, scope, filter, &mut |_| ()).await
}

/// The same; `on_answer` is told of each location, as soon as it has answered, how many instances were found there.
///
/// # Errors
/// As [`take_inventory`].
pub async fn watch_inventory(
    providers: &[Arc<dyn Provider>],
    scope: &Scope,
    filter: &ListFilter,
    on_answer: &mut (dyn FnMut(usize) + Send),
) -> Result<Inventory> {
    let watch = Stopwatch::start();
    let on_answer = Mutex::new(on_answer);
    let list = async |provider: &dyn Provider, asked: &Asked| {
        let mut instances = Vec::new();
        let mut gather = |page: Vec<Instance>| instances.extend(page);
        let listed = list_in_time(provider, asked, filter, &watch, &mut gather).await;
        match &listed {
            Ok(_) if asked.decided().await => {
                on_answer.lock().unwrap_or_else(PoisonError::into_inner)(instances.len());
            }
            _ => instances.clear(),
        }
        Inventory::of_location(instances, false, listed)
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
/// As [`take_inventory`].
pub async fn stream_inventory(
    providers: &[Arc<dyn Provider>],
    scope: &Scope,
    filter: &ListFilter,
    on_page: &mut (dyn FnMut(Vec<Instance>) -> ControlFlow<()> + Send),
) -> Result<Option<Inventory>> {
    let watch = Stopwatch::start();
    let printing = Mutex::new((on_page, ControlFlow::Continue(())));
    let lock = || printing.lock().unwrap_or_else(PoisonError::into_inner);
    let list = async |provider: &dyn Provider, asked: &Asked| {
        let print = |page: Vec<Instance>| {
            let mut printing = lock();
            if !page.is_empty() && printing.1.is_continue() {
                printing.1 = watch.pause(|| (printing.0)(page));
            }
        };
        // What is asked before the cloud has named its locations may be none of them.
        let mut held = Vec::new();
        let mut hand_on = |page: Vec<Instance>| match asked.is_named() {
            None => held.push(page),
            Some(true) => held.drain(..).chain([page]).for_each(print),
            Some(false) => {}
        };
        let listed = list_in_time(provider, asked, filter, &watch, &mut hand_on).await;
        if asked.decided().await {
            held.into_iter().for_each(print);
        }
        Inventory::of_location(Vec::new(), asked.has_instances(), listed)
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
    scope: &Scope,
    list: &impl AsyncFn(&dyn Provider, &Asked) -> Inventory,
) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    if scope.is_everything() {
        // No cloud waits for another one to say where it is.
        let clouds = providers.iter().map(|provider| ask_everywhere(provider.as_ref(), list));
        for part in join_all(clouds).await.into_iter().flatten() {
            inventory.merge(part);
        }
        return Ok(inventory);
    }
    let located = join_all(providers.iter().map(|provider| locations_in(provider.as_ref(), scope))).await;
    let mut asked: Vec<(&dyn Provider, Location)> = Vec::new();
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
                        Err(error) => refused.push((index, error)),
                    }
                }
            }
            Err(error) => inventory.merge(Inventory::of_silent_cloud(provider, error)),
        }
    }
    for (index, error) in refused {
        // A cloud that did not answer may know it.
        if !known.contains(&index) && inventory.gaps.is_empty() {
            return Err(error);
        }
        inventory.left_out.push(error);
    }
    let asked: Vec<_> = asked
        .into_iter()
        .map(|(provider, location)| (provider, Asked::named(location)))
        .collect();
    let listings = asked.iter().map(|(provider, asked)| list(*provider, asked));
    for part in join_all(listings).await {
        inventory.merge(part);
    }
    Ok(inventory)
}

/// The locations of one cloud that the scope names, each with the place of its word in the scope; the refusal of a region
/// that this cloud does not know among them. An area is all of its regions.
async fn locations_in(provider: &dyn Provider, scope: &Scope) -> Result<Vec<(usize, Result<Location>)>> {
    let words: Vec<Option<&str>> = match scope.regions.as_slice() {
        [] => vec![None],
        several => several.iter().map(|region| Some(region.as_str())).collect(),
    };
    let mut locations = Vec::new();
    for (position, word) in words.into_iter().enumerate() {
        let found = match (word, scope.zone.as_deref()) {
            (Some(word), None) => places_of(provider, word).await,
            (region, zone) => provider.locate(region, zone).await.map(|place| vec![place]),
        };
        match found {
            Ok(found) => locations.extend(found.iter().map(|place| (position, Ok(place.location())))),
            Err(error) if error.kind() == ErrorKind::InvalidSpec => {
                locations.push((position, Err(error.at(provider.kind().as_str()))));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(locations)
}

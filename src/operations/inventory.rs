//! Asking every location of every cloud at once, and knowing what did not answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cloud::{Error, ErrorKind, Instance, ListFilter, Listing, Location, Provider, Result};

/// How long one location may take to answer with all its pages.
const LOCATION_DEADLINE: Duration = Duration::from_secs(60);

/// Which parts of the clouds are asked.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// These regions; empty is all.
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

    fn absorb(&mut self, listing: Listing) {
        self.answered += 1;
        self.instances.extend(listing.instances);
        self.gaps.extend(listing.gaps);
    }
}

/// Lists everything in scope that the filter admits. Locations that fail or take too long become gaps; they never
/// hold up or hide the rest.
///
/// # Errors
/// `InvalidSpec` if no cloud has the region or zone that the scope names.
pub async fn take_inventory(providers: &[Arc<dyn Provider>], scope: &Scope, filter: &ListFilter) -> Result<Inventory> {
    let located = join_all(providers.iter().map(|provider| locations_in(provider.as_ref(), scope))).await;
    let mut inventory = Inventory::default();
    let mut asked: Vec<(&Arc<dyn Provider>, Location)> = Vec::new();
    // By the region's place in the scope: a region of one cloud is unknown to the others, and a mistake only if it is
    // unknown to all.
    let mut known = BTreeSet::new();
    let mut refused = Vec::new();
    for (provider, located) in providers.iter().zip(located) {
        match located {
            Ok(locations) => {
                for (index, location) in locations.into_iter().enumerate() {
                    match location {
                        Ok(location) => {
                            known.insert(index);
                            let pair = (provider, location);
                            // A zone's region may be named beside it, and a region twice.
                            if !asked
                                .iter()
                                .any(|(one, other)| one.kind() == pair.0.kind() && *other == pair.1)
                            {
                                asked.push(pair);
                            }
                        }
                        Err(error) => refused.push((index, error)),
                    }
                }
            }
            Err(error) => {
                inventory.asked += 1;
                let location = error
                    .location()
                    .map_or_else(|| provider.kind().to_string(), str::to_owned);
                inventory.gaps.push(error.at(location));
            }
        }
    }
    for (index, error) in refused {
        // A cloud that did not answer may know it.
        if !known.contains(&index) && inventory.gaps.is_empty() {
            return Err(error);
        }
        inventory.left_out.push(error);
    }

    inventory.asked += asked.len();
    let listings = asked
        .iter()
        .map(|(provider, location)| list_in_time(provider.as_ref(), location, filter));
    for listing in join_all(listings).await {
        match listing {
            Ok(listing) => inventory.absorb(listing),
            Err(error) => inventory.gaps.push(error),
        }
    }
    // The order must not depend on who answered first.
    inventory
        .instances
        .sort_by(|one, other| one.reference.cmp(&other.reference));
    Ok(inventory)
}

/// The locations of one cloud that the scope names: one answer for each of its regions, the refusal of a region that
/// this cloud does not know among them.
async fn locations_in(provider: &dyn Provider, scope: &Scope) -> Result<Vec<Result<Location>>> {
    if scope.is_everything() {
        let all = within_deadline(provider, &Location::Everywhere, provider.locations()).await?;
        return Ok(all.into_iter().map(Ok).collect());
    }
    let regions: Vec<Option<&str>> = match scope.regions.as_slice() {
        [] => vec![None],
        several => several.iter().map(|region| Some(region.as_str())).collect(),
    };
    let mut locations = Vec::new();
    for region in regions {
        match provider.locate(region, scope.zone.as_deref()).await {
            Ok(place) => locations.push(Ok(place.location())),
            Err(error) if error.kind() == ErrorKind::InvalidSpec => {
                locations.push(Err(error.at(provider.kind().as_str())));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(locations)
}

async fn list_in_time(provider: &dyn Provider, location: &Location, filter: &ListFilter) -> Result<Listing> {
    let place = place_name(provider, location);
    within_deadline(provider, location, provider.list(location, filter))
        .await
        .map_err(|error| match error.location() {
            Some(_) => error,
            None => error.at(place),
        })
}

async fn within_deadline<T>(
    provider: &dyn Provider,
    location: &Location,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(LOCATION_DEADLINE, call).await.unwrap_or_else(|_| {
        let seconds = LOCATION_DEADLINE.as_secs();
        Err(Error::new(ErrorKind::Network, format!("no answer within {seconds} s")).at(place_name(provider, location)))
    })
}

fn place_name(provider: &dyn Provider, location: &Location) -> String {
    match location {
        Location::Everywhere => provider.kind().to_string(),
        _ => format!("{}/{location}", provider.kind()),
    }
}

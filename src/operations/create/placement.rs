//! Where instances may go: the places that were asked for, and how far to go on from there when they have no room.
//! Where there is room, and what is said where there is none.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;

use super::name_index::format_names;
use super::offers::{CreateRequest, Offer, mark_alternatives, offers_in, sort_offers};
use crate::catalog::Catalog;
use crate::cloud::{
    Area, Error, ErrorKind, ErrorLocation, InstanceName, InstanceSpec, ListScope, Location, Provider, ProviderKind,
    Result,
};

/// How far a create may look for room when the place it prefers has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// To the region's other zones.
    Zone,
    /// To other machine types that have at least as much.
    Type,
    /// To other regions of the same area.
    Region,
    /// To other clouds.
    Provider,
}

impl Fallback {
    /// Every way, in the order of widening.
    pub const ALL: [Self; 4] = [Self::Zone, Self::Type, Self::Region, Self::Provider];

    /// The way's word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Type => "type",
            Self::Region => "region",
            Self::Provider => "provider",
        }
    }
}

/// A cloud, and a place in it.
pub type ProviderLocation = (Arc<dyn Provider>, Location);

/// Where instances may go.
pub struct PlacementScope<'a> {
    /// The places that were asked for.
    pub requested: Vec<ProviderLocation>,
    /// The clouds to go on to.
    pub other_providers: Vec<Arc<dyn Provider>>,
    /// How far to go on.
    pub fallback: Vec<Fallback>,
    /// What is known of machine types and prices.
    pub catalog: &'a Catalog,
}

/// One step after the other outwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlacementStep {
    /// The places that were asked for.
    Requested,
    /// The other regions of their areas.
    Regions,
    /// The other clouds, in the same areas.
    Providers,
}

impl PlacementScope<'_> {
    /// Whether going on in this way is allowed.
    pub fn allows(&self, fallback: Fallback) -> bool {
        self.fallback.contains(&fallback)
    }

    /// The cloud of this kind, if it is within reach.
    pub(crate) fn provider(&self, kind: ProviderKind) -> Option<&Arc<dyn Provider>> {
        let asked = self.requested.iter().map(|(provider, _)| provider);
        asked
            .chain(&self.other_providers)
            .find(|provider| provider.kind() == kind)
    }

    /// The steps that are allowed, in their order.
    pub(crate) fn steps(&self) -> Vec<PlacementStep> {
        let wider = [
            (Fallback::Region, PlacementStep::Regions),
            (Fallback::Provider, PlacementStep::Providers),
        ];
        let wider = wider.into_iter().filter(|(fallback, _)| self.allows(*fallback));
        std::iter::once(PlacementStep::Requested)
            .chain(wider.map(|(_, step)| step))
            .collect()
    }

    /// Everything that a name is looked for in: all that a step may come to.
    ///
    /// # Errors
    /// Those of asking for the regions.
    pub(crate) async fn locations(&self) -> Result<Vec<(Arc<dyn Provider>, ListScope)>> {
        let mut all: Vec<(Arc<dyn Provider>, ListScope)> = Vec::new();
        for step in self.steps() {
            for (provider, place) in self.places(step).await? {
                let location = place.region_scope();
                let is_known =
                    |(known, at): &(Arc<dyn Provider>, ListScope)| known.kind() == provider.kind() && *at == location;
                if !all.iter().any(is_known) {
                    all.push((provider, location));
                }
            }
        }
        merge(all).await
    }

    /// The places of a step.
    async fn places(&self, step: PlacementStep) -> Result<Vec<ProviderLocation>> {
        match step {
            PlacementStep::Requested => Ok(self.requested.clone()),
            PlacementStep::Regions => {
                let mut found = Vec::new();
                let mut seen = Vec::new();
                for (provider, _) in &self.requested {
                    if seen.contains(&provider.kind()) {
                        continue;
                    }
                    seen.push(provider.kind());
                    let others = in_areas(provider, &self.areas()).await?;
                    let is_asked = |place: &Location| {
                        let same = |(asked, at): &ProviderLocation| {
                            asked.kind() == provider.kind() && at.region == place.region
                        };
                        self.requested.iter().any(same)
                    };
                    found.extend(
                        others
                            .into_iter()
                            .filter(|place| !is_asked(place))
                            .map(|place| (Arc::clone(provider), place)),
                    );
                }
                Ok(found)
            }
            PlacementStep::Providers => {
                let mut found = Vec::new();
                for provider in &self.other_providers {
                    let places = in_areas(provider, &self.areas()).await?;
                    found.extend(places.into_iter().map(|place| (Arc::clone(provider), place)));
                }
                Ok(found)
            }
        }
    }

    fn areas(&self) -> Vec<Area> {
        let area = |(provider, place): &ProviderLocation| (provider.info().area_of)(&place.region);
        self.requested.iter().filter_map(area).collect()
    }

    /// The offers of a step, in the order in which they are to be tried.
    ///
    /// # Errors
    /// If no place has one: what kept the first from it. A place that cannot be asked is an error only where it was
    /// asked for.
    pub(crate) async fn offers(&self, step: PlacementStep, wish: &CreateRequest) -> Result<Vec<Offer>> {
        let places = self.places(step).await?;
        let is_compared = places.len() > 1;
        let several = self.allows(Fallback::Type);
        let asked = places
            .iter()
            .map(|(provider, place)| offers_in(provider, place, wish, several, is_compared, self.catalog));
        let (mut offers, mut refusals) = (Vec::new(), Vec::new());
        for answer in join_all(asked).await {
            match answer {
                Ok(found) => offers.extend(found),
                Err(error) if is_compared && is_definite_refusal(error.kind()) => refusals.push(error),
                Err(error) => return Err(error),
            }
        }
        if let (true, Some(_)) = (offers.is_empty(), refusals.first()) {
            return Err(most_specific(refusals));
        }
        if is_compared {
            sort_offers(&mut offers);
        }
        mark_alternatives(&mut offers);
        Ok(offers)
    }
}

/// The offers of the places that were asked for, in the order in which they are to be tried.
///
/// # Errors
/// If no place has one: what kept the first from it; those of any call.
pub async fn offers(reach: &PlacementScope<'_>, wish: &CreateRequest) -> Result<Vec<Offer>> {
    reach.offers(PlacementStep::Requested, wish).await
}

/// Whether what failed is sure to have had no effect and to stay so there, so that another place may be tried.
pub(crate) fn is_definite_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Capacity | ErrorKind::Quota | ErrorKind::InvalidSpec | ErrorKind::Unsupported | ErrorKind::Refused
    )
}

/// Of the reasons why no place fits the one that says most: a price that is too high before a type that is not there.
fn most_specific(refusals: Vec<Error>) -> Error {
    let rank = |error: &Error| match error.kind() {
        ErrorKind::Refused => 0,
        ErrorKind::Quota | ErrorKind::Capacity => 1,
        _ => 2,
    };
    let refusal = refusals.into_iter().min_by_key(rank);
    refusal.unwrap_or_else(|| Error::invalid("no place is left to try"))
}

/// Several regions of a cloud that lists all of itself at once are one listing.
async fn merge(all: Vec<(Arc<dyn Provider>, ListScope)>) -> Result<Vec<(Arc<dyn Provider>, ListScope)>> {
    let mut merged: Vec<(Arc<dyn Provider>, ListScope)> = Vec::new();
    for (provider, location) in &all {
        let own = |(other, _): &&(Arc<dyn Provider>, ListScope)| other.kind() == provider.kind();
        let is_one_of_several = all.iter().filter(own).count() > 1;
        if is_one_of_several && provider.list_scopes().await? == [ListScope::AllRegions] {
            if !merged.iter().any(|(other, _)| other.kind() == provider.kind()) {
                merged.push((Arc::clone(provider), ListScope::AllRegions));
            }
        } else {
            merged.push((Arc::clone(provider), location.clone()));
        }
    }
    Ok(merged)
}

async fn in_areas(provider: &Arc<dyn Provider>, areas: &[Area]) -> Result<Vec<Location>> {
    let regions = provider.regions().await?;
    let is_there = |region: &String| (provider.info().area_of)(region).is_some_and(|area| areas.contains(&area));
    let place = |region| Location { region, zone: None };
    Ok(regions.into_iter().filter(is_there).map(place).collect())
}

/// The zones of an offer's region, the one that was asked for before the others.
pub(crate) async fn candidate_zones(offer: &Offer, spec: &InstanceSpec) -> Result<VecDeque<Location>> {
    let anywhere = InstanceSpec {
        location: Location {
            zone: None,
            ..spec.location.clone()
        },
        ..spec.clone()
    };
    let mut places = offer.provider.candidate_zones(&anywhere).await?;
    if spec.location.zone.is_some() {
        places.retain(|place| *place != spec.location);
        places.insert(0, spec.location.clone());
    }
    Ok(places.into())
}

/// Puts the zones first that, by the cloud's own word, have room.
pub(crate) fn zones_with_capacity_first(places: &mut VecDeque<Location>, room_in: &[String]) {
    let has_room = |place: &Location| place.zone.as_ref().is_some_and(|zone| room_in.contains(zone));
    let (with_room, others): (Vec<_>, Vec<_>) = places.drain(..).partition(has_room);
    places.extend(with_room.into_iter().chain(others));
}

/// Whether a refusal is one of the place and not of the spec: an image, a key or a network that is elsewhere.
pub(crate) fn is_location_specific(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidSpec | ErrorKind::Unsupported)
}

/// A location that could not take an instance, before another location was tried.
#[derive(Clone, Debug)]
pub struct PlacementRefusal {
    /// The location; `None` if no location was chosen yet.
    pub location: Option<ErrorLocation>,
    /// The machine type, where one was selected for the requirements.
    pub machine_type: Option<String>,
    /// Why.
    pub error: Error,
}

impl fmt::Display for PlacementRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(formatter, "{location}")?,
            None => return write!(formatter, "{}", self.error),
        }
        match &self.machine_type {
            Some(machine_type) => write!(formatter, " ({machine_type})"),
            None => Ok(()),
        }
    }
}

/// The error for names for which no location had capacity.
pub(crate) fn no_capacity_error(
    wish: &CreateRequest,
    reach: &PlacementScope<'_>,
    missing: &[InstanceName],
    tried: &[PlacementRefusal],
) -> Error {
    let refusals: Vec<_> = tried.iter().map(ToString::to_string).collect();
    let message = format!(
        "no capacity for {}, tried {}; {}nothing was created",
        format_names(missing),
        refusals.join(", "),
        if wish.spec.members.is_some() { "of these " } else { "" }
    );
    let kind = match tried.last().map(|refusal| refusal.error.kind()) {
        Some(ErrorKind::Quota) => ErrorKind::Quota,
        _ => ErrorKind::Capacity,
    };
    let further: Vec<_> = Fallback::ALL
        .iter()
        .filter(|fallback| !reach.allows(**fallback))
        .map(|fallback| fallback.as_str())
        .collect();
    let mut error = Error::new(kind, message).with_hint(match further.is_empty() {
        true => "ask for less, or try again later".to_owned(),
        false => format!(
            "let it look further with --fallback {}, or ask for less",
            further.join(",")
        ),
    });
    if let Some(code) = tried.iter().rev().find_map(|refusal| refusal.error.code()) {
        error = error.with_code(code);
    }
    error.with_leftovers(tried.iter().flat_map(|refusal| refusal.error.leftovers()))
}

//! Decides where instances are created: the requested locations first, then the fallbacks that the user allows.
//!
//! [`PlacementRules`] says what the user allows. [`PlacementSearch`] gives one [`PlacementTarget`] after another until
//! one of them has capacity.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;

use super::fallback::{EmptyFallback, Fallback};
use super::instances_by_name::{SearchScope, format_names};
use super::offers::{CreateRequest, FoundOffers, Offer, OfferSearch, mark_alternatives, sort_offers};
use crate::catalog::Catalog;
use crate::cloud::{
    Area, Error, ErrorKind, ErrorLocation, InstanceName, InstanceSpec, ListScope, Location, Provider, ProviderKind,
    Result, join_with_or,
};
use crate::shutdown::Shutdown;

/// A cloud and a location in it.
pub type ProviderLocation = (Arc<dyn Provider>, Location);

/// A set of clouds, each with a value such as a location, in the order in which they were added.
struct ProviderSet<T>(Vec<(Arc<dyn Provider>, T)>);

impl<T: PartialEq> ProviderSet<T> {
    fn insert(&mut self, provider: &Arc<dyn Provider>, value: T) {
        let is_same = |(known, other): &(Arc<dyn Provider>, T)| known.kind() == provider.kind() && *other == value;
        if !self.0.iter().any(is_same) {
            self.0.push((Arc::clone(provider), value));
        }
    }
}

/// Each cloud once, in the order of first occurrence.
pub fn deduplicate_providers<'a>(providers: impl IntoIterator<Item = &'a Arc<dyn Provider>>) -> Vec<Arc<dyn Provider>> {
    let mut distinct = ProviderSet(Vec::new());
    for provider in providers {
        distinct.insert(provider, ());
    }
    distinct.0.into_iter().map(|(provider, ())| provider).collect()
}

/// Where instances may be created.
pub struct PlacementRules<'a> {
    /// The requested locations.
    pub requested: Vec<ProviderLocation>,
    /// The clouds for [`Fallback::Provider`].
    pub other_providers: Vec<Arc<dyn Provider>>,
    /// The allowed fallbacks.
    pub fallback: Vec<Fallback>,
    /// Machine types and prices.
    pub catalog: &'a Catalog,
}

/// One step of the search: each one is farther from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlacementStep {
    /// The requested locations.
    Requested,
    /// The other regions of their areas.
    Regions,
    /// The other clouds, in the same areas.
    Providers,
}

impl PlacementRules<'_> {
    /// Whether the user allows this fallback.
    pub fn allows(&self, fallback: Fallback) -> bool {
        self.fallback.contains(&fallback)
    }

    /// The cloud of this kind, if instances may be created there.
    pub(super) fn provider(&self, kind: ProviderKind) -> Option<&Arc<dyn Provider>> {
        let requested = self.requested.iter().map(|(provider, _)| provider);
        requested
            .chain(&self.other_providers)
            .find(|provider| provider.kind() == kind)
    }

    /// Everything that a name is looked up in: all locations that a step may reach.
    ///
    /// # Errors
    /// Those of listing the regions.
    pub(super) async fn list_search_scopes(&self) -> Result<Vec<SearchScope>> {
        let mut scopes = ProviderSet(Vec::new());
        for step in self.allowed_steps() {
            for (provider, location) in self.list_locations(step).await? {
                scopes.insert(&provider, location.region_scope());
            }
        }
        merge_regions(&scopes.0).await
    }

    /// The offers of a step, in the order in which they are tried.
    ///
    /// # Errors
    /// If no location has an offer: the most specific reason. If a call fails: its error.
    pub(super) async fn find_offers(&self, step: PlacementStep, request: &CreateRequest) -> Result<FoundOffers> {
        let locations = self.list_locations(step).await?;
        let is_compared = locations.len() > 1;
        let searches = locations.iter().map(|(provider, location)| {
            OfferSearch::new(provider, location, request, self.catalog)
                .find_offers(self.allows(Fallback::Type), is_compared)
        });
        let (mut offers, mut empty_fallbacks, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        if locations.is_empty() {
            empty_fallbacks.extend(self.explain_empty_step(step));
        }
        for found in join_all(searches).await {
            match found {
                Ok(found) => {
                    offers.extend(found.offers);
                    empty_fallbacks.extend(found.empty_fallbacks);
                }
                Err(error) if is_compared && is_definite_refusal(error.kind()) => refusals.push(error),
                Err(error) => return Err(error),
            }
        }
        if offers.is_empty() && !refusals.is_empty() {
            return Err(pick_most_specific(refusals));
        }
        if is_compared {
            sort_offers(&mut offers);
        }
        mark_alternatives(&mut offers);
        Ok(FoundOffers {
            offers,
            empty_fallbacks,
        })
    }

    /// Why a step has no location at all; `None` for the requested locations.
    fn explain_empty_step(&self, step: PlacementStep) -> Option<EmptyFallback> {
        let areas: BTreeSet<_> = self.areas().into_iter().map(Area::as_str).collect();
        let area_text = match areas.is_empty() {
            true => "the same part of the world".to_owned(),
            false => join_with_or(areas),
        };
        let format_kinds = |providers: Vec<Arc<dyn Provider>>| {
            let kinds = providers.iter().map(|provider| provider.kind());
            join_with_or(kinds)
        };
        match step {
            PlacementStep::Requested => None,
            PlacementStep::Regions => {
                let requested = deduplicate_providers(self.requested.iter().map(|(provider, _)| provider));
                let reason = format!("{} has no other region in {area_text}", format_kinds(requested));
                Some(EmptyFallback::new(Fallback::Region, reason))
            }
            PlacementStep::Providers => {
                let reason = match self.other_providers.is_empty() {
                    true => "no credentials of another provider are found".to_owned(),
                    false => {
                        let kinds = format_kinds(self.other_providers.clone());
                        format!("{kinds} has no region in {area_text}")
                    }
                };
                Some(EmptyFallback::new(Fallback::Provider, reason))
            }
        }
    }

    /// The allowed steps, in their order.
    fn allowed_steps(&self) -> Vec<PlacementStep> {
        let mut steps = vec![PlacementStep::Requested];
        if self.allows(Fallback::Region) {
            steps.push(PlacementStep::Regions);
        }
        if self.allows(Fallback::Provider) {
            steps.push(PlacementStep::Providers);
        }
        steps
    }

    async fn list_locations(&self, step: PlacementStep) -> Result<Vec<ProviderLocation>> {
        let providers = match step {
            PlacementStep::Requested => return Ok(self.requested.clone()),
            PlacementStep::Regions => deduplicate_providers(self.requested.iter().map(|(provider, _)| provider)),
            PlacementStep::Providers => self.other_providers.clone(),
        };
        let is_requested = |provider: &Arc<dyn Provider>, region: &str| {
            let mut locations = self.requested.iter();
            locations.any(|(known, location)| known.kind() == provider.kind() && location.region == region)
        };
        let areas = self.areas();
        let mut locations = Vec::new();
        for provider in providers {
            for region in provider.regions().await? {
                if let Some(area) = (provider.info().area_of)(&region)
                    && areas.contains(&area)
                    && !is_requested(&provider, &region)
                {
                    locations.push((Arc::clone(&provider), Location { region, zone: None }));
                }
            }
        }
        Ok(locations)
    }

    fn areas(&self) -> Vec<Area> {
        let area = |(provider, location): &ProviderLocation| (provider.info().area_of)(&location.region);
        self.requested.iter().filter_map(area).collect()
    }
}

/// Replaces several regions of one cloud with a single scope, where the cloud lists all regions at once.
async fn merge_regions(scopes: &[SearchScope]) -> Result<Vec<SearchScope>> {
    let mut merged = ProviderSet(Vec::new());
    for (provider, scope) in scopes {
        let of_cloud = scopes.iter().filter(|(other, _)| other.kind() == provider.kind());
        if of_cloud.count() > 1 && provider.list_scopes().await? == [ListScope::AllRegions] {
            merged.insert(provider, ListScope::AllRegions);
        } else {
            merged.insert(provider, scope.clone());
        }
    }
    Ok(merged.0)
}

/// One attempt to create instances: an offer in one of its zones.
pub(super) struct PlacementTarget {
    pub(super) offer: Offer,
    /// The spec of the request, with the location and the machine type of this attempt.
    pub(super) spec: InstanceSpec,
}

/// Gives the targets of a request one by one, the best first, and records why each was refused.
pub(super) struct PlacementSearch<'a> {
    request: &'a CreateRequest,
    placement: &'a PlacementRules<'a>,
    shutdown: &'a Shutdown,
    /// The steps, the offers of the current step and the zones of the current offer that were not tried yet.
    steps: VecDeque<PlacementStep>,
    offers: VecDeque<Offer>,
    zones: VecDeque<Location>,
    /// The offer whose zones are tried now.
    current: Option<Offer>,
    refusals: Vec<PlacementRefusal>,
    /// The allowed fallbacks that had nothing to offer, for the error if nothing else had.
    empty_fallbacks: Vec<EmptyFallback>,
}

impl<'a> PlacementSearch<'a> {
    pub(super) fn new(request: &'a CreateRequest, placement: &'a PlacementRules<'a>, shutdown: &'a Shutdown) -> Self {
        Self {
            request,
            placement,
            shutdown,
            steps: placement.allowed_steps().into(),
            offers: VecDeque::new(),
            zones: VecDeque::new(),
            current: None,
            refusals: Vec::new(),
            empty_fallbacks: Vec::new(),
        }
    }

    /// The next target; `None` if nothing is left to try. [`take_final_error`](Self::take_final_error) then says why.
    ///
    /// # Errors
    /// Those of the calls.
    pub(super) async fn next_target(&mut self) -> Result<Option<PlacementTarget>> {
        loop {
            if let Some(offer) = &self.current
                && let Some(location) = self.zones.pop_front()
            {
                let spec = InstanceSpec {
                    location,
                    ..offer.build_spec(self.request)?
                };
                let offer = offer.clone();
                return Ok(Some(PlacementTarget { offer, spec }));
            } else if let Some(offer) = self.offers.pop_front() {
                self.start_offer(offer).await?;
            } else if let Some(step) = self.steps.pop_front() {
                self.start_step(step).await?;
            } else {
                return Ok(None);
            }
        }
    }

    async fn start_step(&mut self, step: PlacementStep) -> Result<()> {
        let offers = self.placement.find_offers(step, self.request);
        match self.shutdown.run_until_signal(offers).await {
            Ok(found) => {
                self.offers = found.offers.into();
                self.empty_fallbacks.extend(found.empty_fallbacks);
            }
            // A farther step has nothing that fits. The refusals of the nearer steps say why it was tried.
            Err(error) if step != PlacementStep::Requested && is_definite_refusal(error.kind()) => {
                self.refusals.push(PlacementRefusal {
                    location: error.location().cloned(),
                    machine_type: None,
                    error,
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn start_offer(&mut self, offer: Offer) -> Result<()> {
        let spec = offer.build_spec(self.request)?;
        self.zones = if self.placement.allows(Fallback::Zone) {
            match self.shutdown.run_until_signal(list_zones(&offer, &spec)).await {
                Ok(zones) => {
                    self.note_single_zone(&zones);
                    zones
                }
                Err(error) if !self.is_last_offer() && is_definite_refusal(error.kind()) => {
                    self.refusals.push(PlacementRefusal {
                        location: Some(offer.error_location()),
                        machine_type: None,
                        error,
                    });
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        } else {
            VecDeque::from([offer.location.clone()])
        };
        self.current = Some(offer);
        Ok(())
    }

    /// Records that the fallback to other zones has nothing to offer, if there is one zone only.
    fn note_single_zone(&mut self, zones: &VecDeque<Location>) {
        let Some(only) = zones.front() else { return };
        if zones.len() > 1 {
            return;
        }
        let empty = EmptyFallback::new(Fallback::Zone, format!("{} has no other zone for it", only.region));
        // Each offer of the region has the same zones.
        if !self.empty_fallbacks.contains(&empty) {
            self.empty_fallbacks.push(empty);
        }
    }

    fn is_last_offer(&self) -> bool {
        self.offers.is_empty() && self.steps.is_empty()
    }

    /// Records that a target failed, and decides what is tried next.
    ///
    /// # Errors
    /// The error itself, if no other target may be tried after it.
    pub(super) fn record_failure(&mut self, target: &PlacementTarget, error: Error) -> Result<()> {
        let is_last_offer = self.is_last_offer();
        if is_last_offer && self.refusals.is_empty() && !self.placement.allows(Fallback::Zone) {
            // It was the only target: its own error says most. But what a fallback could not offer belongs in the error.
            if error.kind() != ErrorKind::Capacity {
                return Err(error);
            }
            if self.placement.fallback.is_empty() {
                let kind = target.offer.provider.kind();
                return Err(add_capacity_hint(error, self.placement, kind));
            }
        }
        if error.kind() == ErrorKind::Capacity {
            sort_zones_by_capacity(&mut self.zones, error.zones_with_capacity());
        } else if !is_last_offer && (error.kind() == ErrorKind::Quota || is_location_specific(&error)) {
            // A quota is for a whole region: the other zones have no more of it.
            self.zones.clear();
        } else {
            return Err(error);
        }
        self.refusals.push(PlacementRefusal {
            // The driver may know no more than the region.
            location: Some(ErrorLocation::new(target.offer.provider.kind(), &target.spec.location)),
            machine_type: target.spec.selected_machine_type.clone(),
            error,
        });
        Ok(())
    }

    /// The offer of a target that succeeded and the next best one, if a machine type was chosen.
    pub(super) fn selected_offer(&self, target: PlacementTarget) -> Option<SelectedOffer> {
        SelectedOffer::new(target.offer, self.offers.front())
    }

    /// The locations that were tried without success.
    pub(super) fn into_refusals(self) -> Vec<PlacementRefusal> {
        self.refusals
    }

    /// The error when nothing is left to try for the missing names: `Capacity` or `Quota`. If no location lacked
    /// capacity, the spec is at fault: the first refusal is the error then.
    pub(super) fn take_final_error(&mut self, missing: &[InstanceName]) -> Error {
        let is_spec_at_fault = self.refusals.iter().all(|refusal| is_location_specific(&refusal.error));
        if is_spec_at_fault && !self.refusals.is_empty() {
            return self.refusals.remove(0).error;
        }
        no_capacity_error(
            self.request,
            self.placement,
            missing,
            &self.refusals,
            &self.empty_fallbacks,
        )
    }
}

/// An offer that was taken.
#[derive(Debug)]
pub struct SelectedOffer {
    /// The offer.
    pub offer: Offer,
    /// The offer that would have been tried next.
    pub next_best: Option<Offer>,
}

impl SelectedOffer {
    /// An offer that was taken; `None` if it is the requested or default machine type, which nobody had to choose.
    pub(super) fn new(offer: Offer, next_best: Option<&Offer>) -> Option<Self> {
        match offer.machine.is_some() {
            true => Some(Self {
                offer,
                next_best: next_best.cloned(),
            }),
            false => None,
        }
    }
}

/// The error when there is no offer.
pub(super) fn nothing_left_error() -> Error {
    Error::invalid("no location is left to try")
}

/// Whether a call that failed with this kind had no effect and would fail there again, so that another location may be
/// tried.
fn is_definite_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Capacity | ErrorKind::Quota | ErrorKind::InvalidSpec | ErrorKind::Unsupported | ErrorKind::Refused
    )
}

/// Of several refusals, the one that says most: a price that is too high comes before a type that does not exist.
fn pick_most_specific(refusals: Vec<Error>) -> Error {
    let rank = |error: &Error| match error.kind() {
        ErrorKind::Refused => 0,
        ErrorKind::Quota | ErrorKind::Capacity => 1,
        _ => 2,
    };
    let refusal = refusals.into_iter().min_by_key(rank);
    refusal.unwrap_or_else(nothing_left_error)
}

/// The zones of an offer's region, the requested one first.
async fn list_zones(offer: &Offer, spec: &InstanceSpec) -> Result<VecDeque<Location>> {
    let mut any_zone = spec.clone();
    any_zone.location.zone = None;
    let mut zones = offer.provider.candidate_zones(&any_zone).await?;
    if spec.location.zone.is_some() {
        zones.retain(|zone| *zone != spec.location);
        zones.insert(0, spec.location.clone());
    }
    Ok(zones.into())
}

/// Moves the zones to the front that have capacity, as the cloud says. Keeps the order otherwise.
fn sort_zones_by_capacity(zones: &mut VecDeque<Location>, with_capacity: &[String]) {
    let has_capacity = |location: &Location| location.zone.as_ref().is_some_and(|zone| with_capacity.contains(zone));
    zones.make_contiguous().sort_by_key(|location| !has_capacity(location));
}

/// Whether a refusal is about the location and not about capacity: an image, a key or a network that is elsewhere.
fn is_location_specific(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidSpec | ErrorKind::Unsupported)
}

/// A location that could not take an instance, before another location was tried.
#[derive(Clone, Debug)]
pub struct PlacementRefusal {
    /// The location; `None` if no location was chosen yet.
    pub location: Option<ErrorLocation>,
    /// The machine type, if one was selected for the requirements.
    pub machine_type: Option<String>,
    /// Why it could not.
    pub error: Error,
}

impl fmt::Display for PlacementRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.location, &self.machine_type) {
            (None, _) => write!(formatter, "{}", self.error),
            (Some(location), None) => write!(formatter, "{location}"),
            (Some(location), Some(machine_type)) => write!(formatter, "{location} ({machine_type})"),
        }
    }
}

/// The error for names for which no location had capacity.
fn no_capacity_error(
    request: &CreateRequest,
    placement: &PlacementRules<'_>,
    missing: &[InstanceName],
    refusals: &[PlacementRefusal],
    empty_fallbacks: &[EmptyFallback],
) -> Error {
    let tried: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    let mut message = format!("no capacity for {}, tried {}", format_names(missing), tried.join(", "));
    for empty in empty_fallbacks {
        message.push_str(&format!("; {empty}"));
    }
    message.push_str(match request.spec.members {
        Some(_) => "; none of these was created",
        None => "; nothing was created",
    });
    let kind = match refusals.last().map(|refusal| refusal.error.kind()) {
        Some(ErrorKind::Quota) => ErrorKind::Quota,
        _ => ErrorKind::Capacity,
    };
    let mut hint = suggest_other_places(placement);
    if let Some(refusal) = refusals.last()
        && let Some(location) = &refusal.location
        && let Some(own_hint) = refusal.error.hint()
    {
        hint.push_str(&format!("; on {}: {own_hint}", location.provider));
    }
    let mut error = Error::new(kind, message).with_hint(hint);
    if let Some(code) = refusals.iter().rev().find_map(|refusal| refusal.error.code()) {
        error = error.with_code(code);
    }
    error.with_leftovers(refusals.iter().flat_map(|refusal| refusal.error.leftovers()))
}

/// Puts the fallbacks into the hint of an error of the only target. What the cloud itself suggests comes after them.
fn add_capacity_hint(error: Error, placement: &PlacementRules<'_>, provider: ProviderKind) -> Error {
    if !error.zones_with_capacity().is_empty() {
        // Its own hint names the zones that have what is needed.
        return error;
    }
    let mut hint = suggest_other_places(placement);
    if let Some(own_hint) = error.hint() {
        hint.push_str(&format!("; on {provider}: {own_hint}"));
    }
    error.with_hint(hint)
}

/// The hint for a lack of capacity: the fallbacks that are not allowed yet, and another region.
fn suggest_other_places(placement: &PlacementRules<'_>) -> String {
    let own_cloud = [Fallback::Zone, Fallback::Type, Fallback::Region];
    let unused = own_cloud.into_iter().filter(|fallback| !placement.allows(*fallback));
    let unused: Vec<_> = unused.map(Fallback::as_str).collect();
    match unused.is_empty() {
        true => "name more regions (-r can be repeated), try another -p, or try again later".to_owned(),
        false if placement.allows(Fallback::Region) => format!(
            "allow more choices with --fallback {}, or name more regions: -r can be repeated",
            unused.join(",")
        ),
        false => format!(
            "allow more choices with --fallback {}, or try another -r",
            unused.join(",")
        ),
    }
}

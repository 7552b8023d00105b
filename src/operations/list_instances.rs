//! Lists the instances of all clouds and locations at once, and records which locations did not answer.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::list_one_location::{
    LocationQuery, list_with_idle_timeout, resolve_region_and_zone, resolve_region_or_area, run_with_idle_timeout,
};
use super::listing_timeout::ActiveTimer;
use crate::cloud::{
    Error, ErrorKind, Gap, Instance, ListFilter, ListScope, Provider, ProviderKind, Result, SkippedCloud,
};

/// Which locations are listed.
#[derive(Clone, Debug, Default)]
pub struct RegionSelection {
    /// These regions, and all regions of these areas. Empty means all regions.
    pub regions: Vec<String>,
    /// This zone.
    pub zone: Option<String>,
}

impl RegionSelection {
    fn selects_all(&self) -> bool {
        self.regions.is_empty() && self.zone.is_none()
    }
}

/// The instances that were found, and the locations that are missing.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Every instance of every location that answered.
    pub instances: Vec<Instance>,
    /// The locations that did not answer. With one, the inventory is incomplete.
    pub gaps: Vec<Gap>,
    /// The clouds that were not queried. Another one has the region or zone.
    pub skipped: Vec<SkippedCloud>,
    /// How many locations were queried.
    pub queried: usize,
    /// How many of them answered, in full or in part.
    pub answered: usize,
}

impl Inventory {
    /// Whether locations were queried and none answered, so that nothing is known.
    pub fn nothing_answered(&self) -> bool {
        self.answered == 0 && !self.gaps.is_empty()
    }

    /// Adds another inventory.
    pub fn merge(&mut self, other: Self) {
        self.instances.extend(other.instances);
        self.gaps.extend(other.gaps);
        self.skipped.extend(other.skipped);
        self.queried += other.queried;
        self.answered += other.answered;
    }

    /// The inventory of one location, whose listing gave its gaps or failed.
    fn of_location(provider: ProviderKind, instances: Vec<Instance>, listing: Result<Vec<Gap>>) -> Self {
        let (answered, gaps) = match listing {
            Ok(gaps) => (1, gaps),
            Err(error) => (0, vec![Gap::new(error, provider)]),
        };
        Self {
            instances,
            gaps,
            skipped: Vec::new(),
            queried: 1,
            answered,
        }
    }

    /// The inventory of a cloud that did not name its locations.
    pub(super) fn for_unanswered_cloud(provider: &dyn Provider, error: Error) -> Self {
        Self {
            gaps: vec![Gap::new(error, provider.kind())],
            queried: 1,
            ..Self::default()
        }
    }
}

/// Lists all selected instances that match the filter. Locations that fail or stay silent become gaps. They neither delay
/// nor hide the others. The instances of a location that failed half-way are left out.
///
/// # Errors
/// `InvalidSpec` if no cloud has a selected region or zone.
pub async fn list_all(
    providers: &[Arc<dyn Provider>],
    selection: &RegionSelection,
    filter: &ListFilter,
) -> Result<Inventory> {
    list_all_with_progress(providers, selection, filter, &mut |_| ()).await
}

/// Lists like [`list_all`], and calls `on_answer` with the number of instances of each location as soon as it has
/// answered.
///
/// # Errors
/// As [`list_all`].
pub async fn list_all_with_progress(
    providers: &[Arc<dyn Provider>],
    selection: &RegionSelection,
    filter: &ListFilter,
    on_answer: &mut (dyn FnMut(usize) + Send),
) -> Result<Inventory> {
    let timer = ActiveTimer::start();
    let on_answer = Mutex::new(on_answer);
    let list = async |provider: &dyn Provider, query: &LocationQuery| {
        let mut instances = Vec::new();
        let mut collect = |page: Vec<Instance>| instances.extend(page);
        let listing = list_with_idle_timeout(provider, query, filter, &timer, &mut collect).await;
        if listing.is_ok() && query.wait_for_existence().await {
            on_answer.lock().unwrap_or_else(PoisonError::into_inner)(instances.len());
        } else {
            instances.clear();
        }
        Inventory::of_location(provider.kind(), instances, listing)
    };
    let mut inventory = query_selected(providers, selection, &list).await?;
    // The order must not depend on which location answered first.
    inventory
        .instances
        .sort_by(|one, other| one.reference.cmp(&other.reference));
    Ok(inventory)
}

/// Lists like [`list_all`], but gives each page of each location to `on_page` as it comes, in no order, and leaves
/// [`Inventory::instances`] empty. The pages of a location stay valid if it fails later, and the location is a gap.
/// `None` if `on_page` ended the listing.
///
/// # Errors
/// As [`list_all`].
pub async fn stream_all(
    providers: &[Arc<dyn Provider>],
    selection: &RegionSelection,
    filter: &ListFilter,
    on_page: &mut (dyn FnMut(Vec<Instance>) -> ControlFlow<()> + Send),
) -> Result<Option<Inventory>> {
    let timer = ActiveTimer::start();
    let output = Mutex::new((on_page, ControlFlow::Continue(())));
    let lock_output = || output.lock().unwrap_or_else(PoisonError::into_inner);
    let list = async |provider: &dyn Provider, query: &LocationQuery| {
        let emit = |page: Vec<Instance>| {
            let (on_page, flow) = &mut *lock_output();
            if !page.is_empty() && flow.is_continue() {
                *flow = timer.exclude(|| on_page(page));
            }
        };
        // Until the cloud has named its locations, this one may turn out not to exist.
        let mut unconfirmed_pages = Vec::new();
        let mut on_location_page = |page: Vec<Instance>| match query.existence() {
            None => unconfirmed_pages.push(page),
            Some(true) => unconfirmed_pages.drain(..).chain([page]).for_each(emit),
            Some(false) => {}
        };
        let listing = list_with_idle_timeout(provider, query, filter, &timer, &mut on_location_page).await;
        if query.wait_for_existence().await {
            unconfirmed_pages.into_iter().for_each(emit);
        }
        let mut inventory = Inventory::of_location(provider.kind(), Vec::new(), listing);
        if query.has_instances() {
            inventory.answered = 1;
        }
        inventory
    };
    let mut all_listings = pin!(query_selected(providers, selection, &list));
    poll_fn(|context| match all_listings.as_mut().poll(context) {
        // Nobody reads the rest.
        _ if lock_output().1.is_break() => Poll::Ready(Ok(None)),
        result => result.map_ok(Some),
    })
    .await
}

/// Lists every selected location with `list`, all at once, and merges the inventories.
async fn query_selected(
    providers: &[Arc<dyn Provider>],
    selection: &RegionSelection,
    list: &impl AsyncFn(&dyn Provider, &LocationQuery) -> Inventory,
) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    if selection.selects_all() {
        // No cloud waits until another one has named its locations.
        let clouds = providers
            .iter()
            .map(|provider| query_all_locations(provider.as_ref(), list));
        for part in join_all(clouds).await.into_iter().flatten() {
            inventory.merge(part);
        }
        return Ok(inventory);
    }
    let queries = resolve_selection(providers, selection, &mut inventory).await?;
    let listings = queries.iter().map(|(provider, query)| list(*provider, query));
    for part in join_all(listings).await {
        inventory.merge(part);
    }
    Ok(inventory)
}

/// The selected locations of all clouds. Adds the clouds to the inventory that did not answer or do not have a location.
///
/// # Errors
/// `InvalidSpec` if all clouds answered and none has a selected region or zone: it is no mistake that a region of one
/// cloud is unknown to the others.
async fn resolve_selection<'a>(
    providers: &'a [Arc<dyn Provider>],
    selection: &RegionSelection,
    inventory: &mut Inventory,
) -> Result<Vec<(&'a dyn Provider, LocationQuery)>> {
    let mut queries: Vec<(&dyn Provider, LocationQuery)> = Vec::new();
    let mut known_positions = BTreeSet::new();
    let mut refusals = Vec::new();
    let providers = providers.iter().map(Arc::as_ref);
    let resolved = join_all(providers.clone().map(|provider| resolve_regions(provider, selection))).await;
    for (provider, resolved) in providers.zip(resolved) {
        let regions = match resolved {
            Ok(regions) => regions,
            Err(error) => {
                inventory.merge(Inventory::for_unanswered_cloud(provider, error));
                continue;
            }
        };
        for ResolvedRegion { position, scopes } in regions {
            match scopes {
                Ok(scopes) => {
                    known_positions.insert(position);
                    for scope in scopes {
                        let mut scopes_of_cloud = queries
                            .iter()
                            .filter(|(other, _)| other.kind() == provider.kind())
                            .map(|(_, query)| &query.scope);
                        // A region can be selected twice, or by its name and its area.
                        if !scopes_of_cloud.any(|other| *other == scope) {
                            queries.push((provider, LocationQuery::confirmed(scope)));
                        }
                    }
                }
                Err(reason) => refusals.push((position, provider.kind(), reason)),
            }
        }
    }
    for (position, provider, reason) in refusals {
        // A cloud that did not answer may have the region.
        if !known_positions.contains(&position) && inventory.gaps.is_empty() {
            return Err(reason);
        }
        inventory.skipped.push(SkippedCloud { provider, reason });
    }
    Ok(queries)
}

/// What a selected region or area means on one cloud.
struct ResolvedRegion {
    /// Its position in the selection.
    position: usize,
    /// Its locations, or why the cloud has none.
    scopes: Result<Vec<ListScope>>,
}

async fn resolve_regions(provider: &dyn Provider, selection: &RegionSelection) -> Result<Vec<ResolvedRegion>> {
    let zone = selection.zone.as_deref();
    let mut regions: Vec<_> = selection.regions.iter().map(|region| Some(region.as_str())).collect();
    if regions.is_empty() {
        // The zone alone tells the region.
        regions.push(None);
    }
    let mut resolved = Vec::new();
    for (position, region) in regions.into_iter().enumerate() {
        let locations = match (region, zone) {
            (Some(region_or_area), None) => resolve_region_or_area(provider, region_or_area).await,
            (region, zone) => match resolve_region_and_zone(provider, region, zone).await {
                Ok(location) => Ok(vec![location]),
                Err(error) => Err(error),
            },
        };
        let scopes = match locations {
            Ok(locations) => Ok(locations.iter().map(|location| location.list_scope()).collect()),
            Err(error) if error.kind() == ErrorKind::InvalidSpec => Err(error.at(provider.kind())),
            Err(error) => return Err(error),
        };
        resolved.push(ResolvedRegion { position, scopes });
    }
    Ok(resolved)
}

/// The inventories of all locations of a cloud. Lists those first that every account has, and the others as soon as the
/// cloud has named them. A location that the cloud does not name does not count, whatever it answered: the order of the
/// answers makes no difference.
async fn query_all_locations(
    provider: &dyn Provider,
    list: &impl AsyncFn(&dyn Provider, &LocationQuery) -> Inventory,
) -> Vec<Inventory> {
    let send_query = |query: Arc<LocationQuery>| async move {
        let inventory = list(provider, &query).await;
        LocationAnswer { query, inventory }
    };
    // Reading the cloud's configuration can also hang, in a home directory on a network.
    let read_known_scopes = async { Ok(provider.known_list_scopes().await) };
    let known_scopes = run_with_idle_timeout(provider, &ListScope::AllRegions, read_known_scopes)
        .await
        .unwrap_or_default();
    let speculative_queries = known_scopes.iter().cloned().map(LocationQuery::speculative);
    let mut open_queries: Vec<_> = speculative_queries.map(Arc::new).collect();
    let mut running: FuturesUnordered<_> = open_queries.iter().cloned().map(send_query).collect();
    let mut answers = Vec::new();
    let mut discovery = pin!(run_with_idle_timeout(
        provider,
        &ListScope::AllRegions,
        provider.list_scopes()
    ));
    let discovered = loop {
        tokio::select! {
            scopes = &mut discovery => break scopes,
            Some(answer) = running.next() => answers.push(answer),
        }
    };
    let existing_scopes: BTreeSet<ListScope> = match discovered.and_then(check_not_empty) {
        Ok(scopes) => scopes.into_iter().collect(),
        Err(error) => {
            open_queries.iter().for_each(|query| query.confirm(true));
            answers.extend(running.collect::<Vec<_>>().await);
            return report_unanswered_cloud(provider, answers, error);
        }
    };
    for query in &open_queries {
        query.confirm(existing_scopes.contains(&query.scope));
    }
    for scope in existing_scopes.iter().filter(|scope| !known_scopes.contains(scope)) {
        let query = Arc::new(LocationQuery::confirmed(scope.clone()));
        open_queries.push(Arc::clone(&query));
        running.push(send_query(query));
    }
    let exists = |query: &Arc<LocationQuery>| query.existence() == Some(true);
    let is_answered = |query: &Arc<LocationQuery>| answers.iter().any(|answer| Arc::ptr_eq(&answer.query, query));
    open_queries.retain(|query| !is_answered(query));
    // A query of a location that does not exist is not waited for.
    while open_queries.iter().any(exists) {
        let Some(answer) = running.next().await else {
            break;
        };
        open_queries.retain(|query| !Arc::ptr_eq(query, &answer.query));
        answers.push(answer);
    }
    answers.retain(|answer| exists(&answer.query));
    sort_by_scope(answers)
}

struct LocationAnswer {
    query: Arc<LocationQuery>,
    inventory: Inventory,
}

/// The inventories of a cloud that did not name its locations: the whole cloud is a gap. A location is reported beside it
/// only if it answered or failed otherwise.
fn report_unanswered_cloud(provider: &dyn Provider, mut answers: Vec<LocationAnswer>, error: Error) -> Vec<Inventory> {
    answers.retain(|LocationAnswer { query, inventory }| {
        let failed_otherwise = inventory.gaps.iter().any(|gap| gap.error.kind() != error.kind());
        inventory.answered > 0 || query.has_instances() || failed_otherwise
    });
    let mut inventories = sort_by_scope(answers);
    inventories.push(Inventory::for_unanswered_cloud(provider, error));
    inventories
}

fn check_not_empty(scopes: Vec<ListScope>) -> Result<Vec<ListScope>> {
    if scopes.is_empty() {
        let message = "the cloud named no region, but every account has one";
        return Err(Error::new(ErrorKind::Network, message));
    }
    Ok(scopes)
}

fn sort_by_scope(mut answers: Vec<LocationAnswer>) -> Vec<Inventory> {
    answers.sort_by(|one, other| one.query.scope.cmp(&other.query.scope));
    answers.into_iter().map(|answer| answer.inventory).collect()
}

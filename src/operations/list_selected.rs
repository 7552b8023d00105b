//! Lists what a selection selects: each query in its own scope, and the rest in the requested regions.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use jiff::Timestamp;

use super::instance_costs::fill_in_all_prices;
use super::label_selector::check_satisfiable;
use super::list_instances::{Inventory, RegionSelection, list_all, list_all_with_progress};
use super::selection::{MatchOutcome, Selection, SelectionMatcher};
use crate::catalog::Catalog;
use crate::cloud::{Error, ErrorKind, Instance, InstanceQuery, Provider, ProviderKind, Result};

/// What is listed, and where.
pub struct SelectionQuery<'a> {
    /// Which instances are selected.
    pub selection: &'a Selection,
    /// The clouds to list for the queries without a scope, or for a selection without queries.
    pub providers: &'a [Arc<dyn Provider>],
    /// Gives the clouds that other queries name.
    pub connect: &'a (dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    /// The regions to list in `providers`.
    pub regions: &'a RegionSelection,
    /// The instances that count; all others are as if they were not listed.
    pub is_shown: &'a (dyn Fn(&Instance) -> bool + Sync),
    /// Gets all instances of a listing that was not limited to names and ids, selected or not.
    pub on_listed: &'a (dyn Fn(&[Instance]) + Sync),
    /// The time at which ages are computed.
    pub now: Timestamp,
    /// Fills in prices and sizes.
    pub catalog: Option<&'a Catalog>,
}

/// The selected instances of one listing.
#[derive(Debug, Default)]
pub struct SelectedListing {
    /// The queries that this listing is for: none if the selection has none. An instance of another listing does not count
    /// for them.
    pub queries: Vec<InstanceQuery>,
    /// The selected instances, and the locations that did not answer.
    pub inventory: Inventory,
    /// The names and ids that mean none of them.
    pub unmatched_names: Vec<InstanceQuery>,
    /// What was looked for.
    pub outcome: MatchOutcome,
}

impl SelectedListing {
    /// Puts together what was listed and what the matcher found in it.
    ///
    /// # Errors
    /// Those of [`SelectionMatcher::check_certain`].
    pub fn new(inventory: Inventory, matcher: SelectionMatcher<'_>) -> Result<Self> {
        matcher.check_certain()?;
        Ok(Self {
            queries: matcher.selection().queries.clone(),
            inventory,
            unmatched_names: matcher.unmatched_names().into_iter().cloned().collect(),
            outcome: matcher.into_outcome(),
        })
    }
}

impl SelectionQuery<'_> {
    /// Lists each scope that a query names; and all `providers` for the other queries, or if there are none. Calls
    /// `on_answer` with the number of instances of each location of `providers` that has answered.
    ///
    /// # Errors
    /// `InvalidSpec` if a region or zone is unknown, no instance can match all selectors, a selector can be read in two
    /// ways, or a cloud does not list a field that a filter compares.
    pub async fn list(&self, on_answer: &mut (dyn FnMut(usize) + Send)) -> Result<Vec<SelectedListing>> {
        check_satisfiable(&self.selection.selectors)?;
        let mut unscoped_queries = Vec::new();
        // One listing for each scope, however many queries have it.
        let mut by_scope: BTreeMap<(ProviderKind, &str), Vec<InstanceQuery>> = BTreeMap::new();
        for query in &self.selection.queries {
            match &query.scope {
                Some((kind, scope)) => by_scope.entry((*kind, scope)).or_default().push(query.clone()),
                None => unscoped_queries.push(query.clone()),
            }
        }
        let lists_regions = by_scope.is_empty() || !unscoped_queries.is_empty();
        let part = self.selection.with_queries(unscoped_queries);
        let regions_listing = async {
            match lists_regions {
                true => Ok(Some(self.list_regions(part, on_answer).await?)),
                false => Ok::<_, Error>(None),
            }
        };
        let scope_listings = by_scope
            .into_iter()
            .map(|((kind, scope), queries)| self.list_scope(kind, scope, queries));
        let (regions_listing, scope_listings) = join(regions_listing, join_all(scope_listings)).await;
        let mut listings = Vec::from_iter(regions_listing?);
        for listing in scope_listings {
            listings.push(listing?);
        }
        Ok(listings)
    }

    async fn list_regions(
        &self,
        part: Selection,
        on_answer: &mut (dyn FnMut(usize) + Send),
    ) -> Result<SelectedListing> {
        let filter = part.to_list_filter(&part.queries);
        let inventory = list_all_with_progress(self.providers, self.regions, &filter, on_answer).await?;
        if filter.names.is_empty() {
            (self.on_listed)(&inventory.instances);
        }
        self.keep_selected(&part, inventory)
    }

    async fn list_scope(
        &self,
        kind: ProviderKind,
        scope: &str,
        queries: Vec<InstanceQuery>,
    ) -> Result<SelectedListing> {
        let provider = (self.connect)(kind);
        let part = self.selection.with_queries(queries);
        let inventory = match select_scope(provider.as_ref(), scope).await {
            Ok(regions) => list_all(&[provider], &regions, &part.to_list_filter(&part.queries)).await?,
            Err(error) if error.kind() == ErrorKind::InvalidSpec => return Err(error),
            // The other listings must not suffer from it.
            Err(error) => Inventory::for_unanswered_cloud(provider.as_ref(), error),
        };
        self.keep_selected(&part, inventory)
    }

    /// Keeps the instances of a listing that its part of the selection selects.
    fn keep_selected(&self, part: &Selection, mut inventory: Inventory) -> Result<SelectedListing> {
        let mut matcher = SelectionMatcher::new(part, self.now)?;
        fill_in_all_prices(&mut inventory.instances, self.catalog);
        inventory
            .instances
            .retain(|instance| (self.is_shown)(instance) && matcher.matches(instance));
        SelectedListing::new(inventory, matcher)
    }
}

/// The scope of a reference is a zone on Compute Engine and a region elsewhere: the driver knows which.
async fn select_scope(provider: &dyn Provider, scope: &str) -> Result<RegionSelection> {
    let region_error = match provider.resolve_location(Some(scope), None).await {
        Ok(_) => {
            return Ok(RegionSelection {
                regions: vec![scope.to_owned()],
                zone: None,
            });
        }
        Err(error) if error.kind() == ErrorKind::InvalidSpec => error,
        Err(error) => return Err(error),
    };
    match provider.resolve_location(None, Some(scope)).await {
        Ok(_) => Ok(RegionSelection {
            regions: Vec::new(),
            zone: Some(scope.to_owned()),
        }),
        Err(error) if error.kind() == ErrorKind::InvalidSpec => Err(region_error),
        Err(error) => Err(error),
    }
}

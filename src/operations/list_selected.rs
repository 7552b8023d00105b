//! Lists what a selection selects: each query in its own scope, and the rest in the requested regions.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::instance_costs::fill_in_prices;
use super::list_instances::{Inventory, RegionSelection, list_all};
use super::selection::{MatchOutcome, Selection, SelectionMatcher};
use crate::catalog::Catalog;
use crate::cloud::{Error, ErrorKind, InstanceQuery, Provider, ProviderKind, Result};

/// The selected instances of one listing.
#[derive(Debug)]
pub struct SelectedListing {
    /// The queries that this listing is for: none if the selection has none. They mean no instance of another listing.
    pub queries: Vec<InstanceQuery>,
    /// The selected instances, and the locations that did not answer.
    pub inventory: Inventory,
    /// The names and ids that mean none of them.
    pub unmatched_names: Vec<InstanceQuery>,
    /// What was looked for.
    pub outcome: MatchOutcome,
}

/// Lists all of `providers` for the queries without a scope, or for a selection without queries. Lists for other queries
/// only the provider and scope that they name, with `connect`. Computes ages at `now`, and fills in fields from `catalog`.
///
/// # Errors
/// `InvalidSpec` if a region or zone is unknown, no instance can match all selectors, or a selector can be read in two ways.
pub async fn list_selected(
    selection: &Selection,
    providers: &[Arc<dyn Provider>],
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    regions: &RegionSelection,
    now: Timestamp,
    catalog: Option<&Catalog>,
) -> Result<Vec<SelectedListing>> {
    let mut unscoped = Vec::new();
    // One listing for each scope, however many queries have it.
    let mut by_scope: BTreeMap<(ProviderKind, &str), Vec<InstanceQuery>> = BTreeMap::new();
    for query in &selection.queries {
        match &query.scope {
            Some((kind, scope)) => by_scope.entry((*kind, scope)).or_default().push(query.clone()),
            None => unscoped.push(query.clone()),
        }
    }
    let mut listings = Vec::new();
    if by_scope.is_empty() || !unscoped.is_empty() {
        let part = selection.with_queries(unscoped);
        let inventory = list_all(providers, regions, &part.to_list_filter(&part.queries)).await?;
        listings.push((part, inventory));
    }
    let scoped_listings = by_scope.into_iter().map(async |((kind, scope), queries)| {
        let provider = connect(kind);
        let regions = select_scope(provider.as_ref(), scope).await?;
        let part = selection.with_queries(queries);
        let inventory = list_all(&[provider], &regions, &part.to_list_filter(&part.queries)).await?;
        Ok::<_, Error>((part, inventory))
    });
    for listing in join_all(scoped_listings).await {
        listings.push(listing?);
    }
    let selected = listings
        .into_iter()
        .map(|(part, inventory)| select(part, inventory, now, catalog));
    selected.collect()
}

/// Keeps the instances of a listing that its part of the selection selects.
fn select(
    part: Selection,
    mut inventory: Inventory,
    now: Timestamp,
    catalog: Option<&Catalog>,
) -> Result<SelectedListing> {
    let mut matcher = SelectionMatcher::new(&part, now)?;
    if let Some(catalog) = catalog {
        for instance in &mut inventory.instances {
            fill_in_prices(instance, catalog);
        }
    }
    inventory.instances.retain(|instance| matcher.matches(instance));
    matcher.check_certain()?;
    Ok(SelectedListing {
        unmatched_names: matcher.unmatched_names().into_iter().cloned().collect(),
        outcome: matcher.into_outcome(),
        queries: part.queries,
        inventory,
    })
}

/// The scope of a reference is a zone on Compute Engine and a region elsewhere: the driver knows which.
async fn select_scope(provider: &dyn Provider, scope: &str) -> Result<RegionSelection> {
    let Err(error) = provider.resolve_location(Some(scope), None).await else {
        return Ok(RegionSelection {
            regions: vec![scope.to_owned()],
            zone: None,
        });
    };
    if error.kind() != ErrorKind::InvalidSpec || provider.resolve_location(None, Some(scope)).await.is_err() {
        return Err(error);
    }
    Ok(RegionSelection {
        regions: Vec::new(),
        zone: Some(scope.to_owned()),
    })
}

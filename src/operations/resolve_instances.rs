//! Resolves what a user types, such as a name or an id, to exactly one instance each.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::list_instances::{Inventory, RegionSelection, list_all};
use crate::cloud::{
    Error, ErrorKind, Gap, Instance, InstanceQuery, InstanceState, ListFilter, Provider, ProviderKind, Result,
    SkippedCloud, join_with_or,
};

/// The result of resolving some queries.
#[derive(Debug, Default)]
pub struct ResolvedInstances {
    /// One instance for each query that was resolved, each instance once, in the order of the queries.
    pub instances: Vec<Instance>,
    /// All terminating instances that match a query, also those in `instances`.
    terminating: Vec<Instance>,
    /// The queries without an instance.
    pub missing: Vec<InstanceQuery>,
    /// The queries that may have another match, each with a location that did not answer.
    uncertain: Vec<(InstanceQuery, Gap)>,
    /// The locations that did not answer.
    pub gaps: Vec<Gap>,
    /// The clouds that were not queried.
    pub skipped: Vec<SkippedCloud>,
}

impl ResolvedInstances {
    /// The instances, if every query has one.
    ///
    /// # Errors
    /// As [`missing_error`](Self::missing_error).
    pub fn into_all(self) -> Result<Vec<Instance>> {
        match self.missing_error() {
            Some(error) => Err(error),
            None => Ok(self.instances),
        }
    }

    /// Adds all terminating instances that match: several can have one name, with or without one that is alive. Their
    /// queries are no longer missing, unless a location that did not answer may have another instance.
    pub fn add_terminating(&mut self) {
        let terminating = std::mem::take(&mut self.terminating);
        let uncertain = &self.uncertain;
        self.missing.retain(|query| {
            let is_uncertain = uncertain.iter().any(|(other, _)| other == query);
            is_uncertain || !terminating.iter().any(|instance| query.matches(instance))
        });
        for instance in terminating {
            push_new(&mut self.instances, &instance);
        }
    }

    /// Checks that no location that did not answer may have another instance of a name that was found. An id means one
    /// instance.
    ///
    /// # Errors
    /// `Refused`, with the name and the location.
    pub fn check_unambiguous(&self) -> Result<()> {
        let is_resolved_by_name = |query: &InstanceQuery| {
            let has_id = |instance: &Instance| instance.reference.id == query.name_or_id;
            let mut instances = self.instances.iter();
            instances.any(|instance| query.matches(instance) && !has_id(instance))
        };
        let uncertain = self.uncertain.iter().find(|(query, _)| is_resolved_by_name(query));
        let Some((query, gap)) = uncertain else {
            return Ok(());
        };
        let message = format!(
            "{} did not answer and may have another VM called {}; nothing was changed: {}",
            gap.location, query.name_or_id, gap.error
        );
        Err(Error::new(ErrorKind::Refused, message).with_hint(match query.scope {
            Some(_) => "name the VM by its id; on gcp, name its zone instead of its region",
            None => "name its region with --region, or the VM by its id",
        }))
    }

    /// The error for the queries without an instance, if there are any: `Incomplete` if a location that may have one did
    /// not answer, and otherwise `NotFound`. Its message tells the queries that are certain from those that are not.
    pub fn missing_error(&self) -> Option<Error> {
        let (mut absent, mut uncertain) = (Vec::new(), Vec::new());
        let mut first_gap = None;
        for query in &self.missing {
            match self.uncertain.iter().find(|(other, _)| other == query) {
                Some((_, gap)) => {
                    uncertain.push(query);
                    first_gap.get_or_insert(gap);
                }
                None => absent.push(query),
            }
        }
        let mut sentences = Vec::new();
        if !absent.is_empty() {
            sentences.push(format!("no VM is called {}", join_with_or(absent)));
        }
        let Some(gap) = first_gap else {
            let message = sentences.pop()?;
            return Some(Error::new(ErrorKind::NotFound, message));
        };
        sentences.push(format!(
            "no VM called {} was found, but not every location answered: {}",
            join_with_or(uncertain),
            gap.error
        ));
        Some(Error::new(ErrorKind::Incomplete, sentences.join("; ")).at(gap.location.clone()))
    }
}

fn push_new(instances: &mut Vec<Instance>, instance: &Instance) {
    if !instances.iter().any(|known| known.reference == instance.reference) {
        instances.push(instance.clone());
    }
}

/// Finds the instance of each query. A name means an instance that is alive; an id also one that is gone but still listed.
/// Lists all of `providers`. For a query with a scope it lists only the provider and scope of the query, with `connect`.
///
/// # Errors
/// `Ambiguous` if a query matches two instances; the message has both references. `InvalidSpec` if the selection has an
/// unknown region or zone. If no location answered: the error of the first.
pub async fn resolve(
    queries: &[InstanceQuery],
    providers: &[Arc<dyn Provider>],
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    selection: &RegionSelection,
) -> Result<ResolvedInstances> {
    let (scoped, unscoped): (Vec<_>, Vec<_>) = queries.iter().partition(|query| query.scope.is_some());
    let mut listings = Vec::new();
    if !unscoped.is_empty() {
        let inventory = list_all(providers, selection, &build_filter(&unscoped)).await?;
        listings.push((unscoped, inventory));
    }
    // One listing for each scope, however many queries have it.
    let mut by_scope: BTreeMap<(ProviderKind, &str), Vec<&InstanceQuery>> = BTreeMap::new();
    for query in scoped {
        if let Some((kind, scope)) = &query.scope {
            by_scope.entry((*kind, scope)).or_default().push(query);
        }
    }
    let scoped_listings = by_scope.into_iter().map(async |((kind, scope), queries)| {
        let provider = connect(kind);
        let selection = select_scope(provider.as_ref(), scope).await?;
        let inventory = list_all(&[provider], &selection, &build_filter(&queries)).await?;
        Ok::<_, Error>((queries, inventory))
    });
    for listing in join_all(scoped_listings).await {
        listings.push(listing?);
    }
    let mut resolved = ResolvedInstances::default();
    let mut found = Inventory::default();
    for (queries, inventory) in listings {
        if let Some(gap) = inventory.gaps.first() {
            let uncertain = queries.iter().map(|&query| (query.clone(), gap.clone()));
            resolved.uncertain.extend(uncertain);
        }
        found.merge(inventory);
    }
    if found.nothing_answered() {
        return Err(found.gaps.swap_remove(0).into());
    }
    for query in queries {
        match find_best_match(query, &found.instances)? {
            Some(instance) => push_new(&mut resolved.instances, instance),
            None => resolved.missing.push(query.clone()),
        }
    }
    let is_terminating_match = |instance: &&Instance| {
        instance.state == InstanceState::Terminating && queries.iter().any(|query| query.matches(instance))
    };
    let terminating = sort_by_reference(found.instances.iter().filter(is_terminating_match));
    resolved.terminating = terminating.into_iter().cloned().collect();
    resolved.gaps = found.gaps;
    resolved.skipped = found.skipped;
    Ok(resolved)
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

fn build_filter(queries: &[&InstanceQuery]) -> ListFilter {
    let names: Vec<_> = queries.iter().map(|query| query.name_or_id.clone()).collect();
    ListFilter {
        ids: names.clone(),
        names,
        managed: false,
    }
}

fn sort_by_reference<'a>(instances: impl Iterator<Item = &'a Instance>) -> Vec<&'a Instance> {
    let mut instances: Vec<_> = instances.collect();
    instances.sort_by(|one, other| one.reference.cmp(&other.reference));
    instances.dedup_by(|one, other| one.reference == other.reference);
    instances
}

/// The instance that a query means. An id means its instance in every state. A name means the instance that is alive, or
/// else the only one that is terminating.
///
/// # Errors
/// `Ambiguous` if several instances are alive.
fn find_best_match<'a>(query: &InstanceQuery, instances: &'a [Instance]) -> Result<Option<&'a Instance>> {
    let matching = sort_by_reference(instances.iter().filter(|instance| query.matches(instance)));
    let alive: Vec<_> = matching.iter().filter(|instance| !instance.state.is_gone()).collect();
    if alive.len() > 1 {
        let references: Vec<_> = alive.iter().map(|instance| instance.reference.to_string()).collect();
        let message = format!("{query} means {} VMs: {}", references.len(), references.join(", "));
        return Err(Error::new(ErrorKind::Ambiguous, message).with_hint("name one of them in full"));
    }
    if let Some(alive) = alive.first() {
        return Ok(Some(alive));
    }
    let has_id = |instance: &&&Instance| instance.reference.id == query.name_or_id;
    if let Some(by_id) = matching.iter().find(has_id) {
        return Ok(Some(by_id));
    }
    let is_terminating = |instance: &&&Instance| instance.state == InstanceState::Terminating;
    let terminating: Vec<_> = matching.iter().filter(is_terminating).collect();
    match terminating.as_slice() {
        [only] => Ok(Some(only)),
        _ => Ok(None),
    }
}

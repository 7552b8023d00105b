//! Resolves a selection to its instances: exactly one for each name or id, and all that match patterns, label selectors and
//! filters.

use std::collections::{BTreeSet, HashSet};

use super::list_selected::{SelectedListing, SelectionQuery};
use super::selection::MatchOutcome;
use crate::cloud::{
    Error, ErrorKind, Gap, Instance, InstanceQuery, InstanceRef, InstanceState, Result, SkippedCloud, join_with_or,
};

/// The result of resolving a selection.
#[derive(Debug, Default)]
pub struct ResolvedInstances {
    /// The selected instances, each once: those of the queries in their order. A pattern, selector or filter selects those
    /// that are alive.
    pub instances: Vec<Instance>,
    /// All terminating instances that are selected, each once, also those in `instances`.
    terminating: Vec<Instance>,
    /// The queries that match one of them.
    terminating_queries: Vec<InstanceQuery>,
    /// The terminated instances that are still listed, each with a query that it matches.
    terminated: Vec<(InstanceQuery, InstanceRef)>,
    /// The queries without an instance.
    pub missing: Vec<InstanceQuery>,
    /// The queries that may have another match.
    uncertain: Vec<UncertainQuery>,
    /// The locations that did not answer, of those that were asked for names and ids only.
    pub gaps: Vec<Gap>,
    /// The locations that did not answer, and may have more instances that match a pattern, a selector or a filter.
    pub open_gaps: Vec<Gap>,
    /// The clouds that were not queried.
    pub skipped: Vec<SkippedCloud>,
    /// What was looked for.
    outcome: MatchOutcome,
    has_queries: bool,
    only_managed: bool,
}

/// A query that may have another match in a location that did not answer.
#[derive(Debug)]
struct UncertainQuery {
    query: InstanceQuery,
    gap: Gap,
    /// Whether an instance was found by its name. An id means one instance.
    found_by_name: bool,
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
        let (uncertain, terminating_queries) = (&self.uncertain, &self.terminating_queries);
        self.missing.retain(|query| {
            let is_uncertain = uncertain.iter().any(|other| other.query == *query);
            is_uncertain || !terminating_queries.contains(query)
        });
        let known: HashSet<InstanceRef> = self.instances.iter().map(|known| known.reference.clone()).collect();
        let new = terminating
            .into_iter()
            .filter(|instance| !known.contains(&instance.reference));
        self.instances.extend(new);
    }

    /// Says what was looked for if there are no queries, and selectors and filters select no instance.
    pub fn describe_empty(&self) -> Option<String> {
        if self.has_queries || !self.instances.is_empty() {
            return None;
        }
        Some(match self.terminating.len() {
            0 => self.outcome.describe_empty(),
            1 => "the only VM that matches is terminating".to_owned(),
            several => format!("all {several} VMs that match are terminating"),
        })
    }

    /// Checks before a change that it is certain which instances are meant.
    ///
    /// # Errors
    /// `Refused`, as [`check_names_unambiguous`](Self::check_names_unambiguous), [`check_complete`](Self::check_complete)
    /// and [`check_selectors_overlap`](Self::check_selectors_overlap) say.
    pub fn check_certain(&self) -> Result<()> {
        self.check_names_unambiguous()?;
        self.check_complete()?;
        self.check_selectors_overlap()
    }

    /// Checks that no location that did not answer may have another instance of a name that was found. An id means one
    /// instance.
    ///
    /// # Errors
    /// `Refused`, with the name and the location.
    pub fn check_names_unambiguous(&self) -> Result<()> {
        let Some(UncertainQuery { query, gap, .. }) = self.uncertain.iter().find(|query| query.found_by_name) else {
            return Ok(());
        };
        let message = format!(
            "{} did not answer and may have another VM called {query}; nothing was changed: {}",
            gap.location, gap.error
        );
        Err(Error::new(ErrorKind::Refused, message).with_hint(match query.scope {
            Some(_) => "name the VM by its id; on gcp, name its zone instead of its region",
            None => "name its region with --region, or the VM by its id",
        }))
    }

    /// Checks that all locations answered that may have more instances for a pattern, a selector or a filter.
    ///
    /// # Errors
    /// `Refused`, with the location.
    pub fn check_complete(&self) -> Result<()> {
        let Some(gap) = self.open_gaps.first() else {
            return Ok(());
        };
        let message = format!(
            "{} did not answer, so the selection may be incomplete; nothing was changed: {}",
            gap.location, gap.error
        );
        let hint = "limit it to the regions that answer with --region, or name the VMs";
        Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
    }

    /// The error for a location that did not answer, and may have more instances that are selected.
    pub fn incomplete_error(&self) -> Option<Error> {
        let gap = self.open_gaps.first()?;
        let message = format!(
            "there may be more VMs that match, but not every location answered: {}",
            gap.error
        );
        Some(Error::new(ErrorKind::Incomplete, message).at(gap.location.clone()))
    }

    /// Refuses a change where each of several selectors matches instances, and all together match none.
    ///
    /// # Errors
    /// `Refused`, with the count of each.
    pub fn check_selectors_overlap(&self) -> Result<()> {
        // A location that did not answer may have one that matches all.
        if !self.open_gaps.is_empty() {
            return Ok(());
        }
        self.outcome.check_selectors_overlap()
    }

    /// The error for the queries without an instance, if there are any: `Incomplete` if a location that may have one did
    /// not answer, and otherwise `NotFound`. Its message tells the queries that are certain from those that are not.
    pub fn missing_error(&self) -> Option<Error> {
        let (mut absent, mut absent_globs, mut uncertain) = (Vec::new(), Vec::new(), Vec::new());
        let mut first_gap = None;
        for query in &self.missing {
            match self.uncertain.iter().find(|other| other.query == *query) {
                Some(other) => {
                    uncertain.push(query);
                    first_gap.get_or_insert(&other.gap);
                }
                None if query.is_glob() && self.only_managed => absent_globs.push(query),
                None => absent.push(query),
            }
        }
        let mut sentences = Vec::new();
        if !absent.is_empty() {
            sentences.push(format!("no VM is called {}", join_with_or(&absent)));
            let terminated: BTreeSet<_> = self
                .terminated
                .iter()
                .filter(|(query, _)| absent.contains(&query))
                .map(|(_, reference)| reference)
                .collect();
            match (terminated.len(), terminated.first()) {
                (1, Some(only)) => sentences.push(format!("{only} matches, but is terminated")),
                (0, _) => {}
                (several, _) => sentences.push(format!("{several} VMs match, but are terminated")),
            }
        }
        if !absent_globs.is_empty() {
            let names = join_with_or(absent_globs);
            sentences.push(format!("no VM created by cloudctl is called {names}"));
        }
        if let Some(gap) = first_gap {
            sentences.push(format!(
                "no VM called {} was found, but not every location answered: {}",
                join_with_or(uncertain),
                gap.error
            ));
            return Some(Error::new(ErrorKind::Incomplete, sentences.join("; ")).at(gap.location.clone()));
        }
        if sentences.is_empty() {
            return None;
        }
        let error = Error::new(ErrorKind::NotFound, sentences.join("; "));
        Some(error.with_hint("see which VMs there are with `cloudctl list`"))
    }
}

/// Finds the instances of a selection. A name means an instance that is alive; an id also one that is gone but still listed;
/// a pattern, a selector or a filter all instances that are alive.
///
/// # Errors
/// `Ambiguous` if a name matches two instances; the message has both references. Those of [`SelectionQuery::list`]. If no
/// location answered: the error of the first.
pub async fn resolve(query: &SelectionQuery<'_>) -> Result<ResolvedInstances> {
    let selection = query.selection;
    let mut listings = query.list(&mut |_| ()).await?;
    if let Some(error) = find_error_if_nothing_answered(&listings) {
        return Err(error);
    }
    let mut resolved = ResolvedInstances {
        only_managed: selection.only_managed,
        has_queries: !selection.queries.is_empty(),
        ..ResolvedInstances::default()
    };
    for listing in &listings {
        let names_each_instance = !listing.queries.is_empty() && !listing.queries.iter().any(InstanceQuery::is_glob);
        let inventory = &listing.inventory;
        match names_each_instance {
            true => resolved.gaps.extend(inventory.gaps.iter().cloned()),
            false => resolved.open_gaps.extend(inventory.gaps.iter().cloned()),
        }
        resolved.skipped.extend(inventory.skipped.iter().cloned());
    }
    if selection.queries.is_empty()
        && let Some(listing) = listings.pop()
    {
        let selected = sort_and_deduplicate(&listing.inventory.instances);
        resolved.instances = filter_by_state(&selected, |state| !state.is_gone());
        resolved.terminating = filter_by_state(&selected, |state| state == InstanceState::Terminating);
        resolved.outcome = listing.outcome;
        return Ok(resolved);
    }
    let (mut added, mut added_terminating) = (HashSet::new(), HashSet::new());
    for query in &selection.queries {
        let Some(listing) = listings.iter().find(|listing| listing.queries.contains(query)) else {
            continue;
        };
        let mut matching = sort_and_deduplicate(&listing.inventory.instances);
        matching.retain(|instance| selection.query_selects(query, instance));
        for &instance in &matching {
            match instance.state {
                InstanceState::Terminated => resolved.terminated.push((query.clone(), instance.reference.clone())),
                InstanceState::Terminating => {
                    resolved.terminating_queries.push(query.clone());
                    if added_terminating.insert(instance.reference.clone()) {
                        resolved.terminating.push(instance.clone());
                    }
                }
                _ => {}
            }
        }
        let instances = if query.is_glob() {
            filter_by_state(&matching, |state| !state.is_gone())
        } else {
            Vec::from_iter(find_best_match(query, &matching)?.cloned())
        };
        if let Some(gap) = listing.inventory.gaps.first() {
            resolved.uncertain.push(UncertainQuery {
                query: query.clone(),
                gap: gap.clone(),
                found_by_name: !query.is_glob() && instances.iter().any(|instance| !query.is_id_of(instance)),
            });
        }
        if instances.is_empty() {
            resolved.missing.push(query.clone());
        }
        for instance in instances {
            if added.insert(instance.reference.clone()) {
                resolved.instances.push(instance);
            }
        }
    }
    Ok(resolved)
}

/// The error of the first location that did not answer, if no location of any listing answered.
fn find_error_if_nothing_answered(listings: &[SelectedListing]) -> Option<Error> {
    if listings.iter().any(|listing| listing.inventory.answered > 0) {
        return None;
    }
    let mut gaps = listings.iter().flat_map(|listing| &listing.inventory.gaps);
    gaps.next().cloned().map(Error::from)
}

fn filter_by_state(instances: &[&Instance], is_wanted: impl Fn(InstanceState) -> bool) -> Vec<Instance> {
    let wanted = instances.iter().filter(|instance| is_wanted(instance.state));
    wanted.map(|instance| (*instance).clone()).collect()
}

/// Sorts instances, and leaves out those that are listed twice.
fn sort_and_deduplicate(instances: &[Instance]) -> Vec<&Instance> {
    let mut instances: Vec<_> = instances.iter().collect();
    instances.sort_by(|one, other| one.reference.cmp(&other.reference));
    instances.dedup_by(|one, other| one.reference == other.reference);
    instances
}

/// The instance that a name or id means, of those that match it. An id means its instance in every state. A name means the
/// instance that is alive, or else the only one that is terminating.
///
/// # Errors
/// `Ambiguous` if several instances are alive.
fn find_best_match<'a>(query: &InstanceQuery, matching: &[&'a Instance]) -> Result<Option<&'a Instance>> {
    let alive: Vec<_> = matching.iter().filter(|instance| !instance.state.is_gone()).collect();
    if alive.len() > 1 {
        return Err(ambiguous_error(query, alive.into_iter().copied()));
    }
    if let Some(alive) = alive.first() {
        return Ok(Some(alive));
    }
    if let Some(by_id) = matching.iter().find(|instance| query.is_id_of(instance)) {
        return Ok(Some(by_id));
    }
    let is_terminating = |instance: &&&Instance| instance.state == InstanceState::Terminating;
    let terminating: Vec<_> = matching.iter().filter(is_terminating).collect();
    match terminating.as_slice() {
        [only] => Ok(Some(only)),
        _ => Ok(None),
    }
}

/// Creates the error for a query that means several instances where one is needed.
pub fn ambiguous_error<'a>(query: &InstanceQuery, instances: impl IntoIterator<Item = &'a Instance>) -> Error {
    let references: Vec<_> = instances
        .into_iter()
        .map(|instance| instance.reference.to_string())
        .collect();
    let message = format!("{query} matches {} VMs: {}", references.len(), references.join(", "));
    Error::new(ErrorKind::Ambiguous, message).with_hint("use the full reference of one of them")
}

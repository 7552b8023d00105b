//! From what people type to the instances they mean: exactly one for each reference, or an error that says why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::inventory::{Inventory, RegionSelection, list_all};
use crate::cloud::{
    Error, ErrorKind, Gap, Instance, InstanceQuery, InstanceState, ListFilter, Provider, ProviderKind, Result,
    SkippedCloud,
};

/// What the references came to.
#[derive(Debug, Default)]
pub struct ResolvedInstances {
    /// One instance for each reference that was found, without repetitions, in the order typed.
    pub instances: Vec<Instance>,
    /// All that references fit and that is terminating, whether it is among `instances` or not.
    going: Vec<Instance>,
    /// The references for which there is no living instance.
    pub missing: Vec<InstanceQuery>,
    /// The references that were looked for where not everything answered, each with what did not.
    doubts: Vec<(InstanceQuery, Gap)>,
    /// The locations that did not answer.
    pub gaps: Vec<Gap>,
    /// The clouds that were not queried.
    pub skipped: Vec<SkippedCloud>,
}

impl ResolvedInstances {
    /// The instances, if every reference means one.
    ///
    /// # Errors
    /// As [`missing_error`](Self::missing_error).
    pub fn into_all(self) -> Result<Vec<Instance>> {
        match self.missing_error() {
            Some(error) => Err(error),
            None => Ok(self.instances),
        }
    }

    /// Adds all that is terminating: several of a name may be, beside one that lives or without it. A name of which none
    /// lives stays missing only if a place that did not answer may have one.
    pub fn add_terminating(&mut self) {
        let going = std::mem::take(&mut self.going);
        let doubts = &self.doubts;
        self.missing.retain(|reference| {
            let is_doubted = doubts.iter().any(|(doubted, _)| doubted == reference);
            is_doubted || !going.iter().any(|instance| reference.matches(instance))
        });
        for instance in going {
            if !self.instances.iter().any(|known| known.reference == instance.reference) {
                self.instances.push(instance);
            }
        }
    }

    /// Checks that nothing else can be meant. A name that was seen once may be there again where a part of what was
    /// looked at did not answer: a region of all of them, or a zone of the region that was named with it. An id means one
    /// instance.
    ///
    /// # Errors
    /// `Refused`, naming the name and the place.
    pub fn check_unambiguous(&self) -> Result<()> {
        let by_name = |reference: &InstanceQuery| {
            let means_name = |instance: &Instance| instance.reference.id != reference.name_or_id;
            self.instances
                .iter()
                .any(|instance| reference.matches(instance) && means_name(instance))
        };
        let Some((reference, gap)) = self.doubts.iter().find(|(reference, _)| by_name(reference)) else {
            return Ok(());
        };
        let message = format!(
            "{} did not answer and may have another VM called {}; nothing was changed: {}",
            gap.location, reference.name_or_id, gap.error
        );
        Err(
            Error::new(ErrorKind::Refused, message).with_hint(match reference.scope {
                Some(_) => {
                    "name the VM by its id, or name its zone in place of the region where a name is one for each zone"
                }
                None => "name its region with --region, or the VM by its id",
            }),
        )
    }

    /// The error for the references that were not found, if there are any. Where a place that one may be in did not
    /// answer, that is not "not found" but "incomplete".
    pub fn missing_error(&self) -> Option<Error> {
        let names: Vec<_> = self.missing.iter().map(ToString::to_string).collect();
        if names.is_empty() {
            return None;
        }
        let names = names.join(", ");
        let is_missing = |(reference, _): &&(InstanceQuery, Gap)| self.missing.contains(reference);
        Some(match self.doubts.iter().find(is_missing) {
            None => Error::new(ErrorKind::NotFound, format!("no VM is called {names}")),
            Some((_, gap)) => Error::new(
                ErrorKind::Incomplete,
                format!(
                    "no VM called {names} was seen, but not every location answered: {}",
                    gap.error
                ),
            )
            .at(gap.location.clone()),
        })
    }
}

/// Finds the instance behind each reference. A name means a living instance; an id also one that is gone but still
/// listed. Asks all of `providers`, and for a reference in full form that provider alone, by way of `connect`.
///
/// # Errors
/// `Ambiguous` if a reference fits two instances; the message lists both in full form. `InvalidSpec` if the scope
/// names no known place. Whatever every location answered, if none answered well.
pub async fn resolve(
    references: &[InstanceQuery],
    providers: &[Arc<dyn Provider>],
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    scope: &RegionSelection,
) -> Result<ResolvedInstances> {
    let mut selection = ResolvedInstances::default();
    let mut found = Inventory::default();
    let (full, short): (Vec<_>, Vec<_>) = references.iter().partition(|reference| reference.scope.is_some());

    let mut doubts = Vec::new();
    let mut doubt = |references: &[&InstanceQuery], listing: &Inventory| {
        if let Some(gap) = listing.gaps.first() {
            doubts.extend(references.iter().map(|&reference| (reference.clone(), gap.clone())));
        }
    };
    if !short.is_empty() {
        let listing = list_all(providers, scope, &filter_for(&short)).await?;
        doubt(&short, &listing);
        found.merge(listing);
    }
    // One listing for each place, however many are named in it.
    let mut places: BTreeMap<(ProviderKind, &str), Vec<&InstanceQuery>> = BTreeMap::new();
    for reference in full {
        if let Some((kind, place)) = &reference.scope {
            places.entry((*kind, place)).or_default().push(reference);
        }
    }
    let listings = places.into_iter().map(async |((kind, place), references)| {
        let provider = connect(kind);
        let scope = scope_of_place(provider.as_ref(), place).await?;
        let listing = list_all(&[provider], &scope, &filter_for(&references)).await?;
        Ok::<_, Error>((references, listing))
    });
    for listing in join_all(listings).await {
        let (references, listing) = listing?;
        doubt(&references, &listing);
        found.merge(listing);
    }
    if found.nothing_answered() {
        return Err(found.gaps.swap_remove(0).into());
    }

    for reference in references {
        match best_match(reference, &found.instances)? {
            Some(instance) => {
                if !selection
                    .instances
                    .iter()
                    .any(|known| known.reference == instance.reference)
                {
                    selection.instances.push(instance.clone());
                }
            }
            None => selection.missing.push(reference.clone()),
        }
    }
    selection.doubts = doubts;
    let is_meant = |instance: &&Instance| references.iter().any(|reference| reference.matches(instance));
    let going = found
        .instances
        .iter()
        .filter(|instance| instance.state == InstanceState::Terminating);
    selection.going = going.filter(is_meant).cloned().collect();
    selection
        .going
        .sort_by(|one, other| one.reference.cmp(&other.reference));
    selection.going.dedup_by(|one, other| one.reference == other.reference);
    selection.gaps = found.gaps;
    selection.skipped = found.skipped;
    Ok(selection)
}

/// The place of a full reference is a zone on Compute Engine and a region elsewhere; a driver knows which.
async fn scope_of_place(provider: &dyn Provider, place: &str) -> Result<RegionSelection> {
    let as_region = RegionSelection {
        regions: vec![place.to_owned()],
        zone: None,
    };
    let as_zone = RegionSelection {
        regions: Vec::new(),
        zone: Some(place.to_owned()),
    };
    match provider.resolve_location(Some(place), None).await {
        Ok(_) => Ok(as_region),
        Err(error) if error.kind() == ErrorKind::InvalidSpec => provider
            .resolve_location(None, Some(place))
            .await
            .map(|_| as_zone)
            .map_err(|_| error),
        Err(error) => Err(error),
    }
}

fn filter_for(references: &[&InstanceQuery]) -> ListFilter {
    let names: Vec<_> = references
        .iter()
        .map(|reference| reference.name_or_id.clone())
        .collect();
    ListFilter {
        ids: names.clone(),
        names,
        managed: false,
    }
}

fn best_match<'a>(reference: &InstanceQuery, instances: &'a [Instance]) -> Result<Option<&'a Instance>> {
    let mut fitting: Vec<&Instance> = instances
        .iter()
        .filter(|instance| reference.matches(instance))
        .collect();
    fitting.sort_by(|one, other| one.reference.cmp(&other.reference));
    fitting.dedup_by(|one, other| one.reference == other.reference);
    let living: Vec<&Instance> = fitting
        .iter()
        .copied()
        .filter(|instance| !instance.state.is_gone())
        .collect();
    if let [_, _, ..] = living.as_slice() {
        let all: Vec<_> = living.iter().map(|instance| instance.reference.to_string()).collect();
        return Err(Error::new(
            ErrorKind::Ambiguous,
            format!("{reference} fits {} VMs: {}", all.len(), all.join(", ")),
        )
        .with_hint("name one of them in full"));
    }
    // An id means one instance whatever its state. A name is free again once its instance is going, but while it is
    // still on its way that is the one that is meant.
    let going: Vec<&Instance> = fitting
        .iter()
        .copied()
        .filter(|instance| instance.state == InstanceState::Terminating)
        .collect();
    let on_its_way = if let [only] = going.as_slice() {
        Some(*only)
    } else {
        None
    };
    let by_id = || {
        fitting
            .iter()
            .copied()
            .find(|instance| instance.reference.id == reference.name_or_id)
    };
    Ok(living.first().copied().or_else(by_id).or(on_its_way))
}

//! Looking names up wherever they may be, before something is made under them and after.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use crate::cloud::{
    Error, ErrorKind, Instance, InstanceName, InstanceRef, InstanceState, ListFilter, ListScope, Provider, Result,
};

/// A cloud, and a part of it.
pub(crate) type SearchScope = (Arc<dyn Provider>, ListScope);

/// What there is of some names.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    ours: HashMap<String, Vec<Instance>>,
    /// What cloudctl did not make, where that was looked for.
    others: HashMap<String, Vec<Instance>>,
}

impl NameIndex {
    /// All of ours of a name, dead or alive.
    pub(crate) fn of(&self, name: &InstanceName) -> &[Instance] {
        self.ours.get(name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Whether this very instance was listed, dead or alive.
    pub(crate) fn contains(&self, reference: &InstanceRef) -> bool {
        self.ours
            .values()
            .flatten()
            .any(|instance| instance.reference == *reference)
    }

    /// The living ones of a name that cloudctl did not make.
    pub(crate) fn living_others(&self, name: &InstanceName) -> impl Iterator<Item = &Instance> {
        let all = self.others.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|instance| !instance.state.is_gone())
    }

    /// The living of a name.
    pub(crate) fn alive(&self, name: &InstanceName) -> Vec<&Instance> {
        self.of(name)
            .iter()
            .filter(|instance| !instance.state.is_gone())
            .collect()
    }

    /// The life of a name after the last one that can still be seen. A token outlives its instance; a process that
    /// cannot see it starts earlier, is told "spent" for each, and arrives at the same generation.
    pub(crate) fn next_generation<'a>(&self, names: impl IntoIterator<Item = &'a InstanceName>) -> u32 {
        let gone = |name| self.of(name).iter().filter(|instance| instance.state.is_gone());
        let last = names
            .into_iter()
            .flat_map(gone)
            .filter_map(|instance| instance.generation)
            .max();
        last.map_or(0, |last| last.saturating_add(1))
    }
}

/// What there is of ours of these names, everywhere.
///
/// # Errors
/// Those of listing; also where a part did not answer: what cannot be seen may be there.
pub(crate) async fn find_by_name(parts: &[SearchScope], names: &[InstanceName]) -> Result<NameIndex> {
    look_for(parts, names, true).await
}

/// The same, and what cloudctl did not make: a name that such a VM has is taken.
///
/// # Errors
/// As [`find_by_name`].
pub(crate) async fn look_up_all(parts: &[SearchScope], names: &[InstanceName]) -> Result<NameIndex> {
    look_for(parts, names, false).await
}

async fn look_for(parts: &[SearchScope], names: &[InstanceName], managed: bool) -> Result<NameIndex> {
    let filter = ListFilter {
        names: names.iter().map(ToString::to_string).collect(),
        managed,
        ..ListFilter::default()
    };
    let listings = parts
        .iter()
        .map(|(provider, location)| look_in(provider.as_ref(), location, &filter, names));
    let mut seen = NameIndex::default();
    for instance in try_join_all(listings).await?.into_iter().flatten() {
        if let Some(name) = instance.name.clone() {
            let known = if instance.managed {
                &mut seen.ours
            } else {
                &mut seen.others
            };
            known.entry(name).or_default().push(instance);
        }
    }
    Ok(seen)
}

async fn look_in(
    provider: &dyn Provider,
    location: &ListScope,
    filter: &ListFilter,
    names: &[InstanceName],
) -> Result<Vec<Instance>> {
    let mut listing = provider.list(location, filter).await?;
    let is_stopping = |instance: &Instance| instance.state == InstanceState::Stopping;
    if listing.instances.iter().any(is_stopping) {
        // Compute Engine shows what is being deleted as stopping, and what tells them apart can be over before it is
        // asked for: then the instance is gone by now.
        listing = provider.list(location, filter).await?;
    }
    match listing.gaps.into_iter().next() {
        Some(gap) => Err(Error::from(gap).context(format_args!("cannot tell whether {} exists", format_names(names)))),
        None => Ok(listing.instances),
    }
}

/// The one living instance of a name, if there is one.
///
/// # Errors
/// `Ambiguous` if there are several.
pub(crate) fn exactly_one(seen: &NameIndex, name: &InstanceName) -> Result<Option<Instance>> {
    match seen.alive(name).as_slice() {
        [] => Ok(None),
        [one] => Ok(Some((*one).clone())),
        several => {
            let all: Vec<_> = several.iter().map(|instance| instance.reference.to_string()).collect();
            let message = format!("{name} is there {} times: {}", all.len(), all.join(", "));
            Err(Error::new(ErrorKind::Ambiguous, message)
                .with_hint("terminate all but one of them by their full references"))
        }
    }
}

/// Names in an error's words.
pub(crate) fn format_names(names: &[InstanceName]) -> String {
    match names {
        [one] => one.to_string(),
        [first, .., last] => format!("{first} to {last}"),
        [] => "it".to_owned(),
    }
}

//! Finds the instances that have some names, in all locations where they may be.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use crate::cloud::{
    Error, ErrorKind, Instance, InstanceName, InstanceRef, InstanceState, ListFilter, ListScope, Provider, Result,
};

/// A cloud and the part of it that one listing covers.
pub(super) type SearchScope = (Arc<dyn Provider>, ListScope);

/// The instances that have some names.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    managed: HashMap<String, Vec<Instance>>,
    /// Filled by [`find_by_name_with_unmanaged`] only.
    unmanaged: HashMap<String, Vec<Instance>>,
}

impl NameIndex {
    /// All managed instances of a name, also those that are gone.
    pub(super) fn managed(&self, name: &InstanceName) -> &[Instance] {
        self.managed.get(name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The managed instances of a name that are not gone.
    pub(super) fn alive(&self, name: &InstanceName) -> Vec<&Instance> {
        let instances = self.managed(name).iter();
        instances.filter(|instance| !instance.state.is_gone()).collect()
    }

    /// The unmanaged instances of a name that are not gone.
    pub(super) fn alive_unmanaged(&self, name: &InstanceName) -> impl Iterator<Item = &Instance> {
        let instances = self.unmanaged.get(name.as_str()).into_iter().flatten();
        instances.filter(|instance| !instance.state.is_gone())
    }

    /// Whether this managed instance was listed, gone or not.
    pub(super) fn contains(&self, reference: &InstanceRef) -> bool {
        let mut instances = self.managed.values().flatten();
        instances.any(|instance| instance.reference == *reference)
    }

    /// The generation after the last one that is still listed. A token outlives its instance: a run that does not see
    /// the instance any more starts with an earlier generation, learns of each token that it is already used, and
    /// arrives at the same generation.
    pub(super) fn next_generation(&self, names: &[InstanceName]) -> u32 {
        let instances = names.iter().flat_map(|name| self.managed(name));
        let gone = instances.filter(|instance| instance.state.is_gone());
        match gone.filter_map(|instance| instance.generation).max() {
            Some(last) => last.saturating_add(1),
            None => 0,
        }
    }

    /// The one managed instance of a name that is not gone, if there is one.
    ///
    /// # Errors
    /// `Ambiguous` if there are several.
    pub(super) fn exactly_one(&self, name: &InstanceName) -> Result<Option<Instance>> {
        match self.alive(name).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one).clone())),
            several => {
                let references: Vec<_> = several.iter().map(|instance| instance.reference.to_string()).collect();
                let message = format!("{} VMs are called {name}: {}", references.len(), references.join(", "));
                Err(Error::new(ErrorKind::Ambiguous, message)
                    .with_hint("terminate all but one of them by their full references"))
            }
        }
    }

    fn insert(&mut self, instance: Instance) {
        let Some(name) = instance.name.clone() else { return };
        let by_name = match instance.managed {
            true => &mut self.managed,
            false => &mut self.unmanaged,
        };
        by_name.entry(name).or_default().push(instance);
    }
}

/// Finds the managed instances that have these names.
///
/// # Errors
/// Those of listing. Also if a location did not answer: an instance may be there.
pub(super) async fn find_by_name(scopes: &[SearchScope], names: &[InstanceName]) -> Result<NameIndex> {
    list_names(scopes, names, true).await
}

/// Finds all instances that have these names: an unmanaged instance takes its name, too.
pub(super) async fn find_by_name_with_unmanaged(scopes: &[SearchScope], names: &[InstanceName]) -> Result<NameIndex> {
    list_names(scopes, names, false).await
}

async fn list_names(scopes: &[SearchScope], names: &[InstanceName], managed: bool) -> Result<NameIndex> {
    let filter = ListFilter {
        names: names.iter().map(ToString::to_string).collect(),
        managed,
        ..ListFilter::default()
    };
    let listings = scopes
        .iter()
        .map(|(provider, scope)| list_names_in_scope(provider.as_ref(), scope, &filter, names));
    let mut index = NameIndex::default();
    for instance in try_join_all(listings).await?.into_iter().flatten() {
        index.insert(instance);
    }
    Ok(index)
}

async fn list_names_in_scope(
    provider: &dyn Provider,
    scope: &ListScope,
    filter: &ListFilter,
    names: &[InstanceName],
) -> Result<Vec<Instance>> {
    let mut listing = provider.list(scope, filter).await?;
    let is_stopping = |instance: &Instance| instance.state == InstanceState::Stopping;
    if listing.instances.iter().any(is_stopping) {
        // Compute Engine lists an instance that is being deleted as stopping. The driver looks up its operation to tell
        // the two apart, but the operation can end before that: the instance is gone in a second listing then.
        listing = provider.list(scope, filter).await?;
    }
    match listing.gaps.into_iter().next() {
        Some(gap) => Err(Error::from(gap).context(format_args!("cannot tell whether {} exists", format_names(names)))),
        None => Ok(listing.instances),
    }
}

/// Names for a message: `web`, or `web-1 to web-3`.
pub(super) fn format_names(names: &[InstanceName]) -> String {
    match names {
        [one] => one.to_string(),
        [first, .., last] => format!("{first} to {last}"),
        [] => "it".to_owned(),
    }
}

//! Finds the instances that have some names, in all locations where they may be.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::cloud::{
    Error, ErrorKind, Instance, InstanceName, InstanceRef, InstanceState, ListFilter, ListScope, Listing, Provider,
    Result,
};
use crate::shutdown::Shutdown;

/// How often a new instance is listed until its cloud shows it, and the pause between two listings.
const MAX_LISTINGS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// A cloud and the part of it that one listing covers.
pub(super) type SearchScope = (Arc<dyn Provider>, ListScope);

/// The instances that have some names.
#[derive(Clone, Debug, Default)]
pub(super) struct NameIndex {
    managed: HashMap<String, Vec<Instance>>,
    /// Empty after [`find_by_name`], which lists managed instances only.
    unmanaged: HashMap<String, Vec<Instance>>,
}

impl NameIndex {
    /// All managed instances of a name, also those that are gone.
    pub(super) fn managed(&self, name: &InstanceName) -> &[Instance] {
        self.managed.get(name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// All managed instances of all names, also those that are gone.
    pub(super) fn all_managed(&self) -> impl Iterator<Item = &Instance> {
        self.managed.values().flatten()
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
        self.all_managed().any(|instance| instance.reference == *reference)
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

    /// Forgets what was listed under these names.
    pub(super) fn forget(&mut self, names: &[InstanceName]) {
        for name in names {
            self.managed.remove(name.as_str());
            self.unmanaged.remove(name.as_str());
        }
    }

    /// Adds what a listing of other names found.
    pub(super) fn extend(&mut self, other: Self) {
        self.managed.extend(other.managed);
        self.unmanaged.extend(other.unmanaged);
    }

    pub(super) fn insert(&mut self, instance: Instance) {
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
    let filter = ListFilter {
        names: names.iter().map(ToString::to_string).collect(),
        managed: true,
        ..ListFilter::default()
    };
    let listings = scopes
        .iter()
        .map(|(provider, scope)| list_names_in_scope(provider.as_ref(), scope, &filter));
    let mut index = NameIndex::default();
    for listing in try_join_all(listings).await? {
        check_complete(&listing, names)?;
        listing
            .instances
            .into_iter()
            .for_each(|instance| index.insert(instance));
    }
    Ok(index)
}

/// Lists the names of the created instances; `None` if that fails, or a signal came. A listing without an instance that this run created
/// may also lack one that another run created before, so the names are listed again, a few times.
pub(super) async fn list_until_visible(
    search_scopes: &[SearchScope],
    created: &[Instance],
    shutdown: &Shutdown,
) -> Option<NameIndex> {
    let names: Vec<_> = created.iter().filter_map(parse_name).collect();
    let mut latest_index = None;
    for listing in 1..=MAX_LISTINGS {
        let Ok(index) = shutdown.run_until_signal(find_by_name(search_scopes, &names)).await else {
            break;
        };
        let lists_all_created = created.iter().all(|instance| index.contains(&instance.reference));
        latest_index = Some(index);
        if lists_all_created || listing == MAX_LISTINGS || shutdown.run_until_signal(pause()).await.is_err() {
            break;
        }
    }
    latest_index
}

async fn pause() -> Result<()> {
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

/// The name of an instance; `None` if it has none that cloudctl could have given.
pub(super) fn parse_name(instance: &Instance) -> Option<InstanceName> {
    instance.name.as_deref()?.parse().ok()
}

/// Lists the instances of one scope that the filter accepts.
pub(super) async fn list_names_in_scope(
    provider: &dyn Provider,
    scope: &ListScope,
    filter: &ListFilter,
) -> Result<Listing> {
    let listing = provider.list(scope, filter).await?;
    let is_stopping = |instance: &Instance| instance.state == InstanceState::Stopping;
    if listing.instances.iter().any(is_stopping) {
        // Compute Engine lists an instance that is being deleted as stopping. The driver looks up its operation to tell
        // the two apart, but the operation can end before that: the instance is gone in a second listing then.
        return provider.list(scope, filter).await;
    }
    Ok(listing)
}

/// Checks that every part of a scope answered.
///
/// # Errors
/// That of the first part that did not, with the names: an instance may be there.
pub(super) fn check_complete(listing: &Listing, names: &[InstanceName]) -> Result<()> {
    match listing.gaps.first() {
        Some(gap) => {
            let error = Error::from(gap.clone());
            Err(error.context(format_args!("cannot tell whether {} exists", format_names(names))))
        }
        None => Ok(()),
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

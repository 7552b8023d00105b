//! Compares each listing of a watch with the one before.

use std::collections::BTreeMap;
use std::time::Duration;

use super::list_instances::Inventory;
use crate::cloud::{ErrorKind, ErrorLocation, Gap, Instance, InstanceField, InstanceRef};

/// What a listing says of an instance, compared with the listing before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStatus {
    /// It was not listed before.
    Added,
    /// One of its fields has another value.
    Changed,
    /// It is the same.
    Unchanged,
    /// Its location did not answer: it is shown as it was listed last.
    NotAnswered,
}

/// What is new in a listing.
#[derive(Debug, Default)]
pub struct WatchUpdate {
    /// All instances to show, in no order: those that are listed, and those whose location did not answer.
    pub instances: Vec<Instance>,
    /// The status of each of them.
    pub statuses: BTreeMap<InstanceRef, RowStatus>,
    /// The instances that are no longer listed, as they were last.
    pub removed: Vec<Instance>,
    /// The locations that answered before and do not now, or fail in another way.
    pub new_gaps: Vec<Gap>,
    /// The locations that did not answer before and do now.
    pub answered_again: Vec<ErrorLocation>,
}

impl WatchUpdate {
    /// The status of an instance of the update.
    pub fn status(&self, instance: &Instance) -> RowStatus {
        match self.statuses.get(&instance.reference) {
            Some(status) => *status,
            None => RowStatus::Unchanged,
        }
    }
}

/// The instances and gaps of the last listing.
#[derive(Debug, Default)]
pub struct WatchedInstances {
    instances: BTreeMap<InstanceRef, Instance>,
    gaps: Vec<(ErrorLocation, ErrorKind)>,
}

impl WatchedInstances {
    /// Takes a listing, and gives what is new in it. An instance whose location did not answer is not gone: it is kept.
    pub fn update(&mut self, inventory: Inventory) -> WatchUpdate {
        let mut update = WatchUpdate::default();
        let mut previous = std::mem::take(&mut self.instances);
        for instance in inventory.instances {
            let status = match previous.remove(&instance.reference) {
                None => RowStatus::Added,
                Some(old) if has_same_fields(&old, &instance) => RowStatus::Unchanged,
                Some(_) => RowStatus::Changed,
            };
            update.add(instance, status);
        }
        for instance in previous.into_values() {
            match inventory.gaps.iter().any(|gap| is_hidden_by(gap, &instance)) {
                true => update.add(instance, RowStatus::NotAnswered),
                false => update.removed.push(instance),
            }
        }
        for instance in &update.instances {
            self.instances.insert(instance.reference.clone(), instance.clone());
        }
        self.compare_gaps(inventory.gaps, &mut update);
        update
    }

    fn compare_gaps(&mut self, gaps: Vec<Gap>, update: &mut WatchUpdate) {
        let previous = std::mem::take(&mut self.gaps);
        for (location, _) in &previous {
            let is_missing = |gap: &Gap| {
                gap.location == *location
                    || (gap.location.provider == location.provider && gap.location.scope.is_none())
            };
            if !gaps.iter().any(is_missing) && !update.answered_again.contains(location) {
                update.answered_again.push(location.clone());
            }
        }
        for gap in gaps {
            let key = (gap.location.clone(), gap.error.kind());
            if !previous.contains(&key) {
                update.new_gaps.push(gap);
            }
            self.gaps.push(key);
        }
    }

    /// The locations that did not answer the last listing.
    pub fn unanswered_locations(&self) -> impl Iterator<Item = &ErrorLocation> {
        self.gaps.iter().map(|(location, _)| location)
    }
}

impl WatchUpdate {
    fn add(&mut self, instance: Instance, status: RowStatus) {
        self.statuses.insert(instance.reference.clone(), status);
        self.instances.push(instance);
    }
}

fn has_same_fields(one: &Instance, other: &Instance) -> bool {
    InstanceField::ALL
        .iter()
        .all(|field| field.value(one) == field.value(other))
}

/// Whether the instance may be in the part that did not answer.
fn is_hidden_by(gap: &Gap, instance: &Instance) -> bool {
    if gap.location.provider != instance.provider {
        return false;
    }
    match &gap.location.scope {
        None => true,
        Some(scope) => {
            *scope == instance.region
                || *scope == instance.reference.scope
                || instance.zone.as_ref().is_some_and(|zone| zone == scope)
        }
    }
}

/// Waits before the next listing.
pub async fn pause(interval: Duration) {
    tokio::time::sleep(interval).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Error, InstanceState, ProviderKind};

    fn instance(region: &str, id: &str, state: InstanceState) -> Instance {
        Instance {
            state,
            ..Instance::with_id_only(ProviderKind::Mock, region.to_owned(), id.to_owned())
        }
    }

    fn listing(instances: Vec<Instance>, gaps: &[&str]) -> Inventory {
        let new_gap = |scope: &&str| {
            let error = Error::new(ErrorKind::Network, "no answer");
            Gap::new(error, ErrorLocation::new(ProviderKind::Mock, scope))
        };
        Inventory {
            instances,
            gaps: gaps.iter().map(new_gap).collect(),
            ..Inventory::default()
        }
    }

    /// The id and the status of each instance.
    fn statuses(update: &WatchUpdate) -> Vec<(&str, RowStatus)> {
        let statuses = update.statuses.iter();
        statuses
            .map(|(reference, status)| (reference.id.as_str(), *status))
            .collect()
    }

    #[test]
    fn update_tells_what_changed() {
        use RowStatus::{Added, Changed, Unchanged};
        let running = |id| instance("here", id, InstanceState::Running);
        let mut watched = WatchedInstances::default();
        let first = watched.update(listing(vec![running("a"), running("b"), running("c")], &[]));
        assert_eq!(statuses(&first), [("a", Added), ("b", Added), ("c", Added)]);
        let stopped = instance("here", "b", InstanceState::Stopped);
        let second = watched.update(listing(vec![running("a"), stopped, running("d")], &[]));
        assert_eq!(statuses(&second), [("a", Unchanged), ("b", Changed), ("d", Added)]);
        assert_eq!(second.removed.len(), 1);
        assert_eq!(second.removed[0].reference.id, "c");
    }

    #[test]
    fn instance_in_a_gap_is_kept_and_the_gap_is_new_once() {
        let here = || instance("here", "a", InstanceState::Running);
        let there = || instance("there", "b", InstanceState::Running);
        let mut watched = WatchedInstances::default();
        watched.update(listing(vec![here(), there()], &[]));
        for is_new in [true, false] {
            let update = watched.update(listing(vec![here()], &["there"]));
            assert_eq!(update.status(&there()), RowStatus::NotAnswered);
            assert!(update.removed.is_empty());
            assert_eq!(!update.new_gaps.is_empty(), is_new);
        }
        let update = watched.update(listing(vec![here()], &[]));
        assert_eq!(update.answered_again.len(), 1);
        assert_eq!(update.removed.len(), 1);
    }
}

//! Applies one action to many instances, with one call for each cloud, and lists them again afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::cloud::{
    BatchTracker, Error, Instance, InstanceAction, InstanceRef, LabelChanges, ListFilter, ListScope, Provider,
    ProviderKind, TargetOutcome,
};
use crate::shutdown::Shutdown;

#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    /// Apply an action.
    Action(InstanceAction),
    /// Set and remove labels.
    Labels(&'a LabelChanges),
}

/// Applies an action to instances. Gives the instances that were changed, as they are listed now, and an error for each
/// other one.
pub async fn apply(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    action: InstanceAction,
    shutdown: &Shutdown,
) -> (Vec<Instance>, Vec<Error>) {
    change_and_relist(connect, targets, Change::Action(action), shutdown).await
}

/// Changes instances. Gives the instances that were changed, as they are listed now, and an error for each other one.
pub(super) async fn change_and_relist(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    change: Change<'_>,
    shutdown: &Shutdown,
) -> (Vec<Instance>, Vec<Error>) {
    let outcomes = send(connect, targets, change, shutdown).await;
    let (changed, errors) = separate_errors(outcomes, targets);
    let relisted = relist_unless_signalled(connect, &changed, shutdown).await;
    let latest = changed.iter().map(|instance| relisted.latest(instance)).collect();
    (latest, errors)
}

/// Gives the targets that were changed, and the errors of the others.
pub(super) fn separate_errors(outcomes: Vec<TargetOutcome>, targets: &[Instance]) -> (Vec<Instance>, Vec<Error>) {
    // There may be thousands of instances, so they are looked up in a map.
    let targets_by_reference: HashMap<&InstanceRef, &Instance> =
        targets.iter().map(|instance| (&instance.reference, instance)).collect();
    let (mut changed, mut errors) = (Vec::new(), Vec::new());
    for TargetOutcome { target, result } in outcomes {
        if let Err(error) = result {
            errors.push(error.with_subject(&target));
        } else if let Some(instance) = targets_by_reference.get(&target) {
            changed.push(Instance::clone(instance));
        }
    }
    (changed, errors)
}

/// The instances of each cloud.
pub fn group_by_provider<'a>(
    instances: impl IntoIterator<Item = &'a Instance>,
) -> BTreeMap<ProviderKind, Vec<Instance>> {
    let mut by_provider: BTreeMap<ProviderKind, Vec<Instance>> = BTreeMap::new();
    for instance in instances {
        by_provider.entry(instance.provider).or_default().push(instance.clone());
    }
    by_provider
}

/// Sends a change to all clouds at once, to each with its own targets.
pub(super) async fn send(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    change: Change<'_>,
    shutdown: &Shutdown,
) -> Vec<TargetOutcome> {
    let calls = group_by_provider(targets).into_iter().map(async |(kind, instances)| {
        let references: Vec<_> = instances.iter().map(|instance| instance.reference.clone()).collect();
        let may_start = || shutdown.signal_status().is_none();
        let tracker = BatchTracker::new(&may_start);
        let provider = connect(kind);
        let call = async {
            match change {
                Change::Action(action) => provider.apply(action, &references, &tracker).await,
                Change::Labels(changes) => provider.set_labels(&instances, changes, &tracker).await,
            }
        };
        match shutdown.finish_in_grace_period(call).await {
            Some(outcomes) => outcomes,
            None => tracker.into_outcomes(&references),
        }
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// Lists instances again after a change, unless a signal has come.
pub(super) async fn relist_unless_signalled(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: &[Instance],
    shutdown: &Shutdown,
) -> Relisted {
    let listing = async { Ok(relist(connect, instances).await) };
    match shutdown.run_until_signal(listing).await {
        Ok(relisted) => relisted,
        Err(signal_error) => Relisted {
            instances: HashMap::new(),
            gaps: vec![RelistGap::everywhere(signal_error)],
        },
    }
}

/// Lists instances again, with one listing for each of their regions.
pub(super) async fn relist(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: &[Instance],
) -> Relisted {
    let mut by_region: BTreeMap<(ProviderKind, &str), ListFilter> = BTreeMap::new();
    for instance in instances {
        let filter = by_region.entry((instance.provider, &instance.region)).or_default();
        filter.ids.push(instance.reference.id.clone());
    }
    let listings = by_region.iter().map(async |((kind, region), filter)| {
        let scope = ListScope::Region((*region).to_owned());
        ((*kind, *region), connect(*kind).list(&scope, filter).await)
    });
    let mut relisted = Relisted::default();
    for ((kind, region), listing) in join_all(listings).await {
        let new_gap = |is_partial: bool, error: Error| RelistGap {
            region: Some((kind, region.to_owned())),
            is_partial,
            error,
        };
        match listing {
            Ok(listing) => {
                for instance in listing.instances {
                    relisted.instances.insert(instance.reference.clone(), instance);
                }
                let gaps = listing.gaps.into_iter().map(|gap| new_gap(true, gap.error));
                relisted.gaps.extend(gaps);
            }
            Err(error) => relisted.gaps.push(new_gap(false, error)),
        }
    }
    relisted
}

/// A second listing of some instances.
#[derive(Default)]
pub(super) struct Relisted {
    /// The instances that are still listed.
    instances: HashMap<InstanceRef, Instance>,
    gaps: Vec<RelistGap>,
}

impl Relisted {
    /// The instance as it is listed now; `None` if it is not listed.
    pub(super) fn listed(&self, instance: &Instance) -> Option<&Instance> {
        self.instances.get(&instance.reference)
    }

    /// The instance as it is listed now, or else as it was before.
    pub(super) fn latest(&self, instance: &Instance) -> Instance {
        self.listed(instance).unwrap_or(instance).clone()
    }

    /// Why it is not known whether the instance still exists; `None` if it is listed or gone.
    pub(super) fn listing_error(&self, instance: &Instance) -> Option<&Error> {
        if self.listed(instance).is_some() {
            return None;
        }
        let gap = self.gaps.iter().find(|gap| gap.hides(instance))?;
        Some(&gap.error)
    }

    /// Whether the instance is gone: it is not listed, and all locations answered where it can be.
    pub(super) fn proves_absence_of(&self, instance: &Instance) -> bool {
        self.listed(instance).is_none() && self.listing_error(instance).is_none()
    }
}

/// A region, or a part of one, that could not be listed again.
struct RelistGap {
    /// The region; `None` means all regions.
    region: Option<(ProviderKind, String)>,
    /// Whether the rest of the region was listed.
    is_partial: bool,
    error: Error,
}

impl RelistGap {
    /// The gap of all regions.
    fn everywhere(error: Error) -> Self {
        Self {
            region: None,
            is_partial: false,
            error,
        }
    }

    /// Whether the instance may be in this gap. A gap of another zone of the region does not hide it.
    fn hides(&self, instance: &Instance) -> bool {
        let Some((provider, region)) = &self.region else {
            return true;
        };
        if *provider != instance.provider || *region != instance.region {
            return false;
        }
        if !self.is_partial {
            return true;
        }
        match self.error.location().and_then(|location| location.scope.as_deref()) {
            Some(scope) => {
                scope == region || scope == instance.reference.scope || Some(scope) == instance.zone.as_deref()
            }
            None => true,
        }
    }
}

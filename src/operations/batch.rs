//! Starting, stopping and rebooting: one call for each cloud, then a look at what became of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::cloud::{
    BatchTracker, Error, Instance, InstanceAction, InstanceRef, ListFilter, ListScope, Provider, ProviderKind,
    TargetOutcome,
};
use crate::shutdown::Shutdown;

/// Does one thing to many instances. Gives those for which it went well, as they are now, and an error for each other.
pub async fn apply(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    action: InstanceAction,
    interrupt: &Shutdown,
) -> (Vec<Instance>, Vec<Error>) {
    let outcomes = send(connect, targets, action, interrupt).await;
    let known = by_reference(targets);
    let mut errors = Vec::new();
    let mut done = Vec::new();
    for outcome in outcomes {
        match outcome.result {
            Ok(()) => done.extend(known.get(&outcome.target).map(|target| (*target).clone())),
            Err(error) => errors.push(error.with_subject(&outcome.target)),
        }
    }
    let fresh = relist(connect, &done, interrupt).await;
    (done.iter().map(|instance| fresh.latest(instance)).collect(), errors)
}

/// Instances by what they are called in all calls: there may be thousands.
pub(super) fn by_reference(instances: &[Instance]) -> HashMap<&InstanceRef, &Instance> {
    instances
        .iter()
        .map(|instance| (&instance.reference, instance))
        .collect()
}

/// Sends the action, each cloud its own targets, all clouds at once.
pub(super) async fn send(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    action: InstanceAction,
    interrupt: &Shutdown,
) -> Vec<TargetOutcome> {
    let groups = ProviderKind::ALL.into_iter().filter_map(|kind| {
        let references: Vec<InstanceRef> = targets
            .iter()
            .filter(|target| target.provider == kind)
            .map(|target| target.reference.clone())
            .collect();
        (!references.is_empty()).then(|| (connect(kind), references))
    });
    let calls = groups.map(|(provider, references)| async move {
        let may_begin = || interrupt.status().is_none();
        let course = BatchTracker::new(&may_begin);
        let call = provider.apply(action, &references, &course);
        let outcomes = interrupt.finish_in_grace_period(call).await;
        outcomes.unwrap_or_else(|| course.into_outcomes(&references))
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// A second look after a change; after a signal there is no time for it.
pub(super) async fn relist(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: &[Instance],
    interrupt: &Shutdown,
) -> Relisted {
    let look = async { Ok(refresh(connect, instances).await) };
    interrupt.run_until_signal(look).await.unwrap_or_else(|error| Relisted {
        instances: HashMap::new(),
        gaps: vec![UnlistedRegion {
            region: None,
            is_part: false,
            error,
        }],
    })
}

/// A second look at some instances.
#[derive(Default)]
pub(super) struct Relisted {
    /// Those that are still listed.
    instances: HashMap<InstanceRef, Instance>,
    /// What did not answer.
    gaps: Vec<UnlistedRegion>,
}

/// A region that could not be listed, or a part of it.
struct UnlistedRegion {
    /// The region; nothing if it is about all of them.
    region: Option<(ProviderKind, String)>,
    /// Whether the rest of the region was listed.
    is_part: bool,
    error: Error,
}

impl UnlistedRegion {
    /// Whether it can hide that instance. A gap that names another zone of the region does not.
    fn hides(&self, instance: &Instance) -> bool {
        let Some((provider, region)) = &self.region else {
            return true;
        };
        if *provider != instance.provider || *region != instance.region {
            return false;
        }
        if !self.is_part {
            return true;
        }
        let Some(place) = self.error.location().and_then(|location| location.scope.as_deref()) else {
            return true;
        };
        place == region || place == instance.reference.scope || Some(place) == instance.zone.as_deref()
    }
}

impl Relisted {
    /// The instance as it was listed now; `None` if it was not.
    pub(super) fn listed(&self, instance: &Instance) -> Option<&Instance> {
        self.instances.get(&instance.reference)
    }

    /// The instance as it was listed last.
    pub(super) fn latest(&self, instance: &Instance) -> Instance {
        self.listed(instance).unwrap_or(instance).clone()
    }

    /// Why the instance may be there although it is not listed; `None` if it is listed, or is gone.
    pub(super) fn trouble(&self, instance: &Instance) -> Option<&Error> {
        if self.listed(instance).is_some() {
            return None;
        }
        let gap = self.gaps.iter().find(|gap| gap.hides(instance))?;
        Some(&gap.error)
    }

    /// Whether the instance is not there any more: all answered where it could be.
    pub(super) fn is_absent(&self, instance: &Instance) -> bool {
        self.listed(instance).is_none() && self.trouble(instance).is_none()
    }
}

/// Lists the given instances again, with one listing for each of their regions.
pub(super) async fn refresh(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: &[Instance],
) -> Relisted {
    let mut groups: BTreeMap<(ProviderKind, &str), ListFilter> = BTreeMap::new();
    for instance in instances {
        let group = groups.entry((instance.provider, &instance.region)).or_default();
        group.ids.push(instance.reference.id.clone());
    }
    let listings = groups.iter().map(|((kind, region), filter)| {
        let (provider, location) = (connect(*kind), ListScope::Region((*region).to_owned()));
        async move { ((*kind, *region), provider.list(&location, filter).await) }
    });
    let mut fresh = Relisted::default();
    for ((kind, region), listing) in join_all(listings).await {
        let gap = |is_part: bool, error: Error| UnlistedRegion {
            region: Some((kind, region.to_owned())),
            is_part,
            error,
        };
        match listing {
            Ok(listing) => {
                let listed = listing.instances.into_iter();
                fresh
                    .instances
                    .extend(listed.map(|instance| (instance.reference.clone(), instance)));
                fresh
                    .gaps
                    .extend(listing.gaps.into_iter().map(|part| gap(true, part.error)));
            }
            Err(error) => fresh.gaps.push(gap(false, error)),
        }
    }
    fresh
}

//! Starting, stopping and rebooting: one call for each cloud, then a look at what became of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::cloud::{Course, Error, Instance, InstanceRef, ListFilter, Location, Outcome, Provider, ProviderKind};
use crate::interrupt::Interrupt;

/// What is done to many instances at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAction {
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Reboot.
    Reboot,
    /// Protect against termination.
    Protect,
    /// Lift that protection.
    Unprotect,
    /// Terminate; through the guard of `terminate` only.
    Terminate,
}

/// Does one thing to many instances. Gives those for which it went well, as they are now, and an error for each other.
pub async fn change_all(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    action: BatchAction,
    interrupt: &Interrupt,
) -> (Vec<Instance>, Vec<Error>) {
    let outcomes = act(connect, targets, action, interrupt).await;
    let known = by_reference(targets);
    let mut errors = Vec::new();
    let mut done = Vec::new();
    for outcome in outcomes {
        match outcome.result {
            Ok(()) => done.extend(known.get(&outcome.target).map(|target| (*target).clone())),
            Err(error) => errors.push(with_target(error, &outcome.target)),
        }
    }
    let fresh = look_again(connect, &done, interrupt).await;
    (done.iter().map(|instance| fresh.newest(instance)).collect(), errors)
}

/// Instances by what they are called in all calls: there may be thousands.
pub(super) fn by_reference(instances: &[Instance]) -> HashMap<&InstanceRef, &Instance> {
    instances
        .iter()
        .map(|instance| (&instance.reference, instance))
        .collect()
}

/// Sends the action, each cloud its own targets, all clouds at once.
pub(super) async fn act(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    action: BatchAction,
    interrupt: &Interrupt,
) -> Vec<Outcome> {
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
        let course = Course::new(&may_begin);
        let call = async {
            match action {
                BatchAction::Start => provider.start(&references, &course).await,
                BatchAction::Stop => provider.stop(&references, &course).await,
                BatchAction::Reboot => provider.reboot(&references, &course).await,
                BatchAction::Protect => provider.set_protection(&references, true, &course).await,
                BatchAction::Unprotect => provider.set_protection(&references, false, &course).await,
                BatchAction::Terminate => provider.terminate(&references, &course).await,
            }
        };
        let outcomes = interrupt.settles(call).await;
        outcomes.unwrap_or_else(|| course.cut_short(&references))
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// A second look after a change; after a signal there is no time for it.
pub(super) async fn look_again(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: &[Instance],
    interrupt: &Interrupt,
) -> Fresh {
    let look = async { Ok(refresh(connect, instances).await) };
    interrupt.stops(look).await.unwrap_or_else(|error| Fresh {
        instances: HashMap::new(),
        errors: vec![error],
        complete: false,
    })
}

/// A second look at some instances.
pub(super) struct Fresh {
    /// Those that are still listed.
    instances: HashMap<InstanceRef, Instance>,
    /// Why a location could not be listed, wholly or in part.
    pub(super) errors: Vec<Error>,
    /// Whether every location answered, so that what is not listed is gone.
    pub(super) complete: bool,
}

impl Fresh {
    /// The instance as it was listed now; `None` if it was not.
    pub(super) fn listed(&self, instance: &Instance) -> Option<&Instance> {
        self.instances.get(&instance.reference)
    }

    /// The instance as it was listed last.
    pub(super) fn newest(&self, instance: &Instance) -> Instance {
        self.listed(instance).unwrap_or(instance).clone()
    }
}

/// Lists the given instances again, with one listing for each of their regions.
pub(super) async fn refresh(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: &[Instance],
) -> Fresh {
    let mut groups: BTreeMap<(ProviderKind, &str), ListFilter> = BTreeMap::new();
    for instance in instances {
        let group = groups.entry((instance.provider, &instance.region)).or_default();
        group.ids.push(instance.reference.id.clone());
    }
    let listings = groups.iter().map(|((kind, region), filter)| {
        let (provider, location) = (connect(*kind), Location::Region((*region).to_owned()));
        async move { provider.list(&location, filter).await }
    });
    let mut fresh = Fresh {
        instances: HashMap::new(),
        errors: Vec::new(),
        complete: true,
    };
    for listing in join_all(listings).await {
        match listing {
            Ok(listing) => {
                let listed = listing.instances.into_iter();
                fresh
                    .instances
                    .extend(listed.map(|instance| (instance.reference.clone(), instance)));
                fresh.errors.extend(listing.gaps);
            }
            Err(error) => fresh.errors.push(error),
        }
    }
    fresh.complete = fresh.errors.is_empty();
    fresh
}

/// Every error of a batch names its target.
pub(super) fn with_target(error: Error, target: &InstanceRef) -> Error {
    if error.message().contains(&target.id) {
        error
    } else {
        error.context(target)
    }
}

//! Actions on instances: on many in one call per region, and their effect on one.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::create::check_ttl;
use super::faults::{FaultSite, Faults, simulate_call};
use super::instance_phase::{BOOT, Phase};
use super::state_file::Store;
use super::state_model::{State, StoredInstance, public_address};
use crate::cloud::{
    BatchTracker, Clock, Error, ErrorKind, InstanceAction, InstanceRef, InstanceState, LabelChanges, Result,
    TargetOutcome,
};
use crate::providers::common::batch_calls::{IndexedResults, group_by_location, outcomes_in_order};

#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    /// Apply an action.
    Action(InstanceAction),
    /// Set its TTL, which counts from its creation.
    Ttl(Duration),
    /// Set and remove labels.
    Labels(&'a LabelChanges),
}

impl Change<'_> {
    fn as_str(self) -> &'static str {
        match self {
            Self::Action(action) => action.as_str(),
            Self::Ttl(_) => "set the TTL of",
            Self::Labels(_) => "label",
        }
    }
}

/// Changes instances, in one call for each region. Gives one outcome for each target, in the same order.
pub(super) async fn change_instances(
    cloud: CloudState<'_>,
    change: Change<'_>,
    targets: &[InstanceRef],
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let calls = group_by_location(targets).into_iter().map(async |(region, in_region)| {
        let results = change_in_region(cloud, change, region, &in_region, tracker).await;
        let record = |(position, result): (usize, _)| (position, tracker.record(&targets[position], result));
        results.into_iter().map(record).collect::<Vec<_>>()
    });
    outcomes_in_order(targets, join_all(calls).await.into_iter().flatten())
}

/// What a change needs of the mock.
#[derive(Clone, Copy)]
pub(super) struct CloudState<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a dyn Clock,
    pub(super) faults: &'a Result<Faults>,
}

async fn change_in_region(
    cloud: CloudState<'_>,
    change: Change<'_>,
    region: &str,
    targets: &[(usize, &InstanceRef)],
    tracker: &BatchTracker<'_>,
) -> IndexedResults {
    let change_all = async {
        let faults = cloud.faults.as_ref().map_err(Error::clone)?;
        tracker.start(region, targets.iter().map(|(_, target)| target.id.as_str()))?;
        simulate_call(faults, FaultSite::region(region), change.as_str()).await?;
        let locked = cloud.store.lock().await?;
        let now = cloud.clock.now();
        locked.change(|state| {
            state.remove_unlisted(now);
            let mut results = IndexedResults::new();
            for (index, target) in targets {
                results.push((*index, change_instance(state, change, target, faults, now)));
            }
            Ok(results)
        })
    };
    change_all
        .await
        .unwrap_or_else(|error: Error| targets.iter().map(|(index, _)| (*index, Err(error.clone()))).collect())
}

/// Changes one instance.
///
/// # Errors
/// `NotFound`; `Protected`; `Refused` if the state forbids it; the faults of its zone.
fn change_instance(
    state: &mut State,
    change: Change<'_>,
    target: &InstanceRef,
    faults: &Faults,
    now: Timestamp,
) -> Result<()> {
    let next_address = state.addresses;
    let stored = state
        .find_mut(target, now)
        .ok_or_else(|| Error::not_found(target).at(FaultSite::region(&target.scope).location()))?;
    let site = FaultSite::zone(&stored.region, &stored.zone);
    if let Some(error) = faults.refusal_error(site) {
        return Err(error
            .context(format!("cannot {} {target}", change.as_str()))
            .naming(target));
    }
    let current_state = stored.phase_at(now).state(now);
    let action = match change {
        Change::Action(InstanceAction::Terminate) => return terminate(stored, target, current_state, now),
        _ if current_state.is_gone() => return Err(wrong_state(stored, change, current_state)),
        Change::Ttl(ttl) => {
            check_ttl(ttl)?;
            return stored.set_ttl(ttl);
        }
        Change::Labels(changes) => {
            changes.apply_to(&mut stored.labels);
            return Ok(());
        }
        Change::Action(action) => action,
    };
    match (action, current_state) {
        (InstanceAction::Protect, _) => stored.protected = true,
        (InstanceAction::Unprotect, _) => stored.protected = false,
        (InstanceAction::Start, InstanceState::Pending | InstanceState::Running) => {}
        (InstanceAction::Start, InstanceState::Stopped) => {
            if let Some(error) = faults.no_capacity_error(site) {
                return Err(error.context(format!("cannot start {target}")).naming(target));
            }
            stored.phase = Phase::start_at(now, faults.slow_boot(site).unwrap_or(BOOT), None);
            stored.booted_at = now;
            // As on the real clouds, the previous address is not kept.
            if stored.public_ip.is_some() {
                stored.public_ip = Some(public_address(next_address));
                state.take_address_number();
            }
        }
        (InstanceAction::Stop, InstanceState::Stopping | InstanceState::Stopped) => {}
        (InstanceAction::Stop, InstanceState::Running) => stored.phase = Phase::Stopped { at: now },
        (InstanceAction::Reboot, InstanceState::Running) => stored.booted_at = now,
        (_, current_state) => return Err(wrong_state(stored, change, current_state)),
    }
    Ok(())
}

fn terminate(
    stored: &mut StoredInstance,
    target: &InstanceRef,
    current_state: InstanceState,
    now: Timestamp,
) -> Result<()> {
    if current_state.is_gone() {
        return Ok(());
    }
    if stored.protected {
        return Err(Error::new(
            ErrorKind::Protected,
            format!("{target} is protected against termination"),
        )
        .naming(target)
        .with_code("OperationNotPermitted")
        .at(FaultSite::zone(&stored.region, &stored.zone).location()));
    }
    stored.phase = Phase::Terminated { at: now };
    Ok(())
}

fn wrong_state(stored: &StoredInstance, change: Change<'_>, current: InstanceState) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("cannot {} {}: it is {current}", change.as_str(), stored.reference()),
    )
    .naming(stored.reference())
    .with_code("IncorrectInstanceState")
    .at(FaultSite::zone(&stored.region, &stored.zone).location())
}

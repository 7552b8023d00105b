//! Actions on instances: on many in one call per region, and their effect on one.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Mock;
use super::create::check_ttl;
use super::faults::{FaultSite, Faults, simulate_call};
use super::phase::{BOOT, Phase};
use super::state::{State, StoredInstance, public_address};
use crate::cloud::{BatchTracker, Error, ErrorKind, InstanceRef, InstanceState, Result, TargetOutcome};

/// An action on an existing instance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Terminate it.
    Terminate,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Restart it.
    Reboot,
    /// Protect it against termination.
    Protect,
    /// End that protection.
    Unprotect,
    /// Set its TTL, which counts from its creation.
    SetTtl(Duration),
}

impl Action {
    /// Returns the verb of the action.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Protect => "protect",
            Self::Unprotect => "unprotect",
            Self::SetTtl(_) => "set the TTL of",
        }
    }
}

impl Mock {
    /// Applies an action to instances, in one call for each region.
    pub(super) async fn apply(
        &self,
        action: Action,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let mut regions: Vec<&str> = targets.iter().map(|target| target.scope.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        let calls = regions
            .iter()
            .map(|region| self.apply_in_region(action, region, targets, tracker));
        let calls = calls.map(|call| async {
            let results = call.await;
            let record = |(index, result): (usize, _)| (index, tracker.record(&targets[index], result));
            results.into_iter().map(record).collect::<Vec<_>>()
        });
        let mut results: Vec<Option<Result<()>>> = targets.iter().map(|_| None).collect();
        for (index, result) in join_all(calls).await.into_iter().flatten() {
            results[index] = Some(result);
        }
        targets
            .iter()
            .zip(results)
            .map(|(target, result)| TargetOutcome {
                target: target.clone(),
                result: result.unwrap_or_else(|| Err(Error::not_found(target))),
            })
            .collect()
    }

    /// Applies an action to the targets in a region. Returns the results, each with the index of its target.
    async fn apply_in_region(
        &self,
        action: Action,
        region: &str,
        targets: &[InstanceRef],
        tracker: &BatchTracker<'_>,
    ) -> Vec<(usize, Result<()>)> {
        let own: Vec<_> = targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.scope == region)
            .collect();
        let done = async {
            let faults = self.faults()?;
            tracker.start(region, own.iter().map(|(_, target)| target.id.as_str()))?;
            simulate_call(&faults, FaultSite::region(region), action.as_str()).await?;
            let locked = self.store.lock().await?;
            let now = self.clock.now();
            locked.change(|state| {
                state.remove_unlisted(now);
                let act = |(index, target): &(usize, &InstanceRef)| {
                    (*index, apply_to_instance(state, action, target, &faults, now))
                };
                Ok(own.iter().map(act).collect())
            })
        };
        done.await
            .unwrap_or_else(|error: Error| own.iter().map(|(index, _)| (*index, Err(error.clone()))).collect())
    }
}

/// Applies an action to one instance.
///
/// # Errors
/// `NotFound`; `Protected`; `Refused` if the state forbids it; the faults of its zone.
fn apply_to_instance(
    state: &mut State,
    action: Action,
    target: &InstanceRef,
    faults: &Faults,
    now: Timestamp,
) -> Result<()> {
    let address = state.addresses;
    let stored = state
        .find_mut(target, now)
        .ok_or_else(|| Error::not_found(target).at(FaultSite::region(&target.scope).name()))?;
    let site = FaultSite::zone(&stored.region, &stored.zone);
    if let Some(error) = faults.refusal_error(site) {
        return Err(error.context(format!("cannot {} {target}", action.as_str())));
    }
    match (action, stored.phase_at(now).state(now)) {
        (Action::Terminate, InstanceState::Terminating | InstanceState::Terminated) => {}
        (Action::Terminate, _) if stored.protected => {
            return Err(Error::new(
                ErrorKind::Protected,
                format!("{target} is protected against termination"),
            )
            .with_code("OperationNotPermitted")
            .at(site.name()));
        }
        (Action::Terminate, _) => stored.phase = Phase::Terminated { at: now },
        (_, current @ (InstanceState::Terminating | InstanceState::Terminated)) => {
            return Err(wrong_state(stored, action, current));
        }
        (Action::Protect, _) => stored.protected = true,
        (Action::Unprotect, _) => stored.protected = false,
        (Action::SetTtl(ttl), _) => {
            check_ttl(Some(ttl))?;
            stored.set_ttl(ttl)?;
        }
        (Action::Start, InstanceState::Pending | InstanceState::Running) => {}
        (Action::Start, InstanceState::Stopped) => {
            if let Some(error) = faults.no_capacity_error(site) {
                return Err(error.context(format!("cannot start {target}")));
            }
            stored.phase = Phase::start_at(now, faults.slow_boot(site).unwrap_or(BOOT), None);
            stored.booted_at = now;
            // As on the real clouds, the previous address is not kept.
            if stored.public_ip.is_some() {
                stored.public_ip = Some(public_address(address));
                state.take_address_number();
            }
        }
        (Action::Stop, InstanceState::Stopping | InstanceState::Stopped) => {}
        (Action::Stop, InstanceState::Running) => stored.phase = Phase::Stopped { at: now },
        (Action::Reboot, InstanceState::Running) => stored.booted_at = now,
        (_, current) => return Err(wrong_state(stored, action, current)),
    }
    Ok(())
}

fn wrong_state(stored: &StoredInstance, action: Action, current: InstanceState) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("cannot {} {}: it is {current}", action.as_str(), stored.reference()),
    )
    .with_code("IncorrectInstanceState")
    .at(FaultSite::zone(&stored.region, &stored.zone).name())
}

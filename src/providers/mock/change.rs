//! One thing done to many instances.

use futures_util::future::join_all;

use super::faults::{FaultSite, again, simulate_call};
use super::phase::Action;
use super::{Mock, phase};
use crate::cloud::{BatchTracker, Error, InstanceRef, Result, TargetOutcome};

impl Mock {
    /// Does something to instances, in one call for each region.
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
        let calls = calls.map(|simulate_call| async {
            let results = simulate_call.await;
            let settle = |(index, result): (usize, _)| (index, tracker.record(&targets[index], result));
            results.into_iter().map(settle).collect::<Vec<_>>()
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

    /// The results of those targets that are in the region, each with the target's index.
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
                    (*index, phase::apply_to_instance(state, action, target, &faults, now))
                };
                Ok(own.iter().map(act).collect())
            })
        };
        done.await
            .unwrap_or_else(|error: Error| own.iter().map(|(index, _)| (*index, Err(again(&error)))).collect())
    }
}

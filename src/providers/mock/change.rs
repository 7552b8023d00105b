//! One thing done to many instances.

use futures_util::future::join_all;

use super::faults::{FaultSite, again, call};
use super::phase::Action;
use super::{Mock, phase};
use crate::cloud::{BatchTracker, Error, InstanceRef, Result, TargetOutcome};

impl Mock {
    /// Does something to instances, in one call for each region.
    pub(super) async fn act_on(
        &self,
        action: Action,
        targets: &[InstanceRef],
        course: &BatchTracker<'_>,
    ) -> Vec<TargetOutcome> {
        let mut regions: Vec<&str> = targets.iter().map(|target| target.scope.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        let calls = regions
            .iter()
            .map(|region| self.act_in(action, region, targets, course));
        let calls = calls.map(|call| async {
            let results = call.await;
            let settle = |(index, result): (usize, _)| (index, course.record(&targets[index], result));
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
    async fn act_in(
        &self,
        action: Action,
        region: &str,
        targets: &[InstanceRef],
        course: &BatchTracker<'_>,
    ) -> Vec<(usize, Result<()>)> {
        let own: Vec<_> = targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.scope == region)
            .collect();
        let done = async {
            let faults = self.faults()?;
            course.start(region, own.iter().map(|(_, target)| target.id.as_str()))?;
            call(&faults, FaultSite::region(region), action.as_str()).await?;
            let locked = self.store.lock().await?;
            let now = self.clock.now();
            locked.change(|state| {
                state.forget_gone(now);
                let act =
                    |(index, target): &(usize, &InstanceRef)| (*index, phase::act(state, action, target, &faults, now));
                Ok(own.iter().map(act).collect())
            })
        };
        done.await
            .unwrap_or_else(|error: Error| own.iter().map(|(index, _)| (*index, Err(again(&error)))).collect())
    }
}

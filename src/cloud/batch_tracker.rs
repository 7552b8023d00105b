//! Tracks which targets of a batch of changes were changed.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, ErrorKind, InstanceRef, Result};

/// The outcome of one target of a batch.
#[derive(Debug)]
pub struct TargetOutcome {
    /// The target.
    pub target: InstanceRef,
    /// Whether the cloud accepted the change.
    pub result: Result<()>,
}

/// Tracks a batch of changes. The driver tells it before it sends the call for a target, and again when it has the result.
/// The caller of the batch decides whether more calls may start. After an interruption the tracker knows which targets
/// were changed, which were not, and for which the outcome is unknown.
pub struct BatchTracker<'a> {
    may_start: &'a (dyn Fn() -> bool + Sync),
    targets: Mutex<Targets>,
}

/// The scope and the id of a target.
type TargetKey = (String, String);

#[derive(Default)]
struct Targets {
    started: HashSet<TargetKey>,
    results: HashMap<TargetKey, Result<()>>,
}

impl<'a> BatchTracker<'a> {
    /// Creates a tracker that allows calls as long as `may_start` returns true.
    pub fn new(may_start: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            may_start,
            targets: Mutex::default(),
        }
    }

    /// Creates a tracker that allows every call.
    pub fn uninterrupted() -> Self {
        Self::new(&|| true)
    }

    /// Checks that more calls may start.
    ///
    /// # Errors
    /// `Interrupted` if they must not.
    pub fn check_may_start(&self) -> Result<()> {
        match (self.may_start)() {
            true => Ok(()),
            false => Err(not_started_error()),
        }
    }

    /// Records that the call which changes these instances of a scope is about to be sent.
    ///
    /// # Errors
    /// `Interrupted` if it must not be sent.
    pub fn start<'i>(&self, scope: &str, ids: impl IntoIterator<Item = &'i str>) -> Result<()> {
        self.check_may_start()?;
        let keys = ids.into_iter().map(|id| target_key(scope, id));
        self.targets().started.extend(keys);
        Ok(())
    }

    /// Records the result of a target, and returns it.
    ///
    /// # Errors
    /// The error in `result`.
    pub fn record(&self, target: &InstanceRef, result: Result<()>) -> Result<()> {
        let key = target_key(&target.scope, &target.id);
        self.targets().results.insert(key, result.clone());
        result
    }

    /// Gives one outcome for each target of an interrupted batch, in the same order: `Interrupted` if its call was not
    /// sent, `UnknownOutcome` if it was sent and no result was recorded.
    pub fn into_outcomes(self, targets: &[InstanceRef]) -> Vec<TargetOutcome> {
        let mut known = self.targets.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcome = |target: &InstanceRef| {
            let key = target_key(&target.scope, &target.id);
            let result = match known.results.remove(&key) {
                Some(result) => result,
                None if known.started.contains(&key) => Err(unknown_outcome_error(target)),
                None => Err(not_started_error()),
            };
            TargetOutcome {
                target: target.clone(),
                result,
            }
        };
        targets.iter().map(outcome).collect()
    }

    fn targets(&self) -> MutexGuard<'_, Targets> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target_key(scope: &str, id: &str) -> TargetKey {
    (scope.to_owned(), id.to_owned())
}

fn not_started_error() -> Error {
    let message = "not changed: interrupted before the call was sent";
    Error::new(ErrorKind::Interrupted, message)
        .with_hint("run the same command again for the VMs that were not changed")
}

fn unknown_outcome_error(target: &InstanceRef) -> Error {
    let message = format!("{target}: interrupted before the cloud answered");
    Error::new(ErrorKind::UnknownOutcome, message)
        .naming(target)
        .with_leftover(target)
        .with_hint("run the same command again if `cloudctl describe` shows that the VM was not changed")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::cloud::{Instance, ProviderKind};

    fn target(id: &str) -> InstanceRef {
        Instance::with_id_only(ProviderKind::Aws, "here".to_owned(), id.to_owned()).reference
    }

    #[test]
    fn tracker_separates_unstarted_from_unknown_targets() {
        let is_running = AtomicBool::new(true);
        let may_start = || is_running.load(Ordering::Relaxed);
        let tracker = BatchTracker::new(&may_start);
        tracker.start("here", ["done", "open"]).unwrap();
        tracker.record(&target("done"), Ok(())).unwrap();
        is_running.store(false, Ordering::Relaxed);
        assert_eq!(
            tracker.start("here", ["late"]).unwrap_err().kind(),
            ErrorKind::Interrupted
        );
        let targets = ["done", "open", "late"].map(target);
        let kinds = tracker.into_outcomes(&targets).into_iter().map(|outcome| {
            let error = outcome.result.err();
            error.map(|error| error.kind())
        });
        let expected = [None, Some(ErrorKind::UnknownOutcome), Some(ErrorKind::Interrupted)];
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
    }
}

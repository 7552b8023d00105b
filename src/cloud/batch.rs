//! How far a batch of changes has come.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, ErrorKind, InstanceRef, Result};

/// An action on instances that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceAction {
    /// Starts stopped instances.
    Start,
    /// Stops running instances. Their disks are kept.
    Stop,
    /// Restarts running instances.
    Reboot,
    /// Protects instances against termination.
    Protect,
    /// Takes that protection off.
    Unprotect,
    /// Terminates instances.
    Terminate,
}

impl InstanceAction {
    /// The verb: `start`, `terminate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Protect => "protect",
            Self::Unprotect => "unprotect",
            Self::Terminate => "terminate",
        }
    }
}

/// The outcome of one target of a batch.
#[derive(Debug)]
pub struct TargetOutcome {
    /// The target.
    pub target: InstanceRef,
    /// Whether the cloud accepted the change.
    pub result: Result<()>,
}

/// The course of a batch of changes. A driver says of each target when the call that changes it is about to be sent, and
/// what came of it; whoever asked for the batch says whether more may begin. So of a batch that is cut short it is known
/// what was changed, what was left alone, and of what it is not known.
pub struct BatchTracker<'a> {
    may_begin: &'a (dyn Fn() -> bool + Sync),
    targets: Mutex<Targets>,
}

/// By place and id.
type TargetKey = (String, String);

#[derive(Default)]
struct Targets {
    begun: HashSet<TargetKey>,
    settled: HashMap<TargetKey, Result<()>>,
}

impl<'a> BatchTracker<'a> {
    /// A course on which changes begin for as long as `may_begin` says so.
    pub fn new(may_begin: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            may_begin,
            targets: Mutex::default(),
        }
    }

    /// A course that nobody cuts short.
    pub fn uninterrupted() -> Self {
        Self::new(&|| true)
    }

    /// Checks that more may begin.
    ///
    /// # Errors
    /// `Interrupted` if not.
    pub fn check_may_start(&self) -> Result<()> {
        match (self.may_begin)() {
            true => Ok(()),
            false => Err(not_started_error()),
        }
    }

    /// Says that the call is about to be sent that changes these instances of a place.
    ///
    /// # Errors
    /// `Interrupted` if it must not be sent.
    pub fn start<'i>(&self, place: &str, ids: impl IntoIterator<Item = &'i str>) -> Result<()> {
        self.check_may_start()?;
        let keys = ids.into_iter().map(|id| key(place, id));
        self.targets().begun.extend(keys);
        Ok(())
    }

    /// Says what came of a target, and gives it back.
    ///
    /// # Errors
    /// That which came of it.
    pub fn record(&self, target: &InstanceRef, result: Result<()>) -> Result<()> {
        let key = key(&target.scope, &target.id);
        self.targets().settled.insert(key, result.clone());
        result
    }

    /// What is known of the targets of a batch that was given up: one outcome for each, in the same order.
    /// `Interrupted` is what was left alone, `UnknownOutcome` what was begun and not settled.
    pub fn into_outcomes(self, targets: &[InstanceRef]) -> Vec<TargetOutcome> {
        let mut known = self.targets.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcome = |target: &InstanceRef| {
            let key = key(&target.scope, &target.id);
            let result = match (known.settled.remove(&key), known.begun.contains(&key)) {
                (Some(result), _) => result,
                (None, true) => Err(unknown_outcome_error(target)),
                (None, false) => Err(not_started_error()),
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

fn key(place: &str, id: &str) -> TargetKey {
    (place.to_owned(), id.to_owned())
}

fn not_started_error() -> Error {
    Error::new(ErrorKind::Interrupted, "left alone: interrupted before it was begun")
        .with_hint("run it again for those that are left")
}

fn unknown_outcome_error(target: &InstanceRef) -> Error {
    let message = format!("{target}: interrupted before it was known what came of it");
    Error::new(ErrorKind::UnknownOutcome, message)
        .naming(target)
        .with_leftover(target)
        .with_hint("run the same command again, if `cloudctl describe` shows that it is needed")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::cloud::ProviderKind;

    fn target(id: &str) -> InstanceRef {
        InstanceRef {
            provider: ProviderKind::Aws,
            scope: "here".to_owned(),
            zone: None,
            id: id.to_owned(),
            native_name: None,
        }
    }

    #[test]
    fn what_was_left_alone_is_told_from_what_is_not_known() {
        let goes_on = AtomicBool::new(true);
        let may_begin = || goes_on.load(Ordering::Relaxed);
        let course = BatchTracker::new(&may_begin);
        course.start("here", ["done", "open"]).unwrap();
        course.record(&target("done"), Ok(())).unwrap();
        goes_on.store(false, Ordering::Relaxed);
        assert_eq!(
            course.start("here", ["late"]).unwrap_err().kind(),
            ErrorKind::Interrupted
        );
        let targets = ["done", "open", "late"].map(target);
        let kinds = course.into_outcomes(&targets).into_iter().map(|outcome| {
            let error = outcome.result.err();
            error.map(|error| error.kind())
        });
        let expected = [None, Some(ErrorKind::UnknownOutcome), Some(ErrorKind::Interrupted)];
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
    }
}

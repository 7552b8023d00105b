//! One instance that is waited for: what is known of it by now, and whether it is there.

use std::time::Duration;

use super::batch::Fresh;
use super::ssh::Silence;
use super::wait::Goal;
use crate::cloud::{Error, ErrorKind, Instance, InstanceState};

/// So many complete listings in a row without an instance that was listed before mean that it is gone; one alone may
/// be a listing that lags.
const ABSENCES: u32 = 3;

/// One of the targets.
pub(super) struct Waiting {
    /// It, as it was seen last.
    pub(super) instance: Instance,
    /// What is waited for.
    pub(super) goal: Goal,
    /// Whether it was told that it runs.
    pub(super) is_told: bool,
    /// What came of the last try to reach it by SSH.
    pub(super) answer: Option<Result<(), Silence>>,
    /// Right after its creation an instance may not be listed yet.
    was_seen: bool,
    /// In how many listings in a row it was missing.
    absences: u32,
    /// In how many looks in a row it had no address.
    homeless: u32,
    /// Why the last look did not show it.
    pub(super) trouble: Option<Error>,
}

/// Labels can be listed later than the instance itself. One that is known to be ours is so still if it is listed without
/// any.
fn with_marks_of(known: &Instance, fresh: Instance) -> Instance {
    let is_bare = !fresh.managed && fresh.doubt.is_none() && fresh.labels.is_empty();
    if !known.managed || !is_bare {
        return fresh;
    }
    Instance {
        name: known.name.clone(),
        labels: known.labels.clone(),
        managed: true,
        spec_fingerprint: known.spec_fingerprint.clone(),
        generation: known.generation,
        ttl: known.ttl,
        expires_at: known.expires_at,
        expiry_enforcer: known.expiry_enforcer,
        ..fresh
    }
}

/// Where a target stands.
pub(super) enum Step {
    /// It is there.
    Reached(Instance),
    /// It can no longer get there.
    Failed(Instance, Error),
    /// It is on its way.
    Waiting(Waiting),
}

impl Waiting {
    /// A target of which nothing was seen yet.
    pub(super) fn new(instance: Instance, goal: Goal) -> Self {
        Self {
            instance,
            goal,
            is_told: false,
            answer: None,
            was_seen: false,
            absences: 0,
            homeless: 0,
            trouble: None,
        }
    }

    /// The port to try, if it is time to.
    pub(super) fn port(&self) -> Option<u16> {
        match self.goal {
            Goal::Ssh(port) if self.instance.state == Goal::Running.state() => Some(port),
            _ => None,
        }
    }

    /// Takes in what a try to reach it came to.
    pub(super) fn hear(&mut self, answer: Result<(), Silence>) {
        self.homeless = match answer {
            Err(Silence::NoAddress) => self.homeless + 1,
            _ => 0,
        };
        self.answer = Some(answer);
    }

    /// Takes in a listing.
    pub(super) fn look(&mut self, fresh: &Fresh) {
        let goal = self.goal;
        self.trouble = fresh.trouble(&self.instance).cloned();
        if let Some(listed) = fresh.listed(&self.instance) {
            self.instance = with_marks_of(&self.instance, listed.clone());
            self.was_seen = true;
            self.absences = 0;
        } else if self.trouble.is_none() {
            self.absences += 1;
            let was_going = goal == Goal::Terminated && self.instance.state.is_gone();
            if was_going || (self.absences >= ABSENCES && (self.was_seen || goal == Goal::Terminated)) {
                self.instance.state = InstanceState::Terminated;
            }
        }
    }

    /// Where it stands.
    pub(super) fn step(self) -> Step {
        let (goal, state) = (self.goal, self.instance.state);
        if state == goal.state() {
            return match (self.port(), self.answer) {
                (None, _) | (_, Some(Ok(()))) => Step::Reached(self.instance),
                // An address may be listed later than that it runs.
                (Some(port), Some(Err(silence))) if self.homeless >= ABSENCES => {
                    let error = silence.error(&self.instance, port, Duration::ZERO);
                    Step::Failed(self.instance, error)
                }
                _ => Step::Waiting(self),
            };
        }
        if state.is_gone() && goal != Goal::Terminated {
            let reason = self.instance.state_reason.clone();
            let kind = self.instance.failure.unwrap_or(ErrorKind::NotFound);
            let error = Error::new(
                kind,
                format!("{} ended before it was {}", self.instance.reference, goal.as_str()),
            );
            let error = match reason {
                Some(reason) => error.with_code(reason),
                None => error,
            };
            return Step::Failed(self.instance, error);
        }
        Step::Waiting(self)
    }
}

//! Waiting until instances are in a state: one listing for each location and round, however many instances there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{Fresh, refresh};
use crate::cloud::{Error, ErrorKind, Instance, InstanceState, Provider, ProviderKind};
use crate::interrupt::Interrupt;

/// The pause after the first look; it grows by half each round.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the last look may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Running.
    Running,
    /// Stopped.
    Stopped,
    /// Gone.
    Terminated,
}

impl Goal {
    /// The goal's word.
    pub fn as_str(self) -> &'static str {
        self.state().as_str()
    }

    fn state(self) -> InstanceState {
        match self {
            Self::Running => InstanceState::Running,
            Self::Stopped => InstanceState::Stopped,
            Self::Terminated => InstanceState::Terminated,
        }
    }
}

/// What the waiting came to.
#[derive(Debug, Default)]
pub struct Waited {
    /// The instances that got there, as they are now.
    pub reached: Vec<Instance>,
    /// Those that did not, as they were seen last.
    pub unreached: Vec<Instance>,
    /// Why they did not: `Timeout`, or what ended them.
    pub errors: Vec<Error>,
}

/// Waits until every target is in the goal's state, or can no longer get there, or `timeout` has passed, or a signal
/// has come. `on_reached` is told of each as it gets there.
pub async fn wait_for(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    goal: Goal,
    timeout: Duration,
    interrupt: &Interrupt,
    on_reached: &mut (dyn FnMut(&Instance) + Send),
) -> Waited {
    let start = Instant::now();
    let deadline = start + timeout;
    let mut waited = Waited::default();
    let mut waiting: Vec<Waiting> = targets
        .iter()
        .map(|target| Waiting {
            instance: target.clone(),
            was_seen: false,
            absences: 0,
        })
        .collect();
    let mut pause = FIRST_PAUSE;
    loop {
        let mut still = Vec::new();
        for one in waiting {
            match one.step(goal) {
                Step::Reached(instance) => {
                    on_reached(&instance);
                    waited.reached.push(instance);
                }
                Step::Failed(instance, error) => {
                    waited.unreached.push(instance);
                    waited.errors.push(error);
                }
                Step::Waiting(one) => still.push(one),
            }
        }
        waiting = still;
        if waiting.is_empty() {
            return waited;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || interrupt.status().is_some() {
            return give_up(waited, waiting, goal, start.elapsed());
        }
        // Full jitter over the last half, so that a hundred pipelines do not ask in step.
        let rest = pause.mul_f64(0.5 + fastrand::f64() / 2.0).min(left);
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);

        let instances: Vec<_> = waiting.iter().map(|one| one.instance.clone()).collect();
        let look = async {
            tokio::time::sleep(rest).await;
            // The last look comes when the time is up, and is given a moment of its own.
            Ok(tokio::time::timeout_at(deadline + LAST_LOOK, refresh(connect, &instances)).await)
        };
        let Ok(Ok(mut fresh)) = interrupt.stops(look).await else {
            return give_up(waited, waiting, goal, start.elapsed());
        };
        let lasting = fresh.errors.iter().position(|error| !is_passing(error.kind()));
        if let Some(index) = lasting {
            let error = fresh.errors.swap_remove(index);
            waited.unreached.extend(instances);
            waited.errors.push(error);
            return waited;
        }
        for one in &mut waiting {
            one.look(&fresh, goal);
        }
    }
}

/// So many complete listings in a row without an instance that was listed before mean that it is gone; one alone may
/// be a listing that lags.
const ABSENCES: u32 = 3;

struct Waiting {
    instance: Instance,
    /// Right after its creation an instance may not be listed yet.
    was_seen: bool,
    /// In how many listings in a row it was missing.
    absences: u32,
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

enum Step {
    Reached(Instance),
    Failed(Instance, Error),
    Waiting(Waiting),
}

impl Waiting {
    fn look(&mut self, fresh: &Fresh, goal: Goal) {
        if let Some(listed) = fresh.listed(&self.instance) {
            self.instance = with_marks_of(&self.instance, listed.clone());
            self.was_seen = true;
            self.absences = 0;
        } else if fresh.complete {
            self.absences += 1;
            let was_going = goal == Goal::Terminated && self.instance.state.is_gone();
            if was_going || (self.absences >= ABSENCES && (self.was_seen || goal == Goal::Terminated)) {
                self.instance.state = InstanceState::Terminated;
            }
        }
    }

    fn step(self, goal: Goal) -> Step {
        let state = self.instance.state;
        if state == goal.state() {
            return Step::Reached(self.instance);
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

fn give_up(mut waited: Waited, waiting: Vec<Waiting>, goal: Goal, elapsed: Duration) -> Waited {
    for Waiting { instance, .. } in waiting {
        let message = format!(
            "{} is {} and not {} after {} s",
            instance.reference,
            instance.state,
            goal.as_str(),
            elapsed.as_secs()
        );
        waited
            .errors
            .push(Error::new(ErrorKind::Timeout, message).with_leftover(&instance.reference));
        waited.unreached.push(instance);
    }
    waited
}

/// Whether asking again later can help.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Network | ErrorKind::Throttled | ErrorKind::Incomplete)
}

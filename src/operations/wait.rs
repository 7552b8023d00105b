//! Waiting until instances are in a state: one listing for each location and round, however many instances there are.
//! One instance that is waited for: what is known of it by now, and whether it is there.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::batch::{Relisted, refresh};
use super::ssh::{SshFailure, address, probe_all};
use crate::cloud::{Error, ErrorKind, Instance, InstanceState, Provider, ProviderKind, Result};
use crate::shutdown::Shutdown;

/// The pause after the first look; it grows by half each round.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a try to reach one by SSH may take at least.
const SHORTEST_TRY: Duration = Duration::from_secs(1);
/// How long the last look may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitGoal {
    /// Running.
    Running,
    /// Stopped.
    Stopped,
    /// Gone.
    Terminated,
    /// Running, and answering on this port by SSH.
    Ssh(u16),
}

impl WaitGoal {
    /// The goal's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh(_) => "ssh",
            _ => self.state().as_str(),
        }
    }

    /// The state that it takes.
    pub(super) fn state(self) -> InstanceState {
        match self {
            Self::Running | Self::Ssh(_) => InstanceState::Running,
            Self::Stopped => InstanceState::Stopped,
            Self::Terminated => InstanceState::Terminated,
        }
    }
}

/// What the waiting came to.
#[derive(Debug, Default)]
pub struct WaitResult {
    /// The instances that got there, as they are now.
    pub reached: Vec<Instance>,
    /// Those that did not, as they were seen last.
    pub unreached: Vec<Instance>,
    /// Why they did not: `Timeout`, or what ended them.
    pub errors: Vec<Error>,
}

/// A first look, which must begin within the time that is waited, and is given a moment of its own to end; `None` if it
/// takes longer.
pub async fn in_time<T>(timeout: Duration, look: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(timeout.saturating_add(LAST_LOOK), look).await.ok()
}

/// Waits until every target has reached its goal, or can no longer get there, or `timeout` has passed, or a signal has
/// come. `on_reached` is told of each as it gets there, and of one that is to answer by SSH also when it runs.
pub async fn wait_for(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: Vec<(Instance, WaitGoal)>,
    timeout: Duration,
    interrupt: &Shutdown,
    on_reached: &mut (dyn FnMut(WaitGoal, &Instance) + Send),
) -> WaitResult {
    let start = Instant::now();
    let deadline = start + timeout;
    let mut waited = WaitResult::default();
    let targets = targets.into_iter();
    let mut waiting: Vec<_> = targets
        .map(|(instance, goal)| WaitTarget::new(instance, goal))
        .collect();
    let mut pause = FIRST_PAUSE;
    loop {
        let mut still = Vec::new();
        for mut one in waiting {
            if one.port().is_some() && !one.is_told {
                on_reached(WaitGoal::Running, &one.instance);
                one.is_told = true;
            }
            let goal = one.goal;
            match one.step() {
                WaitStatus::Reached(instance) => {
                    on_reached(goal, &instance);
                    waited.reached.push(instance);
                }
                WaitStatus::Failed(instance, error) => {
                    waited.unreached.push(instance);
                    waited.errors.push(error);
                }
                WaitStatus::WaitTarget(one) => still.push(one),
            }
        }
        waiting = still;
        if waiting.is_empty() {
            return waited;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || interrupt.status().is_some() {
            return give_up(waited, waiting, start.elapsed());
        }
        // Full jitter over the last half, so that a hundred pipelines do not ask in step.
        let rest = pause.mul_f64(0.5 + fastrand::f64() / 2.0).min(left);
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);

        let instances: Vec<_> = waiting.iter().map(|one| one.instance.clone()).collect();
        let round = round(connect, &waiting, &instances, rest, deadline);
        let Ok((answers, fresh)) = interrupt.run_until_signal(round).await else {
            return give_up(waited, waiting, start.elapsed());
        };
        for (position, answer) in answers {
            waiting[position].hear(answer);
        }
        let fresh = match fresh {
            Look::Unneeded => continue,
            Look::Late => return give_up(waited, waiting, start.elapsed()),
            Look::Relisted(fresh) => fresh,
        };
        for one in &mut waiting {
            one.look(&fresh);
        }
        // One region that refuses to be listed ends nothing while there is another one to wait for: it may come round.
        if waiting.iter().all(is_hopeless) {
            return give_up(waited, waiting, start.elapsed());
        }
    }
}

/// Whether it cannot be seen, and asking again later cannot help.
fn is_hopeless(one: &WaitTarget) -> bool {
    one.trouble.as_ref().is_some_and(|error| !is_transient(error.kind()))
}

/// What a listing came to.
enum Look {
    /// Nobody was left to look for.
    Unneeded,
    /// It took too long.
    Late,
    Relisted(Relisted),
}

/// What each that was tried answered to SSH, by its position.
type Answers = Vec<(usize, std::result::Result<(), SshFailure>)>;

/// Tries those that run by SSH, and meanwhile rests and looks at all of them.
async fn round(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    waiting: &[WaitTarget],
    instances: &[Instance],
    rest: Duration,
    deadline: Instant,
) -> Result<(Answers, Look)> {
    let attempts = pin!(try_ssh(connect, waiting, deadline));
    let look = pin!(async {
        tokio::time::sleep(rest).await;
        // The last look comes when the time is up, and is given a moment of its own.
        match tokio::time::timeout_at(deadline + LAST_LOOK, refresh(connect, instances)).await {
            Ok(fresh) => Look::Relisted(fresh),
            Err(_) => Look::Late,
        }
    });
    Ok(match select(attempts, look).await {
        Either::Left((answers, _)) if answers.iter().filter(|(_, answer)| answer.is_ok()).count() == waiting.len() => {
            (answers, Look::Unneeded)
        }
        Either::Left((answers, look)) => (answers, look.await),
        Either::Right((look, attempts)) => (attempts.await, look),
    })
}

async fn try_ssh(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    waiting: &[WaitTarget],
    deadline: Instant,
) -> Answers {
    let (mut answers, mut attempts) = (Vec::new(), Vec::new());
    for (position, one) in waiting.iter().enumerate() {
        let Some(port) = one.port() else { continue };
        match connect(one.instance.provider).probe_ssh(&one.instance) {
            Some(true) => answers.push((position, Ok(()))),
            Some(false) => answers.push((position, Err(SshFailure::NoAnswer))),
            None => attempts.push((position, address(&one.instance).map(str::to_owned), port)),
        }
    }
    // One that is begun is given a moment.
    answers.extend(probe_all(attempts, deadline.max(Instant::now() + SHORTEST_TRY)).await);
    answers
}

fn give_up(mut waited: WaitResult, waiting: Vec<WaitTarget>, elapsed: Duration) -> WaitResult {
    // What keeps a region from being listed is told once, whatever is waited for there.
    let (hopeless, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_hopeless);
    let mut regions: BTreeMap<(ProviderKind, String), (Error, Vec<String>)> = BTreeMap::new();
    for one in hopeless {
        let WaitTarget { instance, trouble, .. } = one;
        if let Some(trouble) = trouble {
            let region = (instance.provider, instance.region.clone());
            let (_, unseen) = regions.entry(region).or_insert_with(|| (trouble, Vec::new()));
            unseen.push(instance.reference.to_string());
        }
        waited.unreached.push(instance);
    }
    for (error, unseen) in regions.into_values() {
        let what = match unseen.as_slice() {
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => continue,
        };
        let error = error.context(format_args!("{what} cannot be looked at any more"));
        waited.errors.push(error);
    }
    for one in waiting {
        let port = one.port();
        let WaitTarget {
            instance,
            goal,
            answer,
            trouble,
            ..
        } = one;
        let error = match (port, answer) {
            (Some(port), answer) => {
                let silence = answer.and_then(|answer| answer.err()).unwrap_or(SshFailure::NoAnswer);
                silence.error(&instance, port, elapsed)
            }
            (None, _) => {
                let mut message = format!(
                    "{} is {} and not {} after {} s",
                    instance.reference,
                    instance.state,
                    goal.state().as_str(),
                    elapsed.as_secs()
                );
                if let Some(trouble) = trouble {
                    message.push_str(&format!("; the last look at it failed: {trouble}"));
                }
                let error = Error::new(ErrorKind::Timeout, message)
                    .naming(&instance.reference)
                    .with_leftover(&instance.reference);
                match instance.state {
                    InstanceState::Stopped if goal == WaitGoal::Running => {
                        error.with_hint(format!("start it: cloudctl start {}", instance.reference))
                    }
                    _ => error,
                }
            }
        };
        waited.errors.push(error);
        waited.unreached.push(instance);
    }
    waited
}

/// Whether asking again later can help.
fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Network | ErrorKind::Throttled | ErrorKind::Incomplete)
}

/// So many complete listings in a row without an instance that was listed before mean that it is gone; one alone may
/// be a listing that lags.
const ABSENCES: u32 = 3;

/// One of the targets.
pub(super) struct WaitTarget {
    /// It, as it was seen last.
    pub(super) instance: Instance,
    /// What is waited for.
    pub(super) goal: WaitGoal,
    /// Whether it was told that it runs.
    pub(super) is_told: bool,
    /// What came of the last try to reach it by SSH.
    pub(super) answer: Option<Result<(), SshFailure>>,
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
fn keep_known_labels(known: &Instance, fresh: Instance) -> Instance {
    let is_bare = !fresh.managed && fresh.label_problem.is_none() && fresh.labels.is_empty();
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
pub(super) enum WaitStatus {
    /// It is there.
    Reached(Instance),
    /// It can no longer get there.
    Failed(Instance, Error),
    /// It is on its way.
    WaitTarget(WaitTarget),
}

impl WaitTarget {
    /// A target of which nothing was seen yet.
    pub(super) fn new(instance: Instance, goal: WaitGoal) -> Self {
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
            WaitGoal::Ssh(port) if self.instance.state == WaitGoal::Running.state() => Some(port),
            _ => None,
        }
    }

    /// Takes in what a try to reach it came to.
    pub(super) fn hear(&mut self, answer: Result<(), SshFailure>) {
        self.homeless = match answer {
            Err(SshFailure::NoAddress) => self.homeless + 1,
            _ => 0,
        };
        self.answer = Some(answer);
    }

    /// Takes in a listing.
    pub(super) fn look(&mut self, fresh: &Relisted) {
        let goal = self.goal;
        self.trouble = fresh.trouble(&self.instance).cloned();
        if let Some(listed) = fresh.listed(&self.instance) {
            self.instance = keep_known_labels(&self.instance, listed.clone());
            self.was_seen = true;
            self.absences = 0;
        } else if self.trouble.is_none() {
            self.absences += 1;
            let was_going = goal == WaitGoal::Terminated && self.instance.state.is_gone();
            if was_going || (self.absences >= ABSENCES && (self.was_seen || goal == WaitGoal::Terminated)) {
                self.instance.state = InstanceState::Terminated;
            }
        }
    }

    /// Where it stands.
    pub(super) fn step(self) -> WaitStatus {
        let (goal, state) = (self.goal, self.instance.state);
        if state == goal.state() {
            return match (self.port(), self.answer) {
                (None, _) | (_, Some(Ok(()))) => WaitStatus::Reached(self.instance),
                // An address may be listed later than that it runs.
                (Some(port), Some(Err(silence))) if self.homeless >= ABSENCES => {
                    let error = silence.error(&self.instance, port, Duration::ZERO);
                    WaitStatus::Failed(self.instance, error)
                }
                _ => WaitStatus::WaitTarget(self),
            };
        }
        if state.is_gone() && goal != WaitGoal::Terminated {
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
            return WaitStatus::Failed(self.instance, error);
        }
        WaitStatus::WaitTarget(self)
    }
}

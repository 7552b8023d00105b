//! Waits until instances reach a goal: with one listing for each region and round, however many instances there are.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::apply_action::{Relisted, relist};
use super::ssh_probe::{ProbeTarget, SshFailure, address, probe_all};
use crate::cloud::{Error, ErrorKind, Instance, InstanceState, Provider, ProviderKind, Result};
use crate::shutdown::Shutdown;

/// The pause after the first listing. Each pause is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How often the observer is told what is waited for.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A probe by SSH may take at least this long, also after the deadline.
const MIN_PROBE_TIME: Duration = Duration::from_secs(1);
/// How long a listing may take after the deadline.
const LISTING_GRACE: Duration = Duration::from_secs(5);
/// How many listings in a row must lack an instance, or its address, before that counts: a listing can be out of date.
const MAX_ABSENCES: u32 = 3;

/// The state to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitGoal {
    /// Running.
    Running,
    /// Stopped.
    Stopped,
    /// Terminated.
    Terminated,
    /// Running, and an SSH server answers on this port.
    Ssh(u16),
}

impl WaitGoal {
    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh(_) => "ssh",
            _ => self.state().as_str(),
        }
    }

    /// The command that an instance in this state needs before it can reach the goal; `None` if it is on its way, or as far as
    /// is known.
    pub fn missing_command(self, state: InstanceState) -> Option<&'static str> {
        use InstanceState::{Pending, Running, Stopped, Stopping};
        match (self, state) {
            (Self::Running | Self::Ssh(_), Stopping | Stopped) => Some("start"),
            (Self::Stopped, Pending | Running) => Some("stop"),
            (Self::Terminated, Pending | Running | Stopping | Stopped) => Some("terminate"),
            _ => None,
        }
    }

    /// The state that the goal needs.
    pub fn state(self) -> InstanceState {
        match self {
            Self::Running | Self::Ssh(_) => InstanceState::Running,
            Self::Stopped => InstanceState::Stopped,
            Self::Terminated => InstanceState::Terminated,
        }
    }
}

/// The result of waiting.
#[derive(Debug, Default)]
pub struct WaitResult {
    /// The instances that reached their goal, as they are now.
    pub reached: Vec<Instance>,
    /// The other instances, as they were listed last.
    pub unreached: Vec<Instance>,
    /// Why they did not reach it: `Timeout`, or why they ended.
    pub errors: Vec<Error>,
}

/// Is told what happens during a wait.
pub trait WaitObserver: Send {
    /// Called for each target that reaches its goal, and also when a target with the goal SSH is running.
    fn on_reached(&mut self, goal: WaitGoal, instance: &Instance);

    /// Called about every second, with the targets that have not reached their goals yet.
    fn on_waiting(&mut self, waiting: &[(&Instance, WaitGoal)]);
}

/// Runs the first listing. It must start within the timeout, and has some extra time to end; `None` if it takes longer.
pub async fn run_first_listing<T>(timeout: Duration, listing: impl Future<Output = T>) -> Option<T> {
    let limit = timeout.saturating_add(LISTING_GRACE);
    tokio::time::timeout(limit, listing).await.ok()
}

/// Waits until every target has reached its goal or can no longer reach it, or until `timeout` or a signal.
pub async fn wait_for(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: Vec<(Instance, WaitGoal)>,
    timeout: Duration,
    shutdown: &Shutdown,
    observer: &mut dyn WaitObserver,
) -> WaitResult {
    let started = Instant::now();
    let deadline = started + timeout;
    let mut result = WaitResult::default();
    let mut waiting = Vec::new();
    for (instance, goal) in targets {
        waiting.push(WaitTarget::new(instance, goal));
    }
    let mut pause = FIRST_PAUSE;
    loop {
        waiting = report_progress(waiting, &mut result, observer);
        if waiting.is_empty() {
            return result;
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() || shutdown.signal_status().is_some() {
            break;
        }
        // A random part of the pause keeps many pipelines from listing at the same time.
        let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0).min(remaining);
        pause = (pause * 3 / 2).min(MAX_PAUSE);
        let round = async { Ok(run_round(connect, &waiting, jittered, deadline).await) };
        let round = shutdown.run_until_signal(round);
        let Ok(Round { probes, listing }) = run_and_report(round, &waiting, observer).await else {
            break;
        };
        for (position, probe) in probes {
            waiting[position].record_probe(probe);
        }
        match listing {
            RoundListing::NotNeeded => continue,
            RoundListing::TooLate => break,
            RoundListing::Listed(relisted) => waiting.iter_mut().for_each(|target| target.record_listing(&relisted)),
        }
        // While another target can still be listed, a region that refuses may answer again.
        if waiting.iter().all(WaitTarget::is_hopeless) {
            break;
        }
    }
    report_unreached(&mut result, waiting, started.elapsed());
    result
}

/// Runs a round, and tells the observer about every second what is waited for.
async fn run_and_report<T>(
    round: impl Future<Output = T>,
    waiting: &[WaitTarget],
    observer: &mut dyn WaitObserver,
) -> T {
    let mut round = pin!(round);
    let waiting: Vec<_> = waiting.iter().map(|target| (&target.instance, target.goal)).collect();
    loop {
        observer.on_waiting(&waiting);
        if let Ok(result) = tokio::time::timeout(REPORT_INTERVAL, &mut round).await {
            return result;
        }
    }
}

/// Reports the targets that have reached their goal or failed, and gives the others.
fn report_progress(
    targets: Vec<WaitTarget>,
    result: &mut WaitResult,
    observer: &mut dyn WaitObserver,
) -> Vec<WaitTarget> {
    let mut waiting = Vec::new();
    for mut target in targets {
        if target.probe_port().is_some() && !target.running_reported {
            observer.on_reached(WaitGoal::Running, &target.instance);
            target.running_reported = true;
        }
        match target.status() {
            WaitStatus::Waiting => waiting.push(target),
            WaitStatus::Reached => {
                observer.on_reached(target.goal, &target.instance);
                result.reached.push(target.instance);
            }
            WaitStatus::Failed(error) => {
                result.unreached.push(target.instance);
                result.errors.push(error);
            }
        }
    }
    waiting
}

/// Adds the targets that did not reach their goal, and one error for each. A region that could not be listed gets one
/// error for all its targets.
fn report_unreached(result: &mut WaitResult, targets: Vec<WaitTarget>, elapsed: Duration) {
    let (hopeless, waiting): (Vec<_>, Vec<_>) = targets.into_iter().partition(WaitTarget::is_hopeless);
    let mut by_region: BTreeMap<(ProviderKind, String), UnlistedRegion> = BTreeMap::new();
    for WaitTarget {
        instance,
        listing_error,
        ..
    } in hopeless
    {
        if let Some(error) = listing_error {
            let region = (instance.provider, instance.region.clone());
            by_region
                .entry(region)
                .and_modify(|unlisted| unlisted.others += 1)
                .or_insert_with(|| UnlistedRegion {
                    error,
                    first: instance.reference.to_string(),
                    others: 0,
                });
        }
        result.unreached.push(instance);
    }
    for UnlistedRegion { error, first, others } in by_region.into_values() {
        let target_names = match others {
            0 => first,
            _ => format!("{first} and {others} more"),
        };
        result
            .errors
            .push(error.context(format_args!("can no longer get the state of {target_names}")));
    }
    for target in waiting {
        result.errors.push(target.timeout_error(elapsed));
        result.unreached.push(target.instance);
    }
}

/// A region that could not be listed, and its targets.
struct UnlistedRegion {
    error: Error,
    first: String,
    /// How many targets there are beside the first.
    others: usize,
}

/// What one round found out.
struct Round {
    /// What each probed target answered to SSH, by its position.
    probes: Vec<(usize, Result<(), SshFailure>)>,
    listing: RoundListing,
}

enum RoundListing {
    /// All targets answered to SSH, so none was listed.
    NotNeeded,
    /// It took too long.
    TooLate,
    Listed(Relisted),
}

/// Probes the running targets by SSH, and at the same time pauses and lists all targets.
async fn run_round(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[WaitTarget],
    pause: Duration,
    deadline: Instant,
) -> Round {
    let instances: Vec<_> = targets.iter().map(|target| target.instance.clone()).collect();
    let probes = pin!(probe_targets(connect, targets, deadline));
    let listing = pin!(async {
        tokio::time::sleep(pause).await;
        let listing = relist(connect, &instances);
        // The last listing starts at the deadline.
        match tokio::time::timeout_at(deadline + LISTING_GRACE, listing).await {
            Ok(relisted) => RoundListing::Listed(relisted),
            Err(_) => RoundListing::TooLate,
        }
    });
    let (probes, listing) = match select(probes, listing).await {
        Either::Left((probes, listing)) => {
            let answered = probes.iter().filter(|(_, probe)| probe.is_ok()).count();
            if answered == targets.len() {
                (probes, RoundListing::NotNeeded)
            } else {
                (probes, listing.await)
            }
        }
        Either::Right((listing, probes)) => (probes.await, listing),
    };
    Round { probes, listing }
}

async fn probe_targets(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[WaitTarget],
    deadline: Instant,
) -> Vec<(usize, Result<(), SshFailure>)> {
    let (mut answers, mut probes) = (Vec::new(), Vec::new());
    for (position, target) in targets.iter().enumerate() {
        let Some(port) = target.probe_port() else { continue };
        match connect(target.instance.provider).probe_ssh(&target.instance) {
            Some(true) => answers.push((position, Ok(()))),
            Some(false) => answers.push((position, Err(SshFailure::NoAnswer))),
            None => probes.push(ProbeTarget {
                position,
                address: address(&target.instance).map(str::to_owned),
                port,
            }),
        }
    }
    answers.extend(probe_all(probes, deadline.max(Instant::now() + MIN_PROBE_TIME)).await);
    answers
}

/// An instance that is waited for, and what is known of it.
struct WaitTarget {
    /// The instance, as it was listed last.
    instance: Instance,
    goal: WaitGoal,
    /// Whether `on_reached` was called because it is running.
    running_reported: bool,
    /// The result of the last probe by SSH.
    probe: Option<Result<(), SshFailure>>,
    /// Whether it was ever listed: a new instance may not be listed yet.
    was_listed: bool,
    /// How many listings in a row lack it.
    absences: u32,
    /// How many listings in a row have no address of it.
    listings_without_address: u32,
    /// Why the last listing did not show it.
    listing_error: Option<Error>,
}

/// Whether a target has reached its goal.
enum WaitStatus {
    Waiting,
    Reached,
    /// It can no longer reach it.
    Failed(Error),
}

impl WaitTarget {
    fn new(instance: Instance, goal: WaitGoal) -> Self {
        Self {
            instance,
            goal,
            running_reported: false,
            probe: None,
            was_listed: false,
            absences: 0,
            listings_without_address: 0,
            listing_error: None,
        }
    }

    /// The port to probe; `None` unless the goal is SSH and the instance is running.
    fn probe_port(&self) -> Option<u16> {
        match self.goal {
            WaitGoal::Ssh(port) if self.instance.state == InstanceState::Running => Some(port),
            _ => None,
        }
    }

    fn record_probe(&mut self, probe: Result<(), SshFailure>) {
        self.listings_without_address = match probe {
            Err(SshFailure::NoAddress) => self.listings_without_address + 1,
            _ => 0,
        };
        self.probe = Some(probe);
    }

    fn record_listing(&mut self, relisted: &Relisted) {
        self.listing_error = relisted.listing_error(&self.instance).cloned();
        if let Some(listed) = relisted.listed(&self.instance) {
            self.instance = keep_known_labels(&self.instance, listed.clone());
            self.was_listed = true;
            self.absences = 0;
        } else if self.listing_error.is_none() {
            self.absences += 1;
            let waits_for_end = self.goal == WaitGoal::Terminated;
            let was_terminating = waits_for_end && self.instance.state.is_gone();
            let is_absent = self.absences >= MAX_ABSENCES && (self.was_listed || waits_for_end);
            if was_terminating || is_absent {
                self.instance.state = InstanceState::Terminated;
            }
        }
    }

    /// Whether it cannot be listed, and listing it again cannot help.
    fn is_hopeless(&self) -> bool {
        match &self.listing_error {
            Some(error) => !is_transient(error.kind()),
            None => false,
        }
    }

    fn status(&self) -> WaitStatus {
        if self.instance.state == self.goal.state() {
            let Some(port) = self.probe_port() else {
                return WaitStatus::Reached;
            };
            return match self.probe {
                Some(Ok(())) => WaitStatus::Reached,
                // A running instance may be listed with its address later.
                Some(Err(failure)) if self.listings_without_address >= MAX_ABSENCES => {
                    WaitStatus::Failed(failure.error(&self.instance, port, Duration::ZERO))
                }
                _ => WaitStatus::Waiting,
            };
        }
        if !self.instance.state.is_gone() || self.goal == WaitGoal::Terminated {
            return WaitStatus::Waiting;
        }
        let message = format!(
            "{} was terminated before it reached {}",
            self.instance.reference,
            self.goal.as_str()
        );
        let error = match self.instance.failure {
            Some(kind) => Error::new(kind, message),
            None => Error::new(ErrorKind::NotFound, message)
                .with_hint("it is gone for good: create it again if it is needed"),
        };
        WaitStatus::Failed(match &self.instance.state_reason {
            Some(reason) => error.with_code(reason),
            None => error,
        })
    }

    fn timeout_error(&self, elapsed: Duration) -> Error {
        let instance = &self.instance;
        if let Some(port) = self.probe_port() {
            let failure = match self.probe {
                Some(Err(failure)) => failure,
                _ => SshFailure::NoAnswer,
            };
            return failure.error(instance, port, elapsed);
        }
        let (reference, goal) = (&instance.reference, self.goal.state().as_str());
        let seconds = elapsed.as_secs_f64().round();
        let mut message = format!("after {seconds} s {reference} is {}, not {goal}", instance.state);
        if let Some(error) = &self.listing_error {
            message.push_str(&format!("; the last listing failed: {error}"));
        }
        let error = Error::new(ErrorKind::Timeout, message)
            .naming(reference)
            .with_leftover(reference);
        match (self.goal.missing_command(instance.state), self.goal) {
            (Some(command), _) => error.with_hint(format!("{command} it: cloudctl {command} {reference}")),
            (None, WaitGoal::Stopped | WaitGoal::Terminated) => {
                error.with_hint(format!("wait longer: cloudctl wait {reference} --for {goal}"))
            }
            (None, _) => error,
        }
    }
}

/// Whether listing again later can help.
fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Network | ErrorKind::Throttled | ErrorKind::Incomplete)
}

/// Keeps the labels of a managed instance if it is listed without any: labels can be listed later than the instance.
fn keep_known_labels(known: &Instance, listed: Instance) -> Instance {
    let has_no_labels = !listed.managed && listed.label_problem.is_none() && listed.labels.is_empty();
    if !known.managed || !has_no_labels {
        return listed;
    }
    Instance {
        name: known.name.clone(),
        labels: known.labels.clone(),
        managed: true,
        spec_fingerprint: known.spec_fingerprint.clone(),
        generation: known.generation,
        run_id: known.run_id.clone(),
        ttl: known.ttl,
        expires_at: known.expires_at,
        expiry_enforcer: known.expiry_enforcer,
        ..listed
    }
}

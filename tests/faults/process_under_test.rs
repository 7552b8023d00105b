//! Processes that a row starts, holds, kills or races, and checks of what exists afterwards.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::backends::Backend;
use crate::support::sandbox::Run;
use crate::support::test_cloud::ObservedInstance;
use cloud_emulators::faults::{Effect, Fault, Gate, Side};
use cloud_emulators::http::Endpoint;
use cloud_emulators::recorded_call::Call;

/// Longer than anything takes that is not stuck.
const STUCK: Duration = Duration::from_secs(150);

pub struct Process(Option<Child>);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        Self::start_as_it_is(command)
    }

    /// With the streams that the command has, but for stderr.
    pub fn start_as_it_is(command: &mut Command) -> Self {
        let child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        Self(Some(child))
    }

    pub fn has_ended(&mut self) -> bool {
        let child = self.0.as_mut().expect("a process");
        child.try_wait().expect("its status").is_some()
    }

    /// SIGKILL: it gets no chance to do anything about it.
    pub fn kill(mut self) {
        let mut child = self.0.take().expect("a process");
        child.kill().expect("killed");
        child.wait().expect("its end");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Run {
        until("the process ends", || self.has_ended());
        let output = self.0.take().expect("a process").wait_with_output().expect("its end");
        Run::from_output(&output)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < STUCK, "waited {STUCK:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Runs `cloudctl ARGUMENTS` through an endpoint up to its call number `call`, from 0, and kills it there, on one side of
/// the call's effect. `None` if it ended before, by itself; else the gate, for what is on its way.
pub fn kill_at(
    backend: &Backend,
    endpoint: &Endpoint,
    arguments: &[&str],
    call: usize,
    side: Side,
) -> Option<std::sync::Arc<Gate>> {
    let gate = Gate::new(side);
    endpoint.reset([Fault::on_all(Effect::Hold(gate.clone())).skip(call).times(1)]);
    let mut process = Process::start(&mut backend.command_through(endpoint, arguments));
    until("the call comes in, or the process ends", || {
        gate.has_arrival_within(Duration::from_millis(3)) || process.has_ended()
    });
    if gate.has_arrival_within(Duration::ZERO) {
        process.kill();
        Some(gate)
    } else {
        let run = process.end();
        assert_eq!(run.code, 0, "it was let go on\n{}", run.stderr);
        None
    }
}

/// How many calls a run makes that nothing happens to.
pub fn calls_of(backend: &Backend, endpoint: &Endpoint, arguments: &[&str]) -> usize {
    endpoint.reset([]);
    let run = Process::start(&mut backend.command_through(endpoint, arguments)).end();
    assert_eq!(run.code, 0, "{}", run.stderr);
    endpoint.traffic().0
}

/// The one living VM of a name.
#[track_caller]
pub fn only(backend: &Backend, name: &str) -> ObservedInstance {
    let mut found = backend.alive();
    found.retain(|seen| seen.name == name);
    assert_eq!(found.len(), 1, "living VMs called {name}: {found:?}");
    found.remove(0)
}

/// The one VM of a name that there ever was, as far as the cloud remembers: EC2 still shows those that are gone.
#[track_caller]
pub fn only_ever(backend: &Backend, name: &str) -> ObservedInstance {
    let mut all = backend.instances();
    all.retain(|seen| seen.name == name);
    let ids: Vec<_> = all.iter().map(|seen| &seen.id).collect();
    assert_eq!(ids.len(), 1, "VMs called {name}, gone ones included: {ids:?}");
    only(backend, name)
}

/// The one living VM there is, which has our marks from birth, and no disk without a VM.
#[track_caller]
pub fn only_one_at_all(backend: &Backend, name: &str) -> ObservedInstance {
    let alive = backend.alive();
    assert_eq!(alive.len(), 1, "living VMs: {alive:?}");
    let seen = only(backend, name);
    assert_ours(&seen);
    assert_eq!(backend.orphaned_disks(), Vec::<String>::new());
    seen
}

/// It can be told from somebody else's, by marks that came with the creating call.
#[track_caller]
pub fn assert_ours(seen: &ObservedInstance) {
    let label = |key: &str| seen.labels.get(key).map(String::as_str);
    assert_eq!(label("cloudctl-managed"), Some("true"), "{seen:?}");
    let name = label("cloudctl-name").unwrap_or_default();
    match label("cloudctl-members") {
        // What one call makes has the labels of the group.
        Some(_) => assert!(seen.name.starts_with(&format!("{name}-")), "{seen:?}"),
        None => assert_eq!(name, seen.name, "{seen:?}"),
    }
    assert!(label("cloudctl-spec").is_some(), "{seen:?}");
}

/// Nothing lives, and no disk is left.
#[track_caller]
pub fn nothing(backend: &Backend) {
    assert_eq!(backend.alive(), []);
    assert_eq!(backend.disks(), Vec::<String>::new());
}

/// The id that a run printed.
#[track_caller]
pub fn id_of(run: &Run) -> String {
    run.item()["id"].as_str().unwrap_or_default().to_owned()
}

/// Runs `cloudctl ARGUMENTS -o json` while reads see nothing new, until its first create call is answered; from then on
/// they see all.
#[track_caller]
pub fn run_unseen(backend: &Backend, arguments: &[&str]) -> Run {
    let lag = Duration::from_secs(600);
    backend.set_listing_lag(lag);
    let endpoint = backend.open_endpoint();
    let arguments = [arguments, &["-o", "json"]].concat();
    let mut process = Process::start(&mut backend.command_through(&endpoint, &arguments));
    until("the create is answered", || {
        is_answered(backend, &endpoint) || process.has_ended()
    });
    backend.advance(lag + Duration::from_secs(1));
    process.end()
}

/// Whether a create call that came through an endpoint has been answered.
pub fn is_answered(backend: &Backend, endpoint: &Endpoint) -> bool {
    let calls = endpoint.calls();
    let mut creates = calls
        .iter()
        .filter(|call| call.operation.name == backend.operations().create);
    creates.any(|create| create.status.is_some())
}

/// The token of a create call: EC2's ClientToken or Compute Engine's requestId.
pub fn token_of(call: &Call) -> String {
    let body = String::from_utf8_lossy(&call.request.body).into_owned();
    let pairs = call.request.query.split('&').chain(body.split('&'));
    let mut tokens = pairs.filter_map(|pair| pair.strip_prefix("ClientToken=").or(pair.strip_prefix("requestId=")));
    tokens.next().unwrap_or_default().to_owned()
}

/// The tokens of the create calls, in order.
pub fn tokens(backend: &Backend, calls: &[Call]) -> Vec<String> {
    let creates = calls
        .iter()
        .filter(|call| call.operation.name == backend.operations().create);
    creates.map(token_of).collect()
}

//! Tests of the whole mock cloud, on a temporary file and with a clock that only the test moves.

mod expiry;
mod faults;
mod lifecycle;
mod state_file;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Mutex;

use jiff::SignedDuration;
use tempfile::TempDir;

use super::cloud_info::{FAULTS_VARIABLE, STATE_VARIABLE};
use super::*;
use crate::cloud::{ErrorKind, InstanceState, ListFilter, Listing};

struct FakeClock(Mutex<Timestamp>);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn created(outcome: CreateOutcome) -> Instance {
    match outcome {
        CreateOutcome::Created(mut instances) => instances.remove(0),
        CreateOutcome::TokenAlreadyUsed => panic!("the token was used already"),
    }
}

/// A mock cloud in a temporary folder.
struct Sandbox {
    mock: Arc<Mock>,
    clock: Arc<FakeClock>,
    folder: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FakeClock(Mutex::new("2026-11-01T12:00:00Z".parse().unwrap())));
        let mut sandbox = Self {
            mock: Arc::new(Mock::new(&Settings::default(), clock.clone())),
            clock,
            folder,
        };
        sandbox.faults("");
        sandbox
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("deep/er/mock.json")
    }

    /// Injects faults into the same cloud.
    fn faults(&mut self, faults: &str) {
        let file = self.file().to_string_lossy().into_owned();
        let variables = [(STATE_VARIABLE, file), (FAULTS_VARIABLE, faults.to_owned())];
        let settings = Settings {
            environment: Environment::new(variables.map(|(name, value)| (name.to_owned(), value))),
            ..Settings::default()
        };
        self.mock = Arc::new(Mock::new(&settings, self.clock.clone()));
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    fn create(&self, spec: &InstanceSpec) -> Instance {
        created(run(self.mock.create(spec, 0)).unwrap())
    }

    /// Returns the error of a create call for this spec.
    fn refusal(&self, spec: &InstanceSpec) -> Error {
        run(self.mock.create(spec, 0)).unwrap_err()
    }

    /// Applies an action to one instance.
    fn act(&self, action: InstanceAction, target: &InstanceRef) -> Result<()> {
        let targets = std::slice::from_ref(target);
        let outcomes = run(self.mock.apply(action, targets, &BatchTracker::uninterrupted()));
        let [outcome] = <[TargetOutcome; 1]>::try_from(outcomes).unwrap();
        outcome.result
    }

    fn get(&self, target: &InstanceRef) -> Result<Instance> {
        run(self.mock.get(target))
    }

    fn state(&self, target: &InstanceRef) -> InstanceState {
        self.get(target).unwrap().state
    }

    fn console(&self, target: &InstanceRef) -> String {
        String::from_utf8(run(self.mock.console_output(target)).unwrap()).unwrap()
    }

    fn list(&self, region: &str) -> Result<Listing> {
        let location = ListScope::Region(region.to_owned());
        run(self.mock.list(&location, &ListFilter::default()))
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap().block_on(future)
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn spec(name: &str) -> InstanceSpec {
    InstanceSpec::new(name.parse().unwrap(), Location::in_region("us-east-1"))
}

fn with(name: &str, change: impl FnOnce(&mut InstanceSpec)) -> InstanceSpec {
    let mut spec = spec(name);
    change(&mut spec);
    spec
}

fn in_zone(name: &str, zone: &str) -> InstanceSpec {
    with(name, |spec| spec.location.zone = Some(zone.to_owned()))
}

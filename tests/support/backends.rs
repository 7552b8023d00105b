//! The clouds by name, each with a sandbox in which the binary finds it.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::ops::Deref;
use std::process::Command;

use cloud_emulators::http::Endpoint;
use cloud_emulators::{ec2, gce};

use super::clouds;
use super::command_line::CommandLine;
use super::sandbox::{Run, Sandbox};
use super::test_cloud::{ObservedInstance, TestCloud};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    Mock,
    Ec2Emulator,
    Moto,
    GceEmulator,
}

impl BackendKind {
    pub const ALL: &'static [Self] = &[Self::Mock, Self::Ec2Emulator, Self::Moto, Self::GceEmulator];
    /// Those whose faults and state a test can change.
    pub const STEERED: &'static [Self] = &[Self::Mock, Self::Ec2Emulator, Self::GceEmulator];
    pub const EMULATORS: &'static [Self] = &[Self::Ec2Emulator, Self::GceEmulator];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Ec2Emulator => "ec2-emulator",
            Self::Moto => "moto",
            Self::GceEmulator => "gce-emulator",
        }
    }

    /// The one place that knows which cloud belongs to a name.
    fn start(self, sandbox: &Sandbox, checks: Checks) -> Box<dyn TestCloud> {
        match self {
            Self::Mock => Box::new(clouds::mock::MockCloud::new(sandbox.clone())),
            Self::Ec2Emulator => Box::new(clouds::ec2::Ec2Cloud::start()),
            Self::Moto => Box::new(clouds::moto::Moto::start()),
            Self::GceEmulator => Box::new(clouds::gce::GceCloud::start(checks == Checks::EachCall)),
        }
    }
}

/// Whether each call is compared with the description of the API, where there is one.
#[derive(Clone, Copy, PartialEq)]
enum Checks {
    EachCall,
    None,
}

/// A cloud, and a sandbox in which the binary finds it.
pub struct Backend {
    pub kind: BackendKind,
    pub sandbox: Sandbox,
    cloud: Box<dyn TestCloud>,
}

impl Deref for Backend {
    type Target = dyn TestCloud;

    fn deref(&self) -> &Self::Target {
        self.cloud.as_ref()
    }
}

impl Backend {
    pub fn start(kind: BackendKind) -> Self {
        Self::start_with(kind, Checks::EachCall)
    }

    fn start_with(kind: BackendKind, checks: Checks) -> Self {
        let mut sandbox = Sandbox::new();
        let cloud = kind.start(&sandbox, checks);
        sandbox.set_all(cloud.environment());
        Self { kind, sandbox, cloud }
    }

    /// The same cloud, empty, that does not compare each call with the description of the API: for many calls.
    pub fn start_unchecked(&self) -> Self {
        Self::start_with(self.kind, Checks::None)
    }

    /// The EC2 emulator, in cases about EC2 alone.
    #[track_caller]
    pub fn ec2(&self) -> &ec2::Emulator {
        self.ec2_emulator().expect("this case is about the EC2 emulator")
    }

    /// The Compute Engine emulator, in cases about Compute Engine alone.
    #[track_caller]
    pub fn gce(&self) -> &gce::Emulator {
        self.gce_emulator()
            .expect("this case is about the Compute Engine emulator")
    }

    pub fn home_region(&self) -> &'static str {
        self.site().home_region
    }

    pub fn home_zone(&self) -> &'static str {
        self.site().home_zone
    }

    pub fn other_region(&self) -> &'static str {
        self.site().other_region
    }

    pub fn other_type(&self) -> &'static str {
        self.site().other_type
    }

    /// Runs `cloudctl ARGUMENTS -p PROVIDER -o json`.
    pub fn json(&self, arguments: &(impl CommandLine + ?Sized)) -> Run {
        let mut words = arguments.words();
        words.extend(["-o".to_owned(), "json".to_owned()]);
        self.run(&words)
    }

    /// Runs `cloudctl ARGUMENTS -p PROVIDER`.
    pub fn run(&self, arguments: &(impl CommandLine + ?Sized)) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// `cloudctl ARGUMENTS -p PROVIDER`, for tests that start the process themselves.
    pub fn command(&self, arguments: &(impl CommandLine + ?Sized)) -> Command {
        let mut words = arguments.words();
        // What comes after it belongs to another command.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.splice(end..end, ["-p", self.provider()].map(str::to_owned));
        let mut command = self.sandbox.command(&words);
        command.envs(self.fault_environment());
        command
    }

    /// The same through an endpoint.
    pub fn command_through(&self, endpoint: &Endpoint, arguments: &(impl CommandLine + ?Sized)) -> Command {
        let mut command = self.command(arguments);
        let (name, value) = self.endpoint_variable(&endpoint.url);
        command.env(name, value);
        command
    }

    /// The instances that are neither terminated nor being terminated.
    pub fn alive(&self) -> Vec<ObservedInstance> {
        self.wait_for_deletions();
        let mut alive = self.instances();
        alive.retain(|one| !matches!(one.state.as_str(), "terminated" | "terminating"));
        alive
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        let calls = self.calls();
        calls.iter().filter(|call| call.operation.name == operation).count()
    }

    /// Checks that every request and every answer fitted the description of the API.
    pub fn check_violations(&self) {
        assert_eq!(self.violations(), Vec::<String>::new());
    }
}

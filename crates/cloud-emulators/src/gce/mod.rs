//! An in-process Compute Engine: the REST API that gcloud and Google's client libraries speak, with VMs that come up and
//! go down over time.
//!
//! It is strict: what the real service refuses it refuses, with that service's status and reason. Given Google's
//! discovery document it also checks every request and its own answers by that, and keeps what does not fit in
//! [`Emulator::violations`].
//!
//! ```text
//! mod                             Emulator: start it, look into it
//! views                           what a test sees
//! controls, rate                  settings of the cloud
//! external_changes                what other people and guests do
//! service, route, discovery       who answers a call; paths to methods; the check against Google's document
//! state, lifecycle, run_limits    what there is, the clock, how VMs change state
//! insert, insert_disks, accelerators, scheduling, bulk   new VMs
//! instance, instances, disks, operations, images, machine_types, networks, firewalls, zones   one noun each
//! addresses, guest_boot, guest_attributes   what a test gives a VM; what its guest says
//! power                           delete, start, stop, reset
//! paging, filter, filter_parser, pattern, fields         lists, and parts of answers
//! tokens                          the server that clients get tokens from
//! checks, errors, operation_failures, encoding           rules, refusals, failed operations, fingerprints
//! ```

mod accelerators;
mod addresses;
mod bulk_insert;
mod discovery_check;
mod disks;
mod dispatch;
mod errors;
mod external_changes;
mod field_rules;
mod fingerprints;
mod firewalls;
mod guest_attributes;
mod guest_boot;
mod images;
mod insert;
mod insert_disks;
mod instance_record;
mod instances;
mod list_filter;
mod list_filter_parser;
mod machine_types;
mod max_run_duration;
mod networks;
mod oauth_tokens;
mod operation_failures;
mod operations;
mod paging;
mod partial_response;
mod rate_limit;
mod regular_expression;
mod routing;
mod scheduling;
mod state;
mod state_change_calls;
mod state_changes;
mod test_controls;
#[cfg(test)]
mod test_requests;
mod test_views;
mod zones;

use std::path::Path;
use std::sync::MutexGuard;

pub use dispatch::Service;
pub use guest_attributes::GuestAttributesOff;
pub use oauth_tokens::TokenServer;
pub use operations::RequestIdMismatch;
pub use state::Delays;
pub use test_controls::LiveScheduling;
pub use test_views::{AttachedDiskView, DiskView, FirewallView, InstanceView, OperationView, SchedulingView};

use crate::faults::Fault;
use crate::http::{Endpoint, Server};
use crate::recorded_call::Call;
use discovery_check::Discovery;
use state::State;

/// The project that seeded VMs are in. Clients may use any other.
pub const PROJECT: &str = "test-project";

/// Every operation that the emulator has, such as `instances.insert`. A fault names one of them.
pub fn operations() -> impl Iterator<Item = &'static str> {
    routing::ROUTES.iter().map(|route| route.name)
}

/// The regions of the emulated cloud.
pub fn regions() -> impl Iterator<Item = &'static str> {
    zones::regions()
}

/// The zones of the emulated cloud.
pub fn zones() -> impl Iterator<Item = String> {
    zones::all()
}

/// A running emulator; it stops when this is dropped.
pub struct Emulator {
    server: Server<Service>,
}

impl Emulator {
    /// Without the check against the discovery document.
    pub fn start() -> Self {
        Self::start_on(0, None).expect("there is a free port")
    }

    /// With it; the file is `googleapiclient/discovery_cache/documents/compute.v1.json` of the Python
    /// package google-api-python-client.
    pub fn start_with_discovery(path: &Path) -> Self {
        Self::start_on(0, Some(path)).expect("there is a free port")
    }

    /// Starts on a loopback port; 0 means any free one. Fails if the port is taken.
    pub fn start_on(port: u16, discovery: Option<&Path>) -> std::io::Result<Self> {
        let service = Service::new(discovery.map(Discovery::load));
        let server = Server::start_on(service, port)?;
        Ok(Self { server })
    }

    /// What a client takes as its endpoint: `http://127.0.0.1:PORT`. gcloud wants `/compute/v1/` after it.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Adds a fault; see [`Server::inject`].
    pub fn inject(&self, fault: Fault) {
        self.server.inject(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// Every call so far, by the API's name of its method: `instances.insert` in `us-east1-b`.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls()
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.server.count(method)
    }

    /// Empties the log of calls.
    pub fn forget_calls(&self) {
        self.server.forget_calls();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.server.service.state()
    }

    /// Another way in, with faults and a log of calls of its own.
    pub fn open_endpoint(&self) -> Endpoint {
        self.server.open_endpoint()
    }
}

/// The URL of a resource path, as the service writes it whatever endpoint it was reached at.
fn link(path: &str) -> String {
    format!("https://www.googleapis.com/compute/v1/{path}")
}

//! A server that answers every request in the same way, and a Compute Engine with a sandbox that points at it.

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use cloud_emulators::gce;
use cloud_emulators::http::{Server, Service};
use cloud_emulators::recorded_call::{Operation, Reply, Request};

/// Gives this status and body.
pub struct StandIn {
    status: u16,
    body: String,
}

impl StandIn {
    pub fn start(status: u16, body: &Value) -> Server<Self> {
        let body = body.to_string();
        Server::start(Self { status, body })
    }
}

impl Service for StandIn {
    fn operation(&self, request: &Request) -> Operation {
        Operation {
            name: request.path.clone(),
            location: String::new(),
        }
    }

    fn answer(&self, _: &Request) -> Reply {
        self.error(self.status, "", "")
    }

    fn error(&self, status: u16, _: &str, _: &str) -> Reply {
        Reply {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: self.body.clone().into_bytes(),
        }
    }
}

/// A Compute Engine, and a sandbox that reaches it with a token.
pub fn cloud() -> (gce::Emulator, Sandbox) {
    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_gcp(&emulator.url(), gce::PROJECT);
    sandbox.set("NO_GCE_CHECK", "1");
    (emulator, sandbox)
}

/// The same, without credentials.
pub fn cloud_without_credentials() -> (gce::Emulator, Sandbox) {
    let (emulator, mut sandbox) = cloud();
    sandbox.unset("CLOUDSDK_AUTH_ACCESS_TOKEN");
    (emulator, sandbox)
}

/// A header of every call that Compute Engine got; at least one came.
#[track_caller]
pub fn header(emulator: &gce::Emulator, name: &str) -> Option<String> {
    let calls = emulator.calls();
    let first = calls.first().expect("a call").request.headers.get(name).cloned();
    assert!(
        calls
            .iter()
            .all(|call| call.request.headers.get(name) == first.as_ref()),
        "{name} changes"
    );
    first
}

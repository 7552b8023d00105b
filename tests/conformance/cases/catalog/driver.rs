//! The Compute Engine driver itself, for cases that no command line can express.

use std::sync::Arc;

use cloudctl::cloud::{Clock, InstanceSpec, Location, Provider, ProviderKind};
use cloudctl::providers::Drivers;

use crate::support::backends::Backend;
use cloud_emulators::gce::Emulator;

pub const ZONE: &str = "us-central1-a";

pub fn emulator(backend: &Backend) -> &Emulator {
    backend.gce()
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// The driver itself, connected as the binary would be.
pub fn provider(backend: &Backend) -> Arc<dyn Provider> {
    let driver = *Drivers::default().get(ProviderKind::Gcp);
    (driver.connect)(&backend.sandbox.settings(), Arc::new(SystemClock))
}

/// Runs a call of the driver to its end.
pub fn run<T>(call: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(call)
}

pub fn spec(name: &str) -> InstanceSpec {
    let place = Location {
        region: "us-central1".to_owned(),
        zone: Some(ZONE.to_owned()),
    };
    InstanceSpec::new(name.parse().expect("a name"), place)
}

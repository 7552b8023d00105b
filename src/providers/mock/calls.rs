//! Calls on their way to the mock cloud, and what may become of them.

use std::time::Duration;

use tokio::time::sleep;

use super::faults::{Faults, Site};
use crate::cloud::{Error, ErrorKind, Result};

/// How often a call that is turned away is tried.
const ATTEMPTS: u32 = 5;
/// The pause after the first time; it doubles each time, and a random part of it is waited.
const BACKOFF: Duration = Duration::from_millis(50);

/// What every call goes through on its way, whatever it is: latency, refusals, and throttling with its retries.
pub(super) async fn call(faults: &Faults, site: Site<'_>, operation: &str) -> Result<()> {
    for attempt in 1..=ATTEMPTS {
        tracing::debug!(operation, place = site.name(), attempt, "call");
        let latency = faults.latency(site);
        if !latency.is_zero() {
            sleep(latency).await;
        }
        if let Some(error) = faults.refusal(site) {
            return Err(error);
        }
        if fastrand::f64() >= faults.throttle(site) {
            return Ok(());
        }
        if attempt < ATTEMPTS {
            sleep((BACKOFF * 2u32.pow(attempt)).mul_f64(fastrand::f64())).await;
        }
    }
    let message = format!("too many requests: {operation} was turned away {ATTEMPTS} times");
    Err(Error::new(ErrorKind::Throttled, message)
        .with_code("RequestLimitExceeded")
        .at(site.name()))
}

/// The same failure once more, for another target of the same call.
pub(super) fn again(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message());
    if let Some(code) = error.code() {
        copy = copy.with_code(code);
    }
    if let Some(location) = error.location() {
        copy = copy.at(location);
    }
    match error.remedy() {
        Some(remedy) => copy.with_remedy(remedy),
        None => copy,
    }
}

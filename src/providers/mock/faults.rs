//! Injects faults so that users can test their pipelines.
//!
//! `CLOUDCTL_MOCK` lists them, comma separated, such as
//! `capacity@us-east-1a,latency=200ms,throttle=0.3,unreachable=eu-west-1`. Each may end in `@region` or `@zone` and
//! then happens only there, else everywhere. [`KNOWN`] lists all of them. Every call first goes through
//! [`simulate_call`].

use std::time::Duration;

use tokio::time::sleep;

use super::regions;
use crate::cloud::{Error, ErrorKind, ErrorLocation, Gap, ListScope, ProviderKind, Result, quoted};
use crate::providers::common::retry::Backoff;

#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Capacity,
    Quota,
    Latency(Duration),
    Throttle(f64),
    Unreachable,
    Denied,
    Unauthenticated,
    LostReply,
    SlowBoot(Duration),
    BootFailure,
}

#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) effect: Effect,
    /// Region or zone; `None` means everywhere.
    pub(super) location: Option<String>,
    /// The fault as the user typed it, for hints.
    pub(super) text: String,
}

/// The region and zone of a call, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FaultSite<'a> {
    pub(super) region: Option<&'a str>,
    pub(super) zone: Option<&'a str>,
}

impl<'a> FaultSite<'a> {
    /// Means a whole region.
    pub(super) fn region(region: &'a str) -> Self {
        Self {
            region: Some(region),
            zone: None,
        }
    }

    pub(super) fn zone(region: &'a str, zone: &'a str) -> Self {
        Self {
            region: Some(region),
            zone: Some(zone),
        }
    }

    /// Means what a listing covers.
    pub(super) fn from_scope(scope: &'a ListScope) -> Self {
        match scope {
            ListScope::AllRegions => Self::default(),
            ListScope::Region(region) => Self::region(region),
            ListScope::Zone { region, zone } => Self::zone(region, zone),
        }
    }

    /// Returns the site as errors show it.
    pub(super) fn location(self) -> ErrorLocation {
        ErrorLocation::new(ProviderKind::Mock, self.zone.or(self.region).unwrap_or_default())
    }
}

impl Fault {
    fn affects(&self, site: FaultSite<'_>) -> bool {
        match self.location.as_deref() {
            Some(location) => Some(location) == site.region || Some(location) == site.zone,
            None => true,
        }
    }

    /// Returns the error of a fault that makes every call fail.
    fn refusal_error(&self) -> Option<Error> {
        let (kind, code, message) = match self.effect {
            Effect::Unauthenticated => (
                ErrorKind::Unauthenticated,
                "ExpiredToken",
                "the credentials have expired",
            ),
            Effect::Unreachable => (
                ErrorKind::Network,
                "ConnectionFailed",
                "the mock cloud could not be reached",
            ),
            Effect::Denied => (ErrorKind::PermissionDenied, "AccessDenied", "access denied"),
            _ => return None,
        };
        Some(self.error(kind, code, message))
    }

    fn error(&self, kind: ErrorKind, code: &str, message: &str) -> Error {
        Error::new(kind, message).with_code(code).with_hint(format!(
            "remove {} from CLOUDCTL_MOCK, which causes this error",
            self.text
        ))
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Parses the value of `CLOUDCTL_MOCK`.
    pub(super) fn parse(text: Option<&str>) -> Result<Self> {
        text.unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(parse)
            .collect::<Result<_>>()
            .map(Self)
    }

    fn faults_at(&self, site: FaultSite<'_>) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter(move |fault| fault.affects(site))
    }

    /// Returns how much longer a call takes.
    pub(super) fn latency(&self, site: FaultSite<'_>) -> Duration {
        self.faults_at(site)
            .filter_map(|fault| match fault.effect {
                Effect::Latency(time) => Some(time),
                _ => None,
            })
            .sum()
    }

    /// Returns the probability that a call is throttled.
    pub(super) fn throttle_probability(&self, site: FaultSite<'_>) -> f64 {
        self.faults_at(site)
            .filter_map(|fault| match fault.effect {
                Effect::Throttle(probability) => Some(probability),
                _ => None,
            })
            .fold(0.0, f64::max)
    }

    /// Returns the error that makes every call fail, before it has an effect.
    pub(super) fn refusal_error(&self, site: FaultSite<'_>) -> Option<Error> {
        let error = self.faults_at(site).find_map(Fault::refusal_error)?;
        Some(error.at(site.location()))
    }

    /// Says whether every call fails.
    pub(super) fn refuse_calls(&self, site: FaultSite<'_>) -> bool {
        self.refusal_error(site).is_some()
    }

    /// Returns the gaps of a listing: the parts of its scope that refuse all calls.
    pub(super) fn gaps(&self, scope: &ListScope) -> Vec<Gap> {
        let whole = FaultSite::from_scope(scope);
        let mut gaps = Vec::new();
        for fault in self.0.iter().filter(|fault| !fault.affects(whole)) {
            if let Some(location) = &fault.location
                && let Some(error) = fault.refusal_error()
                && let Ok(region) = regions::find_region_of_zone(location).or_else(|_| regions::find_region(location))
                && scope.contains(region.name, Some(location))
            {
                gaps.push(Gap::new(error, ErrorLocation::new(ProviderKind::Mock, location)));
            }
        }
        gaps
    }

    /// Returns the error that makes a create call fail, for lack of capacity or quota.
    pub(super) fn capacity_or_quota_error(&self, site: FaultSite<'_>) -> Option<Error> {
        if let Some(error) = self.no_capacity_error(site) {
            return Some(error);
        }
        let fault = self.faults_at(site).find(|fault| fault.effect == Effect::Quota)?;
        let message = "the account may have no more instances";
        let error = fault.error(ErrorKind::Quota, "InstanceLimitExceeded", message);
        Some(error.at(site.location()))
    }

    pub(super) fn no_capacity_error(&self, site: FaultSite<'_>) -> Option<Error> {
        let fault = self.faults_at(site).find(|fault| fault.effect == Effect::Capacity)?;
        let message = format!(
            "no capacity in {}",
            site.zone.or(site.region).unwrap_or("the mock cloud")
        );
        let error = fault.error(ErrorKind::Capacity, "InsufficientCapacity", &message);
        Some(error.at(site.location()))
    }

    /// Returns how long an instance is pending, if a fault says so.
    pub(super) fn slow_boot(&self, site: FaultSite<'_>) -> Option<Duration> {
        self.faults_at(site)
            .filter_map(|fault| match fault.effect {
                Effect::SlowBoot(time) => Some(time),
                _ => None,
            })
            .max()
    }

    /// Returns the error for a lost answer to a create call.
    pub(super) fn lost_reply_error(&self, site: FaultSite<'_>) -> Option<Error> {
        let fault = self.faults_at(site).find(|fault| fault.effect == Effect::LostReply)?;
        // The usual hint tells what to do next, as on a real cloud.
        let message = format!(
            "the answer was lost, because CLOUDCTL_MOCK has {}; the instance may have been created",
            fault.text
        );
        let error = Error::new(ErrorKind::UnknownOutcome, message).with_code("ConnectionReset");
        Some(error.at(site.location()))
    }

    /// Says whether a new instance fails instead of running.
    pub(super) fn has_boot_failure(&self, site: FaultSite<'_>) -> bool {
        self.faults_at(site).any(|fault| fault.effect == Effect::BootFailure)
    }
}

/// Every fault, as a user may write it.
pub(crate) const KNOWN: [&str; 10] = [
    // Create and start find no capacity (`Capacity`).
    "capacity",
    // Create reaches a limit of the account (`Quota`).
    "quota",
    // Every call takes that much longer: `ms`, `s` or `m`.
    "latency=200ms",
    // This part of all calls, from 0 to 1, is throttled, and retried a few times (`Throttled`).
    "throttle=0.3",
    // No call reaches the cloud (`Network`).
    "unreachable=eu-west-1",
    // Every call lacks permission (`PermissionDenied`).
    "denied",
    // Every call lacks credentials (`Unauthenticated`).
    "unauthenticated",
    // Create takes effect, but the answer is lost (`UnknownOutcome`).
    "lost-reply",
    // A new or started instance is pending for that long.
    "slow-boot=30s",
    // A new instance fails instead of running.
    "boot-failure",
];

/// The longest time in a fault.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses one fault.
pub(crate) fn parse(text: &str) -> Result<Fault> {
    let (head, location) = match text.split_once('@') {
        Some((head, location)) => (head, Some(location)),
        None => (text, None),
    };
    let (name, value) = match head.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (head, None),
    };
    // `unreachable` has no value, so its location may stand there.
    let (value, location) = match (name, value, location) {
        ("unreachable", Some(value), None) => (None, Some(value)),
        _ => (value, location),
    };
    let message = format!("invalid fault {} in CLOUDCTL_MOCK", quoted(text));
    let Some(effect) = parse_effect(name, value) else {
        return Err(Error::invalid(message).with_hint(format!(
            "use {}; each can end in @region or @zone, to happen only there",
            KNOWN.join(", ")
        )));
    };
    if let Some(location) = location
        && regions::find_region_of_zone(location).is_err()
    {
        regions::find_region(location).map_err(|error| error.context(message))?;
    }
    Ok(Fault {
        effect,
        location: location.map(str::to_owned),
        text: text.to_owned(),
    })
}

fn parse_effect(name: &str, value: Option<&str>) -> Option<Effect> {
    match (name, value) {
        ("capacity", None) => Some(Effect::Capacity),
        ("quota", None) => Some(Effect::Quota),
        ("unreachable", None) => Some(Effect::Unreachable),
        ("denied", None) => Some(Effect::Denied),
        ("unauthenticated", None) => Some(Effect::Unauthenticated),
        ("lost-reply", None) => Some(Effect::LostReply),
        ("boot-failure", None) => Some(Effect::BootFailure),
        ("latency", Some(value)) => parse_time(value).map(Effect::Latency),
        ("slow-boot", Some(value)) => parse_time(value).map(Effect::SlowBoot),
        ("throttle", Some(value)) => {
            let probability: f64 = value.parse().ok()?;
            (0.0..=1.0)
                .contains(&probability)
                .then_some(Effect::Throttle(probability))
        }
        _ => None,
    }
}

/// Parses `200ms`, `30s`, `2m`.
fn parse_time(text: &str) -> Option<Duration> {
    let unit_start = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_start);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let time = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(milliseconds)?);
    (time <= MAX_TIME).then_some(time)
}

/// How often a throttled call is sent at most.
const MAX_ATTEMPTS: u32 = 5;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(1),
};

/// Simulates what may happen to any call: latency, refusals, and throttling with its retries.
pub(super) async fn simulate_call(faults: &Faults, site: FaultSite<'_>, operation: &str) -> Result<()> {
    for attempt in 1..=MAX_ATTEMPTS {
        tracing::debug!(operation, location = %site.location(), attempt, "call");
        let latency = faults.latency(site);
        if !latency.is_zero() {
            sleep(latency).await;
        }
        if let Some(error) = faults.refusal_error(site) {
            return Err(error);
        }
        if fastrand::f64() >= faults.throttle_probability(site) {
            return Ok(());
        }
        if attempt < MAX_ATTEMPTS {
            sleep(BACKOFF.pause(attempt)).await;
        }
    }
    let message = format!("too many requests: {operation} was refused {MAX_ATTEMPTS} times");
    Err(Error::new(ErrorKind::Throttled, message)
        .with_code("RequestLimitExceeded")
        .at(site.location()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ErrorKind;

    fn faults(text: &str) -> Faults {
        Faults::parse(Some(text)).unwrap()
    }

    const ZONE: FaultSite<'_> = FaultSite {
        region: Some("us-east-1"),
        zone: Some("us-east-1a"),
    };

    #[test]
    fn documented_example_injects_its_faults() {
        let faults = faults("capacity@us-east-1a,latency=200ms,throttle=0.3,unreachable=eu-west-1");
        assert_eq!(
            faults.capacity_or_quota_error(ZONE).unwrap().kind(),
            ErrorKind::Capacity
        );
        assert!(
            faults
                .capacity_or_quota_error(FaultSite::zone("us-east-1", "us-east-1b"))
                .is_none()
        );
        assert_eq!(faults.latency(ZONE), Duration::from_millis(200));
        assert_eq!(faults.throttle_probability(ZONE), 0.3);
        assert!(faults.refusal_error(ZONE).is_none());
        let error = faults.refusal_error(FaultSite::region("eu-west-1")).unwrap();
        assert_eq!(
            (error.kind(), error.location().map(ToString::to_string)),
            (ErrorKind::Network, Some("mock/eu-west-1".to_owned()))
        );
    }

    #[test]
    fn unreachable_part_of_a_scope_is_a_gap() {
        let faults = faults("unreachable=us-east-1a,denied@eu-west-1,capacity@us-east-1b");
        let places = |location: &ListScope| -> Vec<String> {
            let gaps = faults.gaps(location);
            gaps.iter().map(|gap| gap.location.to_string()).collect()
        };
        assert_eq!(places(&ListScope::AllRegions), ["mock/us-east-1a", "mock/eu-west-1"]);
        assert_eq!(places(&ListScope::Region("us-east-1".into())), ["mock/us-east-1a"]);
        assert!(places(&ListScope::Region("ap-south-1".into())).is_empty());
    }

    #[test]
    fn known_faults_parse_with_and_without_location() {
        for text in KNOWN {
            parse(text).unwrap();
            if !text.starts_with("unreachable") {
                parse(&format!("{text}@ap-south-1")).unwrap();
            }
        }
        for text in ["unreachable", "unreachable@us-east-1b", "unreachable=us-east-1b"] {
            parse(text).unwrap();
        }
    }

    #[test]
    fn error_names_the_unknown_fault() {
        for text in [
            "capactiy",
            "capacity=1",
            "latency",
            "latency=fast",
            "latency=99999999999999999999s",
            "latency=25h",
            "throttle=2",
            "throttle=NaN",
            "quota@mars-1",
            "unreachable=us-east-1@us-east-1",
            "@us-east-1",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSpec);
            assert!(error.message().contains(&format!("{text:?}")), "{error}");
            assert!(error.hint().is_some());
        }
    }
}

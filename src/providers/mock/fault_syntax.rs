//! How a fault is written, and which there are.

use std::time::Duration;

use super::faults::{Effect, Fault};
use super::regions;
use crate::cloud::{Error, Result, quoted};

/// Every fault, as it may be written.
pub(crate) const KNOWN: [&str; 10] = [
    // Create and start find no room (`Capacity`).
    "capacity",
    // Create reaches a limit of the account (`Quota`).
    "quota",
    // Every call takes that much longer: `ms`, `s` or `m`.
    "latency=200ms",
    // That part of all calls, from 0 to 1, is turned away, and tried again a few times (`Throttled`).
    "throttle=0.3",
    // No call gets through (`Network`).
    "unreachable=eu-west-1",
    // Every call lacks permission (`PermissionDenied`).
    "denied",
    // Every call lacks credentials (`Unauthenticated`).
    "unauthenticated",
    // Create takes effect, but the answer is lost (`UnknownOutcome`).
    "lost-reply",
    // A new or started instance is pending for that long.
    "slow-boot=30s",
    // A new instance dies instead of running.
    "boot-failure",
];

/// Longest time that a fault can ask for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads one fault.
///
/// # Errors
/// `InvalidSpec` naming it and the known ones.
pub(crate) fn parse(text: &str) -> Result<Fault> {
    let (head, place) = match text.split_once('@') {
        Some((head, place)) => (head, Some(place)),
        None => (text, None),
    };
    let (name, value) = match head.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (head, None),
    };
    // `unreachable` has no value of its own, so that it may be given its place as one.
    let (value, place) = match (name, value, place) {
        ("unreachable", Some(value), None) => (None, Some(value)),
        _ => (value, place),
    };
    let effect = match (name, value) {
        ("capacity", None) => Some(Effect::Capacity),
        ("quota", None) => Some(Effect::Quota),
        ("unreachable", None) => Some(Effect::Unreachable),
        ("denied", None) => Some(Effect::Denied),
        ("unauthenticated", None) => Some(Effect::Unauthenticated),
        ("lost-reply", None) => Some(Effect::LostReply),
        ("boot-failure", None) => Some(Effect::BootFailure),
        ("latency", Some(value)) => parse_time(value).map(Effect::Latency),
        ("slow-boot", Some(value)) => parse_time(value).map(Effect::SlowBoot),
        ("throttle", Some(value)) => value
            .parse()
            .ok()
            .filter(|part| (0.0..=1.0).contains(part))
            .map(Effect::Throttle),
        _ => None,
    };
    let Some(effect) = effect else {
        return Err(
            Error::invalid(format!("invalid fault {} in CLOUDCTL_MOCK", quoted(text))).with_remedy(format!(
                "use {}; each can end in @region or @zone, to happen only there",
                KNOWN.join(", ")
            )),
        );
    };
    if let Some(place) = place
        && regions::region_of_zone(place).is_err()
    {
        regions::region(place)
            .map_err(|error| error.context(format!("invalid fault {} in CLOUDCTL_MOCK", quoted(text))))?;
    }
    Ok(Fault {
        effect,
        place: place.map(str::to_owned),
        text: text.to_owned(),
    })
}

/// `200ms`, `30s`, `2m`.
fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let time = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(milliseconds)?);
    (time <= LONGEST).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ErrorKind;

    #[test]
    fn every_known_fault_is_read_with_and_without_a_place() {
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
    fn anything_else_is_refused_by_name() {
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
            assert!(error.remedy().is_some());
        }
    }
}

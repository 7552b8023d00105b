//! Whose time is over: by the clouds' own clocks and timestamps, and only where the labels can be believed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Error, ErrorKind, Instance, InstanceState, Provider, ProviderKind, Result};

/// What of a listing is past its time.
#[derive(Debug, Default)]
pub struct Expired {
    /// Ours, not gone yet, and past their time.
    pub instances: Vec<Instance>,
    /// One error for each instance that is left alone because its labels of cloudctl's own are not to be believed, for
    /// each cloud that did not say what time it is, and for each location that did not answer.
    pub untold: Vec<Error>,
}

/// Finds what is past its time. Asks each cloud on which something has a TTL what time it is: without the cloud's own
/// time nothing there can be called expired.
pub async fn find_expired(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: Vec<Instance>,
) -> Expired {
    let mut expired = Expired::default();
    for kind in ProviderKind::ALL {
        let own = instances
            .iter()
            .filter(|instance| instance.provider == kind && instance.state != InstanceState::Terminated);
        let (doubtful, sound): (Vec<_>, Vec<_>) = own.partition(|instance| instance.label_problem.is_some());
        let doubtful = doubtful.into_iter().filter(|instance| !instance.state.is_gone());
        expired.untold.extend(doubtful.map(doubt));
        let timed: Vec<_> = sound
            .into_iter()
            .filter(|instance| instance.managed && instance.expires_at.is_some())
            .collect();
        if timed.is_empty() {
            continue;
        }
        let now = match connect(kind).server_time().await {
            Ok(now) => now,
            Err(error) => {
                expired.untold.push(error);
                continue;
            }
        };
        let over = timed
            .into_iter()
            .filter(|instance| instance.expires_at.is_some_and(|end| end <= now));
        expired.instances.extend(over.cloned());
    }
    expired
}

fn doubt(instance: &Instance) -> Error {
    let reason = instance.label_problem.as_deref().unwrap_or_default();
    Error::new(
        ErrorKind::Incomplete,
        format!("{} is left alone: {reason}", instance.reference),
    )
    .naming(&instance.reference)
    .with_leftover(&instance.reference)
    .with_hint("look at it with `cloudctl describe`, and terminate it by its reference if it is to go")
}

/// TTLs are in whole seconds, rounded up: an end may be later by so much than what was asked for.
const INEXACT: SignedDuration = SignedDuration::from_secs(1);

/// The TTL, counted from an instance's creation, with which it ends `lifetime` from `now`.
///
/// # Errors
/// `Refused` if it would end sooner than it does now, or its creation is not known.
pub fn extended_ttl(instance: &Instance, lifetime: Duration, now: Timestamp) -> Result<Duration> {
    let refused = |message: String| Error::new(ErrorKind::Refused, message);
    let created = instance
        .created_at
        .ok_or_else(|| refused(format!("it is not known when {} was made", instance.reference)))?;
    let end = SignedDuration::try_from(lifetime)
        .ok()
        .and_then(|lifetime| now.checked_add(lifetime).ok())
        .ok_or_else(|| Error::invalid("that is more time than there is"))?;
    if let Some(current) = instance
        .expires_at
        .filter(|current| current.duration_since(end) > INEXACT)
    {
        return Err(refused(format!(
            "{} would end sooner than it does now, at {}",
            instance.reference,
            Timestamp::from_second(current.as_second()).unwrap_or(current)
        ))
        .with_hint("give more time, or terminate it when it is no longer needed"));
    }
    // A cloud's clock may be told in whole seconds, and so be behind its own time of creation.
    let end = instance.expires_at.map_or(end, |current| current.max(end));
    let ttl = Duration::try_from(end.duration_since(created.min(end))).unwrap_or_default();
    let whole = Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0));
    Ok(whole.max(lifetime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_is_all_of_the_time_that_was_asked_for() {
        let time = |text: &str| -> Timestamp { text.parse().unwrap() };
        let mut instance = Instance::with_id_only(ProviderKind::Gcp, "us-central1-a".into(), "1".into());
        instance.created_at = Some(time("2026-01-01T00:00:00.900Z"));
        let hour = Duration::from_secs(3_600);
        for (now, seconds) in [
            ("2026-01-01T00:00:00Z", 3_600),
            ("2026-01-01T00:00:01Z", 3_601),
            ("2026-01-01T00:10:00.900Z", 4_200),
        ] {
            let ttl = extended_ttl(&instance, hour, time(now)).unwrap();
            assert_eq!(ttl, Duration::from_secs(seconds), "{now}");
        }
        instance.expires_at = Some(time("2026-01-01T02:00:00Z"));
        let sooner = extended_ttl(&instance, hour, time("2026-01-01T00:59:58Z")).unwrap_err();
        assert_eq!(sooner.kind(), ErrorKind::Refused);
        // A moment after the same was asked for: no sooner, and no refusal.
        instance.expires_at = Some(time("2026-01-01T01:00:00.900Z"));
        let again = extended_ttl(&instance, hour, time("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(again, hour);
    }
}

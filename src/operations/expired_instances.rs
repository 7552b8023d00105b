//! Finds expired instances by the clock of their cloud, and computes the TTL of an extension.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Error, ErrorKind, Instance, InstanceState, Provider, ProviderKind, Result};

/// The expired instances of a listing.
#[derive(Debug, Default)]
pub struct Expired {
    /// The managed instances that are expired and not gone.
    pub instances: Vec<Instance>,
    /// One error for each instance with invalid management labels, and for each cloud that did not tell its time. They may
    /// have more expired instances.
    pub errors: Vec<Error>,
}

/// Finds the expired instances of a listing. Reads the time of each cloud that has instances with a TTL. Without that time
/// no instance of the cloud counts as expired.
pub async fn find_expired(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    instances: Vec<Instance>,
) -> Expired {
    let mut expired = Expired::default();
    for kind in ProviderKind::ALL {
        let own = instances
            .iter()
            .filter(|instance| instance.provider == kind && instance.state != InstanceState::Terminated);
        let (invalid, valid): (Vec<_>, Vec<_>) = own.partition(|instance| instance.label_problem.is_some());
        let invalid = invalid.into_iter().filter(|instance| !instance.state.is_gone());
        expired.errors.extend(invalid.map(label_problem_error));
        let with_ttl: Vec<_> = valid
            .into_iter()
            .filter(|instance| instance.managed && instance.expires_at.is_some())
            .collect();
        if with_ttl.is_empty() {
            continue;
        }
        match connect(kind).server_time().await {
            Ok(now) => {
                let is_over = |instance: &&Instance| instance.expires_at.is_some_and(|end| end <= now);
                expired.instances.extend(with_ttl.into_iter().filter(is_over).cloned());
            }
            Err(error) => expired.errors.push(error),
        }
    }
    expired
}

fn label_problem_error(instance: &Instance) -> Error {
    let (reference, problem) = (&instance.reference, instance.label_problem.as_deref());
    let message = format!("{reference} is left alone: {}", problem.unwrap_or_default());
    Error::new(ErrorKind::Incomplete, message)
        .naming(reference)
        .with_leftover(reference)
        .with_hint("look at it with `cloudctl describe`, and terminate it by its reference if it is to go")
}

/// A TTL is rounded up to whole seconds, so an instance may end this much later than requested.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// The TTL, counted from the creation of the instance, with which it ends `lifetime` after `now`.
///
/// # Errors
/// `Refused` if it would end sooner than it does now, or the time of its creation is not known.
pub fn compute_extended_ttl(instance: &Instance, lifetime: Duration, now: Timestamp) -> Result<Duration> {
    let refused = |message: String| Error::new(ErrorKind::Refused, message);
    let created = instance
        .created_at
        .ok_or_else(|| refused(format!("it is not known when {} was created", instance.reference)))?;
    let end = SignedDuration::try_from(lifetime)
        .ok()
        .and_then(|lifetime| now.checked_add(lifetime).ok())
        .ok_or_else(|| Error::invalid("the TTL is too long"))?;
    if let Some(current) = instance
        .expires_at
        .filter(|current| current.duration_since(end) > ROUNDING)
    {
        return Err(refused(format!(
            "{} would end sooner than it does now, at {}",
            instance.reference,
            Timestamp::from_second(current.as_second()).unwrap_or(current)
        ))
        .with_hint("give more time, or terminate it when it is no longer needed"));
    }
    // The cloud may tell its time in whole seconds, so that it seems to be before the creation.
    let end = instance.expires_at.map_or(end, |current| current.max(end));
    let ttl = Duration::try_from(end.duration_since(created.min(end))).unwrap_or_default();
    let rounded_up = Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0));
    Ok(rounded_up.max(lifetime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_ttl_gives_all_of_the_requested_time() {
        let time = |text: &str| -> Timestamp { text.parse().unwrap() };
        let mut instance = Instance::with_id_only(ProviderKind::Gcp, "us-central1-a".into(), "1".into());
        instance.created_at = Some(time("2026-01-01T00:00:00.900Z"));
        let hour = Duration::from_secs(3_600);
        for (now, seconds) in [
            ("2026-01-01T00:00:00Z", 3_600),
            ("2026-01-01T00:00:01Z", 3_601),
            ("2026-01-01T00:10:00.900Z", 4_200),
        ] {
            let ttl = compute_extended_ttl(&instance, hour, time(now)).unwrap();
            assert_eq!(ttl, Duration::from_secs(seconds), "{now}");
        }
        instance.expires_at = Some(time("2026-01-01T02:00:00Z"));
        let sooner = compute_extended_ttl(&instance, hour, time("2026-01-01T00:59:58Z")).unwrap_err();
        assert_eq!(sooner.kind(), ErrorKind::Refused);
        // The same request again, a moment later, is not refused.
        instance.expires_at = Some(time("2026-01-01T01:00:00.900Z"));
        let again = compute_extended_ttl(&instance, hour, time("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(again, hour);
    }
}

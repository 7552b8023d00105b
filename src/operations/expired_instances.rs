//! Finds expired instances by the clock of their cloud, and computes the TTL of an extension.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::apply_action::group_by_provider;
use crate::cloud::{
    Error, ErrorKind, Instance, InstanceRef, InstanceState, Provider, ProviderKind, Result, format_duration,
};

/// The expired instances of a listing.
#[derive(Debug, Default)]
pub struct Expired {
    /// The managed instances that are expired. Some may be terminating already.
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
    let mut with_ttl = Vec::new();
    for instance in &instances {
        if instance.state == InstanceState::Terminated {
            continue;
        }
        if let Some(problem) = &instance.label_problem {
            if !instance.state.is_gone() {
                expired.errors.push(label_problem_error(&instance.reference, problem));
            }
        } else if instance.managed && instance.expires_at.is_some() {
            with_ttl.push(instance);
        }
    }
    for (kind, instances) in group_by_provider(with_ttl) {
        match connect(kind).server_time().await {
            Ok(now) => {
                let has_expired = |instance: &Instance| instance.expires_at.is_some_and(|end| end <= now);
                expired.instances.extend(instances.into_iter().filter(has_expired));
            }
            Err(error) => expired.errors.push(error),
        }
    }
    expired
}

fn label_problem_error(reference: &InstanceRef, problem: &str) -> Error {
    Error::new(ErrorKind::Incomplete, format!("{reference} was not checked: {problem}"))
        .naming(reference)
        .with_leftover(reference)
        .with_hint("look at it with `cloudctl describe`, and terminate it by its reference if it is not needed")
}

/// A TTL is rounded up to whole seconds, so an instance may end this much later than requested.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// The TTL, counted from the creation of the instance, with which it ends `lifetime` after `now`.
///
/// # Errors
/// `Refused` if it would end sooner than it does now, or the time of its creation is not known.
pub fn compute_extended_ttl(instance: &Instance, lifetime: Duration, now: Timestamp) -> Result<Duration> {
    let reference = &instance.reference;
    let Some(created) = instance.created_at else {
        let message = format!("it is not known when {reference} was created");
        return Err(Error::new(ErrorKind::Refused, message));
    };
    let requested_end = SignedDuration::try_from(lifetime)
        .and_then(|lifetime| now.checked_add(lifetime))
        .map_err(|_| Error::invalid("the TTL is too long"))?;
    let mut end = requested_end;
    if let Some(current_end) = instance.expires_at {
        if current_end.duration_since(requested_end) > ROUNDING {
            let whole_seconds = Timestamp::from_second(current_end.as_second()).unwrap_or(current_end);
            let message = format!("{reference} would be terminated earlier than now planned, at {whole_seconds}");
            let asked = format_duration(lifetime);
            let left = format_duration(Duration::try_from(current_end.duration_since(now)).unwrap_or_default());
            return Err(Error::new(ErrorKind::Refused, message).with_hint(format!(
                "--ttl counts from now, and {left} are left: pass --ttl +{asked} to add to them, or more than {left}"
            )));
        }
        end = end.max(current_end);
    }
    // The cloud may tell its time in whole seconds, so that it seems to be before the creation.
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

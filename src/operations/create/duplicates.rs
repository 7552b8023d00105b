//! Ending what a race made twice.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::name_index::{NameIndex, SearchScope, find_by_name};
use crate::cloud::{BatchTracker, Error, ErrorKind, Instance, InstanceAction, InstanceName, Provider, Result};
use crate::shutdown::Shutdown;

/// For how long what a create call gave can be what a race made: longer than the call may take.
const JUST_MADE: SignedDuration = SignedDuration::from_mins(10);
/// How often, and how far apart, what was made is looked for that its cloud does not show yet.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// Processes that race for a name in different zones, regions or clouds meet in no token and no namespace. So each looks
/// once more, and of two instances the younger one goes, by the hand of the very run that made it. Gives, for each that
/// was made, the one that stays.
pub(crate) async fn remove_duplicates(
    parts: &[SearchScope],
    made: Vec<Instance>,
    interrupt: &Shutdown,
) -> Vec<Result<Instance>> {
    let Some(seen) = list_until_visible(parts, &made, interrupt).await else {
        // They exist, by the answer; not being able to look, or a signal, is no reason to say otherwise.
        return made.into_iter().map(Ok).collect();
    };
    let mut settled = Vec::new();
    for instance in made {
        let elder = older_duplicate(&instance, &seen);
        let was_seen = seen.contains(&instance.reference);
        settled.push(match elder {
            Some(elder) => terminate_newer(parts, instance, was_seen, elder, interrupt).await,
            None => Ok(instance),
        });
    }
    settled
}

/// What there is of the names of what was made; nothing if that cannot be seen. A listing that does not show yet what
/// this run made may also lack what another one made before, so it is asked for again, a few times.
async fn list_until_visible(parts: &[SearchScope], made: &[Instance], interrupt: &Shutdown) -> Option<NameIndex> {
    let names = made
        .iter()
        .filter_map(|instance| instance.name.as_deref()?.parse().ok());
    let names: Vec<InstanceName> = names.collect();
    let mut last = None;
    for look in 1..=LOOKS {
        let Ok(seen) = interrupt.run_until_signal(find_by_name(parts, &names)).await else {
            break;
        };
        let is_fresh = made.iter().all(|instance| seen.contains(&instance.reference));
        last = Some(seen);
        let rest = async {
            tokio::time::sleep(PAUSE).await;
            Ok(())
        };
        if is_fresh || look == LOOKS || interrupt.run_until_signal(rest).await.is_err() {
            break;
        }
    }
    last
}

/// Another living instance of the name that was there before this one.
fn older_duplicate(made: &Instance, seen: &NameIndex) -> Option<Instance> {
    let name: InstanceName = made.name.as_deref()?.parse().ok()?;
    let is_same = |other: &Instance| other.reference == made.reference;
    // Every process must compare the same times: those of the listing, where it has them.
    let own = seen.of(&name).iter().find(|other| is_same(other)).unwrap_or(made);
    let age = |instance: &Instance| (instance.created_at, instance.reference.to_string());
    let others = seen.alive(&name).into_iter().filter(|other| !is_same(other));
    others
        .min_by_key(|other| age(other))
        .filter(|other| age(other) < age(own))
        .cloned()
}

/// Ends what this run made. What its cloud has shown and does not know any more is gone; what it has not shown yet is
/// there, by the answer to the call that made it.
async fn terminate_newer(
    parts: &[SearchScope],
    made: Instance,
    was_seen: bool,
    elder: Instance,
    interrupt: &Shutdown,
) -> Result<Instance> {
    let name = made.name.clone().unwrap_or_default();
    let provider = parts
        .iter()
        .find(|(provider, _)| provider.kind() == made.provider)
        .map(|(provider, _)| Arc::clone(provider));
    let end = async {
        let Some(provider) = provider else {
            return Some(Error::new(ErrorKind::Refused, "its cloud is not at hand"));
        };
        if !was_just_made(provider.as_ref(), made.created_at).await {
            return Some(Error::new(ErrorKind::Refused, "it was not made just now"));
        }
        let outcomes = provider
            .apply(
                InstanceAction::Terminate,
                std::slice::from_ref(&made.reference),
                &BatchTracker::uninterrupted(),
            )
            .await;
        let failure = outcomes.into_iter().find_map(|outcome| outcome.result.err());
        failure.filter(|error| error.kind() != ErrorKind::NotFound || !was_seen)
    };
    let failure = interrupt.finish_in_grace_period(end).await.ok_or_else(|| {
        let message = format!(
            "{name} is there twice, and it is not known whether {} was ended again",
            made.reference
        );
        Error::new(ErrorKind::UnknownOutcome, message)
            .naming(&made.reference)
            .with_leftover(&made.reference)
    })?;
    match failure {
        Some(error) => {
            let message = format!(
                "{name} is there twice, as {} and as {}, which was not ended again: {error}",
                elder.reference, made.reference
            );
            Err(Error::new(ErrorKind::Ambiguous, message)
                .naming(&made.reference)
                .with_leftover(&made.reference)
                .with_hint(format!("terminate one of them: cloudctl terminate {}", made.reference)))
        }
        None => {
            tracing::info!(elder = %elder.reference, younger = %made.reference, "made twice; the younger one was ended");
            Ok(elder)
        }
    }
}

/// Whether an instance is so young that only a race can have made it, by the cloud's own clock. What has been there for
/// a while is not ours to end, whatever the call said that seemed to make it.
async fn was_just_made(provider: &dyn Provider, created_at: Option<Timestamp>) -> bool {
    match (provider.server_time().await, created_at) {
        (Ok(now), Some(created_at)) => now.duration_since(created_at) < JUST_MADE,
        _ => false,
    }
}

//! Terminates one of two instances that two runs created under one name.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::instances_by_name::{NameIndex, SearchScope, find_by_name, parse_name};
use crate::cloud::{BatchTracker, Error, ErrorKind, Instance, InstanceAction, Provider, Result};
use crate::shutdown::Shutdown;

/// An older instance is never terminated as a duplicate. Longer than a create call may take.
const MAX_DUPLICATE_AGE: SignedDuration = SignedDuration::from_mins(10);

/// How often the names are listed again until a duplicate of the same second is gone, and the pause between two listings.
/// Much longer than another run needs to list the name and to terminate what it created.
const MAX_LISTINGS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for older instances of the same names in `index`, which was listed after the create calls, and terminates what
/// this run created beside one. Gives the instance that stays for each one that was created.
///
/// Two runs that create the same name in different zones, regions or clouds share no token and no namespace. Each lists
/// the name again, and the run that created the newer instance terminates it.
///
/// EC2 tells times in whole seconds. Of two instances of one second, the run that listed the name first may not have seen
/// the other instance. So the run whose instance should stay waits until the other one is gone, and gives way if it is
/// not.
pub(super) async fn remove_duplicates(
    index: &NameIndex,
    search_scopes: &[SearchScope],
    created: Vec<Instance>,
    shutdown: &Shutdown,
) -> Vec<Result<Instance>> {
    let mut index = Cow::Borrowed(index);
    let waited = wait_for_others_to_give_way(&mut index, search_scopes, &created, shutdown).await;
    let mut remaining = Vec::new();
    for instance in created {
        let result = match (find_duplicate(&instance, &index), &waited) {
            (None, _) => Ok(instance),
            (Some(Duplicate::SameTime(other)), Err(error)) => Err(unknown_winner_error(&other, &instance, error)),
            (Some(Duplicate::Older(other) | Duplicate::SameTime(other)), _) => {
                keep_other(other, &instance, search_scopes, &index, shutdown).await
            }
        };
        remaining.push(result);
    }
    remaining
}

/// Another instance of the name of a created one.
enum Duplicate {
    /// It was created before.
    Older(Instance),
    /// It may have been created before or after, and every run that sees both terminates it.
    SameTime(Instance),
}

/// Lists names in the index again while a created instance has a duplicate that another run should terminate.
///
/// # Errors
/// Those of listing; `Interrupted` after a signal.
async fn wait_for_others_to_give_way(
    index: &mut Cow<'_, NameIndex>,
    search_scopes: &[SearchScope],
    created: &[Instance],
    shutdown: &Shutdown,
) -> Result<()> {
    for _ in 0..MAX_LISTINGS {
        let waits = |instance: &&Instance| matches!(find_duplicate(instance, index), Some(Duplicate::SameTime(_)));
        let names: Vec<_> = created.iter().filter(waits).filter_map(parse_name).collect();
        if names.is_empty() {
            break;
        }
        let listing = async {
            tokio::time::sleep(PAUSE).await;
            find_by_name(search_scopes, &names).await
        };
        let listed = shutdown.run_until_signal(listing).await?;
        let index = index.to_mut();
        index.forget(&names);
        index.extend(listed);
    }
    Ok(())
}

/// Finds the oldest other instance of the name, if this one must not stay beside it.
fn find_duplicate(created: &Instance, index: &NameIndex) -> Option<Duplicate> {
    let name = parse_name(created)?;
    let is_created = |listed: &Instance| listed.reference == created.reference;
    // All runs must compare the same times: those of the listing, if it has them.
    let created_as_listed = index.managed(&name).iter().find(|listed| is_created(listed));
    let created = created_as_listed.unwrap_or(created);
    let others = index.alive(&name).into_iter().filter(|listed| !is_created(listed));
    let oldest_other = others.min_by_key(|other| order_of_creation(other))?;
    if order_of_creation(oldest_other) < order_of_creation(created) {
        return Some(Duplicate::Older(oldest_other.clone()));
    }
    may_be_older(oldest_other, created).then(|| Duplicate::SameTime(oldest_other.clone()))
}

/// Two instances of the same time are in the order of their references, which every run sees alike.
fn order_of_creation(instance: &Instance) -> (Option<Timestamp>, String) {
    (instance.created_at, instance.reference.to_string())
}

/// Whether an instance may have been created before `created`, although its time is not earlier. A time in whole seconds
/// may be any of its second.
fn may_be_older(other: &Instance, created: &Instance) -> bool {
    let (Some(other_time), Some(created_time)) = (other.created_at, created.created_at) else {
        return true;
    };
    let created_before = match created_time.subsec_nanosecond() {
        0 => created_time + SignedDuration::from_secs(1),
        _ => created_time,
    };
    other_time < created_before
}

/// Terminates the instance that this run created, and gives the other one.
async fn keep_other(
    other: Instance,
    created: &Instance,
    search_scopes: &[SearchScope],
    index: &NameIndex,
    shutdown: &Shutdown,
) -> Result<Instance> {
    let termination = terminate_just_created(created, search_scopes, index);
    match shutdown.finish_in_grace_period(termination).await {
        Some(Ok(())) => {
            tracing::info!(kept = %other.reference, terminated = %created.reference, "terminated a duplicate");
            Ok(other)
        }
        Some(Err(error)) => Err(two_instances_error(&other, created, &error)),
        None => Err(unknown_termination_error(created)),
    }
}

fn two_instances_error(other: &Instance, created: &Instance, termination_error: &Error) -> Error {
    let name = created.name.as_deref().unwrap_or_default();
    let message = format!(
        "two VMs are called {name}: {} and {}, which could not be terminated: {termination_error}",
        other.reference, created.reference
    );
    Error::new(ErrorKind::Ambiguous, message)
        .with_hint(format!(
            "terminate one of them: cloudctl terminate {}",
            created.reference
        ))
        .naming(&created.reference)
        .with_leftover(&created.reference)
}

fn unknown_winner_error(other: &Instance, created: &Instance, listing_error: &Error) -> Error {
    let name = created.name.as_deref().unwrap_or_default();
    let message = format!(
        "two VMs are called {name}: {} and {}, and it is not known which one another run terminates: {listing_error}",
        other.reference, created.reference
    );
    Error::new(ErrorKind::UnknownOutcome, message)
        .with_hint("run the same command again")
        .naming(&created.reference)
        .with_leftover(&created.reference)
}

fn unknown_termination_error(created: &Instance) -> Error {
    let name = created.name.as_deref().unwrap_or_default();
    let message = format!(
        "two VMs are called {name}, and it is not known whether {} was terminated",
        created.reference
    );
    Error::new(ErrorKind::UnknownOutcome, message)
        .naming(&created.reference)
        .with_leftover(&created.reference)
}

/// Terminates an instance that this run created. If the call answers that the instance does not exist, it is gone only
/// if it was listed before: otherwise the cloud does not show it yet.
async fn terminate_just_created(instance: &Instance, search_scopes: &[SearchScope], index: &NameIndex) -> Result<()> {
    let mut providers = search_scopes.iter().map(|(provider, _)| provider);
    let Some(provider) = providers.find(|provider| provider.kind() == instance.provider) else {
        return Err(Error::new(ErrorKind::Refused, "its cloud is not available"));
    };
    if !was_just_created(provider.as_ref(), instance.created_at).await {
        return Err(Error::new(ErrorKind::Refused, "it was not created just now"));
    }
    let targets = std::slice::from_ref(&instance.reference);
    let outcomes = provider
        .apply(InstanceAction::Terminate, targets, &BatchTracker::uninterrupted())
        .await;
    let was_listed = index.contains(&instance.reference);
    for outcome in outcomes {
        match outcome.result {
            Err(error) if error.kind() == ErrorKind::NotFound && was_listed => {}
            result => result?,
        }
    }
    Ok(())
}

/// Whether the instance is so new, by the cloud's clock, that two runs can have created the name at the same time. An
/// unknown time counts as old: an old instance is not terminated, whatever the create call said.
async fn was_just_created(provider: &dyn Provider, created_at: Option<Timestamp>) -> bool {
    let Some(created_at) = created_at else { return false };
    let now = provider.server_time().await;
    now.is_ok_and(|now| now.duration_since(created_at) < MAX_DUPLICATE_AGE)
}

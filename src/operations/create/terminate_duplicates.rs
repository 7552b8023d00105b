//! Terminates the newer of two instances that two runs created under one name.

use jiff::{SignedDuration, Timestamp};

use super::instances_by_name::{NameIndex, SearchScope, parse_name};
use crate::cloud::{BatchTracker, Error, ErrorKind, Instance, InstanceAction, Provider, Result};
use crate::shutdown::Shutdown;

/// An older instance is never terminated as a duplicate. Longer than a create call may take.
const MAX_DUPLICATE_AGE: SignedDuration = SignedDuration::from_mins(10);

/// Looks for older instances of the same names in `index`, which was listed after the create calls, and terminates what
/// this run created beside one. Gives the instance that stays for each one that was created.
///
/// Two runs that create the same name in different zones, regions or clouds share no token and no namespace. Each lists
/// the name again, and the run that created the newer instance terminates it.
pub(super) async fn remove_duplicates(
    index: &NameIndex,
    search_scopes: &[SearchScope],
    created: Vec<Instance>,
    shutdown: &Shutdown,
) -> Vec<Result<Instance>> {
    let mut remaining = Vec::new();
    for instance in created {
        let result = match find_older_duplicate(&instance, index) {
            Some(older) => keep_older(older, &instance, search_scopes, index, shutdown).await,
            None => Ok(instance),
        };
        remaining.push(result);
    }
    remaining
}

/// The oldest other instance of the name, if it is older than this one.
fn find_older_duplicate(created: &Instance, index: &NameIndex) -> Option<Instance> {
    let name = parse_name(created)?;
    let is_created = |listed: &Instance| listed.reference == created.reference;
    // All runs must compare the same times: those of the listing, if it has them.
    let created_as_listed = index.managed(&name).iter().find(|listed| is_created(listed));
    let others = index.alive(&name).into_iter().filter(|listed| !is_created(listed));
    let oldest_other = others.min_by_key(|other| order_of_creation(other))?;
    if order_of_creation(oldest_other) >= order_of_creation(created_as_listed.unwrap_or(created)) {
        return None;
    }
    Some(oldest_other.clone())
}

/// Two instances of the same time are in the order of their references, which every run sees alike.
fn order_of_creation(instance: &Instance) -> (Option<Timestamp>, String) {
    (instance.created_at, instance.reference.to_string())
}

/// Terminates the newer instance, which this run created, and gives the older one.
async fn keep_older(
    older: Instance,
    newer: &Instance,
    search_scopes: &[SearchScope],
    index: &NameIndex,
    shutdown: &Shutdown,
) -> Result<Instance> {
    let termination = terminate_just_created(newer, search_scopes, index);
    match shutdown.finish_in_grace_period(termination).await {
        Some(Ok(())) => {
            tracing::info!(older = %older.reference, newer = %newer.reference, "terminated the newer duplicate");
            Ok(older)
        }
        Some(Err(error)) => Err(two_instances_error(&older, newer, &error)),
        None => Err(unknown_termination_error(newer)),
    }
}

fn two_instances_error(older: &Instance, newer: &Instance, termination_error: &Error) -> Error {
    let name = newer.name.as_deref().unwrap_or_default();
    let message = format!(
        "two VMs are called {name}: {} and {}, which could not be terminated: {termination_error}",
        older.reference, newer.reference
    );
    Error::new(ErrorKind::Ambiguous, message)
        .with_hint(format!("terminate one of them: cloudctl terminate {}", newer.reference))
        .naming(&newer.reference)
        .with_leftover(&newer.reference)
}

fn unknown_termination_error(newer: &Instance) -> Error {
    let name = newer.name.as_deref().unwrap_or_default();
    let message = format!(
        "two VMs are called {name}, and it is not known whether {} was terminated",
        newer.reference
    );
    Error::new(ErrorKind::UnknownOutcome, message)
        .naming(&newer.reference)
        .with_leftover(&newer.reference)
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

//! Following a change that the cloud has taken on, which may still fail. Only Compute Engine: EC2's calls are their own
//! answer.

use std::time::Duration;

use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{Instance, Operation};

use super::change::{Change, Taken};
use super::get::by_reference;
use crate::cloud::{Error, ErrorKind, InstanceRef, Result};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::location;
use crate::providers::gcp::api::operation_error::of_operation;
use crate::providers::gcp::api::operations;
use crate::providers::gcp::api::operations::is_done;

/// How long a start is waited for, which may end in a stock-out.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(120);
/// How long any other change is watched: what is under way for so long without an error is taken to go well.
pub(crate) const WATCH_DEADLINE: Duration = Duration::from_secs(10);
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Says whether a change goes well that the cloud has taken on.
///
/// # Errors
/// Those of the operation; `UnknownOutcome` if neither it nor the instance tells what came of it.
pub(crate) async fn settled(client: &Client, change: Change, taken: Taken<'_>) -> Result<()> {
    let Taken {
        target,
        operation,
        attempted,
    } = taken;
    let mut last = Ok(operation.clone());
    if change == Change::Start {
        last = operations::finished(client, &target.place, operation, START_DEADLINE).await;
    } else {
        let watch = watch(client, target, change, &mut last, &attempted);
        if let Ok(result) = tokio::time::timeout(WATCH_DEADLINE, watch).await {
            return result;
        }
    }
    concluded(client, target, change, last, &attempted).await
}

/// What a change came to that is watched no longer; `last` is how its operation stood at the last look.
pub(crate) async fn concluded(
    client: &Client,
    target: &InstanceRef,
    change: Change,
    last: Result<Operation>,
    attempted: &str,
) -> Result<()> {
    match last {
        // Whether it is protected must not be taken for granted.
        Ok(operation) if matches!(change, Change::Protect(_)) && !is_done(&operation) => {
            let error = Error::new(ErrorKind::Timeout, "its operation does not end").at(location(&target.place));
            without_operation(client, target, change, error, attempted).await
        }
        Ok(operation) if operation.name.is_none() && says(&operation, target, attempted).is_none() => {
            without_operation(client, target, change, operations::nameless(), attempted).await
        }
        Ok(operation) => of_operation(&operation, attempted, &target.place).map_or(Ok(()), Err),
        Err(error) => without_operation(client, target, change, error, attempted).await,
    }
}

/// Looks until the operation is over, or the instance shows that the change has begun. `last` is how the operation
/// stood at the last look.
async fn watch(
    client: &Client,
    target: &InstanceRef,
    change: Change,
    last: &mut Result<Operation>,
    attempted: &str,
) -> Result<()> {
    let name = last.as_ref().ok().and_then(|operation| operation.name.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(result) = last
            .as_ref()
            .ok()
            .and_then(|operation| says(operation, target, attempted))
        {
            return result;
        }
        if let Some(result) = shown(client, target, change).await {
            return result;
        }
        *last = match &name {
            Some(name) => operations::standing(client, &target.place, name).await,
            None => Err(operations::nameless()),
        };
        if !last.as_ref().is_ok_and(is_done) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// What an operation says of its change; nothing while it is under way.
pub(crate) fn says(operation: &Operation, target: &InstanceRef, attempted: &str) -> Option<Result<()>> {
    match of_operation(operation, attempted, &target.place) {
        Some(error) => Some(Err(error)),
        None => is_done(operation).then_some(Ok(())),
    }
}

/// What the instance itself shows of the change; nothing if it does not.
async fn shown(client: &Client, target: &InstanceRef, change: Change) -> Option<Result<()>> {
    if change == Change::Reboot {
        // A restart leaves no trace to go by.
        return None;
    }
    match by_reference(client, target).await {
        Ok(api) => shows(change, &api).then_some(Ok(())),
        Err(gone) if gone.kind() == ErrorKind::NotFound && change == Change::Terminate => Some(Ok(())),
        Err(gone) if gone.kind() == ErrorKind::NotFound => Some(Err(gone)),
        Err(_) => None,
    }
}

pub(crate) fn shows(change: Change, api: &Instance) -> bool {
    let status = api.status.as_ref();
    match change {
        Change::Terminate => matches!(status, Some(Status::Stopping | Status::Deprovisioning)),
        Change::Stop => matches!(
            status,
            Some(Status::PendingStop | Status::Stopping | Status::Stopped | Status::Terminated)
        ),
        // On its way up it can still fail.
        Change::Start => status == Some(&Status::Running),
        Change::Protect(wanted) => api.deletion_protection.unwrap_or_default() == wanted,
        Change::Reboot => false,
    }
}

/// The operation cannot be read: the change was taken on all the same.
async fn without_operation(
    client: &Client,
    target: &InstanceRef,
    change: Change,
    why: Error,
    attempted: &str,
) -> Result<()> {
    if let Some(result) = shown(client, target, change).await {
        return result;
    }
    Err(why
        .context(format!(
            "{attempted}: it was accepted, and what came of it cannot be seen"
        ))
        .as_kind(ErrorKind::UnknownOutcome)
        .with_remedy("look at the VM with `cloudctl describe`, and run the same command again if need be")
        .with_leftover(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_in_the_state() {
        for (change, word, expected) in [
            (Change::Terminate, "STOPPING", true),
            (Change::Terminate, "TERMINATED", false),
            (Change::Terminate, "RUNNING", false),
            (Change::Stop, "STOPPING", true),
            (Change::Stop, "TERMINATED", true),
            (Change::Stop, "RUNNING", false),
            (Change::Start, "STAGING", false),
            (Change::Start, "RUNNING", true),
            (Change::Reboot, "RUNNING", false),
        ] {
            let api = Instance::new().set_status(word);
            assert_eq!(shows(change, &api), expected, "{change:?} {word}");
        }
    }
}

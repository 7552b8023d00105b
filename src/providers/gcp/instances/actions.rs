//! Changes one instance: selects and sends the API call, follows its operation, and verifies the result.
//!
//! The calls take names. Before a call the name is checked to mean the instance with the id. After it, the id in the
//! operation is compared.

use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, Instance, Operation};
use google_cloud_gax::Result as SdkResult;

use super::list::{find_by_name, get_by_ref, is_being_deleted};
use crate::cloud::{BatchTracker, Error, ErrorKind, InstanceAction, InstanceRef, ProviderKind, Result};
use crate::providers::gcp::api::client::{Client, fresh_request_id, with_call_options};
use crate::providers::gcp::api::error::{call_error, error_location, operation_error};
use crate::providers::gcp::api::retry::ChangeFailure;
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::is_done;

/// How often, and with which pause, an instance is read that is not ready for its deletion and does not show one.
const MAX_READS: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(500);

/// A change that the cloud has accepted.
pub(crate) struct StartedChange<'a> {
    pub(crate) target: &'a InstanceRef,
    /// The operation, as the last answer showed it.
    pub(crate) operation: Operation,
    /// What messages of failures begin with: `cannot stop web-1`.
    pub(crate) failure_prefix: String,
}

/// Changes one target and waits for the result.
pub(crate) async fn change_one(
    client: &Client,
    target: &InstanceRef,
    action: InstanceAction,
    tracker: &BatchTracker<'_>,
) -> Result<()> {
    tracker.check_may_start()?;
    let api = get_current(client, target, action).await?;
    let being_deleted = is_being_deleted(client, &target.scope, &api).await;
    match start_change(client, target, action, api, being_deleted, tracker).await? {
        Some(started) => await_change(client, action, started).await,
        None => Ok(()),
    }
}

/// Sends the call that changes a target. `api` and `being_deleted` were read just before. `None` if nothing is to be
/// done, or nothing more.
pub(crate) async fn start_change<'a>(
    client: &Client,
    target: &'a InstanceRef,
    action: InstanceAction,
    api: model::Instance,
    being_deleted: bool,
    tracker: &BatchTracker<'_>,
) -> Result<Option<StartedChange<'a>>> {
    let selected = select_call(action, &api, being_deleted);
    let Some(call) = selected.map_err(|reason| refusal_error(action, target, &reason))? else {
        return Ok(None);
    };
    let (Some(name), Some(id)) = (api.name, api.id) else {
        let message = "Compute Engine described an instance without a name";
        return Err(Error::new(ErrorKind::Internal, message).at(ProviderKind::Gcp));
    };
    let (project, instances) = (client.project().await?, client.instances().await?);
    let attempted = format!("{} {name}", action.as_str());
    let request_id = fresh_request_id();
    tracker.check_may_start()?;
    client.rate_limiter.acquire().await;
    tracker.start(&target.scope, [target.id.as_str()])?;
    let answer = client
        .change_with_permit(&attempted, &target.scope, || {
            send((project, instances), call, &target.scope, &name, &request_id)
        })
        .await;
    let failure_prefix = format!("cannot {attempted}");
    match answer {
        Ok(operation) if operation.target_id.is_some_and(|changed_id| changed_id != id) => {
            Err(wrong_instance_error(action.as_str(), target, &operation))
        }
        Ok(operation) => Ok(Some(StartedChange {
            target,
            operation,
            failure_prefix,
        })),
        Err(failure) => {
            recover_failed_call(client, target, action, failure, &failure_prefix).await?;
            Ok(None)
        }
    }
}

/// Finds the result of a failed call: reads the instance again if the failure leaves it open.
async fn recover_failed_call(
    client: &Client,
    target: &InstanceRef,
    action: InstanceAction,
    failure: ChangeFailure,
    failure_prefix: &str,
) -> Result<()> {
    let is_uncertain = failure.is_uncertain();
    let error = call_error(failure.error, failure_prefix, &target.scope);
    if error.kind() == ErrorKind::NotFound {
        // The instance existed a moment ago. This call deleted it if an attempt got no answer; otherwise another
        // process did.
        if is_uncertain && action == InstanceAction::Terminate {
            return Ok(());
        }
        return Err(Error::not_found(target).at(error_location(&target.scope)));
    }
    // The refusal is about the current state or protection, which changed since the read before the call.
    let refused_for_state = matches!(error.kind(), ErrorKind::Refused | ErrorKind::InvalidSpec);
    if !is_uncertain && !refused_for_state {
        return Err(error);
    }
    let selected = match reselect_call(client, target, action, refused_for_state).await {
        Ok(selected) => selected,
        Err(gone) if gone.kind() == ErrorKind::NotFound && action == InstanceAction::Terminate => return Ok(()),
        Err(gone) if gone.kind() == ErrorKind::NotFound => return Err(gone),
        Err(_) if is_uncertain => return Err(error.with_kind(ErrorKind::UnknownOutcome).with_leftover(target)),
        Err(_) => return Err(error),
    };
    // A reboot leaves no trace.
    let is_reboot = action == InstanceAction::Reboot;
    match selected {
        Ok(None) if !is_reboot => Ok(()),
        Err(reason) if refused_for_state => Err(refusal_error(action, target, &reason)),
        Ok(_) | Err(_) if failure.unanswered || is_reboot && failure.server_error => {
            Err(error.with_kind(ErrorKind::UnknownOutcome).with_leftover(target))
        }
        Ok(_) | Err(_) => Err(error),
    }
}

/// Selects the call that the action needs after a failed one.
async fn reselect_call(
    client: &Client,
    target: &InstanceRef,
    action: InstanceAction,
    refused_for_state: bool,
) -> Result<Result<Option<ApiCall>, String>> {
    let mut reads = 0;
    loop {
        let api = get_by_ref(client, target).await?;
        let being_deleted = is_being_deleted(client, &target.scope, &api).await;
        let selected = select_call(action, &api, being_deleted);
        reads += 1;
        // A deletion that ends between the two reads shows in neither.
        let seems_alive = matches!(selected, Ok(Some(_)));
        let may_be_going = action == InstanceAction::Terminate && refused_for_state && seems_alive;
        if !may_be_going || reads == MAX_READS {
            return Ok(selected);
        }
        tokio::time::sleep(READ_PAUSE).await;
    }
}

/// Reads the instance of a ref right before it is changed.
///
/// # Errors
/// `NotFound` if it is gone; `Refused` if another instance has its name now, because the caller may mean that one.
async fn get_current(client: &Client, target: &InstanceRef, action: InstanceAction) -> Result<model::Instance> {
    let gone = match get_by_ref(client, target).await {
        Err(gone) if gone.kind() == ErrorKind::NotFound => gone,
        answer => return answer,
    };
    let other = match &target.native_name {
        Some(name) => find_by_name(client, &target.scope, name).await.ok().flatten(),
        None => None,
    };
    let Some(other_id) = other.and_then(|other| other.id) else {
        return Err(gone);
    };
    if other_id.to_string() == target.id {
        return Err(gone);
    }
    let message = format!(
        "cannot {} {target}: it no longer exists; its name now belongs to {other_id}, which was not changed",
        action.as_str()
    );
    Err(Error::new(ErrorKind::Refused, message)
        .naming(target)
        .at(error_location(&target.scope)))
}

fn refusal_error(action: InstanceAction, target: &InstanceRef, why: &str) -> Error {
    let name = target.native_name.as_deref().unwrap_or(&target.id);
    // Protection is the only reason to refuse a termination.
    let kind = if action == InstanceAction::Terminate {
        ErrorKind::Protected
    } else {
        ErrorKind::Refused
    };
    Error::new(kind, format!("cannot {} {name}: {why}", action.as_str())).at(error_location(&target.scope))
}

/// Makes the error for a call that changed another instance: the name was reused between the read and the call.
pub(crate) fn wrong_instance_error(verb: &str, target: &InstanceRef, operation: &Operation) -> Error {
    let hit = InstanceRef {
        id: operation.target_id.unwrap_or_default().to_string(),
        ..target.clone()
    };
    let message = format!(
        "cannot {verb} {target}: another instance with the same name replaced it during the call, and {hit} was changed instead"
    );
    Error::new(ErrorKind::Refused, message)
        .naming(target)
        .at(error_location(&target.scope))
        .with_leftover(hit)
}

/// The API calls that change an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiCall {
    Delete,
    Start,
    Resume,
    Stop,
    Reset,
    Protect(bool),
}

/// Selects the call for an action in this state: none if there is nothing to do, the reason if the state forbids it.
pub(crate) fn select_call(
    action: InstanceAction,
    api: &model::Instance,
    being_deleted: bool,
) -> Result<Option<ApiCall>, String> {
    let status = api.status.as_ref();
    let state_as_reason = || format!("it is {}", status.and_then(Status::name).unwrap_or("UNKNOWN"));
    match action {
        InstanceAction::Terminate if being_deleted => Ok(None),
        InstanceAction::Terminate if api.deletion_protection == Some(true) => Err("it is protected".to_owned()),
        InstanceAction::Terminate => Ok(Some(ApiCall::Delete)),
        _ if being_deleted => Err("it is being deleted".to_owned()),
        InstanceAction::Protect | InstanceAction::Unprotect => {
            let is_protected = api.deletion_protection == Some(true);
            let should_be_protected = action == InstanceAction::Protect;
            if is_protected == should_be_protected {
                return Ok(None);
            }
            Ok(Some(ApiCall::Protect(should_be_protected)))
        }
        InstanceAction::Start => match status {
            Some(Status::Terminated | Status::Stopped) => Ok(Some(ApiCall::Start)),
            Some(Status::Suspended) => Ok(Some(ApiCall::Resume)),
            Some(Status::Running | Status::Repairing | Status::Pending | Status::Provisioning | Status::Staging) => {
                Ok(None)
            }
            _ => Err(state_as_reason()),
        },
        InstanceAction::Stop => match status {
            Some(
                Status::Terminated
                | Status::Stopped
                | Status::Suspended
                | Status::Stopping
                | Status::PendingStop
                | Status::Suspending,
            ) => Ok(None),
            _ => Ok(Some(ApiCall::Stop)),
        },
        InstanceAction::Reboot => match status {
            Some(Status::Running | Status::Repairing) => Ok(Some(ApiCall::Reset)),
            _ => Err(state_as_reason()),
        },
    }
}

pub(crate) async fn send(
    (project, instances): (&str, &Instances),
    call: ApiCall,
    zone: &str,
    name: &str,
    request_id: &str,
) -> SdkResult<Operation> {
    macro_rules! send {
        ($call:expr) => {{
            let call = $call.set_project(project).set_zone(zone);
            with_call_options(call.set_request_id(request_id)).send().await
        }};
    }
    match call {
        ApiCall::Delete => send!(instances.delete().set_instance(name)),
        ApiCall::Start => send!(instances.start().set_instance(name)),
        ApiCall::Resume => send!(instances.resume().set_instance(name)),
        ApiCall::Stop => send!(instances.stop().set_instance(name)),
        ApiCall::Reset => send!(instances.reset().set_instance(name)),
        ApiCall::Protect(protected) => {
            let call = instances.set_deletion_protection().set_resource(name);
            send!(call.set_deletion_protection(protected))
        }
    }
}

/// How long to wait for a start, which may fail for lack of capacity.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long to watch any other change. One that runs for so long without an error counts as successful.
pub(crate) const WATCH_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Waits for the result of an accepted change.
///
/// # Errors
/// Those of the operation; `UnknownOutcome` if neither the operation nor the instance shows the result.
pub(crate) async fn await_change(client: &Client, action: InstanceAction, started: StartedChange<'_>) -> Result<()> {
    let StartedChange {
        target,
        operation,
        failure_prefix,
    } = started;
    let mut last = Ok(operation.clone());
    if action == InstanceAction::Start {
        last = zone_operations::wait_until_done(client, &target.scope, operation, START_TIMEOUT).await;
    } else {
        let watch = watch_change(client, target, action, &mut last, &failure_prefix);
        if let Ok(result) = tokio::time::timeout(WATCH_TIMEOUT, watch).await {
            return result;
        }
    }
    final_result(client, target, action, last, &failure_prefix).await
}

/// Returns the result of a change after watching it; `last` is the operation as it was read last.
pub(crate) async fn final_result(
    client: &Client,
    target: &InstanceRef,
    action: InstanceAction,
    last: Result<Operation>,
    failure_prefix: &str,
) -> Result<()> {
    match last {
        // Protection must be certain.
        Ok(operation)
            if matches!(action, InstanceAction::Protect | InstanceAction::Unprotect) && !is_done(&operation) =>
        {
            let error = Error::new(ErrorKind::Timeout, "its operation does not end").at(error_location(&target.scope));
            result_without_operation(client, target, action, error, failure_prefix).await
        }
        Ok(operation) if operation.name.is_none() && operation_result(&operation, target, failure_prefix).is_none() => {
            result_without_operation(
                client,
                target,
                action,
                zone_operations::missing_name_error(),
                failure_prefix,
            )
            .await
        }
        Ok(operation) => match operation_error(&operation, failure_prefix, &target.scope) {
            Some(error) => Err(error),
            None => Ok(()),
        },
        Err(error) => result_without_operation(client, target, action, error, failure_prefix).await,
    }
}

/// Reads until the operation is done, or the instance shows the change. `last` is the operation as it was read last.
async fn watch_change(
    client: &Client,
    target: &InstanceRef,
    action: InstanceAction,
    last: &mut Result<Operation>,
    failure_prefix: &str,
) -> Result<()> {
    let name = last.as_ref().ok().and_then(|operation| operation.name.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        if let Ok(operation) = last
            && let Some(result) = operation_result(operation, target, failure_prefix)
        {
            return result;
        }
        if let Some(result) = read_result(client, target, action).await {
            return result;
        }
        *last = match &name {
            Some(name) => zone_operations::get_operation(client, &target.scope, name).await,
            None => Err(zone_operations::missing_name_error()),
        };
        if !last.as_ref().is_ok_and(is_done) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

/// Returns the result that an operation shows; `None` while it runs.
pub(crate) fn operation_result(
    operation: &Operation,
    target: &InstanceRef,
    failure_prefix: &str,
) -> Option<Result<()>> {
    match operation_error(operation, failure_prefix, &target.scope) {
        Some(error) => Some(Err(error)),
        None if is_done(operation) => Some(Ok(())),
        None => None,
    }
}

/// Returns the result that the instance shows; `None` if it shows none.
async fn read_result(client: &Client, target: &InstanceRef, action: InstanceAction) -> Option<Result<()>> {
    if action == InstanceAction::Reboot {
        // A reboot leaves no trace.
        return None;
    }
    match get_by_ref(client, target).await {
        Ok(api) if shows_change(action, &api) => Some(Ok(())),
        Err(gone) if gone.kind() == ErrorKind::NotFound && action == InstanceAction::Terminate => Some(Ok(())),
        Err(gone) if gone.kind() == ErrorKind::NotFound => Some(Err(gone)),
        _ => None,
    }
}

/// Says whether the instance shows that an action took effect.
pub(crate) fn shows_change(action: InstanceAction, api: &Instance) -> bool {
    let status = api.status.as_ref();
    let is_protected = api.deletion_protection.unwrap_or_default();
    match action {
        InstanceAction::Terminate => matches!(status, Some(Status::Stopping | Status::Deprovisioning)),
        InstanceAction::Stop => matches!(
            status,
            Some(Status::PendingStop | Status::Stopping | Status::Stopped | Status::Terminated)
        ),
        // An instance that is starting can still fail.
        InstanceAction::Start => status == Some(&Status::Running),
        InstanceAction::Protect => is_protected,
        InstanceAction::Unprotect => !is_protected,
        InstanceAction::Reboot => false,
    }
}

/// Returns the result of an accepted change whose operation cannot be read.
async fn result_without_operation(
    client: &Client,
    target: &InstanceRef,
    action: InstanceAction,
    why: Error,
    failure_prefix: &str,
) -> Result<()> {
    if let Some(result) = read_result(client, target, action).await {
        return result;
    }
    Err(why
        .context(format!(
            "{failure_prefix}: the cloud accepted the request, but its result is unknown"
        ))
        .with_kind(ErrorKind::UnknownOutcome)
        .with_hint("look at the VM with `cloudctl describe`, and run the same command again if need be")
        .with_leftover(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_and_state_select_the_call() {
        let in_state = |word: &str| model::Instance::new().set_status(word);
        for (action, word, expected) in [
            (InstanceAction::Start, "TERMINATED", Ok(Some(ApiCall::Start))),
            (InstanceAction::Start, "SUSPENDED", Ok(Some(ApiCall::Resume))),
            (InstanceAction::Start, "RUNNING", Ok(None)),
            (InstanceAction::Start, "STAGING", Ok(None)),
            (InstanceAction::Start, "STOPPING", Err("it is STOPPING".to_owned())),
            (InstanceAction::Stop, "RUNNING", Ok(Some(ApiCall::Stop))),
            (InstanceAction::Stop, "TERMINATED", Ok(None)),
            (InstanceAction::Stop, "STOPPING", Ok(None)),
            (InstanceAction::Reboot, "RUNNING", Ok(Some(ApiCall::Reset))),
            (InstanceAction::Reboot, "TERMINATED", Err("it is TERMINATED".to_owned())),
            (InstanceAction::Terminate, "TERMINATED", Ok(Some(ApiCall::Delete))),
        ] {
            assert_eq!(
                select_call(action, &in_state(word), false),
                expected,
                "{action:?} {word}"
            );
        }
    }

    #[test]
    fn instance_being_deleted_takes_no_call() {
        let being_deleted = model::Instance::new()
            .set_status("STOPPING")
            .set_deletion_protection(true);
        assert_eq!(select_call(InstanceAction::Terminate, &being_deleted, true), Ok(None));
        assert!(select_call(InstanceAction::Start, &being_deleted, true).is_err());
        assert!(select_call(InstanceAction::Stop, &being_deleted, true).is_err());
        assert_eq!(
            select_call(InstanceAction::Terminate, &being_deleted, false),
            Err("it is protected".to_owned())
        );
    }

    #[test]
    fn state_shows_the_change() {
        for (action, word, expected) in [
            (InstanceAction::Terminate, "STOPPING", true),
            (InstanceAction::Terminate, "TERMINATED", false),
            (InstanceAction::Terminate, "RUNNING", false),
            (InstanceAction::Stop, "STOPPING", true),
            (InstanceAction::Stop, "TERMINATED", true),
            (InstanceAction::Stop, "RUNNING", false),
            (InstanceAction::Start, "STAGING", false),
            (InstanceAction::Start, "RUNNING", true),
            (InstanceAction::Reboot, "RUNNING", false),
        ] {
            let api = Instance::new().set_status(word);
            assert_eq!(shows_change(action, &api), expected, "{action:?} {word}");
        }
    }
}

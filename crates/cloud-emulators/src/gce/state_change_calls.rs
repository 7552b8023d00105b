//! The calls that move a VM from state to state.

use super::dispatch::Context;
use super::errors::ApiError;
use super::instance_record::Status;
use super::instances::find;
use super::routing::Call;
use super::state::Key;
use super::state_changes::target;

pub fn delete(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let key = find(state, call)?.key.clone();
    if state.controls.replace_before_delete.remove(&key.name) {
        state.replace(&key);
    }
    let instance = find(state, call)?;
    if instance.deleting {
        return Err(ApiError::not_ready(&instance.path()));
    }
    if instance.is_protected() {
        return Err(ApiError::usage(
            "Resource cannot be deleted if it's protected against deletion.",
        ));
    }
    let id = instance.id;
    if state.controls.changes_fail {
        return Ok(state.start_failing_change("delete", &key, id, call));
    }
    Ok(state.start_deleting(&key, id, Some(call)))
}

/// Starting what runs already is accepted, and changes nothing.
pub fn start(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let instance = find(state, call)?;
    let (key, id) = (instance.key.clone(), instance.id);
    match instance.status {
        Status::Running => Ok(state.brief("start", &key, id, call)),
        Status::Terminated if !instance.deleting => {
            let body = instance.body();
            let machine_type = body["machineType"].as_str().and_then(|link| link.rsplit('/').next());
            let failure = state.obstacle(&key, machine_type.unwrap_or_default());
            let operation = state.begin("start", &target(&key, id), Some(call));
            state.bring_up(&key, id, &operation, failure, false);
            Ok(operation)
        }
        _ => Err(ApiError::not_ready(&instance.path())),
    }
}

/// Stopping what is stopped already is accepted, and changes nothing.
pub fn stop(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let instance = find(state, call)?;
    let (key, id) = (instance.key.clone(), instance.id);
    match instance.status {
        Status::Terminated if !instance.deleting => Ok(state.brief("stop", &key, id, call)),
        Status::Running if state.controls.changes_fail => Ok(state.start_failing_change("stop", &key, id, call)),
        Status::Running => Ok(state.start_stopping(&key, id, Some(call))),
        _ => Err(ApiError::not_ready(&instance.path())),
    }
}

pub fn reset(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let instance = find(state, call)?;
    if instance.status != Status::Running {
        return Err(ApiError::not_ready(&instance.path()));
    }
    let (key, id) = (instance.key.clone(), instance.id);
    if state.controls.changes_fail {
        return Ok(state.start_failing_change("reset", &key, id, call));
    }
    let operation = state.brief("reset", &key, id, call);
    if let Some(instance) = state.instances.get_mut(&key) {
        instance
            .console
            .push_str("[    0.000000] Linux version 6.8.0-1014-gcp (reset)\r\n");
    }
    Ok(operation)
}

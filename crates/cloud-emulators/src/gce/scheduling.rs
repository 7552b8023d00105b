//! The rules of `scheduling`: spot, run limits, host maintenance.

use serde_json::{Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::instance_record::Status;
use super::instances::{change, find, object};
use super::machine_types;
use super::max_run_duration::run_limit;
use super::routing::Call;
use super::state::Key;
use super::test_controls::LiveScheduling;

/// 30 seconds to 120 days.
const RUN_LIMITS: std::ops::RangeInclusive<u64> = 30..=120 * 24 * 60 * 60;

/// Checks what was asked for, and fills in what was not.
pub fn check(asked: &Value, has_accelerators: bool) -> Result<Value, ApiError> {
    let invalid = |name: &str, value: &Value, why: &str| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ApiError::invalid(&format!("resource.scheduling.{name}"), &text, why)
    };
    let spot = asked["provisioningModel"] == "SPOT";
    let short_lived = spot || asked["preemptible"] == true;
    if spot && asked["preemptible"] == false {
        let why = "A Spot VM is preemptible; leave the field out or set it to true.";
        return Err(invalid("preemptible", &asked["preemptible"], why));
    }
    let no_migration = short_lived || has_accelerators;
    let maintenance = &asked["onHostMaintenance"];
    if short_lived && asked["automaticRestart"] == true {
        let why = "A preemptible VM cannot restart automatically.";
        return Err(invalid("automaticRestart", &asked["automaticRestart"], why));
    }
    if short_lived && maintenance == "MIGRATE" {
        return Err(invalid(
            "onHostMaintenance",
            maintenance,
            "A preemptible VM cannot migrate.",
        ));
    }
    if has_accelerators && maintenance != "TERMINATE" && !short_lived {
        let message = "Instances with guest accelerators do not support live migration.";
        return Err(ApiError::new(400, "badRequest", message));
    }
    let limit = &asked["maxRunDuration"];
    if !limit.is_null() {
        let seconds = run_limit(asked).map(|limit| limit.as_secs());
        if !seconds.is_some_and(|seconds| RUN_LIMITS.contains(&seconds)) {
            let why = "Must be between 30 and 10368000 seconds, inclusive.";
            return Err(invalid("maxRunDuration.seconds", &limit["seconds"], why));
        }
    }
    if !asked["terminationTime"].is_null() {
        return Err(ApiError::new(
            501,
            "notImplemented",
            "The emulator has no terminationTime.",
        ));
    }
    let action = &asked["instanceTerminationAction"];
    if !action.is_null() && limit.is_null() && !spot {
        let why = "You cannot specify a termination action for a VM instance that has the standard \
                   provisioning model (default).";
        return Err(invalid("instanceTerminationAction", action, why));
    }
    let mut scheduling = object(asked);
    let defaults = [
        (
            "onHostMaintenance",
            json!(if no_migration { "TERMINATE" } else { "MIGRATE" }),
        ),
        ("automaticRestart", json!(!short_lived)),
        ("preemptible", json!(short_lived)),
        ("provisioningModel", json!("STANDARD")),
    ];
    for (name, value) in defaults {
        scheduling.entry(name).or_insert(value);
    }
    if !limit.is_null() || spot {
        scheduling.entry("instanceTerminationAction").or_insert(json!("STOP"));
    }
    Ok(scheduling.into())
}

/// `instances.setScheduling`: "you can only call this method on a stopped instance".
pub fn set(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let live = context.state.controls.live_scheduling;
    let instance = find(context.state, call)?;
    let running = instance.status == Status::Running;
    if instance.status != Status::Terminated && (live == LiveScheduling::Refuse || !running) {
        return Err(ApiError::not_ready(&instance.path()));
    }
    let body = instance.body();
    let machine_type = body["machineType"].as_str().and_then(|link| link.rsplit('/').next());
    let machine_type = machine_types::find(call.zone(), machine_type.unwrap_or_default())
        .ok_or_else(|| ApiError::not_found(&instance.path()))?;
    let attached = body
        .get("guestAccelerators")
        .is_some_and(|attached| !attached.is_null());
    let scheduling = check(&call.body, attached || machine_type.has_accelerators())?;
    if scheduling["preemptible"] != body["scheduling"]["preemptible"] {
        return Err(ApiError::usage("A VM cannot become preemptible, or cease to be."));
    }
    let key = instance.key.clone();
    let operation = change(context, call, "setScheduling", |instance| {
        instance.body_mut().insert("scheduling".to_owned(), scheduling);
    })?;
    if running && live == LiveScheduling::Allow {
        context.state.limit_run(&key);
    }
    Ok(operation)
}

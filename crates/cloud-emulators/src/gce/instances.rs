//! Reading VMs, and the changes that leave them where they are: labels, metadata, protection.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::field_rules;
use super::fingerprints;
use super::instance_record::{Instance, Status};
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::{Key, State};
use super::zones;

/// The VM that a path names, by name or by id.
pub fn find<'s>(state: &'s State, call: &Call) -> Result<&'s Instance, ApiError> {
    let asked = match call.parameter("instance") {
        "" => call.parameter("resource"),
        name => name,
    };
    field_rules::resource_name("instance", asked, true)?;
    let key = Key::new(call.project(), call.zone(), asked);
    let by_id = || {
        let id = asked.parse::<u64>().ok()?;
        let mut zone = State::in_zone(&state.instances, call.project(), call.zone(), "");
        zone.find(|(_, instance)| instance.id == id)
            .map(|(_, instance)| instance)
    };
    let found = state.instances.get(&key).or_else(by_id);
    found.ok_or_else(|| ApiError::not_found(&key.path("instances")))
}

/// Which VMs a read sees: with a lag set, none younger than that.
#[derive(Clone, Copy)]
struct Sight {
    until: Timestamp,
}

impl Sight {
    fn of(state: &State) -> Self {
        Self {
            until: state.now() - state.controls.lag,
        }
    }

    fn sees(self, instance: &Instance) -> bool {
        instance.created <= self.until
    }
}

/// The VM that a path names, if reads see it already.
pub fn find_visible<'s>(state: &'s State, call: &Call) -> Result<&'s Instance, ApiError> {
    let instance = find(state, call)?;
    if !Sight::of(state).sees(instance) {
        return Err(ApiError::not_found(&instance.path()));
    }
    Ok(instance)
}

pub fn get(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let instance = find_visible(context.state, call)?;
    Ok(shown(instance, context.state.controls.hide_termination))
}

fn shown(instance: &Instance, hide_termination: bool) -> Value {
    let mut body = instance.render();
    if hide_termination && let Some(body) = body.as_object_mut() {
        body.remove("resourceStatus");
    }
    body
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Instance")?;
    let page = page_of(context, call, call.zone(), &[], &paging);
    Ok(paging::list(call, "compute#instanceList", page))
}

pub fn aggregated_list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let unreachable = context.unreachable(call)?;
    let paging = Paging::of(call, context, "Instance")?;
    let page = page_of(context, call, "", &unreachable, &paging);
    let kind = "compute#instanceAggregatedList";
    Ok(paging::aggregated(
        call,
        kind,
        "instances",
        page,
        zones::scopes(call, true),
        &unreachable,
    ))
}

fn page_of(context: &mut Context, call: &Call, zone: &str, unreachable: &[String], paging: &Paging) -> paging::Page {
    let sight = Sight::of(context.state);
    let State {
        instances, controls, ..
    } = &mut *context.state;
    let hide = controls.hide_termination;
    let project = call.project();
    // Rows before the page are skipped by the map, not one by one.
    let start = match paging.after.as_deref().and_then(|after| after.split_once('/')) {
        Some((after_zone, name)) => Key::new(project, after_zone, name),
        None => Key::new(project, zone, ""),
    };
    let rows = instances
        .range(start..)
        .take_while(|(key, _)| key.project == project && (zone.is_empty() || key.zone == zone))
        .filter(|(key, instance)| sight.sees(instance) && !unreachable.contains(&key.zone))
        .map(|(key, instance)| {
            let scope = format!("zones/{}", key.zone);
            (scope, format!("{}/{}", key.zone, key.name), || shown(instance, hide))
        });
    paging.fill(controls, rows)
}

pub fn set_labels(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let instance = find(context.state, call)?;
    let current = instance.body().get("labelFingerprint").cloned().unwrap_or_default();
    if call.body["labelFingerprint"] != current {
        let why = "Labels fingerprint either invalid or resource labels have changed";
        return Err(ApiError::condition_not_met(why));
    }
    let labels = match &call.body["labels"] {
        Value::Null => json!({}),
        labels => labels.clone(),
    };
    field_rules::labels("labels", &labels)?;
    change(context, call, "setLabels", |instance| instance.set_labels(&labels))
}

pub fn set_metadata(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let instance = find(context.state, call)?;
    let current = instance.body()["metadata"]["fingerprint"].clone();
    if call.body["fingerprint"] != current {
        let why = "Supplied fingerprint does not match current metadata fingerprint.";
        return Err(ApiError::condition_not_met(why));
    }
    field_rules::metadata("metadata", &call.body)?;
    let metadata = metadata(&call.body["items"]);
    change(context, call, "setMetadata", |instance| {
        instance.body_mut().insert("metadata".to_owned(), metadata);
    })
}

/// Metadata as the service gives it back.
pub fn metadata(items: &Value) -> Value {
    let mut metadata = json!({
        "kind": "compute#metadata",
        "fingerprint": fingerprints::fingerprint(items),
    });
    if items.as_array().is_some_and(|items| !items.is_empty()) {
        metadata["items"] = items.clone();
    }
    metadata
}

pub fn set_deletion_protection(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let protect = call.query.get("deletionProtection").is_none() || call.query.is_true("deletionProtection");
    change(context, call, "updateInstance", |instance| {
        instance
            .body_mut()
            .insert("deletionProtection".to_owned(), protect.into());
    })
}

pub fn set_disk_auto_delete(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let device = call.query.get("deviceName").unwrap_or_default().to_owned();
    let instance = find(context.state, call)?;
    let body = instance.body();
    let disks = body.get("disks").and_then(Value::as_array);
    let position = disks.and_then(|disks| disks.iter().position(|disk| disk["deviceName"] == device));
    let Some(position) = position else {
        let why = "No disk of that device name is attached.";
        return Err(ApiError::invalid("deviceName", &device, why));
    };
    let auto_delete = call.query.is_true("autoDelete");
    change(context, call, "setDiskAutoDelete", |instance| {
        if let Some(disks) = instance.body_mut().get_mut("disks") {
            disks[position]["autoDelete"] = auto_delete.into();
        }
    })
}

pub fn change(
    context: &mut Context,
    call: &Call,
    kind: &'static str,
    edit: impl FnOnce(&mut Instance),
) -> Result<Key, ApiError> {
    let instance = find(context.state, call)?;
    if instance.deleting {
        return Err(ApiError::not_ready(&instance.path()));
    }
    let (key, id) = (instance.key.clone(), instance.id);
    if let Some(instance) = context.state.instances.get_mut(&key) {
        edit(instance);
    }
    Ok(context.state.brief(kind, &key, id, call))
}

pub fn serial_port_output(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let instance = find(context.state, call)?;
    if !matches!(instance.status, Status::Running | Status::Stopping) {
        return Err(ApiError::not_ready(&instance.path()));
    }
    let port = call.query.get("port").unwrap_or("1");
    if !["1", "2", "3", "4"].contains(&port) {
        return Err(ApiError::invalid("port", port, "Must be between 1 and 4, inclusive."));
    }
    let start = call.query.get("start").map_or(Ok(0), str::parse::<usize>);
    let start = start.map_err(|_| ApiError::invalid("start", "", "Must be an integer."))?;
    let text = if port == "1" { instance.console.as_str() } else { "" };
    let rest = text.get(start.min(text.len())..).unwrap_or_default();
    Ok(json!({
        "kind": "compute#serialPortOutput",
        "selfLink": super::link(&call.resource()),
        "contents": rest,
        "start": start.min(text.len()).to_string(),
        "next": text.len().to_string(),
    }))
}

/// The entries of a JSON object; of anything else, none.
pub fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

//! `instances.bulkInsert` in a zone: all or, below `minCount`, none.

use serde_json::{Map, Value};

use super::checks;
use super::errors::ApiError;
use super::insert::Plan;
use super::instances::object;
use super::lifecycle::Event;
use super::operations::Target;
use super::route::Call;
use super::service::Context;
use super::state::{Key, State};

const LARGEST: u64 = 5000;

pub fn insert(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let names = names(state, call)?;
    let properties = properties(call)?;
    let mut plans = Vec::new();
    for name in &names {
        checks::resource_name("resource.perInstanceProperties", name, false)?;
        let key = Key::new(call.project(), call.zone(), name);
        plans.push(Plan::check(state, key, properties.clone())?);
    }
    let group = format!("bulk-{}", state.fresh_id());
    let key = Key::new(call.project(), call.zone(), "");
    let target = Target {
        key: &key,
        collection: "instances",
        id: 0,
    };
    let whole = state.begin("bulkInsert", &target, Some(call));
    state.group(&whole, &group);
    for plan in plans {
        let operation = plan.carry_out(state, None);
        state.group(&operation, &group);
    }
    let delays = state.knobs.delays;
    state.after(delays.provision + delays.stage, Event::EndBulk(whole.clone(), group));
    Ok(whole)
}

fn names(state: &State, call: &Call) -> Result<Vec<String>, ApiError> {
    let number = |field: &str| call.body[field].as_str().and_then(|text| text.parse::<u64>().ok());
    let named = object(&call.body["perInstanceProperties"]);
    let count = number("count").unwrap_or(named.len() as u64);
    let field = "resource.count";
    if count == 0 || count > LARGEST {
        return Err(ApiError::invalid(
            field,
            &count.to_string(),
            "Must be between 1 and 5000, inclusive.",
        ));
    }
    if number("minCount").is_some_and(|least| least > count) {
        let why = "Must not be larger than count.";
        return Err(ApiError::invalid("resource.minCount", &count.to_string(), why));
    }
    if !named.is_empty() {
        if named.len() as u64 != count {
            let why = "Must be the number of entries of perInstanceProperties.";
            return Err(ApiError::invalid(field, &count.to_string(), why));
        }
        // The key is the name, unless the entry has its own.
        let name = |(key, entry): (&String, &Value)| entry["name"].as_str().unwrap_or(key).to_owned();
        return Ok(named.iter().map(name).collect());
    }
    let pattern = call.body["namePattern"].as_str().unwrap_or_default();
    let (start, end) = (pattern.find('#'), pattern.rfind('#'));
    let Some((start, end)) = start
        .zip(end)
        .filter(|(start, end)| pattern[*start..*end].bytes().all(|byte| byte == b'#'))
    else {
        let why = "Must have one sequence of '#' characters.";
        return Err(ApiError::invalid("resource.namePattern", pattern, why));
    };
    // Numbers go on above the highest that is taken: the call cannot be replayed.
    let (before, after) = (&pattern[..start], &pattern[end + 1..]);
    let taken = State::in_zone(&state.instances, call.project(), call.zone(), "")
        .filter_map(|(key, _)| key.name.strip_prefix(before)?.strip_suffix(after)?.parse::<u64>().ok());
    let first = taken.max().unwrap_or(0) + 1;
    let width = end + 1 - start;
    Ok((first..first + count)
        .map(|number| format!("{before}{number:0width$}{after}"))
        .collect())
}

/// The properties as an insert of one VM has them: types and disk types are bare names here.
fn properties(call: &Call) -> Result<Map<String, Value>, ApiError> {
    let mut properties = object(&call.body["instanceProperties"]);
    let zone = format!("zones/{}", call.zone());
    if let Some(name) = properties.get("machineType").and_then(Value::as_str) {
        if name.contains('/') {
            let why = "Must be the name of a machine type, not a URL.";
            return Err(ApiError::invalid("resource.instanceProperties.machineType", name, why));
        }
        let link = format!("{zone}/machineTypes/{name}");
        properties.insert("machineType".to_owned(), link.into());
    }
    let disks = properties.get_mut("disks").and_then(Value::as_array_mut);
    let kinds = disks
        .into_iter()
        .flatten()
        .filter_map(|disk| disk.pointer_mut("/initializeParams/diskType"));
    for kind in kinds {
        if let Some(name) = kind.as_str() {
            *kind = format!("{zone}/diskTypes/{name}").into();
        }
    }
    Ok(properties)
}

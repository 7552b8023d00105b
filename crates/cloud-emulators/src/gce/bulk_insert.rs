//! `instances.bulkInsert` in a zone: all or, below `minCount`, none.

use serde_json::{Map, Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::field_rules;
use super::insert::Plan;
use super::instance_record::Instance;
use super::instances::object;
use super::operation_failures::Failure;
use super::operations::{Progress, Target};
use super::routing::Call;
use super::state::{Key, State};
use super::state_changes::Event;
use super::zones;

const LARGEST: u64 = 5000;

/// A bulk insert whose VMs are on their way.
pub struct BulkInsert {
    operation: Key,
    /// What its VMs' own operations have in common.
    group: String,
    /// With fewer than these it deletes what it made.
    least: usize,
}

/// VMs of a bulk insert.
#[derive(Clone, Copy, Debug, Default)]
pub struct BulkProgress {
    pub target: usize,
    pub created: usize,
    pub failed: usize,
    pub deleted: usize,
}

impl BulkProgress {
    pub fn render(self, zone: &str, progress: Progress) -> Value {
        let status = match (progress, self.deleted) {
            (Progress::Done, 0) => "DONE",
            (_, 1..) => "ROLLING_BACK",
            _ => "CREATING",
        };
        let per_zone = json!({
            "status": status,
            "targetVmCount": self.target,
            "createdVmCount": self.created,
            "failedToCreateVmCount": self.failed,
            "deletedVmCount": self.deleted,
        });
        let zone = format!("zones/{zone}");
        json!({"perLocationStatus": {zone: per_zone}})
    }
}

pub fn insert(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let names = names(state, call)?;
    let properties = properties(call)?;
    if state.controls.quota_refused {
        return Err(ApiError::quota_exceeded(zones::region_of(call.zone())));
    }
    let taken = names.iter().map(|name| Key::new(call.project(), call.zone(), name));
    let taken = taken.clone().find(|key| state.instances.contains_key(key));
    let late = taken.filter(|_| state.controls.bulk_conflicts_later);
    let mut plans = Vec::new();
    for name in &names {
        field_rules::resource_name("resource.perInstanceProperties", name, false)?;
        let key = Key::new(call.project(), call.zone(), name);
        if late.is_none() {
            let plan = Plan::check(state, key, properties.clone());
            plans.push(plan.map_err(|error| error.within("instanceProperties"))?);
        }
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
    let delays = state.controls.delays;
    if let Some(taken) = late {
        let failure = Failure::already_exists(&taken.path("instances"));
        state.schedule_after(delays.provision, Event::Fail(whole.clone(), failure));
        return Ok(whole);
    }
    let progress = BulkProgress {
        target: plans.len(),
        ..BulkProgress::default()
    };
    state.note_bulk(&whole, progress);
    for plan in plans {
        let operation = plan.carry_out(state, None);
        state.group(&operation, &group);
    }
    let least = number(call, "minCount").and_then(|least| usize::try_from(least).ok());
    let bulk = BulkInsert {
        operation: whole.clone(),
        group,
        least: least.unwrap_or(names.len()),
    };
    state.schedule_after(delays.provision + delays.stage, Event::EndBulk(bulk));
    Ok(whole)
}

impl State {
    pub fn note_bulk(&mut self, key: &Key, progress: BulkProgress) {
        if let Some(operation) = self.operations.get_mut(key) {
            operation.bulk = Some(progress);
        }
    }

    /// The VMs are there, or, if there are too few of them, they go again.
    pub fn end_bulk(&mut self, bulk: &BulkInsert) {
        let inserts = self.inserts_in(&bulk.group);
        let failure = inserts.iter().find_map(|insert| insert.failure.clone());
        let made: Vec<_> = inserts.iter().filter(|insert| insert.failure.is_none()).collect();
        let too_few = made.len() < bulk.least;
        let progress = BulkProgress {
            target: inserts.len(),
            created: made.len(),
            failed: inserts.len() - made.len(),
            deleted: if too_few { made.len() } else { 0 },
        };
        self.note_bulk(&bulk.operation, progress);
        if !too_few {
            return self.end(&bulk.operation, None);
        }
        for insert in made {
            let is_there = |found: &Instance| found.id == insert.target_id && !found.deleting;
            if self.instances.get(&insert.target_key).is_some_and(is_there) {
                let deletion = self.start_deleting(&insert.target_key, insert.target_id, None);
                self.group(&deletion, &bulk.group);
            }
        }
        let delay = self.controls.delays.delete;
        match failure {
            Some(failure) => self.schedule_after(delay, Event::Fail(bulk.operation.clone(), failure)),
            None => self.end(&bulk.operation, None),
        }
    }
}

fn number(call: &Call, field: &str) -> Option<u64> {
    call.body[field].as_str().and_then(|text| text.parse().ok())
}

fn names(state: &State, call: &Call) -> Result<Vec<String>, ApiError> {
    let named = object(&call.body["perInstanceProperties"]);
    let count = number(call, "count").unwrap_or(named.len() as u64);
    let field = "resource.count";
    if count == 0 || count > LARGEST {
        return Err(ApiError::invalid(
            field,
            &count.to_string(),
            "Must be between 1 and 5000, inclusive.",
        ));
    }
    if number(call, "minCount").is_some_and(|least| least > count) {
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
    // Google's description says so of most; what it has not is refused against it.
    for name in ["name", "deletionProtection", "hostname", "zone"] {
        if properties.contains_key(name) {
            let text = format!("Unknown name \"{name}\" at 'resource.instance_properties': Cannot find field.");
            return Err(ApiError::payload(format!("Invalid JSON payload received. {text}")));
        }
    }
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
            if name.contains('/') {
                let field = "resource.instanceProperties.disks[0].initializeParams.diskType";
                return Err(ApiError::invalid(
                    field,
                    name,
                    "Must be the name of a disk type, not a URL.",
                ));
            }
            *kind = format!("{zone}/diskTypes/{name}").into();
        }
    }
    let accelerators = properties.get_mut("guestAccelerators").and_then(Value::as_array_mut);
    for accelerator in accelerators.into_iter().flatten() {
        if let Some(name) = accelerator["acceleratorType"].as_str() {
            if name.contains('/') {
                let field = "resource.instanceProperties.guestAccelerators[0].acceleratorType";
                return Err(ApiError::invalid(
                    field,
                    name,
                    "Must be the name of an accelerator type, not a URL.",
                ));
            }
            accelerator["acceleratorType"] = format!("{zone}/acceleratorTypes/{name}").into();
        }
    }
    Ok(properties)
}

//! Operations: every change is one, and every client polls them. Also the memory of request ids.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::bulk_insert::BulkProgress;
use super::dispatch::Context;
use super::errors::ApiError;
use super::operation_failures::Failure;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::{Key, State, format_time, mix_bits};
use super::state_changes::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Pending,
    Running,
    Done,
}

/// A change under way or done. Those of firewalls are global, all others zonal.
#[derive(Clone, Debug)]
pub struct Operation {
    pub key: Key,
    id: u64,
    kind: &'static str,
    pub target_key: Key,
    target_link: String,
    /// Which incarnation of the name it hit.
    pub target_id: u64,
    pub progress: Progress,
    client_id: Option<String>,
    inserted: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    pub failure: Option<Failure>,
    group: Option<String>,
    /// How a bulk insert stands.
    pub bulk: Option<BulkProgress>,
}

/// What a request id stands for.
pub struct Remembered {
    /// Method, path and body of the first request.
    request: u64,
    operation: Key,
}

/// How long and how widely the service keeps request ids, and what it does when one comes again with another request.
/// Google documents none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestIdMismatch {
    /// Kept by project; another request, also in another zone, is refused.
    #[default]
    Refuse,
    /// The same, without naming the field at fault.
    RefuseWithoutField,
    /// Kept by project; another request, also in another zone, is ignored and gets the first one's operation.
    ReturnOriginal,
    /// Kept by zone; another request there is refused.
    RefuseInZone,
    /// Not kept: each request is a new one.
    Forget,
}

impl RequestIdMismatch {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Refuse,
        Self::RefuseWithoutField,
        Self::ReturnOriginal,
        Self::RefuseInZone,
        Self::Forget,
    ];
}

/// What an operation acts on.
pub struct Target<'t> {
    pub key: &'t Key,
    pub collection: &'static str,
    pub id: u64,
}

const USER: &str = "tester@example.com";

impl State {
    /// Starts an operation; whoever starts it schedules its end.
    pub fn begin(&mut self, kind: &'static str, target: &Target, call: Option<&Call>) -> Key {
        let id = self.fresh_id();
        let now = self.now();
        let digits = mix_bits(id);
        let name = format!(
            "operation-{}-{:013x}-{:08x}-{:08x}",
            now.as_millisecond(),
            digits >> 12,
            digits as u32,
            (digits >> 32) as u32
        );
        let key = Key::new(&target.key.project, &target.key.zone, &name);
        let client_id = call.and_then(|call| call.query.get("requestId")).map(str::to_owned);
        let operation = Operation {
            key: key.clone(),
            id,
            kind,
            target_key: target.key.clone(),
            target_link: target.key.link(target.collection),
            target_id: target.id,
            progress: Progress::Pending,
            client_id,
            inserted: now,
            started: None,
            ended: None,
            failure: None,
            group: None,
            bulk: None,
        };
        self.operations.insert(key.clone(), operation);
        self.schedule_after(self.controls.delays.queue, Event::Begin(key.clone()));
        key
    }

    /// The operation runs from here on.
    pub fn run(&mut self, key: &Key) {
        let now = self.now();
        if let Some(operation) = self.operations.get_mut(key)
            && operation.progress == Progress::Pending
        {
            operation.progress = Progress::Running;
            operation.started = Some(now);
        }
    }

    /// The operation ends, well or not; a second end is ignored.
    pub fn end(&mut self, key: &Key, failure: Option<Failure>) {
        let now = self.now();
        if let Some(operation) = self.operations.get_mut(key)
            && operation.progress != Progress::Done
        {
            operation.progress = Progress::Done;
            operation.started.get_or_insert(now);
            operation.ended = Some(now);
            operation.failure = failure;
        }
    }

    /// The operations of a group that make one VM each.
    pub fn inserts_in(&self, group: &str) -> Vec<Operation> {
        let members = self
            .operations
            .values()
            .filter(|one| one.group.as_deref() == Some(group));
        members.filter(|one| one.kind == "insert").cloned().collect()
    }

    pub fn group(&mut self, key: &Key, group: &str) {
        if let Some(operation) = self.operations.get_mut(key) {
            operation.group = Some(group.to_owned());
        }
    }
}

impl Operation {
    pub fn render(&self) -> Value {
        let (status, progress) = match self.progress {
            Progress::Pending => ("PENDING", 0),
            Progress::Running => ("RUNNING", 0),
            Progress::Done => ("DONE", 100),
        };
        let mut body = json!({
            "kind": "compute#operation",
            "id": self.id.to_string(),
            "name": self.key.name,
            "operationType": self.kind,
            "targetLink": self.target_link,
            "targetId": self.target_id.to_string(),
            "status": status,
            "user": USER,
            "progress": progress,
            "insertTime": format_time(self.inserted),
            "selfLink": self.key.link("operations"),
        });
        if !self.key.zone.is_empty() {
            let zone = format!("projects/{}/zones/{}", self.key.project, self.key.zone);
            body["zone"] = super::link(&zone).into();
        }
        if let Some(bulk) = &self.bulk {
            body["instancesBulkInsertOperationMetadata"] = bulk.render(&self.key.zone, self.progress);
        }
        if let Some(client_id) = &self.client_id {
            body["clientOperationId"] = client_id.as_str().into();
        }
        if let Some(group) = &self.group {
            body["operationGroupId"] = group.as_str().into();
        }
        if let Some(started) = self.started {
            body["startTime"] = format_time(started).into();
        }
        if let Some(ended) = self.ended {
            body["endTime"] = format_time(ended).into();
        }
        if let Some(failure) = &self.failure {
            body["error"] = json!({"errors": [failure.error]});
            body["httpErrorStatusCode"] = failure.status.into();
            body["httpErrorMessage"] = failure.status_text.into();
        }
        body
    }
}

fn find<'s>(context: &'s mut Context, call: &Call) -> Result<(Key, &'s mut Operation), ApiError> {
    let asked = call.parameter("operation");
    let key = Key::new(call.project(), call.zone(), asked);
    let by_id = |operation: &Operation| operation.id.to_string() == asked && operation.key.zone == key.zone;
    let operations = &mut context.state.operations;
    let key = match operations.contains_key(&key) {
        true => Some(key),
        false => operations
            .values()
            .find(|operation| by_id(operation))
            .map(|found| found.key.clone()),
    };
    key.and_then(|key| Some((key.clone(), operations.get_mut(&key)?)))
        .ok_or_else(|| ApiError::not_found(call.resource().trim_end_matches("/wait")))
}

pub fn get(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    find(context, call).map(|(_, operation)| operation.render())
}

/// The service promises no wait at all ("might return after zero seconds"), and this one never blocks
/// here: [`super::Service::remaining_wait`] says how long the server should hold the call back first.
pub fn wait(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    get(context, call)
}

pub fn delete(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let (key, _) = find(context, call)?;
    context.state.operations.remove(&key);
    Ok(Value::Null)
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Operation")?;
    let State {
        operations, controls, ..
    } = &mut *context.state;
    let rows = State::in_zone(operations, call.project(), call.zone(), "")
        .map(|(key, operation)| (String::new(), key.name.clone(), || operation.render()));
    let page = paging.fill(controls, rows);
    Ok(paging::list(call, "compute#operationList", page))
}

/// Runs a change once per request id: the same request again gets the same operation, in the state that
/// it has by then. A refused request is not remembered.
pub fn once(
    context: &mut Context,
    call: &Call,
    change: impl FnOnce(&mut Context, &Call) -> Result<Key, ApiError>,
) -> Result<Value, ApiError> {
    let Some(request_id) = call.query.get("requestId") else {
        let key = change(context, call)?;
        return rendered(context.state, &key);
    };
    let hyphenated = request_id.len() == 36;
    if !hyphenated || Uuid::parse_str(request_id).map_or(true, |id| id.is_nil()) {
        let why = "Must be a valid UUID with the exception that zero UUID is not supported.";
        return Err(ApiError::invalid("requestId", request_id, why));
    }
    let request = fingerprint(call);
    let on_mismatch = context.state.controls.request_id_mismatch;
    let scope = match on_mismatch {
        RequestIdMismatch::RefuseInZone => format!("{} {}", call.project(), call.location()),
        _ => call.project().to_owned(),
    };
    let memory = (scope, request_id.to_ascii_lowercase());
    let known = context.state.remembered.get(&memory);
    if let Some(known) = known.filter(|_| on_mismatch != RequestIdMismatch::Forget) {
        if known.request != request && on_mismatch != RequestIdMismatch::ReturnOriginal {
            let why = "The request ID was already used with a different request.";
            let field = match on_mismatch {
                RequestIdMismatch::RefuseWithoutField => "",
                _ => "requestId",
            };
            return Err(ApiError::invalid(field, request_id, why));
        }
        return rendered(context.state, &known.operation);
    }
    let operation = change(context, call)?;
    let answer = rendered(context.state, &operation);
    context
        .state
        .remembered
        .insert(memory, Remembered { request, operation });
    answer
}

fn rendered(state: &State, key: &Key) -> Result<Value, ApiError> {
    let operation = state.operations.get(key);
    operation
        .map(Operation::render)
        .ok_or_else(|| ApiError::not_found(&key.path("operations")))
}

fn fingerprint(call: &Call) -> u64 {
    let flags: Map<String, Value> = call
        .query
        .iter()
        .filter(|(name, _)| !name.starts_with('$') && !["requestId", "alt", "prettyPrint"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let text = format!(
        "{} {} {} {}",
        call.name(),
        call.resource(),
        Value::from(flags),
        call.body
    );
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

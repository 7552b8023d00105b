//! Disks: resources of their own, which outlive their VM unless it says otherwise.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::operations::Target;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::{Key, State, format_time};
use super::state_changes::Event;
use super::{fingerprints, zones};

#[derive(Clone, Debug)]
pub struct Disk {
    pub key: Key,
    pub id: u64,
    pub size_gb: u64,
    /// `pd-balanced` and the like.
    pub kind: String,
    /// The URL of the image it was made from.
    pub image: Option<String>,
    pub architecture: Option<&'static str>,
    pub licenses: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub description: Option<String>,
    pub created: Timestamp,
    /// The VM that has it.
    pub user: Option<Key>,
}

/// The kinds there are, each with the smallest size in GB.
const KINDS: &[(&str, u64)] = &[
    ("pd-standard", 10),
    ("pd-balanced", 10),
    ("pd-ssd", 10),
    ("pd-extreme", 500),
    ("hyperdisk-balanced", 4),
    ("hyperdisk-extreme", 64),
    ("hyperdisk-throughput", 2048),
    ("local-ssd", 375),
];

/// The smallest size of a kind; `None` for an unknown kind.
pub fn smallest(kind: &str) -> Option<u64> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, size)| *size)
}

impl Disk {
    /// A small one with nothing on it.
    pub fn empty(key: Key, id: u64, created: Timestamp, user: Option<Key>) -> Self {
        Self {
            key,
            id,
            size_gb: 10,
            kind: "pd-balanced".to_owned(),
            image: None,
            architecture: None,
            licenses: Vec::new(),
            labels: BTreeMap::new(),
            description: None,
            created,
            user,
        }
    }

    pub fn render(&self) -> Value {
        let zone = format!("projects/{}/zones/{}", self.key.project, self.key.zone);
        let mut body = json!({
            "kind": "compute#disk",
            "id": self.id.to_string(),
            "creationTimestamp": format_time(self.created),
            "name": self.key.name,
            "sizeGb": self.size_gb.to_string(),
            "zone": super::link(&zone),
            "status": "READY",
            "type": super::link(&format!("{zone}/diskTypes/{}", self.kind)),
            "labelFingerprint": fingerprints::fingerprint(&json!(self.labels)),
            "physicalBlockSizeBytes": "4096",
            "enableConfidentialCompute": false,
            "selfLink": self.key.link("disks"),
        });
        if let Some(image) = &self.image {
            body["sourceImage"] = image.as_str().into();
        }
        if let Some(architecture) = self.architecture {
            body["architecture"] = architecture.into();
        }
        if let Some(description) = &self.description {
            body["description"] = description.as_str().into();
        }
        if !self.licenses.is_empty() {
            body["licenses"] = json!(self.licenses);
        }
        if !self.labels.is_empty() {
            body["labels"] = json!(self.labels);
        }
        if let Some(user) = &self.user {
            body["users"] = json!([user.link("instances")]);
        }
        body
    }
}

pub fn get(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    find(context.state, call).map(Disk::render)
}

fn find<'s>(state: &'s State, call: &Call) -> Result<&'s Disk, ApiError> {
    let asked = call.parameter("disk");
    let (project, zone) = (call.project(), call.zone());
    let named = state.disks.get(&Key::new(project, zone, asked));
    let by_id = || {
        let mut disks = State::in_zone(&state.disks, project, zone, "");
        disks
            .find(|(_, disk)| disk.id.to_string() == asked)
            .map(|(_, disk)| disk)
    };
    named
        .or_else(by_id)
        .ok_or_else(|| ApiError::not_found(&call.resource()))
}

pub fn delete(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let disk = find(context.state, call)?;
    if let Some(user) = &disk.user {
        return Err(ApiError::disk_in_use(&disk.key.path("disks"), &user.path("instances")));
    }
    let (key, id) = (disk.key.clone(), disk.id);
    let target = Target {
        key: &key,
        collection: "disks",
        id,
    };
    let operation = context.state.begin("delete", &target, Some(call));
    let delay = context.state.controls.delays.change;
    let event = Event::DropDisk {
        disk: key,
        id,
        operation: operation.clone(),
    };
    context.state.schedule_after(delay, event);
    Ok(operation)
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Disk")?;
    let State { disks, controls, .. } = &mut *context.state;
    let rows = State::in_zone(disks, call.project(), call.zone(), "")
        .map(|(key, disk)| (String::new(), key.name.clone(), || disk.render()));
    let page = paging.fill(controls, rows);
    Ok(paging::list(call, "compute#diskList", page))
}

pub fn aggregated_list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let unreachable = context.unreachable(call)?;
    let paging = Paging::of(call, context, "Disk")?;
    let State { disks, controls, .. } = &mut *context.state;
    let rows = disks
        .iter()
        .filter(|(key, _)| key.project == call.project() && !unreachable.contains(&key.zone))
        .map(|(key, disk)| {
            let scope = format!("zones/{}", key.zone);
            (scope, format!("{}/{}", key.zone, key.name), || disk.render())
        });
    let page = paging.fill(controls, rows);
    let kind = "compute#diskAggregatedList";
    Ok(paging::aggregated(
        call,
        kind,
        "disks",
        page,
        zones::scopes(call, true),
        &unreachable,
    ))
}

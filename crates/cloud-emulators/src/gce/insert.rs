//! `instances.insert`: the checks made before it is accepted, and what becomes of it.

use serde_json::{Map, Value, json};

use super::accelerators;
use super::dispatch::Context;
use super::errors::ApiError;
use super::field_rules;
use super::fingerprints;
use super::insert_disks::{self, Attachment};
use super::instance_record::Instance;
use super::instances::{metadata, object};
use super::machine_types::{self, MachineType};
use super::operation_failures::Failure;
use super::operations::Target;
use super::routing::Call;
use super::scheduling;
use super::state::{Key, State};
use super::zones;

/// A VM that may be made.
pub struct Plan {
    pub key: Key,
    machine_type: MachineType,
    body: Map<String, Value>,
    attachments: Vec<Attachment>,
}

pub fn insert(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    if call.query.get("sourceInstanceTemplate").is_some() || call.query.get("sourceMachineImage").is_some() {
        return Err(ApiError::new(
            501,
            "notImplemented",
            "The emulator has no instance templates.",
        ));
    }
    let name = call.body["name"].as_str().unwrap_or_default();
    field_rules::resource_name("resource.name", name, false)?;
    let key = Key::new(call.project(), call.zone(), name);
    if context.state.controls.quota_refused {
        return Err(ApiError::quota_exceeded(zones::region_of(call.zone())));
    }
    let plan = Plan::check(context.state, key, object(&call.body))?;
    Ok(plan.carry_out(context.state, Some(call)))
}

/// Fields of an insert that come back changed, or not at all; all others come back as sent.
const REWRITTEN: &[&str] = &[
    "id",
    "kind",
    "name",
    "zone",
    "selfLink",
    "status",
    "statusMessage",
    "creationTimestamp",
    "labels",
    "labelFingerprint",
    "metadata",
    "tags",
    "disks",
    "networkInterfaces",
    "guestAccelerators",
    "machineType",
    "scheduling",
    "serviceAccounts",
    "params",
    "lastStartTimestamp",
    "lastStopTimestamp",
    "resourceStatus",
    "fingerprint",
];

impl Plan {
    pub fn check(state: &State, key: Key, body: Map<String, Value>) -> Result<Self, ApiError> {
        let body = Value::Object(body);
        if state.instances.contains_key(&key) {
            return Err(ApiError::already_exists(&key.path("instances")));
        }
        let machine_type = machine_type(&key, &body)?;
        field_rules::labels("resource.labels", &body["labels"])?;
        field_rules::metadata("resource.metadata", &body["metadata"])?;
        field_rules::tags(&body["tags"])?;
        let attachments = insert_disks::check(state, &key, &body, &machine_type)?;
        let interfaces = state.networks.attach(&key, &body["networkInterfaces"])?;
        let accelerators = accelerators::check(&key, &body["guestAccelerators"], &machine_type)?;
        let has_accelerators = machine_type.has_accelerators() || accelerators.is_some();
        let scheduling = scheduling::check(&body["scheduling"], has_accelerators)?;
        let accounts = service_accounts(&key, &body["serviceAccounts"])?;

        let mut accepted = object(&body);
        accepted.retain(|name, value| !REWRITTEN.contains(&name.as_str()) && !value.is_null());
        for (name, value) in [
            ("canIpForward", json!(false)),
            ("deletionProtection", json!(false)),
            ("startRestricted", json!(false)),
            ("cpuPlatform", json!(machine_type.platform())),
            (
                "shieldedInstanceConfig",
                json!({
                    "enableSecureBoot": false, "enableVtpm": true, "enableIntegrityMonitoring": true,
                }),
            ),
            (
                "shieldedInstanceIntegrityPolicy",
                json!({"updateAutoLearnPolicy": true}),
            ),
        ] {
            accepted.entry(name).or_insert(value);
        }
        let zone = format!("projects/{}/zones/{}", key.project, key.zone);
        let mut set = |name: &str, value: Value| accepted.insert(name.to_owned(), value);
        set(
            "machineType",
            super::link(&format!("{zone}/machineTypes/{}", machine_type.name)).into(),
        );
        set(
            "disks",
            attachments.iter().map(|attachment| attachment.body.clone()).collect(),
        );
        set("networkInterfaces", interfaces);
        set("scheduling", scheduling);
        set("metadata", metadata(&body["metadata"]["items"]));
        let tags = &body["tags"]["items"];
        let mut tagged = json!({"fingerprint": fingerprints::fingerprint(tags)});
        if !fingerprints::is_empty(tags) {
            tagged["items"] = tags.clone();
        }
        set("tags", tagged);
        set("labelFingerprint", fingerprints::fingerprint(&body["labels"]).into());
        if !fingerprints::is_empty(&body["labels"]) {
            set("labels", body["labels"].clone());
        }
        if let Some(accelerators) = accelerators {
            set("guestAccelerators", accelerators);
        }
        if let Some(accounts) = accounts {
            set("serviceAccounts", accounts);
        }
        set("fingerprint", fingerprints::fingerprint(&body).into());
        Ok(Self {
            key,
            machine_type,
            body: accepted,
            attachments,
        })
    }

    /// Makes the VM, and the disks that come with it. What stands in its way shows later, in the operation.
    pub fn carry_out(self, state: &mut State, call: Option<&Call>) -> Key {
        let id = state.fresh_id();
        let now = state.now();
        let taken = self.attachments.iter().find_map(|attachment| {
            let new = attachment.new.as_ref()?;
            state.disks.contains_key(&new.key).then(|| new.key.path("disks"))
        });
        let failure = match taken {
            Some(disk) => Some(Failure::already_exists(&disk)),
            None => {
                let (key, name) = (&self.key, &self.machine_type.name);
                state.obstacle(key, name).or_else(|| state.take_room(key, name))
            }
        };
        for attachment in self.attachments {
            match attachment.new {
                Some(mut disk) if !state.disks.contains_key(&disk.key) => {
                    disk.id = state.fresh_id();
                    disk.created = now;
                    state.disks.insert(disk.key.clone(), disk);
                }
                Some(_) => {}
                None => {
                    if let Some(disk) = attachment.existing.and_then(|key| state.disks.get_mut(&key)) {
                        disk.user = Some(self.key.clone());
                    }
                }
            }
        }
        let instance = Instance::new(self.key.clone(), id, now, self.body);
        state.instances.insert(self.key.clone(), instance);
        let target = Target {
            key: &self.key,
            collection: "instances",
            id,
        };
        let operation = state.begin("insert", &target, call);
        state.bring_up(&self.key, id, &operation, failure, true);
        operation
    }
}

fn machine_type(key: &Key, body: &Value) -> Result<MachineType, ApiError> {
    let field = "resource.machineType";
    let text = body["machineType"].as_str().unwrap_or_default();
    let (_, rest) = field_rules::referred(field, text, &key.project, "zones/")?;
    let malformed = || ApiError::invalid(field, text, "The URL is malformed.");
    let (zone, name) = rest.split_once("/machineTypes/").ok_or_else(malformed)?;
    if zone != key.zone {
        let why = format!("The machine type must be in the instance's zone, '{}'.", key.zone);
        return Err(ApiError::invalid(field, text, &why));
    }
    machine_types::find(zone, name).ok_or_else(|| {
        let why = format!("Machine type with name '{name}' does not exist in zone '{zone}'.");
        ApiError::invalid(field, text, &why)
    })
}

fn service_accounts(key: &Key, accounts: &Value) -> Result<Option<Value>, ApiError> {
    let Some(accounts) = accounts.as_array().filter(|accounts| !accounts.is_empty()) else {
        return Ok(None);
    };
    let field = "resource.serviceAccounts";
    let [account] = accounts.as_slice() else {
        return Err(ApiError::invalid(
            field,
            "",
            "At most one service account is supported.",
        ));
    };
    let email = account["email"].as_str().unwrap_or("default");
    let email = match email {
        "default" => zones::default_service_account(&key.project),
        named if named.contains('@') => named.to_owned(),
        named => {
            let why = "The service account must be an email address or 'default'.";
            return Err(ApiError::invalid(&format!("{field}[0].email"), named, why));
        }
    };
    let scopes = account["scopes"].as_array().cloned().unwrap_or_default();
    let scope_form = |scope: &Value| {
        scope
            .as_str()
            .is_some_and(|text| text.starts_with("https://www.googleapis.com/auth/"))
    };
    if let Some(scope) = scopes.iter().find(|scope| !scope_form(scope)) {
        let text = scope.as_str().unwrap_or_default();
        return Err(ApiError::invalid(
            &format!("{field}[0].scopes"),
            text,
            "The scope is not a valid OAuth scope.",
        ));
    }
    Ok(Some(json!([{"email": email, "scopes": scopes}])))
}

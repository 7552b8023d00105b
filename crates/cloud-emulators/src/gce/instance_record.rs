//! One VM as the emulator keeps it, and as the API shows it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::fingerprints;
use super::guest_attributes::GuestAttributes;
use super::state::{Key, format_time, mix_bits};

/// The states that this emulator uses. `Terminated` is the API's word for *stopped*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Provisioning,
    Staging,
    Running,
    Stopping,
    Terminated,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Staging => "STAGING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Terminated => "TERMINATED",
        }
    }
}

pub struct Instance {
    pub key: Key,
    pub id: u64,
    pub status: Status,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub stopped: Option<Timestamp>,
    /// When the run limit ends the present run.
    pub expires: Option<Timestamp>,
    /// How often it came to run; an end of a run belongs to one of them.
    pub boots: u32,
    /// The operation at work on it.
    pub work: Option<Key>,
    pub deleting: bool,
    /// What the serial port said.
    pub console: String,
    /// What its guest published.
    pub guest_attributes: GuestAttributes,
    /// The ephemeral address that a test gave it.
    pub public_address: Option<String>,
    /// Whether that address was given to this VM alone.
    pub has_own_address: bool,
    body: Body,
}

/// The rest of the resource, as the API gives it.
enum Body {
    Full(Box<Map<String, Value>>),
    /// A VM from [`super::Emulator::seed_instances`]: 50,000 of them must fit into a test's memory.
    Seeded(BTreeMap<String, String>),
}

impl Instance {
    pub fn new(key: Key, id: u64, created: Timestamp, body: Map<String, Value>) -> Self {
        Self {
            key,
            id,
            status: Status::Provisioning,
            created,
            started: None,
            stopped: None,
            expires: None,
            boots: 0,
            work: None,
            deleting: false,
            console: String::new(),
            guest_attributes: GuestAttributes::new(),
            public_address: None,
            has_own_address: false,
            body: Body::Full(Box::new(body)),
        }
    }

    /// A running VM of the plainest kind.
    pub fn seeded(key: Key, id: u64, created: Timestamp, labels: BTreeMap<String, String>) -> Self {
        Self {
            status: Status::Running,
            started: Some(created),
            boots: 1,
            body: Body::Seeded(labels),
            ..Self::new(key, id, created, Map::new())
        }
    }

    pub fn path(&self) -> String {
        self.key.path("instances")
    }

    pub fn body(&self) -> Cow<'_, Map<String, Value>> {
        match &self.body {
            Body::Full(body) => Cow::Borrowed(body),
            Body::Seeded(labels) => Cow::Owned(seed_body(&self.key, self.id, labels)),
        }
    }

    pub fn body_mut(&mut self) -> &mut Map<String, Value> {
        if let Body::Seeded(labels) = &self.body {
            self.body = Body::Full(Box::new(seed_body(&self.key, self.id, labels)));
        }
        match &mut self.body {
            Body::Full(body) => body,
            Body::Seeded(_) => unreachable!("made full above"),
        }
    }

    pub fn is_protected(&self) -> bool {
        self.body().get("deletionProtection") == Some(&Value::Bool(true))
    }

    pub fn set_labels(&mut self, labels: &Value) {
        let fingerprint = fingerprints::fingerprint(labels);
        let body = self.body_mut();
        body.insert("labelFingerprint".to_owned(), fingerprint.into());
        match labels.as_object().filter(|labels| !labels.is_empty()) {
            Some(_) => body.insert("labels".to_owned(), labels.clone()),
            None => body.remove("labels"),
        };
    }

    /// The address that a VM has while it runs, if it asked for one without naming it.
    pub fn ephemeral_address(&self) -> Option<String> {
        let bits = mix_bits(self.id ^ u64::from(self.boots)).to_be_bytes();
        let alive = matches!(self.status, Status::Staging | Status::Running | Status::Stopping);
        // 198.18.0.0/15 is set apart for tests: nobody is reached by mistake.
        alive.then(|| match &self.public_address {
            Some(address) => address.clone(),
            None => format!("198.{}.{}.{}", 18 + (bits[0] & 1), bits[1], bits[2]),
        })
    }

    /// The resource as `instances.get` answers it.
    pub fn render(&self) -> Value {
        let mut body = self.body().into_owned();
        let zone = format!("projects/{}/zones/{}", self.key.project, self.key.zone);
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("kind", "compute#instance".into());
        set("id", self.id.to_string().into());
        set("creationTimestamp", format_time(self.created).into());
        set("name", self.key.name.as_str().into());
        set("zone", super::link(&zone).into());
        set("selfLink", super::link(&self.path()).into());
        set("status", self.status.as_str().into());
        if let Some(started) = self.started {
            set("lastStartTimestamp", format_time(started).into());
        }
        if let Some(stopped) = self.stopped {
            set("lastStopTimestamp", format_time(stopped).into());
        }
        if let Some(expires) = self.expires {
            let scheduling = json!({"terminationTimestamp": format_time(expires)});
            set("resourceStatus", json!({"scheduling": scheduling}));
        }
        if let Some(address) = self.ephemeral_address() {
            for config in access_configs(&mut body) {
                config.entry("natIP").or_insert_with(|| address.clone().into());
            }
        }
        body.into()
    }
}

/// The access configurations of all its network interfaces.
fn access_configs(body: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let interfaces = body.get_mut("networkInterfaces").and_then(Value::as_array_mut);
    let configs = interfaces
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.get_mut("accessConfigs").and_then(Value::as_array_mut));
    configs.flatten().filter_map(Value::as_object_mut)
}

fn seed_body(key: &Key, id: u64, labels: &BTreeMap<String, String>) -> Map<String, Value> {
    let zone = format!("projects/{}/zones/{}", key.project, key.zone);
    let (region, _) = key.zone.rsplit_once('-').unwrap_or((&key.zone, ""));
    let network = format!("projects/{}/global/networks/default", key.project);
    let subnetwork = format!("projects/{}/regions/{region}/subnetworks/default", key.project);
    let address = mix_bits(id).to_be_bytes();
    let body = json!({
        "machineType": super::link(&format!("{zone}/machineTypes/e2-micro")),
        "cpuPlatform": "Intel Broadwell",
        "canIpForward": false,
        "deletionProtection": false,
        "startRestricted": false,
        "disks": [{
            "kind": "compute#attachedDisk",
            "type": "PERSISTENT",
            "mode": "READ_WRITE",
            "source": super::link(&format!("{zone}/disks/{}", key.name)),
            "deviceName": "persistent-disk-0",
            "index": 0,
            "boot": true,
            "autoDelete": true,
            "interface": "SCSI",
            "diskSizeGb": "10",
            "architecture": "X86_64",
        }],
        "networkInterfaces": [{
            "kind": "compute#networkInterface",
            "name": "nic0",
            "network": super::link(&network),
            "subnetwork": super::link(&subnetwork),
            "networkIP": format!("10.128.{}.{}", address[0], address[1]),
            "fingerprint": fingerprints::fingerprint(&key.name.as_str().into()),
            "stackType": "IPV4_ONLY",
            "accessConfigs": [{
                "kind": "compute#accessConfig",
                "type": "ONE_TO_ONE_NAT",
                "name": "external-nat",
                "networkTier": "PREMIUM",
            }],
        }],
        "scheduling": {
            "onHostMaintenance": "MIGRATE",
            "automaticRestart": true,
            "preemptible": false,
            "provisioningModel": "STANDARD",
        },
        "tags": {"fingerprint": fingerprints::fingerprint(&Value::Null)},
        "metadata": {"kind": "compute#metadata", "fingerprint": fingerprints::fingerprint(&Value::Null)},
        "labels": labels,
        "labelFingerprint": fingerprints::fingerprint(&json!(labels)),
        "fingerprint": fingerprints::fingerprint(&key.name.as_str().into()),
    });
    let mut body = match body {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    if labels.is_empty() {
        body.remove("labels");
    }
    body
}

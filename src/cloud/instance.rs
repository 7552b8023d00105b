//! An instance as every cloud can describe it.
//! Disks, as far as they outlive instances: what costs on after its instance is gone must be known.
//! The fields of an instance by their names in all machine output, for rendering, filtering and sorting alike.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Architecture, Error, ErrorKind, Gpu, InstanceRef, Labels, ProviderKind, Result, quoted};

/// Where an instance is in its life, in words that mean the same on every cloud.
///
/// Compute Engine's `TERMINATED` is [`Stopped`](Self::Stopped) here: its disk is kept and it can be started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstanceState {
    /// Being made, or starting.
    Pending,
    /// Running.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped; can be started again.
    Stopped,
    /// On its way out.
    Terminating,
    /// Gone, although the cloud may still list it for a while.
    Terminated,
    /// In a state that this version does not know; `native_state` has the cloud's word.
    Unknown,
}

impl InstanceState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Terminating,
        Self::Terminated,
        Self::Unknown,
    ];

    /// The state's word in all output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the instance is gone or going, so that its name is free again.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Terminating | Self::Terminated)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for InstanceState {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == input)
            .ok_or_else(|| {
                let all: Vec<_> = Self::ALL.iter().map(|state| state.as_str()).collect();
                Error::invalid(format!("unknown state {}", quoted(input)))
                    .with_hint(format!("use one of {}", all.join(", ")))
            })
    }
}

/// Who ends an instance when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpiryEnforcer {
    /// The cloud itself.
    Cloud,
    /// A timer inside the instance.
    Guest,
    /// Nobody but `terminate --expired`.
    Tag,
}

impl ExpiryEnforcer {
    /// The enforcer's word in all output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Guest => "guest",
            Self::Tag => "tag",
        }
    }
}

/// One instance, as its cloud described it at the moment of asking. `None` is "not known", never "no".
#[derive(Clone, Debug)]
pub struct Instance {
    /// The cloud it is on.
    pub provider: ProviderKind,
    /// The account (EC2) or project (Compute Engine) that owns it.
    pub account: Option<String>,
    /// The region it is in.
    pub region: String,
    /// The zone it is in.
    pub zone: Option<String>,
    /// Its full name for all calls.
    pub reference: InstanceRef,
    /// Its name: cloudctl's own label, else the cloud's notion of a name.
    pub name: Option<String>,
    /// The label that the cloud's own tools show as the name, where names are labels.
    pub name_label: Option<&'static str>,
    /// Its state.
    pub state: InstanceState,
    /// Its state in the cloud's own word.
    pub native_state: String,
    /// Machine type, in the cloud's own word.
    pub machine_type: Option<String>,
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Memory in GiB.
    pub memory_gib: Option<f64>,
    /// Instruction set.
    pub architecture: Option<Architecture>,
    /// The image it was made from, in the cloud's own word.
    pub image: Option<String>,
    /// Whether it runs on spare capacity that the cloud can take back.
    pub spot: bool,
    /// Public IPv4 address.
    pub public_ip: Option<String>,
    /// Private IPv4 address.
    pub private_ip: Option<String>,
    /// The user's own labels; cloudctl's are in the other fields.
    pub labels: Labels,
    /// When it was first made. Starting it again does not change this.
    pub created_at: Option<Timestamp>,
    /// When it will be ended.
    pub expires_at: Option<Timestamp>,
    /// By whom.
    pub expiry_enforcer: Option<ExpiryEnforcer>,
    /// Whether cloudctl made it.
    pub managed: bool,
    /// Whether it is protected against termination; not every listing tells.
    pub protected: Option<bool>,
    /// USD per hour.
    pub price_usd_per_hour: Option<f64>,
    /// The fingerprint of the spec it was made from, if cloudctl made it.
    pub spec_fingerprint: Option<String>,
    /// How long it may live, counted from its creation, as its label says.
    pub ttl: Option<Duration>,
    /// Why its labels of cloudctl's own are not to be believed, if they are not.
    pub label_problem: Option<String>,
    /// Its disks, as far as the listing tells.
    pub disks: Vec<Disk>,
    /// What was made to open ports to it, in the cloud's own word: security groups (EC2), network tags (Compute Engine)
    /// that cloudctl named.
    pub ingress_rules: Vec<String>,
    /// The accelerators that were attached to it, as far as the listing tells; not those that its machine type comes with.
    pub attached_gpu: Option<Gpu>,
    /// Whether it costs something else than a plain machine of its type with Linux: its system has a licence that is
    /// charged for, or it has a host of its own.
    pub has_other_price: bool,
    /// What else it was set up with, by the flags' names: a list of values, each with all the words in which it can be
    /// asked for, the first of which is shown. What the listing does not tell is left out.
    pub setup: BTreeMap<&'static str, Vec<Vec<String>>>,
    /// Which life of its name this is.
    pub generation: Option<u32>,
    /// Why it is in its state, if the cloud says, in the cloud's own code.
    pub state_reason: Option<String>,
    /// What kind of failure that reason is, where the cloud ended the instance and nobody asked for it.
    pub failure: Option<ErrorKind>,
    /// What only this cloud knows of it.
    pub native: serde_json::Value,
}

impl Instance {
    /// The value of a label. [`labels`](Self::labels) leaves out the label that only repeats the name.
    pub fn label(&self, key: &str) -> Option<&String> {
        let is_name = || self.name_label == Some(key);
        self.labels
            .get(key)
            .or_else(|| self.name.as_ref().filter(|_| is_name()))
    }

    /// An instance of which nothing is known but its id and the region or zone that the id is unique in.
    pub fn with_id_only(provider: ProviderKind, place: String, id: String) -> Self {
        Self {
            provider,
            account: None,
            region: place.clone(),
            zone: None,
            reference: InstanceRef {
                provider,
                scope: place,
                id,
                zone: None,
                native_name: None,
            },
            name: None,
            name_label: None,
            state: InstanceState::Unknown,
            native_state: "unknown".to_owned(),
            machine_type: None,
            cpus: None,
            memory_gib: None,
            architecture: None,
            image: None,
            spot: false,
            public_ip: None,
            private_ip: None,
            labels: Labels::new(),
            created_at: None,
            expires_at: None,
            expiry_enforcer: None,
            managed: false,
            protected: None,
            price_usd_per_hour: None,
            spec_fingerprint: None,
            ttl: None,
            label_problem: None,
            disks: Vec::new(),
            ingress_rules: Vec::new(),
            attached_gpu: None,
            has_other_price: false,
            setup: BTreeMap::new(),
            generation: None,
            state_reason: None,
            failure: None,
            native: serde_json::Value::Null,
        }
    }
}

/// A disk that is attached to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The cloud's own word for it: an id on EC2, a name on Compute Engine.
    pub id: String,
    /// Whether the cloud deletes it together with the instance.
    pub deleted_with_instance: bool,
}

/// A disk that is still there although its instance is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanedDisk {
    /// The instance that had it.
    pub instance: InstanceRef,
    /// The cloud's own word for the disk.
    pub id: String,
}

/// One field of an instance. The order is that of the output; fields are only ever added.
#[derive(Clone, Copy, Debug)]
pub struct InstanceField {
    name: &'static str,
    kind: FieldKind,
    read: fn(&Instance) -> Value,
}

/// What a field's values are, where they are known.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// One of some words; the function refuses any other.
    Enum(fn(&str) -> Result<()>),
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A point in time, as text.
    Time,
    /// Something with parts of its own.
    Object,
}

macro_rules! fields {
    ($($name:literal: $kind:expr => $read:expr,)*) => {
        &[$(InstanceField { name: $name, kind: $kind, read: $read },)*]
    };
}

impl InstanceField {
    /// Every field.
    pub const ALL: &'static [Self] = fields! {
        "provider": FieldKind::Enum(is_a::<ProviderKind>) => |instance| json!(instance.provider.as_str()),
        "account": FieldKind::Text => |instance| json!(instance.account),
        "region": FieldKind::Text => |instance| json!(instance.region),
        "zone": FieldKind::Text => |instance| json!(instance.zone),
        "id": FieldKind::Text => |instance| json!(instance.reference.id),
        "ref": FieldKind::Text => |instance| json!(instance.reference.to_string()),
        "name": FieldKind::Text => |instance| json!(instance.name),
        "state": FieldKind::Enum(is_a::<InstanceState>) => |instance| json!(instance.state.as_str()),
        "native_state": FieldKind::Text => |instance| json!(instance.native_state),
        "machine_type": FieldKind::Text => |instance| json!(instance.machine_type),
        "cpus": FieldKind::Number => |instance| json!(instance.cpus),
        "memory_gib": FieldKind::Number => |instance| json!(instance.memory_gib),
        "architecture": FieldKind::Enum(is_a::<Architecture>) => |instance| json!(instance.architecture.map(|architecture| architecture.as_str())),
        "image": FieldKind::Text => |instance| json!(instance.image),
        "spot": FieldKind::Bool => |instance| json!(instance.spot),
        "public_ip": FieldKind::Text => |instance| json!(instance.public_ip),
        "private_ip": FieldKind::Text => |instance| json!(instance.private_ip),
        "labels": FieldKind::Object => |instance| json!(instance.labels),
        "created_at": FieldKind::Time => |instance| json!(instance.created_at.map(whole_seconds)),
        "expires_at": FieldKind::Time => |instance| json!(instance.expires_at.map(whole_seconds)),
        "expiry_enforcer": FieldKind::Text => |instance| json!(instance.expiry_enforcer.map(|enforcer| enforcer.as_str())),
        "managed": FieldKind::Bool => |instance| json!(instance.managed),
        "protected": FieldKind::Bool => |instance| json!(instance.protected),
        "price_usd_per_hour": FieldKind::Number => |instance| json!(instance.price_usd_per_hour),
        "native": FieldKind::Object => |instance| instance.native.clone(),
    };

    /// The field's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What its values are.
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// The field's value; null where unknown.
    pub fn value(&self, instance: &Instance) -> Value {
        (self.read)(instance)
    }
}

fn is_a<T: FromStr<Err: Into<Error>>>(word: &str) -> Result<()> {
    word.parse::<T>().map(drop).map_err(Into::into)
}

/// Sub-second digits differ between clouds and help nobody.
fn whole_seconds(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

impl FromStr for InstanceField {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|field| field.name == input);
        found
            .copied()
            .ok_or_else(|| Error::invalid(format!("unknown field {}", quoted(input))))
    }
}
/// What a user types to mean an instance: a name, an id, or `provider/scope/name-or-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceQuery {
    /// The cloud and the region or zone, if said.
    pub scope: Option<(ProviderKind, String)>,
    /// A name or an id.
    pub name_or_id: String,
}

impl InstanceQuery {
    /// Whether the query means that instance.
    pub fn matches(&self, instance: &Instance) -> bool {
        let scope_fits = self.scope.as_ref().is_none_or(|(provider, place)| {
            instance.provider == *provider
                && (*place == instance.reference.scope
                    || *place == instance.region
                    || instance.zone.as_ref() == Some(place))
        });
        scope_fits && (instance.reference.id == self.name_or_id || instance.name.as_ref() == Some(&self.name_or_id))
    }
}

impl FromStr for InstanceQuery {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let parts: Vec<&str> = input.split('/').collect();
        let (scope, name_or_id) = match parts.as_slice() {
            [only] => (None, *only),
            [provider, place, last] => (Some((provider.parse()?, (*place).to_owned())), *last),
            _ => (None, ""),
        };
        let place_missing = scope.as_ref().is_some_and(|(_, place): &(_, String)| place.is_empty());
        if name_or_id.trim().is_empty() || place_missing || input.chars().any(char::is_control) {
            return Err(Error::invalid(format!("invalid instance reference {}", quoted(input)))
                .with_hint("give a name, an id, or provider/region/id as `cloudctl list -o ref` prints it"));
        }
        Ok(Self {
            scope,
            name_or_id: name_or_id.to_owned(),
        })
    }
}

impl fmt::Display for InstanceQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some((provider, place)) => write!(formatter, "{provider}/{place}/{}", self.name_or_id),
            None => formatter.write_str(&self.name_or_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_prints_what_it_reads() {
        for text in [
            "web-1",
            "i-0ab12cd34",
            "aws/us-east-1/i-0ab12cd34",
            "gcp/us-central1-a/123",
        ] {
            assert_eq!(text.parse::<InstanceQuery>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn query_refuses_other_text() {
        for text in [
            "",
            " ",
            "aws/us-east-1",
            "aws/us-east-1/",
            "aws//i-1",
            "azure/x/y",
            "a/b/c/d",
            "a\u{1b}b",
        ] {
            assert!(text.parse::<InstanceQuery>().is_err(), "{text:?}");
        }
    }
}

//! An instance as every cloud can describe it: its state, its disks, its fields by name, and the query that users type to
//! mean one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Architecture, Error, ErrorKind, Glob, Gpu, InstanceRef, Labels, ProviderKind, Result, quoted, word_enum};

word_enum! {
    /// The state of an instance, in words that mean the same on every cloud.
    ///
    /// Compute Engine's `TERMINATED` is [`Stopped`](Self::Stopped) here: its disk is kept and it can be started again.
    pub enum InstanceState {
        /// Being created, or starting.
        Pending = "pending",
        /// Running.
        Running = "running",
        /// Being stopped.
        Stopping = "stopping",
        /// Stopped; can be started again.
        Stopped = "stopped",
        /// Being terminated.
        Terminating = "terminating",
        /// Gone, although the cloud may still list it for a while.
        Terminated = "terminated",
        /// A state that this version does not know; `native_state` has the cloud's word.
        Unknown = "unknown",
    }
}

impl InstanceState {
    /// Whether the instance is terminated or being terminated, so that its name is free again.
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

word_enum! {
    /// What terminates an instance when its TTL is over.
    pub enum ExpiryEnforcer {
        /// The cloud itself.
        Cloud = "cloud",
        /// A timer inside the instance.
        Guest = "guest",
        /// Only `terminate --expired`.
        Tag = "tag",
    }
}

/// One instance, as its cloud described it at the time of the call. `None` means "not known", never "no".
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
    /// Its exact identity.
    pub reference: InstanceRef,
    /// Its name: cloudctl's own label, else the cloud's own name.
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
    /// The image it was created from, in the cloud's own word.
    pub image: Option<String>,
    /// Whether it is a spot instance: it runs on spare capacity that the cloud can take back.
    pub spot: bool,
    /// Public IPv4 address.
    pub public_ip: Option<String>,
    /// Private IPv4 address.
    pub private_ip: Option<String>,
    /// The user's own labels; cloudctl's are in the other fields.
    pub labels: Labels,
    /// How many labels of cloudctl's own it has. They count towards the cloud's limit.
    pub management_label_count: usize,
    /// Whether the instance itself can read its labels, which limits the characters of their keys (EC2).
    pub guest_reads_labels: bool,
    /// When it was created. Starting it again does not change this.
    pub created_at: Option<Timestamp>,
    /// When its TTL is over.
    pub expires_at: Option<Timestamp>,
    /// What terminates it then.
    pub expiry_enforcer: Option<ExpiryEnforcer>,
    /// Whether cloudctl created it, as its verified management labels say.
    pub managed: bool,
    /// Whether it is protected against termination; not every listing says it.
    pub protected: Option<bool>,
    /// USD per hour.
    pub price_usd_per_hour: Option<f64>,
    /// The fingerprint of the spec it was created from, if cloudctl created it.
    pub spec_fingerprint: Option<String>,
    /// How long it may live, counted from its creation, as its label says.
    pub ttl: Option<Duration>,
    /// The problem with its management labels: why cloudctl does not trust them.
    pub label_problem: Option<String>,
    /// Its disks, as far as the listing has them.
    pub disks: Vec<Disk>,
    /// The ingress rules that cloudctl created for it, in the cloud's own word: security groups (EC2), network tags
    /// (Compute Engine).
    pub ingress_rules: Vec<String>,
    /// The accelerators that were attached to it, as far as the listing has them. Those of its machine type are not among
    /// them.
    pub attached_gpu: Option<Gpu>,
    /// Whether its price differs from that of its machine type with Linux: its system has a licence fee, or it has a
    /// dedicated host.
    pub has_other_price: bool,
    /// The rest of its configuration, as far as the listing has it.
    pub setup: InstanceSetup,
    /// The generation of its name.
    pub generation: Option<u32>,
    /// The digest of the command that it was created to run.
    pub run_id: Option<String>,
    /// The reason for its state in the cloud's own code, if the cloud gives one.
    pub state_reason: Option<String>,
    /// The kind of failure, if the cloud terminated the instance without a request.
    pub failure: Option<ErrorKind>,
    /// Fields that only this cloud has.
    pub native: serde_json::Value,
}

/// The configuration of an instance by the flags' names, with the values of each flag.
pub type InstanceSetup = BTreeMap<&'static str, Vec<SetupValue>>;

/// A value of a flag, in all its spellings: the first is shown, all are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct SetupValue {
    /// The spellings, such as the name and the id of a security group.
    pub spellings: Vec<String>,
}

impl SetupValue {
    /// A value with one spelling.
    pub fn new(spelling: impl Into<String>) -> Self {
        Self {
            spellings: vec![spelling.into()],
        }
    }

    /// A value with the spellings that are known.
    pub fn from_known<'a>(spellings: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        Self {
            spellings: spellings.into_iter().flatten().map(str::to_owned).collect(),
        }
    }
}

impl Instance {
    /// The value of a label. It also finds the label that repeats the name, which [`labels`](Self::labels) leaves out.
    pub fn label(&self, key: &str) -> Option<&String> {
        match self.labels.get(key) {
            None if self.name_label == Some(key) => self.name.as_ref(),
            value => value,
        }
    }

    /// The same instance as a later listing shows it; itself if it is not listed. Keeps what a listing may not tell: the data
    /// of its machine type, and its protection.
    #[must_use]
    pub fn updated_from(self, listed: &[Self]) -> Self {
        let Some(latest) = listed.iter().find(|latest| latest.reference == self.reference) else {
            return self;
        };
        let mut latest = latest.clone();
        latest.protected = latest.protected.or(self.protected);
        if latest.machine_type == self.machine_type {
            latest.cpus = latest.cpus.or(self.cpus);
            latest.memory_gib = latest.memory_gib.or(self.memory_gib);
            latest.architecture = latest.architecture.or(self.architecture);
        }
        latest
    }

    /// Creates an instance with nothing but its id and its scope: the region or zone that the id is unique in.
    pub fn with_id_only(provider: ProviderKind, scope: String, id: String) -> Self {
        Self {
            provider,
            account: None,
            region: scope.clone(),
            zone: None,
            reference: InstanceRef {
                provider,
                scope,
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
            management_label_count: 0,
            guest_reads_labels: false,
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
            setup: InstanceSetup::new(),
            generation: None,
            run_id: None,
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
    /// Whether the cloud deletes it with the instance.
    pub deleted_with_instance: bool,
}

/// A disk that is still there although its instance is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanedDisk {
    /// The instance it belonged to.
    pub instance: InstanceRef,
    /// The cloud's own word for the disk.
    pub id: String,
}

/// One field of an instance, by its name in output, filters and sort orders.
#[derive(Clone, Copy, Debug)]
pub struct InstanceField {
    name: &'static str,
    kind: FieldKind,
    read: fn(&Instance) -> Value,
}

/// The type of a field's values.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// One of a fixed set of words. The function refuses all others.
    Enum(fn(&str) -> Result<()>),
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A point in time, as text.
    Time,
    /// An object with keys of its own.
    Object,
}

macro_rules! fields {
    ($($name:literal: $kind:expr => $read:expr,)*) => {
        &[$(InstanceField { name: $name, kind: $kind, read: $read },)*]
    };
}

impl InstanceField {
    /// Every field, in the order of the output. Fields are only added, never removed.
    pub const ALL: &'static [Self] = fields! {
        "provider": FieldKind::Enum(check_word::<ProviderKind>) => |instance| json!(instance.provider.as_str()),
        "account": FieldKind::Text => |instance| json!(instance.account),
        "region": FieldKind::Text => |instance| json!(instance.region),
        "zone": FieldKind::Text => |instance| json!(instance.zone),
        "id": FieldKind::Text => |instance| json!(instance.reference.id),
        "ref": FieldKind::Text => |instance| json!(instance.reference.to_string()),
        "name": FieldKind::Text => |instance| json!(instance.name),
        "state": FieldKind::Enum(check_word::<InstanceState>) => |instance| json!(instance.state.as_str()),
        "native_state": FieldKind::Text => |instance| json!(instance.native_state),
        "machine_type": FieldKind::Text => |instance| json!(instance.machine_type),
        "cpus": FieldKind::Number => |instance| json!(instance.cpus),
        "memory_gib": FieldKind::Number => |instance| json!(instance.memory_gib),
        "architecture": FieldKind::Enum(check_word::<Architecture>) => |instance| json!(instance.architecture.map(|architecture| architecture.as_str())),
        "image": FieldKind::Text => |instance| json!(instance.image),
        "spot": FieldKind::Bool => |instance| json!(instance.spot),
        "public_ip": FieldKind::Text => |instance| json!(instance.public_ip),
        "private_ip": FieldKind::Text => |instance| json!(instance.private_ip),
        "labels": FieldKind::Object => |instance| json!(instance.labels),
        "created_at": FieldKind::Time => |instance| json!(instance.created_at.map(format_whole_seconds)),
        "expires_at": FieldKind::Time => |instance| json!(instance.expires_at.map(format_whole_seconds)),
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

    /// The type of its values.
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// The field's value; null where unknown.
    pub fn value(&self, instance: &Instance) -> Value {
        (self.read)(instance)
    }
}

fn check_word<T: FromStr<Err: Into<Error>>>(word: &str) -> Result<()> {
    word.parse::<T>().map(drop).map_err(Into::into)
}

/// Formats a time without fractions of a second, which differ between clouds.
fn format_whole_seconds(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

impl FromStr for InstanceField {
    type Err = Error;

    /// Takes the name of a field, or a word of [`FIELD_WORDS`].
    fn from_str(input: &str) -> Result<Self> {
        let word = normalize_field_word(input);
        let name = match FIELD_WORDS.iter().find(|(other, _)| *other == word) {
            Some((_, name)) => name,
            None => word.as_str(),
        };
        let found = Self::ALL.iter().find(|field| field.name == name);
        found
            .copied()
            .ok_or_else(|| Error::invalid(format!("unknown field {}", quoted(input))))
    }
}

/// Words for fields beside their names: short ones, and headers of tables that differ from the name.
pub const FIELD_WORDS: [(&str, &str); 10] = [
    ("arch", "architecture"),
    ("ends_by", "expiry_enforcer"),
    ("expires", "expires_at"),
    ("gib", "memory_gib"),
    ("ip", "public_ip"),
    ("memory", "memory_gib"),
    ("ours", "managed"),
    ("price", "price_usd_per_hour"),
    ("type", "machine_type"),
    ("usd/h", "price_usd_per_hour"),
];

/// Formats a word for a field as names of fields are written: in lower case, with underscores for spaces and hyphens.
pub fn normalize_field_word(word: &str) -> String {
    word.trim().to_lowercase().replace([' ', '-'], "_")
}

/// What a user types to mean instances: `[provider/scope/]` and then a name, an id, or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceQuery {
    /// The cloud and the region or zone, if given.
    pub scope: Option<(ProviderKind, String)>,
    /// What is looked for there.
    pub name: QueriedName,
}

/// The last part of an [`InstanceQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueriedName {
    /// The name or the id of one instance.
    NameOrId(String),
    /// A pattern of names, such as `web-*`. It means every instance whose name matches.
    Glob(Glob),
}

impl InstanceQuery {
    /// Whether the query is a pattern, and can mean any number of instances.
    pub fn is_glob(&self) -> bool {
        matches!(self.name, QueriedName::Glob(_))
    }

    /// Whether the query is the id of this instance.
    pub fn is_id_of(&self, instance: &Instance) -> bool {
        match &self.name {
            QueriedName::NameOrId(text) => *text == instance.reference.id,
            QueriedName::Glob(_) => false,
        }
    }

    /// Whether the query means this instance.
    pub fn matches(&self, instance: &Instance) -> bool {
        let scope_matches = self.scope.as_ref().is_none_or(|(provider, scope)| {
            instance.provider == *provider
                && (*scope == instance.reference.scope
                    || *scope == instance.region
                    || instance.zone.as_ref() == Some(scope))
        });
        scope_matches
            && match &self.name {
                QueriedName::NameOrId(text) => instance.reference.id == *text || instance.name.as_ref() == Some(text),
                QueriedName::Glob(glob) => instance.name.as_ref().is_some_and(|name| glob.matches(name)),
            }
    }
}

impl FromStr for InstanceQuery {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let parts: Vec<&str> = input.split('/').collect();
        let (scope, last) = match parts.as_slice() {
            [only] => (None, *only),
            [provider, scope, last] => (Some((provider.parse()?, (*scope).to_owned())), *last),
            _ => (None, ""),
        };
        let scope_is_empty = scope.as_ref().is_some_and(|(_, scope): &(_, String)| scope.is_empty());
        if last.trim().is_empty() || scope_is_empty || input.chars().any(char::is_control) {
            return Err(Error::invalid(format!("invalid instance reference {}", quoted(input)))
                .with_hint("give a name, an id, or provider/region/id as `cloudctl list -o ref` prints it"));
        }
        let name = match Glob::is_pattern(last) {
            true => QueriedName::Glob(Glob::new(last)),
            false => QueriedName::NameOrId(last.to_owned()),
        };
        Ok(Self { scope, name })
    }
}

impl fmt::Display for InstanceQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((provider, scope)) = &self.scope {
            write!(formatter, "{provider}/{scope}/")?;
        }
        match &self.name {
            QueriedName::NameOrId(text) => formatter.write_str(text),
            QueriedName::Glob(glob) => write!(formatter, "{glob}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_prints_what_it_parses() {
        for text in [
            "web-1",
            "i-0ab12cd34",
            "aws/us-east-1/i-0ab12cd34",
            "gcp/us-central1-a/123",
            "web-*",
            "aws/us-east-1/web-?",
        ] {
            assert_eq!(text.parse::<InstanceQuery>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn query_refuses_malformed_text() {
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

//! The fields of an instance by their names in all machine output, for rendering, filtering and sorting alike.

use std::str::FromStr;

use serde_json::{Value, json};

use super::{Architecture, Error, Instance, InstanceState, ProviderKind, Result, quoted};

/// One field of an instance. The order is that of the output; fields are only ever added.
#[derive(Clone, Copy, Debug)]
pub struct Field {
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
    Word(fn(&str) -> Result<()>),
    /// A number.
    Number,
    /// True or false.
    Truth,
    /// A point in time, as text.
    Time,
    /// Something with parts of its own.
    Structure,
}

macro_rules! fields {
    ($($name:literal: $kind:expr => $read:expr,)*) => {
        &[$(Field { name: $name, kind: $kind, read: $read },)*]
    };
}

impl Field {
    /// Every field.
    pub const ALL: &'static [Self] = fields! {
        "provider": FieldKind::Word(is_a::<ProviderKind>) => |instance| json!(instance.provider.as_str()),
        "account": FieldKind::Text => |instance| json!(instance.account),
        "region": FieldKind::Text => |instance| json!(instance.region),
        "zone": FieldKind::Text => |instance| json!(instance.zone),
        "id": FieldKind::Text => |instance| json!(instance.reference.id),
        "ref": FieldKind::Text => |instance| json!(instance.reference.to_string()),
        "name": FieldKind::Text => |instance| json!(instance.name),
        "state": FieldKind::Word(is_a::<InstanceState>) => |instance| json!(instance.state.as_str()),
        "native_state": FieldKind::Text => |instance| json!(instance.native_state),
        "machine_type": FieldKind::Text => |instance| json!(instance.machine_type),
        "cpus": FieldKind::Number => |instance| json!(instance.cpus),
        "memory_gib": FieldKind::Number => |instance| json!(instance.memory_gib),
        "architecture": FieldKind::Word(is_a::<Architecture>) => |instance| json!(instance.architecture.map(|architecture| architecture.as_str())),
        "image": FieldKind::Text => |instance| json!(instance.image),
        "spot": FieldKind::Truth => |instance| json!(instance.spot),
        "public_ip": FieldKind::Text => |instance| json!(instance.public_ip),
        "private_ip": FieldKind::Text => |instance| json!(instance.private_ip),
        "labels": FieldKind::Structure => |instance| json!(instance.labels),
        "created_at": FieldKind::Time => |instance| json!(instance.created_at.map(whole_seconds)),
        "expires_at": FieldKind::Time => |instance| json!(instance.expires_at.map(whole_seconds)),
        "expiry_enforcer": FieldKind::Text => |instance| json!(instance.expiry_enforcer.map(|enforcer| enforcer.as_str())),
        "managed": FieldKind::Truth => |instance| json!(instance.managed),
        "protected": FieldKind::Truth => |instance| json!(instance.protected),
        "price_usd_per_hour": FieldKind::Number => |instance| json!(instance.price_usd_per_hour),
        "native": FieldKind::Structure => |instance| instance.native.clone(),
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

fn is_a<T: FromStr<Err = Error>>(word: &str) -> Result<()> {
    word.parse::<T>().map(drop)
}

/// Sub-second digits differ between clouds and help nobody.
fn whole_seconds(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

impl FromStr for Field {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|field| field.name == input);
        found
            .copied()
            .ok_or_else(|| Error::invalid(format!("unknown field {}", quoted(input))))
    }
}

//! The fields of an instance by their names in all machine output, for rendering, filtering and sorting alike.

use std::str::FromStr;

use serde_json::{Value, json};

use super::{Error, Instance, Result};

/// One field of an instance. The order is that of the output; fields are only ever added.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    read: fn(&Instance) -> Value,
}

macro_rules! fields {
    ($($name:literal => $read:expr,)*) => {
        &[$(Field { name: $name, read: $read },)*]
    };
}

impl Field {
    /// Every field.
    pub const ALL: &'static [Self] = fields! {
        "provider" => |instance| json!(instance.provider.as_str()),
        "account" => |instance| json!(instance.account),
        "region" => |instance| json!(instance.region),
        "zone" => |instance| json!(instance.zone),
        "id" => |instance| json!(instance.reference.id),
        "ref" => |instance| json!(instance.reference.to_string()),
        "name" => |instance| json!(instance.name),
        "state" => |instance| json!(instance.state.as_str()),
        "native_state" => |instance| json!(instance.native_state),
        "machine_type" => |instance| json!(instance.machine_type),
        "cpus" => |instance| json!(instance.cpus),
        "memory_gib" => |instance| json!(instance.memory_gib),
        "architecture" => |instance| json!(instance.architecture.map(|architecture| architecture.as_str())),
        "image" => |instance| json!(instance.image),
        "spot" => |instance| json!(instance.spot),
        "public_ip" => |instance| json!(instance.public_ip),
        "private_ip" => |instance| json!(instance.private_ip),
        "labels" => |instance| json!(instance.labels),
        "created_at" => |instance| json!(instance.created_at.map(whole_seconds)),
        "expires_at" => |instance| json!(instance.expires_at.map(whole_seconds)),
        "expiry_enforcer" => |instance| json!(instance.expiry_enforcer.map(|enforcer| enforcer.as_str())),
        "managed" => |instance| json!(instance.managed),
        "protected" => |instance| json!(instance.protected),
        "price_usd_per_hour" => |instance| json!(instance.price_usd_per_hour),
        "native" => |instance| instance.native.clone(),
    };

    /// The field's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The field's value; null where unknown.
    pub fn value(&self, instance: &Instance) -> Value {
        (self.read)(instance)
    }
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
        Self::ALL
            .iter()
            .find(|field| field.name == input)
            .copied()
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(Self::name).collect();
                Error::invalid(format!("unknown field {input:?}"))
                    .with_remedy(format!("use one of {}", names.join(", ")))
            })
    }
}

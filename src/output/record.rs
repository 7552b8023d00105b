//! What commands give to be shown: records of named values, whatever they describe.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::hints::hint_for;
use crate::cloud::{
    Area, CloudInfo, CloudInfos, Error, Identity, Image, Instance, InstanceField, LaunchPreview, ProviderKind,
    format_duration,
};

/// The fields of an error entry, in order.
pub(super) const ERROR_FIELDS: [&str; 8] = [
    "location",
    "kind",
    "code",
    "request_id",
    "message",
    "hint",
    "leftover",
    "leftovers",
];

/// One result: its fields by name, in the order they are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Record(Vec<(&'static str, Value)>);

impl Record {
    /// A record of these fields.
    pub fn new(fields: Vec<(&'static str, Value)>) -> Self {
        Self(fields)
    }

    /// The value of a field; null if there is none of that name.
    pub fn get(&self, name: &str) -> &Value {
        self.0
            .iter()
            .find(|(field, _)| *field == name)
            .map_or(&Value::Null, |(_, value)| value)
    }

    /// The fields in order.
    pub fn fields(&self) -> &[(&'static str, Value)] {
        &self.0
    }

    /// Who is asking, of one cloud.
    pub fn from_identity(kind: ProviderKind, identity: &Identity) -> Self {
        Self(vec![
            ("provider", json!(kind.as_str())),
            ("account", json!(identity.account)),
            ("principal", json!(identity.principal)),
        ])
    }

    /// What an image alias means in a region, and who logs in to what is made from it.
    pub fn from_image(image: &Image, region: &str, login_user: Option<&str>) -> Self {
        Self(vec![
            ("provider", json!(image.provider.as_str())),
            ("region", json!(region)),
            ("alias", json!(image.alias)),
            ("architecture", json!(image.architecture.as_str())),
            ("login_user", json!(login_user)),
            ("id", json!(image.id)),
            ("name", json!(image.name)),
            ("disk_gib", json!(image.disk_gib)),
            ("created_at", json!(image.created_at.map(|time| time.to_string()))),
        ])
    }

    /// A region.
    pub fn from_region(cloud: &CloudInfo, name: &str) -> Self {
        Self(vec![
            ("provider", json!(cloud.kind.as_str())),
            ("name", json!(name)),
            ("area", json!((cloud.area_of)(name).map(Area::as_str))),
        ])
    }

    /// The fields of an error entry.
    pub fn from_error(error: &Error, infos: Option<CloudInfos>) -> Self {
        let values = [
            json!(error.location().map(ToString::to_string)),
            json!(error.kind().as_str()),
            json!(error.code()),
            json!(error.request_id()),
            json!(error.message()),
            json!(hint_for(error, infos)),
            json!(error.leftovers().first().map(ToString::to_string)),
            json!(error.leftovers().iter().map(ToString::to_string).collect::<Vec<_>>()),
        ];
        Self(ERROR_FIELDS.into_iter().zip(values).collect())
    }
}

impl From<&Instance> for Record {
    fn from(instance: &Instance) -> Self {
        Self(
            InstanceField::ALL
                .iter()
                .map(|field| (field.name(), field.value(instance)))
                .collect(),
        )
    }
}

impl From<&LaunchPreview> for Record {
    fn from(plan: &LaunchPreview) -> Self {
        Self(vec![
            ("provider", json!(plan.provider.as_str())),
            ("name", json!(plan.name.as_str())),
            ("region", json!(plan.location.region)),
            ("zone", json!(plan.location.zone)),
            ("machine_type", json!(plan.machine_type)),
            ("cpus", json!(plan.cpus)),
            ("memory_gib", json!(plan.memory_gib)),
            ("gpu", json!(plan.gpu.as_ref().map(ToString::to_string))),
            (
                "architecture",
                json!(plan.architecture.map(|architecture| architecture.as_str())),
            ),
            ("image", json!(plan.image)),
            ("image_name", json!(plan.image_name)),
            ("disk_gib", json!(plan.disk_gib)),
            ("disk_type", json!(plan.disk_type)),
            ("spot", json!(plan.spot)),
            ("price_usd_per_hour", json!(plan.price_usd_per_hour)),
            ("ttl", json!(plan.ttl.map(format_duration))),
            ("price_usd_for_ttl", json!(plan.cost_for_ttl())),
        ])
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The result of a command: what there is, and what went wrong beside it.
#[derive(Debug, Default)]
pub struct Report {
    /// The results.
    pub items: Vec<Record>,
    /// The failures and gaps.
    pub errors: Vec<Error>,
}

impl Report {
    /// A report on instances.
    pub fn from_instances(instances: &[Instance], errors: Vec<Error>) -> Self {
        Self {
            items: instances.iter().map(Record::from).collect(),
            errors,
        }
    }
}

//! Records of named values, which commands give to the printer, and reports of records and errors.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::columns::{COMPARED, PRICE_NOTE, PRICE_PER_MONTH};
use super::hints::hint_for;
use crate::cloud::{
    Area, CloudInfo, CloudInfos, Error, Identity, Image, Instance, InstanceField, LaunchPreview, ProviderKind,
    format_duration,
};

/// One result: its fields by name, in the order of the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    fields: Vec<(&'static str, Value)>,
    /// Fields that only tables show.
    table_fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// Creates a record with these fields.
    pub fn new(fields: Vec<(&'static str, Value)>) -> Self {
        Self {
            fields,
            table_fields: Vec::new(),
        }
    }

    /// Adds the text of the column that marks the cheapest. Machine formats do not have it.
    pub fn with_comparison(mut self, text: &str) -> Self {
        self.table_fields.push((COMPARED, json!(text)));
        self
    }

    /// Adds what the page of `describe` says beside the price per hour: the price per month in USD, or why no price is
    /// known. Machine formats do not have it.
    pub fn with_price_details(mut self, per_month: Option<f64>, note: Option<&str>) -> Self {
        self.table_fields.push((PRICE_PER_MONTH, json!(per_month)));
        self.table_fields.push((PRICE_NOTE, json!(note)));
        self
    }

    /// The value of a field; null if the record does not have it.
    pub fn get(&self, name: &str) -> &Value {
        let mut fields = self.fields.iter().chain(&self.table_fields);
        match fields.find(|(field, _)| *field == name) {
            Some((_, value)) => value,
            None => &Value::Null,
        }
    }

    /// The fields in order.
    pub fn fields(&self) -> &[(&'static str, Value)] {
        &self.fields
    }

    /// Puts fields behind the others.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<(&'static str, Value)>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Puts a field before the others.
    #[must_use]
    pub fn with_first_field(mut self, name: &'static str, value: Value) -> Self {
        self.fields.insert(0, (name, value));
        self
    }

    /// The record of an identity.
    pub fn from_identity(kind: ProviderKind, identity: &Identity) -> Self {
        Self::new(vec![
            ("provider", json!(kind.as_str())),
            ("account", json!(identity.account)),
            ("principal", json!(identity.principal)),
        ])
    }

    /// The record of an image in a region, with the login user of its instances.
    pub fn from_image(image: &Image, region: &str, login_user: Option<&str>) -> Self {
        Self::new(vec![
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

    /// The record of a region.
    pub fn from_region(cloud: &CloudInfo, name: &str) -> Self {
        Self::new(vec![
            ("provider", json!(cloud.kind.as_str())),
            ("name", json!(name)),
            ("area", json!((cloud.area_of)(name).map(Area::as_str))),
        ])
    }

    /// The record of an error.
    pub fn from_error(error: &Error, infos: Option<CloudInfos>) -> Self {
        let leftovers: Vec<_> = error.leftovers().iter().map(ToString::to_string).collect();
        Self::new(vec![
            ("location", json!(error.location().map(ToString::to_string))),
            ("kind", json!(error.kind().as_str())),
            ("code", json!(error.code())),
            ("request_id", json!(error.request_id())),
            ("message", json!(error.message())),
            ("hint", json!(hint_for(error, infos))),
            ("leftover", json!(leftovers.first())),
            ("leftovers", json!(leftovers)),
        ])
    }
}

impl From<&Instance> for Record {
    fn from(instance: &Instance) -> Self {
        let fields = InstanceField::ALL.iter();
        Self::new(fields.map(|field| (field.name(), field.value(instance))).collect())
    }
}

impl From<&LaunchPreview> for Record {
    fn from(preview: &LaunchPreview) -> Self {
        Self::new(vec![
            ("provider", json!(preview.provider.as_str())),
            ("name", json!(preview.name.as_str())),
            ("region", json!(preview.location.region)),
            ("zone", json!(preview.location.zone)),
            ("machine_type", json!(preview.machine_type)),
            ("cpus", json!(preview.cpus)),
            ("memory_gib", json!(preview.memory_gib)),
            ("gpu", json!(preview.gpu.as_ref().map(ToString::to_string))),
            (
                "architecture",
                json!(preview.architecture.map(|architecture| architecture.as_str())),
            ),
            ("image", json!(preview.image)),
            ("image_name", json!(preview.image_name)),
            ("disk_gib", json!(preview.disk_gib)),
            ("disk_type", json!(preview.disk_type)),
            ("spot", json!(preview.spot)),
            ("price_usd_per_hour", json!(preview.price_usd_per_hour)),
            ("ttl", json!(preview.ttl.map(format_duration))),
            ("price_usd_for_ttl", json!(preview.cost_for_ttl())),
        ])
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The result of a command: records and errors.
#[derive(Debug, Default)]
pub struct Report {
    /// The results.
    pub items: Vec<Record>,
    /// The errors and gaps.
    pub errors: Vec<Error>,
}

impl Report {
    /// Creates a report on instances.
    pub fn from_instances(instances: &[Instance], errors: Vec<Error>) -> Self {
        Self {
            items: instances.iter().map(Record::from).collect(),
            errors,
        }
    }
}

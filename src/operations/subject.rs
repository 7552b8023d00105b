//! What filters and orders look at.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::cloud::{Error, Field, Instance, Result, check_selectable, likely};

/// A field by its name, a label as `label.KEY`, or the age.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Field(Field),
    Label(String),
    Age,
}

impl Subject {
    /// Whether it is the field of that name.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Field(field) if field.name() == name)
    }

    /// Its value; null where unknown. An age is in whole seconds.
    pub(super) fn value(&self, instance: &Instance, now: Timestamp) -> Value {
        match self {
            Self::Field(field) => field.value(instance),
            Self::Label(key) => instance
                .label(key)
                .map_or(Value::Null, |value| Value::from(value.as_str())),
            Self::Age => instance.created_at.map_or(Value::Null, |created| {
                Value::from(now.as_second() - created.as_second())
            }),
        }
    }
}

impl FromStr for Subject {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.strip_prefix("label.") {
            Some(key) => check_selectable(key).map(|()| Self::Label(key.to_owned())),
            None if name == "age" => Ok(Self::Age),
            None => name.parse().map(Self::Field).map_err(|error: Error| {
                let names = || Field::ALL.iter().map(Field::name);
                let meant = match name.strip_prefix("labels.") {
                    Some(key) => Some(format!("label.{key}")),
                    None => likely(name, names()).map(str::to_owned),
                };
                let names: Vec<_> = names().collect();
                let known = format!("{}, age or label.KEY", names.join(", "));
                error.with_remedy(match meant {
                    Some(meant) => format!("did you mean {meant}? There are {known}"),
                    None => format!("use one of {known}"),
                })
            }),
        }
    }
}

/// The text of a value that is not a structure; nothing if it is unknown.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

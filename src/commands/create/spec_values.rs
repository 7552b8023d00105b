//! Values of a spec file that are more than text and numbers: how they are read, and what a schema says of them.

use std::fmt;
use std::str::FromStr;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::{memory_argument, usd_argument};
use crate::cloud::{Architecture, Error, Gpu, Opening, ProviderKind};

/// A format's error has no room for a remedy of its own.
fn told<E: serde::de::Error>(error: Error) -> E {
    let remedy = error.remedy().map(|remedy| format!("; {remedy}"));
    E::custom(format!("{error}{}", remedy.unwrap_or_default()))
}

/// A value that is there. A key with nothing behind it, as a template leaves it whose variable is empty, says nothing
/// that could be honoured.
pub(super) fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// One word, or several.
pub(super) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    deserializer.deserialize_any(WordsVisitor).map(Some)
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a word, or a list of words")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Vec<String>, E> {
        Ok(vec![word.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element()? {
            words.push(word);
        }
        Ok(words)
    }
}

/// Text that is there. YAML has nothing for empty text, and no key takes either.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match String::deserialize(deserializer)? {
        text if text.is_empty() => Err(serde::de::Error::custom("there is nothing behind this key")),
        text => Ok(Some(text)),
    }
}

/// GPUs, as `--gpu` takes them.
pub(super) fn gpu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Gpu>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(told)
}

/// An amount of memory in GiB.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = f64::deserialize(deserializer)?;
    memory_argument(&number.to_string()).map(Some).map_err(told)
}

/// An amount of money in USD.
pub(super) fn usd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = f64::deserialize(deserializer)?;
    usd_argument(&number.to_string()).map(Some).map_err(told)
}

/// Ports, as `--open` takes them, or as numbers.
pub(super) fn openings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Opening>>, D::Error> {
    let ports = Vec::<Port>::deserialize(deserializer)?;
    Ok(Some(ports.into_iter().map(|port| port.0).collect()))
}

struct Port(Opening);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortVisitor)
    }
}

struct PortVisitor;

impl Visitor<'_> for PortVisitor {
    type Value = Port;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a port, or PORT/CIDR")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Port, E> {
        Opening::from_str(text).map(Port).map_err(told)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Port, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Port, E> {
        self.visit_str(&number.to_string())
    }
}

/// The clouds by name.
pub(super) fn provider_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = ProviderKind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .chain(["any"])
        .collect();
    json_schema!({"type": "string", "enum": names})
}

/// A word or a list of words.
pub(super) fn words_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
}

/// The instruction sets by name.
pub(super) fn architecture_schema(_: &mut SchemaGenerator) -> Schema {
    let names = [Architecture::X86_64, Architecture::Arm64].map(Architecture::as_str);
    json_schema!({"type": "string", "enum": names})
}

/// A number above nothing.
pub(super) fn amount_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "number", "exclusiveMinimum": 0})
}

/// A GPU, and how many.
pub(super) fn gpu_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[^:]+(:[1-9][0-9]*)?$"})
}

/// Ports, each with or without a network.
pub(super) fn openings_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 65_535},
            {"type": "string", "pattern": "^[1-9][0-9]*(/.+)?$"},
        ],
    }})
}

//! Values of a spec file that are more than text and numbers: how they are read, and what a schema says of them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::cloud::{
    Architecture, Error, Gpu, IngressRule, ProviderKind, Result as CloudResult, is_content, path_text, quoted,
    redact_value,
};
use crate::commands::create::args::{memory_argument, usd_argument};

/// A format's error has no room for a remedy of its own.
fn with_hint<E: serde::de::Error>(error: Error) -> E {
    let remedy = error.hint().map(|remedy| format!("; {remedy}"));
    E::custom(format!("{error}{}", remedy.unwrap_or_default()))
}

/// A value that is there. A key with nothing behind it, as a template leaves it whose variable is empty, says nothing
/// that could be honoured.
pub(crate) fn parsed<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Labels: each key once, and each with text behind it.
pub(crate) fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let labels: EachOnce<String> = EachOnce::deserialize(deserializer)?;
    Ok(Some(labels.0))
}

/// Options of a provider: each key once, also in what is nested.
pub(crate) fn options<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, Value>>, D::Error> {
    let options: EachOnce<ValueOnce> = EachOnce::deserialize(deserializer)?;
    Ok(Some(options.0.into_iter().map(|(key, value)| (key, value.0)).collect()))
}

/// Keys and values, where no key is there twice. By itself serde takes the last one.
struct EachOnce<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for EachOnce<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnceVisitor(PhantomData)).map(Self)
    }
}

struct EachOnceVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EachOnceVisitor<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(serde::de::Error::custom(format!(
                    "the key {} is given twice",
                    quoted(&key)
                )));
            }
            values.insert(key, map.next_value()?);
        }
        Ok(values)
    }
}

/// Any value in which no key is there twice.
struct ValueOnce(Value);

impl<'de> Deserialize<'de> for ValueOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueOnceVisitor).map(Self)
    }
}

struct ValueOnceVisitor;

impl<'de> Visitor<'de> for ValueOnceVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::from(truth))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(ValueOnce(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let values = EachOnceVisitor::<ValueOnce>(PhantomData).visit_map(map)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.0)).collect())
    }
}

/// One word, or several.
pub(crate) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    deserializer.deserialize_any(WordVisitor).map(Some)
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
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
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let read = |text: &str| match text {
        "" => Err(Error::invalid("this key has no value")),
        text if is_content(text) => Err(Error::invalid(format!(
            "{} with several lines, or the content of a file, which this key does not take",
            redact_value(text)
        ))),
        text => Ok(text.to_owned()),
    };
    deserializer.deserialize_str(Text(read)).map(Some)
}

/// The name of a file.
pub(crate) fn file_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let read = |text: &str| match text {
        "" => Err(Error::invalid("this key has no value")),
        text if is_content(text) => {
            Err(Error::invalid(path_text(text)).with_hint("put it into a file, and name that file here"))
        }
        text => Ok(text.to_owned()),
    };
    deserializer.deserialize_str(Text(read)).map(Some)
}

/// GPUs, as `--gpu` takes them.
pub(crate) fn gpu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Gpu>, D::Error> {
    deserializer.deserialize_str(Text(str::parse)).map(Some)
}

/// An amount of memory in GiB.
pub(crate) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_f64(Number(memory_argument)).map(Some)
}

/// An amount of money in USD.
pub(crate) fn usd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_f64(Number(usd_argument)).map(Some)
}

/// What is read from text. A format knows the place of what goes wrong in here, and not of what goes wrong later.
struct Text<F>(F);

impl<T, F: Fn(&str) -> CloudResult<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(with_hint)
    }
}

/// The same from a number.
struct Number<F>(F);

impl<T, F: Fn(&str) -> CloudResult<T>> Visitor<'_> for Number<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        (self.0)(&number.to_string()).map_err(with_hint)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        (self.0)(&number.to_string()).map_err(with_hint)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        (self.0)(&number.to_string()).map_err(with_hint)
    }
}

/// What has keys. A plain structure would be read from a list as well, by the order of its fields.
pub(crate) struct Keyed<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeyedVisitor(PhantomData)).map(Self)
    }
}

struct KeyedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyedVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A list of what has keys.
pub(crate) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let list = Vec::<Keyed<T>>::deserialize(deserializer)?;
    Ok(Some(list.into_iter().map(|keyed| keyed.0).collect()))
}

/// Any value, in which no key has null behind it. YAML's parser takes `null` and `~` for text where text is read.
pub(crate) struct WithoutNull;

impl<'de> Deserialize<'de> for WithoutNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithoutNullVisitor)
    }
}

struct WithoutNullVisitor;

impl<'de> Visitor<'de> for WithoutNullVisitor {
    type Value = WithoutNull;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<WithoutNull, E> {
        Err(E::custom("this key has no value"))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<WithoutNull, E> {
        Ok(WithoutNull)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WithoutNull, A::Error> {
        while list.next_element::<WithoutNull>()?.is_some() {}
        Ok(WithoutNull)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WithoutNull, A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value::<WithoutNull>()?;
        }
        Ok(WithoutNull)
    }
}

/// Ports, as `--open` takes them, or as numbers.
pub(crate) fn openings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<IngressRule>>, D::Error> {
    let ports = Vec::<Port>::deserialize(deserializer)?;
    Ok(Some(ports.into_iter().map(|port| port.0).collect()))
}

struct Port(IngressRule);

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
        IngressRule::from_str(text).map(Port).map_err(with_hint)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Port, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Port, E> {
        self.visit_str(&number.to_string())
    }
}

/// The clouds by name.
pub(crate) fn provider_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = ProviderKind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .chain(["any"])
        .collect();
    json_schema!({"type": "string", "enum": names})
}

/// A word or a list of words.
pub(crate) fn words_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
}

/// The instruction sets by name.
pub(crate) fn architecture_schema(_: &mut SchemaGenerator) -> Schema {
    let names = [Architecture::X86_64, Architecture::Arm64].map(Architecture::as_str);
    json_schema!({"type": "string", "enum": names})
}

/// A number above nothing.
pub(crate) fn amount_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "number", "exclusiveMinimum": 0})
}

/// A GPU, and how many.
pub(crate) fn gpu_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[^:]+(:[1-9][0-9]*)?$"})
}

/// Ports, each with or without a network.
pub(crate) fn openings_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 65_535},
            {"type": "string", "pattern": "^[1-9][0-9]*(/.+)?$"},
        ],
    }})
}

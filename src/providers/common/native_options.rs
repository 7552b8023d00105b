//! Reads `--native` options, which only one cloud has. On the command line every value is text, so text is accepted
//! for every type.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_json::{Value, json};

use crate::cloud::{Error, ProviderKind, Result, did_you_mean, quoted, redact_parser_message};

/// Reads the options of a cloud. `T` has a field for each option, and a default for each that is not set.
///
/// # Errors
/// `InvalidSpec` that names the option, if it is unknown or has an invalid value.
pub(crate) fn read_options<T: DeserializeOwned>(cloud: ProviderKind, native: &BTreeMap<String, Value>) -> Result<T> {
    let names = field_names::<T>();
    let parse = |subject: &str, options: Value| {
        T::deserialize(options).map_err(|error| {
            let reason = redact_parser_message(&error.to_string());
            Error::invalid(format!("invalid native {subject} of {cloud}: {reason}"))
        })
    };
    // Each option is read alone first, so that the error can name it.
    for (key, value) in native {
        if !names.contains(&key.as_str()) {
            let known = format!("{cloud} has {}", names.join(", "));
            let error = Error::invalid(format!("unknown native option {} of {cloud}", quoted(key)));
            return Err(error.with_hint(match did_you_mean(key, names.iter().copied()) {
                Some(name) => format!("did you mean {name}? {known}"),
                None => known,
            }));
        }
        parse(&format!("option {key}"), json!({ key: value }))?;
    }
    parse("options", json!(native))
}

fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It fails, because the recorder has no values.
    let _ = T::deserialize(FieldRecorder(&mut names));
    names
}

/// Records the fields that a struct is deserialized from.
struct FieldRecorder<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldRecorder<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("there is no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Reads `true` or `false`.
pub(crate) fn read_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let flag = match &value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    };
    match flag {
        Some(flag) => Ok(Some(flag)),
        None => Err(D::Error::custom(format!("{value} is neither true nor false"))),
    }
}

/// Reads a whole number above 0.
pub(crate) fn read_whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match parse_number(&value) {
        Some(number) if number > 0 => Ok(Some(number)),
        _ => Err(D::Error::custom(format!("{value} is not a whole number above 0"))),
    }
}

/// Reads a number with or without a fraction.
pub(crate) fn read_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match parse_number::<f64>(&value) {
        Some(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(D::Error::custom(format!("{value} is not a number"))),
    }
}

fn parse_number<N: FromStr>(value: &Value) -> Option<N> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Reads a list of texts. As text, it is separated by commas.
pub(crate) fn read_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text.split(',').map(|item| item.trim().to_owned()).collect())),
        value => serde_json::from_value(value)
            .map(Some)
            .map_err(|_| D::Error::custom("it is a list of texts")),
    }
}

/// Reads a map from text to text. As text, it is a JSON object or a comma-separated list of `KEY=VALUE`.
pub(crate) fn read_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    // A value can be secret, so no message shows it.
    let wrong = || D::Error::custom("it is KEY=VALUE separated by commas, or a map from text to text");
    match Value::deserialize(deserializer)? {
        Value::String(text) if text.trim_start().starts_with('{') => serde_json::from_str(&text).map_err(|_| wrong()),
        Value::String(text) => {
            let pairs = text.split(',').map(|pair| pair.split_once('='));
            let pairs = pairs.map(|pair| pair.map(|(key, value)| (key.trim().to_owned(), value.to_owned())));
            pairs.collect::<Option<_>>().ok_or_else(wrong)
        }
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key, text)),
                Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: ProviderKind = ProviderKind::ALL[0];

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Options {
        #[serde(deserialize_with = "read_flag")]
        encrypted: Option<bool>,
        #[serde(deserialize_with = "read_whole_number")]
        throughput: Option<i32>,
        #[serde(deserialize_with = "read_number")]
        seconds: Option<f64>,
        #[serde(deserialize_with = "read_list")]
        scopes: Option<Vec<String>>,
        #[serde(deserialize_with = "read_map")]
        metadata: BTreeMap<String, String>,
        hostname: Option<String>,
    }

    fn read(native: Value) -> Result<Options> {
        read_options(CLOUD, &serde_json::from_value(native).unwrap())
    }

    #[test]
    fn text_is_read_as_the_type_of_the_option() {
        let typed = read(json!({
            "encrypted": true, "throughput": 250, "seconds": 0.5, "scopes": ["a", "b"], "metadata": { "c": true, "d": "e" },
        }));
        let text = read(json!({
            "encrypted": "True", "throughput": "250", "seconds": "0.5", "scopes": "a, b", "metadata": "c=true,d=e",
        }));
        assert_eq!(typed.unwrap(), text.unwrap());
        let as_json = read(json!({ "metadata": "{\"a\": \"b,c=d\"}" })).unwrap();
        assert_eq!(as_json.metadata["a"], "b,c=d");
        assert_eq!(read(json!({})).unwrap(), Options::default());
    }

    #[test]
    fn unknown_option_error_suggests_the_closest() {
        let error = read(json!({ "encryptd": true })).unwrap_err();
        assert_eq!(
            error.message(),
            format!("unknown native option \"encryptd\" of {CLOUD}")
        );
        let all = format!("{CLOUD} has encrypted, throughput, seconds, scopes, metadata, hostname");
        assert_eq!(error.hint(), Some(format!("did you mean encrypted? {all}").as_str()));
        let error = read(json!({ "warp": 9 })).unwrap_err();
        assert_eq!(error.hint(), Some(all.as_str()));
    }

    #[test]
    fn invalid_value_error_names_the_option() {
        for (key, value, why) in [
            ("encrypted", json!("perhaps"), "\"perhaps\" is neither true nor false"),
            ("throughput", json!("many"), "\"many\" is not a whole number above 0"),
            ("throughput", json!(0), "0 is not a whole number above 0"),
            ("throughput", json!(-3), "-3 is not a whole number above 0"),
            ("seconds", json!("nan"), "\"nan\" is not a number"),
            ("scopes", json!([1]), "it is a list of texts"),
            ("metadata", json!("hunter2"), "it is KEY=VALUE"),
            ("metadata", json!({ "a": [] }), "it is KEY=VALUE"),
            ("hostname", json!(7), "invalid type: integer `7`"),
        ] {
            let error = read(json!({ key: value })).unwrap_err();
            let expected = format!("invalid native option {key} of {CLOUD}: {why}");
            assert!(error.message().starts_with(&expected), "{}", error.message());
        }
    }
}

//! Reads the values of spec files that need more than serde's defaults, and gives their JSON Schemas.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use crate::cloud::{
    Architecture, Error, Gpu, IngressRule, Result as CloudResult, is_content, parse_duration, parse_label,
    parse_whole_number, path_text, quoted, redact_value,
};
use crate::commands::create::args::{parse_cpus, parse_disk, parse_memory, parse_usd};
use crate::settings::ProviderChoice;

/// The methods of a visitor for these types of values, all with the same body.
macro_rules! visit_scalars {
    (($self:ident, $value:ident) -> $result:ty $body:block $($method:ident: $type:ty;)*) => {
        $(fn $method<E: serde::de::Error>($self, $value: $type) -> Result<$result, E> $body)*
    };
}

/// Turns an error into one of the file's format. Such an error has no hint, so the hint goes into the message.
fn with_hint<E: serde::de::Error>(error: Error) -> E {
    let hint = error.hint().map(|hint| format!("; {hint}"));
    E::custom(format!("{error}{}", hint.unwrap_or_default()))
}

/// Reads a value that must be there. A key without a value is an error: a template with an empty variable leaves one.
pub(crate) fn read_value<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a list.
pub(crate) fn read_values<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    deserializer.deserialize_seq(ListVisitor(PhantomData)).map(Some)
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list in brackets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        collect_list(list)
    }
}

fn collect_list<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut list: A) -> Result<Vec<T>, A::Error> {
    let mut values = Vec::new();
    while let Some(value) = list.next_element()? {
        values.push(value);
    }
    Ok(values)
}

/// Reads labels: unique keys with text values, or a list of `key=value`.
pub(crate) fn read_labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    deserializer.deserialize_any(LabelsVisitor).map(Some)
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("keys and values, or a list of \"key=value\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        UniqueKeysVisitor(PhantomData).visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some(text) = list.next_element::<String>()? {
            let label = parse_label(&text, "").map_err(with_hint)?;
            if labels.contains_key(&label.key) {
                return Err(serde::de::Error::custom(format!(
                    "the key {} is given twice",
                    quoted(&label.key)
                )));
            }
            labels.insert(label.key, label.value);
        }
        Ok(labels)
    }
}

/// Reads native options. Keys are unique, also in nested values.
pub(crate) fn read_native_options<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, Value>>, D::Error> {
    let options: UniqueKeys<UniqueKeysValue> = UniqueKeys::deserialize(deserializer)?;
    Ok(Some(options.0.into_iter().map(|(key, value)| (key, value.0)).collect()))
}

/// Keys and values that refuse a repeated key. Serde's own maps take the last value.
struct UniqueKeys<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for UniqueKeys<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueKeysVisitor(PhantomData)).map(Self)
    }
}

struct UniqueKeysVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UniqueKeysVisitor<T> {
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

/// Any value without repeated keys.
struct UniqueKeysValue(Value);

impl<'de> Deserialize<'de> for UniqueKeysValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysValueVisitor).map(Self)
    }
}

struct UniqueKeysValueVisitor;

impl<'de> Visitor<'de> for UniqueKeysValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    visit_scalars! {
        (self, value) -> Value { Ok(Value::from(value)) }
        visit_bool: bool;
        visit_i64: i64;
        visit_u64: u64;
        visit_f64: f64;
        visit_str: &str;
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(UniqueKeysValue(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let values = UniqueKeysVisitor::<UniqueKeysValue>(PhantomData).visit_map(map)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.0)).collect())
    }
}

/// Reads one word, several in one text with commas, or a list of words.
pub(crate) fn read_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let words: Option<Vec<String>> = read_list_or_one(deserializer)?;
    let words = words.unwrap_or_default();
    let split = words.iter().flat_map(|word| word.split(','));
    Ok(Some(split.map(|word| word.trim().to_owned()).collect()))
}

/// Reads a list, or one entry of it without the list.
pub(crate) fn read_list_or_one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    deserializer.deserialize_any(ListOrOneVisitor(PhantomData)).map(Some)
}

struct ListOrOneVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListOrOneVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list, or one entry of it")
    }

    visit_scalars! {
        (self, value) -> Vec<T> { T::deserialize(value.into_deserializer()).map(|one| vec![one]) }
        visit_i64: i64;
        visit_u64: u64;
        visit_str: &str;
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        collect_list(list)
    }
}

/// Reads text of one line. Empty text is an error.
pub(crate) fn read_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer
        .deserialize_str(FromText(|text: &str| check_text(text, content_error)))
        .map(Some)
}

/// Creates the error for a text that is not of one line.
fn content_error(text: &str) -> Error {
    Error::invalid(format!(
        "{} with several lines, or the content of a file, which this key does not take",
        redact_value(text)
    ))
}

/// Reads the name of a file.
pub(crate) fn read_file_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let content_error =
        |text: &str| Error::invalid(path_text(text)).with_hint("put it into a file, and name that file here");
    deserializer
        .deserialize_str(FromText(|text: &str| check_text(text, content_error)))
        .map(Some)
}

/// Refuses empty text, and the content of a file.
fn check_text(text: &str, content_error: fn(&str) -> Error) -> CloudResult<String> {
    if text.is_empty() {
        return Err(Error::invalid("this key has no value"));
    }
    match is_content(text) {
        true => Err(content_error(text)),
        false => Ok(text.to_owned()),
    }
}

/// Reads GPUs as `--gpu` does.
pub(crate) fn read_gpu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Gpu>, D::Error> {
    deserializer.deserialize_str(FromText(str::parse)).map(Some)
}

/// Reads an amount of memory: a number of GiB, or text as `--memory` takes it.
pub(crate) fn read_memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    read_amount(deserializer, parse_memory, "a number of GiB, such as 16")
}

/// Reads the size of a disk: a number of GiB, or text as `--disk` takes it.
pub(crate) fn read_disk<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    read_amount(deserializer, parse_disk, "a whole number of GiB, such as 100")
}

/// Reads a number of CPUs.
pub(crate) fn read_cpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    read_amount(deserializer, parse_cpus, "a whole number, such as 4")
}

/// Reads a whole number. Its limits are checked with those of the flag.
pub(crate) fn read_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    read_amount(deserializer, |text| parse_whole_number(text, 0, None), "a whole number")
}

fn read_amount<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    parse: fn(&str) -> CloudResult<T>,
    expected: &'static str,
) -> Result<Option<T>, D::Error> {
    deserializer
        .deserialize_any(AmountVisitor { parse, expected })
        .map(Some)
}

/// Parses a number, or text, with the function of the flag.
struct AmountVisitor<T> {
    parse: fn(&str) -> CloudResult<T>,
    expected: &'static str,
}

impl<T> Visitor<'_> for AmountVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    visit_scalars! {
        (self, amount) -> T { (self.parse)(&amount.to_string()).map_err(with_hint) }
        visit_f64: f64;
        visit_i64: i64;
        visit_u64: u64;
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        // In YAML 010 is eight to some parsers and ten to others.
        if text.len() > 1 && text.starts_with('0') && !text.starts_with("0.") {
            return Err(E::custom(format!("a number does not begin with 0: {}", self.expected)));
        }
        (self.parse)(text).map_err(with_hint)
    }
}

/// Reads a duration. A number alone does not say which unit it has.
pub(crate) fn read_ttl<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(TtlVisitor).map(Some)
}

struct TtlVisitor;

impl Visitor<'_> for TtlVisitor {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, such as \"2h\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        check_text(text, content_error).map_err(with_hint)
    }

    visit_scalars! {
        (self, number) -> String { parse_duration(&number.to_string()).map(|_| number.to_string()).map_err(with_hint) }
        visit_i64: i64;
        visit_u64: u64;
    }
}

/// Reads an amount of money in USD.
pub(crate) fn read_usd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_f64(FromNumber(parse_usd)).map(Some)
}

/// Reads yes or no.
pub(crate) fn read_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    deserializer.deserialize_bool(BoolVisitor).map(Some)
}

struct BoolVisitor;

impl Visitor<'_> for BoolVisitor {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("true or false")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }
}

/// Parses a value from text with a function. An error here gets its line and column; a later error would not.
struct FromText<F>(F);

impl<T, F: Fn(&str) -> CloudResult<T>> Visitor<'_> for FromText<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(with_hint)
    }
}

/// Parses a value from a number with a function, which gets the number as text.
struct FromNumber<F>(F);

impl<T, F: Fn(&str) -> CloudResult<T>> Visitor<'_> for FromNumber<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    visit_scalars! {
        (self, number) -> T { (self.0)(&number.to_string()).map_err(with_hint) }
        visit_f64: f64;
        visit_i64: i64;
        visit_u64: u64;
    }
}

/// A struct that is read from keys and values only. Serde would also read it from a list, in the order of its fields.
pub(crate) struct KeyValues<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for KeyValues<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeyValuesVisitor(PhantomData)).map(Self)
    }
}

struct KeyValuesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyValuesVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Reads a list of structs, each from keys and values.
pub(crate) fn read_list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let list = Vec::<KeyValues<T>>::deserialize(deserializer)?;
    Ok(Some(list.into_iter().map(|item| item.0).collect()))
}

/// Accepts any value without nulls, and drops it. YAML's parser would read `null` and `~` as text.
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

    visit_scalars! {
        (self, _value) -> WithoutNull { Ok(WithoutNull) }
        visit_bool: bool;
        visit_i64: i64;
        visit_i128: i128;
        visit_u64: u64;
        visit_u128: u128;
        visit_f64: f64;
        visit_str: &str;
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

/// Reads ingress rules: numbers, or text as `--open` takes it.
pub(crate) fn read_ingress_rules<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<IngressRule>>, D::Error> {
    let rules: Option<Vec<IngressRuleValue>> = read_list_or_one(deserializer)?;
    Ok(rules.map(|rules| rules.into_iter().map(|rule| rule.0).collect()))
}

struct IngressRuleValue(IngressRule);

impl<'de> Deserialize<'de> for IngressRuleValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IngressRuleVisitor)
    }
}

struct IngressRuleVisitor;

impl Visitor<'_> for IngressRuleVisitor {
    type Value = IngressRuleValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a port, or PORT/CIDR")
    }

    visit_scalars! {
        (self, value) -> IngressRuleValue {
            let text = value.to_string();
            text.parse().map(IngressRuleValue).map_err(with_hint)
        }
        visit_str: &str;
        visit_u64: u64;
        visit_i64: i64;
    }
}

/// The schema of a provider: its name, or `any`.
pub(crate) fn provider_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ProviderChoice::words()})
}

/// The schema of one word or a list of words.
pub(crate) fn words_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
}

/// The schema of an instruction set.
pub(crate) fn architecture_schema(_: &mut SchemaGenerator) -> Schema {
    let names = [Architecture::X86_64, Architecture::Arm64].map(Architecture::as_str);
    json_schema!({"type": "string", "enum": names})
}

/// The schema of a number above zero.
pub(crate) fn positive_number_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "number", "exclusiveMinimum": 0})
}

/// The schema of labels: keys and values, or a list of `key=value`.
pub(crate) fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array", "items": {"type": "string", "pattern": "^[^=]+="}},
    ]})
}

/// The schema of an amount of memory: a number of GiB, or one with its unit.
pub(crate) fn memory_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": "^[0-9.]+ ?([gGmM][iI]?[bB]?|[tT][iI][bB]?)?$"},
    ]})
}

/// The schema of the size of a disk: a whole number of GiB, or one with its unit.
pub(crate) fn disk_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": "^[0-9]+ ?([gGmM][iI]?[bB]?|[tT][iI][bB]?)?$"},
    ]})
}

/// The schema of GPUs: a kind, or a kind and a number.
pub(crate) fn gpu_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[^:]+(:[1-9][0-9]*)?$"})
}

/// The schema of ingress rules: a list of ports, or one port, each with or without a network.
pub(crate) fn ingress_rules_schema(_: &mut SchemaGenerator) -> Schema {
    let rule = [
        json!({"type": "integer", "minimum": 1, "maximum": 65_535}),
        json!({"type": "string", "pattern": "^[1-9][0-9]*(/.+)?$"}),
    ];
    let [number, text] = rule.clone();
    json_schema!({"anyOf": [number, text, {"type": "array", "items": {"anyOf": rule}}]})
}

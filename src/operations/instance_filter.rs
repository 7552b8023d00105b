//! Filters and sorts instances that are already listed: `--filter state=running,age>2h` and `--sort`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::cloud::{
    Error, FieldKind, Glob, Instance, InstanceField, Result, check_selectable, did_you_mean, normalize_field_word,
    parse_duration, parse_quoted, quoted, redact_value, strip_gib_unit,
};

/// A filter over fields, such as `state=running,age>2h`. All comparisons must match. Text compares with `=`, `!=` and `~`
/// (contains), and may be a pattern such as `web-*`, unless it is in quotes; numbers, times and `age` compare also with `<`,
/// `<=`, `>`, `>=`. `label.KEY` is a label.
#[derive(Clone, Debug)]
pub struct Filter {
    /// As the user wrote it.
    text: String,
    comparisons: Vec<Comparison>,
}

#[derive(Clone, Debug)]
struct Comparison {
    key: FilterKey,
    operator: Operator,
    operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn compares_order(self) -> bool {
        match self {
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => true,
            Self::Equal | Self::NotEqual | Self::Contains => false,
        }
    }
}

const OPERATORS: [(&str, Operator); 8] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Contains),
    ("=", Operator::Equal),
];

impl Filter {
    /// Whether a comparison uses the field.
    pub fn uses_field(&self, name: &str) -> bool {
        self.comparisons.iter().any(|comparison| comparison.key.is_field(name))
    }

    /// Whether the instance matches all comparisons of other fields than this one.
    pub fn matches_apart_from(&self, name: &str, instance: &Instance, now: Timestamp) -> bool {
        let mut others = self
            .comparisons
            .iter()
            .filter(|comparison| !comparison.key.is_field(name));
        others.all(|comparison| comparison.matches(instance, now))
    }

    /// Whether the instance matches all comparisons. An unknown value matches `!=` only.
    pub fn matches(&self, instance: &Instance, now: Timestamp) -> bool {
        self.comparisons
            .iter()
            .all(|comparison| comparison.matches(instance, now))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redact_value(self.text.trim()))
    }
}

impl Comparison {
    /// Creates a comparison with a text that is not in quotes, so that `*` and `?` make it a pattern.
    fn with_plain_text(key: FilterKey, operator: Operator, text: &str) -> Result<Self> {
        let operand = match Operand::parse(&key, operator, text)? {
            Operand::Text(text) if Glob::is_pattern(&text) => Operand::Glob(match operator {
                Operator::Contains => Glob::new(format!("*{text}*")),
                _ => Glob::new(text),
            }),
            operand => operand,
        };
        Ok(Self { key, operator, operand })
    }

    /// Creates a comparison with the text that was in quotes.
    fn with_quoted_text(key: FilterKey, operator: Operator, text: &str) -> Result<Self> {
        let operand = Operand::parse(&key, operator, text)?;
        Ok(Self { key, operator, operand })
    }

    fn matches(&self, instance: &Instance, now: Timestamp) -> bool {
        let value = self.key.value(instance, now);
        let order = self.operand.compare_value(&value);
        match self.operator {
            Operator::Equal => self.operand.is_equal_to(&value),
            Operator::NotEqual => !self.operand.is_equal_to(&value),
            Operator::Contains => self.operand.is_part_of(&value),
            Operator::Less => order.is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
            Operator::Greater => order.is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// The value that a field is compared with.
#[derive(Clone, Debug)]
enum Operand {
    Text(String),
    Glob(Glob),
    Number(f64),
    Bool(bool),
    Time(Timestamp),
}

impl Operand {
    /// Parses a value that the key can be compared with by this operator.
    fn parse(key: &FilterKey, operator: Operator, text: &str) -> Result<Self> {
        match key {
            FilterKey::Field(field) => Self::parse_for_field(*field, operator, text),
            FilterKey::Label(label) => parse_text(&format!("label.{label}"), operator, text),
            FilterKey::Age if operator.compares_order() => Ok(Self::Number(parse_duration(text)?.as_secs_f64())),
            FilterKey::Age => {
                Err(Error::invalid("age can be compared with <, <=, > and >= only").with_hint("try age>2h"))
            }
        }
    }

    fn parse_for_field(field: InstanceField, operator: Operator, text: &str) -> Result<Self> {
        let name = field.name();
        let is_contains = operator == Operator::Contains;
        match field.kind() {
            FieldKind::Object => {
                let message = format!("{name} cannot be compared: it is not a single value");
                Err(Error::invalid(message).with_hint("compare one label: label.KEY=value"))
            }
            FieldKind::Number if !is_contains => parse_number(name, text),
            FieldKind::Bool if !is_contains && !operator.compares_order() => parse_bool(name, text),
            FieldKind::Number => {
                Err(Error::invalid(format!("{name} is a number: ~ compares text only"))
                    .with_hint(format!("try {name}>=2")))
            }
            FieldKind::Bool => Err(Error::invalid(format!("{name} can be compared with = and != only"))
                .with_hint(format!("try {name}=yes"))),
            FieldKind::Time if !is_contains => parse_time(name, text),
            FieldKind::Time | FieldKind::Text => parse_text(name, operator, text),
            FieldKind::Enum(check_word) => {
                if operator == Operator::Equal || operator == Operator::NotEqual {
                    check_word(text)?;
                }
                parse_text(name, operator, text)
            }
        }
    }

    /// Whether a value is this one, or matches the pattern.
    fn is_equal_to(&self, value: &Value) -> bool {
        match self {
            Self::Glob(glob) => value_text(value).is_some_and(|text| glob.matches(&text)),
            _ => self.compare_value(value) == Some(Ordering::Equal),
        }
    }

    /// The order of a value compared with this one; `None` if the value is unknown, or this is a pattern.
    fn compare_value(&self, value: &Value) -> Option<Ordering> {
        match self {
            Self::Glob(_) => None,
            Self::Text(text) => Some(value_text(value)?.as_str().cmp(text)),
            Self::Number(number) => value.as_f64()?.partial_cmp(number),
            Self::Bool(operand) => Some(value.as_bool()?.cmp(operand)),
            Self::Time(time) => Some(value.as_str()?.parse::<Timestamp>().ok()?.cmp(time)),
        }
    }

    fn is_part_of(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value_text(value).is_some_and(|value| value.contains(text)),
            // The pattern begins and ends with a star.
            Self::Glob(_) => self.is_equal_to(value),
            Self::Number(_) | Self::Bool(_) | Self::Time(_) => false,
        }
    }
}

/// Text has no useful order, so it does not compare with `<` and `>`.
fn parse_text(name: &str, operator: Operator, text: &str) -> Result<Operand> {
    if operator.compares_order() {
        let message = format!("{name} is text, and can be compared with =, != and ~ only");
        return Err(Error::invalid(message).with_hint(format!("try {name}={text}")));
    }
    Ok(Operand::Text(text.to_owned()))
}

fn parse_number(name: &str, text: &str) -> Result<Operand> {
    let number_text = match name {
        "memory_gib" => strip_gib_unit(text),
        _ => text,
    };
    match number_text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Operand::Number(number)),
        _ => {
            let message = format!("{name} is a number, not {}", quoted(text));
            Err(Error::invalid(message).with_hint(format!("try {name}>=2")))
        }
    }
}

fn parse_bool(name: &str, text: &str) -> Result<Operand> {
    match text {
        "yes" | "true" => Ok(Operand::Bool(true)),
        "no" | "false" => Ok(Operand::Bool(false)),
        _ => {
            let message = format!("{name} is yes or no, not {}", quoted(text));
            Err(Error::invalid(message).with_hint(format!("try {name}=yes")))
        }
    }
}

/// Parses a time, or a day, which means its start in UTC.
fn parse_time(name: &str, text: &str) -> Result<Operand> {
    if let Ok(time) = text.parse() {
        return Ok(Operand::Time(time));
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && let Ok(midnight) = day.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Ok(Operand::Time(midnight.timestamp()));
    }
    let message = format!("{name} is a point in time, not {}", quoted(text));
    Err(Error::invalid(message).with_hint(format!(
        "write it as a day or a time: {name}<2026-01-31 or {name}<2026-01-31T12:00:00Z"
    )))
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let mut comparisons = Vec::new();
        for part in split_comparisons(input) {
            let Some((at, symbol, operator)) = find_operator(part) else {
                let hint = match input.contains("label.") {
                    true => "write it as field=value, and a value with commas in quotes: label.roles=\"app,web\"",
                    false => "write it as field=value, such as state=running or age>2h",
                };
                return Err(Error::invalid(format!("invalid filter {}", quoted(part))).with_hint(hint));
            };
            let key = part[..at].trim().parse()?;
            let operand = part[at + symbol.len()..].trim();
            if operand.starts_with(['=', '~', '<', '>', '\'']) {
                return Err(Error::invalid(format!("invalid filter {}", quoted(part)))
                    .with_hint("the operators are =, !=, ~, <, <=, > and >=; quotes are double: name!=\"web-1\""));
            }
            comparisons.push(match operand.strip_prefix('"') {
                Some(text) => Comparison::with_quoted_text(key, operator, &parse_quoted(text)?)?,
                None => Comparison::with_plain_text(key, operator, operand)?,
            });
        }
        Ok(Self {
            text: input.to_owned(),
            comparisons,
        })
    }
}

/// The first operator of a comparison, and its position. Of two at one position, such as `>` and `>=`, it is the longer.
fn find_operator(comparison: &str) -> Option<(usize, &'static str, Operator)> {
    let positions = OPERATORS
        .iter()
        .filter_map(|(symbol, operator)| Some((comparison.find(symbol)?, *symbol, *operator)));
    positions.min_by_key(|(at, symbol, _)| (*at, std::cmp::Reverse(symbol.len())))
}

/// Splits at commas, but not inside of quotes.
fn split_comparisons(input: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped, mut previous) = (false, false, ',');
    for (at, letter) in input.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_quoted => is_quoted = false,
            '"' => is_quoted = "=~<>".contains(previous),
            ',' if !is_quoted => {
                parts.push(&input[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            previous = letter;
        }
    }
    parts.push(&input[start..]);
    parts
}

/// A sort order, such as `name,-age`. A hyphen reverses the order of a field.
#[derive(Clone, Debug)]
pub struct SortOrder(Vec<SortKey>);

#[derive(Clone, Debug)]
struct SortKey {
    key: FilterKey,
    is_descending: bool,
}

impl SortOrder {
    /// Whether the order uses the field.
    pub fn uses_field(&self, name: &str) -> bool {
        self.0.iter().any(|sort_key| sort_key.key.is_field(name))
    }

    /// Sorts in place. Unknown values come last in both directions.
    pub fn sort(&self, instances: &mut Vec<Instance>, now: Timestamp) {
        // Values are read once for each instance, and not for each comparison.
        let read_values = |instance: &Instance| -> Vec<Value> {
            let keys = self.0.iter();
            keys.map(|sort_key| sort_key.key.value(instance, now)).collect()
        };
        let mut with_values: Vec<_> = std::mem::take(instances)
            .into_iter()
            .map(|instance| (read_values(&instance), instance))
            .collect();
        with_values.sort_by(|(one, _), (other, _)| self.compare(one, other));
        instances.extend(with_values.into_iter().map(|(_, instance)| instance));
    }

    fn compare(&self, values: &[Value], others: &[Value]) -> Ordering {
        for (sort_key, (one, other)) in self.0.iter().zip(values.iter().zip(others)) {
            let order = compare_values(one, other, sort_key.is_descending);
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

fn compare_values(one: &Value, other: &Value, is_descending: bool) -> Ordering {
    let order = match (one, other) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) => return Ordering::Greater,
        (_, Value::Null) => return Ordering::Less,
        (Value::Number(one), Value::Number(other)) => one
            .as_f64()
            .unwrap_or_default()
            .total_cmp(&other.as_f64().unwrap_or_default()),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (one, other) => value_text(one).cmp(&value_text(other)),
    };
    if is_descending { order.reverse() } else { order }
}

impl FromStr for SortOrder {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let keys = input.split(',').map(|text| {
            let trimmed = text.trim();
            let (name, is_descending) = match trimmed.strip_prefix('-') {
                Some(name) => (name, true),
                None => (trimmed, false),
            };
            let key = name.parse()?;
            Ok(SortKey { key, is_descending })
        });
        keys.collect::<Result<Vec<_>>>().map(Self)
    }
}

/// What is compared or sorted by: a field, a label as `label.KEY`, or the age.
#[derive(Clone, Debug)]
enum FilterKey {
    Field(InstanceField),
    Label(String),
    Age,
}

impl FilterKey {
    fn is_field(&self, name: &str) -> bool {
        matches!(self, Self::Field(field) if field.name() == name)
    }

    /// The value of an instance; null if it is unknown. An age is in whole seconds.
    fn value(&self, instance: &Instance, now: Timestamp) -> Value {
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

impl FromStr for FilterKey {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.strip_prefix("label.") {
            Some(key) => {
                if key.is_empty() || key.contains(['"', '\'']) {
                    return Err(Error::invalid(format!("{} names no label", quoted(name)))
                        .with_hint("write label.KEY, without quotes around the key"));
                }
                check_selectable(key)?;
                Ok(Self::Label(key.to_owned()))
            }
            None if normalize_field_word(name) == "age" => Ok(Self::Age),
            None => match name.parse() {
                Ok(field) => Ok(Self::Field(field)),
                Err(error) => Err(add_field_names(error, name)),
            },
        }
    }
}

/// Adds to the error for an unknown field which fields there are.
fn add_field_names(error: Error, unknown: &str) -> Error {
    let names: Vec<_> = InstanceField::ALL.iter().map(InstanceField::name).collect();
    let suggestion = match unknown.strip_prefix("labels.") {
        Some(key) => Some(format!("label.{key}")),
        None => did_you_mean(unknown, names.iter().copied()).map(str::to_owned),
    };
    let known = format!("{}, age or label.KEY", names.join(", "));
    error.with_hint(match suggestion {
        Some(suggestion) => format!("did you mean {suggestion}? There are {known}"),
        None => format!("use one of {known}"),
    })
}

/// The text of a value; `None` if it is unknown, a list or an object.
fn value_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{InstanceState, ProviderKind};

    #[test]
    fn filter_refuses_invalid_text() {
        for text in [
            "",
            "state",
            "nonsense=1",
            "name!==web-1",
            "name!='web-1'",
            "name<>web-1",
            "label.env!=~prod",
            "label.\"env\"!=prod",
            "label.!=x",
            "state=runing",
            "age=2h",
            "age>soon",
            "protected=maybe",
            "spot>no",
            "managed~t",
            "cpus=abc",
            "cpus>abc",
            "cpus=nan",
            "cpus~4",
            "memory_gib!=4 rows",
            "created_at>yesterday",
            "provider=amazon",
            "architecture!=x86",
            "labels=env",
            "label.cores>4",
            "state<running",
            "name>=a",
            "native~vpc",
            "label.roles=app,web",
            "label.roles=\"app",
            "label.roles=\"app\"x",
        ] {
            assert!(text.parse::<Filter>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn filter_compares_values_by_their_type() {
        let mut instance = Instance::with_id_only(ProviderKind::Aws, "us-east-1".into(), "i-1".into());
        instance.state = InstanceState::Running;
        instance.protected = Some(true);
        instance.cpus = Some(4);
        instance.name = Some("web-1".into());
        instance.labels.insert("roles".into(), "app,web".into());
        instance.labels.insert("path".into(), "*.txt".into());
        instance.labels.insert("quote".into(), "say \"a,b\"".into());
        instance.memory_gib = Some(16.0);
        instance.created_at = "2026-11-25T08:00:00Z".parse().ok();
        let now = "2026-11-25T10:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("protected=yes,protected!=no,protected=true", true),
            ("protected!=yes", false),
            ("spot=no,spot!=yes,spot=false", true),
            // An unknown value matches `!=` only.
            ("price_usd_per_hour!=1", true),
            ("price_usd_per_hour>0", false),
            ("memory_gib=16,memory_gib=16.0,cpus>3,cpus<=4", true),
            ("memory_gib!=16", false),
            ("created_at>2026-11-25,created_at<2026-11-25T09:00:00+00:00", true),
            ("created_at>=2026-11-25T10:00:00+02:00,created_at~2026-11", true),
            ("created_at<2026-11-25", false),
            ("age>2h,state=running,provider=aws,region~east,label.env!=ci", true),
            ("label.env=ci", false),
            ("label.roles=\"app,web\",cpus=4", true),
            ("label.roles = \"app,web\"", true),
            ("label.roles!=\"app,web\"", false),
            ("label.roles~\",\"", true),
            ("label.quote=\"say \\\"a,b\\\"\"", true),
            ("name=web-*,name=w?b-1,name!=db-*,label.roles=app*", true),
            ("name!=web-*", false),
            ("name=eb-*", false),
            ("name~eb-*,name~b?1,name~w", true),
            ("name~b?2", false),
            ("machine_type=t3.*", false),
            ("machine_type!=t3.*", true),
            // Quotes take the meaning from a star.
            ("name=\"web-*\"", false),
            ("label.path=\"*.txt\",label.path=*.txt,label.path~\"*.\"", true),
        ] {
            let filter: Filter = text.parse().unwrap();
            assert_eq!(filter.matches(&instance, now), expected, "{text}");
        }
    }
}

//! Field filters, over instances that are already here.
//! What filters and orders look at.
//! Orders, over instances that are already here.

use std::cmp::Ordering;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::cloud::{
    Error, FieldKind, Instance, InstanceField, Result, check_selectable, did_you_mean, parse_duration, parse_quoted,
    quoted,
};

/// A filter over fields: `state=running,age>2h`, all of which must hold. Text compares with `=` and `!=`, and with
/// `~` for "contains"; numbers, times and `age` also with `<`, `<=`, `>`, `>=`. `label.KEY` is a label.
#[derive(Clone, Debug)]
pub struct Filter(Vec<Comparison>);

#[derive(Clone, Debug)]
struct Comparison {
    subject: FilterKey,
    operator: Operator,
    operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    Ordered { less: bool, or_equal: bool },
}

// Longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    (
        ">=",
        Operator::Ordered {
            less: false,
            or_equal: true,
        },
    ),
    (
        "<=",
        Operator::Ordered {
            less: true,
            or_equal: true,
        },
    ),
    (
        ">",
        Operator::Ordered {
            less: false,
            or_equal: false,
        },
    ),
    (
        "<",
        Operator::Ordered {
            less: true,
            or_equal: false,
        },
    ),
    ("~", Operator::Contains),
    ("=", Operator::Equal),
];

impl Filter {
    /// Whether it looks at a field.
    pub fn reads(&self, name: &str) -> bool {
        self.0.iter().any(|comparison| comparison.subject.is(name))
    }

    /// Whether everything holds for the instance. What is unknown fits no comparison but `!=`.
    pub fn admits(&self, instance: &Instance, now: Timestamp) -> bool {
        self.0.iter().all(|comparison| comparison.holds(instance, now))
    }
}

impl Comparison {
    fn new(subject: FilterKey, operator: Operator, operand: &str) -> Result<Self> {
        let operand = Operand::of(&subject, operator, operand)?;
        Ok(Self {
            subject,
            operator,
            operand,
        })
    }

    fn holds(&self, instance: &Instance, now: Timestamp) -> bool {
        let value = self.subject.value(instance, now);
        let order = self.operand.order_of(&value);
        match self.operator {
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::NotEqual => order != Some(Ordering::Equal),
            Operator::Contains => self.operand.is_part_of(&value),
            Operator::Ordered { less, or_equal } => {
                let wanted = if less { Ordering::Less } else { Ordering::Greater };
                order.is_some_and(|order| order == wanted || (or_equal && order == Ordering::Equal))
            }
        }
    }
}

/// What a value is compared with.
#[derive(Clone, Debug)]
enum Operand {
    Text(String),
    Number(f64),
    Truth(bool),
    Time(Timestamp),
}

impl Operand {
    /// Reads what the subject can be compared with in this way.
    fn of(subject: &FilterKey, operator: Operator, text: &str) -> Result<Self> {
        let ordered = matches!(operator, Operator::Ordered { .. });
        let refused = |message: &str, remedy: &str| Err(Error::invalid(message.to_owned()).with_hint(remedy));
        let field = match subject {
            FilterKey::Age if ordered => return Ok(Self::Number(parse_duration(text)?.as_secs_f64())),
            FilterKey::Age => return refused("age compares with <, <=, > and >= only", "try age>2h"),
            FilterKey::Label(key) => return whole(&format!("label.{key}"), operator, text),
            FilterKey::Field(field) => field,
        };
        let name = field.name();
        let whole = || whole(name, operator, text);
        match (field.kind(), operator) {
            (FieldKind::Object, _) => refused(
                &format!("{name} has parts of its own, and compares with nothing"),
                "compare one label: label.KEY=value",
            ),
            (FieldKind::Number | FieldKind::Bool, Operator::Contains) => {
                refused(&format!("{name} contains no text"), "compare it with = or !=")
            }
            (FieldKind::Bool, Operator::Ordered { .. }) => refused(
                &format!("{name} compares with = and != only"),
                &format!("try {name}=yes"),
            ),
            (FieldKind::Bool, _) => match text {
                "yes" | "true" => Ok(Self::Truth(true)),
                "no" | "false" => Ok(Self::Truth(false)),
                _ => refused(
                    &format!("{name} is yes or no, not {}", quoted(text)),
                    &format!("try {name}=yes"),
                ),
            },
            (FieldKind::Number, _) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Number(number)),
                _ => refused(
                    &format!("{name} is a number, not {}", quoted(text)),
                    &format!("try {name}>=2"),
                ),
            },
            (FieldKind::Time, Operator::Contains) | (FieldKind::Text, _) => whole(),
            (FieldKind::Time, _) => time(text).map(Self::Time).map_or_else(
                || {
                    refused(
                        &format!("{name} is a point in time, not {}", quoted(text)),
                        &format!("write it as a day or a time: {name}<2026-01-31 or {name}<2026-01-31T12:00:00Z"),
                    )
                },
                Ok,
            ),
            (FieldKind::Enum(check), Operator::Equal | Operator::NotEqual) => check(text).and_then(|()| whole()),
            (FieldKind::Enum(_), _) => whole(),
        }
    }

    /// How a value stands to it; nothing if that is unknown.
    fn order_of(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Text(text), value) => Some(plain_text(value)?.as_str().cmp(text)),
            (Self::Number(number), value) => value.as_f64()?.partial_cmp(number),
            (Self::Truth(truth), value) => Some(value.as_bool()?.cmp(truth)),
            (Self::Time(at), value) => Some(value.as_str()?.parse::<Timestamp>().ok()?.cmp(at)),
        }
    }

    fn is_part_of(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => plain_text(value).is_some_and(|value| value.contains(text)),
            Self::Number(_) | Self::Truth(_) | Self::Time(_) => false,
        }
    }
}

/// Text to compare text with, which has no order that anybody means.
fn whole(name: &str, operator: Operator, text: &str) -> Result<Operand> {
    match operator {
        Operator::Ordered { .. } => Err(
            Error::invalid(format!("{name} is text, and compares with =, != and ~ only"))
                .with_hint(format!("try {name}={text}")),
        ),
        _ => Ok(Operand::Text(text.to_owned())),
    }
}

/// A point in time, or the begin of a day in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let day = || {
        let midnight = text
            .parse::<jiff::civil::Date>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC);
        midnight.ok().map(|midnight| midnight.timestamp())
    };
    text.parse().ok().or_else(day)
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let comparisons = parts(input).into_iter().map(|part| {
            let (at, (symbol, operator)) = OPERATORS
                .iter()
                .filter_map(|operator| Some((part.find(operator.0)?, *operator)))
                .min_by_key(|(at, (symbol, _))| (*at, std::cmp::Reverse(symbol.len())))
                .ok_or_else(|| {
                    let remedy = match input.contains("label.") {
                        true => "write it as field=value, and a value with commas in quotes: label.roles=\"app,web\"",
                        false => "write it as field=value, such as state=running or age>2h",
                    };
                    Error::invalid(format!("invalid filter {}", quoted(part))).with_hint(remedy)
                })?;
            let subject = part[..at].trim().parse()?;
            let operand = part[at + symbol.len()..].trim();
            match operand.strip_prefix('"') {
                Some(text) => Comparison::new(subject, operator, &parse_quoted(text)?),
                None => Comparison::new(subject, operator, operand),
            }
        });
        comparisons.collect::<Result<Vec<_>>>().map(Self)
    }
}

/// The comparisons, which commas part; one inside of quotes is part of its value.
fn parts(input: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped, mut before) = (false, false, ',');
    for (at, letter) in input.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_quoted => is_quoted = false,
            '"' => is_quoted = "=~<>".contains(before),
            ',' if !is_quoted => {
                parts.push(&input[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    parts.push(&input[start..]);
    parts
}

/// A field by its name, a label as `label.KEY`, or the age.
#[derive(Clone, Debug)]
pub(super) enum FilterKey {
    Field(InstanceField),
    Label(String),
    Age,
}

impl FilterKey {
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

impl FromStr for FilterKey {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.strip_prefix("label.") {
            Some(key) => check_selectable(key).map(|()| Self::Label(key.to_owned())),
            None if name == "age" => Ok(Self::Age),
            None => name.parse().map(Self::Field).map_err(|error: Error| {
                let names = || InstanceField::ALL.iter().map(InstanceField::name);
                let meant = match name.strip_prefix("labels.") {
                    Some(key) => Some(format!("label.{key}")),
                    None => did_you_mean(name, names()).map(str::to_owned),
                };
                let names: Vec<_> = names().collect();
                let known = format!("{}, age or label.KEY", names.join(", "));
                error.with_hint(match meant {
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

/// A sort order: `name,-age`; a hyphen turns a field's order round.
#[derive(Clone, Debug)]
pub struct SortOrder(Vec<(FilterKey, bool)>);

impl SortOrder {
    /// Whether it looks at a field.
    pub fn reads(&self, name: &str) -> bool {
        self.0.iter().any(|(subject, _)| subject.is(name))
    }

    /// Sorts in place; what is unknown comes last either way.
    pub fn sort(&self, instances: &mut Vec<Instance>, now: Timestamp) {
        // Values are read once for each instance, and not for each comparison.
        let mut keyed: Vec<(Vec<Value>, Instance)> = std::mem::take(instances)
            .into_iter()
            .map(|instance| (self.key(&instance, now), instance))
            .collect();
        keyed.sort_by(|(one, _), (other, _)| self.compare(one, other));
        instances.extend(keyed.into_iter().map(|(_, instance)| instance));
    }

    fn key(&self, instance: &Instance, now: Timestamp) -> Vec<Value> {
        self.0.iter().map(|(subject, _)| subject.value(instance, now)).collect()
    }

    fn compare(&self, one: &[Value], other: &[Value]) -> Ordering {
        self.0
            .iter()
            .zip(one.iter().zip(other))
            .map(|((_, descending), (one, other))| order(one, other, *descending))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
}

fn order(one: &Value, other: &Value, descending: bool) -> Ordering {
    let order = match (one, other) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) => return Ordering::Greater,
        (_, Value::Null) => return Ordering::Less,
        (Value::Number(one), Value::Number(other)) => one
            .as_f64()
            .unwrap_or_default()
            .total_cmp(&other.as_f64().unwrap_or_default()),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (one, other) => plain_text(one).cmp(&plain_text(other)),
    };
    if descending { order.reverse() } else { order }
}

impl FromStr for SortOrder {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let keys = input.split(',').map(|key| match key.trim().strip_prefix('-') {
            Some(name) => Ok((name.parse()?, true)),
            None => Ok((key.trim().parse()?, false)),
        });
        keys.collect::<Result<Vec<_>>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{InstanceState, ProviderKind};

    #[test]
    fn refuses_filters_without_sense() {
        for text in [
            "",
            "state",
            "nonsense=1",
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
            "memory_gib!=4 GiB",
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
    fn values_are_compared_for_what_they_are() {
        let mut instance = Instance::with_id_only(ProviderKind::Aws, "us-east-1".into(), "i-1".into());
        instance.state = InstanceState::Running;
        instance.protected = Some(true);
        instance.cpus = Some(4);
        instance.labels.insert("roles".into(), "app,web".into());
        instance.labels.insert("quote".into(), "say \"a,b\"".into());
        instance.memory_gib = Some(16.0);
        instance.created_at = "2026-11-25T08:00:00Z".parse().ok();
        let now = "2026-11-25T10:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("protected=yes,protected!=no,protected=true", true),
            ("protected!=yes", false),
            ("spot=no,spot!=yes,spot=false", true),
            // What is unknown is nothing, and differs from all.
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
        ] {
            let filter: Filter = text.parse().unwrap();
            assert_eq!(filter.admits(&instance, now), expected, "{text}");
        }
    }
}

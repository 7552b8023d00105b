//! Field filters and sort orders, over instances that are already here.

use std::cmp::Ordering;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::cloud::{Error, Field, Instance, InstanceState, Result, parse_duration};

/// A filter over fields: `state=running,age>2h`, all of which must hold. Text compares with `=` and `!=`, and with
/// `~` for "contains"; numbers, times and `age` also with `<`, `<=`, `>`, `>=`. `label.KEY` is a label.
#[derive(Clone, Debug)]
pub struct Filter(Vec<Comparison>);

#[derive(Clone, Debug)]
struct Comparison {
    subject: Subject,
    operator: Operator,
    operand: String,
}

#[derive(Clone, Debug)]
enum Subject {
    Field(Field),
    Label(String),
    Age,
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
    fn holds(&self, instance: &Instance, now: Timestamp) -> bool {
        let value = self.subject.value(instance, now);
        match self.operator {
            Operator::Equal => plain_text(&value).is_some_and(|text| text == self.operand),
            Operator::NotEqual => plain_text(&value).is_none_or(|text| text != self.operand),
            Operator::Contains => plain_text(&value).is_some_and(|text| text.contains(&self.operand)),
            Operator::Ordered { less, or_equal } => {
                let wanted = if less { Ordering::Less } else { Ordering::Greater };
                self.compare(&value)
                    .is_some_and(|order| order == wanted || (or_equal && order == Ordering::Equal))
            }
        }
    }

    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (&self.subject, value) {
            (Subject::Age, Value::Number(seconds)) => {
                let operand = parse_duration(&self.operand).ok()?;
                seconds.as_f64()?.partial_cmp(&operand.as_secs_f64())
            }
            (_, Value::Number(number)) => number.as_f64()?.partial_cmp(&self.operand.parse::<f64>().ok()?),
            (_, Value::String(text)) => Some(text.as_str().cmp(&self.operand)),
            _ => None,
        }
    }

    fn check(self) -> Result<Self> {
        let ordered = matches!(self.operator, Operator::Ordered { .. });
        match &self.subject {
            Subject::Age if ordered => parse_duration(&self.operand).map(|_| self),
            Subject::Age => Err(Error::invalid("age compares with <, <=, > and >= only").with_remedy("try age>2h")),
            Subject::Field(field) if field.name() == "state" && !ordered && self.operator != Operator::Contains => {
                self.operand.parse::<InstanceState>().map(|_| self)
            }
            _ => Ok(self),
        }
    }
}

impl Subject {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Field(field) if field.name() == name)
    }

    fn value(&self, instance: &Instance, now: Timestamp) -> Value {
        match self {
            Self::Field(field) => field.value(instance),
            Self::Label(key) => instance
                .labels
                .get(key)
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
            Some(key) => Ok(Self::Label(key.to_owned())),
            None if name == "age" => Ok(Self::Age),
            None => name.parse().map(Self::Field),
        }
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let comparisons = input.split(',').map(|part| {
            let (at, (symbol, operator)) = OPERATORS
                .iter()
                .filter_map(|operator| Some((part.find(operator.0)?, *operator)))
                .min_by_key(|(at, (symbol, _))| (*at, std::cmp::Reverse(symbol.len())))
                .ok_or_else(|| {
                    Error::invalid(format!("invalid filter {part:?}"))
                        .with_remedy("write it as field=value, such as state=running or age>2h")
                })?;
            let subject = part[..at].trim().parse()?;
            let operand = part[at + symbol.len()..].trim().to_owned();
            Comparison {
                subject,
                operator,
                operand,
            }
            .check()
        });
        comparisons.collect::<Result<Vec<_>>>().map(Self)
    }
}

/// The text of a value that is not a structure; nothing if it is unknown.
fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A sort order: `name,-age`; a hyphen turns a field's order round.
#[derive(Clone, Debug)]
pub struct SortOrder(Vec<(Subject, bool)>);

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

    #[test]
    fn refuses_filters_without_sense() {
        for text in ["", "state", "nonsense=1", "state=runing", "age=2h", "age>soon"] {
            assert!(text.parse::<Filter>().is_err(), "{text:?}");
        }
        assert!("state=running,age>2h,label.env!=ci,cpus>=4".parse::<Filter>().is_ok());
    }
}

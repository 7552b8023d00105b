//! Orders, over instances that are already here.

use std::cmp::Ordering;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use super::subject::{Subject, plain_text};
use crate::cloud::{Error, Instance, Result};

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

//! The list filters: AIP-160 comparisons (`labels.env=ci AND status!=TERMINATED`), and the older form
//! with regular expressions (`name eq web-.*`). As on the real service the two do not mix.

use jiff::Timestamp;
use serde_json::Value;

use super::errors::ApiError;
use super::list_filter_parser::Parser;
use super::regular_expression::Pattern;

/// A filter that parsed.
pub struct Filter {
    expression: Expression,
    fields: Vec<String>,
}

pub enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compare {
        field: String,
        operator: Operator,
        value: String,
    },
    /// `eq`, or (`false`) `ne`.
    Match {
        field: String,
        equal: bool,
        pattern: Pattern,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

impl Filter {
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut parser = Parser::new(text);
        let expression = parser.whole().ok_or_else(|| refusal(text))?;
        Ok(Self {
            expression,
            fields: parser.fields,
        })
    }

    /// The fields it names, for a check against the schema.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    pub fn matches(&self, resource: &Value) -> bool {
        self.expression.matches(resource)
    }
}

/// The error for a filter that the service does not understand.
pub fn refusal(text: &str) -> ApiError {
    ApiError::invalid("filter", text, "Invalid list filter expression.")
}

impl Expression {
    fn matches(&self, resource: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(resource)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(resource)),
            Self::Not(part) => !part.matches(resource),
            Self::Match { field, equal, pattern } => {
                let text = scalar(lookup(resource, field)).unwrap_or_default();
                pattern.matches(&text) == *equal
            }
            Self::Compare { field, operator, value } => compare(lookup(resource, field), *operator, value),
        }
    }
}

fn lookup<'v>(resource: &'v Value, field: &str) -> Option<&'v Value> {
    field.split('.').try_fold(resource, |value, name| value.get(name))
}

fn scalar(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => value.map(Value::to_string),
        _ => None,
    }
}

fn compare(found: Option<&Value>, operator: Operator, wanted: &str) -> bool {
    if operator == Operator::Has {
        if wanted == "*" {
            return found.is_some();
        }
        if let Some(Value::Object(map)) = found {
            return map.contains_key(wanted);
        }
    }
    let Some(found) = scalar(found) else {
        return operator == Operator::NotEqual;
    };
    let ordering = || {
        if let (Ok(left), Ok(right)) = (found.parse::<f64>(), wanted.parse::<f64>()) {
            return left.partial_cmp(&right);
        }
        match (found.parse::<Timestamp>(), moment(wanted)) {
            (Ok(left), Some(right)) => Some(left.cmp(&right)),
            _ => Some(found.as_str().cmp(wanted)),
        }
    };
    match operator {
        Operator::Equal | Operator::Has => same(&found, wanted),
        Operator::NotEqual => !same(&found, wanted),
        Operator::Less => ordering().is_some_and(|order| order.is_lt()),
        Operator::LessOrEqual => ordering().is_some_and(|order| order.is_le()),
        Operator::Greater => ordering().is_some_and(|order| order.is_gt()),
        Operator::GreaterOrEqual => ordering().is_some_and(|order| order.is_ge()),
    }
}

/// Equality, where an asterisk stands for any text.
fn same(found: &str, wanted: &str) -> bool {
    let Some((start, rest)) = wanted.split_once('*') else {
        return found == wanted;
    };
    let Some(found) = found.strip_prefix(start) else {
        return false;
    };
    (0..=found.len())
        .filter_map(|at| found.get(at..))
        .any(|tail| same(tail, rest))
}

fn moment(text: &str) -> Option<Timestamp> {
    let day = || {
        text.parse::<jiff::civil::Date>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
    };
    text.parse().ok().or_else(|| day().map(|zoned| zoned.timestamp()))
}

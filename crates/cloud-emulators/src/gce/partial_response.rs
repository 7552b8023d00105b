//! Partial answers: `fields=nextPageToken,items/*/instances(id,name)` keeps these and drops the rest, as Google's
//! services do. <https://developers.google.com/discovery/v1/performance#partial-response>

use serde_json::{Map, Value};

use super::errors::ApiError;

/// What is kept of a value: everything, or these fields of it; `*` is every field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mask(Vec<(String, Mask)>);

/// The part of an answer that a mask names.
pub fn cut(answer: &Value, mask: &str) -> Result<Value, ApiError> {
    let mut rest = mask;
    let parsed = Mask::parse(&mut rest).filter(|_| rest.is_empty());
    let parsed = parsed.ok_or_else(|| ApiError::invalid("fields", mask, "Invalid field selection."))?;
    Ok(parsed.keep(answer))
}

impl Mask {
    /// Paths with commas between them.
    fn parse(rest: &mut &str) -> Option<Self> {
        let mut fields = Vec::new();
        loop {
            fields.push(Self::path(rest)?);
            match rest.strip_prefix(',') {
                Some(after) => *rest = after,
                None => return Some(Self(fields)),
            }
        }
    }

    /// `a`, `a/b/c`, or `a(b,c)`.
    fn path(rest: &mut &str) -> Option<(String, Self)> {
        let end = rest.find([',', '/', '(', ')']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        *rest = after;
        if name.is_empty() {
            return None;
        }
        if let Some(after) = rest.strip_prefix('/') {
            *rest = after;
            return Some((name.to_owned(), Self(vec![Self::path(rest)?])));
        }
        if let Some(after) = rest.strip_prefix('(') {
            *rest = after;
            let inner = Self::parse(rest)?;
            *rest = rest.strip_prefix(')')?;
            return Some((name.to_owned(), inner));
        }
        Some((name.to_owned(), Self::default()))
    }

    fn keep(&self, value: &Value) -> Value {
        match value {
            _ if self.0.is_empty() => value.clone(),
            Value::Array(rows) => rows.iter().map(|row| self.keep(row)).collect(),
            Value::Object(fields) => {
                let mut kept = Map::new();
                for (name, field) in fields {
                    for (wanted, inner) in &self.0 {
                        if wanted != "*" && wanted != name {
                            continue;
                        }
                        let part = inner.keep(field);
                        let is_empty = part.as_object().is_some_and(Map::is_empty);
                        // Nothing of it was asked for.
                        if is_empty && !inner.0.is_empty() {
                            continue;
                        }
                        merge(kept.entry(name.clone()).or_insert(Value::Null), part);
                    }
                }
                kept.into()
            }
            _ => Value::Object(Map::new()),
        }
    }
}

/// Puts together what two paths keep of the same value.
fn merge(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(other)) if into.len() == other.len() => {
            for (into, other) in into.iter_mut().zip(other) {
                merge(into, other);
            }
        }
        (into, other) => *into = other,
    }
}

//! The check against Google's own description of the API: what a client sends and what this emulator
//! answers must both fit the discovery document, down to the last field.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value};

use super::errors::ApiError;
use super::regular_expression::Pattern;
use super::routing::{Call, capture, decode, resource_path};
use crate::recorded_call::Request;

/// The parts of the document that checks need.
pub struct Discovery {
    /// Method name (`instances.insert`) to its description.
    methods: HashMap<String, Value>,
    schemas: Map<String, Value>,
    parameters: Map<String, Value>,
}

/// What a field path such as `scheduling.preemptible` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Scalar,
    /// A map with free keys, such as `labels`.
    Map,
    Object,
    Array,
}

/// System parameters that every method takes, besides those the document lists.
/// `$apiVersion` and `$alt` are sent by the official Rust client.
const SYSTEM_PARAMETERS: &[&str] = &[
    "$alt",
    "$apiVersion",
    "$fields",
    "$key",
    "$prettyPrint",
    "$quotaUser",
    "$userProject",
    "$outputDefaults",
    "$unique",
    "$callback",
    "$trace",
];

/// Lists recommend it in their description and take it, although the document of 2026 does not list it.
const PARTIAL_SUCCESS: &str = "returnPartialSuccess";

/// A long list is checked up to here: its other rows are made by the same code.
const ROWS_CHECKED: usize = 20;

impl Discovery {
    /// Reads the document; every emulator of a process shares one copy of it.
    ///
    /// # Panics
    /// If the document cannot be read: a test that asked for the check must not run without it.
    pub fn load(path: &Path) -> Arc<Self> {
        static LOADED: OnceLock<Mutex<HashMap<PathBuf, Arc<Discovery>>>> = OnceLock::new();
        let mut loaded = LOADED
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let discovery = loaded.entry(path.to_owned()).or_insert_with(|| {
            let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let document: Value =
                serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Arc::new(Self::new(document))
        });
        Arc::clone(discovery)
    }

    fn new(mut document: Value) -> Self {
        let mut part = |name: &str| match document[name].take() {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let mut methods = HashMap::new();
        for resource in part("resources").values_mut() {
            let Value::Object(found) = resource["methods"].take() else {
                continue;
            };
            for method in found.into_values() {
                let id = method["id"].as_str().unwrap_or_default();
                let name = id.strip_prefix("compute.").unwrap_or(id).to_owned();
                methods.insert(name, method);
            }
        }
        Self {
            methods,
            schemas: part("schemas"),
            parameters: part("parameters"),
        }
    }

    /// The API's method for a request, whether this emulator has it or not.
    pub fn method_of(&self, request: &Request) -> Option<&str> {
        let path = resource_path(&request.path)?;
        let segments: Vec<String> = path.split('/').map(|part| decode(part, false)).collect();
        let fits = |method: &Value| {
            method["httpMethod"] == request.method.as_str()
                && method["flatPath"]
                    .as_str()
                    .is_some_and(|path| capture(path, &segments).is_some())
        };
        let (name, _) = self.methods.iter().find(|(_, method)| fits(method))?;
        Some(name)
    }

    /// What is wrong with a call, in the words of the service.
    pub fn check_call(&self, call: &Call) -> Result<(), ApiError> {
        let Some(method) = self.methods.get(call.name()) else {
            return Err(ApiError::payload(format!("No method {} in the document.", call.name())));
        };
        let known = &method["parameters"];
        for (name, value) in call.parameters() {
            check_pattern(name, value, &known[name])?;
        }
        for (name, value) in call.query.iter() {
            let schema = match known.get(name).or_else(|| self.parameters.get(name)) {
                Some(schema) if schema["location"] == "query" => schema,
                _ if SYSTEM_PARAMETERS.contains(&name) => continue,
                _ if name == PARTIAL_SUCCESS && takes_partial_success(call.name()) => {
                    check_flag(name, value)?;
                    continue;
                }
                _ => {
                    return Err(ApiError::payload(format!(
                        "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                         parameter. Field '{name}' could not be found in request message."
                    )));
                }
            };
            if !value.is_empty() {
                check_query(name, value, schema)?;
            }
        }
        for (name, schema) in known.as_object().into_iter().flatten() {
            if schema["required"] == true && schema["location"] == "query" && call.query.get(name).is_none() {
                return Err(ApiError::new(400, "required", format!("Required parameter: {name}")));
            }
        }
        match (method["request"]["$ref"].as_str(), &call.body) {
            (Some(_), Value::Null) => Err(ApiError::new(400, "required", "Required parameter: body")),
            (Some(schema), body) => self
                .check(&self.schemas[schema], body, "resource")
                .map_err(ApiError::payload),
            (None, Value::Null) => Ok(()),
            (None, Value::Object(map)) if map.is_empty() => Ok(()),
            (None, _) => Err(ApiError::payload(
                "Invalid JSON payload received. A body was not expected.",
            )),
        }
    }

    /// What is wrong with an answer of this emulator.
    pub fn check_answer(&self, name: &str, answer: &Value) -> Result<(), String> {
        match self
            .methods
            .get(name)
            .and_then(|method| method["response"]["$ref"].as_str())
        {
            Some(schema) => self.check(&self.schemas[schema], answer, name),
            None if answer.is_null() => Ok(()),
            None => Err(format!("{name} has no body in its answer")),
        }
    }

    /// Follows a dotted path through a schema; `None` if there is no such field.
    pub fn field(&self, schema: &str, path: &str) -> Option<FieldKind> {
        let mut at = self.schemas.get(schema)?;
        for name in path.split('.') {
            at = match (&at["additionalProperties"], at["type"].as_str()) {
                (Value::Null, Some("object")) => at["properties"].get(name)?,
                (values @ Value::Object(_), _) => values,
                _ => return None,
            };
            at = self.resolve(at);
        }
        Some(match (&at["additionalProperties"], at["type"].as_str()) {
            (Value::Object(_), _) => FieldKind::Map,
            (_, Some("object")) => FieldKind::Object,
            (_, Some("array")) => FieldKind::Array,
            _ => FieldKind::Scalar,
        })
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let target = schema["$ref"].as_str().and_then(|name| self.schemas.get(name));
        target.unwrap_or(schema)
    }

    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = self.resolve(schema);
        let wrong = |wanted: &str| Err(format!("Invalid value at '{at}' ({wanted}), {value}"));
        match (schema["type"].as_str(), value) {
            (Some("any") | None, _) => Ok(()),
            (Some("object"), Value::Object(fields)) => {
                for (name, field) in fields {
                    let known = schema["properties"].get(name);
                    let Some(known) = known.or_else(|| schema.get("additionalProperties")) else {
                        return Err(format!(
                            "Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field."
                        ));
                    };
                    self.check(known, field, &format!("{at}.{name}"))?;
                }
                Ok(())
            }
            (Some("array"), Value::Array(rows)) => rows
                .iter()
                .take(ROWS_CHECKED)
                .enumerate()
                .try_for_each(|(index, row)| self.check(&schema["items"], row, &format!("{at}[{index}]"))),
            (Some("string"), Value::String(text)) => match check_string(schema, text) {
                Some(wanted) => wrong(wanted),
                None => Ok(()),
            },
            (Some("boolean"), Value::Bool(_)) => Ok(()),
            (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
            (Some("number"), Value::Number(_)) => Ok(()),
            (Some(wanted), _) => wrong(wanted),
        }
    }
}

/// Names the form that a string should have had.
fn check_string<'s>(schema: &'s Value, text: &str) -> Option<&'s str> {
    let known = schema["enum"].as_array();
    if known.is_some_and(|known| !known.iter().any(|value| value == text)) {
        return Some("one of the enum's values");
    }
    let format = schema["format"].as_str()?;
    let fits = match format {
        "int64" => text.parse::<i64>().is_ok(),
        "uint64" => text.parse::<u64>().is_ok(),
        "byte" => text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)),
        _ => true,
    };
    (!fits).then_some(format)
}

fn check_pattern(name: &str, value: &str, schema: &Value) -> Result<(), ApiError> {
    let Some(source) = schema["pattern"].as_str() else {
        return Ok(());
    };
    match Pattern::new(source) {
        Some(pattern) if !pattern.matches(value) => Err(ApiError::invalid(
            name,
            value,
            &format!("Must be a match of regex '{source}'"),
        )),
        _ => Ok(()),
    }
}

fn check_query(name: &str, value: &str, schema: &Value) -> Result<(), ApiError> {
    let bound = |key: &str| schema[key].as_str().and_then(|bound| bound.parse::<i64>().ok());
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("boolean"), _) => return check_flag(name, value),
        (Some("integer"), _) | (_, Some("int64" | "uint64")) => {
            let number = value.parse::<i64>().ok().filter(|number| {
                bound("minimum").is_none_or(|least| *number >= least)
                    && bound("maximum").is_none_or(|most| *number <= most)
            });
            if number.is_none() {
                return Err(ApiError::invalid(
                    name,
                    value,
                    "The number is malformed or out of range.",
                ));
            }
        }
        _ => {}
    }
    let known = schema["enum"].as_array();
    if known.is_some_and(|known| !known.iter().any(|allowed| allowed == value)) {
        return Err(ApiError::invalid(name, value, "Not one of the allowed values."));
    }
    check_pattern(name, value, schema)
}

fn check_flag(name: &str, value: &str) -> Result<(), ApiError> {
    // gcloud writes True.
    match value.to_ascii_lowercase().as_str() {
        "true" | "false" => Ok(()),
        _ => Err(ApiError::invalid(name, value, "Must be true or false.")),
    }
}

fn takes_partial_success(method: &str) -> bool {
    method.ends_with(".list") || method.ends_with(".aggregatedList")
}

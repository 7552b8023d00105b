//! `cloudctl schema`

use clap::ValueEnum;
use serde_json::{Value, json};

use super::create;
use crate::cloud::{ErrorKind, Field, InstanceState};
use crate::exit::ExitStatus;
use crate::output::{ERROR_FIELDS, Printer};

/// Print the JSON Schema of what cloudctl reads or prints
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What of
    #[arg(value_name = "WHAT")]
    what: What,
}

/// What there are schemas of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The file of `create -f`
    Spec,
    /// An item of the output: a VM
    Instance,
    /// An entry of `errors` in the output
    Error,
}

/// Prints the schema.
pub fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let schema = match args.what {
        What::Spec => create::spec_schema(),
        What::Instance => instance(),
        What::Error => error(),
    };
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    printer.text(text.as_bytes())?;
    Ok(ExitStatus::DONE)
}

/// The dialect of the schemas that are not derived.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

fn object(title: &str, properties: impl Iterator<Item = (&'static str, Value)>) -> Value {
    let properties: serde_json::Map<_, _> = properties.map(|(name, schema)| (name.to_owned(), schema)).collect();
    let required: Vec<_> = properties.keys().cloned().collect();
    // Fields are added in time: a reader must not refuse those that it does not know.
    json!({ "$schema": DIALECT, "title": title, "type": "object", "properties": properties, "required": required })
}

fn instance() -> Value {
    object(
        "cloudctl instance",
        Field::ALL.iter().map(|field| (field.name(), of_field(field.name()))),
    )
}

/// What a field of an instance can be; null is "not known".
fn of_field(name: &str) -> Value {
    let words = |words: Vec<&str>| json!({ "enum": words });
    match name {
        "provider" => words(vec!["aws", "gcp", "mock"]),
        "state" => words(InstanceState::ALL.iter().map(|state| state.as_str()).collect()),
        "architecture" => json!({ "enum": ["x86_64", "arm64", null] }),
        "expiry_enforcer" => json!({ "enum": ["cloud", "guest", "tag", null] }),
        "region" | "id" | "ref" | "native_state" => json!({ "type": "string" }),
        "cpus" => json!({ "type": ["integer", "null"], "minimum": 1 }),
        "memory_gib" => json!({ "type": ["number", "null"], "description": "GiB" }),
        "price_usd_per_hour" => {
            json!({ "type": ["number", "null"], "description": "USD per hour, without disk and traffic" })
        }
        "spot" | "managed" => json!({ "type": "boolean" }),
        "protected" => json!({ "type": ["boolean", "null"] }),
        "labels" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "created_at" | "expires_at" => json!({ "type": ["string", "null"], "format": "date-time" }),
        "native" => json!({ "description": "what only this cloud knows of it" }),
        _ => json!({ "type": ["string", "null"] }),
    }
}

fn error() -> Value {
    let kinds: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let of = |name: &'static str| match name {
        "kind" => json!({ "enum": kinds }),
        "message" | "hint" => json!({ "type": "string" }),
        _ => json!({ "type": ["string", "null"] }),
    };
    object("cloudctl error", ERROR_FIELDS.into_iter().map(|name| (name, of(name))))
}

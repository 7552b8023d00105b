//! JSON Schemas of instances and errors in JSON output. They forbid no additional fields, because later versions add some.

use serde_json::{Map, Value, json};

use crate::cloud::{CloudInfos, ErrorKind, InstanceState, ProviderKind, join_with_or};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of an instance: an entry of `items`, and a line of `-o jsonl`.
pub fn instance_schema(infos: CloudInfos) -> Value {
    let text_or_null = json!(["string", "null"]);
    let number_or_null = json!(["number", "null"]);
    let states = InstanceState::ALL.map(InstanceState::as_str);
    let clouds = ProviderKind::ALL.map(ProviderKind::as_str);
    let owners = infos.iter().filter(|info| info.needs_credentials);
    let owners = join_with_or(owners.map(|info| format!("{} ({})", info.account_noun, info.kind)));
    object(
        "VM",
        "A VM as its cloud described it at the moment of asking. Null is not known, never no.",
        vec![
            ("provider", json!({"enum": clouds}), "The cloud it is on"),
            (
                "account",
                json!({"type": text_or_null}),
                &format!("The {owners} that owns it"),
            ),
            ("region", json!({"type": "string"}), "The region it is in"),
            ("zone", json!({"type": text_or_null}), "The zone it is in"),
            ("id", json!({"type": "string"}), "The cloud's own id"),
            (
                "ref",
                json!({"type": "string"}),
                "Its full name for all commands: provider/region/id",
            ),
            ("name", json!({"type": text_or_null}), "Its name"),
            ("state", json!({"enum": states}), "Its state"),
            (
                "native_state",
                json!({"type": "string"}),
                "Its state in the cloud's own word",
            ),
            (
                "machine_type",
                json!({"type": text_or_null}),
                "Machine type in the cloud's own word",
            ),
            (
                "cpus",
                json!({"type": ["integer", "null"], "minimum": 0}),
                "Virtual CPUs",
            ),
            (
                "memory_gib",
                json!({"type": number_or_null, "minimum": 0}),
                "Memory in GiB",
            ),
            (
                "architecture",
                json!({"enum": ["x86_64", "arm64", null]}),
                "Instruction set",
            ),
            (
                "image",
                json!({"type": text_or_null}),
                "The image it was made from, in the cloud's own word",
            ),
            (
                "spot",
                json!({"type": "boolean"}),
                "Whether it runs on spare capacity that the cloud can take back",
            ),
            ("public_ip", json!({"type": text_or_null}), "Public IPv4 address"),
            ("private_ip", json!({"type": text_or_null}), "Private IPv4 address"),
            (
                "labels",
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
                "The user's own labels",
            ),
            ("created_at", time(), "When it was first made"),
            ("expires_at", time(), "When it will be ended"),
            (
                "expiry_enforcer",
                json!({"enum": ["cloud", "guest", "tag", null]}),
                "Who ends it then",
            ),
            ("managed", json!({"type": "boolean"}), "Whether cloudctl made it"),
            (
                "protected",
                json!({"type": ["boolean", "null"]}),
                "Whether it is protected against termination",
            ),
            (
                "price_usd_per_hour",
                json!({"type": number_or_null, "minimum": 0}),
                "Price in USD per hour",
            ),
            ("native", json!(true), "What only this cloud has to say of it"),
        ],
    )
}

/// The schema of an error: an entry of `errors`.
pub fn error_schema() -> Value {
    let text_or_null = json!(["string", "null"]);
    let kinds = ErrorKind::ALL.map(ErrorKind::as_str);
    object(
        "error",
        "What went wrong, beside the results.",
        vec![
            (
                "location",
                json!({"type": text_or_null}),
                "Where, such as aws/us-east-1",
            ),
            ("kind", json!({"enum": kinds}), "What to act on"),
            ("code", json!({"type": text_or_null}), "The cloud's own error code"),
            (
                "request_id",
                json!({"type": text_or_null}),
                "The cloud's request id, which its support asks for",
            ),
            ("message", json!({"type": "string"}), "What failed"),
            ("hint", json!({"type": "string"}), "The next step"),
            (
                "leftover",
                json!({"type": text_or_null}),
                "What exists, or may exist, although this failed: a VM in full form, or a disk; the first of leftovers",
            ),
            (
                "leftovers",
                json!({"type": "array", "items": {"type": "string"}}),
                "All that exists, or may exist, although this failed: VMs in full form, disks, firewall rules, security \
                 groups",
            ),
        ],
    )
}

/// The schema of a time: ISO 8601 in UTC.
fn time() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

fn object(title: &str, description: &str, fields: Vec<(&'static str, Value, &str)>) -> Value {
    let names: Vec<_> = fields.iter().map(|(name, ..)| *name).collect();
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(name, mut schema, description)| {
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), description.into());
            } else {
                schema = json!({"description": description});
            }
            (name.to_owned(), schema)
        })
        .collect();
    json!({
        "$schema": DRAFT,
        "title": title,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": names,
    })
}

#[cfg(test)]
mod tests {
    use super::super::output_record::Record;
    use super::*;
    use crate::cloud::{Error, InstanceField};
    use crate::providers::Drivers;

    #[test]
    fn schemas_require_every_printed_field() {
        let required = |schema: &Value| -> Vec<String> { serde_json::from_value(schema["required"].clone()).unwrap() };
        let fields: Vec<_> = InstanceField::ALL.iter().map(InstanceField::name).collect();
        assert_eq!(required(&instance_schema(Drivers::default().infos())), fields);
        let error = Record::from_error(&Error::invalid("x"), None);
        let fields: Vec<_> = error.fields().iter().map(|(name, _)| *name).collect();
        assert_eq!(required(&error_schema()), fields);
    }
}

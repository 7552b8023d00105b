//! JSON Schemas of instances and errors in JSON output. They forbid no additional fields, because later versions add some.

use serde_json::{Map, Value, json};

use crate::cloud::{CloudInfos, ErrorKind, InstanceState, ProviderKind, join_with_or};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A list of fields: the name, the schema and the description of each.
macro_rules! fields {
    ($($name:ident: $schema:tt, $description:expr;)*) => {
        vec![$((stringify!($name), json!($schema), $description)),*]
    };
}

/// The schema of an instance: an entry of `items`, and a line of `-o jsonl`.
pub fn instance_schema(infos: CloudInfos) -> Value {
    let text_or_null = json!(["string", "null"]);
    let number_or_null = json!(["number", "null"]);
    // ISO 8601 in UTC.
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let states = InstanceState::ALL.map(InstanceState::as_str);
    let clouds = ProviderKind::ALL.map(ProviderKind::as_str);
    let clouds_with_accounts = infos.iter().filter(|info| info.needs_credentials);
    let owners = join_with_or(clouds_with_accounts.map(|info| format!("{} ({})", info.account_noun, info.kind)));
    object(
        "VM",
        "A VM as its cloud described it at the moment of asking. Null is not known, never no.",
        fields! {
            provider: {"enum": clouds}, "The cloud it is on";
            account: {"type": text_or_null}, &format!("The {owners} that owns it");
            region: {"type": "string"}, "The region it is in";
            zone: {"type": text_or_null}, "The zone it is in";
            id: {"type": "string"}, "The cloud's own id";
            ref: {"type": "string"}, "Its full name for all commands: provider/region/id";
            name: {"type": text_or_null}, "Its name";
            state: {"enum": states}, "Its state";
            native_state: {"type": "string"}, "Its state in the cloud's own word";
            machine_type: {"type": text_or_null}, "Machine type in the cloud's own word";
            cpus: {"type": ["integer", "null"], "minimum": 0}, "Virtual CPUs";
            memory_gib: {"type": number_or_null, "minimum": 0}, "Memory in GiB";
            architecture: {"enum": ["x86_64", "arm64", null]}, "Instruction set";
            image: {"type": text_or_null}, "The image it was made from, in the cloud's own word";
            spot: {"type": "boolean"}, "Whether it runs on spare capacity that the cloud can take back";
            public_ip: {"type": text_or_null}, "Public IPv4 address";
            private_ip: {"type": text_or_null}, "Private IPv4 address";
            labels: {"type": "object", "additionalProperties": {"type": "string"}}, "The user's own labels";
            created_at: time, "When it was first made";
            expires_at: time, "When it will be ended";
            expiry_enforcer: {"enum": ["cloud", "guest", "tag", null]}, "Who ends it then";
            managed: {"type": "boolean"}, "Whether cloudctl made it";
            protected: {"type": ["boolean", "null"]}, "Whether it is protected from termination";
            price_usd_per_hour: {"type": number_or_null, "minimum": 0}, "Price in USD per hour";
            native: true, "What only this cloud has to say of it";
        },
    )
}

/// The schema of an error: an entry of `errors`.
pub fn error_schema() -> Value {
    let text_or_null = json!(["string", "null"]);
    let kinds = ErrorKind::ALL.map(ErrorKind::as_str);
    object(
        "error",
        "What went wrong, beside the results.",
        fields! {
            location: {"type": text_or_null}, "Where, such as aws/us-east-1";
            kind: {"enum": kinds}, "What to act on";
            code: {"type": text_or_null}, "The cloud's own error code";
            request_id: {"type": text_or_null}, "The cloud's request id, which its support asks for";
            message: {"type": "string"}, "What failed";
            hint: {"type": "string"}, "The next step";
            leftover: {"type": text_or_null},
                "What exists, or may exist, although this failed: a VM in full form, or a disk; the first of leftovers";
            leftovers: {"type": "array", "items": {"type": "string"}},
                "All that exists, or may exist, although this failed: VMs in full form, disks, firewall rules, security \
                 groups";
        },
    )
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

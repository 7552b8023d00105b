//! Builds the JSON Schema of spec files. The descriptions are the help of the flags.

use clap::Args as _;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::merge::Document;
use crate::commands::create::args::Args;
use crate::settings::GlobalArgs;

/// Builds the schema: <https://json-schema.org/draft/2020-12/json-schema-core>
pub(crate) fn spec_schema() -> Value {
    let mut schema = document_schema();
    let help = flag_help();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "VMs to create with cloudctl".into());
        root.insert(
            "description".to_owned(),
            "What `cloudctl create -f` takes. The keys are its flags' names; a flag overrides the file.".into(),
        );
    }
    remove_null(&mut schema);
    add_descriptions_and_min_lengths(&mut schema, &help);
    if let Some(vm) = schema.pointer_mut("/$defs/vm") {
        add_descriptions_and_min_lengths(vm, &help);
    }
    schema
}

/// Lists the keys of a file.
pub(crate) fn list_keys() -> Vec<String> {
    match document_schema().get("properties") {
        Some(Value::Object(properties)) => properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The schema without the help of the flags.
fn document_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<Document>().to_value()
}

/// Returns the help of each flag by its long name.
fn flag_help() -> Map<String, Value> {
    let command = GlobalArgs::augment_args(Args::augment_args(clap::Command::new("create")));
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    arguments
        .filter_map(|argument| {
            let key = match argument.get_long() {
                Some(long) => long,
                None if argument.get_id() == "name" => "name",
                None => return None,
            };
            Some((key.to_owned(), Value::from(argument.get_help()?.to_string())))
        })
        .collect()
}

/// Describes each key with the help of its flag.
fn add_descriptions_and_min_lengths(schema: &mut Value, help: &Map<String, Value>) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (key, property) in properties {
        let Some(property) = property.as_object_mut() else {
            continue;
        };
        if let Some(text) = help.get(key) {
            property.insert("description".to_owned(), text.clone());
        }
        // No key takes empty text.
        if property.get("type") == Some(&Value::from("string")) && !property.contains_key("enum") {
            property.insert("minLength".to_owned(), 1.into());
        }
    }
}

/// Removes null from all types. A key has a value or is left out.
fn remove_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(variants)) = map.get_mut("anyOf") {
                variants.retain(|variant| variant.get("type") != Some(&Value::from("null")));
                if let [Value::Object(only)] = variants.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            map.remove("default");
            map.values_mut().for_each(remove_null);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spec_keys_are_flags_with_a_description() {
        let schema = spec_schema();
        for properties in ["/properties", "/$defs/vm/properties"] {
            let properties = schema.pointer(properties).unwrap().as_object().unwrap();
            assert!(properties.len() > 25);
            for (key, property) in properties {
                assert!(property["description"].is_string(), "{key}: {property}");
                assert!(key == "vm" || flag_help().contains_key(key), "{key} is no flag");
            }
        }
    }

    #[test]
    fn flags_that_describe_a_vm_are_spec_keys() {
        let spec_keys = list_keys();
        // These flags set how the command runs.
        let command_flags = [
            "file",
            "timeout",
            "dry-run",
            "ssh-port",
            "output",
            "quiet",
            "no-headers",
            "context",
            "verbose",
        ];
        for flag in flag_help().keys() {
            let is_command_flag = command_flags.contains(&flag.as_str());
            assert!(is_command_flag || spec_keys.contains(flag), "--{flag}");
        }
    }
}

//! The JSON Schema of spec files, whose words are those of the flags' help.

use clap::Args as _;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::merge::Document;
use crate::commands::create::args::Args;
use crate::settings::GlobalArgs;

/// The schema: <https://json-schema.org/draft/2020-12/json-schema-core>
pub(crate) fn spec_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>().to_value();
    let help = help();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "VMs to create with cloudctl".into());
        root.insert(
            "description".to_owned(),
            "What `cloudctl create -f` takes. The keys are its flags' names; a flag overrides the file.".into(),
        );
    }
    without_null(&mut schema);
    describe(&mut schema, &help);
    if let Some(vm) = schema.pointer_mut("/$defs/vm") {
        describe(vm, &help);
    }
    schema
}

/// The keys of a file, and of each VM in it.
pub(crate) fn keys() -> Vec<String> {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<Document>().to_value();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

/// The help of each flag by its long name.
fn help() -> Map<String, Value> {
    let command = GlobalArgs::augment_args(Args::augment_args(clap::Command::new("create")));
    let arguments = command.get_arguments();
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

/// Puts the flags' words to the keys.
fn describe(schema: &mut Value, help: &Map<String, Value>) {
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
        // Empty text is nothing.
        if property.get("type") == Some(&Value::from("string")) && !property.contains_key("enum") {
            property.insert("minLength".to_owned(), 1.into());
        }
    }
}

/// A key is there with a value or not at all.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(ways)) = map.get_mut("anyOf") {
                ways.retain(|way| way.get("type") != Some(&Value::from("null")));
                if let [Value::Object(one)] = ways.as_slice() {
                    let one = one.clone();
                    map.remove("anyOf");
                    map.extend(one);
                }
            }
            map.remove("default");
            map.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_a_flag_and_has_its_words() {
        let schema = spec_schema();
        for properties in ["/properties", "/$defs/vm/properties"] {
            let properties = schema.pointer(properties).unwrap().as_object().unwrap();
            assert!(properties.len() > 25);
            for (key, property) in properties {
                assert!(property["description"].is_string(), "{key}: {property}");
                assert!(key == "vm" || help().contains_key(key), "{key} is no flag");
            }
        }
    }

    /// What describes no VM: how the command goes about it.
    #[test]
    fn every_flag_that_describes_a_vm_is_a_key() {
        let keys = keys();
        let of_the_command = [
            "file", "timeout", "dry-run", "ssh-port", "output", "quiet", "context", "verbose",
        ];
        for flag in help().keys().filter(|flag| !of_the_command.contains(&flag.as_str())) {
            assert!(keys.contains(flag), "--{flag}");
        }
    }
}

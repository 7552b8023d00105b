//! Defines the keys of spec files, which are the flags of `create`, and merges the keys for all VMs into each VM.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::field_values;
use super::field_values::{
    architecture_schema, disk_schema, gpu_schema, ingress_rules_schema, labels_schema, memory_schema,
    positive_number_schema, provider_schema, read_value, words_schema,
};
use crate::cloud::{Architecture, Gpu, IngressRule};
use crate::commands::create::args::{Args, FallbackValue, WaitValue};
use crate::settings::ProviderChoice;

/// Defines the same keys for one VM and for a whole file, which may also have a list of VMs.
macro_rules! spec_file {
    ($($(#[$attribute:meta])* $key:ident($reader:literal): $type:ty,)*) => {
        /// The description of one VM, or of a group of them.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        #[schemars(rename = "vm")]
        pub(crate) struct SpecFile {
            $(
                $(#[$attribute])*
                #[serde(default, deserialize_with = $reader)]
                pub(crate) $key: Option<$type>,
            )*
            /// The folder of the file. Paths in the file are relative to it.
            #[serde(skip)]
            pub(crate) folder: PathBuf,
            /// The file, for messages.
            #[serde(skip)]
            pub(crate) source: String,
        }

        /// A whole spec file.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(crate) struct Document {
            $(
                $(#[$attribute])*
                #[serde(default, deserialize_with = $reader)]
                $key: Option<$type>,
            )*
            /// Several VMs. The keys beside this list hold for each of them that does not say otherwise.
            #[serde(default, alias = "vms", deserialize_with = "field_values::read_list")]
            #[schemars(length(min = 1))]
            vm: Option<Vec<SpecFile>>,
        }

        impl Document {
            /// Splits the file into the keys next to the list, and the list.
            pub(crate) fn split(self) -> (SpecFile, Option<Vec<SpecFile>>) {
                let common_keys = SpecFile {
                    $($key: self.$key,)*
                    folder: PathBuf::new(),
                    source: String::new(),
                };
                (common_keys, self.vm)
            }
        }

        impl SpecFile {
            /// Fills each missing key from `defaults`.
            fn or(self, defaults: Self) -> Self {
                Self {
                    $($key: self.$key.or(defaults.$key),)*
                    ..self
                }
            }
        }
    };
}

spec_file! {
    name("field_values::read_text"): String,
    #[schemars(schema_with = "provider_schema")]
    provider("read_value"): ProviderChoice,
    #[schemars(schema_with = "words_schema")]
    region("field_values::read_words"): Vec<String>,
    zone("field_values::read_text"): String,
    #[serde(rename = "type")]
    machine_type("field_values::read_text"): String,
    #[schemars(range(min = 1))]
    cpus("field_values::read_cpus"): u32,
    #[schemars(schema_with = "memory_schema")]
    memory("field_values::read_memory"): f64,
    #[schemars(schema_with = "architecture_schema")]
    arch("read_value"): Architecture,
    #[schemars(schema_with = "gpu_schema")]
    gpu("field_values::read_gpu"): Gpu,
    #[serde(alias = "max_price")]
    #[schemars(schema_with = "positive_number_schema")]
    max_price("field_values::read_usd"): f64,
    #[schemars(schema_with = "positive_number_schema")]
    budget("field_values::read_usd"): f64,
    image("field_values::read_text"): String,
    #[schemars(schema_with = "disk_schema")]
    disk("field_values::read_disk"): u32,
    #[serde(alias = "disk_type")]
    disk_type("field_values::read_text"): String,
    #[schemars(range(min = 1, max = 1000))]
    count("field_values::read_number"): u32,
    #[serde(alias = "ssh_key")]
    ssh_key("field_values::read_file_name"): String,
    #[serde(alias = "user_data")]
    user_data("field_values::read_file_name"): String,
    network("field_values::read_text"): String,
    subnet("field_values::read_text"): String,
    firewall("field_values::read_values"): Vec<String>,
    #[schemars(schema_with = "ingress_rules_schema")]
    open("field_values::read_ingress_rules"): Vec<IngressRule>,
    #[serde(alias = "no_public_ip")]
    no_public_ip("field_values::read_bool"): bool,
    identity("field_values::read_text"): String,
    #[serde(alias = "labels")]
    #[schemars(schema_with = "labels_schema")]
    label("field_values::read_labels"): BTreeMap<String, String>,
    spot("field_values::read_bool"): bool,
    protect("field_values::read_bool"): bool,
    ttl("field_values::read_ttl"): String,
    fallback("field_values::read_values"): Vec<FallbackValue>,
    native("field_values::read_native_options"): BTreeMap<String, Value>,
    wait("read_value"): WaitValue,
}

impl SpecFile {
    /// Fills each missing key from the keys for all VMs of the file. Labels and native options are merged. A default
    /// that contradicts a key of this VM is not used.
    pub(crate) fn with_defaults(mut self, defaults: &Self) -> Self {
        let mut defaults = defaults.clone();
        // A VM that sets a region or a zone sets its whole location.
        if self.region.is_some() || self.zone.is_some() {
            (defaults.region, defaults.zone) = (None, None);
        }
        // Both set the lifetime.
        if self.ttl.is_some() || self.budget.is_some() {
            (defaults.ttl, defaults.budget) = (None, None);
        }
        add_missing(&mut self.label, defaults.label.take());
        add_missing(&mut self.native, defaults.native.take());
        self.or(defaults)
    }

    /// Removes the TTL and the budget if a flag sets the lifetime.
    pub(crate) fn without_overridden_lifetime(mut self, args: &Args) -> Self {
        if args.ttl.is_some() || args.budget.is_some() {
            (self.ttl, self.budget) = (None, None);
        }
        self
    }
}

/// Adds the defaults whose keys are not in the map.
fn add_missing<T>(map: &mut Option<BTreeMap<String, T>>, defaults: Option<BTreeMap<String, T>>) {
    for (key, value) in defaults.unwrap_or_default() {
        map.get_or_insert_default().entry(key).or_insert(value);
    }
}

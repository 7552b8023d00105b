//! What a file can say of VMs: the flags of `create`, by their names.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::values;
use super::values::{
    amount_schema, architecture_schema, gpu_schema, openings_schema, parsed, provider_schema, words_schema,
};
use crate::cloud::{Architecture, Gpu, IngressRule};
use crate::commands::create::args::{Args, FallbackValue, WaitValue};
use crate::settings::ProviderChoice;

/// The same keys twice: for one VM, and for the whole file, which may have a list of VMs beside them.
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
            /// The folder of the file, which the files it names are relative to.
            #[serde(skip)]
            pub(crate) folder: PathBuf,
            /// The file, for messages.
            #[serde(skip)]
            pub(crate) source: String,
        }

        /// A whole file.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(crate) struct Document {
            $(
                $(#[$attribute])*
                #[serde(default, deserialize_with = $reader)]
                $key: Option<$type>,
            )*
            /// Several VMs. The keys beside this list hold for each of them that does not say otherwise.
            #[serde(default, deserialize_with = "values::list")]
            #[schemars(length(min = 1))]
            vm: Option<Vec<SpecFile>>,
        }

        impl Document {
            /// What stands beside the list, and the list.
            pub(crate) fn split(self) -> (SpecFile, Option<Vec<SpecFile>>) {
                let beside = SpecFile {
                    $($key: self.$key,)*
                    folder: PathBuf::new(),
                    source: String::new(),
                };
                (beside, self.vm)
            }
        }

        impl SpecFile {
            /// The same, with what is not said here taken from elsewhere.
            fn or(self, other: &Self) -> Self {
                Self {
                    $($key: self.$key.or_else(|| other.$key.clone()),)*
                    ..self
                }
            }
        }
    };
}

spec_file! {
    name("values::text"): String,
    #[schemars(schema_with = "provider_schema")]
    provider("parsed"): ProviderChoice,
    #[schemars(schema_with = "words_schema")]
    region("values::words"): Vec<String>,
    zone("values::text"): String,
    #[serde(rename = "type")]
    machine_type("values::text"): String,
    cpus("parsed"): NonZeroU32,
    #[schemars(schema_with = "amount_schema")]
    memory("values::memory"): f64,
    #[schemars(schema_with = "architecture_schema")]
    arch("parsed"): Architecture,
    #[schemars(schema_with = "gpu_schema")]
    gpu("values::gpu"): Gpu,
    #[schemars(schema_with = "amount_schema")]
    max_price("values::usd"): f64,
    #[schemars(schema_with = "amount_schema")]
    budget("values::usd"): f64,
    image("values::text"): String,
    disk("parsed"): NonZeroU32,
    disk_type("values::text"): String,
    #[schemars(range(min = 1, max = 1000))]
    count("parsed"): u32,
    ssh_key("values::file_name"): String,
    user_data("values::file_name"): String,
    network("values::text"): String,
    subnet("values::text"): String,
    firewall("parsed"): Vec<String>,
    #[schemars(schema_with = "openings_schema")]
    open("values::openings"): Vec<IngressRule>,
    no_public_ip("parsed"): bool,
    identity("values::text"): String,
    label("values::labels"): BTreeMap<String, String>,
    spot("parsed"): bool,
    protect("parsed"): bool,
    ttl("values::text"): String,
    fallback("parsed"): Vec<FallbackValue>,
    native("values::options"): BTreeMap<String, Value>,
    wait("parsed"): WaitValue,
}

impl SpecFile {
    /// The same, with what is not said here taken from what holds for all VMs of the file. Labels and native options are
    /// put together; what says the opposite of something that is said here is left out.
    pub(crate) fn with_defaults(mut self, defaults: &Self) -> Self {
        let mut defaults = defaults.clone();
        // Who names a region or a zone names the whole place.
        if self.region.is_some() || self.zone.is_some() {
            (defaults.region, defaults.zone) = (None, None);
        }
        // Both say how long it lives.
        if self.ttl.is_some() || self.budget.is_some() {
            (defaults.ttl, defaults.budget) = (None, None);
        }
        self.label = merged(self.label, defaults.label.as_ref());
        self.native = merged(self.native, defaults.native.as_ref());
        self.or(&defaults)
    }

    /// The same without what a flag says the opposite of: how long it lives.
    pub(crate) fn without_overridden_lifetime(mut self, args: &Args) -> Self {
        if args.ttl.is_some() || args.budget.is_some() {
            (self.ttl, self.budget) = (None, None);
        }
        self
    }
}

fn merged<T: Clone>(
    own: Option<BTreeMap<String, T>>,
    defaults: Option<&BTreeMap<String, T>>,
) -> Option<BTreeMap<String, T>> {
    match (own, defaults) {
        (Some(own), Some(defaults)) => {
            let mut all = defaults.clone();
            all.extend(own);
            Some(all)
        }
        (own, _) => own,
    }
}

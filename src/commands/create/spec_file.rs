//! The description of VMs in a file: TOML, YAML or JSON, whose keys are the flags' names.
//!
//! The keys at the top describe one VM; under `vm` there can be a list of several, each with what the top says as its
//! defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::spec_text::{Format, parse};
use super::{FallbackArgument, WaitArgument};
use crate::cloud::{Architecture, Error, Result};
use crate::context::Context;
use crate::settings::ProviderChoice;

/// More than any description has, in bytes.
const MOST_TEXT: u64 = 1024 * 1024;
/// The name of standard input.
const INPUT: &str = "-";

/// One VM or several, for `cloudctl create -f`. The keys are the long flags of `cloudctl create`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(title = "cloudctl spec")]
pub(in crate::commands) struct SpecFile {
    /// Name of the VM, its idempotency key: a lower-case letter, then letters, digits and hyphens.
    pub(super) name: Option<String>,
    /// Cloud: aws, gcp, mock, or any.
    #[schemars(with = "Option<ProviderWord>")]
    pub(super) provider: Option<ProviderChoice>,
    /// Region or area, or a list of them of which the cheapest is taken.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub(super) region: Vec<String>,
    /// Zone.
    pub(super) zone: Option<String>,
    /// Machine type in the cloud's own word.
    #[serde(rename = "type")]
    pub(super) machine_type: Option<String>,
    /// At least so many virtual CPUs.
    #[schemars(range(min = 1))]
    pub(super) cpus: Option<u32>,
    /// At least so much memory in GiB.
    pub(super) memory: Option<f64>,
    /// Instruction set.
    #[schemars(with = "Option<ArchitectureWord>")]
    pub(super) arch: Option<Architecture>,
    /// GPUs, such as t4 or l4:2.
    pub(super) gpu: Option<String>,
    /// Most that it may cost, in USD per hour.
    pub(super) max_price: Option<f64>,
    /// Most that it may cost in all, in USD: the time it may live is what this buys.
    pub(super) budget: Option<f64>,
    /// Image: an alias such as ubuntu-24.04, or the cloud's own id.
    pub(super) image: Option<String>,
    /// Boot disk in GiB.
    #[schemars(range(min = 1))]
    pub(super) disk: Option<u32>,
    /// Type of the boot disk in the cloud's own word.
    pub(super) disk_type: Option<String>,
    /// How many VMs; above 1 they are called NAME-1 to NAME-N.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) count: Option<u32>,
    /// Public key file, relative to this file, or the name of a key pair that the cloud has, or none.
    pub(super) ssh_key: Option<String>,
    /// File whose content the VM's cloud-init runs at first boot, relative to this file.
    pub(super) user_data: Option<String>,
    /// Network (gcp) or VPC (aws).
    pub(super) network: Option<String>,
    /// Subnet.
    pub(super) subnet: Option<String>,
    /// Security groups (aws) or network tags (gcp).
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub(super) firewall: Vec<String>,
    /// Ports to open to it, each PORT or PORT/CIDR.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub(super) open: Vec<String>,
    /// No public address.
    pub(super) no_public_ip: bool,
    /// Instance profile (aws) or service account (gcp) that the VM acts as.
    pub(super) identity: Option<String>,
    /// Labels.
    pub(super) label: BTreeMap<String, String>,
    /// Run on spare capacity that the cloud can take back.
    pub(super) spot: bool,
    /// Protect it against termination.
    pub(super) protect: bool,
    /// How long it may live, such as 2h, or never.
    pub(super) ttl: Option<String>,
    /// Where to go on looking for room when there is none.
    pub(super) fallback: Vec<FallbackArgument>,
    /// Options of this provider alone.
    pub(super) native: BTreeMap<String, Value>,
    /// What to wait for.
    pub(super) wait: Option<WaitArgument>,
    /// Several VMs, each with what is said above as its defaults.
    vm: Vec<SpecFile>,
    /// The folder of the file, which the files it names are relative to.
    #[serde(skip)]
    pub(super) folder: PathBuf,
}

/// A cloud's word, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is wanted")]
enum ProviderWord {
    Aws,
    Gcp,
    Mock,
    Any,
}

/// An instruction set's word, for the schema.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum ArchitectureWord {
    #[serde(rename = "x86_64")]
    X86,
    #[serde(rename = "arm64")]
    Arm,
}

/// A word or a list of words.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let words = OneOrMany::deserialize(deserializer)
        .map_err(|_| serde::de::Error::custom("invalid type: expected a word or a list of words"))?;
    Ok(match words {
        OneOrMany::One(word) => vec![word],
        OneOrMany::Many(words) => words,
    })
}

impl SpecFile {
    /// Reads the descriptions in a file, at least one; `-` is standard input.
    ///
    /// # Errors
    /// `InvalidSpec` if it cannot be read, is none of the formats, has an unknown key or a value of the wrong type; the
    /// message has the line and names the key.
    pub(super) fn read(path: &Path, context: &mut Context) -> Result<Vec<Self>> {
        let (text, shown) = match path.as_os_str() == INPUT {
            true => (text_of_input(context)?, "standard input".to_owned()),
            false => (text_of_file(path)?, path.display().to_string()),
        };
        let format = Format::of(path, &text)?;
        let whole: Self = parse(&text, format, &shown)?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if whole.vm.is_empty() {
            return Ok(vec![Self { folder, ..whole }]);
        }
        let nested = whole.vm.iter().any(|vm| !vm.vm.is_empty());
        if nested {
            return Err(Error::invalid(format!("{shown}: a list of VMs stands within another"))
                .with_remedy("write one list, vm, at the top"));
        }
        let mut specs = Vec::new();
        for values in each(parse(&text, format, &shown)?) {
            let spec: Self =
                serde_json::from_value(values).map_err(|error| Error::invalid(format!("{shown}: {error}")))?;
            specs.push(Self {
                folder: folder.clone(),
                ..spec
            });
        }
        check_names(&specs, &shown)?;
        Ok(specs)
    }
}

/// The values of each VM: its own, over those at the top. Maps are put together, everything else takes the place.
fn each(whole: Value) -> Vec<Value> {
    let Value::Object(mut defaults) = whole else {
        return Vec::new();
    };
    let Some(Value::Array(vms)) = defaults.remove("vm") else {
        return Vec::new();
    };
    let over = |vm| match vm {
        Value::Object(own) => Value::Object(merged(defaults.clone(), own)),
        other => other,
    };
    vms.into_iter().map(over).collect()
}

fn merged(mut defaults: Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in own {
        let value = match (defaults.remove(&key), value) {
            (Some(Value::Object(default)), Value::Object(own)) => Value::Object(merged(default, own)),
            (_, value) => value,
        };
        defaults.insert(key, value);
    }
    defaults
}

/// Several VMs of one name would be one VM.
fn check_names(specs: &[SpecFile], shown: &str) -> Result<()> {
    for (position, spec) in specs.iter().enumerate() {
        let Some(name) = &spec.name else {
            return Err(
                Error::invalid(format!("{shown}: VM number {} has no name", position + 1))
                    .with_remedy("give each VM of the list its own name"),
            );
        };
        if specs
            .iter()
            .take(position)
            .any(|other| other.name.as_ref() == Some(name))
        {
            return Err(Error::invalid(format!("{shown}: the name {name} stands twice"))
                .with_remedy("give each VM of the list its own name, or use count"));
        }
    }
    Ok(())
}

fn text_of_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let cannot = |why: String| {
        Error::invalid(format!("cannot read the spec file {shown}: {why}"))
            .with_remedy("pass a file that is there and can be read, or - for standard input")
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > MOST_TEXT => return Err(cannot("it is larger than 1 MiB".to_owned())),
        _ => {}
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

fn text_of_input(context: &mut Context) -> Result<String> {
    let cannot = |why: String| Error::invalid(format!("cannot read a spec from standard input: {why}"));
    let bytes = context
        .read_input(MOST_TEXT + 1)
        .map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > MOST_TEXT {
        return Err(cannot("it is larger than 1 MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8".to_owned()))
}

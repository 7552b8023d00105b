//! The description of a VM in a TOML file, whose keys are the flags' names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{FallbackArgument, WaitArgument};
use crate::cloud::{Architecture, Error, ProviderKind, Result};
use crate::settings::parse_toml;

/// What a file can say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SpecFile {
    pub(super) name: Option<String>,
    pub(super) provider: Option<ProviderKind>,
    pub(super) region: Option<String>,
    pub(super) zone: Option<String>,
    #[serde(rename = "type")]
    pub(super) machine_type: Option<String>,
    pub(super) cpus: Option<u32>,
    pub(super) memory: Option<f64>,
    pub(super) arch: Option<Architecture>,
    pub(super) gpu: Option<String>,
    pub(super) max_price: Option<f64>,
    pub(super) budget: Option<f64>,
    pub(super) image: Option<String>,
    pub(super) disk: Option<u32>,
    pub(super) disk_type: Option<String>,
    pub(super) count: Option<u32>,
    pub(super) ssh_key: Option<String>,
    pub(super) user_data: Option<String>,
    pub(super) network: Option<String>,
    pub(super) subnet: Option<String>,
    #[serde(default)]
    pub(super) firewall: Vec<String>,
    #[serde(default)]
    pub(super) open: Vec<String>,
    #[serde(default)]
    pub(super) no_public_ip: bool,
    pub(super) identity: Option<String>,
    #[serde(default)]
    pub(super) label: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) spot: bool,
    #[serde(default)]
    pub(super) protect: bool,
    pub(super) ttl: Option<String>,
    #[serde(default)]
    pub(super) fallback: Vec<FallbackArgument>,
    #[serde(default)]
    pub(super) native: BTreeMap<String, Value>,
    pub(super) wait: Option<WaitArgument>,
    /// The folder of the file, which the files it names are relative to.
    #[serde(skip)]
    pub(super) folder: PathBuf,
}

impl SpecFile {
    /// Reads a file.
    ///
    /// # Errors
    /// `InvalidSpec` if it cannot be read, is not TOML, has an unknown key or a value of the wrong type; the message
    /// has the line and names the key.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::invalid(format!("cannot read the spec file {shown}: {error}")))
            .map_err(|error| error.with_remedy("pass a file that is there and can be read"))?;
        let mut spec: Self = parse_toml(&text, shown)
            .map_err(|error| error.with_remedy("the keys are the long flags of `cloudctl create --help`"))?;
        spec.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(spec)
    }
}

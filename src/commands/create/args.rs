//! The flags of `create`, and how their values are parsed.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::cloud::{
    Architecture, Error, Gpu, IngressRule, Result, Secret, parse_duration, parse_gib, parse_whole_number, quoted,
};
use crate::commands::instance_args::DEFAULT_TIMEOUT;
use crate::operations::{Fallback, SSH_PORT};
use crate::settings::one_of;

/// What names standard input instead of a file.
pub(super) const STANDARD_INPUT: &str = "-";

/// Create a VM, or several
///
/// The name is the key: running the same command again gives the same VM and never a second one. Where it goes is
/// not guessed where it costs money: pass -p and -r or -z, or set them in a context or the cloud's own configuration. The
/// mock has a default region.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name of the VM [default: a fresh one is made up]
    pub(super) name: Option<String>,
    /// The name as other tools take it.
    #[arg(long = "name", value_name = "NAME", hide = true, conflicts_with = "name")]
    pub(super) name_flag: Option<String>,

    /// Machine type in the cloud's own word [default: a small general-purpose one]
    #[arg(long = "type", value_name = "TYPE", help_heading = "What")]
    pub(super) machine_type: Option<String>,
    /// At least so many virtual CPUs; the cheapest type that fits is taken
    #[arg(long, value_name = "N", value_parser = parse_cpus, help_heading = "What")]
    pub(super) cpus: Option<u32>,
    /// At least so much memory in GiB, such as 16
    #[arg(long, value_name = "GIB", value_parser = parse_memory, help_heading = "What")]
    pub(super) memory: Option<f64>,
    /// Instruction set: x86_64 or arm64
    #[arg(
        long,
        value_name = "ARCH",
        value_parser = one_of::<Architecture>(&["x86_64", "arm64"]),
        help_heading = "What",
        hide_short_help = true
    )]
    pub(super) arch: Option<Architecture>,
    /// GPUs, such as t4 or l4:2
    #[arg(long, value_name = "KIND[:N]", help_heading = "What", hide_short_help = true)]
    pub(super) gpu: Option<Gpu>,
    /// Alias such as ubuntu-24.04, or the cloud's id [default: ubuntu-24.04]
    ///
    /// `cloudctl image list` shows the aliases. They are the same words on every cloud.
    #[arg(long, value_name = "IMAGE", help_heading = "What")]
    pub(super) image: Option<String>,
    /// Boot disk in GiB, such as 100 or 1TiB [default: the image's own size]
    #[arg(
        long,
        value_name = "GIB",
        value_parser = parse_disk,
        help_heading = "What",
        hide_short_help = true
    )]
    pub(super) disk: Option<u32>,
    /// Type of the boot disk in the cloud's own word [default: its general-purpose SSD]
    #[arg(long, value_name = "TYPE", help_heading = "What", hide_short_help = true)]
    pub(super) disk_type: Option<String>,
    /// Run on spare capacity that the cloud can take back
    #[arg(long, help_heading = "What", hide_short_help = true)]
    pub(super) spot: bool,
    /// An option of this provider alone; may be given several times
    #[arg(long, value_name = "KEY=VALUE", help_heading = "What", hide_short_help = true)]
    pub(super) native: Vec<String>,
    /// Read what to create from a TOML, YAML or JSON file whose keys are the flags' names; - is standard input. Flags
    /// override it. Several VMs are a list `vm`
    ///
    /// `cloudctl help spec-file` shows an example.
    #[arg(short, long, value_name = "FILE|-", help_heading = "What", hide_short_help = true)]
    pub(super) file: Option<PathBuf>,

    /// Where else to try if there is no capacity, in this order: other zones, other machine types, other regions of the
    /// area, other providers
    #[arg(
        long,
        value_name = "WHERE",
        value_delimiter = ',',
        help_heading = "Where",
        hide_short_help = true
    )]
    pub(super) fallback: Vec<FallbackValue>,

    /// How many VMs; above 1 they are called NAME-1 to NAME-N [default: 1]
    #[arg(
        long,
        value_name = "N",
        value_parser = parse_count,
        help_heading = "How many",
        hide_short_help = true
    )]
    pub(super) count: Option<u32>,

    /// Public key file, or the name of a key pair that the cloud has; `none` is no key [default: your own public key]
    #[arg(long, value_name = "FILE|NAME|none", help_heading = "Access", hide_short_help = true)]
    pub(super) ssh_key: Option<String>,
    /// File whose content the VM's cloud-init runs at first boot; - is standard input
    #[arg(long, value_name = "FILE|-", help_heading = "Access", hide_short_help = true)]
    pub(super) user_data: Option<String>,
    /// Network (gcp) or VPC (aws) [default: the default one]
    #[arg(long, value_name = "NETWORK", help_heading = "Access", hide_short_help = true)]
    pub(super) network: Option<String>,
    /// Subnet
    #[arg(long, value_name = "SUBNET", help_heading = "Access", hide_short_help = true)]
    pub(super) subnet: Option<String>,
    /// Security group (aws) or network tag (gcp); may be given several times
    #[arg(
        long = "firewall",
        value_name = "FIREWALL",
        help_heading = "Access",
        hide_short_help = true
    )]
    pub(super) firewalls: Vec<String>,
    /// Ports to open to it, from everywhere or from a network only, such as 22,443/203.0.113.0/24
    #[arg(
        long = "open",
        value_name = "PORT[/CIDR]",
        value_delimiter = ',',
        help_heading = "Access",
        hide_short_help = true
    )]
    pub(super) ingress_rules: Vec<IngressRule>,
    /// No public address
    #[arg(long, help_heading = "Access", hide_short_help = true)]
    pub(super) no_public_ip: bool,
    /// Instance profile (aws) or service account (gcp) that the VM acts as
    #[arg(long, value_name = "IDENTITY", help_heading = "Access", hide_short_help = true)]
    pub(super) identity: Option<String>,

    /// Time after which it is terminated, such as 2h or 7d [default: never]
    ///
    /// Its cloud ends it then, or a timer inside it (aws). `never` is no limit, and overrides the TTL of a context.
    #[arg(long, value_name = "DURATION", help_heading = "Life")]
    pub(super) ttl: Option<String>,
    /// Most that all VMs it is given for may cost together, in USD: how long they may live is what this buys
    ///
    /// As a flag it is for all VMs of the command. In a file it is for all VMs of the file, except those of the list `vm`
    /// that have a budget or a TTL of their own; there it is for that VM or that group.
    #[arg(
        long,
        value_name = "USD",
        value_parser = parse_usd,
        conflicts_with = "ttl",
        help_heading = "Life",
        hide_short_help = true
    )]
    pub(super) budget: Option<f64>,
    /// Protect it from termination, though not from its TTL
    #[arg(long, help_heading = "Life", hide_short_help = true)]
    pub(super) protect: bool,
    /// Label; may be given several times
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE", help_heading = "Life")]
    pub(super) labels: Vec<String>,

    /// The user data that was read from standard input.
    #[arg(skip)]
    pub(super) user_data_input: Option<Secret<Vec<u8>>>,
    /// Wait for this: none, running or ssh [default: running]
    #[arg(long, value_name = "STATE", help_heading = "Waiting")]
    pub(super) wait: Option<WaitValue>,
    /// How long to wait at most
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = parse_duration,
        help_heading = "Waiting",
        hide_short_help = true
    )]
    pub(super) timeout: Duration,
    /// The port that SSH is waited for on
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = SSH_PORT,
        value_parser = parse_port,
        help_heading = "Waiting",
        hide_short_help = true
    )]
    pub(super) ssh_port: u16,

    /// Show the plan and its price, and make nothing
    ///
    /// The exit code is the one that making it would have, as far as the cloud says.
    #[arg(long, help_heading = "Safety")]
    pub(super) dry_run: bool,
    /// Most that it may cost, in USD per hour: refused if nothing that fits costs less or its price is not known
    #[arg(long, value_name = "USD", value_parser = parse_usd, help_heading = "Safety", hide_short_help = true)]
    pub(super) max_price: Option<f64>,
}

impl Args {
    /// Whether it has no name, and no file that may have one.
    pub fn names_nothing(&self) -> bool {
        self.name().is_none() && self.file.is_none()
    }

    /// The name, as a word or as `--name`.
    pub(super) fn name(&self) -> Option<&String> {
        self.name.as_ref().or(self.name_flag.as_ref())
    }
}

/// The most VMs of one group.
pub(super) const MAX_COUNT: u32 = 1000;

/// Parses an amount of memory in GiB, or with another unit.
pub(in crate::commands) fn parse_memory(text: &str) -> Result<f64> {
    parse_gib(text).ok_or_else(|| {
        Error::invalid(format!("invalid memory {}", quoted(text))).with_hint("give it in GiB, such as 16, 0.5 or 16GiB")
    })
}

/// Parses the size of a disk in GiB, or with another unit.
pub(super) fn parse_disk(text: &str) -> Result<u32> {
    let size = parse_gib(text).filter(|size| size.fract() == 0.0 && *size <= f64::from(u32::MAX));
    match size {
        Some(size) => Ok(size as u32),
        None => Err(Error::invalid(format!("invalid disk size {}", quoted(text)))
            .with_hint("give it as a whole number of GiB, such as 100, 100GiB or 1TiB")),
    }
}

/// Parses a number of CPUs.
pub(in crate::commands) fn parse_cpus(text: &str) -> Result<u32> {
    parse_whole_number(text, 1, None)
}

/// Parses the number of members of a group.
pub(super) fn parse_count(text: &str) -> Result<u32> {
    parse_whole_number(text, 1, Some(MAX_COUNT))
}

fn parse_port(text: &str) -> Result<u16> {
    parse_whole_number(text, 1, Some(u16::MAX))
}

/// Parses an amount of money in USD.
pub(super) fn parse_usd(text: &str) -> Result<f64> {
    parse_positive(text).ok_or_else(|| {
        Error::invalid(format!("invalid amount {}", quoted(text))).with_hint("give it in USD, such as 0.30")
    })
}

/// Parses a finite number above zero.
fn parse_positive(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

/// What `create` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WaitArgument")]
pub(super) enum WaitValue {
    /// Nothing: the cloud took it on
    None,
    /// It runs
    Running,
    /// It runs, and answers by SSH
    Ssh,
}

/// Where `create` tries next if there is no capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FallbackArgument")]
pub enum FallbackValue {
    /// In the other zones of the region
    Zone,
    /// On other machine types that have at least as much
    Type,
    /// In the other regions of the same area
    Region,
    /// On the other providers whose credentials are found
    Provider,
}

impl From<FallbackValue> for Fallback {
    fn from(value: FallbackValue) -> Self {
        match value {
            FallbackValue::Zone => Self::Zone,
            FallbackValue::Type => Self::Type,
            FallbackValue::Region => Self::Region,
            FallbackValue::Provider => Self::Provider,
        }
    }
}

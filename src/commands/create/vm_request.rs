//! From flags, spec file and the files they name to one spec for each VM. Asks no cloud.
//! What one description of a VM comes to: a wish, and where it may go.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::placement::{providers, sites};
use super::spec_file::merge::SpecFile;
use super::{Args, WaitValue, ssh_key};
use crate::catalog::Catalog;
use crate::cloud::{
    Error, GroupMembers, InstanceName, InstanceSpec, Labels, Location, MachineRequirements, Provider, Result, Secret,
    check_label_key, is_content, parse_label, path_text, quoted,
};
use crate::commands::targets::parse_ttl;
use crate::context::Context;
use crate::operations::{CreateRequest, Fallback, PlacementScope, ProviderLocation};

/// More than any cloud takes (Compute Engine: 256 KiB); how much each takes is its driver's to say.
const MOST_USER_DATA: u64 = 1024 * 1024;

/// The user data that is on standard input.
const INPUT: &str = "-";

/// The TTL of what has no end.
const NO_END: &str = "never";

/// What is asked for, before it is known where it goes.
pub(super) struct VmTemplate {
    /// How many, where they are a group.
    count: Option<u32>,
    /// The regions that the file names.
    pub(super) regions: Vec<String>,
    /// The zone that the file names.
    pub(super) zone: Option<String>,
    /// The spec, but for its place.
    template: InstanceSpec,
}

impl VmTemplate {
    /// Puts flags and file together; a flag overrides the file.
    ///
    /// # Errors
    /// `InvalidSpec`, naming the flag, key or file that makes no sense.
    pub(super) fn of(args: Args, file: SpecFile, context: &mut Context) -> Result<Self> {
        let (name, count) = name(&args, &file)?;
        let ttl = ttl(&args, &file, context)?;
        let mut labels = Labels::new();
        for (key, value) in file.label.unwrap_or_default() {
            check_label_key(&key)?;
            labels.insert(key, value);
        }
        labels.extend(typed_labels(&args.labels, context)?);
        let mut native = file.native.unwrap_or_default();
        native.extend(typed_options(&args.native)?);
        let environment = context.settings.environment.clone();
        let typed = |name: &str| environment.expand_path(name);
        let in_folder = |name: &str| file.folder.join(typed(name));
        let asked_key = args.ssh_key.as_ref().or(file.ssh_key.as_ref());
        let ssh_key = match (&args.ssh_key, &file.ssh_key) {
            (Some(key), _) => ssh_key::from_option(key, &typed(key))?,
            (None, Some(key)) => ssh_key::from_option(key, &in_folder(key))?,
            (None, None) => None,
        };
        let default_ssh_key = match asked_key {
            Some(_) => None,
            None => own_key(context),
        };
        let user_data = match (&args.user_data, &file.user_data) {
            (Some(source), _) if source != INPUT => Some(user_data_of_file(typed(source))?),
            (None, Some(source)) if source != INPUT => Some(user_data_of_file(in_folder(source))?),
            (None, None) => None,
            _ => args.input.clone(),
        };
        let nowhere = Location {
            region: String::new(),
            zone: None,
        };
        Ok(Self {
            count,
            regions: file.region.unwrap_or_default(),
            zone: file.zone,
            template: InstanceSpec {
                machine_type: args.machine_type.or(file.machine_type),
                requirements: MachineRequirements {
                    cpus: args.cpus.or(file.cpus.map(NonZeroU32::get)),
                    memory_gib: args.memory.or(file.memory),
                    architecture: args.arch.or(file.arch),
                    gpu: match args.gpu {
                        Some(gpu) => Some(gpu),
                        None => file.gpu,
                    },
                },
                ingress_rules: {
                    let mut openings = match args.openings.is_empty() {
                        true => file.open.unwrap_or_default(),
                        false => args.openings,
                    };
                    openings.sort();
                    openings.dedup();
                    openings
                },
                image: args.image.or(file.image),
                disk_gib: args.disk.or(file.disk.map(NonZeroU32::get)),
                disk_type: args.disk_type.or(file.disk_type),
                ssh_key,
                default_ssh_key,
                user_data,
                network: args.network.or(file.network),
                subnet: args.subnet.or(file.subnet),
                firewalls: if args.firewalls.is_empty() {
                    file.firewall.unwrap_or_default()
                } else {
                    args.firewalls
                },
                public_ip: !(args.no_public_ip || file.no_public_ip.unwrap_or_default()),
                identity: args.identity.or(file.identity),
                labels,
                spot: args.spot || file.spot.unwrap_or_default(),
                protected: args.protect || file.protect.unwrap_or_default(),
                ttl,
                native,
                ..InstanceSpec::new(name, nowhere)
            },
        })
    }

    /// The machine type that is named.
    pub(super) fn machine_type(&self) -> Option<&str> {
        self.template.machine_type.as_deref()
    }

    /// The spec of the VM or the group, without a place.
    ///
    /// # Errors
    /// `InvalidSpec` if a member's name is too long.
    pub(super) fn spec(self) -> Result<InstanceSpec> {
        let indexes: Vec<u32> = (1..=self.count.unwrap_or_default()).collect();
        let spec = InstanceSpec {
            members: GroupMembers::split(&indexes, indexes.len()).into_iter().next(),
            ..self.template
        };
        spec.instance_names()?;
        Ok(spec)
    }
}

/// The lifetime that was asked for: by the flag, the file, or the settings. `never` takes back what a context says.
fn ttl(args: &Args, file: &SpecFile, context: &Context) -> Result<Option<Duration>> {
    let setting = &context.settings.ttl;
    let (text, source) = match (&args.ttl, &file.ttl, &setting.value) {
        (Some(text), ..) => (text, None),
        (None, Some(text), _) => (text, Some(file.source.clone())),
        (None, None, Some(text)) => (text, Some(setting.source.to_string())),
        (None, None, None) => return Ok(None),
    };
    if text == NO_END {
        return Ok(None);
    }
    parse_ttl(text).map(Some).map_err(|error| match source {
        Some(source) => error.context(source),
        None => error,
    })
}

/// The name, and how many where it is that of a group.
fn name(args: &Args, file: &SpecFile) -> Result<(InstanceName, Option<u32>)> {
    let name = match (&args.name, &file.name) {
        (Some(given), Some(named)) => {
            return Err(Error::invalid(format!(
                "the name {} is given, but {} names {}",
                quoted(given),
                file.source,
                quoted(named)
            ))
            .with_hint("leave one of the two out"));
        }
        (Some(name), None) | (None, Some(name)) => name.parse()?,
        (None, None) => fresh_name()?,
    };
    match args.count.or(file.count) {
        None | Some(1) => Ok((name, None)),
        Some(count @ 2..=1000) => name.member_name(count).map(|_| (name, Some(count))),
        Some(count) => Err(Error::invalid(format!("invalid count {count}")).with_hint("use 1 to 1000")),
    }
}

/// A name that people can say and that no other VM has: two words and enough letters.
fn fresh_name() -> Result<InstanceName> {
    let words = petname::petname(2, "-").unwrap_or_else(|| "vm".to_owned());
    let suffix: String = (0..4).map(|_| fastrand::lowercase()).collect();
    format!("{words}-{suffix}").parse()
}

/// The labels of the command line.
fn typed_labels(texts: &[String], context: &mut Context) -> Result<Labels> {
    let mut labels = Labels::new();
    for text in texts {
        let label = parse_label(text)?;
        if label.was_quoted {
            let text = quoted(&format!("{}={}", label.key, label.value));
            context.printer.note(&format!("the label without its quotes: {text}"));
        }
        if labels.contains_key(&label.key) {
            return Err(twice("the label", &label.key));
        }
        labels.insert(label.key, label.value);
    }
    Ok(labels)
}

/// The native options of the command line.
fn typed_options(texts: &[String]) -> Result<BTreeMap<String, Value>> {
    let mut options = BTreeMap::new();
    for text in texts {
        let (key, value) = key_and_value("native option", text)?;
        if options.insert(key.to_owned(), Value::from(value)).is_some() {
            return Err(twice("the native option", key));
        }
    }
    Ok(options)
}

fn twice(what: &str, key: &str) -> Error {
    Error::invalid(format!("{what} {} is given twice", quoted(key))).with_hint("give each key one value")
}

fn key_and_value<'a>(what: &str, text: &'a str) -> Result<(&'a str, &'a str)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        _ => Err(Error::invalid(format!("invalid {what} {}", quoted(text))).with_hint("write it as key=value")),
    }
}

fn user_data_of_file(path: PathBuf) -> Result<Secret<Vec<u8>>> {
    if is_content(&path.to_string_lossy()) && !path.exists() {
        return Err(Error::invalid(format!("--user-data is {}", path_text(&path)))
            .with_hint("pass the name of a file that can be read, or - for standard input"));
    }
    let cannot = |error: io::Error| {
        Error::invalid(format!("cannot read the user data file {}: {error}", path_text(&path)))
            .with_hint("pass the name of a file that can be read, or - for standard input")
    };
    let mut bytes = Vec::new();
    File::open(&path)
        .map_err(cannot)?
        .take(MOST_USER_DATA + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    within_limit(bytes, &path_text(&path))
}

/// The user's own key. What is wrong with one is said, and keeps nobody from a VM.
pub(in crate::commands) fn own_key(context: &mut Context) -> Option<String> {
    let (key, unusable) = ssh_key::default_key(context.settings.environment.home());
    for error in unusable {
        context
            .printer
            .note(&format!("left out as a key to log in with: {error}"));
    }
    key
}

/// Reads the user data that is on standard input, once for all VMs, if any of them wants it.
///
/// # Errors
/// `InvalidSpec` if the spec file comes from there too, or it is more than any cloud takes.
pub(super) fn with_input(args: Args, files: &[SpecFile], context: &mut Context) -> Result<Args> {
    let wanted = match &args.user_data {
        Some(source) => source == INPUT,
        None => files.iter().any(|file| file.user_data.as_deref() == Some(INPUT)),
    };
    if !wanted {
        return Ok(args);
    }
    if args.file.as_deref() == Some(Path::new(INPUT)) {
        let error = Error::invalid("the spec file and the user data are both to come from standard input");
        return Err(error.with_hint("put one of the two into a file"));
    }
    let input = Some(user_data_of_input(context)?);
    Ok(Args { input, ..args })
}

fn user_data_of_input(context: &mut Context) -> Result<Secret<Vec<u8>>> {
    let bytes = context
        .read_input(MOST_USER_DATA + 1)
        .map_err(|error| Error::invalid(format!("cannot read user data from standard input: {error}")))?;
    within_limit(bytes, "standard input")
}

fn within_limit(bytes: Vec<u8>, source: &str) -> Result<Secret<Vec<u8>>> {
    if bytes.len() as u64 > MOST_USER_DATA {
        return Err(Error::invalid(format!(
            "the user data of {source} is over 1 MiB, more than any cloud takes"
        ))
        .with_hint("fetch the rest from within the VM"));
    }
    Ok(Secret::new(bytes))
}

/// One VM, or a group of them, and where it may go.
pub(super) struct VmRequest {
    /// What is asked for.
    pub(super) wish: CreateRequest,
    /// Where it is asked for.
    pub(super) sites: Vec<ProviderLocation>,
    /// The clouds to go on to.
    pub(super) others: Vec<Arc<dyn Provider>>,
    /// How far to go on.
    fallback: Vec<Fallback>,
    /// What is waited for.
    pub(super) wait: WaitValue,
    /// The port to reach it at by SSH.
    pub(super) ssh_port: u16,
    /// Whether something says how long it may live.
    pub(super) has_ttl_choice: bool,
}

impl VmRequest {
    /// Puts flags and a file together, and finds the places.
    ///
    /// # Errors
    /// `InvalidSpec` naming what makes no sense; those of finding places.
    pub(super) async fn of(args: &Args, file: SpecFile, context: &mut Context) -> Result<Self> {
        let file = file.overridden_by(args);
        let fallback = if args.fallback.is_empty() {
            file.fallback.as_deref().unwrap_or_default()
        } else {
            args.fallback.as_slice()
        };
        let fallback: Vec<_> = fallback.iter().copied().map(Fallback::from).collect();
        let budget = args.budget.or(file.budget);
        let has_ttl_choice =
            budget.is_some() || args.ttl.is_some() || file.ttl.is_some() || context.settings.ttl.value.is_some();
        let wait = args.wait.or(file.wait).unwrap_or(WaitValue::Running);
        let max_price = args.max_price.or(file.max_price);
        let providers = providers(&file, context)?;
        // All that can be checked without asking anybody comes before anybody is asked.
        let request = VmTemplate::of(args.clone(), file, context)?;
        check(&request, &fallback, providers.len())?;
        let sites = sites(&providers, &request, context).await?;
        let others = match fallback.contains(&Fallback::Provider) {
            true => {
                let is_other = |other: &Arc<dyn Provider>| !providers.iter().any(|known| known.kind() == other.kind());
                context.configured_providers().into_iter().filter(is_other).collect()
            }
            false => Vec::new(),
        };
        let spec = request.spec()?;
        let count = spec.members.as_ref().map_or(1, |members| members.len());
        Ok(Self {
            wish: CreateRequest {
                // A budget is that of the whole command.
                budget: budget.map(|budget| budget / count as f64),
                spec,
                max_price,
            },
            sites,
            others,
            fallback,
            wait,
            ssh_port: args.ssh_port,
            has_ttl_choice,
        })
    }

    /// Where it may go.
    pub(super) fn reach<'a>(&self, catalog: &'a Catalog) -> PlacementScope<'a> {
        PlacementScope {
            requested: self.sites.clone(),
            other_providers: self.others.clone(),
            fallback: self.fallback.clone(),
            catalog,
        }
    }
}

/// A machine type is one cloud's word.
fn check(request: &VmTemplate, fallback: &[Fallback], providers: usize) -> Result<()> {
    let Some(machine_type) = request.machine_type() else {
        return Ok(());
    };
    if providers > 1 {
        let error = Error::invalid(format!(
            "{machine_type} is one provider's machine type, but several are given"
        ));
        return Err(error.with_hint("say what is needed, with --cpus and --memory, or pass one -p"));
    }
    if fallback.contains(&Fallback::Provider) && !fallback.contains(&Fallback::Type) {
        let error = Error::invalid(format!("no other provider has the machine type {machine_type}"));
        return Err(error.with_hint("use --fallback type,provider, or say what is needed with --cpus and --memory"));
    }
    Ok(())
}

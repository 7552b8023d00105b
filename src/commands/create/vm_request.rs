//! Builds one request for each VM or group from the flags, the spec file and the files that they name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::args::{Args, MAX_COUNT, STANDARD_INPUT, WaitValue};
use super::requested_locations::{RegionArgs, find_locations, find_providers};
use super::spec_file::merge::SpecFile;
use crate::catalog::Catalog;
use crate::cloud::{
    Error, GroupMembers, InstanceName, InstanceSpec, Labels, Location, MachineRequirements, Provider, Result, Secret,
    check_label_key, is_content, parse_label, path_text, quote_for_shell, quoted,
};
use crate::command_context::Context;
use crate::commands::instance_args::parse_ttl;
use crate::commands::ssh_key;
use crate::operations::{CreateRequest, Fallback, PlacementRules, ProviderLocation};

/// More than any cloud accepts (Compute Engine: 256 KiB). Each driver checks its own limit.
const MAX_USER_DATA: u64 = 1024 * 1024;

/// The TTL of a VM that does not expire.
const NO_TTL: &str = "never";

/// A requested VM or group, without its location.
struct VmTemplate {
    /// The number of members, if it is a group.
    count: Option<u32>,
    /// The regions that the file names.
    regions: Vec<String>,
    /// The zone that the file names.
    zone: Option<String>,
    /// The spec, without a location.
    spec: InstanceSpec,
}

impl VmTemplate {
    /// Combines the flags with the file. A flag overrides the file.
    ///
    /// # Errors
    /// `InvalidSpec`, naming the flag, key or file that is invalid.
    fn build(args: Args, file: SpecFile, context: &mut Context) -> Result<Self> {
        let (name, count) = choose_name(&args, &file)?;
        let ttl = choose_ttl(&args, &file, context)?;
        let mut labels = Labels::new();
        for (key, value) in file.label.unwrap_or_default() {
            check_label_key(&key)?;
            labels.insert(key, value);
        }
        labels.extend(parse_labels(&args.labels, context)?);
        let mut native = file.native.unwrap_or_default();
        native.extend(parse_native_options(&args.native)?);
        let environment = context.settings.environment.clone();
        let expand = |name: &str| environment.expand_path(name);
        let in_folder = |name: &str| file.folder.join(expand(name));
        let (ssh_key, default_ssh_key) = match (&args.ssh_key, &file.ssh_key) {
            (Some(key), _) => (ssh_key::from_option(key, &expand(key))?, None),
            (None, Some(key)) => (ssh_key::from_option(key, &in_folder(key))?, None),
            (None, None) => (None, read_default_key(context)),
        };
        let user_data = match (&args.user_data, &file.user_data) {
            (Some(source), _) if source != STANDARD_INPUT => Some(read_user_data_file(expand(source))?),
            (None, Some(source)) if source != STANDARD_INPUT => Some(read_user_data_file(in_folder(source))?),
            (None, None) => None,
            _ => args.user_data_input,
        };
        let mut ingress_rules = match args.ingress_rules.is_empty() {
            true => file.open.unwrap_or_default(),
            false => args.ingress_rules,
        };
        ingress_rules.sort();
        ingress_rules.dedup();
        let no_location = Location {
            region: String::new(),
            zone: None,
        };
        Ok(Self {
            count,
            regions: file.region.unwrap_or_default(),
            zone: file.zone,
            spec: InstanceSpec {
                machine_type: args.machine_type.or(file.machine_type),
                requirements: MachineRequirements {
                    cpus: args.cpus.or(file.cpus),
                    memory_gib: args.memory.or(file.memory),
                    architecture: args.arch.or(file.arch),
                    gpu: args.gpu.or(file.gpu),
                },
                ingress_rules,
                image: args.image.or(file.image),
                disk_gib: args.disk.or(file.disk),
                disk_type: args.disk_type.or(file.disk_type),
                ssh_key,
                default_ssh_key,
                user_data,
                network: args.network.or(file.network),
                subnet: args.subnet.or(file.subnet),
                firewalls: match args.firewalls.is_empty() {
                    true => file.firewall.unwrap_or_default(),
                    false => args.firewalls,
                },
                public_ip: !(args.no_public_ip || file.no_public_ip.unwrap_or_default()),
                identity: args.identity.or(file.identity),
                labels,
                spot: args.spot || file.spot.unwrap_or_default(),
                protected: args.protect || file.protect.unwrap_or_default(),
                ttl,
                native,
                ..InstanceSpec::new(name, no_location)
            },
        })
    }

    /// Returns the spec of the VM or the group, without a location.
    ///
    /// # Errors
    /// `InvalidSpec` if a member's name is too long.
    fn into_spec(self) -> Result<InstanceSpec> {
        let indexes: Vec<u32> = (1..=self.count.unwrap_or_default()).collect();
        let spec = InstanceSpec {
            members: GroupMembers::split(&indexes, indexes.len()).into_iter().next(),
            ..self.spec
        };
        spec.instance_names()?;
        Ok(spec)
    }
}

/// Chooses the TTL of the flag, the file, or the settings, in this order. `never` overrides the TTL of a context.
fn choose_ttl(args: &Args, file: &SpecFile, context: &Context) -> Result<Option<Duration>> {
    let setting = &context.settings.ttl;
    let (text, source) = match (&args.ttl, &file.ttl, &setting.value) {
        (Some(text), ..) => (text, None),
        (None, Some(text), _) => (text, Some(file.source.clone())),
        (None, None, Some(text)) => (text, Some(setting.source.to_string())),
        (None, None, None) => return Ok(None),
    };
    if text == NO_TTL {
        return Ok(None);
    }
    match (parse_ttl(text), source) {
        (Ok(ttl), _) => Ok(Some(ttl)),
        (Err(error), Some(source)) => Err(error.context(source)),
        (Err(error), None) => Err(error),
    }
}

/// Chooses the name, and the number of members if it is the name of a group.
fn choose_name(args: &Args, file: &SpecFile) -> Result<(InstanceName, Option<u32>)> {
    let name = match (args.name(), &file.name) {
        (Some(name), Some(name_in_file)) => {
            return Err(Error::invalid(format!(
                "the name {} is given, but {} names {}",
                quoted(name),
                file.source,
                quoted(name_in_file)
            ))
            .with_hint("leave one of the two out"));
        }
        (Some(name), None) | (None, Some(name)) => parse_name(name)?,
        (None, None) => generate_name()?,
    };
    match args.count.or(file.count) {
        None | Some(1) => Ok((name, None)),
        Some(count @ 2..=MAX_COUNT) => name.member_name(count).map(|_| (name, Some(count))),
        Some(count) => Err(Error::invalid(format!("invalid count {count}")).with_hint(format!("use 1 to {MAX_COUNT}"))),
    }
}

/// Parses a name. Explains the name of a spec file, for which the flag is forgotten.
fn parse_name(text: &str) -> Result<InstanceName> {
    let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
    text.parse().map_err(|error: Error| match extension {
        Some("json" | "toml" | "yaml" | "yml") => error.with_hint(format!(
            "if it is a spec file, pass it with -f: cloudctl create -f {text}"
        )),
        _ => error,
    })
}

/// Makes a name that people can pronounce and that no other VM has: two words and four letters.
pub(super) fn generate_name() -> Result<InstanceName> {
    let words = petname::petname(2, "-").unwrap_or_else(|| "vm".to_owned());
    let suffix: String = (0..4).map(|_| fastrand::lowercase()).collect();
    format!("{words}-{suffix}").parse()
}

/// Parses the labels of the command line.
fn parse_labels(texts: &[String], context: &mut Context) -> Result<Labels> {
    let mut labels = Labels::new();
    for text in texts {
        if let Some((key, value)) = text.strip_prefix("Key=").and_then(|rest| rest.split_once(",Value=")) {
            return Err(
                Error::invalid(format!("invalid label {}", quoted(text))).with_hint(format!(
                    "write it as key=value: -l {}",
                    quote_for_shell(&format!("{key}={value}"))
                )),
            );
        }
        let label = parse_label(text, "-l ")?;
        if label.was_quoted {
            let text = quoted(&format!("{}={}", label.key, label.value));
            context
                .printer
                .note(&format!("the quotes around the label are left out: {text}"));
        }
        if labels.contains_key(&label.key) {
            return Err(repeated_key_error("label", &label.key));
        }
        labels.insert(label.key, label.value);
    }
    Ok(labels)
}

/// Parses the native options of the command line.
fn parse_native_options(texts: &[String]) -> Result<BTreeMap<String, Value>> {
    let mut options = BTreeMap::new();
    for text in texts {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => (key, value),
            _ => {
                let error = Error::invalid(format!("invalid native option {}", quoted(text)));
                return Err(error.with_hint("write it as key=value"));
            }
        };
        if options.insert(key.to_owned(), Value::from(value)).is_some() {
            return Err(repeated_key_error("native option", key));
        }
    }
    Ok(options)
}

fn repeated_key_error(option: &str, key: &str) -> Error {
    Error::invalid(format!("the {option} {} is given twice", quoted(key))).with_hint("give each key one value")
}

/// Reads the user data from a file.
fn read_user_data_file(path: PathBuf) -> Result<Secret<Vec<u8>>> {
    let file_error = |message: String| {
        Error::invalid(message).with_hint("pass the name of a file that can be read, or - for standard input")
    };
    let shown_path = path_text(&path);
    if is_content(&path.to_string_lossy()) && !path.exists() {
        return Err(file_error(format!("--user-data is {shown_path}")));
    }
    let read_error = |error: io::Error| file_error(format!("cannot read the user data file {shown_path}: {error}"));
    let mut bytes = Vec::new();
    File::open(&path)
        .map_err(read_error)?
        .take(MAX_USER_DATA + 1)
        .read_to_end(&mut bytes)
        .map_err(read_error)?;
    check_user_data_size(bytes, &shown_path)
}

/// Finds the user's default public key. A key that cannot be used is a note, not an error.
pub(in crate::commands) fn read_default_key(context: &mut Context) -> Option<String> {
    let (key, unusable) = ssh_key::find_default_key(context.settings.environment.home());
    for error in unusable {
        let note = format!("this SSH key is not used: {error}");
        context.printer.note(&note);
    }
    key
}

/// Reads the user data from standard input, once for all VMs, if any of them uses it.
///
/// # Errors
/// `InvalidSpec` if the spec file comes from standard input too, or if the user data is larger than any cloud accepts.
pub(super) fn read_user_data_input(args: Args, files: &[SpecFile], context: &mut Context) -> Result<Args> {
    let is_used = match &args.user_data {
        Some(source) => source == STANDARD_INPUT,
        None => files
            .iter()
            .any(|file| file.user_data.as_deref() == Some(STANDARD_INPUT)),
    };
    if !is_used {
        return Ok(args);
    }
    if args.file.as_deref() == Some(Path::new(STANDARD_INPUT)) {
        let error = Error::invalid("the spec file and the user data cannot both be read from standard input");
        return Err(error.with_hint("put one of the two into a file"));
    }
    let read = context.read_input(MAX_USER_DATA + 1);
    let bytes = read.map_err(|error| Error::invalid(format!("cannot read user data from standard input: {error}")))?;
    let user_data_input = Some(check_user_data_size(bytes, "standard input")?);
    Ok(Args {
        user_data_input,
        ..args
    })
}

/// Refuses user data that is larger than any cloud accepts.
fn check_user_data_size(bytes: Vec<u8>, source: &str) -> Result<Secret<Vec<u8>>> {
    if bytes.len() as u64 > MAX_USER_DATA {
        return Err(Error::invalid(format!(
            "the user data of {source} is over 1 MiB, more than any cloud accepts"
        ))
        .with_hint("fetch the rest from within the VM"));
    }
    Ok(Secret::new(bytes))
}

/// A requested VM or group, and where it may be created.
pub(super) struct VmRequest {
    /// What to create.
    pub(super) create: CreateRequest,
    /// The requested locations.
    locations: Vec<ProviderLocation>,
    /// The clouds for `--fallback provider`.
    other_providers: Vec<Arc<dyn Provider>>,
    /// The allowed fallbacks.
    fallback: Vec<Fallback>,
    /// What to wait for.
    pub(super) wait: WaitValue,
    /// The port for SSH.
    pub(super) ssh_port: u16,
    /// Whether a flag, the file or the settings set the lifetime.
    pub(super) has_ttl_choice: bool,
}

impl VmRequest {
    /// Combines the flags with the file, and finds the locations. The location of the only request of a command may be
    /// checked later.
    ///
    /// # Errors
    /// `InvalidSpec`, naming the flag, key or file that is invalid; the errors of [`find_locations`].
    pub(super) async fn build(
        args: &Args,
        file: SpecFile,
        is_only_request: bool,
        context: &mut Context,
    ) -> Result<Self> {
        let file = file.without_overridden_lifetime(args);
        let fallback_values = match args.fallback.is_empty() {
            true => file.fallback.as_deref().unwrap_or_default(),
            false => args.fallback.as_slice(),
        };
        let fallback: Vec<_> = fallback_values.iter().copied().map(Fallback::from).collect();
        let budget = args.budget.or(file.budget);
        let has_ttl_choice =
            budget.is_some() || args.ttl.is_some() || file.ttl.is_some() || context.settings.ttl.value.is_some();
        let wait = args.wait.or(file.wait).unwrap_or(WaitValue::Running);
        let max_price = args.max_price.or(file.max_price);
        let providers = find_providers(&file, context)?;
        // Everything that needs no call is checked before the first call.
        let template = VmTemplate::build(args.clone(), file, context)?;
        check_machine_type(&template, &fallback, providers.len())?;
        let in_file = RegionArgs {
            regions: &template.regions,
            zone: template.zone.as_deref(),
        };
        let has_cost_limit = max_price.is_some() || budget.is_some();
        let may_be_unchecked = is_only_request && !args.dry_run && fallback.is_empty() && !has_cost_limit;
        let locations = find_locations(&providers, in_file, may_be_unchecked, context).await?;
        let other_providers = match fallback.contains(&Fallback::Provider) {
            true => {
                let is_other = |other: &Arc<dyn Provider>| !providers.iter().any(|known| known.kind() == other.kind());
                context.configured_providers().into_iter().filter(is_other).collect()
            }
            false => Vec::new(),
        };
        let spec = template.into_spec()?;
        let count = spec.members.as_ref().map_or(1, |members| members.len());
        Ok(Self {
            create: CreateRequest {
                // The budget is for all members.
                budget: budget.map(|budget| budget / count as f64),
                spec,
                max_price,
                repeats_ended_run: true,
            },
            locations,
            other_providers,
            fallback,
            wait,
            ssh_port: args.ssh_port,
            has_ttl_choice,
        })
    }

    /// The clouds on which something may be created.
    pub(super) fn providers(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        let requested = self.locations.iter().map(|(provider, _)| provider);
        requested.chain(&self.other_providers)
    }

    /// Where the instances may be created.
    pub(super) fn placement<'a>(&self, catalog: &'a Catalog) -> PlacementRules<'a> {
        PlacementRules {
            requested: self.locations.clone(),
            other_providers: self.other_providers.clone(),
            fallback: self.fallback.clone(),
            catalog,
        }
    }
}

/// Checks that a requested machine type is used on one cloud only. Other clouds do not have it.
fn check_machine_type(template: &VmTemplate, fallback: &[Fallback], providers: usize) -> Result<()> {
    let Some(machine_type) = &template.spec.machine_type else {
        return Ok(());
    };
    if providers > 1 {
        let error = Error::invalid(format!(
            "the machine type {machine_type} exists on one provider only, but several providers are given"
        ));
        return Err(error.with_hint("pass --cpus and --memory instead of a machine type, or pass a single -p"));
    }
    if fallback.contains(&Fallback::Provider) && !fallback.contains(&Fallback::Type) {
        let error = Error::invalid(format!("no other provider has the machine type {machine_type}"));
        return Err(
            error.with_hint("use --fallback type,provider, or pass --cpus and --memory instead of a machine type")
        );
    }
    Ok(())
}

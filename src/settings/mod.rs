//! Settings: resolves flags, `CLOUDCTL_*` variables and the context of the configuration file, in this order, into plain
//! values. The drivers read the clouds' own configuration, which comes last.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::cloud::{CloudInfo, CloudInfos, Error, ProviderKind, Result};

mod cloud_tool_setting;
mod cloud_tool_settings_help;
mod config_file;
mod environment;
mod flag_parsers;
mod read_text_file;
mod sourced_value;

pub(crate) use cloud_tool_setting::cloud_tool_settings;
pub use cloud_tool_setting::{CloudToolSetting, ResolvedSetting, SettingPlace, Topic, Treatment, refuse_unsupported};
pub use cloud_tool_settings_help::{settings_page, settings_text};
pub use config_file::{ConfigFile, ContextEntry, key_in_toml_line};
pub use environment::{Environment, is_cloud_setting, is_setting};
pub use flag_parsers::{ProviderChoice, one_of};
pub use read_text_file::{NotText, io_reason, utf8_text};
pub use sourced_value::SourcedValue;

/// A word without the white space around it, as after a comma.
#[expect(clippy::unnecessary_wraps, reason = "clap takes parsers that can fail")]
fn trim_word(word: &str) -> Result<String> {
    Ok(word.trim().to_owned())
}

/// The flags that mean the same for every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalArgs {
    /// Cloud: aws, gcp, mock, or any; can be repeated, or separated by commas
    #[arg(
        short,
        long = "provider",
        value_name = "PROVIDER",
        value_delimiter = ',',
        value_parser = one_of::<ProviderChoice>(ProviderChoice::words()),
        global = true,
        help_heading = "Where"
    )]
    pub providers: Vec<ProviderChoice>,
    /// Region, or an area such as europe; can be repeated, or separated by commas
    #[arg(
        short,
        long = "region",
        value_name = "REGION",
        value_delimiter = ',',
        value_parser = trim_word,
        global = true,
        help_heading = "Where"
    )]
    pub regions: Vec<String>,
    /// Zone
    #[arg(short, long, value_name = "ZONE", global = true, help_heading = "Where")]
    pub zone: Option<String>,
    /// Output format: table, wide, json, jsonl, yaml, csv, name, id, ref, columns=a,b, value=FIELD for the bare value, or ansible
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_parser = one_of::<String>(&["table", "wide", "json", "jsonl", "yaml", "csv", "name", "id", "ref", "columns=", "value=", "ansible"]),
        hide_possible_values = true,
        global = true,
        help_heading = "Output"
    )]
    pub output: Option<String>,
    /// Print only ids
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    /// Leave the header out of tables and CSV
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_headers: bool,
    /// Context of the configuration file to use
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help_heading = "Global options",
        hide_short_help = true
    )]
    pub context: Option<String>,
    /// Log to stderr; -vv and -vvv log more
    #[arg(
        short,
        long,
        action = clap::ArgAction::Count,
        global = true,
        help_heading = "Global options",
        hide_short_help = true
    )]
    pub verbose: u8,
}

/// The source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// The configuration file: its name, line and section.
    Context(String),
    /// It is not set.
    Unset,
}

impl Source {
    /// Whether it is a flag of the command line.
    pub fn is_flag(&self) -> bool {
        matches!(self, Self::Flag(_))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(name) => write!(formatter, "flag {name}"),
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::Context(location) => formatter.write_str(location),
            Self::Unset => formatter.write_str("not set"),
        }
    }
}

/// A value and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value, if it is set.
    pub value: Option<T>,
    /// The source of the value.
    pub source: Source,
}

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self {
            value: None,
            source: Source::Unset,
        }
    }
}

impl<T> Setting<T> {
    /// Creates a setting from its value in one source; it is not set if there is none.
    fn from_source(value: Option<T>, source: Source) -> Self {
        match value {
            Some(_) => Self { value, source },
            None => Self::default(),
        }
    }

    /// This setting if it is set, else another.
    fn or(self, other: Self) -> Self {
        match self.value {
            Some(_) => self,
            None => other,
        }
    }
}

/// All settings of one run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The named providers; `None` if none are named.
    pub providers: Setting<Vec<ProviderKind>>,
    /// Whether the provider `any` is named: every cloud whose credentials are found.
    pub any_provider: bool,
    /// The provider that the context names for new instances.
    pub create_provider: Setting<ProviderKind>,
    /// The named regions and areas.
    pub regions: Setting<Vec<String>>,
    /// The named zone.
    pub zone: Setting<String>,
    /// The name of the output format.
    pub output: Setting<String>,
    /// The TTL of new instances, unless `--ttl` is set.
    pub ttl: Setting<String>,
    /// Whether only ids are printed.
    pub quiet: bool,
    /// Whether tables and CSV have no header.
    pub no_headers: bool,
    /// The settings of single clouds, by the keys of [`CloudInfo::settings`]; see [`cloud_setting`](Self::cloud_setting).
    pub clouds: BTreeMap<(ProviderKind, &'static str), Setting<String>>,
    /// The context in use.
    pub context: Setting<String>,
    /// The path of the configuration file, whether or not it exists; `None` without a home folder.
    pub config_path: Option<PathBuf>,
    /// The content of the configuration file.
    pub config: ConfigFile,
    /// The environment, for the clouds' own variables.
    pub environment: Environment,
}

impl Settings {
    /// Resolves the settings. Reads only the configuration file. With `may_lack_context` a context that is not in the file
    /// counts as none, so that the user can choose another.
    ///
    /// # Errors
    /// `InvalidSpec` for an invalid configuration file, a context that is not in it, or an invalid variable.
    pub fn resolve(
        args: &GlobalArgs,
        environment: Environment,
        infos: CloudInfos,
        may_lack_context: bool,
    ) -> Result<Self> {
        environment.check_readable(|name| name.starts_with("CLOUDCTL_"))?;
        let (config_path, config) = read_config_file(&environment, infos)?;
        let file_name = match &config_path {
            Some(path) => environment.display_path(path),
            None => String::new(),
        };
        let current = Setting::from_source(
            config.current.clone(),
            Source::Context(config.describe_location(&file_name, &["current"])),
        );
        let context = text_in_flag(&args.context, "--context")
            .or(text_in_variable(&environment, "CLOUDCTL_CONTEXT"))
            .or(current);
        let context_section = ContextSection {
            entry: find_context(&config, &context, may_lack_context)?,
            name: context.value.clone().unwrap_or_default(),
            file_name,
            config: &config,
        };
        let entry = &context_section.entry;
        let provider_choices = choose_providers(args, &environment)?;
        let any_provider = provider_choices
            .value
            .as_deref()
            .is_some_and(|choices| choices.contains(&ProviderChoice::Any));
        let (regions, zone) = choose_location(args, &environment)?;
        Ok(Self {
            providers: resolve_providers(provider_choices, any_provider, &context_section),
            any_provider,
            create_provider: context_section.setting("provider", entry.provider),
            regions,
            zone,
            output: text_in_flag(&args.output, "--output")
                .or(text_in_variable(&environment, "CLOUDCTL_OUTPUT"))
                .or(context_section.setting("output", entry.output.clone())),
            ttl: text_in_variable(&environment, "CLOUDCTL_TTL").or(context_section.setting("ttl", entry.ttl.clone())),
            quiet: args.quiet,
            no_headers: args.no_headers,
            clouds: resolve_cloud_settings(infos, &environment, &context_section),
            context,
            config_path,
            config,
            environment,
        })
    }

    /// A setting of a single cloud, by a key of [`CloudInfo::settings`].
    pub fn cloud_setting(&self, kind: ProviderKind, key: &'static str) -> &Setting<String> {
        static UNSET: Setting<String> = Setting {
            value: None,
            source: Source::Unset,
        };
        self.clouds.get(&(kind, key)).unwrap_or(&UNSET)
    }

    /// The only account or project of the cloud in which cloudctl may change something, if one is set.
    pub fn expected_account(&self, cloud: &CloudInfo) -> Option<&str> {
        self.cloud_setting(cloud.kind, cloud.expected_account?).value.as_deref()
    }
}

/// Finds and reads the configuration file. Its path is `None` without a home folder.
fn read_config_file(environment: &Environment, infos: CloudInfos) -> Result<(Option<PathBuf>, ConfigFile)> {
    if let Some(path) = environment.get("CLOUDCTL_CONFIG") {
        let path = environment.expand_path(path);
        // A file that is named must exist: it may set the only account that may be changed.
        let config = ConfigFile::read(&path, true, infos)?;
        return Ok((Some(path), config));
    }
    let Some(folder) = environment.xdg_folder("XDG_CONFIG_HOME", ".config") else {
        return Ok((None, ConfigFile::default()));
    };
    let path = folder.join("cloudctl/config.toml");
    let config = ConfigFile::read(&path, false, infos)?;
    Ok((Some(path), config))
}

/// Finds the context in use; an empty one if none is named, or if it `may_lack_context` and is not in the file.
fn find_context(config: &ConfigFile, context: &Setting<String>, may_lack_context: bool) -> Result<ContextEntry> {
    let Some(name) = &context.value else {
        return Ok(ContextEntry::default());
    };
    if let Some(entry) = config.contexts.get(name) {
        return Ok(entry.clone());
    }
    if may_lack_context {
        return Ok(ContextEntry::default());
    }
    let error = config.unknown_context(name);
    Err(match context.source.is_flag() {
        true => error,
        false => error.context(&context.source),
    })
}

struct ContextSection<'a> {
    entry: ContextEntry,
    name: String,
    file_name: String,
    config: &'a ConfigFile,
}

impl ContextSection<'_> {
    /// A value of a key of the section.
    fn setting<T>(&self, key: &str, value: Option<T>) -> Setting<T> {
        Setting::from_source(value, self.source(&[key]))
    }

    fn source(&self, keys: &[&str]) -> Source {
        let path = [&["contexts", self.name.as_str()], keys].concat();
        Source::Context(self.config.describe_location(&self.file_name, &path))
    }
}

/// The named providers; no value if `any` is among them.
fn resolve_providers(
    choices: Setting<Vec<ProviderChoice>>,
    any_provider: bool,
    context_section: &ContextSection<'_>,
) -> Setting<Vec<ProviderKind>> {
    let entry = &context_section.entry;
    match choices.value {
        Some(_) if any_provider => Setting {
            value: None,
            source: choices.source,
        },
        Some(choices_by_name) => Setting {
            value: Some(choices_by_name.into_iter().filter_map(ProviderChoice::kind).collect()),
            source: choices.source,
        },
        None if entry.providers.is_some() => context_section.setting("providers", entry.providers.clone()),
        None => context_section.setting("provider", entry.configured_providers()),
    }
}

fn resolve_cloud_settings(
    infos: CloudInfos,
    environment: &Environment,
    context_section: &ContextSection<'_>,
) -> BTreeMap<(ProviderKind, &'static str), Setting<String>> {
    let mut cloud_settings = BTreeMap::new();
    for info in infos.iter() {
        for key in info.settings {
            let in_variable = match &key.variable {
                Some(variable) => text_in_variable(environment, variable.name),
                None => Setting::default(),
            };
            let value_in_context = context_section.entry.clouds.get(&(info.kind, key.name)).cloned();
            let source_in_context = context_section.source(&[info.kind.as_str(), key.name]);
            let in_context = Setting::from_source(value_in_context, source_in_context);
            cloud_settings.insert((info.kind, key.name), in_variable.or(in_context));
        }
    }
    cloud_settings
}

/// The values of `--provider`, or of its variable.
fn choose_providers(args: &GlobalArgs, environment: &Environment) -> Result<Setting<Vec<ProviderChoice>>> {
    let names = list_in_variable(environment, "CLOUDCTL_PROVIDER")?;
    let mut choices = Vec::new();
    for name in names.value.unwrap_or_default() {
        let choice = name.parse::<ProviderChoice>();
        choices.push(choice.map_err(|error| error.context("CLOUDCTL_PROVIDER"))?);
    }
    let in_variable = Setting::from_source(non_empty(&choices), names.source);
    Ok(Setting::from_source(non_empty(&args.providers), Source::Flag("--provider")).or(in_variable))
}

/// The regions and the zone. A flag sets the whole location: a region on the command line is not combined with a zone from a
/// variable.
fn choose_location(args: &GlobalArgs, environment: &Environment) -> Result<(Setting<Vec<String>>, Setting<String>)> {
    if !args.regions.is_empty() || args.zone.is_some() {
        let regions = Setting::from_source(non_empty(&args.regions), Source::Flag("--region"));
        return Ok((regions, Setting::from_source(args.zone.clone(), Source::Flag("--zone"))));
    }
    let regions = list_in_variable(environment, "CLOUDCTL_REGION")?;
    Ok((regions, text_in_variable(environment, "CLOUDCTL_ZONE")))
}

fn non_empty<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    match values {
        [] => None,
        values => Some(values.to_vec()),
    }
}

fn text_in_flag(value: &Option<String>, flag: &'static str) -> Setting<String> {
    Setting::from_source(value.clone(), Source::Flag(flag))
}

/// The text in a variable. Values from `$(…)` in a shell and from CI files can have white space around them.
fn text_in_variable(environment: &Environment, name: &'static str) -> Setting<String> {
    let text = environment.get(name).map(|text| text.trim().to_owned());
    Setting::from_source(text, Source::Variable(name))
}

/// The list in a variable: entries separated by commas, without white space around them.
fn list_in_variable(environment: &Environment, name: &'static str) -> Result<Setting<Vec<String>>> {
    let Some(text) = environment.get(name) else {
        return Ok(Setting::default());
    };
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let entries: Vec<_> = entries.map(str::to_owned).collect();
    if entries.is_empty() {
        let error = Error::invalid("there is nothing in the list").with_hint("name at least one, or unset it");
        return Err(error.context(name));
    }
    Ok(Setting::from_source(Some(entries), Source::Variable(name)))
}

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
mod flag_values;
mod sourced_value;
mod text_file;

pub use cloud_tool_setting::{ResolvedSetting, SettingPlace, Topic, Treatment, VendorSetting, refuse_unsupported};
pub use cloud_tool_settings_help::{settings_page, settings_text};
pub use config_file::{ConfigFile, ContextEntry, parse_toml};
pub use environment::{Environment, is_cloud_setting, is_setting};
pub use flag_values::{ProviderChoice, one_of};
pub use sourced_value::Located;
pub use text_file::{NotText, io_reason, utf8_text};

/// The flags that mean the same for every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalArgs {
    /// Cloud to use; can be repeated for commands that query several clouds
    #[arg(
        short,
        long = "provider",
        value_name = "PROVIDER",
        value_parser = one_of::<ProviderChoice>(ProviderChoice::words()),
        global = true,
        help_heading = "Global options"
    )]
    pub providers: Vec<ProviderChoice>,
    /// Region; can be repeated for commands that query several regions
    #[arg(
        short,
        long = "region",
        value_name = "REGION",
        global = true,
        help_heading = "Global options"
    )]
    pub regions: Vec<String>,
    /// Zone
    #[arg(short, long, value_name = "ZONE", global = true, help_heading = "Global options")]
    pub zone: Option<String>,
    /// Output format: table, wide, json, jsonl, yaml, csv, name, id, ref, or columns=a,b
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_parser = one_of::<String>(&["table", "wide", "json", "jsonl", "yaml", "csv", "name", "id", "ref", "columns="]),
        hide_possible_values = true,
        global = true,
        help_heading = "Global options"
    )]
    pub output: Option<String>,
    /// Print only ids
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Context of the configuration file to use
    #[arg(long, value_name = "NAME", global = true, help_heading = "Global options")]
    pub context: Option<String>,
    /// Log to stderr; -vv and -vvv log more, and so does CLOUDCTL_LOG=info, debug or trace
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Global options")]
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
    /// Uses this value and source if the setting has no value yet.
    fn or(self, value: Option<T>, source: Source) -> Self {
        if self.value.is_some() || value.is_none() {
            return self;
        }
        Self { value, source }
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
        let explicit_path = environment
            .get("CLOUDCTL_CONFIG")
            .map(|path| environment.expand_path(path));
        let config_path = explicit_path.clone().or_else(|| {
            Some(
                environment
                    .xdg_folder("XDG_CONFIG_HOME", ".config")?
                    .join("cloudctl/config.toml"),
            )
        });
        let config = match &config_path {
            // A file that is named must exist: it may set the only account that may be changed.
            Some(path) => ConfigFile::read(path, explicit_path.is_some(), infos)?,
            None => ConfigFile::default(),
        };
        // Values from `$(…)` in a shell and from CI files can have white space around them.
        let text_of = |name: &str| environment.get(name).map(|text| text.trim().to_owned());
        let variable = |name: &'static str| (text_of(name), Source::Variable(name));
        let flag = |value: &Option<String>, name| Setting::default().or(value.clone(), Source::Flag(name));
        let with_variable = |setting: Setting<String>, name| {
            let (value, source) = variable(name);
            setting.or(value, source)
        };

        let shown_path = config_path
            .as_deref()
            .map_or(String::new(), |path| environment.display_path(path));
        let in_file = |keys: &[&str]| Source::Context(config.describe_location(&shown_path, keys));
        let context = with_variable(flag(&args.context, "--context"), "CLOUDCTL_CONTEXT")
            .or(config.current.clone(), in_file(&["current"]));
        let entry = match &context.value {
            Some(name) if config.contexts.contains_key(name) => config.contexts[name].clone(),
            Some(name) if !may_lack_context => {
                let error = config.unknown_context(name);
                return Err(match &context.source {
                    Source::Flag(_) => error,
                    source => error.context(source),
                });
            }
            _ => ContextEntry::default(),
        };
        let name = context.value.as_deref().unwrap_or_default();
        let in_context = |keys: &[&str]| in_file(&[&["contexts", name], keys].concat());
        let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());

        let in_variable: Option<Vec<ProviderChoice>> = environment
            .get("CLOUDCTL_PROVIDER")
            .map(|text| parse_list(text)?.iter().map(|name| name.parse()).collect::<Result<_>>())
            .transpose()
            .map_err(|error: Error| error.context("CLOUDCTL_PROVIDER"))?;
        let choice = Setting::default()
            .or(
                (!args.providers.is_empty()).then(|| args.providers.clone()),
                Source::Flag("--provider"),
            )
            .or(in_variable, Source::Variable("CLOUDCTL_PROVIDER"));
        let any_provider = choice
            .value
            .as_ref()
            .is_some_and(|choice| choice.contains(&ProviderChoice::Any));
        let kind = |choice: &ProviderChoice| match choice {
            ProviderChoice::One(kind) => Some(*kind),
            ProviderChoice::Any => None,
        };
        let providers = Setting {
            value: choice
                .value
                .filter(|_| !any_provider)
                .map(|choice| choice.iter().filter_map(kind).collect()),
            source: choice.source,
        };
        let providers = match any_provider {
            true => providers,
            false => {
                let key = if entry.providers.is_some() {
                    "providers"
                } else {
                    "provider"
                };
                providers.or(entry.configured_providers(), in_context(&[key]))
            }
        };
        // A flag sets the whole location: a region on the command line is not combined with a zone from a variable.
        let has_location_flag = !args.regions.is_empty() || args.zone.is_some();
        let location_variable = |name: &'static str| match has_location_flag {
            true => None,
            false => environment.get(name),
        };
        let in_region_variable = location_variable("CLOUDCTL_REGION")
            .map(parse_list)
            .transpose()
            .map_err(|error| error.context("CLOUDCTL_REGION"))?;
        let regions = Setting::default()
            .or(list(&args.regions), Source::Flag("--region"))
            .or(in_region_variable, Source::Variable("CLOUDCTL_REGION"));

        let mut clouds = BTreeMap::new();
        for (info, key) in infos
            .iter()
            .flat_map(|info| info.settings.iter().map(move |key| (info, key)))
        {
            let setting = match &key.variable {
                Some(variable) => with_variable(Setting::default(), variable.name),
                None => Setting::default(),
            };
            let in_entry = entry.clouds.get(&(info.kind, key.name)).cloned();
            let source = in_context(&[info.kind.as_str(), key.name]);
            clouds.insert((info.kind, key.name), setting.or(in_entry, source));
        }

        Ok(Self {
            providers,
            any_provider,
            create_provider: Setting::default().or(entry.provider, in_context(&["provider"])),
            regions,
            zone: flag(&args.zone, "--zone").or(
                location_variable("CLOUDCTL_ZONE").map(|zone| zone.trim().to_owned()),
                Source::Variable("CLOUDCTL_ZONE"),
            ),
            output: with_variable(flag(&args.output, "--output"), "CLOUDCTL_OUTPUT")
                .or(entry.output, in_context(&["output"])),
            ttl: with_variable(Setting::default(), "CLOUDCTL_TTL").or(entry.ttl, in_context(&["ttl"])),
            quiet: args.quiet,
            clouds,
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

/// Parses a list in a variable: entries separated by commas, without white space around them.
fn parse_list(text: &str) -> Result<Vec<String>> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let entries: Vec<_> = entries.map(str::to_owned).collect();
    match entries.is_empty() {
        true => Err(Error::invalid("there is nothing in the list").with_hint("name at least one, or unset it")),
        false => Ok(entries),
    }
}

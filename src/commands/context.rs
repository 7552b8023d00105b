//! `cloudctl context`: lists, shows and chooses contexts of the configuration file.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::instance_args::print_batch;
use crate::cloud::{Error, ProviderKind, Result, path_text, redact_value};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{CONTEXTS, Record, Report, SETTINGS};
use crate::settings::{ConfigFile, Setting, Settings};

/// Show and choose contexts of the configuration file
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Subcommands {
    /// List the contexts
    #[command(alias = "ls")]
    List,
    /// Make a context the current one
    Use {
        /// The context
        name: String,
    },
    /// Show each setting and where it comes from
    Show,
}

/// Runs `context list`, `context use` or `context show`.
pub async fn run(subcommand: Subcommands, context: &mut Context) -> anyhow::Result<ExitStatus> {
    match subcommand {
        Subcommands::List => list_contexts(context),
        Subcommands::Use { name } => use_context(&name, context),
        Subcommands::Show => show_settings(context).await,
    }
}

impl Subcommands {
    /// Whether the command works without a valid current context, because the user may want to choose another.
    pub fn works_without_context(&self) -> bool {
        !matches!(self, Self::Show)
    }
}

fn list_contexts(context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&CONTEXTS)?;
    let current = &context.settings.context.value;
    let mut report = Report::default();
    for (name, entry) in &context.settings.config.contexts {
        let kinds = entry.configured_providers();
        let providers = kinds.map(|kinds| kinds.into_iter().map(ProviderKind::as_str).collect::<Vec<_>>());
        report.items.push(Record::new(vec![
            ("name", json!(name)),
            ("current", json!(current.as_ref() == Some(name))),
            ("providers", json!(providers)),
        ]));
    }
    if report.items.is_empty() {
        let note = "no contexts; `cloudctl help context-file` shows how to write one";
        context.printer.note(note);
    }
    context.print_report(&report, &CONTEXTS)?;
    Ok(ExitStatus::DONE)
}

fn use_context(name: &str, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let settings = &context.settings;
    if !settings.config.contexts.contains_key(name) {
        return Err(settings.config.unknown_context(name).into());
    }
    let Some(path) = &settings.config_path else {
        let error = Error::invalid("there is no configuration folder");
        return Err(error.with_hint("set HOME or CLOUDCTL_CONFIG").into());
    };
    write_current(path, name).map_err(|error| {
        let message = format!("cannot write the configuration file {}: {error}", path_text(path));
        Error::invalid(message).with_hint(format!("pass --context {name} instead, or set CLOUDCTL_CONTEXT"))
    })?;
    context.printer.note(&format!("current context: {name}"));
    Ok(ExitStatus::DONE)
}

/// Sets `current` and leaves every other line of the file as its owner wrote it.
fn write_current(path: &Path, name: &str) -> anyhow::Result<()> {
    let mut document: toml_edit::DocumentMut = std::fs::read_to_string(path)?.parse()?;
    let mut current = toml_edit::Value::from(name);
    // Keeps the comment after the old value.
    if let Some(old) = document.get("current").and_then(toml_edit::Item::as_value) {
        current.decor_mut().clone_from(old.decor());
    }
    document["current"] = toml_edit::Item::Value(current);
    // Follows a symbolic link, and writes next to the file itself: the link may be on another file system.
    let target = path.canonicalize()?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(document.to_string().as_bytes())?;
    // Keeps the mode of the file.
    file.as_file()
        .set_permissions(std::fs::metadata(&target)?.permissions())?;
    file.persist(target)?;
    Ok(())
}

/// A row of `context show`.
struct SettingRow {
    name: String,
    value: Option<String>,
    source: String,
}

impl SettingRow {
    fn new(name: &str, setting: &Setting<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: setting.value.clone(),
            source: setting.source.to_string(),
        }
    }

    fn to_record(&self) -> Record {
        Record::new(vec![
            ("setting", json!(self.name)),
            ("value", json!(self.value.as_deref().map(redact_value))),
            ("source", json!(redact_value(&self.source))),
        ])
    }
}

async fn show_settings(context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&SETTINGS)?;
    let mut rows = common_settings(&context.settings);
    let mut errors = Vec::new();
    for cloud in context.infos().iter() {
        rows.extend(cloud.settings.iter().map(|key| {
            let setting = context.settings.cloud_setting(cloud.kind, key.name);
            SettingRow::new(&format!("{}.{}", cloud.kind, key.name), setting)
        }));
    }
    for kind in ProviderKind::ALL {
        if let Err(error) = add_cloud_settings(kind, &mut rows, context).await {
            errors.push(error.at_if_unset(kind));
        }
    }
    let report = Report {
        items: rows.iter().map(SettingRow::to_record).collect(),
        errors,
    };
    print_batch(&report, &SETTINGS, context)
}

/// The settings that are the same for every cloud.
fn common_settings(settings: &Settings) -> Vec<SettingRow> {
    let file = SettingRow {
        name: "file".to_owned(),
        value: settings.config_path.as_ref().map(path_text),
        source: match settings.config == ConfigFile::default() {
            true => "not there or empty".to_owned(),
            false => "read".to_owned(),
        },
    };
    let join_kinds = |kinds: &Vec<ProviderKind>| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",");
    let providers = Setting {
        value: settings.providers.value.as_ref().map(join_kinds),
        source: settings.providers.source.clone(),
    };
    let regions = Setting {
        value: settings.regions.value.as_ref().map(|regions| regions.join(",")),
        source: settings.regions.source.clone(),
    };
    vec![
        file,
        SettingRow::new("context", &settings.context),
        SettingRow::new("providers", &providers),
        SettingRow::new("region", &regions),
        SettingRow::new("zone", &settings.zone),
        SettingRow::new("output", &settings.output),
        SettingRow::new("ttl", &settings.ttl),
    ]
}

/// Adds the settings of a cloud's own tools, and its default location. They replace rows of the same name, because a
/// driver resolves cloudctl's settings of its cloud too.
async fn add_cloud_settings(kind: ProviderKind, rows: &mut Vec<SettingRow>, context: &Context) -> Result<()> {
    for setting in context.resolved_settings(kind)? {
        let row = SettingRow {
            name: setting.name.to_owned(),
            value: setting.value,
            source: setting.source,
        };
        match rows.iter_mut().find(|known| known.name == row.name) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    let location = context.cloud(kind)?.default_location().await?;
    rows.push(SettingRow {
        name: format!("{kind}: place of new VMs"),
        source: match &location {
            Some(_) => default_location_source(kind, rows),
            None => "not set".to_owned(),
        },
        value: location.map(|location| location.to_string()),
    });
    Ok(())
}

/// Where a cloud's default location is set. The setting of a zone also decides the region.
fn default_location_source(kind: ProviderKind, rows: &[SettingRow]) -> String {
    for name in [format!("{kind}.zone"), format!("{kind}.region")] {
        if let Some(row) = rows.iter().find(|row| row.name == name)
            && row.value.is_some()
        {
            return row.source.clone();
        }
    }
    "default".to_owned()
}

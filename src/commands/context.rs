//! `cloudctl context`: lists, shows and chooses contexts of the configuration file.

use std::io::Write;
use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use crate::cloud::{Error, ProviderKind, Result, path_text, redact_value};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{CONTEXTS, Record, Report, SETTINGS};
use crate::settings::{ConfigFile, Setting};

/// Show and choose contexts of the configuration file
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Clone, Debug, Subcommand)]
enum Subcommands {
    /// List the contexts
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
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    match args.command {
        Subcommands::List => list_contexts(context),
        Subcommands::Use { name } => use_context(&name, context),
        Subcommands::Show => show_settings(context).await,
    }
}

impl Args {
    /// Whether the command works without a valid current context, because the user may want to choose another.
    pub fn works_without_context(&self) -> bool {
        !matches!(self.command, Subcommands::Show)
    }
}

fn list_contexts(context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&CONTEXTS)?;
    let current = context.settings.context.value.clone();
    let items = context.settings.config.contexts.iter().map(|(name, entry)| {
        let configured = entry.configured_providers();
        let providers = configured.map(|kinds| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
        Record::new(vec![
            ("name", json!(name)),
            ("current", json!(current.as_ref() == Some(name))),
            ("providers", json!(providers)),
        ])
    });
    let report = Report {
        items: items.collect(),
        errors: Vec::new(),
    };
    if report.items.is_empty() {
        context
            .printer
            .note("no contexts; `cloudctl help context-file` shows how to write one");
    }
    let now = context.now();
    context.printer.print_report(&report, &CONTEXTS, now)?;
    Ok(ExitStatus::DONE)
}

fn use_context(name: &str, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let settings = &context.settings;
    if !settings.config.contexts.contains_key(name) {
        return Err(settings.config.unknown_context(name).into());
    }
    let path = settings
        .config_path
        .as_deref()
        .ok_or_else(|| Error::invalid("there is no configuration folder").with_hint("set HOME or CLOUDCTL_CONFIG"))?;
    write_current(path, name)?;
    context.printer.note(&format!("current context: {name}"));
    Ok(ExitStatus::DONE)
}

/// Sets `current` and leaves every other line of the file as its owner wrote it.
fn write_current(path: &Path, name: &str) -> Result<()> {
    let write_error = |error: &dyn std::fmt::Display| {
        Error::invalid(format!(
            "cannot write the configuration file {}: {error}",
            path_text(path)
        ))
        .with_hint(format!("pass --context {name} instead, or set CLOUDCTL_CONTEXT"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| write_error(&error))?;
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error| write_error(&error))?;
    let mut current = toml_edit::Value::from(name);
    // Keeps the comment after the old value.
    if let Some(old) = document.get("current").and_then(toml_edit::Item::as_value) {
        current.decor_mut().clone_from(old.decor());
    }
    document["current"] = toml_edit::Item::Value(current);
    // Follows a symbolic link, and writes next to the file itself: the link may be on another file system.
    let target = path.canonicalize().map_err(|error| write_error(&error))?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| write_error(&error))?;
    file.write_all(document.to_string().as_bytes())
        .map_err(|error| write_error(&error))?;
    // Keeps the mode of the file.
    let permissions = std::fs::metadata(&target)
        .map_err(|error| write_error(&error))?
        .permissions();
    file.as_file()
        .set_permissions(permissions)
        .map_err(|error| write_error(&error))?;
    file.persist(target).map_err(|error| write_error(&error))?;
    Ok(())
}

async fn show_settings(context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&SETTINGS)?;
    let settings = &context.settings;
    let providers = Setting {
        value: settings.providers.value.as_ref().map(|kinds| {
            let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            names.join(",")
        }),
        source: settings.providers.source.clone(),
    };
    let regions = Setting {
        value: settings.regions.value.as_ref().map(|regions| regions.join(",")),
        source: settings.regions.source.clone(),
    };
    let mut items = vec![
        Record::new(vec![
            ("setting", json!("file")),
            ("value", json!(settings.config_path.as_ref().map(path_text))),
            (
                "source",
                json!(if settings.config == ConfigFile::default() {
                    "not there or empty"
                } else {
                    "read"
                }),
            ),
        ]),
        setting_record("context", &settings.context),
        setting_record("providers", &providers),
        setting_record("region", &regions),
        setting_record("zone", &settings.zone),
        setting_record("output", &settings.output),
        setting_record("ttl", &settings.ttl),
    ];
    for info in context.infos().iter() {
        let rows = info.settings.iter().map(|key| {
            let setting = settings.cloud_setting(info.kind, key.name);
            setting_record(&format!("{}.{}", info.kind, key.name), setting)
        });
        items.extend(rows);
    }
    let mut errors = Vec::new();
    for kind in ProviderKind::ALL {
        if let Err(error) = add_cloud_settings(kind, &mut items, context).await {
            errors.push(error.at_if_unset(kind));
        }
    }
    let status = ExitStatus::from_batch(items.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report { items, errors }, &SETTINGS, now)?;
    Ok(status)
}

/// Adds the settings of a cloud's own tools, and its default location. They replace records of the same name, because a
/// driver resolves cloudctl's settings of its cloud too.
async fn add_cloud_settings(kind: ProviderKind, items: &mut Vec<Record>, context: &Context) -> Result<()> {
    for setting in context.resolved_settings(kind)? {
        let record = new_record(setting.name, setting.value.as_deref(), &setting.source);
        match items.iter_mut().find(|item| *item.get("setting") == *setting.name) {
            Some(item) => *item = record,
            None => items.push(record),
        }
    }
    let location = context.cloud(kind)?.default_location().await?;
    let source = match &location {
        None => "not set".to_owned(),
        // The setting of a zone also decides the region.
        Some(_) => ["zone", "region"]
            .iter()
            .map(|what| format!("{kind}.{what}"))
            .filter_map(|name| items.iter().find(|item| *item.get("setting") == *name))
            .find(|item| !item.get("value").is_null())
            .and_then(|item| item.get("source").as_str().map(str::to_owned))
            .unwrap_or_else(|| "default".to_owned()),
    };
    let name = format!("{kind}: place of new VMs");
    let value = location.map(|location| location.to_string());
    items.push(new_record(&name, value.as_deref(), &source));
    Ok(())
}

fn setting_record(name: &str, setting: &Setting<String>) -> Record {
    new_record(name, setting.value.as_deref(), &setting.source.to_string())
}

fn new_record(name: &str, value: Option<&str>, source: &str) -> Record {
    Record::new(vec![
        ("setting", json!(name)),
        ("value", json!(value.map(redact_value))),
        ("source", json!(redact_value(source))),
    ])
}

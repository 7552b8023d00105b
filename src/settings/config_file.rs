//! The configuration file with its contexts. Errors name file, line and key.

use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml_edit::TableLike;

use super::read_text_file::{io_reason, utf8_text};
use crate::cloud::{
    CloudInfos, Error, ProviderKind, Result, is_content, is_safe_key, path_text, quoted, redact_parser_message,
    redact_value,
};

/// The whole file, `cloudctl/config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// The context to use if none is named.
    #[serde(default, deserialize_with = "read_one_line")]
    pub current: Option<String>,
    /// The contexts by name.
    #[serde(default)]
    pub contexts: BTreeMap<String, ContextEntry>,
    /// The line of each key, by its path.
    #[serde(skip)]
    lines: BTreeMap<Vec<String>, usize>,
}

/// One context.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ContextEntry {
    /// The provider that `create` uses.
    pub provider: Option<ProviderKind>,
    /// The providers that the other commands query.
    pub providers: Option<Vec<ProviderKind>>,
    /// The output format.
    #[serde(default, deserialize_with = "read_one_line")]
    pub output: Option<String>,
    /// The TTL of new instances, unless `--ttl` is set.
    #[serde(default, deserialize_with = "read_one_line")]
    pub ttl: Option<String>,
    /// The settings of single clouds, by the keys of [`CloudInfo::settings`](crate::cloud::CloudInfo::settings).
    #[serde(skip)]
    pub clouds: BTreeMap<(ProviderKind, &'static str), String>,
    /// The sections of the clouds, before their keys are checked.
    #[serde(flatten)]
    sections: BTreeMap<String, toml::Value>,
}

/// The keys of a context that are no section of a cloud.
const CONTEXT_KEYS: [&str; 4] = ["provider", "providers", "output", "ttl"];

/// Reads a value that is one line of text. The content of a file, such as a key, is refused here, where its line is known.
fn read_one_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match is_content(&text) {
        true => Err(D::Error::custom(format!(
            "{} with several lines, or the content of a file, which this key does not take",
            redact_value(&text)
        ))),
        false => Ok(Some(text)),
    }
}

struct SectionError {
    /// The path of keys from the context to the error.
    path: Vec<String>,
    error: toml::de::Error,
}

impl ContextEntry {
    /// The providers that commands other than `create` query, if the context sets them.
    pub fn configured_providers(&self) -> Option<Vec<ProviderKind>> {
        self.providers.clone().or_else(|| Some(vec![self.provider?]))
    }

    /// Moves the settings of each cloud out of its section, and checks their keys.
    fn read_sections(&mut self, infos: CloudInfos) -> Result<(), SectionError> {
        for (section_name, section) in std::mem::take(&mut self.sections) {
            let Ok(kind) = section_name.parse::<ProviderKind>() else {
                let known = CONTEXT_KEYS
                    .into_iter()
                    .chain(ProviderKind::ALL.map(ProviderKind::as_str));
                let error = unknown_field(&section_name, known);
                return Err(SectionError {
                    path: vec![section_name],
                    error,
                });
            };
            let known_settings = infos.get(kind).settings;
            let section = toml::Table::deserialize(section).map_err(|error| SectionError {
                path: vec![section_name.clone()],
                error,
            })?;
            for (name, value) in section {
                let Some(key) = known_settings.iter().find(|key| key.name == name) else {
                    let error = unknown_field(&name, known_settings.iter().map(|key| key.name));
                    return Err(SectionError {
                        path: vec![section_name, name],
                        error,
                    });
                };
                let text = read_one_line(value).map_err(|error| SectionError {
                    path: vec![section_name.clone(), name],
                    error,
                })?;
                if let Some(text) = text {
                    self.clouds.insert((kind, key.name), text);
                }
            }
        }
        Ok(())
    }
}

/// Creates the error for an unknown key, worded as serde words it.
fn unknown_field<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> toml::de::Error {
    let known: Vec<_> = known.map(|key| format!("`{key}`")).collect();
    let expected = match known.as_slice() {
        [] => "there are no fields".to_owned(),
        [one] => format!("expected {one}"),
        [one, other] => format!("expected {one} or {other}"),
        several => format!("expected one of {}", several.join(", ")),
    };
    toml::de::Error::custom(format!("unknown field `{name}`, {expected}"))
}

impl ConfigFile {
    /// Reads the file. A missing file counts as empty, unless it `must_exist`.
    ///
    /// # Errors
    /// `InvalidSpec` if it cannot be read, is not TOML, or has an unknown key; the message has the line and key.
    pub fn read(path: &Path, must_exist: bool, infos: CloudInfos) -> Result<Self> {
        let read_error = |reason: String| {
            let message = format!("cannot read the configuration file {}: {reason}", path_text(path));
            Error::invalid(message).with_hint("correct the file, or set CLOUDCTL_CONFIG to another file")
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                // The home of a service account may not be a folder.
                let is_missing = matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory);
                return match is_missing && !must_exist {
                    true => Ok(Self::default()),
                    false => Err(read_error(io_reason(&error))),
                };
            }
        };
        let text = utf8_text(&bytes).map_err(|not_text| read_error(not_text.to_string()))?;
        Self::parse(text, &path_text(path), infos).map_err(|error| {
            error.with_hint("correct that line of the configuration file; `cloudctl help context-file` lists the keys")
        })
    }

    fn parse(text: &str, file_name: &str, infos: CloudInfos) -> Result<Self> {
        let mut file: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            line_error(text, line, error.message(), file_name)
        })?;
        file.lines = find_key_lines(text);
        for (name, entry) in &mut file.contexts {
            entry.read_sections(infos).map_err(|SectionError { path, error }| {
                let path = [vec!["contexts".to_owned(), name.clone()], path].concat();
                let lines = file.lines.iter().filter(|(keys, _)| keys.starts_with(&path));
                let line = lines.map(|(_, line)| *line).min().unwrap_or(1);
                line_error(text, line, error.message(), file_name)
            })?;
        }
        Ok(file)
    }

    /// Formats the location of a key in the file: `~/.config/cloudctl/config.toml:7, [contexts.dev.aws]`.
    pub(super) fn describe_location(&self, file_name: &str, keys: &[&str]) -> String {
        let path: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let line = self.lines.get(&path).map(|line| format!(":{line}")).unwrap_or_default();
        match keys {
            [sections @ .., _] if !sections.is_empty() => {
                format!("{file_name}{line}, [{}]", redact_value(&sections.join(".")))
            }
            _ => format!("{file_name}{line}"),
        }
    }

    /// Creates the error for a context that is not in the file. Its hint names those that are.
    pub fn unknown_context(&self, name: &str) -> Error {
        let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "the configuration file has no contexts; `cloudctl help context-file` shows how to write one".to_owned()
        } else {
            format!("the configuration file has {}", known.join(", "))
        };
        Error::invalid(format!("unknown context {}", quoted(name))).with_hint(hint)
    }
}

fn line_error(text: &str, line: usize, message: &str, file_name: &str) -> Error {
    let message = message.replace('\n', "; ");
    // The parser names an unknown key itself, but not the key of a wrong value.
    let key = key_in_toml_line(text, line).filter(|key| is_safe_key(key) && !message.contains(&format!("`{key}`")));
    let prefix = key.map(|key| format!("{key}: ")).unwrap_or_default();
    Error::invalid(format!(
        "{file_name}:{line}: {prefix}{}",
        redact_parser_message(&message)
    ))
}

/// Finds the line of each key and table, by its path. Finds nothing if the text is not TOML.
fn find_key_lines(text: &str) -> BTreeMap<Vec<String>, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(document) = toml_edit::Document::parse(text) {
        collect_key_lines(document.as_table(), &[], text, &mut lines);
    }
    lines
}

fn collect_key_lines(table: &dyn TableLike, path: &[String], text: &str, lines: &mut BTreeMap<Vec<String>, usize>) {
    for (key, item) in table.iter() {
        let path = [path, &[key.to_owned()]].concat();
        if let Some(before) = item.span().and_then(|span| text.get(..span.start)) {
            lines.insert(path.clone(), before.matches('\n').count() + 1);
        }
        if let Some(table) = item.as_table_like() {
            collect_key_lines(table, &path, text, lines);
        }
    }
}

/// The key before the equals sign of a line; lines count from 1.
pub fn key_in_toml_line(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line.checked_sub(1)?)?.split_once('=')?;
    Some(key.trim())
}

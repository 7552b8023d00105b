//! The text of a spec file in its three formats, and where in it something is wrong.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::values::WithoutNull;
use crate::cloud::{Error, Result, did_you_mean, is_safe_key, may_be_secret, redact_parser_message, redact_value};

/// How a spec file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// <https://toml.io/en/v1.1.0>
    Toml,
    /// <https://yaml.org/spec/1.2.2/>
    Yaml,
    /// <https://www.rfc-editor.org/rfc/rfc8259>
    Json,
}

impl Format {
    /// The format of a file: by the ending of its name, else by its first line that is no comment. One that begins with
    /// `{` is JSON, one that begins with `[` or has an equals sign before any colon is TOML, and anything else is YAML.
    pub(crate) fn of(path: Option<&Path>, text: &str) -> Self {
        let ending = path.and_then(Path::extension).map(|ending| ending.to_ascii_lowercase());
        match ending.as_deref().and_then(|ending| ending.to_str()) {
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::of_text(text),
        }
    }

    fn of_text(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim_start);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let first = first.unwrap_or_default();
        match first.chars().next() {
            Some('{') => Self::Json,
            Some('[') => Self::Toml,
            _ => match first.find(['=', ':']) {
                Some(at) if first[at..].starts_with('=') => Self::Toml,
                Some(_) => Self::Yaml,
                None if first.starts_with("---") => Self::Yaml,
                None => Self::Toml,
            },
        }
    }
}

/// What a format's parser says is wrong, and where.
struct Fault {
    message: String,
    /// From 1 on.
    line: usize,
    /// From 1 on.
    column: usize,
}

/// Reads the text of the file that is `shown` so; `keys` gives the keys that it may have.
///
/// # Errors
/// `InvalidSpec` with file, line, column and key; for an unknown key the nearest that there is.
pub(crate) fn parse<T: DeserializeOwned>(
    format: Format,
    text: &str,
    shown: &str,
    keys: fn() -> Vec<String>,
) -> Result<T> {
    let parsed = match format {
        Format::Toml => toml::from_str(text).map_err(|error| of_toml(&error, text)),
        Format::Yaml => yaml_serde::from_str::<WithoutNull>(text)
            .and_then(|_| yaml_serde::from_str(text))
            .map_err(|error| of_yaml(&error)),
        Format::Json => serde_json::from_str(text).map_err(|error| of_json(&error)),
    };
    parsed.map_err(|fault| explain(&fault, format, text, shown, keys))
}

fn of_toml(error: &toml::de::Error, text: &str) -> Fault {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or_default();
    Fault {
        message: error.message().replace('\n', "; "),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1,
    }
}

fn of_json(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let place = format!(" at line {line} column {column}");
    Fault {
        message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        line,
        column,
    }
}

fn of_yaml(error: &yaml_serde::Error) -> Fault {
    let message = error.to_string();
    let Some(location) = error.location() else {
        return Fault {
            message,
            line: 1,
            column: 1,
        };
    };
    let (line, column) = (location.line(), location.column());
    let place = format!(" at line {line} column {column}");
    Fault {
        message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        line,
        column,
    }
}

/// What serde itself says of a key that a struct does not have, in every format.
const UNKNOWN: &str = "unknown field `";

fn explain(fault: &Fault, format: Format, text: &str, shown: &str, keys: fn() -> Vec<String>) -> Error {
    let Fault { message, line, column } = fault;
    let place = format!("{shown}:{line}:{column}");
    if let Some(unknown) = message.split_once(UNKNOWN).and_then(|(_, rest)| rest.split('`').next()) {
        let error = match may_be_secret(unknown) {
            true => Error::invalid(format!("{place}: unknown key: {}", redact_value(unknown))),
            false => Error::invalid(format!("{place}: unknown key `{unknown}`")),
        };
        let keys = keys();
        return match did_you_mean(unknown, keys.iter().map(String::as_str)) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => error.with_hint("the keys are the long flags of `cloudctl create --help`"),
        };
    }
    // YAML's parser puts the way to the value before what is wrong with it; the others do not name its key.
    let key = match format {
        Format::Toml => key_in_toml(text, *line),
        Format::Json => key_in_json(text, *line, *column),
        Format::Yaml => None,
    };
    let key = key.filter(|key| is_safe_key(key) && !message.contains(&format!("`{key}`")));
    let named = key.map(|key| format!("{key}: ")).unwrap_or_default();
    Error::invalid(format!("{place}: {named}{}", redact_parser_message(message))).with_hint(
        "the keys are the long flags of `cloudctl create --help`, and `cloudctl schema spec` has their types",
    )
}

fn key_in_toml(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line.checked_sub(1)?)?.split_once('=')?;
    Some(key.trim())
}

/// The last key before a place.
fn key_in_json(text: &str, line: usize, column: usize) -> Option<&str> {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let before = text.get(..(before + column).min(text.len()))?;
    let (mut last, mut rest) = (None, before);
    while let Some((_, behind)) = rest.split_once('"') {
        let (word, behind) = behind.split_once('"')?;
        if behind.trim_start().starts_with(':') {
            last = Some(word);
        }
        rest = behind;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_the_ending_or_else_of_the_first_line() {
        for (name, text, format) in [
            (Some("a.toml"), "{}", Format::Toml),
            (Some("a.YML"), "", Format::Yaml),
            (Some("a.json"), "a = 1", Format::Json),
            (Some("spec"), "# what we need\n\nname = \"a: b\"", Format::Toml),
            (None, "[[vm]]\nname = 'a'", Format::Toml),
            (None, "  { \"name\": \"a\" }", Format::Json),
            (None, "ttl: \"a=b\"", Format::Yaml),
            (None, "---\nname: a", Format::Yaml),
        ] {
            assert_eq!(Format::of(name.map(Path::new), text), format, "{name:?} {text:?}");
        }
    }
}

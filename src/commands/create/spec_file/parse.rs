//! Parses the text of a spec file as TOML, YAML or JSON. Errors name the line, the column and the key.

use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::field_values::WithoutNull;
use crate::cloud::{Error, Result, did_you_mean, is_safe_key, may_be_secret, redact_parser_message, redact_value};
use crate::settings::key_in_toml_line;

/// The format of a spec file.
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
    /// Detects the format of a file by the extension of its name, or by its first line that is not a comment.
    pub(crate) fn detect(path: Option<&Path>, text: &str) -> Self {
        let extension = path.and_then(Path::extension).map(|text| text.to_ascii_lowercase());
        match extension.as_deref().and_then(|text| text.to_str()) {
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::detect_in_text(text),
        }
    }

    /// Detects the format by the first line. `{` begins JSON, and `[` begins TOML. In other lines the first `=` (TOML) or
    /// `:` (YAML) decides. A line with neither is YAML if it begins with `---`, and TOML if not.
    fn detect_in_text(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim_start);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let first = first.unwrap_or_default();
        match first.chars().next() {
            Some('{') => Self::Json,
            Some('[') => Self::Toml,
            _ => match first.find(['=', ':']) {
                Some(index) if first[index..].starts_with('=') => Self::Toml,
                Some(_) => Self::Yaml,
                None if first.starts_with("---") => Self::Yaml,
                None => Self::Toml,
            },
        }
    }
}

/// An error of a format's parser.
struct ParserError {
    message: String,
    /// Counts from 1.
    line: usize,
    /// Counts from 1.
    column: usize,
}

/// Parses the text of a file. `source` names the file in errors, and `list_keys` returns the keys that are allowed.
///
/// # Errors
/// `InvalidSpec` with file, line, column and key. For an unknown key, the hint is the closest known key.
pub(crate) fn parse<T: DeserializeOwned>(
    format: Format,
    text: &str,
    source: &str,
    list_keys: fn() -> Vec<String>,
) -> Result<T> {
    let parsed = match format {
        Format::Toml => toml::from_str(text).map_err(|error| convert_toml_error(&error, text)),
        Format::Yaml => yaml_serde::from_str::<WithoutNull>(text)
            .and_then(|_| yaml_serde::from_str(text))
            .map_err(|error| convert_yaml_error(&error)),
        Format::Json => serde_json::from_str(text).map_err(|error| convert_json_error(&error)),
    };
    // A mistake in the syntax goes first: after it the keys mean nothing.
    parsed.map_err(|error| match check_syntax(format, text, source) {
        Err(syntax_error) => syntax_error,
        Ok(()) => to_spec_error(&error, format, text, source, list_keys),
    })
}

/// Checks that the text is of its format, whatever its keys are.
fn check_syntax(format: Format, text: &str, source: &str) -> Result<()> {
    let (checked, name) = match format {
        Format::Toml => (
            toml::from_str::<IgnoredAny>(text).map_err(|error| convert_toml_error(&error, text)),
            "TOML",
        ),
        Format::Yaml => (
            yaml_serde::from_str::<IgnoredAny>(text).map_err(|error| convert_yaml_error(&error)),
            "YAML",
        ),
        Format::Json => (
            serde_json::from_str::<IgnoredAny>(text).map_err(|error| convert_json_error(&error)),
            "JSON",
        ),
    };
    checked.map(drop).map_err(|ParserError { message, line, column }| {
        let message = redact_parser_message(&message);
        let hint = match format {
            Format::Yaml => "check the indentation and the quotes up to there",
            Format::Toml | Format::Json => "check the keys, quotes, brackets and commas up to there",
        };
        let key = match format {
            Format::Toml => key_in_toml_line(text, line).filter(|key| is_safe_key(key)),
            Format::Yaml | Format::Json => None,
        };
        let key_prefix = key.map(|key| format!("{key}: ")).unwrap_or_default();
        let message = format!("{source}:{line}:{column}: this is not {name}: {key_prefix}{message}");
        Error::invalid(message).with_hint(hint)
    })
}

fn convert_toml_error(error: &toml::de::Error, text: &str) -> ParserError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or_default();
    ParserError {
        message: error.message().replace('\n', "; "),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1,
    }
}

fn convert_json_error(error: &serde_json::Error) -> ParserError {
    without_position(&error.to_string(), error.line(), error.column())
}

fn convert_yaml_error(error: &yaml_serde::Error) -> ParserError {
    let message = error.to_string();
    match error.location() {
        Some(location) => without_position(&message, location.line(), location.column()),
        None => without_position(&message, 1, 1),
    }
}

/// Removes the position from the end of a parser's message.
fn without_position(message: &str, line: usize, column: usize) -> ParserError {
    let suffix = format!(" at line {line} column {column}");
    ParserError {
        message: message.strip_suffix(&suffix).unwrap_or(message).to_owned(),
        line,
        column,
    }
}

/// How serde's message about an unknown key begins, in every format.
const UNKNOWN_FIELD: &str = "unknown field `";

/// Turns an error of a parser into one that names the position and the key.
fn to_spec_error(
    parser_error: &ParserError,
    format: Format,
    text: &str,
    source: &str,
    list_keys: fn() -> Vec<String>,
) -> Error {
    let ParserError { message, line, column } = parser_error;
    let position = format!("{source}:{line}:{column}");
    if let Some(unknown) = message
        .split_once(UNKNOWN_FIELD)
        .and_then(|(_, rest)| rest.split('`').next())
    {
        let error = match may_be_secret(unknown) {
            true => Error::invalid(format!("{position}: unknown key: {}", redact_value(unknown))),
            false => Error::invalid(format!("{position}: unknown key `{unknown}`")),
        };
        let keys = list_keys();
        return match did_you_mean(unknown, keys.iter().map(String::as_str)) {
            Some(key) => error.with_hint(format!("did you mean `{key}`?")),
            None => error.with_hint("the keys are the long flags of `cloudctl create --help`"),
        };
    }
    // YAML's parser puts the path of the key before its message. Of it the key is left: the line is known, and the other
    // parsers do not name the path.
    let key = match format {
        Format::Toml => key_in_toml_line(text, *line),
        Format::Json => find_key_in_json(text, *line, *column),
        Format::Yaml => None,
    };
    let message = match format {
        Format::Yaml => shorten_yaml_path(message),
        Format::Toml | Format::Json => message,
    };
    let key = key.filter(|key| is_safe_key(key) && !message.contains(&format!("`{key}`")));
    let key_prefix = key.map(|key| format!("{key}: ")).unwrap_or_default();
    Error::invalid(format!("{position}: {key_prefix}{}", redact_parser_message(message))).with_hint(
        "the keys are the long flags of `cloudctl create --help`, and `cloudctl schema spec` has their types",
    )
}

/// Removes from `vm[0].disk: …` the place in the list.
fn shorten_yaml_path(message: &str) -> &str {
    let Some((path, _)) = message.split_once(": ") else {
        return message;
    };
    match path.rfind("].") {
        Some(end) if !path.contains(' ') => &message[end + 2..],
        _ => message,
    }
}

/// Finds the last key before a position.
fn find_key_in_json(text: &str, line: usize, column: usize) -> Option<&str> {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let before = text.get(..(line_start + column).min(text.len()))?;
    let (mut last, mut rest) = (None, before);
    while let Some((_, after_quote)) = rest.split_once('"') {
        let (word, after_word) = after_quote.split_once('"')?;
        if after_word.trim_start().starts_with(':') {
            last = Some(word);
        }
        rest = after_word;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_is_detected_by_extension_or_first_line() {
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
            assert_eq!(Format::detect(name.map(Path::new), text), format, "{name:?} {text:?}");
        }
    }
}

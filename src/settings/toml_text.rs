//! TOML that people write: what is wrong in it is named by file, line and key.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml_edit::TableLike;

use crate::cloud::{Error, Result, is_plain_key, parser_message};

/// Reads the text of the file that is `shown` so.
///
/// # Errors
/// `InvalidSpec` if it is not TOML, has an unknown key or a value of the wrong type; the message has file, line and
/// key. What to do about it is the caller's to say.
pub fn parse_toml<T: DeserializeOwned>(text: &str, shown: impl std::fmt::Display) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let message = error.message().replace('\n', "; ");
        // The parser names an unknown key itself, but not the key of a wrong value.
        let key = key_of_line(text, line).filter(|key| is_plain_key(key) && !message.contains(&format!("`{key}`")));
        let named = key.map(|key| format!("{key}: ")).unwrap_or_default();
        Error::invalid(format!("{shown}:{line}: {named}{}", parser_message(&message)))
    })
}

/// The line of each key, tables included, by the words that lead to it. Nothing for what is not TOML.
pub(super) fn lines_of_keys(text: &str) -> BTreeMap<Vec<String>, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(document) = toml_edit::Document::parse(text) {
        note_lines(document.as_table(), &[], text, &mut lines);
    }
    lines
}

fn note_lines(table: &dyn TableLike, path: &[String], text: &str, lines: &mut BTreeMap<Vec<String>, usize>) {
    for (key, item) in table.iter() {
        let path = [path, &[key.to_owned()]].concat();
        if let Some(before) = item.span().and_then(|span| text.get(..span.start)) {
            lines.insert(path.clone(), before.matches('\n').count() + 1);
        }
        if let Some(table) = item.as_table_like() {
            note_lines(table, &path, text, lines);
        }
    }
}

fn key_of_line(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line.checked_sub(1)?)?.split_once('=')?;
    Some(key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "count")]
        _count: Option<u32>,
        #[serde(rename = "label", default)]
        _label: BTreeMap<String, String>,
    }

    #[test]
    fn line_and_key_are_named() {
        for (text, expected) in [
            ("count = \"two\"", "file:1: count: invalid type"),
            ("\n\ncuont = 2\n", "file:3: unknown field `cuont`"),
            ("count = 1\n[label]\na = 1\n", "file:3: a: invalid type"),
            ("count = ", "file:1: count: "),
            ("count = 1\nlabel", "file:2: "),
        ] {
            let error = parse_toml::<Sample>(text, "file").unwrap_err();
            assert!(error.message().starts_with(expected), "{error}");
        }
    }
}

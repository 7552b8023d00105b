//! The formats of a spec file, and what is wrong in one: file, line, key, and the key that was meant.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::cloud::{Error, Result, distance};
use crate::settings::parse_toml;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// <https://toml.io>
    Toml,
    /// <https://yaml.org>
    Yaml,
    /// <https://www.json.org>
    Json,
}

impl Format {
    /// By the file's name, or for standard input, which has none, by how the text begins: an object is JSON, a line of
    /// `key: value` is YAML, and the rest is TOML.
    ///
    /// # Errors
    /// `InvalidSpec` for a name that says another format.
    pub(super) fn of(path: &Path, text: &str) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Ok(Self::Toml),
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("json") => Ok(Self::Json),
            None => Ok(Self::guess(text)),
            Some(other) => Err(
                Error::invalid(format!("a spec file cannot be .{other}: {}", path.display()))
                    .with_remedy("write it as .toml, .yaml or .json"),
            ),
        }
    }

    fn guess(text: &str) -> Self {
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let first = lines.next().unwrap_or_default();
        let key_end = first.find([':', '=']).and_then(|end| first.get(end..));
        match (first.starts_with('{'), key_end) {
            (true, _) => Self::Json,
            (false, Some(rest)) if rest.starts_with(':') => Self::Yaml,
            (false, _) if first == "---" => Self::Yaml,
            _ => Self::Toml,
        }
    }
}

/// Reads a text.
///
/// # Errors
/// `InvalidSpec` if it is not of that format, has an unknown key or a value of the wrong type; the message has the line
/// and names the key, and the remedy the one that is nearest to it.
pub(super) fn parse<T: DeserializeOwned>(text: &str, format: Format, shown: &str) -> Result<T> {
    let at = |line: usize, message: String| Error::invalid(format!("{shown}:{line}: {}", message.replace('\n', "; ")));
    let parsed = match format {
        Format::Toml => parse_toml(text, shown),
        Format::Yaml => yaml_serde::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            at(line, without_place(&error.to_string()))
        }),
        Format::Json => serde_json::from_str(text).map_err(|error| at(error.line(), without_place(&error.to_string()))),
    };
    parsed.map_err(|error| {
        let remedy = match nearest_key(error.message()) {
            Some(nearest) => format!("did you mean {nearest}? The keys are the long flags of `cloudctl create --help`"),
            None => "the keys are the long flags of `cloudctl create --help`".to_owned(),
        };
        error.with_remedy(remedy)
    })
}

/// The message without the place at its end, which stands before it already.
fn without_place(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message.get(..end).unwrap_or(message).to_owned()
}

/// The known key that is nearest to the unknown one that serde's message names.
fn nearest_key(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    let nearest = known.map(|key| (distance(unknown, key), key)).min()?;
    // What differs in most of its letters was not meant.
    (nearest.0 * 2 <= unknown.chars().count().max(2)).then_some(nearest.1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "image")]
        _image: Option<String>,
        #[serde(rename = "count")]
        _count: Option<u32>,
        #[serde(rename = "label", default)]
        _label: BTreeMap<String, String>,
    }

    #[test]
    fn line_and_key_are_named_in_every_format() {
        for (format, text, message) in [
            (Format::Toml, "count = 1\nimge = \"x\"\n", "f:2: unknown field `imge`"),
            (Format::Yaml, "count: 1\nimge: x\n", "f:2: unknown field `imge`"),
            (
                Format::Json,
                "{\n \"count\": 1,\n \"imge\": \"x\"\n}",
                "f:3: unknown field `imge`",
            ),
        ] {
            let error = parse::<Sample>(text, format, "f").unwrap_err();
            assert!(error.message().contains(message), "{format:?}: {error}");
            assert!(
                error.remedy().unwrap().starts_with("did you mean image?"),
                "{:?}",
                error.remedy()
            );
        }
        for (format, text) in [
            (Format::Toml, "count = \"two\"\n"),
            (Format::Yaml, "count: two\n"),
            (Format::Json, "{\"count\": \"two\"}"),
        ] {
            let error = parse::<Sample>(text, format, "f").unwrap_err();
            assert!(error.message().starts_with("f:1: "), "{format:?}: {error}");
            assert!(!error.remedy().unwrap().starts_with("did you mean"));
        }
    }

    #[test]
    fn the_format_is_that_of_the_name_or_of_the_text() {
        let of = |name: &str, text: &str| Format::of(Path::new(name), text);
        assert_eq!(of("a.toml", "").unwrap(), Format::Toml);
        assert_eq!(of("a.yml", "").unwrap(), Format::Yaml);
        assert_eq!(of("-", "{\"name\": \"a\"}").unwrap(), Format::Json);
        assert_eq!(of("-", "# a VM\nname: a\n").unwrap(), Format::Yaml);
        assert_eq!(of("-", "# a VM\nname = \"a:b\"\n").unwrap(), Format::Toml);
        assert_eq!(of("-", "[[vm]]\nname = \"a\"\n").unwrap(), Format::Toml);
        assert!(of("a.ini", "").is_err());
    }
}

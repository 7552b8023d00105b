//! Reads AWS's shared configuration and credentials files.
//!
//! The SDK's own reader does not support quoted names, stops at a byte order mark, and does not know the line of a
//! value.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::collections::BTreeMap;

use crate::cloud::{Error, ErrorKind, Result, may_be_secret, path_text};
use crate::settings::{Environment, NotText, SourcedValue, io_reason, utf8_text};

/// The keys of a section. A profile has the keys of both files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    keys: BTreeMap<String, SourcedValue>,
    /// Indented keys below a key without a value: `ec2.endpoint_url`.
    nested: BTreeMap<(String, String), SourcedValue>,
}

impl Section {
    pub(crate) fn get(&self, key: &str) -> Option<&SourcedValue> {
        self.keys.get(key).filter(|setting| !setting.value.is_empty())
    }

    pub(crate) fn get_nested(&self, key: &str, below: &str) -> Option<&SourcedValue> {
        let setting = self.nested.get(&(key.to_owned(), below.to_owned()));
        setting.filter(|setting| !setting.value.is_empty())
    }

    pub(crate) fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.get(key).is_some())
    }

    /// Adds an indented line: a nested key below a key without a value, otherwise the next line of the value.
    fn add_indented_line(&mut self, key: &str, line: &str, source: &str) -> Result<(), &'static str> {
        let Some(setting) = self.keys.get_mut(key) else {
            return Ok(());
        };
        if !setting.value.is_empty() {
            setting.value.push('\n');
            setting.value.push_str(line);
            return Ok(());
        }
        let (name, below) = line
            .split_once(['=', ':'])
            .ok_or("an indented line without a key and a value")?;
        let setting = SourcedValue::new(strip_comment(below).to_owned(), source.to_owned());
        self.nested
            .insert((key.to_owned(), name.trim().to_lowercase()), setting);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.nested.extend(other.nested);
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ProfileFiles {
    pub(crate) profiles: BTreeMap<String, Section>,
    pub(crate) sso_sessions: BTreeMap<String, Section>,
    pub(crate) services: BTreeMap<String, Section>,
    /// The files that were looked for, as messages show them.
    pub(crate) looked_in: Vec<String>,
    /// Sections of the configuration file without the word `profile` or without quotes, and their lines. They are no
    /// profiles.
    pub(crate) misnamed: Vec<(String, String)>,
}

/// One of the two files. They name sections differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Config,
    Credentials,
}

impl ProfileFiles {
    /// Reads both files. A missing file counts as empty.
    ///
    /// # Errors
    /// `Unauthenticated` if a file cannot be read; `InvalidSpec` with file and line if it cannot be parsed.
    pub(crate) fn read(environment: &Environment) -> Result<Self> {
        let mut files = Self::default();
        for (variable, under_home, kind) in [
            ("AWS_CONFIG_FILE", ".aws/config", FileKind::Config),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", FileKind::Credentials),
        ] {
            let path = match environment.get(variable) {
                Some(value) if may_be_secret(value) => {
                    let message = format!("{variable} is {}", path_text(value));
                    return Err(Error::new(ErrorKind::Unauthenticated, message)
                        .with_hint(format!("write the content to a file, and point {variable} at the file")));
                }
                Some(path) => Some(environment.expand_path(&expand_variables(path, environment))),
                None => environment.home().map(|home| home.join(under_home)),
            };
            let Some(path) = path else { continue };
            let shown = environment.display_path(&path);
            files.looked_in.push(shown.clone());
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                // A file in a folder that may not be searched counts as missing too, as in the AWS CLI.
                Err(_) if !path.is_file() && !path.is_dir() => continue,
                Err(error) => {
                    let by = match environment.get(variable) {
                        Some(_) => format!(", which {variable} names"),
                        None => String::new(),
                    };
                    let message = format!("cannot read {shown}{by}: {}", io_reason(&error));
                    return Err(Error::new(ErrorKind::Unauthenticated, message)
                        .with_hint(format!("name a readable file with {variable}, or unset it")));
                }
            };
            files.parse(decode_text(&bytes, &shown)?, &shown, kind)?;
        }
        Ok(files)
    }

    fn parse(&mut self, text: &str, file: &str, kind: FileKind) -> Result<()> {
        let mut sections: Vec<(Heading, Section)> = Vec::new();
        let mut key: Option<String> = None;
        // A carriage return alone also ends a line, as in the AWS CLI.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for (at, line) in text.lines().enumerate() {
            let source = format!("{file}:{}", at + 1);
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let invalid_line_error =
                |reason: &str| Error::invalid(format!("{source}: {reason}")).with_hint(FORMAT_HINT);
            if let Some(key) = &key
                && line.starts_with([' ', '\t'])
            {
                let Some((_, section)) = sections.last_mut() else {
                    continue;
                };
                section
                    .add_indented_line(key, trimmed, &source)
                    .map_err(invalid_line_error)?;
                continue;
            }
            if let Some(rest) = trimmed.strip_prefix('[') {
                let name = rest.rsplit_once(']').map(|(name, _)| name.trim());
                let name = name.ok_or_else(|| invalid_line_error("a section's name has no `]`"))?;
                sections.push((Heading::parse(name, &source, kind), Section::default()));
                key = None;
                continue;
            }
            let (name, text) = trimmed
                .split_once(['=', ':'])
                .ok_or_else(|| invalid_line_error("this line is not a section, a comment or KEY = VALUE"))?;
            let name = name.trim().to_lowercase();
            let Some((_, section)) = sections.last_mut() else {
                return Err(invalid_line_error("there is a key before the first section"));
            };
            let value = strip_comment(text).to_owned();
            section.keys.insert(name.clone(), SourcedValue { value, source });
            key = Some(name);
        }
        // `[profile default]` overrides `[default]`, wherever it stands.
        sections.sort_by_key(|(heading, _)| matches!(heading, Heading::Profile { is_full: true, .. }));
        for (heading, section) in sections {
            match heading {
                Heading::Profile { name, .. } => self.profiles.entry(name).or_default().merge(section),
                Heading::SsoSession(name) => self.sso_sessions.entry(name).or_default().merge(section),
                Heading::Services(name) => self.services.entry(name).or_default().merge(section),
                Heading::Misnamed(name, source) => self.misnamed.push((name, source)),
            }
        }
        Ok(())
    }
}

const FORMAT_HINT: &str = "sections are written [profile NAME], comments begin with #, and all else is KEY = VALUE";

enum Heading {
    Profile { name: String, is_full: bool },
    SsoSession(String),
    Services(String),
    Misnamed(String, String),
}

impl Heading {
    fn parse(name: &str, source: &str, kind: FileKind) -> Self {
        if kind == FileKind::Credentials {
            let name = unquote(name).unwrap_or_else(|| name.to_owned());
            return Self::Profile { name, is_full: false };
        }
        if name == "default" {
            let name = name.to_owned();
            return Self::Profile { name, is_full: false };
        }
        let (word, rest) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
        let misnamed = || Self::Misnamed(name.to_owned(), source.to_owned());
        let Some(rest) = unquote(rest.trim()) else {
            return misnamed();
        };
        match word {
            "profile" => Self::Profile {
                name: rest,
                is_full: true,
            },
            "sso-session" => Self::SsoSession(rest),
            "services" => Self::Services(rest),
            _ => misnamed(),
        }
    }
}

/// Removes the quotes of a name; `None` if it is empty, lacks a quote, or has a space outside quotes.
fn unquote(name: &str) -> Option<String> {
    let mut plain = String::new();
    let mut open: Option<char> = None;
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match (open, character) {
            (Some('"') | None, '\\') => plain.push(characters.next()?),
            (Some(quote), _) if character == quote => open = None,
            (Some(_), _) => plain.push(character),
            (None, '"' | '\'') => open = Some(character),
            (None, _) if character.is_whitespace() => return None,
            (None, _) => plain.push(character),
        }
    }
    (open.is_none() && !plain.is_empty()).then_some(plain)
}

/// Removes the comment after a value, which begins with a space and `#` or `;`.
fn strip_comment(value: &str) -> &str {
    let end = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, before), character)| before.is_whitespace() && matches!(character, '#' | ';'));
    let value = end.map_or(value, |((at, _), _)| &value[..at]);
    value.trim()
}

/// Expands `$NAME` and `${NAME}` in a path, as the AWS CLI does. Variables that are not set stay as they are.
fn expand_variables(path: &str, environment: &Environment) -> String {
    let mut parts = path.split('$');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let in_braces = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        let (name, rest) = in_braces.unwrap_or_else(|| {
            let end = part.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            part.split_at(end.unwrap_or(part.len()))
        });
        match environment.get(name) {
            Some(value) => expanded.extend([value, rest]),
            None => expanded.extend(["$", part]),
        }
    }
    expanded
}

/// Decodes a file's text; `file` is its name in messages.
fn decode_text<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str> {
    utf8_text(bytes).map_err(|not_text| {
        let message = match not_text {
            NotText::Utf16 => format!("{file} is UTF-16 text"),
            NotText::Line(line) => format!("{file}:{line}: not UTF-8 text"),
        };
        Error::invalid(message).with_hint("save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_has_line_and_no_comment() {
        let text = "# c\n[default]\nregion = eu-west-1 # near\ncredential_process = run 'a#b'\n\n[profile default]\nregion = x\n";
        let mut files = ProfileFiles::default();
        files.parse(text, "config", FileKind::Config).unwrap();
        let region = files.profiles["default"].get("region").unwrap();
        assert_eq!((region.value.as_str(), region.source.as_str()), ("x", "config:7"));
        let process = files.profiles["default"].get("credential_process").unwrap();
        assert_eq!(process.value, "run 'a#b'");
    }

    #[test]
    fn line_that_is_not_text_is_named() {
        let error = decode_text(b"a\n\xe9", "config").unwrap_err();
        assert!(error.message().contains("config:2"), "{}", error.message());
    }
}

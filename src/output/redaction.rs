//! Replaces the known secrets of this run in every message, in case the code that made the message did not redact them.
//! Results are not changed.

use std::borrow::Cow;
use std::sync::Arc;

use crate::cloud::{Error, may_be_secret};

/// The text that replaces a secret.
const PLACEHOLDER: &str = "[secret]";
/// The minimum length of a secret. Shorter texts appear in messages by chance.
const MIN_SECRET_LENGTH: usize = 8;

/// The known secrets of one run.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[String]>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} secrets", self.0.len())
    }
}

impl Redactor {
    /// Creates a redactor for the credentials in the environment and for the possible secrets among the arguments: whole
    /// arguments, and the parts after an equals sign.
    pub fn new<'a>(
        credentials: impl IntoIterator<Item = &'a str>,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut values = Vec::new();
        for argument in arguments {
            values.push(argument);
            values.extend(
                argument
                    .match_indices('=')
                    .take(2)
                    .map(|(index, _)| &argument[index + 1..]),
            );
        }
        values.retain(|value| may_be_secret(value));
        let mut secrets: Vec<String> = credentials.into_iter().chain(values).flat_map(split_secret).collect();
        // The longest first: it may contain another.
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
        Self(secrets.into())
    }

    /// Replaces the secrets of this run in a text, and every block of a private key or certificate.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut redacted = redact_key_blocks(text);
        for secret in self.0.iter() {
            if redacted.contains(secret.as_str()) {
                redacted = redacted.replace(secret.as_str(), PLACEHOLDER).into();
            }
        }
        redacted
    }

    /// Replaces the secrets in all texts of an error.
    pub(super) fn redact_error(&self, error: &Error) -> Error {
        error.clone().map_texts(|text| self.redact(text).into_owned())
    }
}

/// Splits a secret into its lines, each unchanged and escaped: a message may show a single line.
fn split_secret(value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for line in value.split(char::is_control).map(str::trim) {
        if line.chars().count() >= MIN_SECRET_LENGTH {
            texts.extend([line.to_owned(), line.escape_debug().to_string()]);
        }
    }
    texts
}

/// Replaces blocks of keys. A block without an end reaches to the end of the text.
/// <https://www.rfc-editor.org/rfc/rfc7468#section-2>
fn redact_key_blocks(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let Some(start) = text.find(BEGIN) else {
        return text.into();
    };
    let (before, block) = text.split_at(start);
    let last_line = block.split_once(END).map(|(_, last_line)| last_line);
    match last_line.and_then(|last_line| last_line.split_once("-----")) {
        Some((_, after)) => format!("{before}{PLACEHOLDER}{}", redact_key_blocks(after)).into(),
        None => format!("{before}{PLACEHOLDER}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redactor_replaces_secrets_of_the_run() {
        let redactor = Redactor::new(
            ["wJalrXUtnFEMI", "short"],
            [
                "create",
                "--ssh-key=ghp_16C7e42F292c6912E7710c8",
                "-l",
                "key=first line\nsecond line",
                "web-server-1",
            ],
        );
        for (text, expected) in [
            ("no wJalrXUtnFEMI here, or short", "no [secret] here, or short"),
            ("no such file: ghp_16C7e42F292c6912E7710c8", "no such file: [secret]"),
            ("\"first line\\nsecond line\"", "\"[secret]\\n[secret]\""),
            ("web-server-1 is there", "web-server-1 is there"),
        ] {
            assert_eq!(redactor.redact(text), expected);
        }
        assert_eq!(format!("{redactor:?}"), "5 secrets");
    }

    #[test]
    fn redactor_replaces_key_blocks() {
        let redactor = Redactor::default();
        for (text, expected) in [
            (
                "a -----BEGIN PRIVATE KEY-----\\u{a}MII\\u{a}-----END PRIVATE KEY----- b",
                "a [secret] b",
            ),
            ("a -----BEGIN RSA PRIVATE KEY-----\nMII", "a [secret]"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(redactor.redact(text), expected);
        }
    }
}

//! Replaces what is known to be secret in this run, in every message, in case the code that made the message did not
//! withhold it. Results are not changed.

use std::borrow::Cow;
use std::sync::Arc;

use crate::cloud::{Error, may_be_secret};

/// What takes the place of a secret.
const PLACEHOLDER: &str = "[secret]";
/// Shorter texts are not secrets, and appear in messages by chance.
const SHORTEST: usize = 8;

/// The secrets of one run.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[String]>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} secrets", self.0.len())
    }
}

impl Redactor {
    /// The credentials in the environment, and those arguments of the command line, or parts of them after an equals
    /// sign, that may be secrets.
    pub fn new<'a>(
        credentials: impl IntoIterator<Item = &'a str>,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let values = arguments.into_iter().flat_map(|argument| {
            let behind = argument.match_indices('=').take(2);
            let behind = behind.map(|(at, _)| &argument[at + 1..]);
            std::iter::once(argument).chain(behind)
        });
        let values = values.filter(|value| may_be_secret(value));
        let mut secrets: Vec<String> = credentials.into_iter().chain(values).flat_map(split_secret).collect();
        // The longest first: another may be a part of it.
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
        Self(secrets.into())
    }

    /// The text without secrets: those of this run, and any block of a key.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = redact_key_blocks(text);
        for secret in self.0.iter() {
            if hidden.contains(secret.as_str()) {
                hidden = hidden.replace(secret.as_str(), PLACEHOLDER).into();
            }
        }
        hidden
    }

    /// The error with all its texts without secrets.
    pub(super) fn redact_error(&self, error: &Error) -> Error {
        error.clone().map_texts(|text| self.redact(text).into_owned())
    }
}

/// The lines of a value, each as it is and as it is written in quotes: a message may show one alone.
fn split_secret(value: &str) -> Vec<String> {
    let lines = value.split(char::is_control).map(str::trim);
    let lines = lines.filter(|line| line.chars().count() >= SHORTEST);
    lines
        .flat_map(|line| [line.to_owned(), line.escape_debug().to_string()])
        .collect()
}

/// <https://www.rfc-editor.org/rfc/rfc7468#section-2>; a block without an end reaches to the end of the text.
fn redact_key_blocks(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let Some(start) = text.find(BEGIN) else {
        return text.into();
    };
    let (before, block) = text.split_at(start);
    let behind = block.find(END).and_then(|end| {
        let last = &block[end + END.len()..];
        last.find("-----").map(|at| &last[at + 5..])
    });
    let rest = behind.map(redact_key_blocks).unwrap_or_default();
    format!("{before}{PLACEHOLDER}{rest}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_run_are_replaced() {
        let withheld = Redactor::new(
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
            assert_eq!(withheld.redact(text), expected);
        }
        assert_eq!(format!("{withheld:?}"), "5 secrets");
    }

    #[test]
    fn key_blocks_are_replaced() {
        let withheld = Redactor::default();
        for (text, expected) in [
            (
                "a -----BEGIN PRIVATE KEY-----\\u{a}MII\\u{a}-----END PRIVATE KEY----- b",
                "a [secret] b",
            ),
            ("a -----BEGIN RSA PRIVATE KEY-----\nMII", "a [secret]"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(withheld.redact(text), expected);
        }
    }
}

//! Formats users' values for messages. A value that may be a secret, passed by mistake, is redacted: the message shows its
//! length instead.

use std::borrow::Cow;
use std::path::Path;

/// The maximum length of a value that is shown, in characters. Longer paths exist, but people do not read them.
const MAX_SHOWN_LENGTH: usize = 200;
/// The maximum length of a value with a control character that is shown, escaped. A longer one is not a typing mistake.
const MAX_ESCAPED_LENGTH: usize = 32;
/// The prefixes of tokens and keys of well-known services.
const TOKEN_PREFIXES: [&str; 31] = [
    "ya29.",
    "1//",
    "GOCSPX-",
    "AIza",
    "AKIA",
    "ASIA",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xox",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "dop_v1_",
    "doo_v1_",
    "dckr_pat_",
    "ghu_",
    "ghr_",
    "glrt-",
    "hvs.",
    "hvb.",
    "npm_",
    "pypi-",
    "FwoG",
    "IQoJ",
    "SG.",
    "hf_",
];
/// The length of an AWS secret access key.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html>
const AWS_SECRET_LENGTH: usize = 40;
/// The length from which a word of mixed letters and digits counts as a token.
const MIN_TOKEN_LENGTH: usize = 32;

/// Quotes a value, as Rust writes a string; `a value of 2,318 characters` if it may be a secret.
pub fn quoted(text: &str) -> String {
    match may_be_secret(text) {
        true => describe_length(text),
        false => format!("{text:?}"),
    }
}

/// Gives a value unchanged; `a value of 2,318 characters` if it may be a secret.
pub fn redact_value(text: &str) -> Cow<'_, str> {
    match may_be_secret(text) {
        true => describe_length(text).into(),
        false => text.into(),
    }
}

/// Redacts the values in a parser's message that may be secrets. Parsers repeat values in double quotes or in backticks.
pub fn redact_parser_message(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(['"', '`']) {
        let (before, opened) = rest.split_at(start);
        shown.push_str(before);
        let Some(length) = quoted_length(opened) else {
            // The quote has no end: the text after it may be a secret.
            rest = opened;
            break;
        };
        let (value, after) = opened.split_at(length);
        let inner = &value[1..length - 1];
        let content = match value.starts_with('"') {
            true => unescape_with_line_ends(inner).into(),
            false => Cow::Borrowed(inner),
        };
        match may_be_secret(&content) {
            true => shown.push_str(&describe_length(&content)),
            false => shown.push_str(value),
        }
        rest = after;
    }
    match may_be_secret(rest) {
        true => shown.push_str(&describe_length(rest)),
        false => shown.push_str(rest),
    }
    shown
}

/// The length of the quoted text at the start of `text`, with its quotes.
fn quoted_length(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = quote == '"',
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Removes the escapes of a Rust string. Every escaped white space or control character becomes a line end: only the
/// length of the text and whether it may be a secret matter.
fn unescape_with_line_ends(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            unescaped.push(character);
            continue;
        }
        match characters.next() {
            Some('n' | 'r' | 't' | 'u') => unescaped.push('\n'),
            Some(escaped) => unescaped.push(escaped),
            None => {}
        }
    }
    unescaped
}

/// Whether a value is the content of a file, passed in place of its name: it has several lines, or begins like a document
/// or a key.
pub fn is_content(text: &str) -> bool {
    let trimmed = text.trim();
    trimmed.contains(is_line_end) || trimmed.starts_with(['{', '<', '#']) || trimmed.contains("-----BEGIN")
}

/// Whether a message can show a key of a file unchanged: it consists of words, perhaps in quotes.
pub fn is_safe_key(key: &str) -> bool {
    let is_safe = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '"' | '\'' | ' ');
    key.chars().all(is_safe) && !may_be_secret(key)
}

/// Formats a path; `a value of 2,318 characters that is not a path` if it may be a secret or the content of a file.
pub fn path_text(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().to_string_lossy();
    match may_be_secret(&text) {
        true => format!("{} that is not a path", describe_length(&text)),
        false => text.into_owned(),
    }
}

/// Whether a value may be a secret and must not be shown: it has several lines, is too long, or looks like a document, a
/// key or a token.
pub fn may_be_secret(text: &str) -> bool {
    let trimmed = text.trim();
    let max_length = match text.contains(char::is_control) {
        true => MAX_ESCAPED_LENGTH,
        false => MAX_SHOWN_LENGTH,
    };
    text.contains(is_line_end)
        || text.chars().count() > max_length
        || trimmed.starts_with(['{', '[', '<', '#'])
        || trimmed.contains("-----BEGIN")
        || assigns_secret(trimmed)
        || trimmed.split_whitespace().any(is_token)
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn describe_length(text: &str) -> String {
    match text.chars().count() {
        1 => "a value of 1 character".to_owned(),
        count => format!("a value of {} characters", group_digits(count)),
    }
}

/// Whether a text sets a secret: `DB_PASSWORD=hunter2` and the like.
fn assigns_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "apikey",
        "api_key",
        "access_key",
        "private_key",
        "accountkey",
        "accesskey",
        "passphrase",
        "pwd",
    ]
    .iter()
    .any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let rest = lower[at + word.len()..].trim_start_matches(['"', '\'', ' ']);
            rest.strip_prefix(['=', ':']).is_some_and(|value| !value.is_empty())
        })
    })
}

fn is_token(word: &str) -> bool {
    let is_mixed = |part: &str| {
        part.contains(|c: char| c.is_ascii_lowercase())
            && part.contains(|c: char| c.is_ascii_uppercase())
            && part.contains(|c: char| c.is_ascii_digit())
    };
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let has_prefix = TOKEN_PREFIXES.iter().any(|prefix| {
        let rest = word.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.len() >= 12 && !rest.contains('/'))
    });
    let is_aws_secret =
        word.len() == AWS_SECRET_LENGTH && !word.starts_with('/') && word.chars().all(is_base64) && is_mixed(word);
    let has_long_part = || {
        let mut parts = word.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '=' | '_'));
        parts.any(|part| part.len() >= MIN_TOKEN_LENGTH && is_mixed(part))
    };
    // `http://user:password@proxy:3128`
    let has_password = || {
        let Some((_, address)) = word.split_once("://") else {
            return false;
        };
        let authority = address.split('/').next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    };
    // Keys of many services are written in hexadecimal digits.
    let is_hexadecimal = word.len() >= MIN_TOKEN_LENGTH
        && word.contains(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_hexdigit());
    has_prefix || is_aws_secret || has_long_part() || has_password() || is_hexadecimal
}

/// Formats a number with a comma between each three digits.
fn group_digits(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_value_is_shown() {
        for path in [
            "key.pem",
            "~/.ssh/id_ed25519.pub",
            "/home/ada/My Documents/boot script.sh",
            "C:\\Users\\ada\\key.pem",
            "/nix/store/3n58xw4373jp0ljirf06d8077j15pc4j-cloud-init/boot.sh",
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "../keys/2026-11-27/0f8fad5b-d9cb-469f-a165-70867728950e.json",
        ] {
            assert_eq!(path_text(path), path);
        }
        assert_eq!(quoted("web 1"), "\"web 1\"");
        assert_eq!(quoted("2h\u{1b}"), "\"2h\\u{1b}\"");
        assert_eq!(quoted(""), "\"\"");
    }

    #[test]
    fn possible_secret_is_redacted() {
        let long = "a".repeat(2318);
        for secret in [
            "{\"type\": \"service_account\"}",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "first\nsecond",
            "carriage\r",
            "#!/bin/sh",
            "#cloud-config",
            "ya29.a0AfB_byCabcdefghijkl",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE7",
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "DB_PASSWORD=hunter2",
            "AccountKey=hunter2",
            "http://ada:hunter2@proxy:3128",
            "npm_abcdefghijklmnopqrstuvwxyz",
            "hvs.CAESIAbcdefghijk",
            "9f86d081884c7d659a2feaa0c55ad015",
            "token: abc",
            "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW",
            &long,
        ] {
            assert!(!quoted(secret).contains(&secret[..4]), "{secret}");
            assert!(path_text(secret).ends_with("that is not a path"), "{secret}");
        }
        assert_eq!(path_text(&long), "a value of 2,318 characters that is not a path");
    }

    #[test]
    fn parser_message_keeps_harmless_values() {
        let error = serde_json::from_str::<u32>("\"-----BEGIN KEY-----\\nabc\\\"def\\n\"").unwrap_err();
        for (message, expected) in [
            (
                error.to_string().as_str(),
                "invalid type: a value of 28 characters, expected u32 at line 1 column 33",
            ),
            (
                "invalid type: string \"two\", expected u32",
                "invalid type: string \"two\", expected u32",
            ),
            (
                "unknown variant `ghp_16C7e42F292c6912E7710c838347Ae178B4a`, expected `zone` or `type`",
                "unknown variant a value of 40 characters, expected `zone` or `type`",
            ),
            ("expected `\"`", "expected `\"`"),
            ("a \"first\nsecond", "a a value of 13 characters"),
        ] {
            assert_eq!(
                redact_parser_message(message).replace("string a value", "a value"),
                expected
            );
        }
    }
}

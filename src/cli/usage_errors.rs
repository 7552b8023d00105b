//! Errors for mistakes on the command line: what is wrong, and what to type instead.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use crate::cloud::{Error, is_content, may_be_secret, path_text, quoted, redact_value};

/// Turns a clap error into an error of one line with a hint.
pub fn usage_error(error: &clap::Error, arguments: &[OsString]) -> Error {
    if let Some(error) = file_content_error(error, arguments) {
        return error;
    }
    let rendered = redact_values(error, error.render().to_string(), arguments);
    let paragraph = rendered.split("\n\n").next().unwrap_or_default();
    let lines = paragraph.lines().map(str::trim);
    // The hint has the possible values.
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("[possible values:")).collect();
    let message = lines.join(" ");
    let message = message.trim_start_matches("error: ");
    Error::invalid(message).with_hint(usage_hint(error, arguments))
}

/// Creates the error for a flag that got the content of a file, as in `--ssh-key "$(cat key)"`. A key begins with hyphens,
/// so clap reports it as an unknown flag.
fn file_content_error(error: &clap::Error, arguments: &[OsString]) -> Option<Error> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let at = words
        .iter()
        .position(|word| word.starts_with("--") && is_content(word) && !word[2..].starts_with(char::is_alphabetic))?;
    let flag = words
        .get(at.checked_sub(1)?)
        .filter(|word| word.starts_with('-') && !may_be_secret(word))?;
    let value = words[at].as_ref();
    Some(
        match ["--ssh-key", "--user-data", "--file", "-f"].contains(&flag.as_ref()) {
            true => Error::invalid(format!("{flag} is {}", path_text(value)))
                .with_hint("if it is in a file, pass that file's name"),
            false => Error::invalid(format!("{flag} is {}, which it does not take", quoted(value)))
                .with_hint("the command's --help says what it takes"),
        },
    )
}

/// Redacts the values in the whole rendered error that may be secrets. It has to come before the split into paragraphs,
/// because a value can have empty lines.
fn redact_values(error: &clap::Error, rendered: String, arguments: &[OsString]) -> String {
    // A value that the user did not type is a name in the usage text, such as `<REF>`.
    let is_given = |value: &str| {
        arguments
            .iter()
            .any(|argument| argument.to_string_lossy().contains(value))
    };
    let kinds = [
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::PriorArg,
        ContextKind::TrailingArg,
    ];
    let mut text = rendered;
    for value in kinds.iter().filter_map(|kind| error.get(*kind)) {
        let values = match value {
            ContextValue::String(value) => std::slice::from_ref(value),
            ContextValue::Strings(values) => values,
            _ => continue,
        };
        for value in values.iter().filter(|value| may_be_secret(value) && is_given(value)) {
            text = text.replace(&format!("'{value}'"), &redact_value(value));
            text = text.replace(value.as_str(), &redact_value(value));
        }
    }
    text
}

/// Chooses the hint for a mistake on the command line.
fn usage_hint(error: &clap::Error, arguments: &[OsString]) -> String {
    let strings = |kind| match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(several)) => several.clone(),
        _ => Vec::new(),
    };
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    if let Some(hint) = cause.and_then(Error::hint) {
        return hint.to_owned();
    }
    let command = Cli::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let name = arguments
        .iter()
        .find(|argument| names.iter().any(|name| argument == name));
    let see_help = || match name {
        Some(name) => format!("see `cloudctl {} --help`", name.display()),
        None => "see `cloudctl --help`".to_owned(),
    };
    match error.kind() {
        ErrorKind::InvalidValue => match strings(ContextKind::ValidValue).as_slice() {
            [] => see_help(),
            values => format!("use {}", values.join(", ")),
        },
        ErrorKind::InvalidSubcommand if name.is_none() => format!("use one of {}", names.join(", ")),
        ErrorKind::UnknownArgument => match strings(ContextKind::SuggestedArg).first() {
            Some(similar) => format!("did you mean {similar}?"),
            None => see_help(),
        },
        ErrorKind::ArgumentConflict => "leave one of them out".to_owned(),
        ErrorKind::MissingRequiredArgument => match error.get(ContextKind::Usage) {
            Some(usage) => usage.to_string().replace("Usage: ", "usage: "),
            None => see_help(),
        },
        _ => see_help(),
    }
}

/// Finds the output format on a command line that may have a mistake, so that a script that wants JSON gets errors as JSON.
pub fn find_output_format(arguments: &[OsString]) -> Option<&str> {
    let mut words = arguments
        .iter()
        .filter_map(|word| word.to_str())
        .take_while(|word| *word != "--");
    let mut format = None;
    while let Some(word) = words.next() {
        let value = match word {
            "-o" | "--output" => words.next(),
            _ => word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")),
        };
        format = value.map(|value| value.trim_start_matches('=')).or(format);
    }
    format
}

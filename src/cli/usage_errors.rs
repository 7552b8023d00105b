//! Errors for mistakes on the command line: what is wrong, and what to type instead.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ErrorKind};

use super::error_context::strings_of;
use super::find_command::{arguments_before, command_path, find_command, is_run, words_after};
use super::other_words::{answer_other_word, find_similar_flag, unknown_command_error, unknown_flag_error};
use super::{Cli, Command as CloudctlCommand};
use crate::cloud::{Error, Result, did_you_mean, is_content, may_be_secret, path_text, quoted, redact_value};

/// Refuses `up` without a name. Other tools start all VMs of a file by it, and here it would make one of any name.
///
/// # Errors
/// `InvalidSpec` for such a command line.
pub fn refuse_bare_up(cli: &Cli, arguments: &[OsString]) -> Result<()> {
    let program = arguments.first().and_then(|word| word.to_str()).unwrap_or_default();
    let is_up = words_after(program, arguments).first() == Some(&"up");
    match &cli.command {
        CloudctlCommand::Create(args) if args.names_nothing() && is_up => {
            Err(Error::invalid("`cloudctl up` needs a name, or a file with -f")
                .with_hint("name the VM: cloudctl up NAME; or make those of a file: cloudctl create -f FILE"))
        }
        _ => Ok(()),
    }
}

/// Turns a clap error into an error of one line with a hint.
pub fn usage_error(error: &clap::Error, arguments: &[OsString]) -> Error {
    if let Some(error) = file_content_error(error, arguments) {
        return error;
    }
    if let Some(error) = answer_other_word(error, arguments) {
        return error;
    }
    describe_mistake(error, arguments).with_hint(usage_hint(error, arguments))
}

/// Creates the error for a mistake, without a hint.
fn describe_mistake(error: &clap::Error, arguments: &[OsString]) -> Error {
    let path = command_path(&find_command(arguments));
    let first = |kind| strings_of(error, kind).first();
    match (
        error.kind(),
        first(ContextKind::InvalidArg),
        first(ContextKind::InvalidSubcommand),
    ) {
        (ErrorKind::UnknownArgument, Some(flag), _) if flag.starts_with('-') => unknown_flag_error(flag, arguments),
        (ErrorKind::UnknownArgument, Some(word), _) => {
            Error::invalid(format!("`{path}` does not take the word {}", quoted(word)))
        }
        (ErrorKind::InvalidSubcommand, _, Some(word)) => {
            unknown_command_error(word, &find_command(arguments_before(word, arguments)))
        }
        (ErrorKind::MissingSubcommand, ..) => Error::invalid(format!("`{path}` needs a command")),
        (ErrorKind::MissingRequiredArgument, Some(_), _) => {
            let missing = strings_of(error, ContextKind::InvalidArg).join(" and ");
            Error::invalid(format!("`{path}` needs {missing}"))
        }
        _ => {
            let rendered = redact_values(error, error.render().to_string(), arguments);
            let paragraph = rendered.split("\n\n").next().unwrap_or_default();
            let mut lines: Vec<&str> = paragraph.lines().map(str::trim).collect();
            // The hint has the possible values.
            lines.retain(|line| !line.starts_with("[possible values:"));
            Error::invalid(lines.join(" ").trim_start_matches("error: "))
        }
    }
}

/// Creates the error for a flag that got the content of a file, as in `--ssh-key "$(cat key)"`. A key begins with hyphens,
/// so clap reports it as an unknown flag.
fn file_content_error(error: &clap::Error, arguments: &[OsString]) -> Option<Error> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let is_file_content =
        |word: &str| word.starts_with("--") && is_content(word) && !word[2..].starts_with(char::is_alphabetic);
    let position = words.iter().position(|word| is_file_content(word))?;
    let value = words[position].as_ref();
    let flag = words.get(position.checked_sub(1)?)?;
    if !flag.starts_with('-') || may_be_secret(flag) {
        return None;
    }
    let takes_file_name = ["--ssh-key", "--user-data", "--file", "-f"].contains(&flag.as_ref());
    Some(match takes_file_name {
        true => Error::invalid(format!("{flag} is {}", path_text(value)))
            .with_hint("if it is in a file, pass that file's name"),
        false => Error::invalid(format!("{flag} is {}, which is not a valid value", quoted(value)))
            .with_hint("see the command's --help for the values it accepts"),
    })
}

/// Redacts the values in the whole rendered error that may be secrets. It has to come before the split into paragraphs,
/// because a value can have empty lines.
fn redact_values(error: &clap::Error, mut text: String, arguments: &[OsString]) -> String {
    // A value that the user did not type is a name in the usage text, such as `<REF>`.
    let is_typed = |value: &str| {
        arguments
            .iter()
            .any(|argument| argument.to_string_lossy().contains(value))
    };
    // The value of a variable is a secret, also where it does not look like one.
    let is_variable = |flag: &String| flag.starts_with("--env ");
    if strings_of(error, ContextKind::InvalidArg)
        .first()
        .is_some_and(is_variable)
    {
        for value in strings_of(error, ContextKind::InvalidValue) {
            text = text.replace(&format!("'{value}'"), "a value");
        }
    }
    let kinds = [
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::PriorArg,
        ContextKind::TrailingArg,
    ];
    for kind in kinds {
        for value in strings_of(error, kind)
            .iter()
            .filter(|value| may_be_secret(value) && is_typed(value))
        {
            text = text.replace(&format!("'{value}'"), &redact_value(value));
            text = text.replace(value.as_str(), &redact_value(value));
        }
    }
    text
}

/// Chooses the hint for a mistake on the command line.
fn usage_hint(error: &clap::Error, arguments: &[OsString]) -> String {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    if let Some(hint) = cause.and_then(Error::hint) {
        return hint.to_owned();
    }
    let mut command = find_command(arguments);
    let see_help = format!("see `{} --help`", command_path(&command));
    match error.kind() {
        ErrorKind::InvalidValue => match strings_of(error, ContextKind::ValidValue) {
            [] => see_help,
            values => format!("use {}", values.join(", ")),
        },
        ErrorKind::InvalidSubcommand => {
            let typed = strings_of(error, ContextKind::InvalidSubcommand).first();
            if let Some(typed) = typed {
                command = find_command(arguments_before(typed, arguments));
            }
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            match typed.and_then(|typed| did_you_mean(typed, names.iter().copied())) {
                Some(similar) => format!("did you mean {similar}?"),
                None => list_commands(&command),
            }
        }
        ErrorKind::UnknownArgument => match find_similar_flag(error, arguments) {
            Some(similar) => format!("did you mean {similar}?"),
            None => see_help,
        },
        ErrorKind::MissingSubcommand => list_commands(&command),
        ErrorKind::ArgumentConflict => "leave one of them out".to_owned(),
        // In other tools this makes a VM.
        ErrorKind::MissingRequiredArgument if is_run(arguments) => {
            "pass the command after --: cloudctl run NAME -- COMMAND; for a VM alone, use `cloudctl create NAME`"
                .to_owned()
        }
        ErrorKind::MissingRequiredArgument => command.render_usage().to_string().replace("Usage: ", "usage: "),
        _ => see_help,
    }
}

/// How many commands a hint lists at most.
const MAX_LISTED_COMMANDS: usize = 8;

/// Formats the commands below a command, or where they are listed.
fn list_commands(parent: &Command) -> String {
    let names: Vec<&str> = parent.get_subcommands().map(Command::get_name).collect();
    match names.len() {
        0 => format!("see `{} --help`", command_path(parent)),
        1..=MAX_LISTED_COMMANDS => format!("use one of {}", names.join(", ")),
        _ => format!("`{} -h` lists the commands", command_path(parent)),
    }
}

/// Finds the output format on a command line that may have a mistake, so that a script that wants JSON gets errors as JSON.
pub fn find_output_format(arguments: &[OsString]) -> Option<&str> {
    let mut words = arguments
        .iter()
        .filter_map(|word| word.to_str())
        .take_while(|word| *word != "--");
    let mut last_format = None;
    while let Some(word) = words.next() {
        let format = match word {
            "-o" | "--output" => words.next(),
            _ => word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")),
        };
        if let Some(format) = format {
            last_format = Some(format.trim_start_matches('='));
        }
    }
    last_format
}

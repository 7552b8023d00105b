//! Finds which command a command line with a mistake is for.

use std::ffi::OsString;

use clap::Command;

use super::help_layout::{HelpForm, command_line};

/// Finds the command that a command line is for: the first words that are names of commands. `cloudctl` itself if there is
/// none.
pub(super) fn find_command(arguments: &[OsString]) -> Command {
    let mut command = command_line(HelpForm::Long);
    command.build();
    for word in arguments.iter().skip(1).take_while(|word| *word != "--") {
        if let Some(sub) = command.find_subcommand(word) {
            command = sub.clone();
        }
    }
    command
}

/// Whether a command line is for `cloudctl run`, whose exit codes are those of what it runs.
pub fn is_run(arguments: &[OsString]) -> bool {
    find_command(arguments).get_name() == "run"
}

/// How a command is typed: `cloudctl context use`.
pub(super) fn command_path(command: &Command) -> String {
    command.get_bin_name().unwrap_or("cloudctl").to_owned()
}

/// Flags of every command whose value is the next word.
const FLAGS_WITH_VALUE: [&str; 9] = [
    "-p",
    "-r",
    "-z",
    "-o",
    "--provider",
    "--region",
    "--zone",
    "--output",
    "--context",
];

/// The words after a word, without the flags and the values of those that every command has.
pub(super) fn words_after<'a>(word: &str, arguments: &'a [OsString]) -> Vec<&'a str> {
    let after = arguments.iter().skip_while(|argument| *argument != word).skip(1);
    let mut rest = after.filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    let mut words = Vec::new();
    while let Some(next) = rest.next() {
        if FLAGS_WITH_VALUE.contains(&next) {
            rest.next();
        } else if !next.starts_with('-') {
            words.push(next);
        }
    }
    words
}

/// The command line up to a word.
pub(super) fn arguments_before<'a>(word: &str, arguments: &'a [OsString]) -> &'a [OsString] {
    let end = arguments.iter().position(|argument| argument == word);
    &arguments[..end.unwrap_or(arguments.len())]
}

//! Parses the words of a command line.

use std::ffi::OsString;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use super::Cli;
use super::help_layout::{HelpForm, command_line, command_line_without_help};

/// Parses a command line.
///
/// # Errors
/// Those of clap, which are also requests for help.
pub fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = command_line_without_help();
    let words = put_help_after_command(arguments, &command);
    let mut matches = command
        .try_get_matches_from_mut(&words)
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let with_help = command_line(HelpForm::find(arguments)).try_get_matches_from(&words);
                with_help.err().unwrap_or(error)
            }
            _ => error,
        })?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Understands `cloudctl --help create` as `cloudctl create --help`, and `cloudctl image help` as `cloudctl image --help`.
fn put_help_after_command(arguments: &[OsString], command: &clap::Command) -> Vec<OsString> {
    let is_command = |word: &OsString| command.find_subcommand(word).is_some();
    let takes_no_words = |word: &OsString| {
        let found = command.find_subcommand(word);
        found.is_some_and(|found| found.get_positionals().next().is_none() && found.get_name() != "help")
    };
    let mut words = arguments.to_vec();
    match arguments {
        [_, help, verb, ..] if (help == "--help" || help == "-h") && is_command(verb) => words.swap(1, 2),
        // Where the word can be a name, it is one.
        [_, verb, help] if help == "help" && takes_no_words(verb) => words[2] = "--help".into(),
        _ => {}
    }
    words
}

//! Recognizes commands and flags of other tools, and names cloudctl's own.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ErrorKind};

use super::error_context::strings_of;
use super::find_command::{arguments_before, command_path, find_command, words_after};
use super::help_layout::{HelpForm, command_line};
use super::other_word_tables::{
    COMMAND_ANSWERS, COMMANDS, COMMANDS_ALONE, Condition, FLAG_ANSWERS, FLAGS, SECOND_WORDS, VM_NOUNS,
};
use crate::cloud::{Error, did_you_mean, may_be_secret, parse_duration, quote_for_shell, quoted, redact_value};

/// Gives the answer to a word that cloudctl does not take, if the word is one of another tool.
pub(super) fn answer_other_word(error: &clap::Error, arguments: &[OsString]) -> Option<Error> {
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let word = strings_of(error, ContextKind::InvalidArg).first()?;
            match word.starts_with('-') {
                true => answer_flag(word, arguments),
                false => answer_extra_word(word, arguments),
            }
        }
        ErrorKind::InvalidSubcommand => {
            let word = strings_of(error, ContextKind::InvalidSubcommand).first()?;
            answer_command(word, arguments)
        }
        ErrorKind::MissingRequiredArgument => answer_missing_ttl(error, arguments),
        _ => None,
    }
}

/// Creates the error for a flag that a command does not have.
pub(super) fn unknown_flag_error(flag: &str, arguments: &[OsString]) -> Error {
    let path = command_path(&find_command(arguments));
    Error::invalid(format!("`{path}` has no flag {}", redact_value(flag)))
}

fn answer_flag(flag: &str, arguments: &[OsString]) -> Option<Error> {
    let command = find_command(arguments);
    let hint = find_flag_answer(flag, &command)?;
    Some(unknown_flag_error(flag, arguments).with_hint(hint))
}

/// Finds what to type in place of a flag of another tool.
fn find_flag_answer(flag: &str, command: &Command) -> Option<String> {
    let path = command_path(command);
    let is_met = |condition: Condition| match condition {
        Condition::Always => true,
        Condition::Is(name) => path.strip_prefix("cloudctl ") == Some(name),
        Condition::HasFlag(long) => has_flag(command, long),
        Condition::LacksFlag(long) => !has_flag(command, long),
        Condition::TakesVms => takes_vms(command),
    };
    let mut answers = FLAG_ANSWERS.iter();
    if let Some(answer) = answers.find(|answer| answer.flags.contains(&flag) && is_met(answer.condition)) {
        return Some(answer.hint.replace("{command}", &path));
    }
    let (_, ours) = FLAGS.iter().find(|(other, _)| *other == flag)?;
    has_flag(command, ours.trim_start_matches("--")).then(|| format!("use {ours}"))
}

fn has_flag(command: &Command, long: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(long))
}

/// Whether a command takes names of VMs.
fn takes_vms(command: &Command) -> bool {
    command
        .get_positionals()
        .any(|arg| arg.get_id() == "references" || arg.get_id() == "reference")
}

/// Explains a second word after `create`, which takes one name. The first may be the word for a VM of another tool.
fn answer_extra_word(word: &str, arguments: &[OsString]) -> Option<Error> {
    let lenient = command_line(HelpForm::Long).ignore_errors(true);
    let matches = lenient.try_get_matches_from(arguments).ok()?;
    let (verb, values) = matches.subcommand()?;
    if verb != "create" || may_be_secret(word) {
        return None;
    }
    let name = values.try_get_one::<String>("name").ok()??;
    let message = format!(
        "create takes one name, but {} and {} are given",
        quoted(name),
        quoted(word)
    );
    let hint = match VM_NOUNS.contains(&name.as_str()) {
        true => format!(
            "leave {} out, because create makes VMs only: cloudctl create {word}",
            quoted(name)
        ),
        false => "run it once for each, or use --count N for several of the same: NAME-1 to NAME-N".to_owned(),
    };
    Some(Error::invalid(message).with_hint(hint))
}

/// Answers `extend NAME 1h`, where the flag is forgotten.
fn answer_missing_ttl(error: &clap::Error, arguments: &[OsString]) -> Option<Error> {
    let missing = strings_of(error, ContextKind::InvalidArg);
    if !missing.iter().any(|argument| argument.starts_with("--ttl ")) {
        return None;
    }
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    let duration = words.find_map(|word| {
        let text = word.strip_prefix('+').unwrap_or(word);
        parse_duration(text).is_ok().then_some(text)
    })?;
    let path = command_path(&find_command(arguments));
    Some(
        Error::invalid(format!("`{path}` needs --ttl DURATION")).with_hint(format!(
            "did you mean --ttl {duration}? It counts from now; --ttl +{duration} adds to what is planned"
        )),
    )
}

/// Creates the error for a word that is no command.
pub(super) fn unknown_command_error(word: &str, parent: &Command) -> Error {
    match command_path(parent).as_str() {
        "cloudctl" => Error::invalid(format!("there is no command {}", quoted(word))),
        parent => Error::invalid(format!("`{parent}` has no command {}", quoted(word))),
    }
}

fn answer_command(word: &str, arguments: &[OsString]) -> Option<Error> {
    let parent = find_command(arguments_before(word, arguments));
    let error = unknown_command_error(word, &parent);
    let following = words_after(word, arguments);
    if let Some(group) = command_path(&parent).strip_prefix("cloudctl ") {
        let (.., ours) = SECOND_WORDS
            .iter()
            .find(|(known, others, _)| *known == group && others.contains(&word))?;
        return Some(error.with_hint(format!("use `cloudctl {}`", fill_in(ours, &following))));
    }
    if VM_NOUNS.contains(&word) {
        return Some(error.with_hint(answer_noun(&following)));
    }
    if let Some((_, hint)) = COMMAND_ANSWERS.iter().find(|(others, _)| others.contains(&word)) {
        return Some(error.with_hint(fill_in(hint, &following)));
    }
    let ours = find_our_command(word, &following)?;
    Some(error.with_hint(format!("use `cloudctl {ours}`")))
}

/// Finds the command that does what one of another tool does.
fn find_our_command(word: &str, following: &[&str]) -> Option<String> {
    let names_nothing = following.iter().all(|next| VM_NOUNS.contains(next));
    let find = |table: &[(&str, &'static str)]| table.iter().find(|(other, _)| *other == word).map(|(_, ours)| *ours);
    match find(COMMANDS_ALONE) {
        Some(alone) if names_nothing => Some(alone.to_owned()),
        _ => Some(fill_in(find(COMMANDS)?, following)),
    }
}

/// Answers a word for a VM that stands before the verb, as in `instances list`.
fn answer_noun(following: &[&str]) -> String {
    let verb = following.first().copied().unwrap_or_default();
    let rest = following.get(1..).unwrap_or_default();
    let ours = match command_line(HelpForm::Long).find_subcommand(verb) {
        Some(known) if takes_vms(known) || known.get_name() == "create" => {
            let words = rest.iter().map(|word| quote_for_shell(word));
            Some(
                std::iter::once(known.get_name().to_owned())
                    .chain(words)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }
        _ => find_our_command(verb, rest),
    };
    match ours {
        Some(ours) => format!("begin with the verb: cloudctl {ours}"),
        None => "begin with the verb: cloudctl create, cloudctl list, cloudctl terminate".to_owned(),
    }
}

/// Puts the words that were typed in the place of `NAME` and `FILE`.
fn fill_in(ours: &str, following: &[&str]) -> String {
    let mut names = following.iter().filter(|word| !VM_NOUNS.contains(word));
    let name = names.next().filter(|name| !may_be_secret(name));
    match name.map(|name| quote_for_shell(name)) {
        Some(name) => ours.replace("NAME", &name).replace("FILE", &name),
        None => ours.to_owned(),
    }
}

/// Finds the flag of the command that a mistyped one most likely stands for. A flag with the opposite meaning is none.
pub(super) fn find_similar_flag(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let typed = strings_of(error, ContextKind::InvalidArg).first()?.strip_prefix("--")?;
    let command = find_command(arguments);
    let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let names = visible.filter_map(clap::Arg::get_long);
    let same_sense = names.filter(|name| name.starts_with("no-") == typed.starts_with("no"));
    let similar = did_you_mean(typed, same_sense)?;
    Some(format!("--{similar}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the words are a command, perhaps with a flag.
    fn is_command(words: &str) -> bool {
        let typed = ["cloudctl"].into_iter().chain(words.split(' ')).map(OsString::from);
        match command_line(HelpForm::Long).try_get_matches_from(typed) {
            Ok(_) => true,
            Err(error) => matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayVersion | ErrorKind::ValueValidation
            ),
        }
    }

    #[test]
    fn answers_name_commands_and_flags_that_exist() {
        for (other, ours) in COMMANDS.iter().chain(COMMANDS_ALONE) {
            assert!(is_command(ours), "{ours}");
            assert!(!is_command(other), "{other} is a command");
        }
        for (group, others, ours) in SECOND_WORDS {
            assert!(is_command(ours), "{ours}");
            for other in *others {
                assert!(!is_command(&format!("{group} {other}")), "{group} {other} is a command");
            }
        }
        let mut line = command_line(HelpForm::Long);
        line.build();
        for (other, ours) in FLAGS {
            let has = |flag: &str| {
                let long = flag.trim_start_matches("--");
                let subcommands = line.get_subcommands();
                subcommands
                    .flat_map(Command::get_arguments)
                    .any(|arg| arg.get_long() == Some(long))
            };
            assert!(has(ours), "{ours}");
            assert!(!has(other), "{other} is a flag");
        }
    }
}

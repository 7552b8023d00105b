//! Answers words of other tools that cloudctl does not take with the word that it does take.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ErrorKind};

use super::error_context::strings_of;
use super::help_layout::{HelpForm, command_line};
use crate::cloud::{Error, did_you_mean, may_be_secret, quoted};

/// Flags of other tools, and the flag with that meaning.
const FLAGS: &[(&str, &str)] = &[
    ("--ami", "--image"),
    ("--async", "--wait"),
    ("--cores", "--cpus"),
    ("--cpu", "--cpus"),
    ("--expires", "--ttl"),
    ("--force", "--yes"),
    ("--format", "--output"),
    ("--image-id", "--image"),
    ("--key", "--ssh-key"),
    ("--key-name", "--ssh-key"),
    ("--lifetime", "--ttl"),
    ("--location", "--region"),
    ("--mem", "--memory"),
    ("--num", "--count"),
    ("--number", "--count"),
    ("--os", "--image"),
    ("--port", "--open"),
    ("--ports", "--open"),
    ("--preemptible", "--spot"),
    ("--ram", "--memory"),
    ("--security-group", "--firewall"),
    ("--security-groups", "--firewall"),
    ("--selector", "--label"),
    ("--startup-script", "--user-data"),
    ("--vcpus", "--cpus"),
];

/// Commands of other tools, and the command that does it.
const COMMANDS: &[(&str, &str)] = &[
    ("add", "create"),
    ("config", "context show"),
    ("contexts", "context list"),
    ("cost", "list --cost"),
    ("costs", "list --cost"),
    ("get", "describe"),
    ("images", "image list"),
    ("info", "describe"),
    ("init", "doctor"),
    ("inspect", "describe"),
    ("kill", "terminate"),
    ("launch", "create"),
    ("login", "doctor"),
    ("logs", "console"),
    ("new", "create"),
    ("prices", "price"),
    ("regions", "region list"),
    ("remove", "terminate"),
    ("restart", "reboot"),
    ("run", "create"),
    ("show", "describe"),
    ("sizes", "type list"),
    ("status", "list"),
    ("tag", "label"),
    ("tags", "label"),
    ("types", "type list"),
    ("version", "--version"),
    ("zones", "region list"),
];

/// Words for a VM that other tools put before or behind the verb.
const VM_NOUNS: [&str; 11] = [
    "compute",
    "ec2",
    "instance",
    "instances",
    "machine",
    "machines",
    "server",
    "servers",
    "vm",
    "vms",
    "node",
];

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
            answer_command(word)
        }
        _ => None,
    }
}

fn answer_flag(flag: &str, arguments: &[OsString]) -> Option<Error> {
    let command = find_command(arguments)?;
    let name = command.get_name();
    let has = |long: &str| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let takes_names = command
        .get_positionals()
        .any(|arg| arg.get_id() == "references" || arg.get_id() == "reference");
    let hint = match flag {
        "--profile" => {
            "set the variable AWS_PROFILE, or `profile` in a context: see `cloudctl help context-file`".to_owned()
        }
        "--project" => {
            "set the variable GOOGLE_CLOUD_PROJECT, or `project` in a context: see `cloudctl help context-file`"
                .to_owned()
        }
        "--name" if takes_names => format!("write the name without a flag: cloudctl {name} NAME"),
        "--name" if has("filter") => format!("use --filter: cloudctl {name} --filter name=NAME"),
        "--all" if has("label") => format!("name the VMs, or select them by a label: cloudctl {name} -l KEY=VALUE"),
        "--all" if takes_names => {
            format!("name the VMs: cloudctl {name} NAME; `cloudctl list -o name` prints all names")
        }
        _ => {
            let (_, ours) = FLAGS.iter().find(|(other, _)| *other == flag)?;
            if !has(ours.trim_start_matches("--")) {
                return None;
            }
            match *ours {
                "--wait" => "use --wait none".to_owned(),
                _ => format!("use {ours}"),
            }
        }
    };
    Some(Error::invalid(format!("`cloudctl {name}` has no flag {flag}")).with_hint(hint))
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

fn answer_command(word: &str) -> Option<Error> {
    let error = Error::invalid(format!("there is no command {}", quoted(word)));
    if VM_NOUNS.contains(&word) {
        return Some(error.with_hint("begin with the verb: cloudctl create, cloudctl list, cloudctl terminate"));
    }
    if word == "ssh" || word == "connect" {
        return Some(error.with_hint("`cloudctl describe NAME` shows the address: log in with ssh USER@ADDRESS"));
    }
    let (_, ours) = COMMANDS.iter().find(|(other, _)| *other == word)?;
    Some(error.with_hint(format!("use `cloudctl {ours}`")))
}

/// Finds the flag of the command that a mistyped one most likely stands for.
pub(super) fn find_similar_flag(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let typed = strings_of(error, ContextKind::InvalidArg).first()?.strip_prefix("--")?;
    let command = find_command(arguments)?;
    let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let similar = did_you_mean(typed, visible.filter_map(clap::Arg::get_long))?;
    Some(format!("--{similar}"))
}

/// Finds the command that a command line with a mistake is for: the first words that are names of commands.
pub(super) fn find_command(arguments: &[OsString]) -> Option<Command> {
    let mut command = command_line(HelpForm::Long);
    command.build();
    let mut found = None;
    for word in arguments.iter().skip(1) {
        if let Some(sub) = command.find_subcommand(word) {
            let sub = sub.clone();
            command = sub.clone();
            found = Some(sub);
        }
    }
    found
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
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayVersion
            ),
        }
    }

    #[test]
    fn answers_name_commands_and_flags_that_exist() {
        for (other, ours) in COMMANDS {
            assert!(is_command(ours), "{ours}");
            assert!(!is_command(other), "{other} is a command");
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

//! The flags of `run`, and how their values are parsed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::cloud::{Error, Result, Secret, parse_duration, quoted};
use crate::commands::create;
use crate::commands::ssh_args::LoginArgs;
use crate::settings::Environment;

/// Run a command once in a VM of its own, and terminate the VM
///
/// It creates the VM as `cloudctl create` does, runs the command, brings its output and its exit code, and terminates the VM.
/// The name is the key: the same line again attaches to the command that runs, or gives the result of the one that ended. It is
/// never started twice. Without a name, one is derived from the job of the CI pipeline, or made up and printed first.
///
/// One word is a line for sh; several are started as they are. The command starts in the home folder. It gets standard input, if
/// that is no terminal. Port 22 is opened to the VM, unless --open, --firewall or --via says otherwise.
///
/// The exit code is that of the command; 128 and its number after a signal, 124 after --time, and 125 for every failure
/// of cloudctl's own.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "run")]
#[command(
    mut_arg("count", |arg| arg.hide(true)),
    mut_arg("dry_run", |arg| arg.hide(true)),
    mut_arg("wait", |arg| arg.hide(true)),
    mut_arg("protect", |arg| arg.hide(true)),
    mut_arg("ssh_port", |arg| arg.hide(true))
)]
pub struct Args {
    #[command(flatten)]
    pub(super) create: create::Args,
    /// Command to run, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<String>,

    /// File or folder to copy to the VM before the start; REMOTE is its path there, from the home folder
    #[arg(long = "copy", value_name = "LOCAL:REMOTE", help_heading = "Running")]
    pub(super) copies: Vec<CopyValue>,
    /// File or folder to bring back when the command has ended, also after a failure
    #[arg(long = "fetch", value_name = "REMOTE:LOCAL", help_heading = "Running")]
    pub(super) fetches: Vec<FetchValue>,
    /// Variable of the command's environment; without a value, that of this environment
    #[arg(short = 'e', long = "env", value_name = "KEY[=VALUE]", help_heading = "Running")]
    pub(super) environment: Vec<VariableValue>,
    /// Time after which the command is ended, with exit code 124
    #[arg(
        long = "time",
        value_name = "DURATION",
        default_value = "30m",
        value_parser = parse_time_limit,
        help_heading = "Running"
    )]
    pub(super) time_limit: Duration,
    /// When the VM is kept at the end, until its TTL: never, failed (the command failed) or always
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "never",
        help_heading = "Running",
        hide_possible_values = true
    )]
    pub(super) keep: KeepValue,
    /// At SIGTERM, and at SIGINT in CI: terminate the VM at once, or detach and leave it to its TTL
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "terminate",
        help_heading = "Running",
        hide_short_help = true,
        hide_possible_values = true
    )]
    pub(super) on_interrupt: OnInterruptValue,
    /// Start the command anew if it has ended before
    #[arg(long, help_heading = "Running", hide_short_help = true)]
    pub(super) again: bool,
    #[command(flatten)]
    pub(super) login: LoginArgs,
}

/// When the VM is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KeepValue {
    /// Never
    Never,
    /// If the command failed
    Failed,
    /// Always
    Always,
}

impl KeepValue {
    /// Whether the VM is kept after a command that ended with this code.
    pub(super) fn keeps(self, exit_code: u8) -> bool {
        match self {
            Self::Never => false,
            Self::Failed => exit_code != 0,
            Self::Always => true,
        }
    }
}

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnInterruptValue {
    /// Terminate the VM at once
    Terminate,
    /// Leave the VM to its TTL
    Detach,
}

/// A value of `--copy`: `LOCAL:REMOTE`, or `LOCAL` for the home folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopyValue {
    pub(super) local: String,
    pub(super) remote: String,
}

impl FromStr for CopyValue {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (local, remote) = text.rsplit_once(':').unwrap_or((text, ""));
        check_paths("--copy", "LOCAL:REMOTE", text, local, remote)?;
        Ok(Self {
            local: local.to_owned(),
            remote: remote.to_owned(),
        })
    }
}

/// A value of `--fetch`: `REMOTE:LOCAL`, or `REMOTE` for the current folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FetchValue {
    pub(super) remote: String,
    pub(super) local: PathBuf,
}

impl FromStr for FetchValue {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (remote, local) = text.split_once(':').unwrap_or((text, "."));
        check_paths("--fetch", "REMOTE:LOCAL", text, remote, local)?;
        Ok(Self {
            remote: remote.to_owned(),
            local: if local.is_empty() { "." } else { local }.into(),
        })
    }
}

/// Checks the two paths of a value; the second may be empty.
fn check_paths(flag: &str, form: &str, text: &str, first: &str, second: &str) -> Result<()> {
    let has_control = first.chars().chain(second.chars()).any(char::is_control);
    match first.is_empty() || has_control {
        false => Ok(()),
        true => Err(Error::invalid(format!("invalid value {} of {flag}", quoted(text)))
            .with_hint(format!("write it as {form}"))),
    }
}

/// Variables that a shell sets itself, and lets nobody else set.
const SHELL_VARIABLES: [&str; 6] = ["UID", "EUID", "PPID", "OPTIND", "SHELLOPTS", "BASHOPTS"];

/// A value of `--env`: `KEY=VALUE`, or `KEY`.
#[derive(Clone, Debug)]
pub(super) struct VariableValue {
    name: String,
    value: Option<Secret<String>>,
}

impl FromStr for VariableValue {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(Secret::new(value.to_owned()))),
            None => (text, None),
        };
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = name.chars().all(is_allowed) && name.starts_with(|c: char| !c.is_ascii_digit());
        if SHELL_VARIABLES.contains(&name) {
            return Err(
                Error::invalid(format!("--env {name}: a shell does not let its variable {name} be set"))
                    .with_hint("use another name"),
            );
        }
        match is_name {
            true => Ok(Self {
                name: name.to_owned(),
                value,
            }),
            // The text can be a value, and so a secret.
            false => Err(Error::invalid("a variable of --env has no valid name")
                .with_hint("write it as KEY=VALUE or KEY, where KEY has letters, digits and underscores")),
        }
    }
}

impl VariableValue {
    /// The name and the value: its own, or that in this environment.
    ///
    /// # Errors
    /// `InvalidSpec` if this environment does not have it.
    pub(super) fn resolve(&self, environment: &Environment) -> Result<(String, Secret<String>)> {
        let value = match &self.value {
            Some(value) => value.clone(),
            None => {
                let value = environment.get(&self.name).ok_or_else(|| {
                    Error::invalid(format!("--env {}: this environment has no such variable", self.name))
                        .with_hint(format!("set it, or pass a value: --env {}=VALUE", self.name))
                })?;
                Secret::new(value.to_owned())
            }
        };
        Ok((self.name.clone(), value))
    }
}

/// Parses a time limit: whole seconds, and at least one.
fn parse_time_limit(text: &str) -> Result<Duration> {
    let limit = parse_duration(text)?;
    match limit.subsec_nanos() == 0 && !limit.is_zero() {
        true => Ok(limit),
        false => Err(Error::invalid(format!("invalid time limit {}", quoted(text)))
            .with_hint("write it in whole seconds, minutes or hours, such as 90s, 30m or 2h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_the_colon() {
        let copy: CopyValue = "C:/x:bin/x".parse().unwrap();
        assert_eq!((copy.local.as_str(), copy.remote.as_str()), ("C:/x", "bin/x"));
        let copy: CopyValue = "src".parse().unwrap();
        assert_eq!((copy.local.as_str(), copy.remote.as_str()), ("src", ""));
        let fetch: FetchValue = "out/log:./log".parse().unwrap();
        assert_eq!((fetch.remote.as_str(), fetch.local), ("out/log", "./log".into()));
        assert!("".parse::<FetchValue>().is_err() && ":x".parse::<CopyValue>().is_err());
    }

    #[test]
    fn variable_has_a_name_and_its_value_is_not_shown() {
        let variable: VariableValue = "TOKEN=s3cret=x".parse().unwrap();
        assert!(!format!("{variable:?}").contains("s3cret"));
        let environment = Environment::new([("K".to_owned(), "v".to_owned())]);
        assert_eq!(variable.resolve(&environment).unwrap().1.expose(), "s3cret=x");
        let known: VariableValue = "K".parse().unwrap();
        assert_eq!(known.resolve(&environment).unwrap().1.expose(), "v");
        assert!("X".parse::<VariableValue>().unwrap().resolve(&environment).is_err());
        for text in ["", "=v", "1K=v", "a-b=v", "s3cret value"] {
            let error = text.parse::<VariableValue>().unwrap_err();
            assert!(!error.message().contains("s3cret"), "{error}");
        }
    }
}

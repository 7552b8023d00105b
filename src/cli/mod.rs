//! The command line: global flags and the list of commands. What each command does is in `commands`.

mod error_context;
mod find_command;
mod help_examples;
mod help_layout;
mod other_word_tables;
mod other_words;
mod usage_errors;

use std::ffi::OsString;

use clap::{FromArgMatches, Parser, Subcommand};

pub use help_examples::FIRST_STEPS;
pub use help_layout::{HelpForm, command_line};
pub use usage_errors::{find_output_format, usage_error};

use crate::cloud::Error;
use crate::commands::{
    catalog, change_instances, completion, console, context, create, describe, doctor, extend, help, image, label,
    list, machine_type, man, price, region, schema, terminate, wait, whoami,
};
use crate::settings::GlobalArgs;

/// Virtual machines on AWS EC2 and Google Compute Engine, through one command line
///
/// A name is an idempotency key: running the same command again never creates a second VM. Results go to stdout,
/// everything else to stderr; `cloudctl help exit-codes` lists the meanings of the exit codes.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cloudctl",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// The flags that mean the same for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Parses a command line.
///
/// # Errors
/// Those of clap, which are also requests for help.
pub fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = command_line(HelpForm::find(arguments));
    let mut matches = command.try_get_matches_from_mut(put_help_last(arguments, &command))?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Understands `cloudctl --help create` and `cloudctl create help` as `cloudctl create --help`.
fn put_help_last(arguments: &[OsString], command: &clap::Command) -> Vec<OsString> {
    let is_command = |word: &OsString| command.find_subcommand(word).is_some();
    let mut words = arguments.to_vec();
    match arguments {
        [_, help, verb, ..] if (help == "--help" || help == "-h") && is_command(verb) => words[1..].rotate_left(1),
        // `man help` and `help help` are about the command `help`.
        [_, verb, help] if help == "help" && is_command(verb) && verb != "man" && verb != "help" => {
            words[2] = "--help".into();
        }
        _ => {}
    }
    words
}

/// Refuses `up` without a name. Other tools start all VMs of a file by it, and here it would make one of any name.
///
/// # Errors
/// `InvalidSpec` for such a command line.
pub fn refuse_bare_up(cli: &Cli, arguments: &[OsString]) -> crate::cloud::Result<()> {
    let is_up = |word: &OsString| word == "up";
    match &cli.command {
        Command::Create(args) if args.names_nothing() && arguments.iter().any(is_up) => {
            Err(Error::invalid("`cloudctl up` needs a name, or a file with -f")
                .with_hint("name the VM: cloudctl create NAME; `cloudctl create` alone makes one up"))
        }
        _ => Ok(()),
    }
}

/// The commands. Clap takes the help of each from the doc comment of its arguments.
#[expect(
    missing_docs,
    reason = "a comment here would take the place of the help at the arguments"
)]
#[derive(Clone, Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one value of it in a run")]
pub enum Command {
    #[command(alias = "up")]
    Create(create::Args),
    #[command(aliases = ["ls", "ps"])]
    List(list::Args),
    Describe(describe::Args),
    /// Start stopped VMs
    ///
    /// A pattern, -l and --filter select only VMs that cloudctl created.
    Start(change_instances::StartArgs),
    /// Stop running VMs, keeping their disks
    ///
    /// A pattern, -l and --filter select only VMs that cloudctl created. Then it asks for confirmation; a script passes -y.
    Stop(change_instances::StopArgs),
    /// Restart running VMs
    ///
    /// A pattern, -l and --filter select only VMs that cloudctl created. Then it asks for confirmation; a script passes -y.
    Reboot(change_instances::StopArgs),
    #[command(aliases = ["rm", "delete", "destroy", "down"])]
    Terminate(terminate::Args),
    Extend(extend::Args),
    /// Protect VMs from termination
    ///
    /// Nobody can terminate a protected VM. Its TTL is not stopped. A pattern, -l and --filter select only VMs that cloudctl created.
    Protect(change_instances::Args),
    /// Allow the termination of protected VMs again
    ///
    /// A pattern, -l and --filter select only VMs that cloudctl created.
    Unprotect(change_instances::Args),
    Label(label::Args),
    Wait(wait::Args),
    Console(console::Args),
    #[command(subcommand)]
    Image(image::Subcommands),
    #[command(subcommand)]
    Region(region::Subcommands),
    Price(price::Args),
    #[command(subcommand)]
    Type(machine_type::Subcommands),
    #[command(subcommand)]
    Catalog(catalog::Subcommands),
    Whoami(whoami::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Context(context::Subcommands),
    Schema(schema::Args),
    Completion(completion::Args),
    Man(man::Args),
    Help(help::Args),
}

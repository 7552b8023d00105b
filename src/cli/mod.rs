//! The command line: global flags and the list of commands. What each command does is in `commands`.

mod error_context;
mod find_command;
mod help_examples;
mod help_layout;
mod other_word_tables;
mod other_words;
mod parse_arguments;
mod usage_errors;

use clap::{Parser, Subcommand};

pub use find_command::is_run;
pub use help_examples::FIRST_STEPS;
pub use help_layout::{HelpForm, command_line, command_line_without_help};
pub use parse_arguments::parse;
pub use usage_errors::{find_output_format, refuse_bare_up, usage_error};

use crate::commands::{
    catalog, change_instances, completion, console, context, cp, create, describe, doctor, extend, help, image, label,
    list, machine_type, man, price, region, run, schema, ssh, ssh_config, terminate, wait, whoami,
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
    /// No cloud shows when a restart is over: the VMs are "running" all the time. `cloudctl wait REF --for ssh` waits for
    /// their system.
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
    Ssh(ssh::Args),
    Cp(cp::Args),
    Run(run::Args),
    SshConfig(ssh_config::Args),
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

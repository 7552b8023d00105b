//! The command line: global flags and the list of commands. What each command does is in `commands`.

mod usage_errors;

use clap::{Parser, Subcommand};

pub use usage_errors::{find_output_format, usage_error};

use crate::commands::{
    catalog, change_instances, completion, console, context, create, describe, doctor, extend, help, image, list,
    machine_type, man, price, region, schema, terminate, wait, whoami,
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
    Create(create::Args),
    List(list::Args),
    Describe(describe::Args),
    /// Start stopped VMs
    Start(change_instances::PowerArgs),
    /// Stop running VMs, keeping their disks
    Stop(change_instances::PowerArgs),
    /// Restart running VMs
    Reboot(change_instances::PowerArgs),
    Terminate(terminate::Args),
    Extend(extend::Args),
    /// Protect VMs against termination
    Protect(change_instances::Args),
    /// Remove the protection of VMs against termination
    Unprotect(change_instances::Args),
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

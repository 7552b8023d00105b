//! `cloudctl completion`: prints a completion script for a shell.

use clap::Command;
use clap_complete::Shell;

use crate::exit::ExitStatus;
use crate::output::Printer;

/// Print a completion script for a shell
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script for the whole command line.
pub fn run(args: &Args, mut command: Command, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "cloudctl", &mut script);
    printer.print_text(&script)?;
    Ok(ExitStatus::DONE)
}

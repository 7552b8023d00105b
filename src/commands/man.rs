//! `cloudctl man`: prints a manual page.

use clap::Command;

use super::help::find_command;
use crate::exit::ExitStatus;
use crate::output::Printer;

/// Print a manual page
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The command, such as `create`; without one the page is that of cloudctl itself
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
}

/// Prints the page in roff, for `man -l -`.
pub fn run(args: &Args, command: Command, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let command = find_command(command, &args.path)?;
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    printer.print_text(&page)?;
    Ok(ExitStatus::DONE)
}

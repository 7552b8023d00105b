//! `cloudctl man`: prints a manual page.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

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
    render_page(command, &mut page)?;
    printer.print_text(&page)?;
    Ok(ExitStatus::DONE)
}

/// Writes a page. Its parts are those of the help, with the text after it as examples.
fn render_page(command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let examples = command.get_after_help().map(ToString::to_string);
    let manual = Man::new(command.after_help(None::<&str>));
    manual.render(page)?;
    let Some(examples) = examples else {
        return Ok(());
    };
    let mut section = Roff::new();
    section.control("SH", ["EXAMPLES"]);
    for line in examples.lines().skip(1) {
        match line.trim_start().strip_prefix("# ") {
            Some(about) => {
                section.control("PP", []);
                section.text([roman(format!("{about}:"))]);
            }
            None => {
                section.control("RS", ["4"]);
                section.text([bold(line.trim_start())]);
                section.control("RE", []);
            }
        }
    }
    page.write_all(section.to_roff().as_bytes())
}

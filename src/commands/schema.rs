//! `cloudctl schema`: prints JSON Schemas.

use clap::ValueEnum;
use serde_json::Value;

use super::create::{SPEC_EXAMPLE, spec_schema};
use crate::cloud::{CloudInfos, Error};
use crate::exit::ExitStatus;
use crate::output::{Printer, error_schema, instance_schema};

/// Print the JSON Schema of what cloudctl reads or prints
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The document to print the schema of
    #[arg(value_name = "WHAT")]
    what: What,
    /// Print an example in place of the schema; only `spec` has one
    #[arg(long)]
    example: bool,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// A file for `create -f`
    Spec,
    /// A VM in JSON output
    Instance,
    /// An error in JSON output
    Error,
}

/// Prints a schema, or an example.
///
/// # Errors
/// `InvalidSpec` for an example that does not exist; those of writing.
pub fn run(args: &Args, infos: CloudInfos, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    if args.example {
        if args.what != What::Spec {
            let error = Error::invalid("only `spec` has an example");
            return Err(error.with_hint("use `cloudctl schema spec --example`").into());
        }
        printer.print_text(SPEC_EXAMPLE.as_bytes())?;
        return Ok(ExitStatus::DONE);
    }
    let schema: Value = match args.what {
        What::Spec => spec_schema(),
        What::Instance => instance_schema(infos),
        What::Error => error_schema(),
    };
    let text = serde_json::to_string_pretty(&schema)?;
    printer.print_text(format!("{text}\n").as_bytes())?;
    Ok(ExitStatus::DONE)
}

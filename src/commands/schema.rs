//! `cloudctl schema`: prints JSON Schemas.

use clap::ValueEnum;
use serde_json::Value;

use super::create::spec_schema;
use crate::cloud::CloudInfos;
use crate::exit::ExitStatus;
use crate::output::{Printer, error_schema, instance_schema};

/// Print the JSON Schema of what cloudctl reads or prints
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The document to print the schema of
    #[arg(value_name = "WHAT")]
    what: What,
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

/// Prints a schema.
///
/// # Errors
/// Those of writing.
pub fn run(args: &Args, infos: CloudInfos, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let schema: Value = match args.what {
        What::Spec => spec_schema(),
        What::Instance => instance_schema(infos),
        What::Error => error_schema(),
    };
    let text = serde_json::to_string_pretty(&schema)?;
    printer.print_text(format!("{text}\n").as_bytes())?;
    Ok(ExitStatus::DONE)
}

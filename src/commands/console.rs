//! `cloudctl console`: prints the console output of a VM.

use super::instance_args::find_one;
use crate::cloud::InstanceQuery;
use crate::command_context::Context;
use crate::exit::ExitStatus;

/// Print what a VM wrote to its serial console
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name, id, or provider/region/id of a VM, or a quoted pattern that only its name matches
    #[arg(value_name = "REF")]
    reference: InstanceQuery,
}

/// Prints the console output unchanged, or with escaped control characters on a terminal.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let instance = find_one(args.reference, context).await?;
    let provider = context.clouds().get(instance.provider);
    let output = provider.console_output(&instance.reference).await?;
    if output.is_empty() {
        context.printer.note("the VM has written nothing to its console yet");
    }
    context.printer.print_bytes(&output)?;
    Ok(ExitStatus::DONE)
}

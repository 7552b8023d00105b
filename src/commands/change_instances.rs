//! `cloudctl start`, `stop`, `reboot`, `protect`, `unprotect`: change the state or the protection of VMs.

use super::instance_args::{InstanceArgs, check_accounts, find_for_change, print_changed};
use crate::cloud::InstanceAction;
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::apply;
use crate::output::INSTANCES;

/// The VMs to change.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// Applies the action to each VM, and shows the VMs afterwards.
pub async fn run(args: Args, action: InstanceAction, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let targets = find_for_change(&args.targets.references, context).await?;
    check_accounts(&targets, context).await?;
    let _critical_section = context.shutdown.enter_critical_section()?;
    let clouds = context.clouds();
    let (changed, errors) = apply(&|kind| clouds.get(kind), &targets, action, &context.shutdown).await;
    print_changed(&changed, errors, context)
}

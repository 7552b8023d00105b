//! `cloudctl start`, `stop`, `reboot`, `protect`, `unprotect`: change the state or the protection of VMs.

use super::instance_args::{InstanceArgs, check_accounts, find_for_change};
use crate::cloud::InstanceAction;
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::apply;
use crate::output::{INSTANCES, Report};

/// The VMs to change.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// Applies the action to each VM, and shows the VMs afterwards.
pub async fn run(args: Args, action: InstanceAction, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let targets = find_for_change(&args.targets.references, context).await?;
    check_accounts(&targets, context).await?;
    let _section = context.shutdown.enter_critical_section()?;
    let clouds = context.clouds();
    let (changed, errors) = apply(&|kind| clouds.get(kind), &targets, action, &context.shutdown).await;
    let status = ExitStatus::from_batch(changed.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&changed, errors), &INSTANCES, now)?;
    Ok(status)
}

//! `cloudctl start`, `stop`, `reboot`, `protect`, `unprotect`

use super::targets::{InstanceArgs, check_accounts, find_for_change};
use crate::cloud::InstanceAction;
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::apply;
use crate::output::{INSTANCES, Report};

/// The VMs to change.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// Changes each VM, and shows what it is now.
pub async fn run(args: Args, action: InstanceAction, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let targets = find_for_change(&args.targets.references, context).await?;
    check_accounts(&targets, context).await?;
    let _change = context.shutdown.enter_critical_section()?;
    let clouds = context.clouds();
    let (done, errors) = apply(&|kind| clouds.get(kind), &targets, action, &context.shutdown).await;
    let status = ExitStatus::from_batch(done.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&done, errors), &INSTANCES, now)?;
    Ok(status)
}

//! `cloudctl start`, `cloudctl stop`, `cloudctl reboot`

use super::targets::{References, check_accounts, find_to_change};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::{BatchAction, change_power};
use crate::output::{INSTANCES, Report};

/// The VMs to start, stop or reboot.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: References,
}

/// Changes the power of each VM, and shows what it is now.
pub async fn run(args: Args, action: BatchAction, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let targets = find_to_change(&args.targets.references, context).await?;
    check_accounts(&targets, context).await?;
    let clouds = context.clouds();
    let (done, errors) = change_power(&|kind| clouds.get(kind), &targets, action).await;
    let status = ExitStatus::of_batch(done.len(), &errors);
    let now = context.now();
    context
        .printer
        .report(&Report::of_instances(&done, errors), &INSTANCES, now)?;
    Ok(status)
}

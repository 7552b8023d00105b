//! `cloudctl start`, `stop`, `reboot`, `protect`, `unprotect`: change the state or the protection of VMs.

use super::confirm_change::{ConfirmationArgs, PlannedChange};
use super::instance_args::{InstanceArgs, check_accounts, find_for_change, print_changed};
use crate::cloud::InstanceAction;
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{apply, check_expected_count};
use crate::output::INSTANCES;

/// The VMs to change.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// The VMs to change, and the confirmation if they are not named one by one: they are in use.
#[derive(clap::Args, Clone, Debug)]
pub struct ArgsWithConfirmation {
    #[command(flatten)]
    change: Args,
    #[command(flatten)]
    confirmation: ConfirmationArgs,
}

/// Applies the action to each VM, and shows the VMs afterwards.
pub async fn run(args: Args, action: InstanceAction, context: &mut Context) -> anyhow::Result<ExitStatus> {
    change_and_print(&args, action, None, context).await
}

/// Applies the action to each VM, and shows the VMs afterwards. Asks first, unless each VM is named.
pub async fn run_with_confirmation(
    args: ArgsWithConfirmation,
    action: InstanceAction,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    change_and_print(&args.change, action, Some(&args.confirmation), context).await
}

async fn change_and_print(
    args: &Args,
    action: InstanceAction,
    confirmation: Option<&ConfirmationArgs>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let selection = args.targets.to_selection();
    let names_each_instance = selection.names_each_instance();
    let targets = find_for_change(selection, action.as_str(), context).await?;
    if let Some(expected) = confirmation.and_then(|confirmation| confirmation.expect) {
        check_expected_count(expected, targets.len(), 0)?;
    }
    check_accounts(&targets, context).await?;
    if let Some(confirmation) = confirmation
        && !names_each_instance
        && !targets.is_empty()
    {
        let change = PlannedChange {
            verb: action.as_str(),
            consequence: "",
            targets: &targets,
            left_out: Vec::new(),
            names_each_instance,
            look_first: "look at them with `cloudctl list` and the same selection",
        };
        change.confirm(confirmation, context)?;
    }
    let _critical_section = context.shutdown.enter_critical_section()?;
    let clouds = context.clouds();
    let (changed, errors) = apply(&|kind| clouds.get(kind), &targets, action, &context.shutdown).await;
    print_changed(&changed, errors, context)
}

//! `cloudctl start`, `stop`, `reboot`, `protect`, `unprotect`: change the state or the protection of VMs.

use std::time::Duration;

use super::confirm_change::{ConfirmationArgs, PlannedChange};
use super::instance_args::{DEFAULT_TIMEOUT, InstanceArgs, check_accounts, find_for_change, print_changed};
use super::wait::{wait_with_steps, with_goal};
use super::wait_progress::name_or_reference;
use crate::cloud::{Error, ErrorKind, Instance, InstanceAction, parse_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{WaitGoal, apply, check_expected_count};
use crate::output::INSTANCES;

/// The VMs to change.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// Whether to wait after a change, and how long.
#[derive(clap::Args, Clone, Debug)]
struct WaitArgs {
    /// Wait until the VMs are in the new state
    #[arg(long, help_heading = "Waiting")]
    wait: bool,
    /// How long to wait at most
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = parse_duration,
        requires = "wait",
        help_heading = "Waiting"
    )]
    timeout: Duration,
}

impl WaitArgs {
    fn to_request(&self, goal: WaitGoal) -> Option<WaitRequest> {
        match self.wait {
            true => Some(WaitRequest {
                goal,
                timeout: self.timeout,
            }),
            false => None,
        }
    }
}

/// The VMs to start.
#[derive(clap::Args, Clone, Debug)]
pub struct StartArgs {
    #[command(flatten)]
    targets: InstanceArgs,
    #[command(flatten)]
    wait: WaitArgs,
}

/// The VMs to stop or restart, and the confirmation if they are not named one by one: they are in use.
#[derive(clap::Args, Clone, Debug)]
pub struct StopArgs {
    #[command(flatten)]
    targets: InstanceArgs,
    #[command(flatten)]
    confirmation: ConfirmationArgs,
    #[command(flatten)]
    wait: WaitArgs,
}

/// What is waited for after a change, and how long.
struct WaitRequest {
    goal: WaitGoal,
    timeout: Duration,
}

/// Protects each VM, or takes its protection off, and shows the VMs afterwards.
pub async fn run(args: Args, action: InstanceAction, context: &mut Context) -> anyhow::Result<ExitStatus> {
    change_and_print(&args.targets, action, None, None, context).await
}

/// Starts each VM. If requested, waits until it is running. Shows the VMs afterwards.
pub async fn run_start(args: StartArgs, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let wait = args.wait.to_request(WaitGoal::Running);
    change_and_print(&args.targets, InstanceAction::Start, None, wait, context).await
}

/// Stops or restarts each VM. Asks first, unless each VM is named. If requested, waits until each has reached the goal.
/// Shows the VMs afterwards.
pub async fn run_stop(
    args: StopArgs,
    action: InstanceAction,
    goal: WaitGoal,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let wait = args.wait.to_request(goal);
    change_and_print(&args.targets, action, Some(&args.confirmation), wait, context).await
}

async fn change_and_print(
    targets: &InstanceArgs,
    action: InstanceAction,
    confirmation: Option<&ConfirmationArgs>,
    wait: Option<WaitRequest>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let selection = targets.to_selection();
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
            preview_hint: "look at them with `cloudctl list` and the same selection",
        };
        change.confirm(confirmation, context)?;
    }
    let _critical_section = context.shutdown.enter_critical_section()?;
    let clouds = context.clouds();
    let (mut changed, mut errors) = apply(&|kind| clouds.get(kind), &targets, action, &context.shutdown).await;
    if let Some(wait) = &wait {
        let waited = wait_with_steps(with_goal(wait.goal, &changed), wait.timeout, context).await;
        let is_interrupted = context.shutdown.signal_status().is_some();
        for error in waited.errors {
            errors.push(match is_interrupted {
                true => explain_interruption(error, action, wait.goal),
                false => error,
            });
        }
        changed = waited.reached;
        changed.extend(waited.unreached);
        changed.sort_by_key(|instance| position_in(&targets, instance));
    }
    if matches!(action, InstanceAction::Start | InstanceAction::Stop) {
        note_changed_addresses(&targets, &changed, wait.is_some(), context);
    }
    print_changed(&changed, errors, context)
}

/// Says that the cloud goes on with a change that is no longer waited for.
fn explain_interruption(error: Error, action: InstanceAction, goal: WaitGoal) -> Error {
    if error.kind() != ErrorKind::Timeout {
        return error;
    }
    let goal = goal.as_str();
    let hint = match error.subject() {
        Some(subject) => format!("wait for it: cloudctl wait {subject} --for {goal}"),
        None => format!("wait for it with `cloudctl wait --for {goal}`"),
    };
    let prefix = format!("interrupted, but the cloud has accepted the {}", action.as_str());
    error.context(prefix).with_hint(hint)
}

fn position_in(targets: &[Instance], instance: &Instance) -> Option<usize> {
    targets.iter().position(|target| target.reference == instance.reference)
}

/// For how many VMs the address is said; more are shown in the table only.
const MAX_ADDRESS_NOTES: usize = 10;

/// Says which public addresses a stop or start has changed. Whoever waits is told also in a log.
fn note_changed_addresses(before: &[Instance], after: &[Instance], waited: bool, context: &mut Context) {
    if after.len() > MAX_ADDRESS_NOTES {
        return;
    }
    for instance in after {
        let known = before.iter().find(|known| known.reference == instance.reference);
        let old_address = known.and_then(|known| known.public_ip.as_deref());
        let Some(note) = describe_address_change(instance, old_address) else {
            continue;
        };
        match waited {
            true => context.printer.note(&note),
            false => context.printer.note_on_terminal(&note),
        }
    }
}

/// What has become of the public address of an instance; `None` if it is the same.
fn describe_address_change(instance: &Instance, old_address: Option<&str>) -> Option<String> {
    let name = name_or_reference(instance);
    match (old_address, instance.public_ip.as_deref()) {
        (Some(old), Some(new)) if old == new => None,
        (None, None) => None,
        (Some(old), Some(new)) => Some(format!("{name}: its public address is now {new}; it was {old}")),
        (None, Some(new)) => Some(format!("{name}: its public address is now {new}")),
        (Some(old), None) => Some(format!(
            "{name}: it no longer has the public address {old}; a start may give it another one"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    #[test]
    fn address_note_has_both_addresses() {
        let mut instance = Instance::with_id_only(ProviderKind::Mock, "us-east-1".to_owned(), "m-1".to_owned());
        instance.name = Some("web-1".to_owned());
        instance.public_ip = Some("203.0.113.2".to_owned());
        assert_eq!(describe_address_change(&instance, Some("203.0.113.2")), None);
        let note = describe_address_change(&instance, Some("203.0.113.1")).unwrap();
        assert_eq!(note, "web-1: its public address is now 203.0.113.2; it was 203.0.113.1");
    }
}

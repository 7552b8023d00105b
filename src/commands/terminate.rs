//! `cloudctl terminate`: terminates VMs.

use std::time::Duration;

use super::confirm_change::{ConfirmationArgs, PlannedChange, format_count};
use super::instance_args::{ConditionArgs, DEFAULT_TIMEOUT, check_accounts, find_instances, print_changed};
use super::wait::{wait_with_steps, with_goal};
use crate::cloud::{Error, ErrorKind, Instance, InstanceQuery, parse_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    ResolvedInstances, Selection, SkippedInstance, TerminationPlan, WaitGoal, delete_unused_firewall_rules,
    find_expired, leave_out_protected, plan_termination, report_kept_disks, terminate,
};
use crate::output::{INSTANCES, Report};

/// Terminate VMs for good, with their disks
///
/// By name or id, or all VMs created by cloudctl that match a pattern of names, -l or --filter, or are expired. Asks for
/// confirmation; a script passes -y.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name, id, or provider/region/id of a VM, or a quoted pattern of names such as 'web-*'
    #[arg(value_name = "REF", conflicts_with_all = ["selectors", "filters"])]
    references: Vec<InstanceQuery>,
    #[command(flatten)]
    conditions: ConditionArgs,
    /// All of cloudctl's VMs whose TTL is over
    ///
    /// By their cloud's own clock. With -l or --filter only those that match.
    #[arg(long, conflicts_with = "references", help_heading = "What")]
    expired: bool,
    #[command(flatten)]
    confirmation: ConfirmationArgs,
    /// Show what would be terminated, and change nothing
    ///
    /// The exit code is the one that terminating with -y would have.
    #[arg(long, help_heading = "Safety")]
    dry_run: bool,
    /// Wait until they are gone
    ///
    /// Also for those that are terminating already.
    #[arg(long, help_heading = "Waiting")]
    wait: bool,
    /// How long to wait at most
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = parse_duration,
        help_heading = "Waiting",
        hide_short_help = true
    )]
    timeout: Duration,
    /// Do not fail for a REF that does not exist
    #[arg(long, help_heading = "What")]
    ignore_not_found: bool,
    /// Also VMs that cloudctl did not create
    #[arg(long, help_heading = "What")]
    include_unmanaged: bool,
}

/// What the arguments select.
struct SelectedInstances {
    /// Some may be terminating already.
    instances: Vec<Instance>,
    /// Why others may be expired that are not in `instances`.
    errors: Vec<Error>,
    /// What was looked for, if no instance is selected.
    empty_because: Option<String>,
    /// Whether the user named each of them.
    names_each_instance: bool,
}

/// Selects instances, asks the user, terminates them, and shows them afterwards.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let conditions = &args.conditions;
    if args.references.is_empty() && conditions.is_empty() && !args.expired {
        return Err(Error::invalid("nothing is selected to be terminated")
            .with_hint("name VMs, select them with -l key=value or --filter field=value, or pass --expired")
            .into());
    }
    if args.timeout != parse_duration(DEFAULT_TIMEOUT)? && !args.wait {
        context.printer.note("--timeout has no effect without --wait");
    }
    let selected = select_instances(&args, context).await?;
    let expected = args.confirmation.expect;
    let mut plan = match plan_termination(selected.instances.clone(), args.include_unmanaged, expected) {
        Ok(plan) => plan,
        Err(refusal) if args.dry_run => return print_refusal(selected.instances, refusal, context),
        Err(refusal) => return Err(refusal.into()),
    };
    if args.expired {
        plan = plan.only_expired();
    }
    note_terminating(&plan, &selected, args.wait && !args.dry_run, context);
    let names_each_instance = selected.names_each_instance;
    if args.dry_run {
        let change = planned_change(&plan, names_each_instance);
        let refusal = match check_accounts(plan.to_terminate(), context).await {
            Ok(()) => {
                let refusal = change.check_expected_number(&args.confirmation, context).err();
                refusal.map(|error| error.with_hint("this is what the command says without --dry-run"))
            }
            Err(refusal) => Some(refusal),
        };
        let clouds = context.clouds();
        let plan = leave_out_protected(&|kind| clouds.get(kind), plan, &context.shutdown).await?;
        return print_dry_run(plan, refusal, selected.errors, context);
    }
    if !plan.to_terminate().is_empty() {
        check_accounts(plan.to_terminate(), context).await?;
        planned_change(&plan, names_each_instance).confirm(&args.confirmation, context)?;
    }

    let clouds = context.clouds();
    let plan = context
        .shutdown
        .run_until_signal(plan.recheck(&|kind| clouds.get(kind)))
        .await?;
    let plan = if args.wait { plan } else { plan.without_terminating() };
    let _critical_section = context.shutdown.enter_critical_section()?;
    let (mut terminated, mut errors) = terminate(&|kind| clouds.get(kind), plan, &context.shutdown).await;
    for instance in &terminated {
        let reference = instance.reference.to_string();
        context.printer.report_step(instance.state.as_str(), &reference);
    }
    if args.wait {
        let waited = wait_with_steps(with_goal(WaitGoal::Terminated, &terminated), args.timeout, context).await;
        errors.extend(waited.errors);
        let before_wait = terminated;
        terminated = waited.reached.into_iter().chain(waited.unreached).collect();
        // A listing no longer has the disks and ingress rules of an instance that is gone.
        for instance in &mut terminated {
            if let Some(known) = before_wait.iter().find(|known| known.reference == instance.reference) {
                instance.disks.clone_from(&known.disks);
                instance.ingress_rules.clone_from(&known.ingress_rules);
            }
        }
    }
    let clouds = context.clouds();
    errors.extend(report_kept_disks(&|kind| clouds.get(kind), &terminated, &context.shutdown).await);
    for kept in delete_unused_firewall_rules(&|kind| clouds.get(kind), &terminated, &context.shutdown).await {
        context.printer.note(&kept);
    }
    errors.extend(selected.errors);
    print_changed(&terminated, errors, context)
}

/// The change that the user confirms.
fn planned_change(plan: &TerminationPlan, names_each_instance: bool) -> PlannedChange<'_> {
    let skipped = plan.skipped().iter().map(SkippedInstance::to_error);
    PlannedChange {
        verb: "terminate",
        consequence: " for good",
        targets: plan.to_terminate(),
        left_out: skipped.map(|reason| reason.message().to_owned()).collect(),
        names_each_instance,
        preview_hint: "look at them with --dry-run",
    }
}

/// Prints that there is nothing to terminate, and which instances are terminating already. `waits` says whether the command
/// waits for those.
fn note_terminating(plan: &TerminationPlan, selected: &SelectedInstances, waits: bool, context: &mut Context) {
    let is_empty = plan.to_terminate().is_empty() && plan.skipped().is_empty();
    let terminating = match plan.terminating() {
        [] => {
            match &selected.empty_because {
                Some(reason) if is_empty => context.printer.note(&format!("nothing to terminate: {reason}")),
                None if is_empty => context.printer.note("nothing to terminate"),
                _ => {}
            }
            return;
        }
        [one] => format!("{} is terminating already", one.reference),
        several => format!("{} are terminating already", format_count(several)),
    };
    match is_empty && !waits {
        true => context.printer.note(&format!("nothing to terminate: {terminating}")),
        false => context.printer.note(&terminating),
    }
}

/// Prints the result of a dry run. The exit code is the one that the termination would have: that of the refusal, if there is
/// one.
fn print_dry_run(
    plan: TerminationPlan,
    refusal: Option<Error>,
    unreported: Vec<Error>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let to_terminate = plan.to_terminate().to_vec();
    let refused = refusal.as_ref().map(|refusal| ExitStatus::from_kind(refusal.kind()));
    let skipped = plan.skipped().iter().map(SkippedInstance::to_error);
    let errors: Vec<_> = refusal.into_iter().chain(skipped).chain(unreported).collect();
    if !to_terminate.is_empty() {
        context.printer.note(&format!(
            "would terminate {}; nothing was terminated",
            format_count(&to_terminate)
        ));
    }
    let status = refused.unwrap_or_else(|| ExitStatus::from_batch(to_terminate.len(), &errors));
    context.print_report(&Report::from_instances(&to_terminate, errors), &INSTANCES)?;
    Ok(status)
}

/// Prints the selected instances, and why none of them would be terminated.
fn print_refusal(selected: Vec<Instance>, refusal: Error, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let status = ExitStatus::from_kind(refusal.kind());
    let mut alive = selected;
    alive.retain(|instance| !instance.state.is_gone());
    context.print_report(&Report::from_instances(&alive, vec![refusal]), &INSTANCES)?;
    Ok(status)
}

/// Selects the instances that the arguments mean.
async fn select_instances(args: &Args, context: &mut Context) -> anyhow::Result<SelectedInstances> {
    let selection = Selection {
        // With --expired, instances whose management labels are invalid must be in the list, so that they are reported.
        only_managed: !args.include_unmanaged && !args.expired,
        ..args.conditions.to_selection(&args.references)
    };
    let mut resolved = find_instances(&selection, context).await?;
    if args.expired && args.confirmation.expect.is_none() {
        // An instance is expired whether or not others are listed. A number needs a complete list.
        resolved.check_selectors_overlap()?;
    } else {
        resolved.check_certain()?;
    }
    resolved.add_terminating();
    if args.expired {
        return Ok(select_expired(resolved, !args.conditions.is_empty(), context).await);
    }
    if let Some(error) = resolved.missing_error() {
        if !args.ignore_not_found || error.kind() != ErrorKind::NotFound {
            return Err(error.into());
        }
        context.printer.note(error.message());
    }
    Ok(SelectedInstances {
        empty_because: resolved.describe_empty(),
        instances: resolved.instances,
        errors: Vec::new(),
        names_each_instance: selection.names_each_instance(),
    })
}

/// Selects the expired ones of some instances. A cron job passes `--expired`, and does not know their number.
async fn select_expired(resolved: ResolvedInstances, has_conditions: bool, context: &Context) -> SelectedInstances {
    let clouds = context.clouds();
    let mut expired = find_expired(&|kind| clouds.get(kind), resolved.instances).await;
    for gap in resolved.open_gaps {
        let error = gap.error.with_kind(ErrorKind::Incomplete);
        expired.errors.push(error.context("not all expired VMs are known"));
    }
    SelectedInstances {
        instances: expired.instances,
        errors: expired.errors,
        empty_because: Some(match has_conditions {
            true => "no VM that matches is expired".to_owned(),
            false => "no VM is expired".to_owned(),
        }),
        names_each_instance: true,
    }
}

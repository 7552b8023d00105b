//! `cloudctl terminate`: terminates VMs.

use std::time::Duration;

use super::instance_args::{
    DEFAULT_TIMEOUT, check_accounts, find_instances, note_skipped_clouds, print_changed, region_selection,
};
use super::wait::{wait_with_steps, with_goal};
use crate::cloud::{Error, ErrorKind, Instance, InstanceQuery, ListFilter, Result, format_account, parse_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Expired, LabelSelector, Selectors, SkippedInstance, TerminationPlan, WaitGoal, delete_unused_firewall_rules,
    find_expired, leave_out_protected, list_all, plan_termination, report_kept_disks, terminate,
};
use crate::output::{INSTANCES, Report, display_name};

/// Terminate VMs for good, with their disks
///
/// By name or id, or all VMs created by cloudctl that match a label selector or are expired. Asks for confirmation; a script
/// passes -y.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name, id, or provider/region/id of a VM
    #[arg(value_name = "REF", conflicts_with = "selectors")]
    references: Vec<InstanceQuery>,
    /// All of cloudctl's VMs with these labels: key=value, key!=value, key, !key, key in (a,b)
    ///
    /// Several are joined by "and". A text that create accepts as a label selects that label: Roles=app,web is one value.
    /// Double quotes keep special characters in a value: Roles="a=1,b=2".
    #[arg(short = 'l', long = "label", value_name = "SELECTOR")]
    selectors: Vec<LabelSelector>,
    /// All of cloudctl's VMs that are expired by their cloud's own clock; with -l only those that it selects
    #[arg(long, conflicts_with = "references")]
    expired: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Show what would be terminated, and terminate nothing; with the exit code that terminating with -y would have
    #[arg(long)]
    dry_run: bool,
    /// Refuse unless exactly this many VMs are selected; required for more than 10 by label without a terminal
    #[arg(long, value_name = "N")]
    expect: Option<usize>,
    /// Wait until they are gone, also those that are terminating already
    #[arg(long)]
    wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIMEOUT, value_parser = parse_duration)]
    timeout: Duration,
    /// Do not fail for a REF that does not exist (any more)
    #[arg(long)]
    ignore_not_found: bool,
    /// Also VMs that cloudctl did not create
    #[arg(long)]
    include_unmanaged: bool,
}

/// Above this many VMs the user must answer with their number, and a script must pass `--expect`.
const MAX_SIMPLE_CONFIRM: usize = 10;

/// Selects instances, asks the user, terminates them, and shows them afterwards.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    if args.references.is_empty() && args.selectors.is_empty() && !args.expired {
        return Err(Error::invalid("nothing is selected to be terminated")
            .with_hint("name VMs, select them by label with -l key=value, or pass --expired")
            .into());
    }
    let Expired {
        instances: selected,
        errors: unreported,
    } = select_instances(&args, context).await?;
    let mut plan = match plan_termination(selected.clone(), args.include_unmanaged, args.expect) {
        Ok(plan) => plan,
        Err(refusal) if args.dry_run => return print_refusal(selected, refusal, context),
        Err(refusal) => return Err(refusal.into()),
    };
    if args.expired {
        plan = plan.only_expired();
    }
    note_terminating(&plan, args.wait && !args.dry_run, context);
    if args.dry_run {
        let refusal = match check_accounts(plan.to_terminate(), context).await {
            Ok(()) => check_expected_number(&args, &plan, context).err(),
            Err(refusal) => Some(refusal),
        };
        let clouds = context.clouds();
        let plan = leave_out_protected(&|kind| clouds.get(kind), plan, &context.shutdown).await?;
        return print_dry_run(plan, refusal, unreported, context);
    }
    if !plan.to_terminate().is_empty() {
        check_accounts(plan.to_terminate(), context).await?;
        match args.yes {
            false => confirm(&plan, context)?,
            true => check_expected_number(&args, &plan, context)?,
        }
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
    errors.extend(unreported);
    print_changed(&terminated, errors, context)
}

/// Prints that there is nothing to terminate, and which instances are terminating already. `waits` says whether the command
/// waits for those.
fn note_terminating(plan: &TerminationPlan, waits: bool, context: &mut Context) {
    let is_empty = plan.to_terminate().is_empty() && plan.skipped().is_empty();
    let terminating = match plan.terminating() {
        [] => {
            if is_empty {
                context.printer.note("nothing to terminate");
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
async fn select_instances(args: &Args, context: &mut Context) -> anyhow::Result<Expired> {
    let without_errors = |instances| Expired {
        instances,
        errors: Vec::new(),
    };
    if args.selectors.is_empty() && !args.expired {
        let mut resolved = find_instances(&args.references, context).await?;
        resolved.check_unambiguous()?;
        resolved.add_terminating();
        if let Some(error) = resolved.missing_error() {
            if !args.ignore_not_found || error.kind() != ErrorKind::NotFound {
                return Err(error.into());
            }
            context.printer.note(error.message());
        }
        return Ok(without_errors(resolved.instances));
    }
    let mut selectors = Selectors::new(&args.selectors)?;
    let providers = context.providers_to_query()?;
    let filter = ListFilter {
        // Instances whose management labels are invalid must be in the list, so that they are reported.
        managed: !args.include_unmanaged && !args.expired,
        ..ListFilter::default()
    };
    let inventory = list_all(&providers, &region_selection(context), &filter).await?;
    note_skipped_clouds(&inventory.skipped, context);
    if inventory.nothing_answered() {
        let first = inventory.gaps.into_iter().next().map(Error::from);
        return Err(first.unwrap_or_else(|| Error::invalid("no location")).into());
    }
    // An instance is expired whether or not others are listed. A selection by labels and a number need a complete list.
    let needs_complete_list = !args.expired || args.expect.is_some();
    if let Some(gap) = inventory.gaps.first()
        && needs_complete_list
    {
        let message = format!(
            "{} did not answer, so the selection may be incomplete; nothing was terminated: {}",
            gap.location, gap.error
        );
        let hint = "limit it to the regions that answer with --region, or name the VMs";
        return Err(Error::new(ErrorKind::Refused, message).with_hint(hint).into());
    }
    let mut selected = inventory.instances;
    selected.retain(|instance| selectors.matches(instance));
    selectors.check_unambiguous()?;
    if !args.expired {
        return Ok(without_errors(selected));
    }
    let clouds = context.clouds();
    let mut expired = find_expired(&|kind| clouds.get(kind), selected).await;
    for gap in inventory.gaps {
        let error = gap.error.with_kind(ErrorKind::Incomplete);
        expired.errors.push(error.context("not all expired VMs are known"));
    }
    Ok(expired)
}

/// Asks the user to confirm.
///
/// # Errors
/// `InvalidSpec` without a terminal; `Refused` if the user does not confirm.
fn confirm(plan: &TerminationPlan, context: &mut Context) -> anyhow::Result<()> {
    let to_terminate = plan.to_terminate();
    let targets = format!("{} in {}", format_count(to_terminate), format_accounts(to_terminate));
    if !context.printer.terminal().input {
        return Err(
            Error::invalid(format!("this would terminate {targets}; pass -y to confirm"))
                .with_hint("look at them with --dry-run, then pass -y")
                .into(),
        );
    }
    for instance in to_terminate.iter().take(MAX_SIMPLE_CONFIRM) {
        let name = display_name(instance.name.as_deref().unwrap_or("-"));
        let line = format!("  {}  {name}  {}", instance.reference, instance.state);
        context.printer.note(&line);
    }
    for skipped in plan.skipped() {
        let line = format!("  left out: {}", skipped.to_error().message());
        context.printer.note(&line);
    }
    let needs_number = to_terminate.len() > MAX_SIMPLE_CONFIRM;
    let (instruction, hint) = match needs_number {
        true => ("Type the number to confirm:", "answer with their number, or pass -y"),
        false => ("[y/N]", "answer y, or pass -y"),
    };
    let question = format!("terminate {targets} for good? {instruction}");
    let answer = context.prompt(&question)?.unwrap_or_default();
    let is_confirmed = match needs_number {
        true => answer == to_terminate.len().to_string(),
        false => matches!(answer.to_lowercase().as_str(), "y" | "yes"),
    };
    match is_confirmed {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Refused, "not confirmed; nothing was terminated")
            .with_hint(hint)
            .into()),
    }
}

/// Checks that a script passes `--expect` to terminate many instances by label.
///
/// # Errors
/// `InvalidSpec` if it is missing and there is no terminal to ask on.
fn check_expected_number(args: &Args, plan: &TerminationPlan, context: &Context) -> Result<()> {
    let to_terminate = plan.to_terminate();
    let is_by_label = !args.selectors.is_empty() && !args.expired;
    let needs_expect = is_by_label && to_terminate.len() > MAX_SIMPLE_CONFIRM && !context.printer.terminal().input;
    if !needs_expect || args.expect.is_some() {
        return Ok(());
    }
    // Protected instances count as selected.
    let selected = to_terminate.len() + plan.skipped().len();
    Err(Error::invalid(format!(
        "this would terminate {} in {}; pass --expect {selected} to confirm so many",
        format_count(to_terminate),
        format_accounts(to_terminate),
    ))
    .with_hint("look at them with --dry-run"))
}

fn format_count(instances: &[Instance]) -> String {
    match instances.len() {
        1 => "1 VM".to_owned(),
        many => format!("{many} VMs"),
    }
}

/// Formats the accounts that instances are in: `aws 123456789012 (us-east-1), gcp acme-dev (us-central1)`.
fn format_accounts(instances: &[Instance]) -> String {
    // Each account with its regions, in the order of the instances.
    let mut accounts: Vec<(String, Vec<&str>)> = Vec::new();
    for instance in instances {
        let account = format_account(instance.provider, instance.account.as_deref().unwrap_or_default());
        let region = instance.region.as_str();
        match accounts.iter_mut().find(|(known, _)| *known == account) {
            Some((_, regions)) if regions.contains(&region) => {}
            Some((_, regions)) => regions.push(region),
            None => accounts.push((account, vec![region])),
        }
    }
    let accounts: Vec<_> = accounts
        .iter()
        .map(|(account, regions)| format!("{account} ({})", regions.join(", ")))
        .collect();
    accounts.join(", ")
}

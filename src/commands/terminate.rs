//! `cloudctl terminate`: terminates VMs.

use std::time::Duration;

use super::instance_args::{DEFAULT_TIMEOUT, check_accounts, find_instances, note_skipped_clouds, region_selection};
use super::wait::{wait_with_steps, with_goal};
use crate::cloud::{Error, ErrorKind, Instance, InstanceQuery, ListFilter, Result, parse_duration};
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
    context.printer.check(&INSTANCES)?;
    if args.references.is_empty() && args.selectors.is_empty() && !args.expired {
        return Err(Error::invalid("nothing is selected to be terminated")
            .with_hint("name VMs, select them by label with -l key=value, or pass --expired")
            .into());
    }
    let Expired {
        instances: selected,
        errors: unreported,
    } = select_instances(&args, context).await?;
    let dry_run_selection = if args.dry_run { selected.clone() } else { Vec::new() };
    let mut plan = match plan_termination(selected, args.include_unmanaged, args.expect) {
        Ok(plan) => plan,
        Err(refusal) if args.dry_run => return print_refusal(dry_run_selection, refusal, context),
        Err(refusal) => return Err(refusal.into()),
    };
    if args.expired {
        plan = plan.only_expired();
    }
    note_terminating(&plan, args.wait && !args.dry_run, context);
    if args.dry_run {
        let refusal = match check_accounts(plan.to_terminate(), context).await {
            Ok(()) => check_number(&args, &plan, context).err(),
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
            true => check_number(&args, &plan, context)?,
        }
    }

    let clouds = context.clouds();
    let plan = context
        .shutdown
        .run_until_signal(plan.recheck(&|kind| clouds.get(kind)))
        .await?;
    let plan = if args.wait { plan } else { plan.without_terminating() };
    let _section = context.shutdown.enter_critical_section()?;
    let (mut terminated, mut errors) = terminate(&|kind| clouds.get(kind), plan, &context.shutdown).await;
    for instance in &terminated {
        context
            .printer
            .report_step(instance.state.as_str(), &instance.reference.to_string());
    }
    if args.wait {
        let waited = wait_with_steps(with_goal(WaitGoal::Terminated, &terminated), args.timeout, context).await;
        errors.extend(waited.errors);
        let before_wait = terminated;
        terminated = waited.reached.into_iter().chain(waited.unreached).collect();
        // A listing no longer has the disks and ingress rules of an instance that is gone.
        for instance in &mut terminated {
            let before = before_wait.iter().find(|known| known.reference == instance.reference);
            instance.disks = before.map(|known| known.disks.clone()).unwrap_or_default();
            instance.ingress_rules = before.map(|known| known.ingress_rules.clone()).unwrap_or_default();
        }
    }
    let clouds = context.clouds();
    errors.extend(report_kept_disks(&|kind| clouds.get(kind), &terminated, &context.shutdown).await);
    for kept in delete_unused_firewall_rules(&|kind| clouds.get(kind), &terminated, &context.shutdown).await {
        context.printer.note(&kept);
    }
    errors.extend(unreported);
    let status = ExitStatus::from_batch(terminated.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&terminated, errors), &INSTANCES, now)?;
    Ok(status)
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
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&to_terminate, errors), &INSTANCES, now)?;
    Ok(status)
}

/// Prints the selected instances, and why none of them would be terminated.
fn print_refusal(selected: Vec<Instance>, refusal: Error, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let alive: Vec<_> = selected
        .into_iter()
        .filter(|instance| !instance.state.is_gone())
        .collect();
    let status = ExitStatus::from_kind(refusal.kind());
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&alive, vec![refusal]), &INSTANCES, now)?;
    Ok(status)
}

/// Selects the instances that the arguments mean.
async fn select_instances(args: &Args, context: &mut Context) -> anyhow::Result<Expired> {
    let found = |instances| Expired {
        instances,
        errors: Vec::new(),
    };
    if args.selectors.is_empty() && !args.expired {
        let mut resolved = find_instances(&args.references, context).await?;
        resolved.check_unambiguous()?;
        resolved.add_terminating();
        return match resolved.missing_error() {
            Some(error) if args.ignore_not_found && error.kind() == ErrorKind::NotFound => {
                context.printer.note(error.message());
                Ok(found(resolved.instances))
            }
            Some(error) => Err(error.into()),
            None => Ok(found(resolved.instances)),
        };
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
        return Err(inventory
            .gaps
            .into_iter()
            .next()
            .map_or_else(|| Error::invalid("no location"), Error::from)
            .into());
    }
    // An instance is expired whether or not others are listed. A selection by labels and a number need a complete list.
    let needs_complete_list = !args.expired || args.expect.is_some();
    if let Some(gap) = inventory.gaps.first().filter(|_| needs_complete_list) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} did not answer, so the selection may be incomplete; nothing was terminated: {}",
                gap.location, gap.error
            ),
        )
        .with_hint("limit it to the regions that answer with --region, or name the VMs")
        .into());
    }
    let selected = inventory.instances.into_iter();
    let selected: Vec<_> = selected.filter(|instance| selectors.matches(instance)).collect();
    selectors.check_unambiguous()?;
    if !args.expired {
        return Ok(found(selected));
    }
    let clouds = context.clouds();
    let mut expired = find_expired(&|kind| clouds.get(kind), selected).await;
    let gaps = inventory.gaps.into_iter();
    expired.errors.extend(gaps.map(|gap| {
        gap.error
            .with_kind(ErrorKind::Incomplete)
            .context("what is past its time is not known")
    }));
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
        context
            .printer
            .note(&format!("  {}  {name}  {}", instance.reference, instance.state));
    }
    for skipped in plan.skipped() {
        context
            .printer
            .note(&format!("  left out: {}", skipped.to_error().message()));
    }
    let needs_number = to_terminate.len() > MAX_SIMPLE_CONFIRM;
    let question = if needs_number {
        format!("terminate {targets} for good? Type the number to confirm:")
    } else {
        format!("terminate {targets} for good? [y/N]")
    };
    let answer = context.prompt(&question)?.unwrap_or_default();
    let is_confirmed = if needs_number {
        answer == to_terminate.len().to_string()
    } else {
        matches!(answer.to_lowercase().as_str(), "y" | "yes")
    };
    if is_confirmed {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "not confirmed; nothing was terminated")
        .with_hint(if needs_number {
            "answer with their number, or pass -y"
        } else {
            "answer y, or pass -y"
        })
        .into())
}

/// Checks that a script passes `--expect` to terminate many instances by label.
///
/// # Errors
/// `InvalidSpec` if it is missing and there is no terminal to ask on.
fn check_number(args: &Args, plan: &TerminationPlan, context: &Context) -> Result<()> {
    let is_by_label = !args.selectors.is_empty() && !args.expired;
    if !is_by_label
        || args.expect.is_some()
        || plan.to_terminate().len() <= MAX_SIMPLE_CONFIRM
        || context.printer.terminal().input
    {
        return Ok(());
    }
    let to_terminate = plan.to_terminate();
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
        let account = instance.account.as_deref().unwrap_or_default();
        let account = format!("{} {account}", instance.provider).trim_end().to_owned();
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

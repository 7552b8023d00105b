//! `cloudctl terminate`

use std::time::Duration;

use super::targets::{
    DEFAULT_TIMEOUT, check_accounts, duration_argument, find_instances, note_skipped_clouds, region_selection,
};
use super::wait::{wait_with_steps, with_goal};
use crate::cloud::{Error, ErrorKind, Instance, InstanceQuery, ListFilter, ProviderKind, Result};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Expired, LabelSelector, Selectors, SkippedInstance, TerminationPlan, WaitGoal, delete_unused_firewall_rules,
    find_expired, leave_out_protected, list_all, plan_termination, report_kept_disks, terminate,
};
use crate::output::{INSTANCES, Report, display_name};

/// Terminate VMs for good, with their disks
///
/// By name or id, or all VMs made by cloudctl that a label selector fits or whose time is over. Asks before it does so;
/// a script passes -y.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name, id, or provider/region/id of a VM
    #[arg(value_name = "REF", conflicts_with = "selectors")]
    references: Vec<InstanceQuery>,
    /// All of cloudctl's VMs with these labels: key=value, key!=value, key, !key, key in (a,b)
    ///
    /// Several are joined by "and". Text that was taken as a label by create selects it: Roles=app,web is one value.
    /// Double quotes keep special characters in a value: Roles="a=1,b=2".
    #[arg(short = 'l', long = "label", value_name = "SELECTOR")]
    selectors: Vec<LabelSelector>,
    /// All of cloudctl's VMs that are past their TTL by their cloud's own clock; with -l those of them that it selects
    #[arg(long, conflicts_with = "references")]
    expired: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show what would be terminated, and terminate nothing; with the exit code that terminating with -y would have
    #[arg(long)]
    dry_run: bool,
    /// Refuse unless exactly so many VMs are selected; needed for more than 10 by label where nobody can be asked
    #[arg(long, value_name = "N")]
    expect: Option<usize>,
    /// Wait until they are gone, also those that are terminating already
    #[arg(long)]
    wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIMEOUT, value_parser = duration_argument)]
    timeout: Duration,
    /// Do not fail for a REF that does not exist (any more)
    #[arg(long)]
    ignore_not_found: bool,
    /// Also VMs that cloudctl did not make
    #[arg(long)]
    include_unmanaged: bool,
}

/// Above this many VMs the answer to the question is their number, and a script must say `--expect`.
const MANY: usize = 10;

/// Selects, plans, asks, terminates, and reads back.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    if args.references.is_empty() && args.selectors.is_empty() && !args.expired {
        return Err(Error::invalid("nothing is selected to be terminated")
            .with_hint("name VMs, select them by label with -l key=value, or pass --expired")
            .into());
    }
    let Expired {
        instances: selected,
        errors: untold,
    } = select(&args, context).await?;
    let shown = if args.dry_run { selected.clone() } else { Vec::new() };
    let mut plan = match plan_termination(selected, args.include_unmanaged, args.expect) {
        Ok(plan) => plan,
        Err(refusal) if args.dry_run => return print_refusal(shown, refusal, context),
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
        return print_dry_run(plan, refusal, untold, context);
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
    let _change = context.shutdown.enter_critical_section()?;
    let (mut ended, mut errors) = terminate(&|kind| clouds.get(kind), plan, &context.shutdown).await;
    for instance in &ended {
        context
            .printer
            .report_step(instance.state.as_str(), &instance.reference.to_string());
    }
    if args.wait {
        let waited = wait_with_steps(with_goal(WaitGoal::Terminated, &ended), args.timeout, context).await;
        errors.extend(waited.errors);
        let disks = ended;
        ended = waited.reached.into_iter().chain(waited.unreached).collect();
        for instance in &mut ended {
            let before = disks.iter().find(|known| known.reference == instance.reference);
            instance.disks = before.map(|known| known.disks.clone()).unwrap_or_default();
            instance.ingress_rules = before.map(|known| known.ingress_rules.clone()).unwrap_or_default();
        }
    }
    let clouds = context.clouds();
    errors.extend(report_kept_disks(&|kind| clouds.get(kind), &ended, &context.shutdown).await);
    for kept in delete_unused_firewall_rules(&|kind| clouds.get(kind), &ended, &context.shutdown).await {
        context.printer.note(&kept);
    }
    errors.extend(untold);
    let status = ExitStatus::from_batch(ended.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&ended, errors), &INSTANCES, now)?;
    Ok(status)
}

/// Says where there is nothing to terminate, and what is terminating already. `waits` is whether that is waited for.
fn note_terminating(plan: &TerminationPlan, waits: bool, context: &mut Context) {
    let is_nothing = plan.to_terminate().is_empty() && plan.skipped().is_empty();
    let going = match plan.terminating() {
        [] => None,
        [one] => Some(format!("{} is terminating already", one.reference)),
        several => Some(format!("{} are terminating already", format_count(several))),
    };
    match (is_nothing, going) {
        (true, None) => context.printer.note("nothing to terminate"),
        (true, Some(going)) if !waits => context.printer.note(&format!("nothing to terminate: {going}")),
        (_, Some(going)) => context.printer.note(&going),
        (false, None) => {}
    }
}

/// Shows what a plan comes to, with the exit code that carrying it out would have: that of the refusal, if there is one.
fn print_dry_run(
    plan: TerminationPlan,
    refusal: Option<Error>,
    untold: Vec<Error>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let to_terminate = plan.to_terminate().to_vec();
    let refused = refusal.as_ref().map(|refusal| ExitStatus::from_kind(refusal.kind()));
    let skipped = plan.skipped().iter().map(SkippedInstance::to_error);
    let errors: Vec<_> = refusal.into_iter().chain(skipped).chain(untold).collect();
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

/// Shows what was selected, and why none of it would be terminated.
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

async fn select(args: &Args, context: &mut Context) -> anyhow::Result<Expired> {
    let found = |instances| Expired {
        instances,
        errors: Vec::new(),
    };
    if args.selectors.is_empty() && !args.expired {
        let mut selection = find_instances(&args.references, context).await?;
        selection.check_unambiguous()?;
        selection.add_terminating();
        return match selection.missing_error() {
            Some(error) if args.ignore_not_found && error.kind() == ErrorKind::NotFound => {
                context.printer.note(error.message());
                Ok(found(selection.instances))
            }
            Some(error) => Err(error.into()),
            None => Ok(found(selection.instances)),
        };
    }
    let mut selectors = Selectors::new(&args.selectors)?;
    let providers = context.providers_to_query()?;
    let filter = ListFilter {
        // What claims to be ours and is not must be seen to be said.
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
    // What is past its time is so whatever the others are; how many fit, and which by their labels, is not known then.
    let is_whole_needed = !args.expired || args.expect.is_some();
    if let Some(gap) = inventory.gaps.first().filter(|_| is_whole_needed) {
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

/// Asks on the terminal; elsewhere the answer is no.
fn confirm(plan: &TerminationPlan, context: &mut Context) -> anyhow::Result<()> {
    let to_terminate = plan.to_terminate();
    let what = format!("{} in {}", format_count(to_terminate), format_accounts(to_terminate));
    if !context.printer.terminal().input {
        return Err(
            Error::invalid(format!("this would terminate {what}; pass -y to confirm"))
                .with_hint("look at them with --dry-run, then pass -y")
                .into(),
        );
    }
    for instance in to_terminate.iter().take(MANY) {
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
    let many = to_terminate.len() > MANY;
    let question = if many {
        format!("terminate {what} for good? Type the number to confirm:")
    } else {
        format!("terminate {what} for good? [y/N]")
    };
    let answer = context.prompt(&question)?.unwrap_or_default();
    let agreed = if many {
        answer == to_terminate.len().to_string()
    } else {
        matches!(answer.to_lowercase().as_str(), "y" | "yes")
    };
    if agreed {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "not confirmed; nothing was terminated")
        .with_hint(if many {
            "answer with their number, or pass -y"
        } else {
            "answer y, or pass -y"
        })
        .into())
}

/// Where nobody can be asked, many that were selected by their labels are terminated only by their number.
fn check_number(args: &Args, plan: &TerminationPlan, context: &Context) -> Result<()> {
    let is_by_label = !args.selectors.is_empty() && !args.expired;
    if !is_by_label || args.expect.is_some() || plan.to_terminate().len() <= MANY || context.printer.terminal().input {
        return Ok(());
    }
    let to_terminate = plan.to_terminate();
    // What is protected counts as selected.
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

/// The accounts that instances are in: `aws 123456789012 (us-east-1), gcp acme-dev (us-central1)`.
fn format_accounts(instances: &[Instance]) -> String {
    let mut accounts: Vec<(ProviderKind, String, Vec<&str>)> = Vec::new();
    for instance in instances {
        let account = instance.account.clone().unwrap_or_default();
        let region = instance.region.as_str();
        match accounts
            .iter_mut()
            .find(|(kind, known, _)| *kind == instance.provider && *known == account)
        {
            Some((_, _, regions)) if regions.contains(&region) => {}
            Some((_, _, regions)) => regions.push(region),
            None => accounts.push((instance.provider, account, vec![region])),
        }
    }
    let accounts: Vec<_> = accounts
        .iter()
        .map(|(kind, account, regions)| format!("{} ({})", format!("{kind} {account}").trim_end(), regions.join(", ")))
        .collect();
    accounts.join(", ")
}

//! Arguments and functions that several commands share: instance queries, regions, account checks and gaps.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cloud::{Error, Gap, Instance, InstanceQuery, Provider, Result, SkippedCloud, parse_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{RegionSelection, ResolvedInstances, check_account, group_by_provider, resolve};
use crate::output::{ColumnSet, INSTANCES, Record, Report, format_expiry, no_enforcer_warning};

/// The default of `--timeout`.
pub(super) const DEFAULT_TIMEOUT: &str = "5m";

/// Instances by name or id.
#[derive(Args, Clone, Debug)]
pub(super) struct InstanceArgs {
    /// Name, id, or provider/region/id of a VM
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<InstanceQuery>,
}

/// Parses the value of `--ttl`: a duration in whole seconds, and not zero.
///
/// # Errors
/// `InvalidSpec` for anything else.
pub(super) fn parse_ttl(text: &str) -> Result<Duration> {
    let ttl = parse_duration(text)?;
    if ttl.is_zero() {
        return Err(Error::invalid(format!("a TTL of {text} would end the VM at once"))
            .with_hint("give it time, such as 2h, or end it with `cloudctl terminate`"));
    }
    if ttl.subsec_nanos() != 0 {
        return Err(Error::invalid(format!("a TTL of {text} is not in whole seconds"))
            .with_hint("write it as 90s, 15m, 2h or 7d"));
    }
    Ok(ttl)
}

/// Prints when VMs expire that were just created or extended. Always warns about VMs that only cloudctl terminates.
pub(super) fn print_expiry(instances: &[Instance], context: &mut Context) {
    let now = context.now();
    if let Some(text) = format_expiry(instances, now) {
        context.printer.note_on_terminal(&text);
    }
    if let Some(text) = no_enforcer_warning(instances) {
        context.printer.warn(&text);
    }
}

/// The regions and the zone of the settings.
pub(super) fn region_selection(context: &Context) -> RegionSelection {
    RegionSelection {
        regions: context.settings.regions.value.clone().unwrap_or_default(),
        zone: context.settings.zone.value.clone(),
    }
}

/// Finds the instances that the queries mean. Warns about locations that did not answer.
pub(super) async fn find_instances(references: &[InstanceQuery], context: &mut Context) -> Result<ResolvedInstances> {
    // A full reference names its cloud. Other queries are looked for everywhere.
    let providers = match references.iter().all(|reference| reference.scope.is_some()) {
        true => Vec::new(),
        false => context.providers_to_query()?,
    };
    for reference in references {
        if let Some((kind, _)) = &reference.scope {
            context.cloud(*kind)?;
        }
    }
    let selection = region_selection(context);
    let clouds = context.clouds();
    let resolved = resolve(references, &providers, &|kind| clouds.get(kind), &selection).await?;
    note_skipped_clouds(&resolved.skipped, context);
    for gap in &resolved.gaps {
        warn_about_gap(gap, context);
    }
    Ok(resolved)
}

/// Finds the instances that the queries mean.
///
/// # Errors
/// `NotFound` if a query means none.
pub(super) async fn find_all(references: &[InstanceQuery], context: &mut Context) -> Result<Vec<Instance>> {
    find_instances(references, context).await?.into_all()
}

/// Finds the instances that the queries mean, to change them.
///
/// # Errors
/// `NotFound` if a query means none. `Refused` if a name may mean another instance in a location that did not answer.
pub(super) async fn find_for_change(references: &[InstanceQuery], context: &mut Context) -> Result<Vec<Instance>> {
    let resolved = find_instances(references, context).await?;
    resolved.check_unambiguous()?;
    resolved.into_all()
}

/// Checks the expected account of every cloud that has one of these instances, before any of them is changed.
pub(super) async fn check_accounts(instances: &[Instance], context: &Context) -> Result<()> {
    for kind in group_by_provider(instances).into_keys() {
        check_account_of(context.clouds().get(kind), context).await?;
    }
    Ok(())
}

/// Checks the expected account of one cloud.
pub(super) async fn check_account_of(provider: Arc<dyn Provider>, context: &Context) -> Result<()> {
    check_account(provider.as_ref(), context.settings.expected_account(provider.info())).await
}

/// Prints a warning about a location that did not answer.
pub(super) fn warn_about_gap(gap: &Gap, context: &mut Context) {
    let (location, error) = (&gap.location, &gap.error);
    let code = error.code().map(|code| format!(" ({code})")).unwrap_or_default();
    context.printer.warn(&format!("{location}: {error}{code}"));
}

/// Prints which clouds were not queried, and why.
pub(super) fn note_skipped_clouds(skipped: &[SkippedCloud], context: &mut Context) {
    for SkippedCloud { provider, reason } in skipped {
        context.printer.note(&format!("{provider} is left out: {reason}"));
    }
}

/// Prints results and errors, and gives the exit status of the batch.
///
/// # Errors
/// Those of writing.
pub(super) fn print_batch(report: &Report, view: &ColumnSet, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.print_report(report, view)?;
    Ok(ExitStatus::from_batch(report.items.len(), &report.errors))
}

/// Prints the instances that were changed, and the errors of the others, and gives the exit status of the batch.
///
/// # Errors
/// Those of writing.
pub(super) fn print_changed(
    instances: &[Instance],
    errors: Vec<Error>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    print_batch(&Report::from_instances(instances, errors), &INSTANCES, context)
}

/// Prints the items that the clouds listed, and warns about those that did not answer. With gaps the exit code is that of an
/// incomplete list; without any item, that of the errors.
///
/// # Errors
/// Those of writing.
pub(super) fn finish_listing(
    items: Vec<Record>,
    gaps: Vec<Gap>,
    view: &ColumnSet,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let nothing_answered = items.is_empty() && !gaps.is_empty();
    let report = Report {
        items,
        errors: gaps.iter().cloned().map(Error::from).collect(),
    };
    if nothing_answered {
        return print_batch(&report, view, context);
    }
    let now = context.now();
    context.printer.print_items(&report, view, now)?;
    if gaps.is_empty() {
        return Ok(ExitStatus::DONE);
    }
    for gap in &gaps {
        warn_about_gap(gap, context);
    }
    context.printer.warn("the list is incomplete");
    Ok(ExitStatus::PARTIAL)
}

//! Arguments and functions that several commands share: which instances are meant, regions, account checks and gaps.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::vm_name_cache::ListedNames;
use crate::cloud::{
    Area, Error, Gap, Instance, InstanceQuery, Provider, ProviderKind, Result, SkippedCloud, join_with_or,
    parse_duration, quoted,
};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Filter, LabelSelector, RegionSelection, ResolvedInstances, Selection, SelectionQuery, ambiguous_error,
    check_account, group_by_provider, resolve,
};
use crate::output::{ColumnSet, INSTANCES, Record, Report, format_expiry, no_enforcer_warning};

/// The default of `--timeout`.
pub(super) const DEFAULT_TIMEOUT: &str = "5m";

/// Instances by name or id, or all that match selectors and filters.
#[derive(Args, Clone, Debug)]
pub(super) struct InstanceArgs {
    /// Name, id, or provider/region/id of a VM, or a quoted pattern of names such as 'web-*'
    #[arg(
        value_name = "REF",
        required_unless_present_any = ["selectors", "filters"],
        conflicts_with_all = ["selectors", "filters"]
    )]
    references: Vec<InstanceQuery>,
    #[command(flatten)]
    conditions: ConditionArgs,
}

impl InstanceArgs {
    /// The instances that are meant.
    pub(super) fn to_selection(&self) -> Selection {
        self.conditions.to_selection(&self.references)
    }
}

/// Conditions on instances.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ConditionArgs {
    /// VMs with all of these labels: k=v, k!=v, k, !k, 'k in (a,b)'
    ///
    /// Also 'key notin (a,b)'. Several are joined by "and", in one -l with commas or in an -l each: -l team=blue -l role=web selects VMs that have
    /// both. For one of several values write 'role in (web,worker)'. A text that create accepts as a label selects that
    /// label: Roles=app,web is one value. Double quotes keep special characters in a value: Roles="a=1,b=2".
    #[arg(short = 'l', long = "label", value_name = "SELECTOR", help_heading = "What")]
    pub(super) selectors: Vec<LabelSelector>,
    /// VMs whose fields match: state=running,age>2h,name=web-*
    ///
    /// With -l those that match both. A label is a field, too: label.env~ci.
    #[arg(long = "filter", value_name = "FILTER", help_heading = "What")]
    pub(super) filters: Vec<Filter>,
}

impl ConditionArgs {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.selectors.is_empty() && self.filters.is_empty()
    }

    /// The instances that these queries mean and that meet the conditions.
    pub(super) fn to_selection(&self, queries: &[InstanceQuery]) -> Selection {
        Selection {
            queries: queries.to_vec(),
            selectors: self.selectors.clone(),
            filters: self.filters.clone(),
            only_managed: false,
        }
    }
}

/// The error for VMs that are both named and selected by conditions; `command` shows the second form.
pub(super) fn named_and_selected_error(command: &str) -> Error {
    Error::invalid("VMs are both named and selected with -l or --filter")
        .with_hint(format!("name the VMs, or select them: cloudctl {command}"))
}

/// Parses the value of `--ttl`: a duration in whole seconds, and not zero.
///
/// # Errors
/// `InvalidSpec` for anything else.
pub(super) fn parse_ttl(text: &str) -> Result<Duration> {
    let ttl = parse_duration(text)?;
    if ttl.is_zero() {
        return Err(Error::invalid(format!("a TTL of {text} would end the VM at once"))
            .with_hint("pass a TTL such as 2h, or terminate the VM with `cloudctl terminate`"));
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

/// The clouds to list for the queries without a scope; none if every query has one. Refuses flags that contradict a scope.
///
/// # Errors
/// `InvalidSpec` for such a flag, and for a setting of one of these clouds that cannot be read.
pub(super) fn check_flags_and_list_providers(
    selection: &Selection,
    context: &Context,
) -> Result<Vec<Arc<dyn Provider>>> {
    for query in &selection.queries {
        if let Some((kind, scope)) = &query.scope {
            check_scope_flags(query, *kind, scope, context)?;
            context.cloud(*kind)?;
        }
    }
    match selection.names_each_cloud() {
        true => Ok(Vec::new()),
        false => context.providers_to_query(),
    }
}

/// Checks that no flag contradicts the cloud and the region or zone that a query names. A default of the settings does not
/// count.
fn check_scope_flags(query: &InstanceQuery, kind: ProviderKind, scope: &str, context: &Context) -> Result<()> {
    let settings = &context.settings;
    let contradiction = |flag: &str, value: &str| {
        Err(Error::invalid(format!("{flag} {} contradicts {query}", quoted(value)))
            .with_hint("leave the flag out: a full reference names its own cloud and region"))
    };
    if settings.providers.source.is_flag()
        && let Some(kinds) = &settings.providers.value
        && !kinds.contains(&kind)
    {
        return contradiction("--provider", &join_with_or(kinds));
    }
    let area_of = context.info(kind).area_of;
    let has_scope = |region: &String| {
        let is_area = region.parse().is_ok_and(|area: Area| area_of(scope) == Some(area));
        is_area || is_region_or_zone_of(scope, region)
    };
    if settings.regions.source.is_flag()
        && let Some(regions) = &settings.regions.value
        && !regions.iter().any(has_scope)
    {
        return contradiction("--region", &regions.join(","));
    }
    if settings.zone.source.is_flag()
        && let Some(zone) = &settings.zone.value
        && zone != scope
        // A name or an id means one VM; a pattern would mean those of the other zones too.
        && (query.is_glob() || !is_region_or_zone_of(zone, scope))
    {
        return contradiction("--zone", zone);
    }
    Ok(())
}

/// Whether a scope is this region, or one of its zones: `us-east-1a`, `europe-west1-b`.
fn is_region_or_zone_of(scope: &str, region: &str) -> bool {
    let rest = scope.strip_prefix(region);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// Finds the instances of a selection. Warns about locations that did not answer, unless that leaves open which instances
/// are selected: then the caller decides.
pub(super) async fn find_instances(selection: &Selection, context: &mut Context) -> Result<ResolvedInstances> {
    let providers = check_flags_and_list_providers(selection, context)?;
    let catalog = match selection.needs_catalog() {
        true => Some(context.catalog()),
        false => None,
    };
    let (regions, now) = (region_selection(context), context.now());
    let clouds = context.clouds();
    let listed = ListedNames::default();
    let query = SelectionQuery {
        selection,
        providers: &providers,
        connect: &|kind| clouds.get(kind),
        regions: &regions,
        is_shown: &|_| true,
        on_listed: &|instances| listed.add(instances),
        now,
        catalog: catalog.as_deref(),
    };
    let resolved = resolve(&query).await?;
    listed.keep(&context.settings.environment);
    note_skipped_clouds(&resolved.skipped, context);
    for gap in &resolved.gaps {
        warn_about_gap(gap, context);
    }
    Ok(resolved)
}

/// Finds the only instance that a query means.
///
/// # Errors
/// `NotFound` if it means none. `Ambiguous` if it means several. `Incomplete` if a location did not answer that may have
/// more for a pattern.
pub(super) async fn find_one(query: InstanceQuery, context: &mut Context) -> Result<Instance> {
    let selection = Selection {
        queries: vec![query.clone()],
        ..Selection::default()
    };
    let resolved = find_instances(&selection, context).await?;
    // Another location may have another VM that matches the pattern.
    let incomplete = resolved.incomplete_error();
    let found = resolved.into_all()?;
    match <[Instance; 1]>::try_from(found) {
        Ok([instance]) => incomplete.map_or(Ok(instance), Err),
        Err(several) => Err(ambiguous_error(&query, &several)),
    }
}

/// Finds the instances of a selection, to change them. Patterns, selectors and filters select only what cloudctl created; if
/// selectors and filters select nothing, it prints that there is nothing to do, with `verb` as the word for the change.
///
/// # Errors
/// `NotFound` if a query means none. `Refused` if it is not certain which instances are meant, because a location did not
/// answer, or because each of several selectors matches instances and all together match none.
pub(super) async fn find_for_change(selection: Selection, verb: &str, context: &mut Context) -> Result<Vec<Instance>> {
    let selection = Selection {
        only_managed: true,
        ..selection
    };
    let resolved = find_instances(&selection, context).await?;
    resolved.check_certain()?;
    if let Some(reason) = resolved.describe_empty() {
        context.printer.note(&format!("nothing to {verb}: {reason}"));
    }
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

//! `cloudctl list`: lists VMs, or sums what they cost.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use super::ansible_inventory::build_inventory;
use super::host_names::warn_about_names;
use super::instance_args::{
    ConditionArgs, check_flags_and_list_providers, note_skipped_clouds, print_batch, region_selection, warn_about_gap,
};
use super::list_watch::{DEFAULT_INTERVAL, ListWatch, check_watch_output, parse_interval};
use super::price_list::monthly_price;
use super::vm_name_cache::ListedNames;
use super::wait_progress::name_or_reference;
use crate::catalog::Catalog;
use crate::cloud::{
    Error, ErrorKind, Gap, Instance, InstanceQuery, InstanceState, ListFilter, Provider, ProviderKind, Result,
    check_selectable, join_with_or,
};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Cost, FILLED_IN_FIELDS, Inventory, SelectedListing, Selection, SelectionMatcher, SelectionQuery, SortOrder,
    fill_in_all_prices, pause, stream_all, sum_costs,
};
use crate::output::{COSTS, ColumnSet, INSTANCES, Record, Report};

/// List VMs of all regions of all clouds
///
/// Queries every enabled region of every cloud whose credentials are found, all at the same time. If a location does not
/// answer, a warning names it and the exit code is 7.
///
/// -o ansible prints an inventory for Ansible of the VMs that run, with the arguments of ssh that accept only their known host keys.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Only VMs of this name, id, or provider/region/id, or whose name matches a quoted pattern such as 'web-*' [default: all]
    #[arg(value_name = "REF")]
    references: Vec<InstanceQuery>,
    #[command(flatten)]
    conditions: ConditionArgs,
    /// Order by these fields; a hyphen reverses a field [default: provider,region,name,id]
    ///
    /// With -o jsonl the default is no order: VMs are printed as soon as their region answers.
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true, help_heading = "Output")]
    sort: Option<SortOrder>,
    /// Also VMs that are gone but still listed by their cloud
    #[arg(short, long, help_heading = "What")]
    all: bool,
    /// Only VMs created by cloudctl
    #[arg(long, help_heading = "What")]
    managed: bool,
    /// Sum what they cost by the values of this label, or by cloud if none is named
    ///
    /// Stopped VMs are counted apart: they cost only their disks. VMs of unknown price are counted too, but not in the sum:
    /// spot VMs on AWS, systems with a licence fee, unknown machine types.
    #[arg(long, value_name = "LABEL", num_args = 0..=1, default_missing_value = BY_CLOUD, help_heading = "Output")]
    cost: Option<String>,
    /// List again and again until Ctrl-C, and draw the table in place; with -o jsonl print what changes
    ///
    /// On a terminal `+` marks a new VM, `~` one that has changed, and `?` one whose location did not answer. With -o jsonl each
    /// line is a VM with the field "event": added, changed or removed; all VMs of the first listing are "added". A location
    /// that does not answer is named once, and its VMs are kept. Ctrl-C ends it with exit code 130, as for every command that only reads.
    #[arg(long, conflicts_with = "cost", help_heading = "Output")]
    watch: bool,
    /// The pause between two listings, at least 1s
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_INTERVAL, value_parser = parse_interval, requires = "watch", help_heading = "Output")]
    interval: Duration,
}

/// The value of `--cost` without a label.
const BY_CLOUD: &str = "";

/// The order if none is requested.
const DEFAULT_SORT: &str = "provider,region,name,id";

impl Args {
    /// Which instances are listed.
    fn to_selection(&self) -> Selection {
        Selection {
            only_managed: self.managed,
            ..self.conditions.to_selection(&self.references)
        }
    }

    /// Whether the output, a filter or the order needs a field that the catalog fills in.
    fn needs_catalog(&self, selection: &Selection, context: &Context) -> bool {
        let is_sorted_by = |field: &str| self.sort.iter().any(|sort| sort.uses_field(field));
        self.cost.is_some()
            || context.printer.shows_any(&INSTANCES, &FILLED_IN_FIELDS)
            || selection.needs_catalog()
            || FILLED_IN_FIELDS.into_iter().any(is_sorted_by)
    }

    /// The requested order, or else the default.
    fn sort_order(&self) -> Result<SortOrder> {
        match &self.sort {
            Some(sort) => Ok(sort.clone()),
            None => DEFAULT_SORT.parse(),
        }
    }

    /// Whether an instance that is selected is shown.
    fn shows(&self, instance: &Instance) -> bool {
        (self.all || instance.state != InstanceState::Terminated) && (!self.managed || instance.managed)
    }
}

/// Lists instances, and names the locations that did not answer.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let view = if args.cost.is_some() { &COSTS } else { &INSTANCES };
    context.printer.check_format(view)?;
    if args.watch {
        check_watch_output(&context.printer)?;
    }
    if let Some(label) = &args.cost {
        check_selectable(label)?;
    }
    let selection = args.to_selection();
    if context.printer.prints_inventory() && args.cost.is_some() {
        let error = Error::invalid("-o ansible is an inventory of VMs, and --cost prints sums");
        return Err(error.with_hint("leave one of the two out").into());
    }
    let catalog = args.needs_catalog(&selection, context).then(|| context.catalog());
    let catalog = catalog.as_deref();
    let providers = check_flags_and_list_providers(&selection, context)?;
    if args.watch {
        return list_repeatedly(&args, &selection, &providers, catalog, context).await;
    }
    if args.sort.is_none() && args.cost.is_none() && context.printer.streams() && !selection.names_any_scope() {
        let streamed = stream_pages(&args, &selection, &providers, catalog, context).await?;
        let Some((listing, printed)) = streamed else {
            // The reader of the output closed the pipe.
            return Ok(ExitStatus::DONE);
        };
        return print_listing(Vec::new(), printed, &INSTANCES, &listing, context);
    }
    let mut listing = list_matching(&args, &selection, &providers, catalog, context).await?;
    if let Some(label) = &args.cost {
        let label = match label.as_str() {
            BY_CLOUD => None,
            label => Some(label),
        };
        let costs = sum_costs(&listing.inventory.instances, label);
        let items = costs.iter().map(cost_record).collect();
        return print_listing(items, 0, &COSTS, &listing, context);
    }
    if context.printer.prints_inventory() {
        return print_inventory(listing, context);
    }
    let now = context.now();
    args.sort_order()?.sort(&mut listing.inventory.instances, now);
    // Frees each instance once it has a record: there can be very many.
    let instances = std::mem::take(&mut listing.inventory.instances).into_iter();
    let items = instances.map(|instance| Record::from(&instance)).collect();
    print_listing(items, 0, &INSTANCES, &listing, context)
}

/// Lists repeatedly until a signal ends the process, or nobody reads the output any more. A first listing without any
/// answer ends like that of a single list; a later one is a gap like any other.
async fn list_repeatedly(
    args: &Args,
    selection: &Selection,
    providers: &[Arc<dyn Provider>],
    catalog: Option<&Catalog>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let mut watch = ListWatch::new(args.interval, args.sort_order()?);
    loop {
        let is_first = !watch.has_listed();
        let inventory = match list_matching(args, selection, providers, catalog, context).await {
            Ok(listing) if is_first && listing.inventory.nothing_answered() => {
                return print_listing(Vec::new(), 0, &INSTANCES, &listing, context);
            }
            Ok(listing) => listing.inventory,
            // About the selection, and not about a cloud.
            Err(error) if error.kind() == ErrorKind::InvalidSpec => return Err(error.into()),
            Err(error) if !is_first => build_unanswered_inventory(selection, providers, &error),
            Err(error) => return Err(error.into()),
        };
        watch.show(inventory, context)?;
        if context.printer.is_closed() {
            return Ok(ExitStatus::DONE);
        }
        pause(args.interval).await;
    }
}

/// The inventory of clouds that all failed with this error.
fn build_unanswered_inventory(selection: &Selection, providers: &[Arc<dyn Provider>], error: &Error) -> Inventory {
    let mut kinds: BTreeSet<ProviderKind> = providers.iter().map(|provider| provider.kind()).collect();
    let scopes = selection.queries.iter().filter_map(|query| query.scope.as_ref());
    kinds.extend(scopes.map(|(kind, _)| *kind));
    Inventory {
        gaps: kinds.into_iter().map(|kind| Gap::new(error.clone(), kind)).collect(),
        ..Inventory::default()
    }
}

/// Lists the instances that the arguments select, with their prices, and shows progress.
async fn list_matching(
    args: &Args,
    selection: &Selection,
    providers: &[Arc<dyn Provider>],
    catalog: Option<&Catalog>,
    context: &mut Context,
) -> Result<SelectedListing> {
    let (regions, now) = (region_selection(context), context.now());
    let (printer, clouds) = context.printer_and_clouds();
    let listed = ListedNames::default();
    let query = SelectionQuery {
        selection,
        providers,
        connect: &|kind| clouds.get(kind),
        regions: &regions,
        is_shown: &|instance| args.shows(instance),
        on_listed: &|instances| listed.add(instances),
        now,
        catalog,
    };
    let (mut answered, mut found) = (0, 0);
    let mut on_answer = |instances| {
        answered += 1;
        found += instances;
        // A watch has drawn its table where the progress would be.
        if !args.watch {
            printer.show_progress(&format!("{} answered, VMs: {found}", format_locations(answered)));
        }
    };
    let listings = query.list(&mut on_answer).await;
    if !args.watch {
        printer.end_progress();
    }
    listed.keep(&context.settings.environment);
    Ok(merge_listings(listings?))
}

/// Puts the listings of all scopes together. They can overlap.
fn merge_listings(listings: Vec<SelectedListing>) -> SelectedListing {
    let mut merged = SelectedListing::default();
    let (mut shown, mut gap_locations) = (HashSet::new(), HashSet::new());
    let is_only_one = listings.len() == 1;
    for mut listing in listings {
        if !is_only_one {
            let inventory = &mut listing.inventory;
            inventory
                .instances
                .retain(|instance| shown.insert(instance.reference.clone()));
            inventory
                .gaps
                .retain(|gap| gap_locations.insert(gap.location.to_string()));
        }
        merged.inventory.merge(listing.inventory);
        merged.unmatched_names.extend(listing.unmatched_names);
        merged.outcome.merge(listing.outcome);
    }
    merged
}

fn cost_record(cost: &Cost) -> Record {
    Record::new(vec![
        ("group", json!(cost.group)),
        ("running", json!(cost.running)),
        ("unknown", json!(cost.unknown)),
        ("stopped", json!(cost.stopped)),
        ("usd_per_hour", json!(cost.usd_per_hour)),
        ("usd_per_month", json!(cost.usd_per_hour.map(monthly_price))),
    ])
}

/// Prints each page as it comes, and keeps none. Gives what was listed without the VMs, and how many were printed; `None` if
/// the reader of the output closed the pipe.
async fn stream_pages(
    args: &Args,
    selection: &Selection,
    providers: &[Arc<dyn Provider>],
    catalog: Option<&Catalog>,
    context: &mut Context,
) -> anyhow::Result<Option<(SelectedListing, usize)>> {
    let (regions, now) = (region_selection(context), context.now());
    let filter = ListFilter {
        managed: args.managed,
        ..selection.to_list_filter(&selection.queries)
    };
    let mut matcher = SelectionMatcher::new(selection, now)?;
    let printer = &mut context.printer;
    let (mut count, mut failure) = (0, None);
    let listed = ListedNames::default();
    let mut print = |mut page: Vec<Instance>| {
        if filter.names.is_empty() {
            listed.add(&page);
        }
        fill_in_all_prices(&mut page, catalog);
        page.retain(|instance| args.shows(instance) && matcher.matches(instance));
        // Nothing is printed that is not certain to match.
        if matcher.check_certain().is_err() {
            return ControlFlow::Break(());
        }
        let part = Report {
            items: page.iter().map(Record::from).collect(),
            errors: Vec::new(),
        };
        count += part.items.len();
        failure = printer.print_items(&part, &INSTANCES, now).err();
        match failure.is_some() || printer.is_closed() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let inventory = stream_all(providers, &regions, &filter, &mut print).await?;
    listed.keep(&context.settings.environment);
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let Some(inventory) = inventory else {
        // Perhaps the printing ended because it was not certain what matches.
        matcher.check_certain()?;
        return Ok(None);
    };
    Ok(Some((SelectedListing::new(inventory, matcher)?, count)))
}

/// Prints the rest of the output, and names the locations that did not answer and the names that were not found.
/// `already_printed` counts the items before.
fn print_listing(
    items: Vec<Record>,
    already_printed: usize,
    view: &ColumnSet,
    listing: &SelectedListing,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let inventory = &listing.inventory;
    note_skipped_clouds(&inventory.skipped, context);
    let gaps = &inventory.gaps;
    let missing = missing_error(&listing.unmatched_names, gaps.is_empty());
    let mut report = Report {
        items,
        errors: gaps.iter().cloned().map(Error::from).collect(),
    };
    report.errors.extend(missing.clone());
    if inventory.nothing_answered() {
        return print_batch(&report, view, context);
    }
    let now = context.now();
    context.printer.print_items(&report, view, now)?;
    if let Some(error) = &missing {
        context.printer.report_error(error);
    }
    if gaps.is_empty() {
        if let Some(error) = missing {
            return Ok(ExitStatus::from_kind(error.kind()));
        }
        if report.items.is_empty() && already_printed == 0 {
            context.printer.note(&listing.outcome.describe_empty());
        }
        return Ok(ExitStatus::DONE);
    }
    for gap in gaps {
        warn_about_gap(gap, context);
    }
    let locations = format_locations(inventory.queried.max(gaps.len()));
    let warning = format!("the list is incomplete: {} of {locations} did not answer", gaps.len());
    context.printer.warn(&warning);
    Ok(ExitStatus::PARTIAL)
}

/// Prints the VMs that run as an inventory for Ansible, and says what it lacks.
fn print_inventory(mut listing: SelectedListing, context: &mut Context) -> anyhow::Result<ExitStatus> {
    if listing.inventory.nothing_answered() {
        return print_listing(Vec::new(), 0, &INSTANCES, &listing, context);
    }
    let instances = std::mem::take(&mut listing.inventory.instances);
    let inventory = build_inventory(instances, &listing.inventory.gaps, context)?;
    context.printer.print_document(&inventory.document)?;
    warn_about_names(&inventory.hosts, "", context);
    for instance in &inventory.without_address {
        let warning = format!("{} is left out: it has no address", name_or_reference(instance));
        context.printer.warn(&warning);
    }
    if inventory.without_host_key > 0 {
        let note = format!(
            "VMs without a known host key, which ssh refuses: {}; `cloudctl ssh-config` reads them",
            inventory.without_host_key
        );
        context.printer.note(&note);
    }
    let status = print_listing(Vec::new(), inventory.hosts.len(), &INSTANCES, &listing, context)?;
    Ok(match (status, inventory.without_address.is_empty()) {
        (ExitStatus::DONE, false) => ExitStatus::PARTIAL,
        (status, _) => status,
    })
}

/// The error for names and ids that match nothing; `None` if there are none.
fn missing_error(names: &[InstanceQuery], is_complete: bool) -> Option<Error> {
    if names.is_empty() {
        return None;
    }
    let names = join_with_or(names);
    Some(match is_complete {
        true => Error::new(ErrorKind::NotFound, format!("no VM is called {names}"))
            .with_hint("leave the name out to see all VMs, and add --all to see those that are gone"),
        false => Error::new(
            ErrorKind::Incomplete,
            format!("no VM called {names} was found, but not every location answered"),
        ),
    })
}

fn format_locations(count: usize) -> String {
    if count == 1 {
        "1 location".to_owned()
    } else {
        format!("{count} locations")
    }
}

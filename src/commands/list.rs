//! `cloudctl list`: lists VMs, or sums what they cost.

use std::ops::ControlFlow;
use std::sync::Arc;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use serde_json::json;

use super::instance_args::{note_skipped_clouds, print_batch, region_selection, warn_about_gap};
use super::price_list::monthly_price;
use crate::catalog::Catalog;
use crate::cloud::{Error, Instance, InstanceState, ListFilter, Provider, check_selectable};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Cost, FILLED_IN_FIELDS, Filter, Inventory, LabelSelector, Selectors, SortOrder, fill_in_prices,
    list_all_with_progress, stream_all, sum_costs,
};
use crate::output::{COSTS, ColumnSet, INSTANCES, Record, Report};

/// List VMs of all regions of all clouds
///
/// Queries every enabled region of every cloud whose credentials are found, all at the same time. If a location does not
/// answer, a warning names it and the exit code is 7.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Only VMs with these labels: key=value, key!=value, key, !key, key in (a,b)
    ///
    /// Several are joined by "and". A text that create accepts as a label selects that label: Roles=app,web is one value.
    /// Double quotes keep special characters in a value: Roles="a=1,b=2".
    #[arg(short = 'l', long = "label", value_name = "SELECTOR")]
    selectors: Vec<LabelSelector>,
    /// Only VMs whose fields match: state=running,age>2h,label.env~ci
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// Order by these fields; a hyphen reverses a field [default: provider,region,name,id]
    ///
    /// With -o jsonl the default is no order: VMs are printed as soon as their region answers.
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<SortOrder>,
    /// Also VMs that are gone but still listed by their cloud
    #[arg(short, long)]
    all: bool,
    /// Only VMs created by cloudctl
    #[arg(long)]
    managed: bool,
    /// Sum what they cost by the values of this label, or by cloud if none is named
    ///
    /// Stopped VMs are counted apart: they cost only their disks. VMs of unknown price are counted too, but not in the sum:
    /// spot VMs on AWS, systems with a licence fee, unknown machine types.
    #[arg(long, value_name = "LABEL", num_args = 0..=1, default_missing_value = BY_CLOUD)]
    cost: Option<String>,
}

/// The value of `--cost` without a label.
const BY_CLOUD: &str = "";

/// The order if none is requested.
const DEFAULT_SORT: &str = "provider,region,name,id";

impl Args {
    /// Whether the output, a filter or the order needs a field that the catalog fills in.
    fn needs_catalog(&self, context: &Context) -> bool {
        let is_compared = |field: &str| {
            self.filter.iter().any(|filter| filter.uses_field(field))
                || self.sort.iter().any(|sort| sort.uses_field(field))
        };
        self.cost.is_some()
            || context.printer.shows_any(&INSTANCES, &FILLED_IN_FIELDS)
            || FILLED_IN_FIELDS.into_iter().any(is_compared)
    }

    /// Whether an instance is to be listed.
    fn matches(&self, instance: &Instance, selectors: &mut Selectors<'_>, now: Timestamp) -> bool {
        (self.all || instance.state != InstanceState::Terminated)
            && self.filter.iter().all(|filter| filter.matches(instance, now))
            && selectors.matches(instance)
    }
}

/// Lists instances, and names the locations that did not answer.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let view = if args.cost.is_some() { &COSTS } else { &INSTANCES };
    context.printer.check_format(view)?;
    if let Some(label) = &args.cost {
        check_selectable(label)?;
    }
    let mut selectors = Selectors::new(&args.selectors)?;
    let catalog = args.needs_catalog(context).then(|| context.catalog());
    let catalog = catalog.as_deref();
    let providers = context.providers_to_query()?;
    let filter = ListFilter {
        managed: args.managed,
        ..ListFilter::default()
    };
    if args.sort.is_none() && args.cost.is_none() && context.printer.streams() {
        let streamed = stream_pages(&args, &mut selectors, &providers, &filter, catalog, context).await?;
        let Some((inventory, printed)) = streamed else {
            // The reader of the output closed the pipe.
            return Ok(ExitStatus::DONE);
        };
        selectors.check_unambiguous()?;
        return print_listing(Vec::new(), printed, &INSTANCES, &inventory, context);
    }
    let mut inventory = list_with_progress(&providers, &filter, context).await?;
    let now = context.now();
    fill_in_all_prices(&mut inventory.instances, catalog);
    inventory
        .instances
        .retain(|instance| args.matches(instance, &mut selectors, now));
    selectors.check_unambiguous()?;
    if let Some(label) = &args.cost {
        let label = match label.as_str() {
            BY_CLOUD => None,
            label => Some(label),
        };
        let costs = sum_costs(&inventory.instances, label);
        let items = costs.iter().map(cost_record).collect();
        return print_listing(items, 0, &COSTS, &inventory, context);
    }
    let sort = match &args.sort {
        Some(sort) => sort.clone(),
        None => DEFAULT_SORT.parse()?,
    };
    sort.sort(&mut inventory.instances, now);
    // Frees each instance once it has a record: there can be very many.
    let instances = std::mem::take(&mut inventory.instances).into_iter();
    let items = instances.map(|instance| Record::from(&instance)).collect();
    print_listing(items, 0, &INSTANCES, &inventory, context)
}

/// Lists instances, and shows progress.
async fn list_with_progress(
    providers: &[Arc<dyn Provider>],
    filter: &ListFilter,
    context: &mut Context,
) -> anyhow::Result<Inventory> {
    let selection = region_selection(context);
    let (mut answered, mut found) = (0, 0);
    let printer = &mut context.printer;
    let mut on_answer = |instances| {
        answered += 1;
        found += instances;
        printer.show_progress(&format!("{} answered, VMs: {found}", format_locations(answered)));
    };
    let inventory = list_all_with_progress(providers, &selection, filter, &mut on_answer).await;
    context.printer.end_progress();
    Ok(inventory?)
}

/// Fills in the prices of all instances, if there is a catalog.
fn fill_in_all_prices(instances: &mut [Instance], catalog: Option<&Catalog>) {
    if let Some(catalog) = catalog {
        for instance in instances {
            fill_in_prices(instance, catalog);
        }
    }
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

/// Prints each page as it comes, and keeps none. Gives the gaps and skipped clouds, and how many VMs were printed; `None` if
/// the reader of the output closed the pipe.
async fn stream_pages(
    args: &Args,
    selectors: &mut Selectors<'_>,
    providers: &[Arc<dyn Provider>],
    filter: &ListFilter,
    catalog: Option<&Catalog>,
    context: &mut Context,
) -> anyhow::Result<Option<(Inventory, usize)>> {
    let (selection, now) = (region_selection(context), context.now());
    let printer = &mut context.printer;
    let (mut count, mut failure) = (0, None);
    let mut print = |mut page: Vec<Instance>| {
        fill_in_all_prices(&mut page, catalog);
        let matching = page.iter().filter(|instance| args.matches(instance, selectors, now));
        let part = Report {
            items: matching.map(Record::from).collect(),
            errors: Vec::new(),
        };
        count += part.items.len();
        failure = printer.print_items(&part, &INSTANCES, now).err();
        match failure.is_some() || printer.is_closed() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let inventory = stream_all(providers, &selection, filter, &mut print).await?;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(inventory.map(|inventory| (inventory, count))),
    }
}

/// Prints the rest of the output, and names the locations that did not answer. `already_printed` counts the items before.
fn print_listing(
    items: Vec<Record>,
    already_printed: usize,
    view: &ColumnSet,
    inventory: &Inventory,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    note_skipped_clouds(&inventory.skipped, context);
    let gaps = &inventory.gaps;
    let report = Report {
        items,
        errors: gaps.iter().cloned().map(Error::from).collect(),
    };
    if inventory.nothing_answered() {
        return print_batch(&report, view, context);
    }
    let now = context.now();
    context.printer.print_items(&report, view, now)?;
    if gaps.is_empty() {
        if report.items.is_empty() && already_printed == 0 {
            context.printer.note("no VMs");
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

fn format_locations(count: usize) -> String {
    if count == 1 {
        "1 location".to_owned()
    } else {
        format!("{count} locations")
    }
}

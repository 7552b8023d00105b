//! `cloudctl list`: lists VMs, or sums what they cost.

use std::ops::ControlFlow;
use std::sync::Arc;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use serde_json::json;

use super::instance_args::{note_skipped_clouds, region_selection, warn_about_gap};
use super::price::monthly_price;
use crate::catalog::Catalog;
use crate::cloud::{Error, Instance, InstanceState, ListFilter, Provider, check_selectable};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Cost, FILLED_IN_FIELDS, Filter, Inventory, LabelSelector, Selectors, SortOrder, fill_in_prices,
    list_all_with_progress, stream_all, sum_costs,
};
use crate::output::{COSTS, INSTANCES, Record, Report};

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
    #[arg(long, value_name = "LABEL", num_args = 0..=1, default_missing_value = "")]
    cost: Option<String>,
}

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
    context.printer.check(view)?;
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
        return match stream_pages(&args, &mut selectors, &providers, &filter, catalog, context).await? {
            Some((inventory, count)) => {
                selectors.check_unambiguous()?;
                print_listing(inventory, Shown::Instances { already_printed: count }, context)
            }
            // The reader of the output closed the pipe.
            None => Ok(ExitStatus::DONE),
        };
    }
    let mut inventory = list_with_progress(&providers, &filter, context).await?;
    let now = context.now();
    fill_in_all_prices(&mut inventory.instances, catalog);
    inventory
        .instances
        .retain(|instance| args.matches(instance, &mut selectors, now));
    selectors.check_unambiguous()?;
    if let Some(label) = &args.cost {
        let costs = sum_costs(
            &inventory.instances,
            Some(label.as_str()).filter(|label| !label.is_empty()),
        );
        inventory.instances.clear();
        return print_listing(inventory, Shown::Costs(&costs), context);
    }
    let sort = args.sort.clone().map_or_else(|| DEFAULT_SORT.parse(), Ok)?;
    sort.sort(&mut inventory.instances, now);
    print_listing(inventory, Shown::Instances { already_printed: 0 }, context)
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

/// The content of the output.
enum Shown<'a> {
    /// The instances of the inventory. Others may have been printed already.
    Instances { already_printed: usize },
    /// The costs of the instances.
    Costs(&'a [Cost]),
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
        if failure.is_some() || printer.is_closed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let inventory = stream_all(providers, &selection, filter, &mut print).await?;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(inventory.map(|inventory| (inventory, count))),
    }
}

/// Prints the rest of the output, and names the locations that did not answer.
fn print_listing(inventory: Inventory, shown: Shown<'_>, context: &mut Context) -> anyhow::Result<ExitStatus> {
    note_skipped_clouds(&inventory.skipped, context);
    let now = context.now();
    let nothing_answered = inventory.nothing_answered();
    let gaps = inventory.gaps;
    let status = if nothing_answered {
        ExitStatus::from_batch(0, &gaps.iter().map(|gap| gap.error.clone()).collect::<Vec<_>>())
    } else if gaps.is_empty() {
        ExitStatus::DONE
    } else {
        ExitStatus::PARTIAL
    };
    let report = Report {
        // Frees each instance once it has a record: there can be very many.
        items: match &shown {
            Shown::Costs(costs) => costs.iter().map(cost_record).collect(),
            Shown::Instances { .. } => inventory
                .instances
                .into_iter()
                .map(|instance| Record::from(&instance))
                .collect(),
        },
        errors: gaps.iter().cloned().map(Error::from).collect(),
    };
    let (view, already_printed) = match shown {
        Shown::Costs(_) => (&COSTS, 0),
        Shown::Instances { already_printed } => (&INSTANCES, already_printed),
    };
    if nothing_answered {
        context.printer.print_report(&report, view, now)?;
        return Ok(status);
    }
    context.printer.print_items(&report, view, now)?;
    if report.items.is_empty() && already_printed == 0 && report.errors.is_empty() {
        context.printer.note("no VMs");
    }
    for gap in &gaps {
        warn_about_gap(gap, context);
    }
    if !gaps.is_empty() {
        context.printer.warn(&format!(
            "the list is incomplete: {} of {} did not answer",
            gaps.len(),
            format_locations(inventory.queried.max(gaps.len()))
        ));
    }
    Ok(status)
}

fn format_locations(count: usize) -> String {
    if count == 1 {
        "1 location".to_owned()
    } else {
        format!("{count} locations")
    }
}

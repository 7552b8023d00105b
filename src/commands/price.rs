//! `cloudctl price`: compares the prices of machine types, or shows what VMs cost.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::json;

use super::machine_type_args::{MachineArgs, checked_region_words, matching_regions, priced_providers};
use super::price_list::{KnownPrice, PriceList, monthly_price, round_gib};
use super::vm_prices::print_vm_prices;
use crate::cloud::{
    Architecture, CloudInfo, Error, InstanceQuery, MachineRequirements, MachineType, ProviderKind, Result,
    parse_whole_number,
};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::suggest_closest_type;
use crate::output::{PRICES, Record, Report, missing_in_catalog_note};

/// Compare prices of machine types on all clouds, or show what VMs cost
///
/// Shows the cheapest machine types of each cloud that meet the requirements: in each region of -r, in the cheapest region
/// of an area such as europe, or else in the cheapest region of all. Prices are built in or fetched by `catalog update`, and
/// no cloud is called. An unknown price is shown as unknown; spot prices on AWS always are. With names of VMs it shows what
/// these cost, and what they will have cost when their TTL is over.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// VMs whose prices to show, by name, id, or provider/region/id
    #[arg(value_name = "REF", conflicts_with_all = ["cpus", "memory", "arch", "gpu", "spot", "limit"])]
    references: Vec<InstanceQuery>,
    #[command(flatten)]
    requirements: MachineArgs,
    /// Spot prices, for spare capacity that the cloud can take back
    #[arg(long, help_heading = "What")]
    spot: bool,
    /// How many machine types of each cloud and region to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = parse_limit,
        help_heading = "Output"
    )]
    limit: u32,
}

fn parse_limit(text: &str) -> Result<u32> {
    parse_whole_number(text, 1, None)
}

/// A machine type in a region, with its price.
struct Row {
    cloud: &'static CloudInfo,
    /// `None` if no region is known to have it.
    region: Option<String>,
    machine: MachineType,
    price: Option<KnownPrice>,
    /// The on-demand price per hour, by which rows without a price are compared.
    on_demand: f64,
}

impl Row {
    fn price_or_infinity(&self) -> f64 {
        self.price.map_or(f64::INFINITY, |price| price.usd_per_hour)
    }

    fn to_record(&self, spot: bool) -> Record {
        let usd = self.price.map(|price| price.usd_per_hour);
        let as_of = self.price.and_then(|price| price.as_of);
        Record::new(vec![
            ("provider", json!(self.cloud.kind.as_str())),
            ("region", json!(self.region)),
            ("machine_type", json!(self.machine.name)),
            ("cpus", json!(self.machine.cpus)),
            ("memory_gib", json!(round_gib(self.machine.memory_gib))),
            ("architecture", json!(self.machine.architecture.as_str())),
            ("gpu", json!(self.machine.gpu.as_ref().map(ToString::to_string))),
            ("spot", json!(spot)),
            ("price_usd_per_hour", json!(usd)),
            ("price_usd_per_month", json!(usd.map(monthly_price))),
            ("as_of", json!(as_of.map(|day| day.to_string()))),
        ])
    }
}

/// Compares prices without a call to a cloud that publishes them, or shows the prices of VMs.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    if !args.references.is_empty() {
        return print_vm_prices(&args.references, context).await;
    }
    context.printer.check_format(&PRICES)?;
    let kinds = priced_providers(context);
    let price_lists = collect_price_lists(&kinds, context).await?;
    let words = checked_region_words(&price_lists, context)?;
    let mut requirements = args.requirements.requirements();
    // As in `create`, the default architecture is x86.
    requirements.architecture.get_or_insert(Architecture::X86_64);
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for prices in &price_lists {
        let selected = select_rows(prices, &words, &requirements, &args);
        rows.extend(selected.rows);
        notes.extend(selected.notes);
    }
    if rows.is_empty() {
        return Err(no_match_error(&requirements, &price_lists).into());
    }
    rows.sort_by(|one, other| one.price_or_infinity().total_cmp(&other.price_or_infinity()));
    let records = rows
        .iter()
        .map(|row| row.to_record(args.spot).with_comparison(&compare_price(row, &rows)));
    let report = Report {
        items: records.collect(),
        errors: Vec::new(),
    };
    context.print_report(&report, &PRICES)?;
    for kind in kinds {
        match rows.iter().find(|row| row.cloud.kind == kind && row.price.is_none()) {
            Some(unpriced) => notes.push(explain_missing_price(unpriced, args.spot)),
            None if rows.iter().any(|row| row.cloud.kind == kind) => {}
            None => notes.push(format!("{kind}: no known machine type has {requirements} there")),
        }
    }
    for note in notes {
        context.printer.note(&note);
    }
    let days = rows.iter().filter_map(|row| row.price?.as_of);
    if let Some(oldest) = days.min() {
        let text = format!(
            "prices of {oldest} for Linux, without disks and traffic; `cloudctl catalog update` fetches new ones"
        );
        context.printer.note_on_terminal(&text);
    }
    Ok(ExitStatus::DONE)
}

/// The price list of each cloud. A cloud that publishes no prices is asked for its own.
async fn collect_price_lists(kinds: &[ProviderKind], context: &mut Context) -> anyhow::Result<Vec<PriceList>> {
    let catalog = context.catalog();
    let mut lists = Vec::new();
    for kind in kinds {
        let cloud = context.info(*kind);
        lists.push(match cloud.price_source {
            Some(_) => PriceList::from_catalog(cloud, &catalog),
            None => PriceList::from_provider(context.cloud(*kind)?.as_ref()).await?,
        });
    }
    Ok(lists)
}

/// How a price compares with the cheapest of all: `cheapest`, or `+12%`. The cheapest row of each other cloud says so.
fn compare_price(row: &Row, rows: &[Row]) -> String {
    let cheapest_of = |kind: Option<ProviderKind>| {
        let compared = rows.iter().filter(|row| kind.is_none_or(|kind| row.cloud.kind == kind));
        compared.map(Row::price_or_infinity).fold(f64::INFINITY, f64::min)
    };
    let Some(price) = row.price else {
        return "price unknown".to_owned();
    };
    let cheapest = cheapest_of(None);
    if price.usd_per_hour <= cheapest {
        return "cheapest".to_owned();
    }
    let percent = ((price.usd_per_hour / cheapest - 1.0) * 100.0).round();
    match price.usd_per_hour <= cheapest_of(Some(row.cloud.kind)) {
        true => format!("cheapest on {}, +{percent}%", row.cloud.kind),
        false => format!("+{percent}%"),
    }
}

/// Why a row has no price, and how to get it.
fn explain_missing_price(row: &Row, spot: bool) -> String {
    let kind = row.cloud.kind;
    match row.cloud.no_spot_price_note {
        Some(note) if spot => format!("{kind}: {note}"),
        _ => {
            let region = row.region.as_deref().unwrap_or("any region");
            format!(
                "{kind}: {}",
                missing_in_catalog_note(&row.machine.name, region, row.cloud)
            )
        }
    }
}

/// The rows of one cloud to show, and what to say about them.
struct SelectedRows {
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Selects the rows of one cloud to show.
fn select_rows(prices: &PriceList, words: &[String], requirements: &MachineRequirements, args: &Args) -> SelectedRows {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // Each named region has rows of its own. Of an area, or of all regions, only the cheapest region is shown.
    let groups: Vec<Vec<String>> = match words {
        [] => vec![prices.regions.clone()],
        words => words
            .iter()
            .map(|word| matching_regions(prices.cloud, std::slice::from_ref(word), &prices.regions))
            .collect(),
    };
    let mut shown: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut notes = Vec::new();
    for regions in groups {
        let mut rows_by_region: Vec<(String, Vec<Row>)> = Vec::new();
        for region in regions {
            let rows = rows_in_region(prices, &region, requirements, args.spot, limit);
            if !rows.is_empty() {
                rows_by_region.push((region, rows));
            }
        }
        notes.extend(same_price_note(prices, &rows_by_region));
        let cheapest = rows_by_region
            .into_iter()
            .min_by(|(_, one), (_, other)| compare_cheapest(one, other));
        if let Some((region, rows)) = cheapest {
            shown.insert(region, rows);
        }
    }
    // Without any price there is no cheapest region.
    let is_priced = |row: &Row| row.price_or_infinity().is_finite() || row.on_demand.is_finite();
    let rows = match words.is_empty() && !shown.values().flatten().any(is_priced) {
        true => rows_without_region(prices, requirements, args.spot, limit),
        false => shown.into_values().flatten().collect(),
    };
    SelectedRows { rows, notes }
}

/// Says that all of several regions cost the same; `None` if they do not, or if nothing is known.
fn same_price_note(prices: &PriceList, rows_by_region: &[(String, Vec<Row>)]) -> Option<String> {
    let ((shown_region, first), rest) = rows_by_region.split_first()?;
    let list_prices = |rows: &[Row]| rows.iter().map(Row::price_or_infinity).collect::<Vec<_>>();
    let first_prices = list_prices(first);
    let has_prices = first_prices.iter().all(|price| price.is_finite());
    if rest.is_empty() || !has_prices || rest.iter().any(|(_, rows)| list_prices(rows) != first_prices) {
        return None;
    }
    let count = rows_by_region.len();
    Some(format!(
        "{}: all {count} regions cost the same; {shown_region} is shown",
        prices.cloud.kind
    ))
}

/// The cheapest matching machine types of a region.
fn rows_in_region(
    prices: &PriceList,
    region: &str,
    requirements: &MachineRequirements,
    spot: bool,
    limit: usize,
) -> Vec<Row> {
    let machines = matching_machines(prices.machine_types(region), prices, requirements, spot);
    let mut rows: Vec<_> = machines
        .into_iter()
        .map(|machine| price_row(prices, region, machine, spot))
        .collect();
    rows.sort_by(compare_rows);
    rows.truncate(limit);
    rows
}

/// The matching machine types of any region, smallest first, without a region.
fn rows_without_region(prices: &PriceList, requirements: &MachineRequirements, spot: bool, limit: usize) -> Vec<Row> {
    let mut machines = matching_machines(prices.all_machine_types(), prices, requirements, spot);
    machines.sort_by(|one, other| {
        let size = |machine: &MachineType| (machine.cpus, machine.memory_gib.ceil() as u64, machine.name.clone());
        size(one).cmp(&size(other))
    });
    machines.truncate(limit);
    let to_row = |machine| Row {
        cloud: prices.cloud,
        region: None,
        machine,
        price: None,
        on_demand: f64::INFINITY,
    };
    machines.into_iter().map(to_row).collect()
}

/// The machine types that meet the requirements; only current ones if there are any, as in `create`.
fn matching_machines(
    mut machines: Vec<MachineType>,
    prices: &PriceList,
    requirements: &MachineRequirements,
    spot: bool,
) -> Vec<MachineType> {
    for machine in &mut machines {
        prices.attach_gpu(machine, requirements.gpu.as_ref());
    }
    machines.retain(|machine| requirements.are_met_by(machine) && (machine.has_spot || !spot));
    if machines.iter().any(|machine| machine.is_current) {
        machines.retain(|machine| machine.is_current);
    }
    machines
}

fn price_row(prices: &PriceList, region: &str, machine: MachineType, spot: bool) -> Row {
    let on_demand = prices.price(region, &machine, false);
    Row {
        cloud: prices.cloud,
        region: Some(region.to_owned()),
        price: prices.price(region, &machine, spot),
        on_demand: on_demand.map_or(f64::INFINITY, |price| price.usd_per_hour),
        machine,
    }
}

fn compare_rows(one: &Row, other: &Row) -> Ordering {
    let by_price = one.price_or_infinity().total_cmp(&other.price_or_infinity());
    by_price
        .then(one.on_demand.total_cmp(&other.on_demand))
        .then(one.machine.cpus.cmp(&other.machine.cpus))
        .then(one.machine.memory_gib.total_cmp(&other.machine.memory_gib))
        .then_with(|| one.machine.name.cmp(&other.machine.name))
}

/// Compares two regions by the prices of their cheapest rows, which come first.
fn compare_cheapest(one: &[Row], other: &[Row]) -> Ordering {
    let (Some(one), Some(other)) = (one.first(), other.first()) else {
        return one.is_empty().cmp(&other.is_empty());
    };
    let by_price = one.price_or_infinity().total_cmp(&other.price_or_infinity());
    by_price.then(one.on_demand.total_cmp(&other.on_demand))
}

/// Creates the error for requirements that no known machine type meets.
fn no_match_error(requirements: &MachineRequirements, price_lists: &[PriceList]) -> Error {
    let clouds: Vec<_> = price_lists.iter().map(|prices| prices.cloud.kind.as_str()).collect();
    let error = Error::invalid(format!(
        "no known machine type of {} has {requirements}",
        clouds.join(" or ")
    ));
    let machines: Vec<_> = price_lists.iter().flat_map(PriceList::all_machine_types).collect();
    let has_gpu_kind = |machine: &MachineType| match (&requirements.gpu, &machine.gpu) {
        (None, _) => true,
        (Some(required), Some(gpu)) => gpu.kind == required.kind,
        (Some(_), None) => false,
    };
    if machines.iter().any(has_gpu_kind)
        && let Some(hint) = suggest_closest_type(requirements, &machines)
    {
        return error.with_hint(hint);
    }
    let mut gpus: Vec<_> = machines
        .into_iter()
        .filter_map(|machine| Some(machine.gpu?.kind))
        .collect();
    gpus.sort();
    gpus.dedup();
    error.with_hint(format!("use one of {}", gpus.join(", ")))
}

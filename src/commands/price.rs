//! `cloudctl price`: compares the prices of machine types without a call to a cloud.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::json;

use super::machine_type_args::{MachineArgs, attach_gpu, checked_region_words, matching_regions, priced_providers};
use crate::catalog::{Catalog, Price};
use crate::cloud::{Architecture, CloudInfo, Error, MachineRequirements, MachineType, ProviderKind};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{PRICES, Record, Report};

/// The hours of a month, as the clouds' own price calculators count.
pub(super) const HOURS_PER_MONTH: f64 = 730.0;

/// Compare prices of machine types on AWS and Google Cloud, without calls to them
///
/// Shows the cheapest machine types of each cloud that meet the requirements: in each region of -r, in the cheapest region
/// of an area such as europe, or else in the cheapest region of all. Prices are built in or fetched by `catalog update`. An
/// unknown price is shown as unknown; spot prices on AWS always are.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
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
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Output"
    )]
    limit: u32,
}

/// A machine type in a region, with its price.
struct Row {
    kind: ProviderKind,
    /// `None` if no region is known to have it.
    region: Option<String>,
    machine: MachineType,
    price: Option<Price>,
    /// The on-demand price per hour, by which rows without a price are compared.
    on_demand: f64,
}

impl Row {
    fn price_or_infinity(&self) -> f64 {
        self.price.map_or(f64::INFINITY, |price| price.usd_per_hour)
    }

    fn to_record(&self, spot: bool) -> Record {
        let usd = self.price.map(|price| price.usd_per_hour);
        Record::new(vec![
            ("provider", json!(self.kind.as_str())),
            ("region", json!(self.region)),
            ("machine_type", json!(self.machine.name)),
            ("cpus", json!(self.machine.cpus)),
            ("memory_gib", json!(round_gib(self.machine.memory_gib))),
            ("architecture", json!(self.machine.architecture.as_str())),
            ("gpu", json!(self.machine.gpu.as_ref().map(ToString::to_string))),
            ("spot", json!(spot)),
            ("price_usd_per_hour", json!(usd)),
            ("price_usd_per_month", json!(usd.map(monthly_price))),
            ("as_of", json!(self.price.map(|price| price.as_of.to_string()))),
        ])
    }
}

/// Rounds memory for output: machine types of Compute Engine have odd fractions of a GiB.
pub(super) fn round_gib(memory_gib: f64) -> f64 {
    (memory_gib * 100.0).round() / 100.0
}

/// The price for a month, rounded to cents.
pub(super) fn monthly_price(usd_per_hour: f64) -> f64 {
    (usd_per_hour * HOURS_PER_MONTH * 100.0).round() / 100.0
}

/// Compares prices. Sends no call to a cloud.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&PRICES)?;
    let kinds = priced_providers(context);
    let mut clouds = kinds.iter().map(|kind| context.info(*kind));
    if let Some(cloud) = clouds.find(|cloud| cloud.price_source.is_none()) {
        let error = Error::invalid(format!("{} has no prices to compare", cloud.title));
        let hint = format!("`cloudctl type list -p {}` shows what it has", cloud.kind);
        return Err(error.with_hint(hint).into());
    }
    let catalog = context.catalog();
    let words = checked_region_words(&kinds, &catalog, context)?;
    let mut requirements = args.requirements.requirements();
    // As in `create`, the default architecture is x86.
    requirements.architecture.get_or_insert(Architecture::X86_64);
    let mut rows = Vec::new();
    for kind in &kinds {
        rows.extend(select_rows(context.info(*kind), &words, &requirements, &args, &catalog));
    }
    if rows.is_empty() {
        return Err(no_match_error(&requirements, &kinds, &catalog).into());
    }
    rows.sort_by(|one, other| one.price_or_infinity().total_cmp(&other.price_or_infinity()));
    let report = Report {
        items: rows.iter().map(|row| row.to_record(args.spot)).collect(),
        errors: Vec::new(),
    };
    context.print_report(&report, &PRICES)?;
    for kind in kinds {
        if !rows.iter().any(|row| row.kind == kind) {
            let note = format!("{kind}: no known machine type there has {requirements}");
            context.printer.note(&note);
        }
    }
    if let Some(oldest) = rows.iter().filter_map(|row| row.price).map(|price| price.as_of).min() {
        let text = format!(
            "prices with Linux, without disk and traffic, of {oldest}; `cloudctl catalog update` fetches new ones"
        );
        context.printer.note_on_terminal(&text);
    }
    Ok(ExitStatus::DONE)
}

/// Selects the rows of one cloud to show.
fn select_rows(
    cloud: &CloudInfo,
    words: &[String],
    requirements: &MachineRequirements,
    args: &Args,
    catalog: &Catalog,
) -> Vec<Row> {
    let kind = cloud.kind;
    let known = catalog.regions(kind);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let rows_in = |region: &String| {
        let machines = catalog.machine_types(kind, region);
        let matching = matching_machines(machines, kind, requirements, args.spot, catalog).into_iter();
        let mut rows: Vec<_> = matching
            .map(|machine| price_row(kind, region, machine, args.spot, catalog))
            .collect();
        rows.sort_by(compare_rows);
        rows.truncate(limit);
        rows
    };
    // Each named region has rows of its own. Of an area, or of all regions, only the cheapest region is shown.
    let groups: Vec<Vec<String>> = match words {
        [] => vec![known],
        words => words
            .iter()
            .map(|word| matching_regions(cloud, std::slice::from_ref(word), &known))
            .collect(),
    };
    let mut shown: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for regions in groups {
        let rows_by_region = regions.into_iter().map(|region| (rows_in(&region), region));
        let cheapest = rows_by_region
            .filter(|(rows, _)| !rows.is_empty())
            .min_by(|(one, _), (other, _)| compare_cheapest(one, other));
        if let Some((rows, region)) = cheapest {
            shown.insert(region, rows);
        }
    }
    // Without any price there is no cheapest region.
    let is_priced = |row: &Row| row.price_or_infinity().is_finite() || row.on_demand.is_finite();
    if words.is_empty() && !shown.values().flatten().any(is_priced) {
        return rows_without_region(kind, requirements, args, limit, catalog);
    }
    shown.into_values().flatten().collect()
}

/// The matching machine types of any region, smallest first, without a region.
fn rows_without_region(
    kind: ProviderKind,
    requirements: &MachineRequirements,
    args: &Args,
    limit: usize,
    catalog: &Catalog,
) -> Vec<Row> {
    let mut machines = matching_machines(catalog.all_machine_types(kind), kind, requirements, args.spot, catalog);
    machines.sort_by(|one, other| {
        let size = |machine: &MachineType| (machine.cpus, machine.memory_gib.ceil() as u64, machine.name.clone());
        size(one).cmp(&size(other))
    });
    machines.truncate(limit);
    let to_row = |machine| Row {
        kind,
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
    kind: ProviderKind,
    requirements: &MachineRequirements,
    spot: bool,
    catalog: &Catalog,
) -> Vec<MachineType> {
    for machine in &mut machines {
        attach_gpu(machine, kind, requirements, catalog);
    }
    machines.retain(|machine| requirements.are_met_by(machine) && (machine.has_spot || !spot));
    if machines.iter().any(|machine| machine.is_current) {
        machines.retain(|machine| machine.is_current);
    }
    machines
}

fn price_row(kind: ProviderKind, region: &str, machine: MachineType, spot: bool, catalog: &Catalog) -> Row {
    let on_demand = catalog.price(kind, region, &machine, false);
    Row {
        price: catalog.price(kind, region, &machine, spot),
        on_demand: on_demand.map_or(f64::INFINITY, |price| price.usd_per_hour),
        kind,
        region: Some(region.to_owned()),
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
fn no_match_error(requirements: &MachineRequirements, kinds: &[ProviderKind], catalog: &Catalog) -> Error {
    let clouds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    let error = Error::invalid(format!(
        "no known machine type of {} has {requirements}",
        clouds.join(" or ")
    ));
    let machines: Vec<_> = kinds.iter().flat_map(|kind| catalog.all_machine_types(*kind)).collect();
    let has_gpu_kind = |machine: &&MachineType| match (&requirements.gpu, &machine.gpu) {
        (None, _) => true,
        (Some(required), Some(gpu)) => gpu.kind == required.kind,
        (Some(_), None) => false,
    };
    let largest = machines.iter().filter(has_gpu_kind).max_by(|one, other| {
        let by_memory = one.memory_gib.total_cmp(&other.memory_gib);
        by_memory.then(one.cpus.cmp(&other.cpus))
    });
    if let Some(machine) = largest {
        return error.with_hint(format!(
            "ask for less: {} has {} CPUs and {} GiB",
            machine.name, machine.cpus, machine.memory_gib
        ));
    }
    let mut gpus: Vec<_> = machines
        .into_iter()
        .filter_map(|machine| Some(machine.gpu?.kind))
        .collect();
    gpus.sort();
    gpus.dedup();
    error.with_hint(format!("use one of {}", gpus.join(", ")))
}

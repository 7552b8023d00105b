//! `cloudctl type`: lists machine types.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use futures_util::future::join_all;
use serde_json::json;

use super::machine_type_args::{MachineArgs, priced_providers, reject_zone};
use super::machine_type_listing::{Row, list_machine_types};
use super::price_list::round_gib;
use crate::cloud::{MachineRequirements, MachineType, ProviderKind};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::suggest_closest_type;
use crate::output::{MACHINE_TYPES, Record, Report};

/// List machine types
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Subcommands {
    /// List machine types, with what they cost
    ///
    /// With credentials cloudctl asks each cloud, for the regions of -r or for the default region; else it lists the built-in
    /// machine types, and says so. An unknown price is shown as unknown.
    #[command(alias = "ls")]
    List(ListArgs),
}

/// The arguments of `type list`.
#[derive(clap::Args, Clone, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    requirements: MachineArgs,
    /// Sort by price, cpus, memory or name
    #[arg(long, value_name = "FIELD", default_value = "price", help_heading = "Output")]
    sort: SortBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortBy {
    /// The cheapest first, those of unknown price last
    Price,
    /// The fewest CPUs first
    Cpus,
    /// The least memory first
    Memory,
    /// By name
    Name,
}

impl From<&Row> for Record {
    fn from(row: &Row) -> Self {
        let machine = &row.machine;
        Self::new(vec![
            ("provider", json!(row.kind.as_str())),
            ("region", json!(row.region)),
            ("name", json!(machine.name)),
            ("cpus", json!(machine.cpus)),
            ("memory_gib", json!(round_gib(machine.memory_gib))),
            ("architecture", json!(machine.architecture.as_str())),
            ("gpu", json!(machine.gpu.as_ref().map(ToString::to_string))),
            ("current", json!(machine.is_current)),
            ("spot", json!(machine.has_spot)),
            ("price_usd_per_hour", json!(row.usd_per_hour)),
            ("as_of", json!(row.as_of.map(|day| day.to_string()))),
        ])
    }
}

/// Lists the machine types of each cloud.
pub async fn run(subcommand: Subcommands, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Subcommands::List(args) = subcommand;
    context.printer.check_format(&MACHINE_TYPES)?;
    reject_zone(context)?;
    let catalog = context.catalog();
    let words = context.settings.regions.value.clone().unwrap_or_default();
    let requirements = args.requirements.requirements();
    let queries = kinds_to_list(context).into_iter().map(|kind| {
        let can_be_asked = !context.info(kind).needs_credentials || context.has_credentials(kind);
        let provider = match can_be_asked {
            true => Some(context.clouds().get(kind)),
            false => None,
        };
        list_machine_types(context.info(kind), provider, &words, &requirements, &catalog)
    });
    let listings = join_all(queries).await;
    let mut known = BTreeSet::new();
    let (mut rows, mut errors, mut notes, mut unknown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for listing in listings {
        known.extend(listing.known);
        rows.extend(listing.rows);
        errors.extend(listing.errors);
        unknown.extend(listing.unknown);
        if let Some(note) = listing.note {
            notes.push(note);
        }
    }
    // A region of one cloud is unknown to the others. It is an error only if no cloud has it.
    if errors.is_empty()
        && let Some((_, error)) = unknown.into_iter().find(|(index, _)| !known.contains(index))
    {
        return Err(error.into());
    }
    let answered = rows.len();
    let nearest = suggest_closest_type(&requirements, rows.iter().map(|row| &row.machine));
    rows.retain(|row| meets_requirements(&requirements, &row.machine));
    rows.sort_by(|one, other| args.sort.compare(one, other));
    let status = ExitStatus::from_batch(answered, &errors);
    let marks = CheapestMarks::new(&rows, &requirements);
    let report = Report {
        items: rows
            .iter()
            .map(|row| Record::from(row).with_comparison(&marks.text(row)))
            .collect(),
        errors,
    };
    context.print_report(&report, &MACHINE_TYPES)?;
    for note in notes {
        context.printer.note(&note);
    }
    if report.items.is_empty() && report.errors.is_empty() {
        context
            .printer
            .note(&no_machine_types_note(&requirements, nearest.as_deref()));
    }
    Ok(status)
}

/// The named clouds; else those with credentials; else those that publish prices.
fn kinds_to_list(context: &Context) -> Vec<ProviderKind> {
    let configured = context.configured_providers();
    match &context.settings.providers.value {
        None if !configured.is_empty() => configured.iter().map(|provider| provider.kind()).collect(),
        _ => priced_providers(context),
    }
}

/// Whether a machine type meets the requirements. Unlike `create` this includes machine types with GPUs if none are required.
fn meets_requirements(requirements: &MachineRequirements, machine: &MachineType) -> bool {
    let mut compared = machine.clone();
    if requirements.gpu.is_none() {
        compared.gpu = None;
    }
    requirements.are_met_by(&compared)
}

fn no_machine_types_note(requirements: &MachineRequirements, nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) if !requirements.is_empty() => format!("no machine type has {requirements}; {nearest}"),
        _ => "no machine types".to_owned(),
    }
}

/// The lowest price of each architecture: of all clouds, and of each one.
struct CheapestMarks {
    of_all: BTreeMap<&'static str, f64>,
    of_cloud: BTreeMap<(&'static str, ProviderKind), f64>,
    /// What follows the architecture.
    ending: &'static str,
}

impl CheapestMarks {
    fn new(rows: &[Row], requirements: &MachineRequirements) -> Self {
        let mut marks = Self {
            of_all: BTreeMap::new(),
            of_cloud: BTreeMap::new(),
            ending: if requirements.is_empty() { "" } else { " that fits" },
        };
        for row in rows {
            // `create` takes no machine type of an old generation.
            if let Some(price) = row.usd_per_hour
                && row.machine.is_current
            {
                let architecture = row.machine.architecture.as_str();
                let lowest = marks.of_all.entry(architecture).or_insert(price);
                *lowest = lowest.min(price);
                let lowest = marks.of_cloud.entry((architecture, row.kind)).or_insert(price);
                *lowest = lowest.min(price);
            }
        }
        marks
    }

    /// The text beside a row: `cheapest x86_64`, or nothing.
    fn text(&self, row: &Row) -> String {
        let architecture = row.machine.architecture.as_str();
        let is_lowest = |lowest: Option<&f64>| {
            row.machine.is_current && row.usd_per_hour.is_some() && row.usd_per_hour.as_ref() == lowest
        };
        if is_lowest(self.of_all.get(architecture)) {
            format!("cheapest {architecture}{}", self.ending)
        } else if is_lowest(self.of_cloud.get(&(architecture, row.kind))) {
            format!("cheapest {architecture} on {}{}", row.kind, self.ending)
        } else {
            String::new()
        }
    }
}

impl SortBy {
    fn compare(self, one: &Row, other: &Row) -> Ordering {
        let usd = |row: &Row| row.usd_per_hour.unwrap_or(f64::INFINITY);
        let by_price = usd(one).total_cmp(&usd(other));
        let by_name = (&one.machine.name, one.kind, &one.region).cmp(&(&other.machine.name, other.kind, &other.region));
        match self {
            Self::Price => by_price.then(by_name),
            Self::Cpus => one.machine.cpus.cmp(&other.machine.cpus).then(by_price).then(by_name),
            Self::Memory => {
                let by_memory = one.machine.memory_gib.total_cmp(&other.machine.memory_gib);
                by_memory.then(by_price).then(by_name)
            }
            Self::Name => by_name,
        }
    }
}

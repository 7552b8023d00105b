//! `cloudctl type`

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use futures_util::future::join_all;
use serde_json::json;

use super::need::{NeedArguments, attach, kinds, refuse_zone, regions_meant};
use crate::catalog::{Catalog, Price};
use crate::cloud::{Area, Error, ErrorKind, MachineNeed, MachineType, Provider, ProviderKind, Result};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::output::{MACHINE_TYPES, Record, Report};

/// List machine types
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    List(ListArgs),
}

/// List machine types, with what they cost
///
/// A cloud is asked for those of its regions that -r names, or of its own default region, if there are credentials for
/// it; else those that cloudctl knows by itself are listed, and it says so. An unknown price is shown as unknown.
#[derive(clap::Args, Clone, Debug)]
struct ListArgs {
    #[command(flatten)]
    need: NeedArguments,
    /// Order
    #[arg(long, value_name = "FIELD", default_value = "price")]
    sort: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The cheapest first, those of unknown price last
    Price,
    /// The fewest CPUs first
    Cpus,
    /// The least memory first
    Memory,
    /// By name
    Name,
}

/// A machine type of a region.
struct Row {
    kind: ProviderKind,
    region: Option<String>,
    machine: MachineType,
    usd_per_hour: Option<f64>,
    as_of: Option<jiff::civil::Date>,
}

impl From<&Row> for Record {
    fn from(row: &Row) -> Self {
        let machine = &row.machine;
        Self::new(vec![
            ("provider", json!(row.kind.as_str())),
            ("region", json!(row.region)),
            ("name", json!(machine.name)),
            ("cpus", json!(machine.cpus)),
            ("memory_gib", json!(machine.memory_gib)),
            ("architecture", json!(machine.architecture.as_str())),
            ("gpu", json!(machine.gpu.as_ref().map(ToString::to_string))),
            ("current", json!(machine.is_current)),
            ("spot", json!(machine.has_spot)),
            ("price_usd_per_hour", json!(row.usd_per_hour)),
            ("as_of", json!(row.as_of.map(|day| day.to_string()))),
        ])
    }
}

/// What one cloud has, and what kept it from saying more.
#[derive(Default)]
struct Shelf {
    rows: Vec<Row>,
    errors: Vec<Error>,
    /// Which of the named regions and areas it has, by their place among them.
    known: BTreeSet<usize>,
    /// Why it has not the others.
    unknown: Vec<(usize, Error)>,
    /// Where the rows are from, if not from the cloud.
    note: Option<String>,
}

/// Lists.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Verb::List(args) = args.verb;
    context.printer.check(&MACHINE_TYPES)?;
    refuse_zone(context)?;
    let catalog = context.catalog();
    let words = context.settings.regions.value.clone().unwrap_or_default();
    let need = args.need.need();
    let shelves = join_all(kinds_to_list(context).into_iter().map(|kind| {
        let can_be_asked = kind == ProviderKind::Mock || context.has_credentials(kind);
        let provider = can_be_asked.then(|| context.clouds().get(kind));
        shelf(kind, provider, &words, &need, &catalog)
    }));
    let shelves = shelves.await;
    let known: BTreeSet<usize> = shelves.iter().flat_map(|shelf| shelf.known.iter().copied()).collect();
    let (mut rows, mut errors, mut notes, mut unknown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for shelf in shelves {
        rows.extend(shelf.rows);
        errors.extend(shelf.errors);
        notes.extend(shelf.note);
        unknown.extend(shelf.unknown);
    }
    // A region of one cloud is unknown to the others, and a mistake only if all of them say so.
    if errors.is_empty()
        && let Some((_, error)) = unknown.into_iter().find(|(index, _)| !known.contains(index))
    {
        return Err(error.into());
    }
    let answered = rows.len();
    rows.retain(|row| is_met(&need, &row.machine));
    rows.sort_by(|one, other| args.sort.compare(one, other));
    let status = ExitStatus::of_batch(answered, &errors);
    let report = Report {
        items: rows.iter().map(Record::from).collect(),
        errors,
    };
    let now = context.now();
    context.printer.report(&report, &MACHINE_TYPES, now)?;
    for note in notes {
        context.printer.note(&note);
    }
    if report.items.is_empty() && report.errors.is_empty() {
        context.printer.note("no machine types");
    }
    Ok(status)
}

/// The clouds that are named; else those with credentials, and without any those that something is known of.
fn kinds_to_list(context: &Context) -> Vec<ProviderKind> {
    let found = context.found_providers();
    match &context.settings.providers.value {
        None if !found.is_empty() => found.iter().map(|provider| provider.kind()).collect(),
        _ => kinds(context),
    }
}

/// What a cloud has: as it says itself, if it can be asked and something says of which region.
async fn shelf(
    kind: ProviderKind,
    provider: Option<Arc<dyn Provider>>,
    words: &[String],
    need: &MachineNeed,
    catalog: &Catalog,
) -> Shelf {
    let Some(provider) = provider else {
        let reason = format!("no credentials of {kind} were found");
        return known_shelf(kind, words, need, catalog, &reason);
    };
    let mut shelf = Shelf::default();
    let located = |error: Error| match error.location() {
        Some(_) => error,
        None => error.at(kind.as_str()),
    };
    let regions = match regions(provider.as_ref(), words, &mut shelf).await {
        Ok(regions) => regions,
        Err(error) => {
            shelf.errors.push(located(error));
            return shelf;
        }
    };
    if regions.is_empty() && words.is_empty() {
        return known_shelf(kind, words, need, catalog, &format!("no region of {kind} is named"));
    }
    let asked = regions.iter().map(|region| provider.machine_types(region, &[]));
    let answers = join_all(asked).await;
    for (region, answer) in regions.iter().zip(answers) {
        match answer {
            Ok(machines) => shelf.rows.extend(machines.into_iter().map(|mut machine| {
                attach(&mut machine, kind, need, catalog);
                let price = catalog.price(kind, region, &machine, false);
                let own = provider.own_price(&machine.name);
                Row::of(kind, Some(region), machine, price, own)
            })),
            Err(error) => shelf.errors.push(located(error)),
        }
    }
    shelf
}

/// The regions of a cloud that are asked for; its default one if none is named.
async fn regions(provider: &dyn Provider, words: &[String], shelf: &mut Shelf) -> Result<Vec<String>> {
    if words.is_empty() {
        return Ok(provider.home().await?.into_iter().map(|place| place.region).collect());
    }
    let mut regions = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let meant = match word.parse::<Area>() {
            Ok(_) => {
                let all = provider.regions().await?;
                let meant = regions_meant(provider.kind(), std::slice::from_ref(word), &all);
                let none = || Error::invalid(format!("no region in {word} can be used"));
                if meant.is_empty() { Err(none()) } else { Ok(meant) }
            }
            Err(_) => provider.locate(Some(word), None).await.map(|place| vec![place.region]),
        };
        match meant {
            Ok(meant) => {
                shelf.known.insert(index);
                regions.extend(meant);
            }
            Err(error) if error.kind() == ErrorKind::InvalidSpec => shelf.unknown.push((index, error)),
            Err(error) => return Err(error),
        }
    }
    regions.sort();
    regions.dedup();
    Ok(regions)
}

/// What is known of a cloud without asking it. Without a region each type stands with that in which it is cheapest.
fn known_shelf(kind: ProviderKind, words: &[String], need: &MachineNeed, catalog: &Catalog, reason: &str) -> Shelf {
    let all = catalog.regions(kind);
    let mut shelf = Shelf {
        note: Some(format!(
            "{reason}: what cloudctl knows of its machine types by itself is listed"
        )),
        ..Shelf::default()
    };
    let mut meant = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let regions = regions_meant(kind, std::slice::from_ref(word), &all);
        if regions.is_empty() {
            let error = Error::invalid(format!("no region {word:?} of {kind} is known"));
            shelf.unknown.push((
                index,
                error.with_remedy("name another region, or an area such as europe"),
            ));
        } else {
            shelf.known.insert(index);
            meant.extend(regions);
        }
    }
    let row = |region: &String, mut machine: MachineType| {
        attach(&mut machine, kind, need, catalog);
        let price = catalog.price(kind, region, &machine, false);
        Row::of(kind, Some(region), machine, price, None)
    };
    let of_region = |region: &String| {
        let machines = catalog.machine_types(kind, region).into_iter();
        machines.map(|machine| row(region, machine)).collect::<Vec<_>>()
    };
    if !words.is_empty() {
        shelf.rows = meant.iter().flat_map(of_region).collect();
        shelf.note = shelf.note.filter(|_| !shelf.rows.is_empty());
        return shelf;
    }
    let mut cheapest: BTreeMap<String, Row> = BTreeMap::new();
    for machine in catalog.all_machine_types(kind) {
        cheapest.insert(machine.name.clone(), Row::of(kind, None, machine, None, None));
    }
    for row in all.iter().flat_map(of_region).filter(|row| row.usd_per_hour.is_some()) {
        let known = cheapest.get(&row.machine.name).and_then(|known| known.usd_per_hour);
        if known.is_none_or(|known| row.usd_per_hour.is_some_and(|usd| usd < known)) {
            cheapest.insert(row.machine.name.clone(), row);
        }
    }
    shelf.rows = cheapest.into_values().collect();
    shelf
}

impl Row {
    fn of(
        kind: ProviderKind,
        region: Option<&String>,
        machine: MachineType,
        price: Option<Price>,
        own: Option<f64>,
    ) -> Self {
        Self {
            kind,
            region: region.cloned(),
            machine,
            usd_per_hour: own.or(price.map(|price| price.usd_per_hour)),
            as_of: price.map(|price| price.as_of),
        }
    }
}

/// Whether a machine has what is needed; one with accelerators is listed also where none are needed.
fn is_met(need: &MachineNeed, machine: &MachineType) -> bool {
    let mut seen = machine.clone();
    if need.gpu.is_none() {
        seen.gpu = None;
    }
    need.is_met_by(&seen)
}

impl Order {
    fn compare(self, one: &Row, other: &Row) -> Ordering {
        let name = || (&one.machine.name, one.kind, &one.region).cmp(&(&other.machine.name, other.kind, &other.region));
        let usd = |row: &Row| row.usd_per_hour.unwrap_or(f64::INFINITY);
        let by_price = || usd(one).total_cmp(&usd(other));
        match self {
            Self::Price => by_price().then_with(name),
            Self::Cpus => one
                .machine
                .cpus
                .cmp(&other.machine.cpus)
                .then_with(by_price)
                .then_with(name),
            Self::Memory => {
                let by_memory = one.machine.memory_gib.total_cmp(&other.machine.memory_gib);
                by_memory.then_with(by_price).then_with(name)
            }
            Self::Name => name(),
        }
    }
}

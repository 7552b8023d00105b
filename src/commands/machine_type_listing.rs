//! What a cloud has on its shelves: as it says itself, or as cloudctl knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::machine_args::{attach_gpu, matching_regions};
use crate::catalog::{Catalog, Price};
use crate::cloud::{
    CloudInfo, Error, ErrorKind, MachineRequirements, MachineType, Provider, ProviderKind, Result, quoted,
};
use crate::operations::resolve_region_or_area;

/// A machine type of a region.
pub(super) struct Row {
    pub(super) kind: ProviderKind,
    pub(super) region: Option<String>,
    pub(super) machine: MachineType,
    pub(super) usd_per_hour: Option<f64>,
    pub(super) as_of: Option<jiff::civil::Date>,
}

impl Row {
    fn new(
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

/// What one cloud has, and what kept it from saying more.
#[derive(Default)]
pub(super) struct MachineTypeListing {
    pub(super) rows: Vec<Row>,
    pub(super) errors: Vec<Error>,
    /// Which of the named regions and areas it has, by their place among them.
    pub(super) known: BTreeSet<usize>,
    /// Why it has not the others.
    pub(super) unknown: Vec<(usize, Error)>,
    /// Where the rows are from, if not from the cloud.
    pub(super) note: Option<String>,
}

/// What a cloud has: as it says itself, if it can be asked and something says of which region.
pub(super) async fn list_machine_types(
    cloud: &CloudInfo,
    provider: Option<Arc<dyn Provider>>,
    words: &[String],
    need: &MachineRequirements,
    catalog: &Catalog,
) -> MachineTypeListing {
    let kind = cloud.kind;
    let Some(provider) = provider else {
        let reason = format!("no credentials of {kind} were found");
        return list_offline(cloud, words, need, catalog, &reason);
    };
    let mut shelf = MachineTypeListing::default();
    let located = |error: Error| error.at_if_unset(kind);
    let regions = match resolve_regions(provider.as_ref(), words, &mut shelf).await {
        Ok(regions) => regions,
        Err(error) => {
            shelf.errors.push(located(error));
            return shelf;
        }
    };
    if regions.is_empty() && words.is_empty() {
        return list_offline(cloud, words, need, catalog, &format!("no region of {kind} is named"));
    }
    let asked = regions.iter().map(|region| provider.machine_types(region, &[]));
    let answers = join_all(asked).await;
    for (region, answer) in regions.iter().zip(answers) {
        match answer {
            Ok(machines) => shelf.rows.extend(machines.into_iter().map(|mut machine| {
                attach_gpu(&mut machine, kind, need, catalog);
                let price = catalog.price(kind, region, &machine, false);
                let own = provider.fixed_price(&machine.name);
                Row::new(kind, Some(region), machine, price, own)
            })),
            Err(error) => shelf.errors.push(located(error)),
        }
    }
    shelf
}

/// The regions of a cloud that are asked for; its default one if none is named.
async fn resolve_regions(
    provider: &dyn Provider,
    words: &[String],
    shelf: &mut MachineTypeListing,
) -> Result<Vec<String>> {
    if words.is_empty() {
        return Ok(provider
            .default_location()
            .await?
            .into_iter()
            .map(|place| place.region)
            .collect());
    }
    let mut regions = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match resolve_region_or_area(provider, word).await {
            Ok(meant) => {
                shelf.known.insert(index);
                regions.extend(meant.into_iter().map(|place| place.region));
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
fn list_offline(
    cloud: &CloudInfo,
    words: &[String],
    need: &MachineRequirements,
    catalog: &Catalog,
    reason: &str,
) -> MachineTypeListing {
    let kind = cloud.kind;
    let all = catalog.regions(kind);
    let mut shelf = MachineTypeListing {
        note: Some(format!(
            "{reason}: what cloudctl knows of its machine types by itself is listed"
        )),
        ..MachineTypeListing::default()
    };
    let mut meant = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let regions = matching_regions(cloud, std::slice::from_ref(word), &all);
        if regions.is_empty() {
            let error = Error::invalid(format!("no region {} of {kind} is known", quoted(word)));
            shelf
                .unknown
                .push((index, error.with_hint("name another region, or an area such as europe")));
        } else {
            shelf.known.insert(index);
            meant.extend(regions);
        }
    }
    let row = |region: &String, mut machine: MachineType| {
        attach_gpu(&mut machine, kind, need, catalog);
        let price = catalog.price(kind, region, &machine, false);
        Row::new(kind, Some(region), machine, price, None)
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
        cheapest.insert(machine.name.clone(), Row::new(kind, None, machine, None, None));
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

//! Lists the machine types of a cloud, from the cloud itself or from the built-in catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::machine_type_args::{attach_gpu, matching_regions};
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
        fixed_price: Option<f64>,
    ) -> Self {
        Self {
            kind,
            region: region.cloned(),
            machine,
            usd_per_hour: fixed_price.or(price.map(|price| price.usd_per_hour)),
            as_of: price.map(|price| price.as_of),
        }
    }
}

/// The machine types of one cloud, and the errors.
#[derive(Default)]
pub(super) struct MachineTypeListing {
    pub(super) rows: Vec<Row>,
    pub(super) errors: Vec<Error>,
    /// The indexes of the named regions and areas that the cloud has.
    pub(super) known: BTreeSet<usize>,
    /// The indexes of those that it does not have, with the error.
    pub(super) unknown: Vec<(usize, Error)>,
    /// The source of the rows, if it is not the cloud.
    pub(super) note: Option<String>,
}

/// Lists the machine types of a cloud. Asks the cloud if `provider` is given and a region is known; else uses the built-in
/// catalog.
pub(super) async fn list_machine_types(
    cloud: &CloudInfo,
    provider: Option<Arc<dyn Provider>>,
    words: &[String],
    requirements: &MachineRequirements,
    catalog: &Catalog,
) -> MachineTypeListing {
    let kind = cloud.kind;
    let Some(provider) = provider else {
        let reason = format!("no credentials of {kind} were found");
        return list_offline(cloud, words, requirements, catalog, &reason);
    };
    let mut listing = MachineTypeListing::default();
    let with_location = |error: Error| error.at_if_unset(kind);
    let regions = match resolve_regions(provider.as_ref(), words, &mut listing).await {
        Ok(regions) => regions,
        Err(error) => {
            listing.errors.push(with_location(error));
            return listing;
        }
    };
    if regions.is_empty() && words.is_empty() {
        return list_offline(
            cloud,
            words,
            requirements,
            catalog,
            &format!("no region of {kind} is named"),
        );
    }
    let queries = regions.iter().map(|region| provider.machine_types(region, &[]));
    let answers = join_all(queries).await;
    for (region, answer) in regions.iter().zip(answers) {
        match answer {
            Ok(machines) => listing.rows.extend(machines.into_iter().map(|mut machine| {
                attach_gpu(&mut machine, kind, requirements, catalog);
                let price = catalog.price(kind, region, &machine, false);
                let fixed_price = provider.fixed_price(&machine.name);
                Row::new(kind, Some(region), machine, price, fixed_price)
            })),
            Err(error) => listing.errors.push(with_location(error)),
        }
    }
    listing
}

/// Resolves the named regions and areas to regions of a cloud; its default region if none is named.
async fn resolve_regions(
    provider: &dyn Provider,
    words: &[String],
    listing: &mut MachineTypeListing,
) -> Result<Vec<String>> {
    if words.is_empty() {
        return Ok(provider
            .default_location()
            .await?
            .into_iter()
            .map(|location| location.region)
            .collect());
    }
    let mut regions = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match resolve_region_or_area(provider, word).await {
            Ok(locations) => {
                listing.known.insert(index);
                regions.extend(locations.into_iter().map(|location| location.region));
            }
            Err(error) if error.kind() == ErrorKind::InvalidSpec => listing.unknown.push((index, error)),
            Err(error) => return Err(error),
        }
    }
    regions.sort();
    regions.dedup();
    Ok(regions)
}

/// Lists the machine types of a cloud from the built-in catalog. Without a named region each has the region in which it is
/// cheapest.
fn list_offline(
    cloud: &CloudInfo,
    words: &[String],
    requirements: &MachineRequirements,
    catalog: &Catalog,
    reason: &str,
) -> MachineTypeListing {
    let kind = cloud.kind;
    let all = catalog.regions(kind);
    let mut listing = MachineTypeListing {
        note: Some(format!(
            "{reason}: what cloudctl knows of its machine types by itself is listed"
        )),
        ..MachineTypeListing::default()
    };
    let mut named_regions = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let regions = matching_regions(cloud, std::slice::from_ref(word), &all);
        if regions.is_empty() {
            let error = Error::invalid(format!("no region {} of {kind} is known", quoted(word)));
            listing
                .unknown
                .push((index, error.with_hint("name another region, or an area such as europe")));
        } else {
            listing.known.insert(index);
            named_regions.extend(regions);
        }
    }
    let to_row = |region: &String, mut machine: MachineType| {
        attach_gpu(&mut machine, kind, requirements, catalog);
        let price = catalog.price(kind, region, &machine, false);
        Row::new(kind, Some(region), machine, price, None)
    };
    let rows_in = |region: &String| {
        let machines = catalog.machine_types(kind, region).into_iter();
        machines.map(|machine| to_row(region, machine)).collect::<Vec<_>>()
    };
    if !words.is_empty() {
        listing.rows = named_regions.iter().flat_map(rows_in).collect();
        listing.note = listing.note.filter(|_| !listing.rows.is_empty());
        return listing;
    }
    let mut cheapest: BTreeMap<String, Row> = BTreeMap::new();
    for machine in catalog.all_machine_types(kind) {
        cheapest.insert(machine.name.clone(), Row::new(kind, None, machine, None, None));
    }
    for row in all.iter().flat_map(rows_in).filter(|row| row.usd_per_hour.is_some()) {
        let known = cheapest.get(&row.machine.name).and_then(|known| known.usd_per_hour);
        if known.is_none_or(|known| row.usd_per_hour.is_some_and(|usd| usd < known)) {
            cheapest.insert(row.machine.name.clone(), row);
        }
    }
    listing.rows = cheapest.into_values().collect();
    listing
}

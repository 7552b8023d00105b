//! Lists the machine types of a cloud, from the cloud itself or from the built-in catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::machine_type_args::matching_regions;
use crate::catalog::Catalog;
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
    /// Creates the row of a machine type in a region, with its price in the catalog.
    fn in_region(kind: ProviderKind, region: &str, machine: MachineType, catalog: &Catalog) -> Self {
        let price = catalog.price(kind, region, &machine, false);
        Self {
            kind,
            region: Some(region.to_owned()),
            machine,
            usd_per_hour: price.map(|price| price.usd_per_hour),
            as_of: price.map(|price| price.as_of),
        }
    }

    /// Creates the row of a machine type that no region is known to have.
    fn without_region(kind: ProviderKind, machine: MachineType) -> Self {
        Self {
            kind,
            region: None,
            machine,
            usd_per_hour: None,
            as_of: None,
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
    let regions = match resolve_regions(provider.as_ref(), words, &mut listing).await {
        Ok(regions) => regions,
        Err(error) => {
            listing.errors.push(error.at_if_unset(kind));
            return listing;
        }
    };
    if regions.is_empty() && words.is_empty() {
        let reason = format!("no region of {kind} is named");
        return list_offline(cloud, words, requirements, catalog, &reason);
    }
    if let ([region], []) = (regions.as_slice(), words) {
        listing.note = Some(format!(
            "{kind}: machine types of {region}, where new VMs go; -r shows others"
        ));
    }
    let queries = regions.iter().map(|region| provider.machine_types(region, &[]));
    let answers = join_all(queries).await;
    for (region, answer) in regions.iter().zip(answers) {
        match answer {
            Ok(machines) => {
                for mut machine in machines {
                    catalog.attach_gpu(kind, &mut machine, requirements.gpu.as_ref());
                    let mut row = Row::in_region(kind, region, machine, catalog);
                    if let Some(fixed_price) = provider.fixed_price(&row.machine.name) {
                        row.usd_per_hour = Some(fixed_price);
                    }
                    listing.rows.push(row);
                }
            }
            Err(error) => listing.errors.push(error.at_if_unset(kind)),
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
        let default = provider.default_location().await?;
        return Ok(default.into_iter().map(|location| location.region).collect());
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
    let known_regions = catalog.regions(kind);
    let mut listing = MachineTypeListing::default();
    let mut named_regions = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let regions = matching_regions(cloud, std::slice::from_ref(word), &known_regions);
        if regions.is_empty() {
            let error = Error::invalid(format!("no region {} of {kind} is known", quoted(word)))
                .with_hint("name another region, or an area such as europe");
            listing.unknown.push((index, error));
        } else {
            listing.known.insert(index);
            named_regions.extend(regions);
        }
    }
    let rows_in = |region: &String| {
        let mut rows = Vec::new();
        for mut machine in catalog.machine_types(kind, region) {
            catalog.attach_gpu(kind, &mut machine, requirements.gpu.as_ref());
            rows.push(Row::in_region(kind, region, machine, catalog));
        }
        rows
    };
    listing.rows = match words {
        [] => {
            let machines = catalog.all_machine_types(kind).into_iter();
            let without_region = machines.map(|machine| Row::without_region(kind, machine));
            cheapest_rows(without_region.chain(known_regions.iter().flat_map(rows_in)))
        }
        _ => named_regions.iter().flat_map(rows_in).collect(),
    };
    if words.is_empty() || !listing.rows.is_empty() {
        listing.note = Some(format!("{reason}: these are its built-in machine types"));
    }
    listing
}

/// The cheapest row of each machine type, by name; the first one without a price if none has one.
fn cheapest_rows(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let usd = |row: &Row| row.usd_per_hour.unwrap_or(f64::INFINITY);
    let mut cheapest: BTreeMap<String, Row> = BTreeMap::new();
    for row in rows {
        match cheapest.get(&row.machine.name) {
            Some(known) if usd(known) <= usd(&row) => {}
            _ => {
                cheapest.insert(row.machine.name.clone(), row);
            }
        }
    }
    cheapest.into_values().collect()
}

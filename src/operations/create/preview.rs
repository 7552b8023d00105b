//! Says what a create would do, without creating anything: for `--dry-run`.

use std::collections::VecDeque;

use super::fallback::Fallback;
use super::find_existing::NameStatus;
use super::name_lookups::NameLookups;
use super::offers::{CreateRequest, Offer};
use super::placement_search::{PlacementRules, PlacementStep, SelectedOffer, nothing_left_error};
use crate::catalog::Catalog;
use crate::cloud::{Error, ErrorKind, GroupMembers, Instance, LaunchPreview, MachineType, Result};

/// The result of a preview.
#[derive(Debug, Default)]
pub struct PreviewReport {
    /// The instances that exist already.
    pub present: Vec<Instance>,
    /// One preview for each instance that would be created.
    pub previews: Vec<LaunchPreview>,
    /// The offer that would be taken, if a machine type is chosen.
    pub selected: Option<SelectedOffer>,
    /// Why the other instances would not be created.
    pub errors: Vec<Error>,
}

/// Finds the instance of each name of the spec, and previews those that are missing in the requested locations.
pub async fn preview_by_name(request: &CreateRequest, placement: &PlacementRules<'_>) -> PreviewReport {
    let mut report = PreviewReport::default();
    if let Err(error) = find_and_preview(request, placement, &mut report).await {
        report.errors.push(error);
    }
    report
}

async fn find_and_preview(
    request: &CreateRequest,
    placement: &PlacementRules<'_>,
    report: &mut PreviewReport,
) -> Result<()> {
    let lookups = NameLookups::plan(&[(request, placement)]).await;
    let existing = lookups.find_existing(0).await?;
    let NameStatus {
        present,
        missing,
        errors,
    } = existing.check_names(request, placement)?;
    report.present = present;
    report.errors = errors;
    if missing.is_empty() {
        return Ok(());
    }
    let found = placement.find_offers(PlacementStep::Requested, request).await?;
    let mut offers = VecDeque::from(found.offers);
    let mut first_refusal = None;
    while let Some(offer) = offers.pop_front() {
        match preview_offer(&offer, request, placement.allows(Fallback::Zone)).await {
            Ok(mut preview) => {
                set_price(&mut preview, &offer, request, placement.catalog);
                let with_name = |name| LaunchPreview {
                    name,
                    ..preview.clone()
                };
                report.previews = missing.into_iter().map(with_name).collect();
                report.selected = SelectedOffer::new(offer, offers.front());
                return Ok(());
            }
            Err(error) if allows_next_offer(error.kind()) && !offers.is_empty() => {
                first_refusal.get_or_insert(error);
            }
            Err(error) => return Err(first_refusal.unwrap_or(error)),
        }
    }
    Err(nothing_left_error())
}

/// Previews one member of a group for all: they differ in their names only. If other zones are allowed and the requested
/// zone has no capacity, previews any zone.
async fn preview_offer(offer: &Offer, request: &CreateRequest, allows_other_zones: bool) -> Result<LaunchPreview> {
    let mut spec = offer.build_spec(request)?;
    if let Some(members) = &spec.members {
        spec.members = GroupMembers::split(members.indexes(), 1).into_iter().next();
    }
    match offer.provider.preview(&spec).await {
        Err(error) if allows_other_zones && error.kind() == ErrorKind::Capacity && spec.location.zone.is_some() => {
            spec.location.zone = None;
            offer.provider.preview(&spec).await
        }
        preview => preview,
    }
}

fn allows_next_offer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidSpec | ErrorKind::Unsupported | ErrorKind::Capacity | ErrorKind::Quota
    )
}

/// Sets the price: of the offer, of the preview, or else of the catalog.
fn set_price(preview: &mut LaunchPreview, offer: &Offer, request: &CreateRequest, catalog: &Catalog) {
    if request.has_other_charges() {
        preview.price_usd_per_hour = None;
        return;
    }
    let catalog_price = || {
        let machine = offer.machine.clone().or_else(|| read_machine_type(preview))?;
        let price = catalog.price(preview.provider, &preview.location.region, &machine, preview.spot)?;
        Some(price.usd_per_hour)
    };
    preview.price_usd_per_hour = offer.usd_per_hour.or(preview.price_usd_per_hour).or_else(catalog_price);
}

fn read_machine_type(preview: &LaunchPreview) -> Option<MachineType> {
    Some(MachineType {
        name: preview.machine_type.clone(),
        cpus: preview.cpus?,
        memory_gib: preview.memory_gib?,
        architecture: preview.architecture?,
        gpu: preview.gpu.clone(),
        is_current: true,
        has_spot: true,
    })
}

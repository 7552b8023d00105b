//! What `create --dry-run` shows, and the words for why a place was chosen.

use super::progress::note_existing;
use super::vm_request::VmRequest;
use crate::cloud::{Error, ErrorKind, GroupMembers, Instance, InstanceSpec, LaunchPreview, MachineType, Result};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::{CreateRequest, Fallback, Offer, look_up_names, offers, usd};
use crate::output::{PLANS, Record, Report};

/// Shows what would be made, and makes nothing. The exit code is the one that making it would have: that of the refusal,
/// if there is one.
pub(super) async fn show(
    orders: &[VmRequest],
    refusal: Option<Error>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let refused = refusal.as_ref().map(|refusal| ExitStatus::from_kind(refusal.kind()));
    let mut report = Report {
        errors: refusal.into_iter().collect(),
        ..Report::default()
    };
    let mut present = Vec::new();
    for order in orders {
        match plans(order, &mut present, &mut report.errors, context).await {
            Ok(plans) => report.items.extend(plans.iter().map(Record::from)),
            Err(error) => report.errors.push(error),
        }
    }
    note_existing(present.iter(), context);
    let status = refused.unwrap_or_else(|| ExitStatus::from_batch(report.items.len() + present.len(), &report.errors));
    let now = context.now();
    context.printer.print_report(&report, &PLANS, now)?;
    context.printer.note("dry run: nothing was created");
    Ok(status)
}

/// What an order would come to: the plan of each VM that is not there yet. Those that are, and what stands in the way of
/// some, are put to the others.
async fn plans(
    order: &VmRequest,
    present: &mut Vec<Instance>,
    errors: &mut Vec<Error>,
    context: &mut Context,
) -> Result<Vec<LaunchPreview>> {
    let catalog = context.catalog();
    let reach = order.reach(&catalog);
    let standing = look_up_names(&order.wish, &reach).await?;
    present.extend(standing.present);
    errors.extend(standing.errors);
    if standing.missing.is_empty() {
        return Ok(Vec::new());
    }
    let offers = offers(&reach, &order.wish).await?;
    let mut refusal = None;
    for (position, offer) in offers.iter().enumerate() {
        let mut plan = match plan(offer, &order.wish, reach.allows(Fallback::Zone)).await {
            Ok(plan) => plan,
            Err(error) if is_of_the_place(&error) && position + 1 < offers.len() => {
                refusal.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(refusal.unwrap_or(error)),
        };
        if let Some(choice) = describe_choice(offer, offers.get(position + 1)) {
            context.printer.note(&choice);
        }
        let machine = offer.machine.clone().or_else(|| machine_of(&plan));
        plan.price_usd_per_hour = offer.usd_per_hour.or(plan.price_usd_per_hour);
        if order.wish.has_other_charges() {
            plan.price_usd_per_hour = None;
        } else if let (None, Some(machine)) = (plan.price_usd_per_hour, &machine) {
            let price = catalog.price(plan.provider, &plan.location.region, machine, plan.spot);
            plan.price_usd_per_hour = price.map(|price| price.usd_per_hour);
        }
        let named = |name| LaunchPreview { name, ..plan.clone() };
        return Ok(standing.missing.into_iter().map(named).collect());
    }
    Err(refusal.unwrap_or_else(|| Error::invalid("no place is left to try")))
}

/// One plan stands for all members: they are the same but for their names. Where other zones are allowed, it is the plan
/// for one of them if the zone that was asked for cannot have it.
async fn plan(offer: &Offer, wish: &CreateRequest, may_move: bool) -> Result<LaunchPreview> {
    let spec = offer.spec(wish)?;
    let first = spec
        .members
        .as_ref()
        .and_then(|members| GroupMembers::split(members.indexes(), 1).into_iter().next());
    let mut spec = InstanceSpec { members: first, ..spec };
    match offer.provider.preview(&spec).await {
        Err(error) if may_move && error.kind() == ErrorKind::Capacity && spec.location.zone.is_some() => {
            spec.location.zone = None;
            offer.provider.preview(&spec).await
        }
        planned => planned,
    }
}

fn is_of_the_place(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidSpec | ErrorKind::Unsupported | ErrorKind::Capacity | ErrorKind::Quota
    )
}

/// What a plan says of its machine.
fn machine_of(plan: &LaunchPreview) -> Option<MachineType> {
    Some(MachineType {
        name: plan.machine_type.clone(),
        cpus: plan.cpus?,
        memory_gib: plan.memory_gib?,
        architecture: plan.architecture?,
        gpu: plan.gpu.clone(),
        is_current: true,
        has_spot: true,
    })
}

/// Why an offer was taken, where something had to be chosen.
pub(super) fn describe_choice(best: &Offer, next: Option<&Offer>) -> Option<String> {
    let say = |offer: &Offer| {
        let name = offer.machine.as_ref().map(|machine| machine.name.as_str())?;
        let price = match offer.usd_per_hour {
            Some(price) => format!("{} USD an hour", usd(price)),
            None => "an unknown price".to_owned(),
        };
        Some(format!("{name} in {} at {price}", offer.location()))
    };
    let next = next
        .and_then(say)
        .map(|next| format!("; next is {next}"))
        .unwrap_or_default();
    Some(format!("the cheapest that fits is {}{next}", say(best)?))
}

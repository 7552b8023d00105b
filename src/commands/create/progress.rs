//! Creates all requested VMs at once, and prints each as it is created: its offer and its id.

use std::pin::pin;
use std::time::Instant;

use futures_util::StreamExt;

use super::vm_request::VmRequest;
use crate::cloud::{Error, ErrorKind, ErrorLocation, Instance, InstanceName};
use crate::command_context::Context;
use crate::operations::{CreateReport, CreatedInstance, Offer, SelectedOffer, create_all_by_name, format_usd};

/// Creates all requested VMs. Gives the instances that exist now, and the errors of the others.
pub(super) async fn create_all(requests: &[VmRequest], context: &mut Context) -> (Vec<CreatedInstance>, Vec<Error>) {
    let started = Instant::now();
    let shutdown = context.shutdown.clone();
    let catalog = context.catalog();
    let placements: Vec<_> = requests.iter().map(|request| request.placement(&catalog)).collect();
    let to_create: Vec<_> = requests
        .iter()
        .map(|request| &request.create)
        .zip(&placements)
        .collect();
    let mut work = pin!(create_all_by_name(&to_create, &shutdown));
    let (mut instances, mut errors) = (Vec::new(), Vec::new());
    let mut not_started = 0;
    for request in requests {
        // The reports are in the order of the requests.
        let Some(report) = work.next().await else { break };
        let name = (requests.len() > 1).then_some(&request.create.spec.name);
        print_created(name, &report, started, context);
        let price = report.selected.and_then(|selected| selected.offer.usd_per_hour);
        for mut created in report.instances {
            if created.instance.price_usd_per_hour.is_none() && !created.already_existed {
                created.instance.price_usd_per_hour = price;
            }
            instances.push(created);
        }
        for error in report.errors {
            match error.kind() {
                _ if requests.len() == 1 => errors.push(error),
                ErrorKind::Interrupted => not_started += 1,
                // Of several requests the error must name its own.
                _ => errors.push(error.with_subject(&request.create.spec.name)),
            }
        }
    }
    if not_started > 0 {
        let message = format!(
            "interrupted before {not_started} of {} creates were started",
            requests.len()
        );
        let error = Error::new(ErrorKind::Interrupted, message);
        errors.push(error.with_hint("run the same command again: it creates those that are missing"));
    }
    (instances, errors)
}

/// How many VMs are printed one by one; more are counted.
const MAX_PRINTED: usize = 10;

/// Says which VMs exist already.
pub(super) fn note_existing<'a>(existing: impl ExactSizeIterator<Item = &'a Instance>, context: &mut Context) {
    if existing.len() > MAX_PRINTED {
        let note = format!("{} VMs exist already with this spec", existing.len());
        context.printer.note(&note);
        return;
    }
    for instance in existing {
        let name = instance.name.as_deref().unwrap_or_default();
        let text = format!("{name} exists already with this spec: {}", instance.reference);
        context.printer.note(&text);
    }
}

/// Prints the result of one request; `name` is given if there are several.
fn print_created(name: Option<&InstanceName>, report: &CreateReport, started: Instant, context: &mut Context) {
    for refusal in &report.refusals {
        let error = &refusal.error;
        let text = match &refusal.location {
            Some(_) => format!("no capacity in {refusal}: {error}"),
            None => format!("no capacity: {error}"),
        };
        let leftovers: Vec<_> = error.leftovers().iter().map(ToString::to_string).collect();
        match leftovers.is_empty() {
            true => context.printer.note(&text),
            false => context
                .printer
                .warn(&format!("{text}; left over: {}", leftovers.join(", "))),
        }
    }
    let created = report.instances.iter().find(|created| !created.already_existed);
    let zone = created.and_then(|created| created.instance.zone.as_deref());
    note_selected(name, report.selected.as_ref(), zone, context);
    let seconds = started.elapsed().as_secs();
    let (existing, created): (Vec<_>, Vec<_>) = report.instances.iter().partition(|instance| instance.already_existed);
    note_existing(existing.iter().map(|existing| &existing.instance), context);
    if created.len() > MAX_PRINTED {
        let detail = format!("{seconds}s   {} VMs", created.len());
        context.printer.report_step("created", &detail);
        return;
    }
    for CreatedInstance { instance, .. } in created {
        let machine_type = instance.machine_type.as_deref().unwrap_or_default();
        let zone = instance.zone.as_deref().unwrap_or(&instance.region);
        let detail = format!("{seconds}s   {}   {machine_type}   {zone}", instance.reference);
        context.printer.report_step("created", &detail);
    }
}

/// Says which offer is taken, if a machine type was chosen: for the VM or group of this name, if there are several. `zone` is
/// where it went, which may be another than the offer's.
pub(super) fn note_selected(
    name: Option<&InstanceName>,
    selected: Option<&SelectedOffer>,
    zone: Option<&str>,
    context: &mut Context,
) {
    let Some(selected) = selected else { return };
    let Some(best) = describe_offer(&selected.offer, zone) else {
        return;
    };
    let architecture = match &selected.offer.machine {
        Some(machine) => format!("{} ", machine.architecture),
        None => String::new(),
    };
    let mut note = format!("the cheapest {architecture}that fits is {best}");
    if let Some(next) = selected.next_best.as_ref().and_then(|next| describe_offer(next, None)) {
        note.push_str(&format!("; next is {next}"));
    }
    context.printer.note(&match name {
        Some(name) => format!("{name}: {note}"),
        None => note,
    });
}

fn describe_offer(offer: &Offer, zone: Option<&str>) -> Option<String> {
    let name = &offer.machine.as_ref()?.name;
    let price = match offer.usd_per_hour {
        Some(price) => format!("{} USD an hour", format_usd(price)),
        None => "an unknown price".to_owned(),
    };
    let location = match (&offer.location.zone, zone) {
        (Some(_), Some(zone)) => ErrorLocation::new(offer.provider.kind(), zone),
        _ => offer.error_location(),
    };
    Some(format!("{name} in {location} at {price}"))
}

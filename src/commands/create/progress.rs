//! Making what was ordered, all orders at once, and telling of each as it is there.

use std::time::Instant;

use futures_util::StreamExt;

use super::dry_run::describe_choice;
use super::order::Order;
use crate::cloud::{Error, ErrorKind, Instance};
use crate::context::Context;
use crate::operations::{Creation, Creations, create_once};

/// As many creates are under way at once; more would only meet the clouds' rate limits.
const AT_ONCE: usize = 16;

/// Makes what is ordered. Gives what is there now, and what kept the rest from it.
pub(super) async fn create_all(orders: &[Order], context: &mut Context) -> (Vec<Instance>, Vec<Error>) {
    let started = Instant::now();
    let interrupt = context.interrupt.clone();
    let catalog = context.catalog();
    let reaches: Vec<_> = orders.iter().map(|order| order.reach(&catalog)).collect();
    let mut work = futures_util::stream::iter(orders.iter().zip(&reaches))
        .map(|(order, reach)| create_once(&order.wish, reach, &interrupt))
        .buffered(AT_ONCE);
    let mut names = orders.iter().map(|order| order.wish.spec.name.as_str());
    let (mut instances, mut errors) = (Vec::new(), Vec::new());
    let mut unbegun = 0;
    while let Some(creations) = work.next().await {
        let name = names.next().unwrap_or_default();
        announce(&creations, started, context);
        let price = creations.taken.as_ref().and_then(|(offer, _)| offer.usd_per_hour);
        instances.extend(creations.creations.into_iter().map(|creation| {
            Instance {
                price_usd_per_hour: creation
                    .instance
                    .price_usd_per_hour
                    .or(price.filter(|_| !creation.adopted)),
                ..creation.instance
            }
        }));
        for error in creations.errors {
            match error.kind() {
                ErrorKind::Interrupted if orders.len() > 1 => unbegun += 1,
                // Of several it must be told which.
                _ if orders.len() > 1 && !error.message().contains(name) => errors.push(error.context(name)),
                _ => errors.push(error),
            }
        }
    }
    if unbegun > 0 {
        let message = format!("interrupted before {unbegun} of {} VMs were begun", orders.len());
        let error = Error::new(ErrorKind::Interrupted, message);
        errors.push(error.with_remedy("run the same command again: it makes those that are missing"));
    }
    (instances, errors)
}

/// So many VMs are told of one by one; more are counted.
const MOST_TOLD: usize = 10;

/// Says which VMs are there already.
pub(super) fn tell_present<'a>(present: impl ExactSizeIterator<Item = &'a Instance>, context: &mut Context) {
    if present.len() > MOST_TOLD {
        let count = present.len();
        return context
            .printer
            .note(&format!("{count} VMs exist already with this spec"));
    }
    for instance in present {
        let name = instance.name.as_deref().unwrap_or_default();
        let text = format!("{name} exists already with this spec: {}", instance.reference);
        context.printer.note(&text);
    }
}

fn announce(creations: &Creations, started: Instant, context: &mut Context) {
    for refusal in &creations.tried {
        let place = refusal
            .location()
            .map(|place| format!(" in {place}"))
            .unwrap_or_default();
        match refusal.leftovers() {
            [] => context.printer.note(&format!("no room{place}: {refusal}")),
            left => context
                .printer
                .warning(&format!("no room{place}: {refusal}; left over: {}", left.join(", "))),
        }
    }
    if let Some((best, next)) = &creations.taken
        && let Some(choice) = describe_choice(best, next.as_ref())
    {
        context.printer.note(&choice);
    }
    let seconds = started.elapsed().as_secs();
    let (adopted, made): (Vec<_>, Vec<_>) = creations.creations.iter().partition(|creation| creation.adopted);
    tell_present(adopted.iter().map(|creation| &creation.instance), context);
    match made.as_slice() {
        several if several.len() > MOST_TOLD => context
            .printer
            .step("created", &format!("{seconds}s   {} VMs", several.len())),
        few => {
            for Creation { instance, .. } in few {
                let machine_type = instance.machine_type.as_deref().unwrap_or_default();
                let zone = instance.zone.as_deref().unwrap_or(&instance.region);
                let text = format!("{seconds}s   {}   {machine_type}   {zone}", instance.reference);
                context.printer.step("created", &text);
            }
        }
    }
}

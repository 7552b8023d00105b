//! Making what was ordered, all orders at once, and telling of each as it is there.
//! How to log in to what was made.

use std::time::Instant;

use futures_util::StreamExt;

use super::WaitValue;
use super::dry_run::describe_choice;
use super::vm_request::VmRequest;
use crate::catalog::{DEFAULT_IMAGE, LoginMethod, image_alias};
use crate::cloud::{Error, ErrorKind, Instance, InstanceSpec, SshKey};
use crate::context::Context;
use crate::operations::{CreateReport, CreatedInstance, create_by_name};
use crate::output::{password_hint, ssh_hint};

/// As many creates are under way at once; more would only meet the clouds' rate limits.
const AT_ONCE: usize = 16;

/// Makes what is ordered. Gives what is there now, and what kept the rest from it.
pub(super) async fn create_all(orders: &[VmRequest], context: &mut Context) -> (Vec<Instance>, Vec<Error>) {
    let started = Instant::now();
    let interrupt = context.shutdown.clone();
    let catalog = context.catalog();
    let reaches: Vec<_> = orders.iter().map(|order| order.reach(&catalog)).collect();
    let mut work = futures_util::stream::iter(orders.iter().zip(&reaches))
        .map(|(order, reach)| create_by_name(&order.wish, reach, &interrupt))
        .buffered(AT_ONCE);
    let mut names = orders.iter().map(|order| &order.wish.spec.name);
    let (mut instances, mut errors) = (Vec::new(), Vec::new());
    let mut unbegun = 0;
    while let Some(creations) = work.next().await {
        let name = names.next();
        print_created(&creations, started, context);
        let price = creations.selected.as_ref().and_then(|(offer, _)| offer.usd_per_hour);
        instances.extend(creations.creations.into_iter().map(|creation| {
            Instance {
                price_usd_per_hour: creation
                    .instance
                    .price_usd_per_hour
                    .or(price.filter(|_| !creation.already_existed)),
                ..creation.instance
            }
        }));
        for error in creations.errors {
            match error.kind() {
                ErrorKind::Interrupted if orders.len() > 1 => unbegun += 1,
                // Of several it must be told which.
                _ => errors.push(match name.filter(|_| orders.len() > 1) {
                    Some(name) => error.with_subject(name),
                    None => error,
                }),
            }
        }
    }
    if unbegun > 0 {
        let message = format!("interrupted before {unbegun} of {} VMs were begun", orders.len());
        let error = Error::new(ErrorKind::Interrupted, message);
        errors.push(error.with_hint("run the same command again: it makes those that are missing"));
    }
    (instances, errors)
}

/// So many VMs are told of one by one; more are counted.
const MOST_TOLD: usize = 10;

/// Says which VMs are there already.
pub(super) fn note_existing<'a>(present: impl ExactSizeIterator<Item = &'a Instance>, context: &mut Context) {
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

fn print_created(creations: &CreateReport, started: Instant, context: &mut Context) {
    for refusal in &creations.refusals {
        let place = refusal
            .location
            .as_ref()
            .map(|_| format!(" in {refusal}"))
            .unwrap_or_default();
        let error = &refusal.error;
        let leftovers: Vec<_> = error.leftovers().iter().map(ToString::to_string).collect();
        match leftovers.is_empty() {
            true => context.printer.note(&format!("no room{place}: {error}")),
            false => context
                .printer
                .warn(&format!("no room{place}: {error}; left over: {}", leftovers.join(", "))),
        }
    }
    if let Some((best, next)) = &creations.selected
        && let Some(choice) = describe_choice(best, next.as_ref())
    {
        context.printer.note(&choice);
    }
    let seconds = started.elapsed().as_secs();
    let (adopted, made): (Vec<_>, Vec<_>) = creations
        .creations
        .iter()
        .partition(|creation| creation.already_existed);
    note_existing(adopted.iter().map(|creation| &creation.instance), context);
    match made.as_slice() {
        several if several.len() > MOST_TOLD => context
            .printer
            .report_step("created", &format!("{seconds}s   {} VMs", several.len())),
        few => {
            for CreatedInstance { instance, .. } in few {
                let machine_type = instance.machine_type.as_deref().unwrap_or_default();
                let zone = instance.zone.as_deref().unwrap_or(&instance.region);
                let text = format!("{seconds}s   {}   {machine_type}   {zone}", instance.reference);
                context.printer.report_step("created", &text);
            }
        }
    }
}

/// So many VMs are told of; whoever makes more has a list of them.
const MAX_LOGIN_HINTS: usize = 10;

/// Says how to log in to each VM that can be logged in to.
pub(super) fn print_login_hints(orders: &[VmRequest], instances: &[Instance], context: &mut Context) {
    if instances.len() > MAX_LOGIN_HINTS {
        return;
    }
    for order in orders {
        let names = order.wish.spec.instance_names().unwrap_or_default();
        for instance in instances.iter().filter(|instance| !instance.state.is_gone()) {
            if names.iter().any(|name| instance.name.as_deref() == Some(name.as_str())) {
                tell_of(order, instance, context);
            }
        }
    }
}

fn tell_of(order: &VmRequest, instance: &Instance, context: &mut Context) {
    let spec = &order.wish.spec;
    let alias = image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE));
    if let Some(LoginMethod::Password(_)) = alias.map(|alias| &alias.login) {
        // The driver has said that this key is left out.
        let is_left_out = spec
            .default_ssh_key
            .as_deref()
            .is_some_and(|key| !key.starts_with("ssh-rsa "));
        let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
        let cloud = context.info(instance.provider);
        let is_told = is_left_out && cloud.password_needs_key.is_some();
        if let Some(text) = password_hint(cloud, instance, has_key).filter(|_| !is_told) {
            context.printer.note(&text);
        }
        return;
    }
    let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
    let address = instance.public_ip.as_deref().or(instance.private_ip.as_deref());
    let (true, Some(address)) = (has_key || order.wait == WaitValue::Ssh, address) else {
        return;
    };
    let cloud = context.info(instance.provider);
    let of_image = alias.and_then(|alias| alias.login_user(cloud)).map(str::to_owned);
    let of_key = || (cloud.key_user)(key_of(spec));
    let user = of_image.or_else(of_key);
    let text = ssh_hint(user.as_deref(), address, order.ssh_port);
    match order.wait {
        // Whoever waits for SSH wants to know, in a log too.
        WaitValue::Ssh => context.printer.note(&text),
        WaitValue::None | WaitValue::Running => context.printer.note_on_terminal(&text),
    }
}

fn key_of(spec: &InstanceSpec) -> Option<&str> {
    match &spec.ssh_key {
        Some(SshKey::PublicKey(key)) => Some(key),
        Some(SshKey::Name(_)) => None,
        None => spec.default_ssh_key.as_deref(),
    }
}

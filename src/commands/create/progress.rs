//! Creates all requested VMs at once, and prints each as it is created: its offer, its id, how to log in.

use std::time::Instant;

use futures_util::StreamExt;

use super::args::WaitValue;
use super::vm_request::VmRequest;
use crate::catalog::{DEFAULT_IMAGE, ImageAlias, LoginMethod, image_alias};
use crate::cloud::{Error, ErrorKind, Instance, InstanceSpec, SshKey};
use crate::command_context::Context;
use crate::operations::{CreateReport, CreatedInstance, Offer, SelectedOffer, create_by_name, format_usd};
use crate::output::{password_hint, ssh_hint};

/// How many requests run at once: more would only exceed the clouds' rate limits.
const CONCURRENT_REQUESTS: usize = 16;

/// Creates all requested VMs. Gives the instances that exist now, and the errors of the others.
pub(super) async fn create_all(requests: &[VmRequest], context: &mut Context) -> (Vec<Instance>, Vec<Error>) {
    let started = Instant::now();
    let shutdown = context.shutdown.clone();
    let catalog = context.catalog();
    let placements: Vec<_> = requests.iter().map(|request| request.placement(&catalog)).collect();
    let mut work = futures_util::stream::iter(requests.iter().zip(&placements))
        .map(|(request, placement)| create_by_name(&request.create, placement, &shutdown))
        .buffered(CONCURRENT_REQUESTS);
    let mut names = requests.iter().map(|request| &request.create.spec.name);
    let (mut instances, mut errors) = (Vec::new(), Vec::new());
    let mut not_started = 0;
    while let Some(report) = work.next().await {
        let name = names.next();
        print_created(&report, started, context);
        let price = report.selected.and_then(|selected| selected.offer.usd_per_hour);
        instances.extend(report.instances.into_iter().map(|created| {
            let mut instance = created.instance;
            if instance.price_usd_per_hour.is_none() && !created.already_existed {
                instance.price_usd_per_hour = price;
            }
            instance
        }));
        for error in report.errors {
            match error.kind() {
                ErrorKind::Interrupted if requests.len() > 1 => not_started += 1,
                // Of several requests the error must name its own.
                _ => errors.push(match name.filter(|_| requests.len() > 1) {
                    Some(name) => error.with_subject(name),
                    None => error,
                }),
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
pub(super) fn note_existing<'a>(present: impl ExactSizeIterator<Item = &'a Instance>, context: &mut Context) {
    if present.len() > MAX_PRINTED {
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

fn print_created(report: &CreateReport, started: Instant, context: &mut Context) {
    for refusal in &report.refusals {
        let location = match &refusal.location {
            Some(_) => format!(" in {refusal}"),
            None => String::new(),
        };
        let error = &refusal.error;
        let leftovers: Vec<_> = error.leftovers().iter().map(ToString::to_string).collect();
        match leftovers.is_empty() {
            true => context.printer.note(&format!("no room{location}: {error}")),
            false => context.printer.warn(&format!(
                "no room{location}: {error}; left over: {}",
                leftovers.join(", ")
            )),
        }
    }
    note_selected(report.selected.as_ref(), context);
    let seconds = started.elapsed().as_secs();
    let (existing, created): (Vec<_>, Vec<_>) = report.instances.iter().partition(|instance| instance.already_existed);
    note_existing(existing.iter().map(|existing| &existing.instance), context);
    match created.as_slice() {
        several if several.len() > MAX_PRINTED => context
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

/// Says which offer is taken, if a machine type was chosen.
pub(super) fn note_selected(selected: Option<&SelectedOffer>, context: &mut Context) {
    let Some(selected) = selected else { return };
    let describe = |offer: &Offer| {
        let name = offer.machine.as_ref().map(|machine| machine.name.as_str())?;
        let price = match offer.usd_per_hour {
            Some(price) => format!("{} USD an hour", format_usd(price)),
            None => "an unknown price".to_owned(),
        };
        Some(format!("{name} in {} at {price}", offer.error_location()))
    };
    let Some(best) = describe(&selected.offer) else { return };
    let next = selected.next_best.as_ref().and_then(describe);
    let next = next.map(|next| format!("; next is {next}")).unwrap_or_default();
    context.printer.note(&format!("the cheapest that fits is {best}{next}"));
}

/// How many VMs get a login hint; more are printed as a list only.
const MAX_LOGIN_HINTS: usize = 10;

/// Says how to log in to each VM that allows it.
pub(super) fn print_login_hints(requests: &[VmRequest], instances: &[Instance], context: &mut Context) {
    if instances.len() > MAX_LOGIN_HINTS {
        return;
    }
    for request in requests {
        let names = request.create.spec.instance_names().unwrap_or_default();
        for instance in instances.iter().filter(|instance| !instance.state.is_gone()) {
            if names.iter().any(|name| instance.name.as_deref() == Some(name.as_str())) {
                print_login_hint(request, instance, context);
            }
        }
    }
}

fn print_login_hint(request: &VmRequest, instance: &Instance, context: &mut Context) {
    let spec = &request.create.spec;
    let alias = image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE));
    match alias.map(|alias| &alias.login) {
        Some(LoginMethod::Password(_)) => print_password_hint(spec, instance, context),
        _ => print_ssh_hint(request, alias, instance, context),
    }
}

/// Says how to get the password of a Windows VM.
fn print_password_hint(spec: &InstanceSpec, instance: &Instance, context: &mut Context) {
    let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
    let is_rsa_key = |key: &str| key.starts_with("ssh-rsa ");
    let default_key_is_left_out = spec.default_ssh_key.as_deref().is_some_and(|key| !is_rsa_key(key));
    let cloud = context.info(instance.provider);
    // The driver warned that it leaves out a default key that cannot encrypt the password: the hint would be wrong.
    let driver_warned_already = default_key_is_left_out && cloud.password_needs_key.is_some();
    if let Some(text) = password_hint(cloud, instance, has_key).filter(|_| !driver_warned_already) {
        context.printer.note(&text);
    }
}

/// Says how to log in by SSH, if the VM has a key and an address.
fn print_ssh_hint(request: &VmRequest, alias: Option<&ImageAlias>, instance: &Instance, context: &mut Context) {
    let spec = &request.create.spec;
    let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
    let address = instance.public_ip.as_deref().or(instance.private_ip.as_deref());
    let can_log_in = has_key || request.wait == WaitValue::Ssh;
    let Some(address) = address.filter(|_| can_log_in) else {
        return;
    };
    let cloud = context.info(instance.provider);
    let image_user = alias.and_then(|alias| alias.login_user(cloud)).map(str::to_owned);
    let user = image_user.or_else(|| (cloud.key_user)(public_key(spec)));
    let text = ssh_hint(user.as_deref(), address, request.ssh_port);
    match request.wait {
        // A user who waits for SSH needs the hint, also in a log.
        WaitValue::Ssh => context.printer.note(&text),
        WaitValue::None | WaitValue::Running => context.printer.note_on_terminal(&text),
    }
}

fn public_key(spec: &InstanceSpec) -> Option<&str> {
    match &spec.ssh_key {
        Some(SshKey::PublicKey(key)) => Some(key),
        Some(SshKey::Name(_)) => None,
        None => spec.default_ssh_key.as_deref(),
    }
}

//! What `create` prints last: how to log in, how to remove the VMs, what they cost, and when they end.

use std::collections::HashMap;

use super::args::WaitValue;
use super::vm_request::VmRequest;
use crate::catalog::{DEFAULT_IMAGE, ImageAlias, LoginMethod, image_alias};
use crate::cloud::{Instance, InstanceSpec, ProviderKind, SshKey};
use crate::command_context::Context;
use crate::operations::{fill_in_prices, format_usd};
use crate::output::{explain_unknown_price, format_expiry, no_enforcer_warning, password_hint, ssh_hint};

/// How many names the command that removes VMs has; more are counted.
const MAX_NAMES: usize = 10;

/// The request that each VM was created by, by its name.
type RequestsByName<'a> = HashMap<String, &'a VmRequest>;

/// Prints at most three lines about the VMs that exist now, also to a log. Always warns about VMs that only cloudctl ends.
pub(super) fn print_next_steps(requests: &[VmRequest], instances: &[Instance], context: &mut Context) {
    let requests = &index_by_name(requests);
    let mut alive = instances.to_vec();
    alive.retain(|instance| !instance.state.is_gone());
    if let Some(text) = find_login_note(requests, &alive, context) {
        context.printer.note(&text);
    }
    if let Some(text) = removal_note(&alive) {
        context.printer.note(&text);
    }
    if !alive.is_empty() {
        let text = cost_note(requests, alive, context);
        context.printer.note(&text);
    }
    if let Some(text) = no_enforcer_warning(instances) {
        context.printer.warn(&text);
    }
}

/// The command that removes these VMs; `None` without any, or if they are too many to name.
fn removal_note(instances: &[Instance]) -> Option<String> {
    if instances.is_empty() || instances.len() > MAX_NAMES {
        return None;
    }
    let names: Option<Vec<&str>> = instances.iter().map(|instance| instance.name.as_deref()).collect();
    let mut providers: Vec<ProviderKind> = instances.iter().map(|instance| instance.provider).collect();
    providers.sort_unstable();
    providers.dedup();
    // Another region may have a VM of the same name.
    let mut regions: Vec<&str> = instances.iter().map(|instance| instance.region.as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    let mut words = vec![names?.join(" ")];
    words.extend(providers.iter().map(|kind| format!("-p {kind}")));
    words.extend(regions.iter().map(|region| format!("-r {region}")));
    let targets = words.join(" ");
    Some(
        match instances.iter().any(|instance| instance.protected == Some(true)) {
            true => format!("remove: cloudctl unprotect {targets} && cloudctl terminate {targets}"),
            false => format!("remove: cloudctl terminate {targets}"),
        },
    )
}

/// What the VMs cost for an hour, and when they end.
fn cost_note(requests: &RequestsByName<'_>, mut instances: Vec<Instance>, context: &mut Context) -> String {
    let catalog = context.catalog();
    for instance in &mut instances {
        if find_request(requests, instance).is_some_and(|request| request.create.has_other_charges()) {
            instance.has_other_price = true;
        }
        fill_in_prices(instance, &catalog);
    }
    let mut sum = 0.0;
    let mut unpriced = Vec::new();
    for instance in &instances {
        match instance.price_usd_per_hour {
            Some(price) => sum += price,
            None => unpriced.push(instance),
        }
    }
    let count = instances.len();
    let end = match format_expiry(&instances, context.now()) {
        Some(expiry) => expiry,
        None if count == 1 => "runs until it is terminated".to_owned(),
        None => "they run until they are terminated".to_owned(),
    };
    let priced = count - unpriced.len();
    let cost = match (unpriced.first(), priced) {
        (None, 1) => format!("{} USD an hour", format_usd(sum)),
        (None, _) => format!("{} USD an hour for {count} VMs", format_usd(sum)),
        (Some(first), priced) => {
            let reason = explain_unknown_price(first, context.info(first.provider));
            match priced {
                0 => format!("not known, because {reason}"),
                _ => format!("{} USD an hour for {priced} of {count} VMs; {reason}", format_usd(sum)),
            }
        }
    };
    format!("cost: {cost}; {end}")
}

fn index_by_name(requests: &[VmRequest]) -> RequestsByName<'_> {
    let mut by_name = HashMap::new();
    for request in requests {
        for name in request.create.spec.instance_names().unwrap_or_default() {
            by_name.entry(name.to_string()).or_insert(request);
        }
    }
    by_name
}

/// The request that an instance was created by.
fn find_request<'a>(requests: &RequestsByName<'a>, instance: &Instance) -> Option<&'a VmRequest> {
    requests.get(instance.name.as_deref()?).copied()
}

/// Says how to log in to the VM; of several, to the first one that allows it.
fn find_login_note(requests: &RequestsByName<'_>, instances: &[Instance], context: &Context) -> Option<String> {
    let (name, note) = instances.iter().find_map(|instance| {
        let request = find_request(requests, instance)?;
        let note = login_note(request, instance, context)?;
        Some((instance.name.as_deref().unwrap_or_default(), note))
    })?;
    match instances.len() {
        1 => Some(note),
        _ => Some(format!("{note} (for {name}; the others are reached the same way)")),
    }
}

fn login_note(request: &VmRequest, instance: &Instance, context: &Context) -> Option<String> {
    let spec = &request.create.spec;
    let alias = image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE));
    match alias.map(|alias| &alias.login) {
        Some(LoginMethod::Password(_)) => password_note(spec, instance, context),
        _ => ssh_note(request, alias, instance, context),
    }
}

/// Says how to get the password of a Windows VM.
fn password_note(spec: &InstanceSpec, instance: &Instance, context: &Context) -> Option<String> {
    let cloud = context.info(instance.provider);
    let is_rsa_key = |key: &str| key.starts_with("ssh-rsa ");
    if let Some(default_key) = &spec.default_ssh_key
        && !is_rsa_key(default_key)
        && cloud.missing_password_key_note.is_some()
    {
        // The driver warned that it leaves this key out, because it cannot encrypt the password: the hint would be wrong.
        return None;
    }
    password_hint(cloud, instance, has_key(spec))
}

fn has_key(spec: &InstanceSpec) -> bool {
    spec.ssh_key.is_some() || spec.default_ssh_key.is_some()
}

/// Says how to log in by SSH, if the VM has a key and an address.
fn ssh_note(request: &VmRequest, alias: Option<&ImageAlias>, instance: &Instance, context: &Context) -> Option<String> {
    let spec = &request.create.spec;
    let address = instance.public_ip.as_deref().or(instance.private_ip.as_deref())?;
    if !has_key(spec) && request.wait != WaitValue::Ssh {
        return None;
    }
    let cloud = context.info(instance.provider);
    let image_user = alias.and_then(|alias| alias.login_user(cloud)).map(str::to_owned);
    let user = image_user.or_else(|| (cloud.key_user)(public_key(spec)));
    Some(ssh_hint(user.as_deref(), address, request.ssh_port))
}

fn public_key(spec: &InstanceSpec) -> Option<&str> {
    match &spec.ssh_key {
        Some(SshKey::PublicKey(key)) => Some(key),
        Some(SshKey::Name(_)) => None,
        None => spec.default_ssh_key.as_deref(),
    }
}

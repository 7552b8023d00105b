//! How to log in to what was made.

use super::WaitArgument;
use super::order::Order;
use crate::catalog::{DEFAULT_IMAGE, Login, image_alias};
use crate::cloud::{Instance, InstanceSpec, SshKey};
use crate::context::Context;
use crate::output::{connect_text, needs_key, password_text};

/// So many VMs are told of; whoever makes more has a list of them.
const MOST_TOLD: usize = 10;

/// Says how to log in to each VM that can be logged in to.
pub(super) fn tell(orders: &[Order], instances: &[Instance], context: &mut Context) {
    if instances.len() > MOST_TOLD {
        return;
    }
    for order in orders {
        let names = order.wish.spec.names().unwrap_or_default();
        for instance in instances.iter().filter(|instance| !instance.state.is_gone()) {
            if names.iter().any(|name| instance.name.as_deref() == Some(name.as_str())) {
                tell_of(order, instance, context);
            }
        }
    }
}

fn tell_of(order: &Order, instance: &Instance, context: &mut Context) {
    let spec = &order.wish.spec;
    let alias = image_alias(spec.image.as_deref().unwrap_or(DEFAULT_IMAGE));
    if let Some(Login::Password(_)) = alias.map(|alias| &alias.login) {
        // The driver has said that this key is left out.
        let is_left_out = spec
            .default_ssh_key
            .as_deref()
            .is_some_and(|key| !key.starts_with("ssh-rsa "));
        let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
        if let Some(text) = password_text(instance, has_key).filter(|_| !(is_left_out && needs_key(instance))) {
            context.printer.note(&text);
        }
        return;
    }
    let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
    let address = instance.public_ip.as_deref().or(instance.private_ip.as_deref());
    let (true, Some(address)) = (has_key || order.wait == WaitArgument::Ssh, address) else {
        return;
    };
    let of_image = alias
        .and_then(|alias| alias.login_user(instance.provider))
        .map(str::to_owned);
    let of_key = || context.clouds().get(instance.provider).login_user(key_of(spec));
    let user = of_image.or_else(of_key);
    let text = connect_text(user.as_deref(), address, order.ssh_port);
    match order.wait {
        // Whoever waits for SSH wants to know, in a log too.
        WaitArgument::Ssh => context.printer.note(&text),
        WaitArgument::None | WaitArgument::Running => context.printer.remark(&text),
    }
}

fn key_of(spec: &InstanceSpec) -> Option<&str> {
    match &spec.ssh_key {
        Some(SshKey::PublicKey(key)) => Some(key),
        Some(SshKey::Name(_)) => None,
        None => spec.default_ssh_key.as_deref(),
    }
}

//! Waiting for what was made, each VM for what its description says.

use std::collections::HashMap;
use std::time::Duration;

use super::WaitValue;
use super::vm_request::VmRequest;
use crate::cloud::{Error, ErrorKind, Instance, InstanceState};
use crate::commands::wait::wait_with_steps;
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::WaitGoal;

/// Waits. Gives all instances as they are now, in no order; why some did not get there is put to the errors.
pub(super) async fn wait(
    orders: &[VmRequest],
    instances: Vec<Instance>,
    timeout: Duration,
    errors: &mut Vec<Error>,
    context: &mut Context,
) -> Vec<Instance> {
    let goals = goals(orders);
    let (mut done, mut targets) = (Vec::new(), Vec::new());
    for instance in instances {
        let goal = instance.name.as_deref().and_then(|name| goals.get(name).copied());
        match goal.unwrap_or(Some(WaitGoal::Running)) {
            None => done.push(instance),
            // An instance that somebody stopped will not start by itself.
            Some(_) if matches!(instance.state, InstanceState::Stopping | InstanceState::Stopped) => {
                let message = format!("{} exists but is {}", instance.reference, instance.state);
                let error = Error::new(ErrorKind::Timeout, message);
                errors.push(error.with_hint(format!("start it: cloudctl start {}", instance.reference)));
                done.push(instance);
            }
            Some(goal) => targets.push((instance, goal)),
        }
    }
    let known: Vec<_> = targets.iter().map(|(instance, _)| instance.clone()).collect();
    let waited = wait_with_steps(targets, timeout, context).await;
    let mut seen: Vec<_> = waited.reached.into_iter().chain(waited.unreached).collect();
    with_prices(&mut seen, &known);
    errors.extend(waited.errors.into_iter().map(not_ready));
    done.extend(seen);
    done
}

/// What is waited for of each VM by its name; nothing where nothing is.
fn goals(orders: &[VmRequest]) -> HashMap<String, Option<WaitGoal>> {
    let mut goals = HashMap::new();
    for order in orders {
        let goal = match order.wait {
            WaitValue::None => None,
            WaitValue::Running => Some(WaitGoal::Running),
            WaitValue::Ssh => Some(WaitGoal::Ssh(order.ssh_port)),
        };
        // Names that could not be made are no names of anything.
        let names = order.wish.spec.instance_names().unwrap_or_default();
        goals.extend(names.into_iter().map(|name| (name.as_str().to_owned(), goal)));
    }
    goals
}

/// What is known of the price of an instance does not come from the listing that saw it run.
fn with_prices(instances: &mut [Instance], known: &[Instance]) {
    for instance in instances
        .iter_mut()
        .filter(|instance| instance.price_usd_per_hour.is_none())
    {
        let same = known.iter().find(|known| known.reference == instance.reference);
        instance.price_usd_per_hour = same.and_then(|known| known.price_usd_per_hour);
    }
}

/// Whatever kept us from seeing it run, the VM exists: only what ended it is a failure of its own.
fn not_ready(error: Error) -> Error {
    match ExitStatus::from_kind(error.kind()) {
        ExitStatus::DENIED | ExitStatus::UNAVAILABLE | ExitStatus::PARTIAL => error.with_kind(ErrorKind::Timeout),
        // Nothing failed: somebody else wanted otherwise.
        ExitStatus::NOT_FOUND => error
            .with_kind(ErrorKind::Refused)
            .with_hint("somebody terminated it while it came up; run the same command again to make it anew"),
        _ => error,
    }
}

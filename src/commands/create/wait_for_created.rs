//! Waits for the created VMs, for each as its request says.

use std::collections::HashMap;
use std::time::Duration;

use super::args::WaitValue;
use super::vm_request::VmRequest;
use crate::cloud::{Error, ErrorKind, Instance, InstanceState};
use crate::command_context::Context;
use crate::commands::wait::wait_with_steps;
use crate::exit::ExitStatus;
use crate::operations::WaitGoal;

/// Waits for all instances. Gives them as they are now, in no order. Adds an error for each that did not reach its goal.
pub(super) async fn wait_for_all(
    requests: &[VmRequest],
    instances: Vec<Instance>,
    timeout: Duration,
    errors: &mut Vec<Error>,
    context: &mut Context,
) -> Vec<Instance> {
    let goals = collect_goals(requests);
    let (mut finished, mut targets) = (Vec::new(), Vec::new());
    for instance in instances {
        let name = instance.name.as_deref().unwrap_or_default();
        match goals.get(name).copied().unwrap_or(Some(WaitGoal::Running)) {
            None => finished.push(instance),
            // A stopped instance does not start by itself.
            Some(_) if matches!(instance.state, InstanceState::Stopping | InstanceState::Stopped) => {
                let message = format!("{} exists but is {}", instance.reference, instance.state);
                let error = Error::new(ErrorKind::Timeout, message);
                errors.push(error.with_hint(format!("start it: cloudctl start {}", instance.reference)));
                finished.push(instance);
            }
            Some(goal) => targets.push((instance, goal)),
        }
    }
    let known: Vec<_> = targets.iter().map(|(instance, _)| instance.clone()).collect();
    let result = wait_with_steps(targets, timeout, context).await;
    let mut waited: Vec<_> = result.reached.into_iter().chain(result.unreached).collect();
    copy_prices(&mut waited, &known);
    errors.extend(result.errors.into_iter().map(mark_as_not_ready));
    finished.extend(waited);
    finished
}

/// The goal of each VM by its name; `None` if it is not waited for.
fn collect_goals(requests: &[VmRequest]) -> HashMap<String, Option<WaitGoal>> {
    let mut goals = HashMap::new();
    for request in requests {
        let goal = match request.wait {
            WaitValue::None => None,
            WaitValue::Running => Some(WaitGoal::Running),
            WaitValue::Ssh => Some(WaitGoal::Ssh(request.ssh_port)),
        };
        let names = request.create.spec.instance_names().unwrap_or_default();
        goals.extend(names.into_iter().map(|name| (name.as_str().to_owned(), goal)));
    }
    goals
}

/// Copies the known prices: a new listing of an instance has none.
fn copy_prices(instances: &mut [Instance], known: &[Instance]) {
    for instance in instances {
        if instance.price_usd_per_hour.is_none()
            && let Some(same) = known.iter().find(|known| known.reference == instance.reference)
        {
            instance.price_usd_per_hour = same.price_usd_per_hour;
        }
    }
}

/// Turns an error of waiting into one of a VM that exists, but is not ready. The error of a VM that ended stays.
fn mark_as_not_ready(error: Error) -> Error {
    match ExitStatus::from_kind(error.kind()) {
        ExitStatus::DENIED | ExitStatus::UNAVAILABLE | ExitStatus::PARTIAL => error.with_kind(ErrorKind::Timeout),
        ExitStatus::NOT_FOUND => error
            .with_kind(ErrorKind::Refused)
            .with_hint("it was terminated while it started; run the same command again to create it"),
        _ => error,
    }
}

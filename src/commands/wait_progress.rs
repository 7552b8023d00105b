//! What a wait shows: progress on the terminal, the steps that are done, and a note if nothing leads to the goal.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Instance, InstanceState, format_duration, join_with_and};
use crate::command_context::Context;
use crate::operations::{WaitGoal, WaitObserver};
use crate::output::Printer;

/// How many VMs a note names; more are counted.
const MAX_NAMED: usize = 3;

/// Shows on the terminal what is waited for, and prints a step for each instance that reaches its goal.
pub(super) struct WaitProgress<'a> {
    printer: &'a mut Printer,
    started: Instant,
    target_count: usize,
}

impl<'a> WaitProgress<'a> {
    pub(super) fn new(printer: &'a mut Printer, target_count: usize) -> Self {
        Self {
            printer,
            started: Instant::now(),
            target_count,
        }
    }
}

impl WaitObserver for WaitProgress<'_> {
    fn on_reached(&mut self, goal: WaitGoal, instance: &Instance) {
        let name = match &instance.name {
            Some(name) if self.target_count > 1 => name.as_str(),
            _ => "",
        };
        let address = instance.public_ip.as_deref().unwrap_or_default();
        let detail = format!("{}s   {name} {address}", self.started.elapsed().as_secs());
        self.printer.report_step(goal.as_str(), detail.trim_end());
    }

    fn on_waiting(&mut self, waiting: &[(&Instance, WaitGoal)]) {
        let seconds = self.started.elapsed().as_secs();
        let text = format_waiting(waiting, self.target_count, seconds);
        self.printer.show_progress(&text);
    }
}

/// Describes what is waited for: `web-1 is pending, not yet running   12s`, `waiting for 3 of 5: web-3 is …`.
fn format_waiting(waiting: &[(&Instance, WaitGoal)], target_count: usize, seconds: u64) -> String {
    let Some((instance, goal)) = waiting.first() else {
        return String::new();
    };
    let mut text = match target_count {
        1 => String::new(),
        _ => format!("waiting for {} of {target_count}: ", waiting.len()),
    };
    let name = name_or_reference(instance);
    text.push_str(&match instance.state == goal.state() {
        true => format!("{name} is {}, but does not answer by SSH yet", instance.state),
        false => format!("{name} is {}, not yet {}", instance.state, goal.state()),
    });
    format!("{text}   {seconds}s")
}

/// The name of an instance, or else its reference.
pub(super) fn name_or_reference(instance: &Instance) -> String {
    match &instance.name {
        Some(name) => name.clone(),
        None => instance.reference.to_string(),
    }
}

/// VMs in one state that need the same command before they can reach the goal.
struct IdleGroup {
    state: InstanceState,
    /// The command that they need, such as `stop`.
    command: &'static str,
    names: Vec<String>,
}

/// Says at once, also in a log, which VMs nothing visible brings to the goal. They are waited for all the same: another
/// process, or the VM itself, may do it.
pub(super) fn note_targets_without_change(
    instances: &[Instance],
    goal: WaitGoal,
    timeout: Duration,
    context: &mut Context,
) {
    let deadline = match SignedDuration::try_from(timeout) {
        Ok(timeout) => context.now().checked_add(timeout).unwrap_or(Timestamp::MAX),
        Err(_) => Timestamp::MAX,
    };
    let mut groups: Vec<IdleGroup> = Vec::new();
    for instance in instances {
        let Some(command) = goal.missing_command(instance.state) else {
            continue;
        };
        // The end of its TTL terminates it.
        let ends_in_time = instance.expires_at.is_some_and(|end| end <= deadline);
        if goal == WaitGoal::Terminated && ends_in_time {
            continue;
        }
        let name = name_or_reference(instance);
        match groups.iter_mut().find(|group| group.state == instance.state) {
            Some(group) => group.names.push(name),
            None => groups.push(IdleGroup {
                state: instance.state,
                command,
                names: vec![name],
            }),
        }
    }
    for group in groups {
        let note = format!(
            "{}; waiting up to {}",
            describe_idle_group(&group),
            format_duration(timeout)
        );
        context.printer.note(&note);
    }
}

/// `web-1 is running, and nothing is stopping it yet`.
fn describe_idle_group(group: &IdleGroup) -> String {
    let state = group.state;
    let change = match group.command {
        "start" => "starting",
        "stop" => "stopping",
        _ => "terminating",
    };
    if let [only] = group.names.as_slice() {
        return format!("{only} is {state}, and nothing is {change} it yet");
    }
    let subject = match group.names.len() {
        count if count > MAX_NAMED => format!("{count} VMs"),
        _ => join_with_and(&group.names),
    };
    format!("{subject} are {state}, and nothing is {change} them yet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    #[test]
    fn progress_names_the_first_vm_that_is_waited_for() {
        let mut instance = Instance::with_id_only(ProviderKind::Mock, "us-east-1".to_owned(), "m-1".to_owned());
        instance.state = InstanceState::Pending;
        let goal = WaitGoal::Running;
        assert_eq!(
            format_waiting(&[(&instance, goal)], 1, 12),
            "mock/us-east-1/m-1 is pending, not yet running   12s"
        );
        instance.name = Some("web-1".to_owned());
        instance.state = InstanceState::Running;
        assert_eq!(
            format_waiting(&[(&instance, WaitGoal::Ssh(22))], 3, 1),
            "waiting for 1 of 3: web-1 is running, but does not answer by SSH yet   1s"
        );
    }
}

//! `cloudctl wait`: waits until VMs are in a state.

use std::time::{Duration, Instant};

use super::instance_args::{ConditionArgs, DEFAULT_TIMEOUT, find_instances, named_and_selected_error};
use super::wait_goal::{GoalArg, GoalParser, GoalValue};
use super::wait_progress::{WaitProgress, note_targets_without_change};
use crate::cloud::{Error, ErrorKind, Instance, InstanceQuery, Result, parse_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{ResolvedInstances, SSH_PORT, Selection, WaitGoal, WaitResult, run_first_listing, wait_for};
use crate::output::{INSTANCES, Report};

/// Wait until VMs are in a state
///
/// The state may also be the last word: `cloudctl wait web-1 stopped` waits until web-1 is stopped, unless a VM is called
/// "stopped". If nothing is visible that leads to the state, it says so at once, and waits on: another process or the VM itself
/// may do it.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name, id, or provider/region/id of a VM, or a quoted pattern of names such as 'web-*'
    #[arg(value_name = "REF", required_unless_present_any = ["selectors", "filters"])]
    references: Vec<InstanceQuery>,
    #[command(flatten)]
    conditions: ConditionArgs,
    /// State to wait for: running, stopped, terminated or ssh
    #[arg(
        long = "for",
        value_name = "STATE",
        default_value = "running",
        value_parser = GoalParser,
        help_heading = "Waiting"
    )]
    goal: GoalArg,
    /// How long to wait at most
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = parse_duration,
        help_heading = "Waiting"
    )]
    timeout: Duration,
    /// The port on which to wait for SSH
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = SSH_PORT,
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Waiting"
    )]
    ssh_port: u16,
}

/// Waits for each VM.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let started = Instant::now();
    let (selection, goal) = select_targets(&args)?;
    let search = find_targets(&selection, goal, context);
    let Some(found) = run_first_listing(args.timeout, search).await else {
        let message = format!(
            "could not get the state of {selection} within {} s",
            started.elapsed().as_secs()
        );
        return Err(Error::new(ErrorKind::Network, message).into());
    };
    let (mut resolved, goal) = found?;
    let goal = goal.to_wait_goal(args.ssh_port);
    if goal == WaitGoal::Terminated {
        resolved.add_terminating();
    }
    let mut missing_error = None;
    match resolved.missing_error() {
        // An instance that does not exist has reached the goal.
        Some(error) if goal == WaitGoal::Terminated && error.kind() == ErrorKind::NotFound => {
            for reference in &resolved.missing {
                context.printer.note(&format!("{reference} does not exist"));
            }
        }
        // A location that did not answer may have one of the instances. The others are waited for.
        Some(error) if error.kind() == ErrorKind::Incomplete && !resolved.instances.is_empty() => {
            missing_error = Some(error);
        }
        Some(error) => return Err(error.into()),
        None => {}
    }
    if missing_error.is_none() {
        missing_error = resolved.incomplete_error();
    }
    if let Some(reason) = resolved.describe_empty() {
        if let Some(error) = missing_error {
            return Err(error.into());
        }
        if goal != WaitGoal::Terminated {
            return Err(Error::new(ErrorKind::NotFound, reason).into());
        }
        context.printer.note(&reason);
    }
    note_targets_without_change(&resolved.instances, goal, args.timeout, context);
    let remaining = args.timeout.saturating_sub(started.elapsed());
    let mut waited = wait_with_steps(with_goal(goal, &resolved.instances), remaining, context).await;
    if let Some(error) = missing_error {
        waited.errors.push(error);
    }
    let status = ExitStatus::from_batch(waited.reached.len(), &waited.errors);
    let shown: Vec<Instance> = waited.reached.into_iter().chain(waited.unreached).collect();
    context.print_report(&Report::from_instances(&shown, waited.errors), &INSTANCES)?;
    Ok(status)
}

/// The selection and the goal of the command line. Beside -l and --filter the only word can be the goal.
///
/// # Errors
/// `InvalidSpec` for names beside -l and --filter.
fn select_targets(args: &Args) -> Result<(Selection, GoalArg)> {
    if args.references.is_empty() || args.conditions.is_empty() {
        return Ok((args.conditions.to_selection(&args.references), args.goal));
    }
    if let [word] = args.references.as_slice()
        && !args.goal.is_given
        && let Some(value) = GoalValue::from_query(word)
    {
        let goal = GoalArg { value, is_given: true };
        return Ok((args.conditions.to_selection(&[]), goal));
    }
    Err(named_and_selected_error("wait -l env=ci --for stopped"))
}

/// Finds the VMs and the goal. The last of several words is the goal if it is a state, `--for` is not given, and no VM has that
/// name. Beside full references a state is never looked up as a name.
async fn find_targets(
    selection: &Selection,
    goal: GoalArg,
    context: &mut Context,
) -> Result<(ResolvedInstances, GoalValue)> {
    let Some((last, others)) = selection.queries.split_last() else {
        return Ok((find_instances(selection, context).await?, goal.value));
    };
    let state = match goal.is_given || others.is_empty() {
        true => None,
        false => GoalValue::from_query(last),
    };
    let Some(state) = state else {
        return Ok((find_instances(selection, context).await?, goal.value));
    };
    if others.iter().all(|other| other.scope.is_some()) {
        let without_state = Selection {
            queries: others.to_vec(),
            ..selection.clone()
        };
        return Ok((find_instances(&without_state, context).await?, state));
    }
    let mut resolved = find_instances(selection, context).await?;
    let count_before = resolved.missing.len();
    resolved.missing.retain(|query| query != last);
    match resolved.missing.len() < count_before {
        true => Ok((resolved, state)),
        // A VM has that name.
        false => Ok((resolved, goal.value)),
    }
}

/// Gives each instance the same goal.
pub(super) fn with_goal(goal: WaitGoal, instances: &[Instance]) -> Vec<(Instance, WaitGoal)> {
    instances.iter().map(|instance| (instance.clone(), goal)).collect()
}

/// Waits. On the terminal it shows what is waited for, and prints a step for each instance that reaches its goal.
pub(super) async fn wait_with_steps(
    targets: Vec<(Instance, WaitGoal)>,
    timeout: Duration,
    context: &mut Context,
) -> WaitResult {
    let shutdown = context.shutdown.clone();
    let (printer, clouds) = context.printer_and_clouds();
    let mut progress = WaitProgress::new(printer, targets.len());
    let result = wait_for(&|kind| clouds.get(kind), targets, timeout, &shutdown, &mut progress).await;
    printer.end_progress();
    result
}

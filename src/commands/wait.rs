//! `cloudctl wait`: waits until VMs are in a state.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::instance_args::{DEFAULT_TIMEOUT, InstanceArgs, find_instances};
use crate::cloud::{Error, ErrorKind, Instance, parse_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{SSH_PORT, WaitGoal, WaitResult, run_first_listing, wait_for};
use crate::output::{INSTANCES, Report};

/// Wait until VMs are in a state
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
    /// State to wait for: running, stopped, terminated or ssh
    #[arg(
        long = "for",
        value_name = "STATE",
        default_value = "running",
        help_heading = "Waiting"
    )]
    goal: GoalValue,
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

/// A state that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GoalValue {
    /// It runs
    Running,
    /// It is stopped
    Stopped,
    /// It is gone
    #[value(aliases = ["gone", "deleted"])]
    Terminated,
    /// It runs, and answers by SSH
    Ssh,
}

impl GoalValue {
    fn to_wait_goal(self, ssh_port: u16) -> WaitGoal {
        match self {
            Self::Running => WaitGoal::Running,
            Self::Stopped => WaitGoal::Stopped,
            Self::Terminated => WaitGoal::Terminated,
            Self::Ssh => WaitGoal::Ssh(ssh_port),
        }
    }
}

/// Waits for each VM.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let started = Instant::now();
    let selection = args.targets.to_selection();
    let search = find_instances(&selection, context);
    let Some(resolved) = run_first_listing(args.timeout, search).await else {
        let message = format!(
            "{selection} could not be looked at within {} s",
            started.elapsed().as_secs()
        );
        return Err(Error::new(ErrorKind::Network, message).into());
    };
    let mut resolved = resolved?;
    let goal = args.goal.to_wait_goal(args.ssh_port);
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

/// Gives each instance the same goal.
pub(super) fn with_goal(goal: WaitGoal, instances: &[Instance]) -> Vec<(Instance, WaitGoal)> {
    instances.iter().map(|instance| (instance.clone(), goal)).collect()
}

/// Waits, and prints a step on the terminal for each instance that reaches its goal.
pub(super) async fn wait_with_steps(
    targets: Vec<(Instance, WaitGoal)>,
    timeout: Duration,
    context: &mut Context,
) -> WaitResult {
    let started = Instant::now();
    let shows_names = targets.len() > 1;
    let shutdown = context.shutdown.clone();
    let (printer, clouds) = context.printer_and_clouds();
    let mut on_reached = |goal: WaitGoal, instance: &Instance| {
        let name = match &instance.name {
            Some(name) if shows_names => name.as_str(),
            _ => "",
        };
        let address = instance.public_ip.as_deref().unwrap_or_default();
        let detail = format!("{}s   {name} {address}", started.elapsed().as_secs());
        printer.report_step(goal.as_str(), detail.trim_end());
    };
    wait_for(&|kind| clouds.get(kind), targets, timeout, &shutdown, &mut on_reached).await
}

//! `cloudctl wait`

use std::time::Duration;

use clap::ValueEnum;

use super::targets::{DEFAULT_TIMEOUT, References, duration_argument, find};
use crate::cloud::{Instance, Reference};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::{Goal, Waited, wait_for};
use crate::output::{INSTANCES, Report};

/// Wait until VMs are in a state
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: References,
    /// The state to wait for
    #[arg(long = "for", value_name = "STATE", default_value = "running")]
    goal: GoalArgument,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIMEOUT, value_parser = duration_argument)]
    timeout: Duration,
}

/// A state that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GoalArgument {
    /// It runs
    Running,
    /// It is stopped
    Stopped,
    /// It is gone
    Terminated,
}

impl From<GoalArgument> for Goal {
    fn from(argument: GoalArgument) -> Self {
        match argument {
            GoalArgument::Running => Self::Running,
            GoalArgument::Stopped => Self::Stopped,
            GoalArgument::Terminated => Self::Terminated,
        }
    }
}

/// Waits for each VM.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let selection = find(&args.targets.references, context).await?;
    let goal = Goal::from(args.goal);
    match selection.missing_error() {
        // What is not there any more is what was waited for.
        Some(_) if goal == Goal::Terminated && selection.gaps.is_empty() => note_absent(&selection.missing, context),
        Some(error) => return Err(error.into()),
        None => {}
    }
    let waited = wait_with_steps(&selection.instances, goal, args.timeout, context).await;
    let status = ExitStatus::of_batch(waited.reached.len(), &waited.errors);
    let now = context.now();
    let shown: Vec<Instance> = waited.reached.into_iter().chain(waited.unreached).collect();
    context
        .printer
        .report(&Report::of_instances(&shown, waited.errors), &INSTANCES, now)?;
    Ok(status)
}

fn note_absent(missing: &[Reference], context: &mut Context) {
    for reference in missing {
        context.printer.note(&format!("{reference} does not exist"));
    }
}

/// Waits, and shows each arrival as a step on the terminal.
pub(super) async fn wait_with_steps(
    instances: &[Instance],
    goal: Goal,
    timeout: Duration,
    context: &mut Context,
) -> Waited {
    let started = std::time::Instant::now();
    let several = instances.len() > 1;
    let interrupt = context.interrupt.clone();
    let (printer, clouds) = context.split();
    let mut on_reached = |instance: &Instance| {
        let name = instance.name.as_deref().filter(|_| several).unwrap_or_default();
        let address = instance.public_ip.as_deref().unwrap_or_default();
        let detail = format!("{}s   {name} {address}", started.elapsed().as_secs());
        printer.step(goal.as_str(), detail.trim_end());
    };
    wait_for(
        &|kind| clouds.get(kind),
        instances,
        goal,
        timeout,
        &interrupt,
        &mut on_reached,
    )
    .await
}

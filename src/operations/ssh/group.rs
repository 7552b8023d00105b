//! Runs one command in many instances, some at a time.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;

use super::connection::{SshOptions, prepare_connection, wait_until_running};
use super::local_setup::LocalSshSetup;
use super::session::{OutputStream, SessionResult, run_captured};
use crate::cloud::{CloudSettings, Instance, Provider, Result};
use crate::operations::wait::{WaitGoal, WaitObserver};
use crate::shutdown::Shutdown;

/// How many lines may wait to be printed before the commands have to wait.
const MAX_WAITING_LINES: usize = 1_024;

/// An instance to run the command in.
pub struct GroupMember<'a> {
    /// The instance.
    pub instance: Instance,
    /// Its cloud.
    pub provider: Arc<dyn Provider>,
    /// How to log in.
    pub options: SshOptions,
    /// The settings of its cloud.
    pub settings: Box<CloudSettings<'a>>,
}

/// A line that a command wrote, without its end.
pub struct OutputLine {
    /// The position of the instance among the members.
    pub position: usize,
    /// Where it was written to.
    pub stream: OutputStream,
    /// The text. What is not UTF-8 is replaced.
    pub text: String,
}

/// Runs a command in all members, `parallel` at a time, and gives their results in the order of the members. The commands
/// have no input. `on_line` gets each line as soon as it is complete.
///
/// The errors of a member are those of [`prepare_connection`] and [`run_session`](super::run_session).
pub async fn run_in_group(
    members: Vec<GroupMember<'_>>,
    command: &[String],
    parallel: usize,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
    on_line: &mut dyn FnMut(OutputLine),
) -> Vec<Result<SessionResult>> {
    let (sender, mut lines) = mpsc::channel(MAX_WAITING_LINES);
    let runs = members.into_iter().enumerate().map(|(position, member)| {
        let sender = sender.clone();
        async move {
            let send = async |stream, text| {
                let line = OutputLine { position, stream, text };
                // The receiver lives until all runs have ended.
                let _ = sender.send(line).await;
            };
            (position, run_in_member(member, command, setup, shutdown, send).await)
        }
    });
    let mut runs = stream::iter(runs).buffer_unordered(parallel);
    let mut results = Vec::new();
    loop {
        tokio::select! {
            Some(line) = lines.recv() => on_line(line),
            result = runs.next() => match result {
                Some(result) => results.push(result),
                None => break,
            },
        }
    }
    drop(runs);
    while let Ok(line) = lines.try_recv() {
        on_line(line);
    }
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn run_in_member(
    member: GroupMember<'_>,
    command: &[String],
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
    send: impl AsyncFn(OutputStream, String),
) -> Result<SessionResult> {
    let GroupMember {
        instance,
        provider,
        options,
        settings,
    } = member;
    let instance = wait_until_running(&provider, instance, options.timeout, shutdown, &mut Unobserved).await?;
    let connection = prepare_connection(provider.as_ref(), instance, &options, setup, &*settings, shutdown).await?;
    run_captured(&connection, command, setup, shutdown, send).await
}

/// Shows nothing.
pub(super) struct Unobserved;

impl WaitObserver for Unobserved {
    fn on_reached(&mut self, _goal: WaitGoal, _instance: &Instance) {}

    fn on_waiting(&mut self, _waiting: &[(&Instance, WaitGoal)]) {}
}

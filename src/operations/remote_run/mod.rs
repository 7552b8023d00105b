//! Runs a command in an instance at most once, and passes on what it writes, whatever happens to the connection.
//!
//! The folder of the run in the instance is the lock: who makes it starts the command, in the same script, detached from the
//! connection. Everybody else attaches to it. What the command writes is in files there, and comes by its offset.

mod fetch_files;
mod follow_run;
mod run_id;
mod run_input;
mod run_records;
mod run_script;

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep, timeout};

pub use self::fetch_files::{FileToFetch, fetch_files};
use self::follow_run::{Attempt, BrokenConnection, Offsets, follow_once};
pub use self::follow_run::{RunObserver, RunResult};
pub use self::run_id::{FileToCopy, compute_run_id};
pub use self::run_input::RunInput;
pub use self::run_records::RunRecords;
use self::run_script::{RunScript, StagedFile, interrupt_command, staging_command};
use super::ssh::{Connection, CopyEnd, CopyOptions, LocalSshSetup, OutputStream, RemoteShell, copy_files};
use crate::cloud::{Error, ErrorKind, InstanceState, PretendShell, Provider, Result, Secret, path_text};
use crate::shutdown::{Interrupts, Shutdown, interrupted_error};

/// The pauses before a connection is opened again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long a server may refuse the login: a new instance gets its users and keys some time after it answers.
const LOGIN_PATIENCE: Duration = Duration::from_secs(90);
/// From which failure in a row on the cloud is asked whether the instance still runs.
const FAILURES_BEFORE_CHECK: u32 = 2;
/// The most that the shell of a VM may write before it says what it kept.
const MAX_STAGING_OUTPUT: u64 = 1024 * 1024;
/// How long it may take to pass on an interrupt.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(30);

/// A command to run.
#[derive(Debug)]
pub struct RemoteRun<'a> {
    /// Its id, from [`compute_run_id`].
    pub run_id: &'a str,
    /// Its words. One word is a line for `sh`; several are started as they are.
    pub command: &'a [String],
    /// The variables of its environment.
    pub environment: &'a [(String, Secret<String>)],
    /// The files and folders to copy to the instance before it starts.
    pub files: &'a [FileToCopy],
    /// After how many whole seconds it is ended.
    pub time_limit: Duration,
    /// Whether to start it again if it ran in this instance before and has ended.
    pub starts_again: bool,
    /// How long to try to connect without success.
    pub timeout: Duration,
}

/// How this machine's part in a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// The command ended.
    Ended(RunResult),
    /// The user left, and the command goes on.
    Detached,
}

/// Everything that a run needs beside the command.
pub struct RunParts<'a> {
    /// The connection to the instance.
    pub connection: &'a Connection,
    /// The cloud of the instance.
    pub provider: &'a dyn Provider,
    /// What this machine has for ssh.
    pub setup: &'a LocalSshSetup,
    /// The signals of this run.
    pub shutdown: &'a Shutdown,
    /// The interrupts to pass on to the command; `None` if they end the run like other signals.
    pub interrupts: Option<Interrupts>,
    /// The standard input of the command.
    pub input: RunInput,
    /// Whether copies show their progress on the terminal.
    pub shows_progress: bool,
}

/// Starts the command if nobody has started it, and follows it to its end.
///
/// # Errors
/// - `Interrupted` after a signal; the command may go on.
/// - `Refused` if the instance has another host key, or the command could not be started, or has no result.
/// - `NotFound` if the instance is gone; `Network` if it cannot be reached for [`RemoteRun::timeout`].
/// - `PermissionDenied` if it lets nobody in; those of copying.
pub async fn run_remotely(
    run: &RemoteRun<'_>,
    parts: RunParts<'_>,
    observer: &mut dyn RunObserver,
) -> Result<RunOutcome> {
    if let Some(shell) = &parts.connection.pretend_shell {
        return run_in_pretend_shell(shell, parts.shutdown, observer).await;
    }
    let mark = format!("cloudctl-{:032x}", fastrand::u128(..));
    let staging_folder = format!("{}.{}", run.run_id, &mark["cloudctl-".len()..][..8]);
    let mut runner = Runner {
        run,
        parts,
        mark,
        staging_folder,
        interrupt_count: 0,
        has_interrupt_to_send: false,
    };
    let is_running = Cell::new(false);
    runner.run(&is_running, observer).await
}

/// Gives the answer of an instance that runs nothing, after as many broken connections as it says.
async fn run_in_pretend_shell(
    shell: &PretendShell,
    shutdown: &Shutdown,
    observer: &mut dyn RunObserver,
) -> Result<RunOutcome> {
    observer.on_running(true);
    for _ in 0..shell.broken_connections {
        observer.on_broken_connection("the connection was dropped, as CLOUDCTL_MOCK_SSH says");
    }
    let delay = async {
        sleep(shell.delay).await;
        Ok(())
    };
    shutdown.run_until_signal(delay).await?;
    if !shell.stdout.is_empty() {
        observer.on_output(OutputStream::Output, format!("{}\n", shell.stdout).as_bytes());
    }
    Ok(RunOutcome::Ended(RunResult {
        exit_code: shell.exit_code,
        seconds: shell.delay.as_secs(),
    }))
}

struct Runner<'a> {
    run: &'a RemoteRun<'a>,
    parts: RunParts<'a>,
    /// Tells the lines of this run's script from others.
    mark: String,
    staging_folder: String,
    interrupt_count: u32,
    /// Whether an interrupt has not reached the command yet.
    has_interrupt_to_send: bool,
}

/// Whether the user left while something was done.
enum Step<T> {
    Done(T),
    Detached,
}

/// The failures since the last connection that held.
struct Failures {
    count: u32,
    /// When the first one was.
    since: Option<Instant>,
    pause: Duration,
}

impl Failures {
    fn none() -> Self {
        Self {
            count: 0,
            since: None,
            pause: FIRST_PAUSE,
        }
    }
}

impl Runner<'_> {
    async fn run(&mut self, is_running: &Cell<bool>, observer: &mut dyn RunObserver) -> Result<RunOutcome> {
        let needs_staging = !self.run.files.is_empty() || !self.parts.input.is_known_to_be_empty();
        let mut staged_files = Vec::new();
        let mut may_start = !needs_staging;
        let mut offsets = Offsets::default();
        let mut failures = Failures::none();
        loop {
            let (connection, setup) = (self.parts.connection, self.parts.setup);
            let (run, mark, staging_folder) = (self.run, self.mark.clone(), self.staging_folder.clone());
            let script = RunScript {
                run_id: run.run_id,
                mark: &mark,
                staging_folder: &staging_folder,
                staged_files: &staged_files,
                command: run.command,
                environment: run.environment,
                time_limit: run.time_limit,
                may_start,
                starts_again: run.starts_again,
                offsets: offsets.as_pair(),
            };
            let attempt = follow_once(connection, &script, setup, &mut offsets, is_running, observer);
            let attempt = match self.heed_signals(attempt, is_running).await? {
                Step::Done(attempt) => attempt?,
                Step::Detached => return Ok(RunOutcome::Detached),
            };
            let broken = match attempt {
                Attempt::Ended(result) => return Ok(RunOutcome::Ended(result)),
                Attempt::Absent => match self.stage(is_running).await? {
                    Step::Done(Ok(files)) => {
                        (staged_files, may_start) = (files, true);
                        failures = Failures::none();
                        continue;
                    }
                    Step::Done(Err(error)) if error.kind() == ErrorKind::Network => BrokenConnection {
                        problem: error.message().to_owned(),
                        is_denied: false,
                        was_running: false,
                        may_have_reached_shell: false,
                    },
                    Step::Done(Err(error)) => return Err(error),
                    Step::Detached => return Ok(RunOutcome::Detached),
                },
                Attempt::Broken(broken) => broken,
            };
            if may_start && broken.may_have_reached_shell {
                observer.on_start_possible();
            }
            if broken.was_running {
                failures = Failures::none();
            }
            self.check_failure(&mut failures, broken, observer).await?;
            let pause = async { sleep(failures.pause).await };
            if let Step::Detached = self.heed_signals(pause, is_running).await? {
                return Ok(RunOutcome::Detached);
            }
            failures.pause = (failures.pause * 2).min(MAX_PAUSE);
        }
    }

    /// Decides whether to try again after a failure.
    async fn check_failure(
        &self,
        failures: &mut Failures,
        BrokenConnection { problem, is_denied, .. }: BrokenConnection,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let reference = &self.parts.connection.instance.reference;
        failures.count += 1;
        let elapsed = failures.since.get_or_insert_with(Instant::now).elapsed();
        if is_denied && elapsed > LOGIN_PATIENCE.min(self.run.timeout) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("{reference} does not let this machine log in: {problem}"),
            )
            .naming(reference)
            .with_hint("pass the private key with --identity-file, or the user with --user"));
        }
        if failures.count >= FAILURES_BEFORE_CHECK {
            self.check_instance().await?;
        }
        if elapsed > self.run.timeout {
            return Err(Error::new(
                ErrorKind::Network,
                format!("the connection to {reference} is lost: {problem}; the command may go on"),
            )
            .naming(reference)
            .with_hint(format!(
                "run the same line again, with the name {}: it attaches to the command, and never starts it twice",
                self.parts.connection.instance.name.as_deref().unwrap_or("NAME")
            )));
        }
        // One refused login is common while an instance boots.
        if failures.count >= FAILURES_BEFORE_CHECK || !is_denied {
            observer.on_broken_connection(&problem);
        }
        Ok(())
    }

    /// Checks that the instance still runs, as far as its cloud says.
    async fn check_instance(&self) -> Result<()> {
        let reference = &self.parts.connection.instance.reference;
        let look_up = self.parts.provider.get(reference);
        let problem = match self.parts.shutdown.run_until_signal(look_up).await {
            Ok(instance) if instance.state.is_gone() => "gone".to_owned(),
            Ok(instance) if matches!(instance.state, InstanceState::Stopping | InstanceState::Stopped) => {
                instance.state.to_string()
            }
            Err(error) if error.kind() == ErrorKind::NotFound => "gone".to_owned(),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            _ => return Ok(()),
        };
        let message = format!("{reference} is {problem}, and the command has no result");
        Err(Error::new(ErrorKind::NotFound, message)
            .naming(reference)
            .with_hint("start the command anew with --again"))
    }

    /// Copies the files and the input to the instance, where the script takes them when it starts the command.
    async fn stage(&mut self, is_running: &Cell<bool>) -> Result<Step<Result<Vec<StagedFile>>>> {
        let mut command_input = std::mem::replace(&mut self.parts.input, RunInput::none());
        let read = async { command_input.all().await.map(<[u8]>::to_vec) };
        let input = match self.heed_signals(read, is_running).await? {
            Step::Done(bytes) => bytes?,
            Step::Detached => return Ok(Step::Detached),
        };
        self.parts.input = command_input;
        let (run, setup, connection) = (self.run, self.parts.setup, self.parts.connection);
        let (shutdown, shows_progress) = (self.parts.shutdown.clone(), self.parts.shows_progress);
        let staging_folder = self.staging_folder.clone();
        let stage = async move {
            let length = input.len();
            let command = staging_command(&staging_folder, length > 0);
            let shell = RemoteShell::open(connection, &command, input, setup).await?;
            let (result, output, errors) = shell.read_to_end(MAX_STAGING_OUTPUT).await?;
            let kept = output.split_whitespace().next_back().and_then(|word| word.parse().ok());
            if result.exit_code == 255 || (result.exit_code == 0 && kept != Some(length)) {
                let problem = result
                    .log
                    .lines()
                    .next_back()
                    .unwrap_or("the connection ended")
                    .to_owned();
                return Err(Error::new(ErrorKind::Network, problem));
            }
            if result.exit_code != 0 {
                let problem = errors.lines().next_back().unwrap_or("its shell failed").to_owned();
                let reference = &connection.instance.reference;
                let message = format!("cannot copy to {reference}: {problem}");
                return Err(Error::new(ErrorKind::Refused, message).naming(reference));
            }
            let mut staged = Vec::new();
            for (index, file) in run.files.iter().enumerate() {
                // A name that is not there yet: the file or folder gets it, whatever its own name is.
                let target = format!(".cloudctl/runs/{staging_folder}/{index}");
                let options = CopyOptions {
                    recursive: file.local.is_dir(),
                    shows_progress,
                    can_prompt: false,
                };
                let source = [CopyEnd::Local(file.local.clone())];
                let destination = CopyEnd::Remote(connection, target);
                copy_files(&source, &destination, &options, setup, &shutdown).await?;
                // `.` and `..` have names, too.
                let real = file.local.canonicalize().ok();
                let name = file.local.file_name().or_else(|| real.as_deref()?.file_name());
                let name = name.and_then(|name| name.to_str()).ok_or_else(|| {
                    Error::invalid(format!("{} has no name that can be copied", path_text(&file.local)))
                })?;
                let target = match file.remote.is_empty() || file.remote.ends_with('/') {
                    true => format!("{}{name}", file.remote),
                    false => file.remote.clone(),
                };
                staged.push(StagedFile {
                    path: index.to_string(),
                    target,
                });
            }
            Ok(staged)
        };
        self.heed_signals(stage, is_running).await
    }

    /// Does something until it is done, and heeds signals: the first interrupt is passed on to a command that runs, the second
    /// one leaves it.
    ///
    /// # Errors
    /// `Interrupted` after a signal that is not passed on.
    async fn heed_signals<T>(&mut self, work: impl Future<Output = T>, is_running: &Cell<bool>) -> Result<Step<T>> {
        let mut work = pin!(work);
        let mut passed_on = FuturesUnordered::new();
        let (connection, setup, run_id) = (self.parts.connection, self.parts.setup, self.run.run_id);
        let interrupts = &mut self.parts.interrupts;
        if self.has_interrupt_to_send {
            passed_on.push(pass_on_interrupt(connection, run_id, setup));
        }
        loop {
            let next_interrupt = async {
                match interrupts {
                    Some(interrupts) => interrupts.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.parts.shutdown.wait_for_signal() => return Err(interrupted_error()),
                () = next_interrupt => {
                    if !is_running.get() {
                        return Err(interrupted_error());
                    }
                    self.interrupt_count += 1;
                    if self.interrupt_count > 1 {
                        return Ok(Step::Detached);
                    }
                    self.has_interrupt_to_send = true;
                    passed_on.push(pass_on_interrupt(connection, run_id, setup));
                }
                // Until it has arrived it is sent again with each new connection.
                Some(has_arrived) = passed_on.next() => self.has_interrupt_to_send = !has_arrived,
                done = &mut work => return Ok(Step::Done(done)),
            }
        }
    }
}

/// Sends SIGINT to the command and what it started; whether it arrived.
async fn pass_on_interrupt(connection: &Connection, run_id: &str, setup: &LocalSshSetup) -> bool {
    let send = async {
        let shell = RemoteShell::open(connection, &interrupt_command(run_id), Vec::new(), setup).await?;
        shell.read_to_end(1024).await
    };
    let problem = match timeout(INTERRUPT_TIMEOUT, send).await {
        Ok(Ok((result, ..))) if result.exit_code == 0 => return true,
        Ok(Ok((result, ..))) => result.log,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    tracing::debug!(problem, "the interrupt did not reach the command");
    false
}

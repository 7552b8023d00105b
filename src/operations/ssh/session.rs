//! Runs ssh, and tells a host key that differs from every other failure.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{Either, join, select};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::client_config::{ClientConfig, HostConfig};
use super::known_hosts::{KnownHosts, host_alias};
use super::local_setup::LocalSshSetup;
use super::route::Route;
use crate::cloud::{
    Error, ErrorKind, HostKey, Instance, PretendShell, Result, join_with_or, path_text, quote_for_shell,
};
use crate::shutdown::Shutdown;

/// What ssh says in its log if the host key is not one of the known ones.
pub(super) const VERIFICATION_FAILED: &str = "Host key verification failed.";
/// How its log begins if nothing answers at the address.
pub(super) const CANNOT_CONNECT: &str = "ssh: connect to host ";
/// How its last line tells that the server refused the login; the methods that it allows come next.
const LOGIN_DENIED: &str = ": Permission denied (";
/// The most of its log that is read, and the longest line of a command that is passed on whole.
pub(super) const MAX_LOG_BYTES: u64 = 64 * 1024;
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// How long the streams of a command may stay open when ssh has ended: something in the background may have them.
pub(super) const STREAM_GRACE: Duration = Duration::from_secs(1);
/// How long ssh may take to print its configuration.
const CONFIG_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that can be opened.
#[derive(Debug)]
pub struct Connection {
    /// The instance.
    pub instance: Instance,
    pub(super) route: Route,
    pub(super) user: String,
    pub(super) port: u16,
    pub(super) identity_file: Option<PathBuf>,
    pub(super) accepts_new_host_key: bool,
    /// The keys that are accepted; empty if the first key that answers is.
    pub(super) host_keys: Vec<HostKey>,
    /// What answers instead, if the instance runs nothing.
    pub(in crate::operations) pretend_shell: Option<PretendShell>,
}

impl Connection {
    /// The name of the instance among the known hosts.
    pub(super) fn host_alias(&self) -> String {
        host_alias(&self.instance.reference)
    }

    /// Lets all later connections to an instance that runs nothing hold: those of a run have broken as often as they should.
    pub fn forget_pretended_breaks(&mut self) {
        if let Some(shell) = &mut self.pretend_shell {
            shell.broken_connections = 0;
        }
    }

    /// What ssh needs to know. `name` is the word that ssh is started for.
    pub(super) fn to_host_config<'a>(&'a self, name: &'a str) -> HostConfig<'a> {
        HostConfig {
            name,
            address: &self.route.host,
            user: &self.user,
            port: self.port,
            identity_file: self.identity_file.as_deref(),
            host_alias: self.host_alias(),
            accepts_new_host_key: self.accepts_new_host_key,
            proxy_command: self.route.proxy_command.as_deref(),
        }
    }
}

/// Whether ssh connects through a command or another machine: as the route says, or the user's own configuration.
///
/// # Errors
/// As [`run_session`] if ssh cannot be started.
pub(super) async fn uses_proxy(connection: &Connection, setup: &LocalSshSetup) -> Result<bool> {
    if connection.route.proxy_command.is_some() {
        return Ok(true);
    }
    let config = write_config(connection, setup, false).await?;
    let mut process = Command::new(setup.find_ssh()?);
    // Prints the configuration for this host, and does nothing.
    process.arg("-G").arg("-F").arg(config.path());
    process.arg("--").arg(&connection.route.host);
    let output = process.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match timeout(CONFIG_TIMEOUT, output).await {
        Ok(output) => output.map_err(|error| start_error(&error))?,
        Err(_) => return Err(config_error("it does not end")),
    };
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(config_error(problem.lines().next().unwrap_or_default()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let is_proxy = |line: &str| line.starts_with("proxyjump ") || line.starts_with("proxycommand ");
    Ok(text.lines().any(is_proxy))
}

fn config_error(problem: &str) -> Error {
    Error::invalid(format!("ssh cannot read its configuration: {problem}")).with_hint("correct ~/.ssh/config")
}

/// The result of a session.
#[derive(Debug)]
pub struct SessionResult {
    /// The exit code of the command, or 255 if the connection failed, as ssh gives it. 128 and its number after a signal.
    pub exit_code: u8,
    /// What ssh wrote to its log: why a connection failed.
    pub log: String,
    /// What an instance that runs nothing wrote to standard output.
    pub pretended_output: String,
}

impl SessionResult {
    /// Whether nothing answered at the address, so that nothing was sent.
    pub fn has_no_answer(&self) -> bool {
        self.exit_code == 255 && self.log.starts_with(CANNOT_CONNECT)
    }

    /// Whether the server let this user in with none of the keys.
    pub fn is_denied(&self) -> bool {
        let last = self.log.lines().next_back().unwrap_or_default();
        self.exit_code == 255 && last.contains(LOGIN_DENIED)
    }
}

/// Where a command writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Runs a command in an instance, or a shell without one. It has the standard streams of this process.
///
/// # Errors
/// - `Internal` if OpenSSH is not installed, `InvalidSpec` if the program of a tunnel is not.
/// - `Refused` if the instance has another host key than the known ones: nothing was sent.
pub async fn run_session(
    connection: &Connection,
    command: &[String],
    wants_terminal: bool,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
) -> Result<SessionResult> {
    if let Some(shell) = &connection.pretend_shell {
        return run_pretend_shell(shell, shutdown).await;
    }
    let _section = shutdown.enter_critical_section()?;
    let mut session = Session::prepare(connection, setup, true).await?;
    if wants_terminal {
        session.process.arg("-t");
    }
    session.add_command(command);
    let child = session.process.spawn().map_err(|error| start_error(&error))?;
    let status = wait_for_exit(child, shutdown).await?;
    session.finish(status)
}

/// Gives the answer of an instance that runs nothing.
async fn run_pretend_shell(shell: &PretendShell, shutdown: &Shutdown) -> Result<SessionResult> {
    let delay = async {
        tokio::time::sleep(shell.delay).await;
        Ok(())
    };
    shutdown.run_until_signal(delay).await?;
    Ok(match shell.broken_connections > 0 {
        true => SessionResult {
            exit_code: 255,
            log: "the connection was dropped, as CLOUDCTL_MOCK_SSH says".to_owned(),
            pretended_output: String::new(),
        },
        false => SessionResult {
            exit_code: shell.exit_code,
            log: String::new(),
            pretended_output: shell.stdout.clone(),
        },
    })
}

/// Runs a command without input in an instance, and passes on each line that it writes. ssh asks the user nothing.
///
/// # Errors
/// As [`run_session`].
pub(super) async fn run_captured(
    connection: &Connection,
    command: &[String],
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
    send: impl AsyncFn(OutputStream, String),
) -> Result<SessionResult> {
    if let Some(shell) = &connection.pretend_shell {
        let result = run_pretend_shell(shell, shutdown).await?;
        for line in result.pretended_output.lines() {
            send(OutputStream::Output, line.to_owned()).await;
        }
        return Ok(result);
    }
    let _section = shutdown.enter_critical_section()?;
    let mut session = Session::prepare(connection, setup, false).await?;
    session.add_command(command);
    let process = &mut session.process;
    process
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process.spawn().map_err(|error| start_error(&error))?;
    let output = send_lines(child.stdout.take(), OutputStream::Output, &send);
    let errors = send_lines(child.stderr.take(), OutputStream::Errors, &send);
    let (exit, streams) = (pin!(wait_for_exit(child, shutdown)), pin!(join(output, errors)));
    let status = match select(exit, streams).await {
        Either::Left((status, streams)) => {
            let _ = timeout(STREAM_GRACE, streams).await;
            status
        }
        Either::Right((_, exit)) => exit.await,
    };
    session.finish(status?)
}

/// Reads a stream to its end, and passes on each line.
async fn send_lines(
    stream: Option<impl AsyncRead + Unpin>,
    kind: OutputStream,
    send: &impl AsyncFn(OutputStream, String),
) {
    let Some(stream) = stream else { return };
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    // A stream that breaks has ended.
    while (&mut stream)
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|length| length > 0)
    {
        let text = String::from_utf8_lossy(&line);
        send(kind, text.trim_end_matches(['\n', '\r']).to_owned()).await;
        line.clear();
    }
}

/// A run of ssh that is prepared, and its files, which are deleted with it.
pub(super) struct Session<'a> {
    connection: &'a Connection,
    known_hosts: &'a KnownHosts,
    pub(super) process: Command,
    log: NamedTempFile,
    _config: NamedTempFile,
}

impl<'a> Session<'a> {
    pub(super) async fn prepare(
        connection: &'a Connection,
        setup: &'a LocalSshSetup,
        can_prompt: bool,
    ) -> Result<Self> {
        let config = write_config(connection, setup, can_prompt).await?;
        let log = new_log()?;
        let mut process = Command::new(setup.find_ssh()?);
        process.arg("-F").arg(config.path()).arg("-E").arg(log.path());
        process.kill_on_drop(true);
        Ok(Self {
            connection,
            known_hosts: &setup.known_hosts,
            process,
            log,
            _config: config,
        })
    }

    pub(super) fn add_command(&mut self, command: &[String]) {
        self.process.arg("--").arg(&self.connection.route.host).args(command);
    }

    pub(super) fn finish(self, status: ExitStatus) -> Result<SessionResult> {
        let log = read_log(self.log.path());
        // A server can write the same words in another place.
        let is_other_host = log.lines().next_back().map(str::trim) == Some(VERIFICATION_FAILED);
        let exit_code = exit_code(status);
        match exit_code == 255 && is_other_host {
            true => Err(other_host_key_error(self.connection, self.known_hosts, &log)),
            false => Ok(SessionResult {
                exit_code,
                log,
                pretended_output: String::new(),
            }),
        }
    }
}

async fn write_config(connection: &Connection, setup: &LocalSshSetup, can_prompt: bool) -> Result<NamedTempFile> {
    write_config_for(&[(&connection.route.host, connection)], setup, can_prompt).await
}

/// Writes the configuration for several connections, each with the name that it is opened by.
///
/// # Errors
/// `Internal` if OpenSSH is not installed or the file cannot be written; `InvalidSpec` for a path that ssh cannot read.
pub(super) async fn write_config_for<'a>(
    connections: &[(&'a str, &'a Connection)],
    setup: &LocalSshSetup,
    can_prompt: bool,
) -> Result<NamedTempFile> {
    let config = ClientConfig {
        hosts: connections
            .iter()
            .map(|(name, connection)| connection.to_host_config(name))
            .collect(),
        known_hosts: setup.known_hosts.path(),
        can_prompt,
        other_configs: setup.other_configs(),
        version: setup.ssh_version().await?,
    };
    config.write()
}

pub(super) fn new_log() -> Result<NamedTempFile> {
    let log = tempfile::Builder::new().prefix("cloudctl-ssh-log-").tempfile();
    log.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot create a log for ssh: {error}")))
}

pub(super) fn start_error(error: &io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot start ssh: {error}"))
}

/// Waits until ssh ends. After a signal it is asked to end, so that it restores the terminal.
///
/// # Errors
/// `Interrupted` after a signal.
pub(super) async fn wait_for_exit(mut child: Child, shutdown: &Shutdown) -> Result<ExitStatus> {
    let process_id = child.id();
    let status = tokio::select! {
        status = child.wait() => status,
        () = shutdown.wait_for_signal() => {
            ask_to_end(process_id);
            child.wait().await
        }
    };
    if shutdown.signal_status().is_some() {
        let message = "interrupted: the connection was closed, and the command in the VM may go on";
        return Err(Error::new(ErrorKind::Interrupted, message));
    }
    status.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot wait for ssh: {error}")))
}

#[cfg(unix)]
fn ask_to_end(process_id: Option<u32>) {
    let id = process_id.and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

/// The console sends its signals to ssh itself.
#[cfg(not(unix))]
fn ask_to_end(_process_id: Option<u32>) {}

#[cfg(unix)]
fn signal_code(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal().map(|signal| 128 + signal)
}

#[cfg(not(unix))]
fn signal_code(_status: ExitStatus) -> Option<i32> {
    None
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| signal_code(status)).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

pub(super) fn read_log(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = Read::take(file, MAX_LOG_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn other_host_key_error(connection: &Connection, known_hosts: &KnownHosts, log: &str) -> Error {
    let reference = &connection.instance.reference;
    // Another run may have added keys.
    let known = known_hosts.find(reference).map(|host| host.keys);
    let known = known.unwrap_or_else(|_| connection.host_keys.clone());
    let known: Vec<_> = known
        .iter()
        .map(|key| format!("{} {}", key.algorithm(), key.fingerprint()))
        .collect();
    // ssh names the key that was sent if one of the same algorithm is known.
    let sent = log.split_whitespace().find(|word| word.starts_with("SHA256:"));
    let sent = sent.map_or("a key of another algorithm", |word| word.trim_end_matches('.'));
    let message = format!(
        "another host key answers for {reference}: {sent}, and not {}; nothing was sent",
        join_with_or(&known)
    );
    Error::new(ErrorKind::Refused, message)
        .naming(reference)
        .with_hint(format!(
            "another machine may answer at its address; if the VM has new keys on purpose, remove the old ones: ssh-keygen -R {} -f {}",
            connection.host_alias(),
            quote_for_shell(&path_text(known_hosts.path()))
        ))
}

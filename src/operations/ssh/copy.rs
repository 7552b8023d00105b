//! Copies files between this machine and instances, and from one instance to another, with the system's scp.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};

use futures_util::future::{Either, select};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::arriving_file::ArrivingFile;
use super::copy_paths::{check_local_paths, local_operand, name_of_source, remote_operand, source_name_conflict};
use super::local_setup::LocalSshSetup;
use super::scp_failure::{Direction, Failure, PROGRAM, ScpRun};
use super::session::{Connection, MAX_LOG_BYTES, STREAM_GRACE, new_log, read_log, wait_for_exit, write_config_for};
use crate::cloud::{Error, ErrorKind, PretendShell, Result, path_text, quoted};
use crate::shutdown::Shutdown;

/// The first version of OpenSSH whose scp can use SFTP, which passes a path to no shell of the server.
/// <https://www.openssh.com/txt/release-8.7>
const FIRST_VERSION_WITH_SFTP: (u32, u32) = (8, 7);

/// One end of a copy.
#[derive(Debug)]
pub enum CopyEnd<'a> {
    /// A file or folder of this machine.
    Local(PathBuf),
    /// A file or folder of an instance. A relative path is one in the home folder of the user; an empty one is that folder.
    Remote(&'a Connection, String),
}

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    /// Whether folders are copied, with all that is in them.
    pub recursive: bool,
    /// Whether scp draws its meter on standard output, which must be a terminal.
    pub shows_progress: bool,
    /// Whether ssh may ask the user for something.
    pub can_prompt: bool,
}

/// The result of an attempt to copy.
#[derive(Debug)]
pub enum CopyAttempt<'a> {
    /// All is copied.
    Done,
    /// Nothing answers at the address of this instance, so that nothing was sent. It may be booting.
    NoAnswer(&'a Connection, Error),
}

/// Copies files; folders only with [`CopyOptions::recursive`]. With several sources, and if the destination is a folder, they
/// are copied into it. A file has its permissions at the other end, too. A path is the name of one file: no pattern, and no
/// text for a shell.
///
/// What comes from an instance is in a hidden folder until all of it has arrived, and only then gets its name. With a file of
/// a folder that cannot be read, the rest of the folder is copied.
///
/// An instance that runs nothing takes every copy. A file that comes from it has the text that it writes to standard output; a
/// folder is empty.
///
/// # Errors
/// - `InvalidSpec` for a local source that does not exist, a local destination that cannot be written, a folder without
///   `recursive`, a path without a name, two sources with one name, and if no end is remote.
/// - `NotFound` if a remote path does not exist, `PermissionDenied` if the user may not read or write it, or not log in.
/// - `Incomplete` if a part of a folder cannot be read; the message names it, and the rest was copied.
/// - `Refused` if an instance has another host key than the known ones: nothing was sent.
/// - `Network` if a connection fails or breaks; `Interrupted` after a signal.
/// - `Internal` for everything else, with scp's own words; if OpenSSH is not installed, or is older than 8.7.
pub async fn copy_files(
    sources: &[CopyEnd<'_>],
    destination: &CopyEnd<'_>,
    options: &CopyOptions,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
) -> Result<()> {
    match try_copy_files(sources, destination, options, setup, shutdown).await? {
        CopyAttempt::Done => Ok(()),
        CopyAttempt::NoAnswer(_, error) => Err(error),
    }
}

/// The same, for a caller who waits for an instance that does not answer.
///
/// # Errors
/// As [`copy_files`].
pub async fn try_copy_files<'a>(
    sources: &'a [CopyEnd<'a>],
    destination: &'a CopyEnd<'a>,
    options: &CopyOptions,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
) -> Result<CopyAttempt<'a>> {
    check_ends(sources, destination, options.recursive)?;
    let hosts = name_hosts(sources.iter().chain([destination]));
    let pretended = hosts
        .iter()
        .find_map(|(_, connection)| connection.pretend_shell.as_ref());
    if let Some(shell) = pretended {
        return pretend_to_copy(shell, sources, destination, options, shutdown).await;
    }
    let _section = shutdown.enter_critical_section()?;
    let copy = Copy {
        files: ScpFiles::create(&hosts, options, setup).await?,
        hosts,
        recursive: options.recursive,
        shows_progress: options.shows_progress,
        setup,
        shutdown,
    };
    match destination {
        CopyEnd::Remote(..) => copy.send(sources, destination).await,
        CopyEnd::Local(folder) => copy.fetch_all(sources, folder).await,
    }
}

/// Checks all that can be known before a connection.
fn check_ends(sources: &[CopyEnd<'_>], destination: &CopyEnd<'_>, recursive: bool) -> Result<()> {
    let local: Vec<&Path> = sources.iter().filter_map(CopyEnd::local_path).collect();
    check_local_paths(&local, destination.local_path(), sources.len(), recursive)?;
    let mut names = Vec::new();
    for source in sources {
        names.push(source.name(recursive)?);
    }
    match source_name_conflict(&names) {
        Some(name) => Err(Error::invalid(format!("two sources have the name {}", quoted(name)))
            .with_hint("copy them one after the other, to different names")),
        None => Ok(()),
    }
}

impl CopyEnd<'_> {
    fn local_path(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::Remote(..) => None,
        }
    }

    /// The name that it has in a folder that it is copied to; `None` for a folder whose content is meant.
    fn name(&self, recursive: bool) -> Result<Option<String>> {
        match self {
            Self::Local(path) => name_of_source(&path.to_string_lossy(), recursive),
            Self::Remote(_, path) => name_of_source(path, recursive),
        }
    }
}

/// The instances of a copy, each once, with the names that scp gets. Two can have one address: behind two jump hosts, or at
/// two ports.
fn name_hosts<'a>(ends: impl Iterator<Item = &'a CopyEnd<'a>>) -> Vec<(String, &'a Connection)> {
    let mut hosts: Vec<(String, &Connection)> = Vec::new();
    for end in ends {
        let CopyEnd::Remote(connection, _) = end else { continue };
        if hosts.iter().any(|(_, known)| opens_the_same(known, connection)) {
            continue;
        }
        let address = &connection.route.host;
        let is_taken = hosts.iter().any(|(name, _)| name == address);
        let name = match is_taken {
            true => format!("cloudctl-{}", hosts.len() + 1),
            false => address.clone(),
        };
        hosts.push((name, connection));
    }
    hosts
}

fn opens_the_same(one: &Connection, other: &Connection) -> bool {
    let parts = |connection: &Connection| {
        let Connection {
            instance,
            route,
            user,
            port,
            identity_file,
            ..
        } = connection;
        (
            instance.reference.clone(),
            route.host.clone(),
            route.proxy_command.clone(),
            user.clone(),
            *port,
            identity_file.clone(),
        )
    };
    std::ptr::eq(one, other) || parts(one) == parts(other)
}

/// What a run of scp needs in files, which are deleted with it.
struct ScpFiles {
    config: NamedTempFile,
    log: NamedTempFile,
    /// scp has no flag for a log of ssh, and its own words must not be mixed with ssh's.
    ssh_with_log: Option<TempPath>,
}

impl ScpFiles {
    async fn create(hosts: &[(String, &Connection)], options: &CopyOptions, setup: &LocalSshSetup) -> Result<Self> {
        let version = setup.ssh_version().await?;
        if version < FIRST_VERSION_WITH_SFTP {
            let (major, minor) = version;
            let message = match version {
                (0, 0) => "the ssh of this machine is not OpenSSH, so its scp cannot be used".to_owned(),
                _ => format!("scp of OpenSSH {major}.{minor} passes paths to a shell of the VM"),
            };
            return Err(Error::new(ErrorKind::Internal, message).with_hint(
                "install OpenSSH 8.7 or later, or copy through a pipe: cloudctl ssh NAME -- 'cat > FILE' < FILE",
            ));
        }
        let named: Vec<(&str, &Connection)> = hosts.iter().map(|(name, host)| (name.as_str(), *host)).collect();
        let config = write_config_for(&named, setup, options.can_prompt).await?;
        let log = new_log()?;
        let ssh_with_log = create_ssh_with_log(log.path(), setup)?;
        Ok(Self {
            config,
            log,
            ssh_with_log,
        })
    }

    /// Reads what ssh said, and empties its log for the next run.
    fn take_log(&self) -> Option<String> {
        self.ssh_with_log.as_ref()?;
        let text = read_log(self.log.path());
        let _ = self.log.as_file().set_len(0);
        Some(text)
    }
}

/// A script that starts ssh with a log: where the known host keys are, or else in the folder for temporary files, from which
/// some machines start no program.
#[cfg(unix)]
fn create_ssh_with_log(log: &Path, setup: &LocalSshSetup) -> Result<Option<TempPath>> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use crate::cloud::quote_for_shell;

    let quote = |path: &Path| match path.to_str() {
        Some(text) => Ok(quote_for_shell(text)),
        None => Err(Error::new(
            ErrorKind::Internal,
            format!("the path {} is not UTF-8", path_text(path)),
        )),
    };
    let script = format!(
        "#!/bin/sh\nexec {} -E {} \"$@\"\n",
        quote(&setup.find_ssh()?)?,
        quote(log)?
    );
    let create_in = |folder: Option<&Path>| {
        let mut builder = tempfile::Builder::new();
        builder.prefix("cloudctl-ssh-");
        builder.permissions(std::fs::Permissions::from_mode(0o700));
        let mut file = match folder {
            Some(folder) => builder.tempfile_in(folder)?,
            None => builder.tempfile()?,
        };
        file.write_all(script.as_bytes())?;
        // It cannot be started as long as it is open for writing, and nowhere on some file systems.
        let path = file.into_temp_path();
        rustix::fs::access(&*path, rustix::fs::Access::EXEC_OK)?;
        Ok(path)
    };
    let state_folder = setup.known_hosts.path().parent().map(std::path::absolute);
    let in_state_folder = match state_folder {
        Some(Ok(folder)) => create_in(Some(&folder)),
        _ => create_in(None),
    };
    in_state_folder
        .or_else(|_| create_in(None))
        .map(Some)
        .map_err(|error: std::io::Error| {
            Error::new(
                ErrorKind::Internal,
                format!("cannot write a script for scp that can be started: {error}"),
            )
            .with_hint("set XDG_STATE_HOME to a folder from which programs can be started")
        })
}

/// Elsewhere the words of both come together.
#[cfg(not(unix))]
fn create_ssh_with_log(_log: &Path, _setup: &LocalSshSetup) -> Result<Option<TempPath>> {
    Ok(None)
}

/// A copy that is prepared.
struct Copy<'a, 'run> {
    files: ScpFiles,
    hosts: Vec<(String, &'a Connection)>,
    recursive: bool,
    shows_progress: bool,
    setup: &'run LocalSshSetup,
    shutdown: &'run Shutdown,
}

impl<'a> Copy<'a, '_> {
    /// Copies all sources to an instance.
    async fn send(&self, sources: &[CopyEnd<'_>], destination: &CopyEnd<'_>) -> Result<CopyAttempt<'a>> {
        let comes_from_instance = |source: &CopyEnd<'_>| matches!(source, CopyEnd::Remote(..));
        let mut operands = Vec::new();
        for source in sources {
            operands.push(match source {
                CopyEnd::Local(path) => local_operand(path),
                CopyEnd::Remote(connection, path) => remote_operand(self.host_name(connection), path, true).into(),
            });
        }
        if let CopyEnd::Remote(connection, path) = destination {
            operands.push(remote_operand(self.host_name(connection), path, false).into());
        }
        let run = self.run_scp(operands, sources.iter().any(comes_from_instance)).await?;
        match run.failure(Direction::ToInstance) {
            None => Ok(CopyAttempt::Done),
            Some(Failure::NoAnswer(connection, error)) => Ok(CopyAttempt::NoAnswer(connection, error)),
            Some(Failure::Partial(error)) => Err(partial_error(error)),
            Some(Failure::Other(error)) => Err(error),
        }
    }

    /// Copies all sources to this machine, one after the other.
    async fn fetch_all(&self, sources: &[CopyEnd<'_>], destination: &Path) -> Result<CopyAttempt<'a>> {
        for source in sources {
            let CopyEnd::Remote(connection, path) = source else {
                continue;
            };
            let attempt = self.fetch(connection, path, destination).await?;
            if matches!(attempt, CopyAttempt::NoAnswer(..)) {
                return Ok(attempt);
            }
        }
        Ok(CopyAttempt::Done)
    }

    async fn fetch(&self, connection: &Connection, path: &str, destination: &Path) -> Result<CopyAttempt<'a>> {
        let name = name_of_source(path, self.recursive)?;
        let arriving = ArrivingFile::prepare(destination, name.as_deref())?;
        let source = remote_operand(self.host_name(connection), path, true);
        let operands = vec![source.into(), local_operand(arriving.path())];
        let run = self.run_scp(operands, false).await?;
        let Some(failure) = run.failure(Direction::FromInstance) else {
            return arriving.finish().map(|()| CopyAttempt::Done);
        };
        let (error, is_partial) = match failure {
            Failure::NoAnswer(connection, error) => return Ok(CopyAttempt::NoAnswer(connection, error)),
            Failure::Partial(error) => (error, true),
            Failure::Other(error) => (error, false),
        };
        let error = error.map_texts(|text| arriving.name_target_in(text));
        // Every file that is there is whole.
        if is_partial && (run.status.success() || arriving.is_filled_folder()) {
            arriving.finish()?;
            return Err(partial_error(error));
        }
        Err(error)
    }

    fn host_name<'b>(&'b self, connection: &'b Connection) -> &'b str {
        let mut hosts = self.hosts.iter();
        let host = hosts.find(|(_, known)| opens_the_same(known, connection));
        // Every connection of the copy is among them.
        host.map_or(&connection.route.host, |(name, _)| name)
    }

    async fn run_scp(&self, operands: Vec<std::ffi::OsString>, is_between_instances: bool) -> Result<ScpRun<'a, '_>> {
        let mut process = Command::new(self.setup.find_scp()?);
        // Its name is before all that it says.
        #[cfg(unix)]
        process.arg0(PROGRAM);
        process.arg("-s").arg("-F").arg(self.files.config.path());
        if let Some(script) = &self.files.ssh_with_log {
            process.arg("-S").arg(script);
        }
        if is_between_instances {
            // Through this machine: the instances need no way to each other.
            process.arg("-3");
        }
        if self.recursive {
            process.arg("-r");
        }
        process.arg("--").args(operands);
        process.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // It draws its meter only on a terminal. Its flag -q would turn ssh's log off, too.
        process.stdout(match self.shows_progress {
            true => Stdio::inherit(),
            false => Stdio::null(),
        });
        let mut child = process
            .spawn()
            .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot start scp: {error}")))?;
        let stream = child.stderr.take();
        let mut words = Vec::new();
        let status = {
            let reading = pin!(read_words(stream, &mut words));
            let exit = pin!(wait_for_exit(child, self.shutdown));
            match select(exit, reading).await {
                Either::Left((status, reading)) => {
                    let _ = timeout(STREAM_GRACE, reading).await;
                    status
                }
                Either::Right((_, exit)) => exit.await,
            }
        };
        let status: ExitStatus = status.map_err(|error| match error.kind() {
            ErrorKind::Interrupted => Error::new(ErrorKind::Interrupted, "interrupted before all was copied"),
            _ => error,
        })?;
        let words = String::from_utf8_lossy(&words).into_owned();
        Ok(ScpRun {
            status,
            log: self.files.take_log().unwrap_or_else(|| words.clone()),
            words,
            hosts: &self.hosts,
            known_hosts: &self.setup.known_hosts,
            is_recursive: self.recursive,
        })
    }
}

/// Creates the error for a folder that could be read in part only.
fn partial_error(error: Error) -> Error {
    error
        .with_kind(ErrorKind::Incomplete)
        .with_hint("the rest was copied; another user, named with --user, may be able to read all")
}

/// Reads a stream to its end, and keeps the first part of it.
async fn read_words(stream: Option<impl AsyncRead + Unpin>, words: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let limit = usize::try_from(MAX_LOG_BYTES).unwrap_or(usize::MAX);
    let mut part = [0; 4096];
    // A stream that breaks has ended.
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        let room = limit.saturating_sub(words.len());
        words.extend_from_slice(&part[..length.min(room)]);
    }
}

/// Copies nothing to an instance that runs nothing, and its text from it.
async fn pretend_to_copy<'a>(
    shell: &PretendShell,
    sources: &[CopyEnd<'_>],
    destination: &CopyEnd<'_>,
    options: &CopyOptions,
    shutdown: &Shutdown,
) -> Result<CopyAttempt<'a>> {
    let delay = async {
        tokio::time::sleep(shell.delay).await;
        Ok(())
    };
    shutdown.run_until_signal(delay).await?;
    if shell.broken_connections > 0 {
        let message = "the connection was dropped, as CLOUDCTL_MOCK_SSH says";
        return Err(Error::new(ErrorKind::Network, message));
    }
    let CopyEnd::Local(destination) = destination else {
        return Ok(CopyAttempt::Done);
    };
    let text = match shell.stdout.as_str() {
        "" => String::new(),
        line => format!("{line}\n"),
    };
    for source in sources {
        let arriving = ArrivingFile::prepare(destination, source.name(options.recursive)?.as_deref())?;
        let written = match options.recursive {
            true => std::fs::create_dir(arriving.path()),
            false => std::fs::write(arriving.path(), &text),
        };
        written.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write a file: {error}")))?;
        arriving.finish()?;
    }
    Ok(CopyAttempt::Done)
}

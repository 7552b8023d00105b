//! The file of the mock cloud, and its lock.
//!
//! Readers take no lock: the file is only ever replaced as a whole, so they see one complete state. A writer holds the
//! lock of a second file from reading to replacing.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as IoErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::time::{Instant, sleep};

use super::state_model::{SCHEMA, State};
use crate::cloud::{Error, ErrorKind, Result, path_text, quoted, redact_parser_message};

/// How long a change waits for changes of other processes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Store {
    path: Option<PathBuf>,
    lock_timeout: Duration,
}

/// The file while this process holds its lock.
#[derive(Debug)]
pub(super) struct LockedStore<'a> {
    path: &'a Path,
    // Closing the file releases the lock, also when the process is killed.
    _lock: File,
}

impl Store {
    /// Creates the store. Reads and writes no file.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            lock_timeout: LOCK_TIMEOUT,
        }
    }

    /// Creates the store with another timeout for the lock.
    #[cfg(test)]
    pub(super) fn with_lock_timeout(path: Option<PathBuf>, timeout: Duration) -> Self {
        Self {
            path,
            lock_timeout: timeout,
        }
    }

    fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| {
            Error::invalid("there is no place for the mock cloud's file: no home folder is known")
                .with_hint("set CLOUDCTL_MOCK_STATE to a file")
        })
    }

    /// Reads the state. A missing file means an empty cloud.
    ///
    /// # Errors
    /// `Refused` for a file that is broken, a symbolic link or another user's; `Internal` if reading fails.
    pub(super) fn read(&self) -> Result<State> {
        let path = self.path()?;
        match read_bytes(path)? {
            Some(text) => parse_state(path, &text),
            None => Ok(State::default()),
        }
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// `Throttled` if another process holds it for too long; those of [`read`](Self::read) for the lock and its folder.
    pub(super) async fn lock(&self) -> Result<LockedStore<'_>> {
        let path = self.path()?;
        let lock = open_lock(path)?;
        let deadline = Instant::now() + self.lock_timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(LockedStore { path, _lock: lock }),
                Err(TryLockError::Error(error)) => return Err(io_error("lock", path, error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    let message = format!("the mock cloud's file {} is in use by another process", path_text(path));
                    return Err(Error::new(ErrorKind::Throttled, message)
                        .with_hint("try again, or point CLOUDCTL_MOCK_STATE at another file"));
                }
                Err(TryLockError::WouldBlock) => sleep(pause.mul_f64(fastrand::f64())).await,
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl LockedStore<'_> {
    /// Reads the file, runs `change`, and replaces the file if the state changed. If `change` fails, nothing is
    /// written.
    ///
    /// # Errors
    /// Those of [`Store::read`], and the same for writing; the file then stays as it was.
    pub(super) fn change<T>(self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let before = read_bytes(self.path)?;
        let mut state = match &before {
            Some(text) => parse_state(self.path, text)?,
            None => State::default(),
        };
        let result = change(&mut state)?;
        let mut text = serde_json::to_vec_pretty(&state).map_err(|error| io_error("write", self.path, error.into()))?;
        text.push(b'\n');
        if before.as_ref() != Some(&text) {
            replace_file(self.path, &text).map_err(|error| io_error("write", self.path, error))?;
        }
        Ok(result)
    }
}

/// Reads the whole file; `None` if it does not exist.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    if !plain_file_exists(path)? {
        return Ok(None);
    }
    let mut file = match File::open(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| io_error("read", path, error))?,
    };
    let metadata = file.metadata().map_err(|error| io_error("read", path, error))?;
    if belongs_to_other_user(path, &metadata) {
        return Err(refused_file_error(path, "belongs to another user"));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)
        .map_err(|error| io_error("read", path, error))?;
    Ok(Some(text))
}

/// Says whether the file exists. Refuses everything but a plain file, so that no link leads to another file.
fn plain_file_exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(refused_file_error(path, "is a symbolic link")),
        Ok(metadata) if !metadata.is_file() => Err(refused_file_error(path, "is not a plain file")),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("read", path, error)),
    }
}

fn parse_state(path: &Path, text: &[u8]) -> Result<State> {
    // An empty file, as from `mktemp`, means an empty cloud.
    if text.is_empty() {
        return Ok(State::default());
    }
    let state: State = serde_json::from_slice(text).map_err(|error| {
        let problem = redact_parser_message(&error.to_string());
        let reason = format!("is not one of this version of cloudctl: {problem}");
        refused_file_error(path, &reason).with_source(error)
    })?;
    if state.schema != SCHEMA {
        let reason = format!(
            "has schema {}, but this version of cloudctl requires {SCHEMA:?}",
            quoted(&state.schema)
        );
        return Err(refused_file_error(path, &reason));
    }
    Ok(state)
}

fn open_lock(path: &Path) -> Result<File> {
    let folder = folder_of(path);
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder
        .create(folder)
        .map_err(|error| io_error("make the folder of", path, error))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let lock = path.with_file_name(name);
    plain_file_exists(&lock)?;
    options.open(&lock).map_err(|error| io_error("lock", path, error))
}

/// Replaces the file by a new one that only its owner can read.
fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder_of(path))?;
    file.write_all(text)?;
    file.persist(path)?;
    Ok(())
}

/// Returns the folder of a file; the current folder for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Says whether the file belongs to another user than the files that we create.
#[cfg(unix)]
fn belongs_to_other_user(path: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // The standard library does not tell the current user, but a new file has it: a nameless one, which is gone when
    // closed.
    let ours = tempfile::tempfile_in(folder_of(path)).or_else(|_| tempfile::tempfile());
    ours.and_then(|file| file.metadata())
        .is_ok_and(|ours| ours.uid() != metadata.uid())
}

#[cfg(not(unix))]
fn belongs_to_other_user(_: &Path, _: &Metadata) -> bool {
    false
}

fn other_file_hint(path: &Path) -> String {
    format!(
        "point CLOUDCTL_MOCK_STATE at another file, or move this one away: {}",
        path_text(path)
    )
}

fn refused_file_error(path: &Path, reason: &str) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("the mock cloud's file {} {reason}", path_text(path)),
    )
    .with_hint(other_file_hint(path))
}

fn io_error(action: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        IoErrorKind::PermissionDenied | IoErrorKind::ReadOnlyFilesystem | IoErrorKind::NotADirectory => {
            ErrorKind::Refused
        }
        IoErrorKind::InvalidFilename => ErrorKind::InvalidSpec,
        _ => ErrorKind::Internal,
    };
    Error::new(
        kind,
        format!("cannot {action} the mock cloud's file {}: {error}", path_text(path)),
    )
    .with_hint(other_file_hint(path))
    .with_source(error)
}

//! Brings files back from an instance when its command has ended.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cloud::{ErrorKind, Result};
use crate::operations::ssh::{Connection, CopyEnd, CopyOptions, LocalSshSetup, copy_files};
use crate::shutdown::Shutdown;

/// The pause after a connection that failed.
const PAUSE: Duration = Duration::from_secs(2);

/// A file or folder to bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileToFetch {
    /// Its path in the instance, relative to the home folder.
    pub remote: String,
    /// Where it is put on this machine; into it, if it is a folder.
    pub local: PathBuf,
}

/// Copies files from an instance to this machine. A connection that fails is opened again until the timeout is over.
///
/// # Errors
/// Those of copying, with the path.
pub async fn fetch_files(
    files: &[FileToFetch],
    connection: &Connection,
    timeout: Duration,
    shows_progress: bool,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
) -> Result<()> {
    for file in files {
        let options = CopyOptions {
            // Of an instance that runs nothing, a name without a slash at its end is a file.
            recursive: connection.pretend_shell.is_none() || file.remote.ends_with('/'),
            shows_progress,
            can_prompt: false,
        };
        let source = [CopyEnd::Remote(connection, file.remote.clone())];
        let destination = CopyEnd::Local(file.local.clone());
        let deadline = Instant::now() + timeout;
        loop {
            match copy_files(&source, &destination, &options, setup, shutdown).await {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Network && Instant::now() < deadline => {
                    let pause = async {
                        sleep(PAUSE).await;
                        Ok(())
                    };
                    shutdown.run_until_signal(pause).await?;
                }
                Err(error) => return Err(error.context(format_args!("cannot fetch {}", file.remote))),
            }
        }
    }
    Ok(())
}

//! Runs a shell in an instance that reads its script from standard input, and gives what it writes as it comes.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::local_setup::LocalSshSetup;
use super::session::{Connection, Session, SessionResult, start_error};
use crate::cloud::{Error, ErrorKind, Result};

/// The most of the standard error that is kept.
const MAX_ERROR_BYTES: u64 = 4 * 1024;
/// How long ssh may take to end when its output has ended.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A shell in an instance. ssh ends when this is dropped.
pub(in crate::operations) struct RemoteShell<'a> {
    session: Session<'a>,
    child: Child,
    errors: JoinHandle<String>,
    /// What the shell writes to standard output.
    pub(in crate::operations) output: BufReader<ChildStdout>,
}

impl<'a> RemoteShell<'a> {
    /// Starts a command with this input. ssh asks the user nothing, and a Ctrl-C on the terminal does not reach it.
    ///
    /// # Errors
    /// `Internal` if ssh cannot be started.
    pub(in crate::operations) async fn open(
        connection: &'a Connection,
        command: &str,
        input: Vec<u8>,
        setup: &'a LocalSshSetup,
    ) -> Result<Self> {
        let mut session = Session::prepare(connection, setup, false).await?;
        session.add_command(&[command.to_owned()]);
        let process = &mut session.process;
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        process.process_group(0);
        let mut child = process.spawn().map_err(|error| start_error(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(Error::new(ErrorKind::Internal, "ssh has no streams"));
        };
        tokio::spawn(async move {
            // The shell may end before it has read all; what it wrote tells why.
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        });
        let errors = tokio::spawn(async move {
            let mut text = Vec::new();
            let mut stderr = stderr.take(MAX_ERROR_BYTES);
            let _ = stderr.read_to_end(&mut text).await;
            // The rest is read and left out, so that nothing waits for a reader.
            let _ = tokio::io::copy(stderr.get_mut(), &mut tokio::io::sink()).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Self {
            session,
            child,
            errors,
            output: BufReader::new(stdout),
        })
    }

    /// Waits for the end of ssh. Gives its result, and what the shell wrote to standard error.
    ///
    /// # Errors
    /// `Refused` if the instance has another host key than the known ones: nothing was sent.
    pub(in crate::operations) async fn finish(mut self) -> Result<(SessionResult, String)> {
        let ended = timeout(END_TIMEOUT, self.child.wait()).await;
        let status = match ended {
            Ok(status) => status,
            Err(_) => {
                let _ = self.child.start_kill();
                self.child.wait().await
            }
        };
        let status =
            status.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot wait for ssh: {error}")))?;
        let errors = timeout(END_TIMEOUT, self.errors).await;
        let errors = errors.ok().and_then(|text| text.ok()).unwrap_or_default();
        Ok((self.session.finish(status)?, errors))
    }

    /// Reads all of the output, up to `limit` bytes, and waits for the end.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(in crate::operations) async fn read_to_end(mut self, limit: u64) -> Result<(SessionResult, String, String)> {
        let mut output = Vec::new();
        // A stream that breaks has ended.
        let _ = (&mut self.output).take(limit).read_to_end(&mut output).await;
        let (result, errors) = self.finish().await?;
        Ok((result, String::from_utf8_lossy(&output).into_owned(), errors))
    }
}

//! One connection to a run: starts the command if it may, and passes on what it writes.

use std::cell::Cell;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::run_script::RunScript;
use crate::cloud::{Error, ErrorKind, Result};
use crate::operations::ssh::{Connection, LocalSshSetup, OutputStream, RemoteShell};

/// How long the script may take to say whether the command runs: it may have files to move.
const STATE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the script may be silent. It writes at least every 10 seconds, or every 50 where `sleep` takes whole seconds only.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest line of the script, and the most that is read of an output at once.
const MAX_LINE_BYTES: u64 = 64 * 1024;
const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// Gets what a command writes, and what happens to its connection.
pub trait RunObserver {
    /// The connection broke before the answer: the command may have started.
    fn on_start_possible(&mut self);

    /// Some bytes of an output, each once and in order.
    fn on_output(&mut self, stream: OutputStream, bytes: &[u8]);

    /// The command runs: this run started it, or it ran already.
    fn on_running(&mut self, was_started_now: bool);

    /// The connection broke, and will be opened again.
    fn on_broken_connection(&mut self, problem: &str);
}

/// How many bytes of each output are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    output: u64,
    errors: u64,
}

impl Offsets {
    pub(super) fn as_pair(self) -> (u64, u64) {
        (self.output, self.errors)
    }

    pub(super) fn add(&mut self, stream: OutputStream, length: usize) {
        match stream {
            OutputStream::Output => self.output += length as u64,
            OutputStream::Errors => self.errors += length as u64,
        }
    }
}

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// Its exit code; 128 and its number after a signal, 124 after the time limit.
    pub exit_code: u8,
    /// How long it ran, in seconds.
    pub seconds: u64,
}

/// Why a connection broke.
#[derive(Debug)]
pub(super) struct BrokenConnection {
    pub(super) problem: String,
    /// Whether the server refused the login.
    pub(super) is_denied: bool,
    /// Whether the command ran when it broke.
    pub(super) was_running: bool,
    /// Whether the shell of the instance may have got the script.
    pub(super) may_have_reached_shell: bool,
}

/// What one connection led to.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The command ended.
    Ended(RunResult),
    /// The command has not started, and might not.
    Absent,
    /// The connection broke.
    Broken(BrokenConnection),
}

/// What the script says first.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Running { was_started_now: bool },
    Absent,
    Refused(String),
}

/// What the script says of a run.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    /// So many bytes of an output follow.
    Bytes(OutputStream, u64),
    Ended(RunResult),
    /// The command has no result.
    Lost(Loss),
    /// The connection holds.
    KeepAlive,
}

/// Why a command has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// The instance was rebooted.
    Rebooted,
    /// What watched it ended.
    Unwatched,
    /// It was not started after all.
    NotStarted,
}

/// Runs the script once.
///
/// # Errors
/// - `Refused` if the instance has another host key, if the command could not be started there, or if it was started and
///   has no result.
/// - `Internal` if ssh cannot be started.
pub(super) async fn follow_once(
    connection: &Connection,
    script: &RunScript<'_>,
    setup: &LocalSshSetup,
    offsets: &mut Offsets,
    is_running: &Cell<bool>,
    observer: &mut dyn RunObserver,
) -> Result<Attempt> {
    let input = script.text().expose().clone().into_bytes();
    let mut shell = RemoteShell::open(connection, "exec /bin/sh", input, setup).await?;
    let state = match timeout(STATE_TIMEOUT, read_state(&mut shell.output, script.mark)).await {
        Ok(state) => state,
        Err(_) => return Ok(broken("the VM does not say whether the command runs", false)),
    };
    match state {
        Some(State::Running { was_started_now }) => {
            is_running.set(true);
            observer.on_running(was_started_now);
        }
        Some(State::Absent) => return Ok(Attempt::Absent),
        Some(State::Refused(reason)) => {
            let message = format!(
                "the command was not started in {}: {reason}",
                connection.instance.reference
            );
            return Err(Error::new(ErrorKind::Refused, message));
        }
        None => return explain_end(shell, false).await,
    }
    loop {
        let Ok(frame) = timeout(SILENCE_TIMEOUT, read_frame(&mut shell.output)).await else {
            return Ok(broken("the VM is silent", true));
        };
        match frame {
            Some(Frame::Bytes(stream, length)) => {
                let pass_on = |bytes: &[u8]| {
                    offsets.add(stream, bytes.len());
                    observer.on_output(stream, bytes);
                };
                if !read_bytes(&mut shell.output, length, pass_on).await {
                    return explain_end(shell, true).await;
                }
            }
            Some(Frame::Ended(result)) => return Ok(Attempt::Ended(result)),
            Some(Frame::Lost(Loss::NotStarted)) => {
                return Ok(broken("the run that was about to start the command did not", false));
            }
            Some(Frame::Lost(loss)) => return Err(lost_error(connection, loss)),
            Some(Frame::KeepAlive) => {}
            None => return explain_end(shell, true).await,
        }
    }
}

fn broken(problem: &str, was_running: bool) -> Attempt {
    Attempt::Broken(BrokenConnection {
        problem: problem.to_owned(),
        is_denied: false,
        was_running,
        may_have_reached_shell: true,
    })
}

/// Says why the output of the script ended before the command did.
async fn explain_end(shell: RemoteShell<'_>, was_running: bool) -> Result<Attempt> {
    let (result, errors) = shell.finish().await?;
    let last_line = |text: &str| text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    let problem = last_line(&result.log).or_else(|| last_line(&errors));
    Ok(Attempt::Broken(BrokenConnection {
        was_running,
        may_have_reached_shell: !result.is_denied() && !result.has_no_answer(),
        is_denied: result.is_denied(),
        problem: problem.unwrap_or_else(|| format!("ssh ended with exit code {}", result.exit_code)),
    }))
}

fn lost_error(connection: &Connection, loss: Loss) -> Error {
    let reference = &connection.instance.reference;
    let message = match loss == Loss::Rebooted {
        true => format!("{reference} was rebooted while the command ran; it was not started again"),
        false => format!("the command in {reference} ended without a result; it was not started again"),
    };
    Error::new(ErrorKind::Refused, message)
        .naming(reference)
        .with_hint("look at what it did, then start it anew with --again")
}

/// Reads the line with the state. What the login shell printed comes before it.
async fn read_state(output: &mut (impl AsyncBufRead + Unpin), mark: &str) -> Option<State> {
    loop {
        let line = read_line(output).await?;
        let Some(state) = line.strip_prefix(mark) else {
            continue;
        };
        return Some(match state.trim() {
            "started" => State::Running { was_started_now: true },
            "found" => State::Running { was_started_now: false },
            "absent" => State::Absent,
            other => State::Refused(other.trim_start_matches("refused").trim().to_owned()),
        });
    }
}

/// Reads a frame; `None` at the end of the output, and for what is no frame.
async fn read_frame(output: &mut (impl AsyncBufRead + Unpin)) -> Option<Frame> {
    let line = read_line(output).await?;
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["O", length] => Some(Frame::Bytes(OutputStream::Output, length.parse().ok()?)),
        ["E", length] => Some(Frame::Bytes(OutputStream::Errors, length.parse().ok()?)),
        ["X", code, started, ended] => {
            let (started, ended): (u64, u64) = (started.parse().ok()?, ended.parse().ok()?);
            Some(Frame::Ended(RunResult {
                exit_code: code.parse().ok()?,
                // The clock of a VM may be set while it runs.
                seconds: ended.saturating_sub(started),
            }))
        }
        ["L", reason] => Some(Frame::Lost(match *reason {
            "rebooted" => Loss::Rebooted,
            "absent" => Loss::NotStarted,
            _ => Loss::Unwatched,
        })),
        ["W"] => Some(Frame::KeepAlive),
        _ => None,
    }
}

/// Reads a line without its end; `None` at the end of the output, and for a line without an end: more of it was lost.
async fn read_line(output: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let read = output.take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await;
    let line = String::from_utf8_lossy(&line);
    read.ok().and_then(|_| line.strip_suffix('\n')).map(str::to_owned)
}

/// Reads so many bytes and passes them on as they come. Whether all came.
async fn read_bytes(output: &mut (impl AsyncRead + Unpin), length: u64, mut pass_on: impl FnMut(&[u8])) -> bool {
    let mut chunk = vec![0; MAX_CHUNK_BYTES];
    let mut rest = length;
    while rest > 0 {
        let wanted = usize::try_from(rest).unwrap_or(MAX_CHUNK_BYTES).min(MAX_CHUNK_BYTES);
        match timeout(SILENCE_TIMEOUT, output.read(&mut chunk[..wanted])).await {
            Ok(Ok(read)) if read > 0 => {
                pass_on(&chunk[..read]);
                rest -= read as u64;
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn state_comes_after_the_words_of_the_login_shell() {
        let mut output = &b"Welcome\nmarked\n\nmark-1 started\nO 3\nabc"[..];
        assert_eq!(
            read_state(&mut output, "mark-1 ").await,
            Some(State::Running { was_started_now: true })
        );
        assert_eq!(
            read_frame(&mut output).await,
            Some(Frame::Bytes(OutputStream::Output, 3))
        );
        let mut bytes = Vec::new();
        assert!(read_bytes(&mut output, 3, |part| bytes.extend_from_slice(part)).await);
        assert_eq!(bytes, b"abc");
        let mut output = &b"\nm refused no space left\n"[..];
        let state = read_state(&mut output, "m ").await;
        assert_eq!(state, Some(State::Refused("no space left".to_owned())));
        for lost in ["bash: no such file\n", "m start"] {
            assert_eq!(read_state(&mut lost.as_bytes(), "m ").await, None);
        }
    }

    #[tokio::test]
    async fn frame_that_is_none_ends_the_connection() {
        for text in ["O -1\n", "O x\n", "X 256 1 2\n", "X 1\n", "hello\n", "O 1 2\n", ""] {
            assert_eq!(read_frame(&mut text.as_bytes()).await, None, "{text}");
        }
        let ended = Frame::Ended(RunResult {
            exit_code: 255,
            seconds: 0,
        });
        assert_eq!(read_frame(&mut &b"X 255 20 10\n"[..]).await, Some(ended));
        let half = read_bytes(&mut &b"ab"[..], 3, |_| ()).await;
        assert!(!half);
    }
}

//! Probes the SSH ports of instances: connects, and reads the line with which an SSH server identifies itself.

use std::io::ErrorKind as IoErrorKind;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::cloud::{Error, ErrorKind, Instance};

/// The default port.
pub const SSH_PORT: u16 = 22;

/// How many instances are probed at once.
const CONCURRENT_PROBES: usize = 64;
/// The pause between two probes of one instance, and how long a probe may take at least, also after the deadline.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
const MIN_PROBE_TIME: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server may look up the name of the client before it sends its banner.
const BANNER_TIMEOUT: Duration = Duration::from_secs(10);
/// The limit for a line, with its end, and for the lines before the banner.
/// <https://www.rfc-editor.org/rfc/rfc4253#section-4.2>
const MAX_LINE_LENGTH: usize = 255;
const MAX_LINES: usize = 20;

/// Why an instance does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SshFailure {
    /// It has no address.
    NoAddress,
    /// It refused the connection.
    Refused,
    /// It did not answer in time.
    NoAnswer,
    /// The network does not reach it.
    Unreachable,
    /// It accepted the connection and sent nothing.
    Silent,
    /// It closed the connection before it sent a line.
    Closed,
    /// It answers with another protocol than SSH.
    NotSsh,
}

impl SshFailure {
    /// The error for an instance that is running, but did not answer within the time that was waited.
    pub(super) fn error(self, instance: &Instance, port: u16, waited: Duration) -> Error {
        let error = self.error_at(address(instance), instance, port, waited);
        error.with_leftover(&instance.reference)
    }

    /// The error for an instance that did not answer at this address.
    fn error_at(self, address: Option<&str>, instance: &Instance, port: u16, waited: Duration) -> Error {
        let reference = &instance.reference;
        let message = match address {
            Some(address) if self != Self::NoAddress => format!(
                "{reference} is running, but does not answer to ssh at {address} port {port} after {} s: {}",
                waited.as_secs(),
                self.describe()
            ),
            _ => format!("{reference} is running, but has no address for ssh"),
        };
        let error = Error::new(ErrorKind::Timeout, message).naming(reference);
        error.with_hint(match self {
            Self::NoAddress => "wait for running instead, or give the VM a public address".to_owned(),
            Self::Refused | Self::Closed | Self::Silent => {
                format!("it may still be booting: wait longer, or look at `cloudctl console {reference}`")
            }
            Self::NoAnswer | Self::Unreachable => format!(
                "let the firewall of its network (aws: security group) admit you; `create --open {port}` does so for a new VM"
            ),
            Self::NotSsh => "name the port that sshd listens on with --ssh-port".to_owned(),
        })
    }

    /// The reason for a message. Leaves out what the server sent: anyone may have written it.
    fn describe(self) -> &'static str {
        match self {
            Self::NoAddress => "it has no address",
            Self::Refused => "the connection was refused",
            Self::NoAnswer => "there was no answer",
            Self::Unreachable => "the network does not reach it",
            Self::Silent => "it accepted the connection and sent nothing",
            Self::Closed => "it closed the connection",
            Self::NotSsh => "the server there is not an SSH server",
        }
    }
}

/// The address to probe: the public one, or else the private one.
pub(super) fn address(instance: &Instance) -> Option<&str> {
    instance.public_ip.as_deref().or(instance.private_ip.as_deref())
}

pub(super) struct ProbeTarget {
    /// The caller's key for the answer.
    pub(super) position: usize,
    pub(super) address: Option<String>,
    pub(super) port: u16,
}

/// Probes each target once, at the longest until the deadline. Gives the answers by position, in no order.
pub(super) async fn probe_all(targets: Vec<ProbeTarget>, deadline: Instant) -> Vec<(usize, Result<(), SshFailure>)> {
    let probes = futures_util::stream::iter(targets).map(async |target| {
        let answer = probe(target.address.as_deref(), target.port, deadline).await;
        (target.position, answer)
    });
    probes.buffer_unordered(CONCURRENT_PROBES).collect().await
}

/// Waits until an SSH server answers at an address of an instance.
///
/// # Errors
/// `Network` if none does until the deadline.
pub(super) async fn wait_for_ssh(
    instance: &Instance,
    address: &str,
    port: u16,
    deadline: Instant,
) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        let Err(failure) = probe(Some(address), port, deadline.max(Instant::now() + MIN_PROBE_TIME)).await else {
            return Ok(());
        };
        if failure == SshFailure::NotSsh || Instant::now() + PROBE_PAUSE > deadline {
            let error = failure.error_at(Some(address), instance, port, start.elapsed());
            return Err(error.with_kind(ErrorKind::Network));
        }
        tokio::time::sleep(PROBE_PAUSE).await;
    }
}

async fn probe(address: Option<&str>, port: u16, deadline: Instant) -> Result<(), SshFailure> {
    let Some(address) = address else {
        return Err(SshFailure::NoAddress);
    };
    let limit = |timeout| deadline.min(Instant::now() + timeout);
    let stream = match timeout_at(limit(CONNECT_TIMEOUT), TcpStream::connect((address, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(classify_io_error(error.kind())),
        Err(_) => return Err(SshFailure::NoAnswer),
    };
    match timeout_at(limit(BANNER_TIMEOUT), read_banner(BufReader::new(stream))).await {
        Ok(answer) => answer,
        Err(_) => Err(SshFailure::Silent),
    }
}

fn classify_io_error(kind: IoErrorKind) -> SshFailure {
    match kind {
        IoErrorKind::ConnectionRefused => SshFailure::Refused,
        IoErrorKind::TimedOut => SshFailure::NoAnswer,
        IoErrorKind::ConnectionReset | IoErrorKind::ConnectionAborted | IoErrorKind::UnexpectedEof => {
            SshFailure::Closed
        }
        _ => SshFailure::Unreachable,
    }
}

/// Reads up to the line that starts with `SSH-`.
async fn read_banner(mut stream: impl AsyncRead + Unpin) -> Result<(), SshFailure> {
    for lines_before in 0..MAX_LINES {
        let mut line = Vec::new();
        loop {
            match stream.read_u8().await {
                Ok(b'\n') => break,
                Ok(byte) => line.push(byte),
                Err(_) if line.is_empty() && lines_before == 0 => return Err(SshFailure::Closed),
                Err(_) => return Err(SshFailure::NotSsh),
            }
            if line.len() >= MAX_LINE_LENGTH {
                return Err(SshFailure::NotSsh);
            }
        }
        if line.starts_with(b"SSH-") {
            return Ok(());
        }
    }
    Err(SshFailure::NotSsh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Starts a server that sends these pieces with a pause before each, and then keeps the connection open or closes it.
    async fn start_server(pieces: Vec<Vec<u8>>, pause: Duration, keeps_open: bool) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                for piece in &pieces {
                    tokio::time::sleep(pause).await;
                    let _ = stream.write_all(piece).await;
                }
                if keeps_open {
                    std::future::pending::<()>().await;
                }
            }
        });
        port
    }

    async fn probe_server(pieces: &[&[u8]], keeps_open: bool) -> Result<(), SshFailure> {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        let port = start_server(pieces, Duration::from_millis(20), keeps_open).await;
        probe(Some("127.0.0.1"), port, deadline()).await
    }

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn banner_is_found_in_any_pieces_and_after_other_lines() {
        let long = [b"x".repeat(254), b"\r\nSSH-2.0-x\r\n".to_vec()].concat();
        for pieces in [
            &[&b"SSH-2.0-OpenSSH_9.6\r\n"[..]][..],
            &[b"S", b"SH-2.0", b"-x\n"],
            &[b"welcome\r\nto this host\r\n", b"SSH-1.99-x\r\n"],
        ] {
            assert_eq!(probe_server(pieces, true).await, Ok(()), "{pieces:?}");
            assert_eq!(probe_server(pieces, false).await, Ok(()), "{pieces:?}");
        }
        assert_eq!(probe_server(&[&long], true).await, Err(SshFailure::NotSsh));
    }

    #[tokio::test]
    async fn other_protocols_and_closed_connections_are_failures() {
        let endless = b"y".repeat(100_000);
        let many = b"banner\n".repeat(MAX_LINES + 1);
        for (pieces, failure) in [
            (&[&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]][..], SshFailure::NotSsh),
            (&[b"\x15\x03\x01\x00\x02"], SshFailure::NotSsh),
            (&[&endless], SshFailure::NotSsh),
            (&[&many], SshFailure::NotSsh),
            (&[], SshFailure::Closed),
        ] {
            assert_eq!(
                probe_server(pieces, false).await,
                Err(failure),
                "{} bytes",
                pieces.concat().len()
            );
        }
    }

    #[tokio::test]
    async fn closed_port_and_missing_address_are_failures() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(
            probe(Some("127.0.0.1"), port, deadline()).await,
            Err(SshFailure::Refused)
        );
        assert_eq!(probe(None, port, deadline()).await, Err(SshFailure::NoAddress));
    }
}

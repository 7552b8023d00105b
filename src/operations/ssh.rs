//! Whether instances answer on their SSH port: a connection, and the line in which a server says that it speaks SSH.

use std::io::ErrorKind as IoErrorKind;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::cloud::{Error, ErrorKind, Instance};

/// The port where nothing else is said.
pub const SSH_PORT: u16 = 22;

/// As many instances are tried at once.
const AT_ONCE: usize = 64;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take to say something; one under load looks up who calls first.
const GREETING: Duration = Duration::from_secs(10);
/// A line has at most so many bytes, with its end, and a few may come before the one that counts.
/// <https://www.rfc-editor.org/rfc/rfc4253#section-4.2>
const LONGEST_LINE: usize = 255;
const MOST_LINES: usize = 20;

/// Why an instance does not answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SshFailure {
    /// It has no address to be reached at.
    NoAddress,
    /// Nobody listens.
    Refused,
    /// No answer came in time.
    NoAnswer,
    /// There is no way there from here.
    Unreachable,
    /// It listens, and says nothing.
    Mute,
    /// It hung up before it said anything of use.
    HungUp,
    /// Something else than SSH answers.
    NotSsh,
}

impl SshFailure {
    /// The failure of an instance that runs and was waited for in vain.
    pub(super) fn error(self, instance: &Instance, port: u16, waited: Duration) -> Error {
        let reference = &instance.reference;
        let message = match (self, address(instance)) {
            (Self::NoAddress, _) | (_, None) => format!("{reference} runs, but has no address to be reached at by ssh"),
            (_, Some(address)) => format!(
                "{reference} runs, but does not answer to ssh at {address} port {port} after {} s: {}",
                waited.as_secs(),
                self.words()
            ),
        };
        let error = Error::new(ErrorKind::Timeout, message)
            .naming(reference)
            .with_leftover(reference);
        error.with_hint(match self {
            Self::NoAddress => "wait for running instead; to be reached it needs a public address".to_owned(),
            Self::Refused | Self::HungUp | Self::Mute => {
                format!("it may still be booting: wait longer, or look at `cloudctl console {reference}`")
            }
            Self::NoAnswer | Self::Unreachable => format!(
                "let the firewall of its network (aws: security group) admit you; `create --open {port}` does so for a new VM"
            ),
            Self::NotSsh => "name the port that sshd listens on with --ssh-port".to_owned(),
        })
    }

    /// What the server itself said is not repeated: anybody may have written it.
    fn words(self) -> &'static str {
        match self {
            Self::NoAddress => "it has no address",
            Self::Refused => "the connection was refused",
            Self::NoAnswer => "there was no answer",
            Self::Unreachable => "there is no way there from here",
            Self::Mute => "it took the connection and said nothing",
            Self::HungUp => "it closed the connection at once",
            Self::NotSsh => "what answers there is not SSH",
        }
    }
}

/// Where an instance is reached: its public address, else its private one.
pub(super) fn address(instance: &Instance) -> Option<&str> {
    instance.public_ip.as_deref().or(instance.private_ip.as_deref())
}

/// Tries each address and port once, and none for longer than until then. Gives the answers in no order, each with what
/// stood before its address.
pub(super) async fn probe_all(
    targets: Vec<(usize, Option<String>, u16)>,
    until: Instant,
) -> Vec<(usize, Result<(), SshFailure>)> {
    let attempts = futures_util::stream::iter(targets)
        .map(|(position, address, port)| async move { (position, try_once(address.as_deref(), port, until).await) });
    attempts.buffer_unordered(AT_ONCE).collect().await
}

async fn try_once(address: Option<&str>, port: u16, until: Instant) -> Result<(), SshFailure> {
    let address = address.ok_or(SshFailure::NoAddress)?;
    let by = |patience| until.min(Instant::now() + patience);
    let stream = match timeout_at(by(CONNECT), TcpStream::connect((address, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(silence_of(error.kind())),
        Err(_) => return Err(SshFailure::NoAnswer),
    };
    match timeout_at(by(GREETING), read_banner(BufReader::new(stream))).await {
        Ok(answer) => answer,
        Err(_) => Err(SshFailure::Mute),
    }
}

fn silence_of(kind: IoErrorKind) -> SshFailure {
    match kind {
        IoErrorKind::ConnectionRefused => SshFailure::Refused,
        IoErrorKind::TimedOut => SshFailure::NoAnswer,
        IoErrorKind::ConnectionReset | IoErrorKind::ConnectionAborted | IoErrorKind::UnexpectedEof => {
            SshFailure::HungUp
        }
        _ => SshFailure::Unreachable,
    }
}

/// Reads up to the line that begins with `SSH-`.
async fn read_banner(mut stream: impl AsyncRead + Unpin) -> Result<(), SshFailure> {
    for before in 0..MOST_LINES {
        let mut line = Vec::new();
        loop {
            match stream.read_u8().await {
                Ok(b'\n') => break,
                Ok(byte) => line.push(byte),
                Err(_) if line.is_empty() && before == 0 => return Err(SshFailure::HungUp),
                Err(_) => return Err(SshFailure::NotSsh),
            }
            if line.len() >= LONGEST_LINE {
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

    /// A server that writes these pieces with pauses between them, and then hangs up or stays.
    async fn server(pieces: Vec<Vec<u8>>, pause: Duration, stays: bool) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                for piece in &pieces {
                    tokio::time::sleep(pause).await;
                    let _ = stream.write_all(piece).await;
                }
                if stays {
                    std::future::pending::<()>().await;
                }
            }
        });
        port
    }

    async fn answer(pieces: &[&[u8]], stays: bool) -> Result<(), SshFailure> {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        let port = server(pieces, Duration::from_millis(20), stays).await;
        try_once(Some("127.0.0.1"), port, soon()).await
    }

    #[tokio::test]
    async fn a_greeting_is_seen_however_it_comes() {
        let long = [b"x".repeat(254), b"\r\nSSH-2.0-x\r\n".to_vec()].concat();
        for pieces in [
            &[&b"SSH-2.0-OpenSSH_9.6\r\n"[..]][..],
            &[b"S", b"SH-2.0", b"-x\n"],
            &[b"welcome\r\nto this host\r\n", b"SSH-1.99-x\r\n"],
        ] {
            assert_eq!(answer(pieces, true).await, Ok(()), "{pieces:?}");
            assert_eq!(answer(pieces, false).await, Ok(()), "{pieces:?}");
        }
        assert_eq!(answer(&[&long], true).await, Err(SshFailure::NotSsh));
    }

    #[tokio::test]
    async fn what_is_no_greeting_is_told_apart() {
        let endless = b"y".repeat(100_000);
        let many = b"banner\n".repeat(MOST_LINES + 1);
        for (pieces, silence) in [
            (&[&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]][..], SshFailure::NotSsh),
            (&[b"\x15\x03\x01\x00\x02"], SshFailure::NotSsh),
            (&[&endless], SshFailure::NotSsh),
            (&[&many], SshFailure::NotSsh),
            (&[], SshFailure::HungUp),
        ] {
            assert_eq!(
                answer(pieces, false).await,
                Err(silence),
                "{} bytes",
                pieces.concat().len()
            );
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_given_up_in_time() {
        let port = server(Vec::new(), Duration::ZERO, true).await;
        let (begun, until) = (Instant::now(), Instant::now() + Duration::from_millis(300));
        assert_eq!(try_once(Some("127.0.0.1"), port, until).await, Err(SshFailure::Mute));
        assert!(begun.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn where_nobody_listens_the_connection_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(
            try_once(Some("127.0.0.1"), port, soon()).await,
            Err(SshFailure::Refused)
        );
        assert_eq!(try_once(None, port, soon()).await, Err(SshFailure::NoAddress));
    }
}

//! The standard input of a command: it is read to its end beside everything else, so that it can be sent again.

use std::io::{self, BufRead, Read};
use std::thread;

use tokio::sync::oneshot;

use crate::cloud::{Error, ErrorKind, Result};

/// The most that is read, in bytes: 64 MiB.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// The input, while it is read.
#[derive(Debug)]
pub struct RunInput {
    state: State,
}

#[derive(Debug)]
enum State {
    Reading(oneshot::Receiver<io::Result<Vec<u8>>>),
    Known(io::Result<Vec<u8>>),
}

impl RunInput {
    /// No input.
    pub fn none() -> Self {
        Self {
            state: State::Known(Ok(Vec::new())),
        }
    }

    /// Begins to read.
    pub fn read(input: Box<dyn BufRead + Send>) -> Self {
        let (sender, receiver) = oneshot::channel();
        // A thread of its own: nothing can stop a read of a pipe whose other end stays open.
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = input.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes);
            // Nobody waits for it if the command ran already.
            let _ = sender.send(read.map(|_| bytes));
        });
        Self {
            state: State::Reading(receiver),
        }
    }

    /// Whether it has ended, and had nothing.
    pub(super) fn is_known_to_be_empty(&mut self) -> bool {
        if let State::Reading(receiver) = &mut self.state
            && let Ok(read) = receiver.try_recv()
        {
            self.state = State::Known(read);
        }
        matches!(&self.state, State::Known(Ok(bytes)) if bytes.is_empty())
    }

    /// All of it. Waits for its end.
    ///
    /// # Errors
    /// `InvalidSpec` if it is larger than 64 MiB; `Internal` if it cannot be read.
    pub(super) async fn all(&mut self) -> Result<&[u8]> {
        if let State::Reading(receiver) = &mut self.state {
            let read = receiver.await;
            self.state = State::Known(read.unwrap_or_else(|_| Err(io::Error::other("the reader ended"))));
        }
        match &self.state {
            State::Known(Err(error)) => {
                let message = format!("cannot read standard input: {error}");
                Err(Error::new(ErrorKind::Internal, message).with_hint("pass </dev/null if the command needs no input"))
            }
            State::Known(Ok(bytes)) if bytes.len() as u64 > MAX_INPUT_BYTES => Err(Error::invalid(
                "standard input has more than 64 MiB, the most that the command can get",
            )
            .with_hint("put it into a file and pass it with --copy")),
            State::Known(Ok(bytes)) => Ok(bytes),
            State::Reading(_) => Ok(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn input_is_read_to_its_end_or_refused() {
        let mut input = RunInput::read(Box::new(&b"one\ntwo"[..]));
        assert_eq!(input.all().await.unwrap(), b"one\ntwo");
        assert!(!input.is_known_to_be_empty());
        assert!(RunInput::none().is_known_to_be_empty());
        let large = io::BufReader::new(io::repeat(b'x'));
        let mut input = RunInput::read(Box::new(large));
        assert_eq!(input.all().await.unwrap_err().kind(), ErrorKind::InvalidSpec);
    }
}

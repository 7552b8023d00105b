//! A run of the binary in the background: a test holds it at a call, changes something meanwhile, or sends it signals.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::support::backends::Backend;
use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::faults::{Effect, Fault};

/// No run of these tests takes that long.
const LONGEST_RUN: Duration = Duration::from_secs(240);

pub struct Running {
    child: Child,
    /// What it prints, read as it comes: a pipe that is full would hold it up.
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    pub fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut child = sandbox
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Self {
            stdout: read(child.stdout.take().expect("its output")),
            stderr: read(child.stderr.take().expect("its errors")),
            child,
        }
    }

    /// `cloudctl ARGUMENTS -p PROVIDER -o json`
    pub fn json(backend: &Backend, arguments: &[&str]) -> Self {
        let arguments = [arguments, &["-p", backend.provider(), "-o", "json"]].concat();
        Self::start(&backend.sandbox, &arguments)
    }

    /// Sends `INT`, `TERM` or `KILL`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success(), "no process {id} to send {name}");
    }

    /// Waits for its end. What a signal ended has the signal's number with a minus.
    pub fn end(mut self) -> Run {
        let deadline = Instant::now() + LONGEST_RUN;
        let (status, in_time) = loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                break (status, true);
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                break (self.child.wait().expect("it is killed"), false);
            }
            sleep(Duration::from_millis(10));
        };
        let run = Run {
            code: status
                .code()
                .unwrap_or_else(|| -status.signal().unwrap_or(i32::from(u8::MAX))),
            stdout: self.stdout.join().expect("its output"),
            stderr: self.stderr.join().expect("its errors"),
        };
        assert!(in_time, "it does not end: {run:?}");
        run
    }
}

/// Waits until an operation was called so often.
pub fn wait_for_calls(backend: &Backend, operation: &str, times: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while backend.count(operation) < times {
        assert!(Instant::now() < deadline, "{operation} was not called {times} times");
        sleep(Duration::from_millis(5));
    }
}

/// How long a call is held while something happens.
const HOLD: Duration = Duration::from_millis(1_500);

/// Runs a command, and lets something happen while the answer to its call of `operation` after `skip` others is under
/// way.
pub fn while_held(
    backend: &Backend,
    operation: &str,
    skip: usize,
    arguments: &[&str],
    happens: impl FnOnce(&Backend),
) -> Run {
    let before = backend.count(operation);
    backend.inject(Fault::on(operation, Effect::Delay(HOLD)).skip(skip).times(1));
    let running = Running::json(backend, arguments);
    wait_for_calls(backend, operation, before + skip + 1);
    // The call is logged before it is answered.
    sleep(Duration::from_millis(100));
    happens(backend);
    running.end()
}

//! A run of `list --watch -o jsonl`, whose events are read one by one.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::sandbox::Run;

/// How long an event may take, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct EventStream {
    child: Child,
    lines: Receiver<String>,
}

impl EventStream {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next event. It must come in time.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("an event");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// Reads events until one is of this kind and about the VM of this name, with this state.
    #[track_caller]
    pub fn until(&mut self, event: &str, name: &str, state: &str) -> Value {
        loop {
            let item = self.next();
            if item["event"] == event && item["name"] == name && item["state"] == state {
                return item;
            }
        }
    }

    /// Reads events until one is of this kind and about the VM of this name.
    #[track_caller]
    pub fn until_named(&mut self, event: &str, name: &str) -> Value {
        loop {
            let item = self.next();
            if item["event"] == event && item["name"] == name {
                return item;
            }
        }
    }

    /// Sends a signal by its name, and waits for the end.
    pub fn end_by(mut self, signal: &str) -> Run {
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().expect("it ends");
        let mut stderr = String::new();
        let mut errors = self.child.stderr.take().expect("its messages");
        errors.read_to_string(&mut stderr).expect("its messages");
        Run {
            code: status.code().unwrap_or(-1),
            stdout: self.lines.try_iter().collect::<Vec<_>>().join("\n"),
            stderr,
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

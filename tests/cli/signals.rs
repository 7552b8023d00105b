//! Signals: which commands end at once, which finish a call first, and what they print. The log shows when a call is in
//! progress.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::sandbox::{Run, Sandbox};
use crate::{create, mock_file, mock_path, names};

/// At once, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(3);
/// What is in flight gets five seconds; the rest is for the machine.
const SETTLED: Duration = Duration::from_secs(8);

/// A run that is under way.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    told: String,
    signalled: Instant,
}

/// Starts a command on the mock with these faults.
fn start(sandbox: &Sandbox, faults: &str, arguments: &[&str]) -> Running {
    let mut child = sandbox
        .command(&[arguments, &["-p", "mock", "-vv"]].concat())
        .env("CLOUDCTL_MOCK", faults)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let log = BufReader::new(child.stderr.take().expect("its log"));
    Running {
        child,
        log,
        told: String::new(),
        signalled: Instant::now(),
    }
}

impl Running {
    /// Waits until a call of this operation is under way.
    fn until(mut self, operation: &str) -> Self {
        let call = format!("operation=\"{operation}\"");
        while !self.told.lines().any(|line| line.contains(&call)) {
            let read = self.log.read_line(&mut self.told).expect("its log");
            assert!(read > 0, "no call of {operation} in\n{}", self.told);
        }
        self
    }

    /// Sends a signal by its name.
    fn signal(mut self, name: &str) -> Self {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
        self.signalled = Instant::now();
        self
    }

    /// Waits until the first signal was heard.
    fn until_heard(mut self) -> Self {
        while !self.told.contains("interrupted: waiting for calls in progress") {
            let read = self.log.read_line(&mut self.told).expect("its log");
            assert!(read > 0, "the signal was not heard:\n{}", self.told);
        }
        self
    }

    /// Waits for the end, which must come in time.
    #[track_caller]
    fn ends_within(mut self, limit: Duration) -> Run {
        while self.child.try_wait().expect("its status").is_none() {
            if self.signalled.elapsed() > limit {
                self.child.kill().expect("it can be killed");
                panic!("it still ran after {limit:?}:\n{}", self.told);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.log.read_to_string(&mut self.told).expect("its log");
        let output = self.child.wait_with_output().expect("it ended");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: self.told,
        }
    }
}

/// The ids in the mock's own file.
fn ids(sandbox: &Sandbox) -> Vec<String> {
    let file: serde_json::Value = serde_json::from_str(&mock_file(sandbox).unwrap_or_default()).unwrap_or_default();
    let instances = file["instances"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<_> = instances
        .iter()
        .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
fn interrupted_read_only_command_ends_at_once() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for arguments in [
            &["list"][..],
            &["describe", "web-1"],
            &["terminate", "web-1", "-y"],
            &["extend", "web-1", "--ttl", "1h"],
        ] {
            let run = start(&sandbox, "latency=60s", arguments)
                .until("locations")
                .signal(signal);
            let run = run.ends_within(AT_ONCE).expect(code);
            run.expect_in_stderr("no call was in progress");
            assert_eq!(run.stdout, "");
        }
    }
    assert_eq!(names(&sandbox), ["web-1"]);
}

#[test]
fn interrupted_wait_or_user_data_read_ends_at_once() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    let run = start(&sandbox, "", &["wait", "web-1", "--for", "stopped"])
        .until("list")
        .signal("INT");
    run.ends_within(AT_ONCE).expect(130);
    // Nothing is asked before the user data is there, so there is no call to wait for.
    let run = start(&sandbox, "", &["create", "web-2", "--user-data", "-"]);
    std::thread::sleep(Duration::from_millis(500));
    run.signal("INT").ends_within(AT_ONCE).expect(130);
    assert_eq!(names(&sandbox), ["web-1"]);
}

#[test]
fn create_interrupted_during_lookup_creates_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let sandbox = Sandbox::new();
        let run = start(&sandbox, "latency=60s", &["create", "web-1"]).until("list");
        let run = run.signal(signal).ends_within(AT_ONCE).expect(code);
        run.expect_in_stderr("interrupted before anything was done");
        assert_eq!(mock_file(&sandbox), None);
    }
}

#[test]
fn interrupted_wait_names_the_vm_that_exists() {
    for signal in ["INT", "TERM"] {
        let sandbox = Sandbox::new();
        let run = start(&sandbox, "slow-boot=60s", &["create", "web-1", "--ttl", "1h", "-q"]).until("create");
        let since = Instant::now();
        while ids(&sandbox).is_empty() {
            assert!(since.elapsed() < SETTLED, "nothing was made");
            std::thread::sleep(Duration::from_millis(10));
        }
        let run = run.signal(signal).ends_within(SETTLED).expect(8);
        assert_eq!(run.stdout.lines().collect::<Vec<_>>(), ids(&sandbox));
        // The same command again is the first one's VM.
        let again = sandbox.run("create web-1 -p mock --ttl 1h -q --wait none");
        assert_eq!(again.expect(0).stdout, run.stdout);
    }
}

#[test]
fn create_interrupted_without_answer_is_unknown() {
    let sandbox = Sandbox::new();
    // The look-up goes to the region, the call itself to the zone.
    let faults = "latency=60s@us-east-1a";
    let run = start(&sandbox, faults, &["create", "web-1", "-z", "us-east-1a", "-o", "json"])
        .until("create")
        .signal("INT");
    let run = run.ends_within(SETTLED).expect(8);
    assert_eq!(run.error_kinds(), ["unknown_outcome"]);
    run.expect_in_stderr("hint: run the same command again");
    assert_eq!(mock_file(&sandbox), None);
}

#[test]
fn second_signal_exits_at_once() {
    for (first, second, code) in [("INT", "INT", 130), ("INT", "TERM", 143), ("TERM", "INT", 130)] {
        let sandbox = Sandbox::new();
        let faults = "latency=60s@us-east-1a";
        let run = start(&sandbox, faults, &["create", "web-1", "-z", "us-east-1a"])
            .until("create")
            .signal(first)
            .until_heard()
            .signal(second);
        let run = run.ends_within(Duration::from_secs(2)).expect(code);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn group_interrupted_during_create_is_whole_and_named() {
    let sandbox = Sandbox::new();
    let faults = "latency=1s@us-east-1a";
    let many = ["create", "web", "--count", "60", "-z", "us-east-1a", "-q"];
    let run = start(&sandbox, faults, &many).until("create").signal("INT");
    let run = run.ends_within(SETTLED).expect(8);
    let mut named: Vec<_> = run.stdout.lines().map(str::to_owned).collect();
    named.sort();
    assert_eq!(named, ids(&sandbox));
    assert_eq!(named.len(), 60, "{}", run.stderr);
}

#[test]
fn locked_state_file_does_not_delay_a_signal() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    let holder = File::open(mock_path(&sandbox).with_file_name("mock.json.lock")).expect("the lock");
    holder.lock().expect("the lock");
    let before = fs::read(mock_path(&sandbox)).expect("the file");
    for arguments in [
        &["create", "web-2"][..],
        &["terminate", "web-1", "-y"],
        &["stop", "web-1"],
    ] {
        let run = start(&sandbox, "", arguments).until(arguments[0]).signal("INT");
        let run = run.ends_within(SETTLED).expect(8);
        run.expect_in_stderr("hint: run the same command again");
    }
    assert_eq!(fs::read(mock_path(&sandbox)).expect("the file"), before);
}

#[test]
fn interrupted_terminate_wait_prints_the_state() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    let run = start(
        &sandbox,
        "latency=600ms",
        &["terminate", "web-1", "-y", "--wait", "-o", "json"],
    )
    .until("terminate")
    .signal("INT");
    let run = run.ends_within(SETTLED);
    // It may be gone by the time that the signal is heard.
    assert!([0, 8].contains(&run.code), "{run:?}");
    let state = run.item()["state"].clone();
    assert!(state == "terminating" || state == "terminated", "{run:?}");
    assert_eq!(names(&sandbox), [""; 0]);
}

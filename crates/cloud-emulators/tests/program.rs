//! The program as a person starts it: the README's commands, and what a mistake is answered with.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use cloud_emulators::client_commands::{self, Gcloud};
use cloud_emulators::python_environment;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cloud-emulators");

/// A running program, with the lines that it printed.
struct Running {
    process: Child,
    _stdout: BufReader<ChildStdout>,
    title: String,
    variables: Vec<(String, String)>,
}

impl Running {
    /// Starts it by a shell, so that quotes mean what they mean on a terminal.
    fn start(arguments: &str) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", &format!("exec '{PROGRAM}' {arguments}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdout = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = || {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("a line");
            line.trim_end().to_owned()
        };
        let title = line();
        let count = if arguments.starts_with("ec2") { 6 } else { 5 };
        let variables = (0..count).map(|_| {
            let line = line();
            let variable = line.strip_prefix("export ").and_then(|rest| rest.split_once('='));
            let (name, value) = variable.unwrap_or_else(|| panic!("{arguments}: {title}: {line}"));
            (name.to_owned(), value.to_owned())
        });
        let variables = variables.collect();
        Self {
            process,
            _stdout: stdout,
            title,
            variables,
        }
    }

    fn address(&self) -> &str {
        let words = self.title.split("127.0.0.1:").nth(1).expect("an address");
        words.split(';').next().unwrap_or_default()
    }

    /// A client's command with the variables that the program printed.
    fn run(&self, command: &str, folder: &std::path::Path) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        client_commands::client("sh")
            .args(["-c", command])
            .env("PATH", format!("{}:{path}", python_environment::programs().display()))
            .env("CLOUDSDK_CONFIG", folder)
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .env("AWS_PAGER", "")
            .envs(self.variables.iter().cloned())
            .output()
            .expect("a shell")
    }

    /// Sends a signal, and gives the exit code.
    fn stop(&mut self, signal: &str) -> Option<i32> {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(sent.success());
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The README's blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = include_str!("../README.md");
    let opening = format!("```{language}\n");
    let found = readme.split(&opening).skip(1);
    found
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn readme_commands_run_and_end_at_ctrl_c() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let has_gcloud = Gcloud::is_installed();
    let mut running: Option<Running> = None;
    let mut ran = 0;
    for block in blocks("sh") {
        let mut script = String::new();
        for line in block.lines() {
            if let Some(arguments) = line.strip_prefix("cargo run -p cloud-emulators -- ") {
                if let Some(mut earlier) = running.replace(Running::start(arguments)) {
                    assert_eq!(earlier.stop("-INT"), Some(0), "before {line}");
                }
                ran += 1;
            } else if line != "cargo test -p cloud-emulators" {
                script.push_str(line);
                script.push('\n');
            }
        }
        if script.is_empty() {
            continue;
        }
        if script.starts_with("gcloud") && !has_gcloud {
            // Not a macro: those are captured, and a test that passes would say nothing.
            let _ = writeln!(std::io::stderr(), "gcloud is not on PATH: not tested");
            continue;
        }
        let emulator = running.as_ref().expect("an emulator runs");
        let output = emulator.run(&format!("set -e\n{script}"), folder.path());
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{script}\n{stdout}\n{stderr}");
        let expected = if script.starts_with("gcloud") {
            "web-1"
        } else {
            "InstanceId"
        };
        assert!(stdout.contains(expected), "{script}\n{stdout}\n{stderr}");
        ran += script.lines().count();
    }
    assert!(ran >= 12, "{ran} commands were found");
    assert_eq!(running.expect("an emulator runs").stop("-TERM"), Some(0));
}

#[test]
fn program_prints_what_the_readme_shows() {
    let shown = blocks("console").remove(0);
    let running = Running::start("ec2 --port 0");
    let mut printed = format!("{}\n", running.title);
    for (name, value) in &running.variables {
        printed.push_str(&format!("export {name}={value}\n"));
    }
    assert_eq!(printed.replace(running.address(), "PORT"), shown);
}

#[test]
fn seeded_vms_and_injected_faults_reach_a_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(
        "ec2 --seed us-east-1=3 --no-capacity us-east-1a --fault DescribeVpcs=error:403:UnauthorizedOperation",
    );
    let listed = running.run(
        "aws ec2 describe-instances --query 'Reservations[].Instances[].State.Name' --output text",
        folder.path(),
    );
    let states = String::from_utf8_lossy(&listed.stdout);
    assert_eq!(states.split_whitespace().collect::<Vec<_>>(), ["running"; 3]);
    let refused = running.run("aws ec2 describe-vpcs", folder.path());
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && message.contains("UnauthorizedOperation"),
        "{message}"
    );
}

#[test]
fn mistakes_are_one_error_with_exit_code_2() {
    let mistakes: [(&[&str], &str); 11] = [
        (&["ec3"], "unrecognized subcommand 'ec3'"),
        (&["ec2", "--port", "70000"], "invalid value '70000' for '--port"),
        (&["ec2", "--seed", "us-east-1"], "expected LOCATION=COUNT"),
        (&["ec2", "--seed", "us-east-1=0"], "a count from 1 to 100000"),
        (
            &["ec2", "--seed", "moon=3"],
            "--seed: unknown location `moon`; there are ap-northeast-1, ",
        ),
        (
            &["ec2", "--seed", "us-east-1=1", "--seed", "us-east-1=2"],
            "--seed: `us-east-1` is given twice",
        ),
        (&["gce", "--latency", "soon"], "`soon` is not a time such as 200ms"),
        (
            &["gce", "--fault", "instances.insert=explode"],
            "unknown effect `explode`",
        ),
        (
            &["gce", "--fault", "RunInstances=reset"],
            "--fault: unknown operation `RunInstances`; there are instances.insert, ",
        ),
        (
            &["ec2", "--fault", "RunInstances@moon=reset"],
            "--fault: unknown location `moon`",
        ),
        (
            &["gce", "--no-capacity", "us-east-1a"],
            "--no-capacity: unknown location `us-east-1a`",
        ),
    ];
    for (arguments, message) in mistakes {
        let output = Command::new(PROGRAM).args(arguments).output().expect("the program");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        let errors = stderr.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(errors, 1, "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn taken_port_is_one_error_with_exit_code_2() {
    let running = Running::start("ec2");
    let output = Command::new(PROGRAM)
        .args(["gce", "--port", running.address()])
        .output()
        .expect("the program");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    let beginning = format!("error: --port: cannot listen on port {}: ", running.address());
    assert!(stderr.starts_with(&beginning), "{stderr}");
}

#[test]
fn help_names_every_flag() {
    for cloud in ["ec2", "gce"] {
        let output = Command::new(PROGRAM)
            .args([cloud, "--help"])
            .output()
            .expect("the program");
        let help = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        for line in include_str!("../README.md").lines() {
            let Some(flag) = line
                .strip_prefix("| `--")
                .and_then(|rest| rest.split(['`', ' ']).next())
            else {
                continue;
            };
            assert!(help.contains(&format!("--{flag} ")), "{cloud}: --{flag} in\n{help}");
        }
    }
}

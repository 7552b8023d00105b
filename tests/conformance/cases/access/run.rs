//! `run`: the command and its result, once, whatever happens to the client and the connection, and a VM that is gone after it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use crate::support::sshd::{Sshd, sshd_or_skip};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![BackendKind::EMULATORS;
        run_gives_output_and_exit_code_and_terminates_the_vm,
        run_passes_words_variables_and_input,
        run_copies_files_before_and_fetches_after,
        run_of_the_same_line_attaches_and_never_starts_twice,
        run_whose_vm_is_gone_is_refused_until_again,
        run_of_another_command_in_a_busy_vm_is_refused,
        run_keeps_the_vm_as_told,
        run_loses_no_byte_when_connections_break,
        run_ends_the_command_after_its_time,
        run_terminates_the_vm_at_once_if_it_is_cancelled,
        run_passes_interrupts_on_and_detaches_at_the_second,
        run_tells_a_reboot_and_starts_nothing,
        run_is_started_once_however_often_the_client_is_killed,
        run_gives_a_document_of_its_result,
        run_says_that_its_output_cannot_be_written,
        run_fails_with_its_own_code,
        run_makes_a_key_on_a_machine_without_one,
    ])
}

/// Starts a server, and gives each VM its address and host key; `None` without OpenSSH's server.
fn start_server(backend: &Backend) -> Option<Sshd> {
    let server = sshd_or_skip()?;
    backend.set_boot_host_keys(&[&server.host_key()]);
    backend.set_public_address("127.0.0.1");
    Some(server)
}

/// The process of `run` with these arguments, as the user of the server, with its output in pipes.
fn command(backend: &Backend, server: &Sshd, arguments: &[&str]) -> Command {
    let (port, identity_file) = (server.port().to_string(), server.identity_file().display().to_string());
    let own = ["run", "--user", server.user(), "-i", &identity_file, "--port", &port];
    let mut command = backend.command(&[&own, arguments].concat());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(backend: &Backend, server: &Sshd, arguments: &[&str]) -> Run {
    Run::of(&mut command(backend, server, arguments))
}

fn run_gives_output_and_exit_code_and_terminates_the_vm(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    for code in [0, 3, 125, 255] {
        let name = format!("job-{code}");
        let line = format!("echo out; echo err >&2; exit {code}");
        let run = run(backend, &server, &[&name, "--", &line]).expect(code);
        assert_eq!(run.stdout, "out\n");
        run.expect_in_stderr("err\n");
        assert!(backend.alive().is_empty(), "{:?}", backend.alive());
    }
    let killed = run(backend, &server, &["job-9", "--", "kill -9 $$"]).expect(137);
    assert!(killed.stdout.is_empty());
}

fn run_passes_words_variables_and_input(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let words = ["job", "-e", "OWNER=ada", "-e", "TOKEN", "--", "sh", "-c"];
    let script = "printf '%s|' \"$0\" \"$@\" \"$TOKEN\" \"$OWNER\"; cat; ps -A -o args | grep -c '[s]ecret'";
    let mut command = command(backend, &server, &[&words[..], &[script, "a  b", "", "*"]].concat());
    command.env("TOKEN", "it's $secret");
    let run = Run::with_input(&mut command, "line one\nno end").expect(1);
    // The value of a variable is in no argument list.
    let (output, count) = run.stdout.rsplit_once("no end").expect("the input");
    assert_eq!(output, "a  b||*|it's $secret|ada|line one\n");
    assert_eq!(count.trim(), "0", "{}", run.stdout);
    run.expect_not_in_stderr("secret");
}

fn run_copies_files_before_and_fetches_after(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let source = backend.sandbox.folder().join("source");
    fs::create_dir_all(source.join("it's a folder")).expect("a folder");
    fs::write(source.join("it's a folder/-x $HOME"), "deep").expect("a file");
    fs::write(source.join("main.c"), "main").expect("a file");
    std::os::unix::fs::symlink("main.c", source.join("link.c")).expect("a link");
    let line =
        "cat src/main.c \"src/it's a folder/-x \\$HOME\" bin/link.c main.c; mkdir out; echo made >out/file; exit 6";
    let copies = ["--copy", ".:src", "--copy", "link.c:bin/", "--copy", "main.c"];
    let fetches = ["--fetch", "out:fetched", "--fetch", "out/file:."];
    let mut command = command(
        backend,
        &server,
        &[
            &["job", "-e", "run=/", "-e", "setsid=false"],
            &copies[..],
            &fetches,
            &["--", line],
        ]
        .concat(),
    );
    let run = Run::of(command.current_dir(&source)).expect(6);
    assert_eq!(run.stdout, "maindeepmainmain");
    for file in ["fetched/file", "file"] {
        assert_eq!(fs::read_to_string(source.join(file)).expect(file), "made\n");
    }
    // What is not there keeps the VM, so that nothing is lost.
    let missing = ["job-2", "--fetch", "missing:.", "--", "true"];
    let run = super::run::run(backend, &server, &missing).expect(125);
    run.expect_all_in_stderr(["missing", "cloudctl ssh job-2"]);
    assert_eq!(backend.alive().len(), 1);
}

fn run_of_the_same_line_attaches_and_never_starts_twice(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let line = ["job", "--keep", "always", "--", "echo x >> count; echo done; exit 4"];
    run(backend, &server, &line).expect(4);
    let again = run(backend, &server, &line).expect(4);
    assert_eq!(again.stdout, "done\n");
    again.expect_in_stderr("attached");
    assert_eq!(
        fs::read_to_string(server.home().join("count")).expect("the file"),
        "x\n"
    );
    let anew = [&["--again"], &line[..]].concat();
    run(backend, &server, &anew).expect(4);
    assert_eq!(
        fs::read_to_string(server.home().join("count")).expect("the file"),
        "x\nx\n"
    );
}

fn run_whose_vm_is_gone_is_refused_until_again(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let line = ["job", "--", "echo x >> count"];
    run(backend, &server, &line).expect(0);
    let gone = run(backend, &server, &line).expect(125);
    gone.expect_all_in_stderr(["that run has ended and its VM is gone", "--again"]);
    assert!(backend.alive().is_empty());
    // EC2 shows the VM for a while, so that another machine knows it too.
    if backend.kind == BackendKind::Ec2Emulator {
        fs::remove_dir_all(backend.sandbox.home().join(".local/state/cloudctl/runs")).expect("the records");
        run(backend, &server, &line).expect(125).expect_in_stderr("has ended");
    }
    run(backend, &server, &[&["--again"], &line[..]].concat()).expect(0);
    assert_eq!(
        fs::read_to_string(server.home().join("count")).expect("the file"),
        "x\nx\n"
    );
}

fn run_of_another_command_in_a_busy_vm_is_refused(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    run(backend, &server, &["job", "--keep", "always", "--", "true"]).expect(0);
    let other = run(backend, &server, &["job", "--", "touch other"]).expect(125);
    other.expect_in_stderr("which runs another command");
    backend.run("create web-1 --wait running").expect(0);
    run(backend, &server, &["web-1", "--", "touch other"]).expect(125);
    backend.run("create job").expect(6).expect_in_stderr("cloudctl run");
    assert!(!server.home().join("other").exists());
    assert_eq!(backend.alive().len(), 2);
}

fn run_keeps_the_vm_as_told(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    run(backend, &server, &["good", "--keep", "failed", "--", "true"]).expect(0);
    assert!(backend.alive().is_empty());
    run(backend, &server, &["bad", "--keep", "failed", "--", "false"]).expect(1);
    assert_eq!(backend.alive().len(), 1);
    let vm = backend.json("describe bad").item();
    // --time is 30 minutes, and 15 more are for the rest. Compute Engine counts from the start, which is a little later.
    let time = |field: &str| vm[field].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let lifetime = time("expires_at").expect("a time") - time("created_at").expect("a time");
    let seconds = lifetime.get_seconds() - 45 * 60;
    assert!((0..=10).contains(&seconds), "{seconds}");
}

fn run_loses_no_byte_when_connections_break(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let line = "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); seq $i 1000; seq $i 500 >&2; sleep 0.01; done; exit 7";
    let mut command = command(backend, &server, &["job", "--", line]);
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(700));
                server.cut_sessions();
            }
        });
        let output = command.output().expect("cloudctl runs");
        stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        output
    });
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let numbers = |end: u32| {
        let lines = (1..=300).flat_map(|first| (first..=end).map(|number| format!("{number}\n")));
        lines.collect::<String>()
    };
    assert!(
        String::from_utf8_lossy(&output.stdout) == numbers(1000),
        "standard output differs"
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors: String = errors
        .lines()
        .filter(|line| line.parse::<u32>().is_ok())
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(errors == numbers(500), "standard error differs");
}

fn run_ends_the_command_after_its_time(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let run = run(backend, &server, &["job", "--time", "1s", "--", "echo begun; sleep 60"]).expect(124);
    assert_eq!(run.stdout, "begun\n");
    assert!(backend.alive().is_empty());
}

/// Starts `run`, and waits until its command has written its first line.
fn start(command: &mut Command) -> Child {
    let mut process = command.spawn().expect("cloudctl starts");
    let mut line = String::new();
    let stdout = process.stdout.as_mut().expect("a pipe");
    // One byte at a time: what comes later belongs to the test.
    BufReader::with_capacity(1, stdout)
        .read_line(&mut line)
        .expect("a line");
    assert_eq!(line, "begun\n", "{}", rest_of(process.stderr.as_mut()));
    process
}

fn rest_of(stream: Option<&mut impl Read>) -> String {
    let mut text = String::new();
    if let Some(stream) = stream {
        let _ = stream.read_to_string(&mut text);
    }
    text
}

fn send_signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &id]).status();
    assert!(sent.expect("kill").success());
}

fn run_terminates_the_vm_at_once_if_it_is_cancelled(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    for (signal, code, in_ci) in [("TERM", 143, false), ("INT", 130, true)] {
        let name = format!("job-{}", signal.to_lowercase());
        let mut command = command(backend, &server, &[&name, "--", "echo begun; sleep 60"]);
        if in_ci {
            command.env("CI", "true");
        }
        let process = start(&mut command);
        send_signal(&process, signal);
        let begun = Instant::now();
        let output = process.wait_with_output().expect("it ends");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(backend.alive().is_empty(), "{:?}", backend.alive());
    }
    let mut command = command(
        backend,
        &server,
        &["job-left", "--on-interrupt", "detach", "--", "echo begun; sleep 60"],
    );
    let process = start(&mut command);
    send_signal(&process, "TERM");
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(backend.alive().len(), 1);
}

fn run_passes_interrupts_on_and_detaches_at_the_second(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let line = "trap 'echo heard; exit 9' INT; echo begun; sleep 60 & wait";
    let process = start(&mut command(backend, &server, &["job", "--", line]));
    send_signal(&process, "INT");
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()),
        (Some(9), "heard\n")
    );
    assert!(backend.alive().is_empty());
    // A command that ignores it is left.
    let line = "trap '' INT; echo begun; sleep 3; echo end";
    let process = start(&mut command(backend, &server, &["deaf", "--", line]));
    send_signal(&process, "INT");
    thread::sleep(Duration::from_millis(500));
    send_signal(&process, "INT");
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("run the same line again"));
    let again = run(backend, &server, &["deaf", "--", line]).expect(0);
    assert_eq!(again.stdout, "begun\nend\n");
}

fn run_tells_a_reboot_and_starts_nothing(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let line = ["job", "--", "echo x >> count; echo begun; sleep 5"];
    let mut process = start(&mut command(backend, &server, &line));
    process.kill().expect("it is killed");
    assert_eq!(process.wait().expect("it ends").signal(), Some(9));
    let runs = server.home().join(".cloudctl/runs");
    let folder = fs::read_dir(runs)
        .expect("the runs")
        .next()
        .expect("one")
        .expect("it")
        .path();
    let started = fs::read_to_string(folder.join("started")).expect("the file");
    let rest = started.split_once(' ').expect("words").1;
    fs::write(folder.join("started"), format!("another-boot {rest}")).expect("the file");
    run(backend, &server, &line)
        .expect(125)
        .expect_in_stderr("was rebooted");
    assert_eq!(
        fs::read_to_string(server.home().join("count")).expect("the file"),
        "x\n"
    );
}

fn run_is_started_once_however_often_the_client_is_killed(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let mut seed = 0x2545_f491_4f6c_dd1d_u64 ^ u64::from(std::process::id());
    for round in 0..4 {
        let (name, file) = (format!("job-{round}"), format!("count-{round}"));
        let line = format!("echo x >> {file}; sleep 0.3; echo end; exit 5");
        let arguments = ["--keep", "always", &name, "--", &line];
        for _ in 0..6 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut process = command(backend, &server, &arguments).spawn().expect("cloudctl starts");
            thread::sleep(Duration::from_millis(seed >> 54));
            process.kill().expect("it is killed");
            process.wait().expect("it ends");
        }
        let last = run(backend, &server, &arguments).expect(5);
        assert_eq!(last.stdout, "end\n");
        let count = fs::read_to_string(server.home().join(&file)).expect("the file");
        assert_eq!(count, "x\n", "round {round}");
    }
    assert_eq!(backend.alive().len(), 4);
}

fn run_gives_a_document_of_its_result(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let run = run(backend, &server, &["job", "-o", "json", "--", "echo out; kill -15 $$"]).expect(143);
    run.expect_in_stderr("out\n");
    let item = run.item();
    assert_eq!(
        (&item["code"], &item["signal"], &item["name"]),
        (&json!(143), &json!(15), &json!("job"))
    );
    assert!(
        item["ref"]
            .as_str()
            .is_some_and(|text| text.starts_with(backend.provider()))
    );
    assert!(item["seconds"].is_u64() && item["usd"].is_f64(), "{item}");
}

fn run_says_that_its_output_cannot_be_written(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let mut command = command(backend, &server, &["job", "--", "echo out"]);
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let output = command.stdout(full).output().expect("cloudctl runs");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be written"));
    // The result is in the VM still.
    assert_eq!(
        run(backend, &server, &["job", "--", "echo out"]).expect(0).stdout,
        "out\n"
    );
}

fn run_fails_with_its_own_code(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let calls = backend.calls().len();
    for arguments in [
        &["job", "--colour", "--", "true"][..],
        &["job"],
        &["Not A Name", "--", "true"],
        &["job", "-e", "NOT_SET_HERE", "--", "true"],
        &["job", "-e", "OPTIND=3", "--", "true"],
        &["job", "--copy", "missing-file", "--", "true"],
        &["job", "--count", "2", "--", "true"],
        &["job", "--ttl", "10m", "--", "true"],
        &["job", "-o", "colour", "--", "true"],
    ] {
        run(backend, &server, arguments).expect(125);
    }
    assert_eq!(backend.calls().len(), calls);
    let mistake = run(backend, &server, &["job", "-e", "A-B=topsecret", "--", "true"]).expect(125);
    mistake.expect_not_in_stderr("topsecret");
    let denied = run(
        backend,
        &server,
        &["job", "--timeout", "2s", "--user", "nobody-here", "--", "true"],
    );
    assert_eq!(denied.code, 125, "{}", denied.stderr);
    assert!(backend.alive().is_empty());
}

fn run_makes_a_key_on_a_machine_without_one(backend: &Backend) {
    let Some(server) = start_server(backend) else { return };
    let port = server.port().to_string();
    let words = [
        "run",
        "job",
        "--user",
        server.user(),
        "--port",
        &port,
        "--timeout",
        "1s",
        "--",
        "true",
    ];
    let mut command = backend.command(&words);
    Run::of(command.stdin(Stdio::null())).expect(125);
    let key = backend.sandbox.home().join(".local/state/cloudctl/run_key/key");
    let public = fs::read_to_string(key.with_extension("pub")).expect("a public key");
    let authorized = server.home().join("../authorized_keys");
    fs::write(authorized, public).expect("the server's file");
    let mut command = backend.command(&[&words[..1], &["--again"], &words[1..]].concat());
    Run::of(command.stdin(Stdio::null())).expect(0);
    assert!(backend.alive().is_empty());
}

//! Closed pipes, full disks, missing home folders, and names that try to control the terminal.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::command_line::CommandLine;
use crate::support::sandbox::{Run, Sandbox};
use crate::{create, mock_file, mock_path, names};

/// Runs with nobody at the other end of its standard output.
fn run_unheard(sandbox: &Sandbox, arguments: &(impl CommandLine + ?Sized)) -> Run {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    run_into(sandbox, writer.into(), arguments)
}

fn run_into(sandbox: &Sandbox, stdout: Stdio, arguments: &(impl CommandLine + ?Sized)) -> Run {
    let mut command = sandbox.command(arguments);
    let output = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .output()
        .expect("the binary runs");
    Run::from_output(&output)
}

#[test]
fn closed_stdout_ends_a_list_quietly() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    for format in [
        "table",
        "wide",
        "json",
        "jsonl",
        "yaml",
        "csv",
        "name",
        "columns=name,state",
    ] {
        let run = run_unheard(&sandbox, &["list", "-p", "mock", "-o", format]).expect(0);
        assert_eq!(run.stderr, "", "{format}");
    }
    for arguments in [
        &["describe", "-p", "mock", "web-1"][..],
        &["--help"],
        &["man"],
        &["help", "exit-codes"],
    ] {
        let run = run_unheard(&sandbox, arguments).expect(0);
        assert_eq!(run.stderr, "", "{arguments:?}");
    }
}

/// A VM in each of two regions, and the later one to answer is the first by name.
fn with_a_slow_region(latency: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    create(&sandbox, &["a-slow", "-r", "eu-west-1"]);
    create(&sandbox, &["b-quick", "-r", "us-east-1"]);
    sandbox.set("CLOUDCTL_MOCK", &format!("latency={latency}@eu-west-1"));
    sandbox
}

#[test]
fn jsonl_comes_as_regions_answer() {
    let sandbox = with_a_slow_region("3s");
    let mut command = sandbox.command("list -p mock -o jsonl");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let came: Vec<(Value, Instant)> = lines
        .map(|line| {
            (
                serde_json::from_str(&line.expect("a line")).expect("an item"),
                Instant::now(),
            )
        })
        .collect();
    assert_eq!(child.wait().expect("the binary ends").code(), Some(0));
    let [(first, early), (second, late)] = &came[..] else {
        panic!("{came:?}");
    };
    assert_eq!((&first["name"], &second["name"]), (&json!("b-quick"), &json!("a-slow")));
    let apart = late.duration_since(*early);
    assert!(apart > Duration::from_millis(1_500), "{apart:?}");
}

#[test]
fn jsonl_is_sorted_where_that_is_asked_for() {
    let sandbox = with_a_slow_region("300ms");
    let listed = ["list", "-p", "mock", "-o", "jsonl", "--sort"];
    for (order, expected) in [("name", ["a-slow", "b-quick"]), ("-name", ["b-quick", "a-slow"])] {
        let run = sandbox.run(&[&listed[..], &[order]].concat()).expect(0);
        let items = run.stdout.lines().map(serde_json::from_str);
        let items: Vec<Value> = items.collect::<Result<_, _>>().expect("items");
        let names: Vec<_> = items.iter().map(|item| item["name"].as_str()).collect();
        assert_eq!(names, expected.map(Some), "{order}");
    }
}

#[test]
fn closed_reader_is_not_waited_for() {
    let sandbox = with_a_slow_region("60s");
    let began = Instant::now();
    let run = run_unheard(&sandbox, &["list", "-p", "mock", "-o", "jsonl"]).expect(0);
    assert_eq!(run.stderr, "");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn closed_stdout_does_not_stop_a_create() {
    for format in ["table", "json", "jsonl", "yaml", "csv", "ref"] {
        let mut sandbox = Sandbox::new();
        sandbox.start_mock_vms_at_once();
        let run = run_unheard(&sandbox, &["create", "web-1", "-p", "mock", "-o", format]).expect(0);
        let made = sandbox.run("describe -p mock web-1 -o json").expect(0).item();
        let reference = made["ref"].as_str().expect("a reference");
        assert!(run.stderr.contains(reference), "{format}: {}", run.stderr);
    }
}

#[test]
fn full_disk_is_an_error_and_the_vm_exists() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    let full = || {
        OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
            .into()
    };
    for format in ["table", "json", "jsonl", "csv"] {
        let name = format!("in-{format}");
        let run = run_into(&sandbox, full(), &["create", &name, "-p", "mock", "-o", format]).expect(1);
        let made = sandbox
            .run(&["describe", "-p", "mock", &name, "-o", "json"])
            .expect(0)
            .item();
        let reference = made["ref"].as_str().expect("a reference");
        assert!(run.stderr.contains(reference), "{format}: {}", run.stderr);
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{format}: {}", run.stderr);
        let terminated = run_into(
            &sandbox,
            full(),
            &["terminate", &name, "-p", "mock", "-y", "-o", format],
        );
        terminated.expect(1).expect_in_stderr("the command has ended");
        let run = run_into(&sandbox, full(), &["list", "-p", "mock", "-o", format]).expect(1);
        assert!(
            run.stderr.contains("cannot write the results"),
            "{format}: {}",
            run.stderr
        );
    }
}

#[test]
fn closed_stderr_does_not_stop_a_create() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = sandbox.command("create web-1 -p mock -vvv");
    let output = command
        .stdin(Stdio::null())
        .stderr(writer)
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(names(&sandbox), ["web-1"]);
}

#[test]
fn no_home_is_needed() {
    // /proc is a folder in which nobody can make a file, not even root.
    for home in [Some("/absent/home"), Some("/proc"), Some("/dev/null"), None] {
        let mut sandbox = Sandbox::new();
        let state = sandbox.folder().join("elsewhere/mock.json");
        sandbox.set("CLOUDCTL_MOCK_STATE", &state.to_string_lossy());
        match home {
            Some(home) => sandbox.set("HOME", home),
            None => sandbox.unset("HOME"),
        };
        create(&sandbox, &["web-1"]);
        assert_eq!(names(&sandbox), ["web-1"], "{home:?}");
        sandbox.run("context list").expect(0);
        sandbox.run("terminate -p mock web-1 -y").expect(0);
        assert_eq!(names(&sandbox), [""; 0], "{home:?}");
    }
}

/// Names that steer terminals, turn text round, begin formulas, and never end.
fn hostile() -> Vec<String> {
    vec![
        "\u{1b}[31mred\u{7}".to_owned(),
        "\u{202e}gnitirw\u{2066}\u{200f}".to_owned(),
        "two\r\nlines\u{85}\u{2028}".to_owned(),
        "\u{9b}2J\u{9d}0;title\u{9c}\u{7f}".to_owned(),
        "hid\u{200b}den\u{ad}\u{e0041}\u{3164}\u{feff}".to_owned(),
        "日本🦀".repeat(300),
        "=HYPERLINK(\"http://evil.example\")".to_owned(),
        "+1".to_owned(),
        "@SUM(1)".to_owned(),
        "x".repeat(4096),
    ]
}

fn with_hostile_vms() -> Sandbox {
    let sandbox = Sandbox::new();
    for index in 0..hostile().len() {
        create(&sandbox, &[&format!("vm-{index}")]);
    }
    let mut file: Value = serde_json::from_str(&mock_file(&sandbox).expect("the file")).expect("JSON");
    for (instance, name) in file["instances"].as_array_mut().expect("VMs").iter_mut().zip(hostile()) {
        instance["labels"]["cloudctl-name"] = json!(name);
        instance["labels"]["note"] = json!(name);
        instance["labels"][&name] = json!("key");
    }
    std::fs::write(mock_path(&sandbox), file.to_string()).expect("the file");
    sandbox
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|character| {
        character == '\n'
            || !(character.is_control()
                || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                    | '\u{3164}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}'))
    })
}

#[test]
fn hostile_names_are_escaped_in_text_output() {
    let sandbox = with_hostile_vms();
    for format in ["table", "wide", "columns=name,labels,native", "name", "id", "ref"] {
        let run = sandbox.run(&["list", "-p", "mock", "-o", format]).expect(0);
        assert!(is_harmless(&run.stdout), "{format}: {:?}", run.stdout);
        let rows = hostile().len() + usize::from(!matches!(format, "name" | "id" | "ref"));
        assert_eq!(run.stdout.lines().count(), rows, "{format}: {:?}", run.stdout);
    }
    let ids = sandbox.run("list -p mock -o ref").expect(0).stdout;
    for reference in ids.lines() {
        let run = sandbox.run(&["describe", reference]).expect(0);
        assert!(is_harmless(&run.stdout), "{:?}", run.stdout);
        let run = sandbox
            .run(&["terminate", reference, "--dry-run", "--include-unmanaged"])
            .expect(0);
        assert!(is_harmless(&run.stdout) && is_harmless(&run.stderr), "{run:?}");
    }
}

#[test]
fn hostile_names_are_exact_in_json_and_escaped_in_csv() {
    let sandbox = with_hostile_vms();
    let items = sandbox.run("list -p mock -o json").expect(0).items();
    let mut names: Vec<_> = items
        .iter()
        .map(|item| item["name"].as_str().unwrap_or_default())
        .collect();
    let mut expected = hostile();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for item in &items {
        assert_eq!(item["labels"]["note"], item["name"]);
        assert_eq!(item["labels"][item["name"].as_str().unwrap_or_default()], "key");
    }
    // Exact by what they say, and harmless by how it is written.
    for format in ["json", "jsonl", "yaml", "csv"] {
        let text = sandbox.run(&["list", "-p", "mock", "-o", format]).expect(0).stdout;
        assert!(is_harmless(&text), "{format}: {text:?}");
    }
    let table = sandbox.run("list -p mock -o csv").expect(0).stdout;
    for dangerous in ["=HYPERLINK", "+1", "@SUM"] {
        let found = table
            .match_indices(dangerous)
            .map(|(at, _)| table[..at].chars().next_back());
        // At the start of a cell, plain or quoted, it would be a formula.
        let starts = found.filter(|before| matches!(before, Some(',' | '"' | '\n'))).count();
        assert_eq!(starts, 0, "{dangerous}: {table}");
    }
}

#[test]
fn hostile_name_does_not_break_the_table() {
    let sandbox = with_hostile_vms();
    let table = sandbox.run("list -p mock").expect(0).stdout;
    // The rows that are short are as they would be without the others.
    let short: Vec<_> = table.lines().filter(|line| line.chars().count() < 150).collect();
    assert_eq!(short.len(), 1 + hostile().len() - 2, "{table}");
    let columns: Vec<_> = short
        .iter()
        .filter_map(|line| line.find("us-east-1").or(line.find("ZONE")))
        .collect();
    assert!(
        columns.iter().all(|column| *column == columns[0]) && columns[0] < 90,
        "{table}"
    );
    assert!(table.contains(&format!("{}…  mock", "x".repeat(256))), "{table}");
}

#[test]
fn hostile_names_are_escaped_in_errors_and_logs() {
    let sandbox = with_hostile_vms();
    create(&sandbox, &["plain"]);
    let id = |name: &str| {
        let found = sandbox.run("list -p mock -o json").expect(0).items();
        let found = found.iter().find(|item| item["name"] == name).cloned();
        found.expect("the VM")["id"].as_str().unwrap_or_default().to_owned()
    };
    for name in hostile() {
        let id = id(&name);
        // Named by what was read of it, in every stream and at every verbosity.
        for arguments in [
            &["extend", &id, "--ttl", "1h"][..],
            &["terminate", &id, "-y"],
            &["terminate", "--expired", "-y"],
            &["protect", &id],
            &["stop", &id],
            &["wait", &id, "--for", "terminated", "--timeout", "0s"],
            &["describe", &id],
            &["describe", &name],
        ] {
            let run = sandbox.run(&[arguments, &["-p", "mock", "-vvv"]].concat());
            assert!(
                is_harmless(&run.stdout) && is_harmless(&run.stderr),
                "{arguments:?}: {run:?}"
            );
        }
    }
}

#[test]
fn closed_stdout_keeps_error_and_exit_code() {
    let sandbox = Sandbox::new();
    let line = "create web-1 -p mock --native boot_seconds=60 --timeout 0s";
    let run = run_unheard(&sandbox, line).expect(8);
    run.expect_in_stderr("error: ").expect_in_stderr("mock/us-east-1/");
}

//! Panics. The hook runs in a process of its own, which is this test binary again, because nothing in cloudctl panics
//! on demand.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use cloudctl::panic_report::PanicReport;
use cloudctl::shutdown::Shutdown;

use crate::support::sandbox::Run;

/// Names the scenario to the process that panics.
const SCENARIO: &str = "CLOUDCTL_TEST_PANIC";
/// What the panic's own message says.
const CANARY: &str = "canary-in-a-panic-3f1b";

fn command(scenario: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "panics::process_that_panics",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(SCENARIO, scenario)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn panic_in(scenario: &str, backtrace: Option<&str>) -> Run {
    let mut command = command(scenario);
    if let Some(backtrace) = backtrace {
        command.env("RUST_BACKTRACE", backtrace);
    }
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    Run::from_output(&output)
}

/// The process of the other tests. Without a scenario, as in an ordinary run of all tests, it has nothing to do.
#[test]
fn process_that_panics() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    let report = PanicReport::install();
    let shutdown = Shutdown::default();
    report.set_shutdown(&shutdown);
    let _change = match scenario.as_str() {
        "change" => Some(shutdown.enter_critical_section().unwrap()),
        _ => None,
    };
    match scenario.as_str() {
        "reader gone" => {
            report.set_format(Some("json"));
            println!("ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        "json" | "yaml" | "jsonl" => report.set_format(Some(&scenario)),
        _ => {}
    }
    match scenario.as_str() {
        "thread" => drop(std::thread::spawn(|| panic!("{CANARY}")).join()),
        "two threads" => {
            let threads = [(); 2].map(|()| std::thread::spawn(|| panic!("{CANARY}")));
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        "task" => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(async { tokio::spawn(async { panic!("{CANARY}") }).await });
        }
        "caught" => drop(std::panic::catch_unwind(|| panic!("{CANARY}"))),
        "nothing there" => drop(Vec::<u32>::new().pop().expect(CANARY)),
        _ => panic!("{CANARY}"),
    }
    unreachable!("the process has ended");
}

#[track_caller]
fn assert_plain(ended: &Run) {
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("error: a bug in cloudctl at tests/reports/panics.rs:"),
        "{}",
        ended.stderr
    );
    ended.expect_in_stderr("\nhint: ");
    assert!(
        !ended.stderr.contains(CANARY) && !ended.stdout.contains(CANARY),
        "{}",
        ended.stderr
    );
    ended.expect_not_in_stderr("panicked");
}

#[test]
fn panic_anywhere_is_one_plain_error() {
    for scenario in ["main", "thread", "two threads", "task", "caught", "nothing there"] {
        let ended = panic_in(scenario, None);
        assert_plain(&ended);
        assert_eq!(ended.stderr.lines().count(), 2, "{scenario}: {}", ended.stderr);
    }
}

#[test]
fn panic_is_an_entry_in_the_errors_where_the_format_has_them() {
    let ended = panic_in("json", None);
    assert_plain(&ended);
    let start = ended.stdout.find('{').unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&ended.stdout[start..]).unwrap();
    assert_eq!(envelope["errors"][0]["kind"], "internal");
    assert!(
        envelope["errors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("a bug in cloudctl")
    );
    let ended = panic_in("yaml", None);
    assert_plain(&ended);
    assert!(ended.stdout.contains("kind: internal"), "{}", ended.stdout);
    let ended = panic_in("jsonl", None);
    assert_plain(&ended);
    assert!(!ended.stdout.contains('{'), "{}", ended.stdout);
}

#[test]
fn panic_during_a_change_says_that_a_vm_may_exist() {
    let ended = panic_in("change", None);
    assert_plain(&ended);
    ended.expect_in_stderr("a VM may exist");
    ended.expect_in_stderr("run the same command again");
    let ended = panic_in("main", None);
    ended.expect_not_in_stderr("a VM may exist");
}

#[test]
fn panic_is_reported_with_nobody_to_read_stdout() {
    let mut child = command("reader gone").stdin(Stdio::piped()).spawn().unwrap();
    // The test harness in there must have written what it writes.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("ready")));
    drop(lines);
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_plain(&Run::from_output(&output));
}

#[test]
fn panic_shows_where_it_came_from_only_if_asked() {
    let ended = panic_in("main", Some("1"));
    assert_plain(&ended);
    ended.expect_in_stderr("process_that_panics");
    let ended = panic_in("main", Some("0"));
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
}

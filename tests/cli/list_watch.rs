//! `list --watch` for programs: events as JSON lines, and what it refuses.

use crate::support::event_stream::EventStream;
use crate::support::sandbox::Sandbox;
use crate::{create, mock_path};

const WATCH: &str = "list -p mock --watch --interval 1s -o jsonl";

fn sandbox_with_one() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    create(&sandbox, &["web-1"]);
    sandbox
}

#[test]
fn watch_streams_each_change_as_an_event() {
    let sandbox = sandbox_with_one();
    let listed = sandbox.run("list -p mock -o json").expect(0).item();
    let mut events = EventStream::start(&mut sandbox.command(WATCH));
    let mut first = events.next();
    assert_eq!(first["event"], "added");
    let fields = first.as_object_mut().expect("an object");
    fields.remove("event");
    assert_eq!(first, listed, "an event has all fields of an item");
    create(&sandbox, &["web-2"]);
    events.until("added", "web-2", "running");
    sandbox.run("stop web-2 -p mock --wait").expect(0);
    events.until("changed", "web-2", "stopped");
    sandbox.run("terminate web-2 -p mock -y --wait").expect(0);
    let removed = events.until("removed", "web-2", "terminating");
    assert_eq!(removed["provider"], "mock");
    let run = events.end_by("INT").expect(130);
    run.expect_in_stderr("no call was in progress");
}

#[test]
fn watch_applies_filters_to_each_listing() {
    let sandbox = sandbox_with_one();
    let words = format!("{WATCH} --filter state=running");
    let mut events = EventStream::start(&mut sandbox.command(&words));
    events.until("added", "web-1", "running");
    sandbox.run("stop web-1 -p mock --wait").expect(0);
    // It is no longer among those that the filter selects.
    events.until("removed", "web-1", "running");
    sandbox.run("start web-1 -p mock --wait").expect(0);
    events.until("added", "web-1", "running");
    events.end_by("TERM").expect(143);
}

#[test]
fn watch_goes_on_after_a_listing_that_fails() {
    let sandbox = sandbox_with_one();
    let mut events = EventStream::start(&mut sandbox.command(WATCH));
    events.until("added", "web-1", "running");
    let path = mock_path(&sandbox);
    let kept = std::fs::read(&path).expect("the mock's file");
    // A file that is half written would be another listing.
    let replace = |content: &[u8]| {
        let new = path.with_extension("new");
        std::fs::write(&new, content).expect("a new file");
        std::fs::rename(&new, &path).expect("the mock's file");
    };
    replace(b"[]");
    std::thread::sleep(std::time::Duration::from_secs(4));
    replace(&kept);
    create(&sandbox, &["web-2"]);
    // Nothing is removed meanwhile.
    let next = events.next();
    assert_eq!((&next["event"], &next["name"]), (&"added".into(), &"web-2".into()));
    let run = events.end_by("INT").expect(130);
    let warnings = run.stderr.matches("warning: mock/us-east-1").count();
    assert_eq!(warnings, 1, "{}", run.stderr);
    run.expect_in_stderr("mock/us-east-1 answers again");
}

#[test]
fn watch_that_cannot_start_ends_with_its_code() {
    let mut sandbox = sandbox_with_one();
    sandbox.run("list --watch -o jsonl").expect(4);
    sandbox.run("list --watch -p mock -r moon-1 -o jsonl").expect(2);
    sandbox.set("CLOUDCTL_MOCK", "unauthenticated");
    let run = sandbox.run(WATCH).expect(4);
    run.expect_in_stderr("the credentials have expired");
}

#[test]
fn watch_without_terminal_or_jsonl_is_refused() {
    let sandbox = sandbox_with_one();
    for words in ["", "-o table", "-o json", "-o csv", "-o name", "-q"] {
        let run = sandbox.run(&format!("list -p mock --watch {words}")).expect(2);
        run.expect_in_stderr("-o jsonl");
        assert!(!run.stdout.contains("web-1"), "{words}: {}", run.stdout);
    }
}

#[test]
fn watch_refuses_bad_intervals() {
    let sandbox = sandbox_with_one();
    for (words, text) in [
        ("list -p mock --watch --interval 0s -o jsonl", "use 1s or more"),
        ("list -p mock --watch --interval 200ms -o jsonl", "200ms"),
        ("list -p mock --interval 2s", "--watch"),
        ("list -p mock --watch --cost -o jsonl", "--cost"),
    ] {
        let run = sandbox.run(words).expect(2);
        run.expect_in_stderr(text);
    }
}

#[test]
fn watch_ends_when_nobody_reads() {
    let sandbox = sandbox_with_one();
    let binary = env!("CARGO_BIN_EXE_cloudctl");
    // `head` ends after the first event, and the watch at the next one; a shell waits for both.
    let script_in_background = format!(
        "({binary} {WATCH} | head -n 1) & sleep 3; {binary} create web-2 -p mock -q --wait none >/dev/null; wait"
    );
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &script_in_background])
        .env_clear()
        .envs(sandbox.variables())
        .current_dir(sandbox.folder());
    let run = crate::support::sandbox::Run::of(&mut shell).expect(0);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
}

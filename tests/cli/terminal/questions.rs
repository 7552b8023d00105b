//! The question before VMs are terminated.

use super::on_terminal;
use crate::support::sandbox::Sandbox;
use crate::{create, edit, names};

const TERMINATE: &[&str] = &["terminate", "-p", "mock", "one", "two"];

fn with_two() -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &["one"]);
    create(&sandbox, &["two", "-r", "eu-west-1"]);
    sandbox
}

#[test]
fn question_names_count_account_regions_and_defaults_to_no() {
    let sandbox = with_two();
    // A new line alone, the end of the input, and what is not a yes.
    for answer in ["\n", "\u{4}", "n\n", "no\n", "2\n", "yess\n"] {
        let run = on_terminal(&sandbox, 100, answer, TERMINATE).expect(6);
        for word in ["2 VMs in mock (", "us-east-1", "eu-west-1", "[y/N]", "one", "two"] {
            assert!(run.stdout.contains(word), "{answer:?}: {word}\n{}", run.stdout);
        }
        assert!(run.stdout.contains("nothing was changed"), "{}", run.stdout);
        assert_eq!(names(&sandbox).len(), 2, "{answer:?}");
    }
}

#[test]
fn answer_yes_terminates() {
    for answer in ["y\n", "Y\n", "yes\n", " y \n"] {
        let sandbox = with_two();
        on_terminal(&sandbox, 100, answer, TERMINATE).expect(0);
        assert_eq!(names(&sandbox), [""; 0], "{answer:?}");
    }
}

#[test]
fn question_above_ten_vms_wants_the_number() {
    let sandbox = Sandbox::new();
    let create = "create x -p mock --count 11 -l a=b --wait none -q";
    sandbox.run(create).expect(0);
    let terminate = ["terminate", "-p", "mock", "-l", "a=b"];
    for answer in ["y\n", "yes\n", "\n", "10\n", "011\n"] {
        let run = on_terminal(&sandbox, 100, answer, &terminate).expect(6);
        assert!(run.stdout.contains("11 VMs"), "{}", run.stdout);
        assert_eq!(names(&sandbox).len(), 11, "{answer:?}");
    }
    on_terminal(&sandbox, 100, "11\n", &terminate).expect(0);
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn stop_of_a_selection_asks_and_of_names_does_not() {
    let sandbox = with_two();
    let stop = ["stop", "-p", "mock", "--filter", "name=*o*"];
    let run = on_terminal(&sandbox, 100, "\n", &stop).expect(6);
    for word in ["stop 2 VMs in mock", "[y/N]", "one", "two", "nothing was changed"] {
        assert!(run.stdout.contains(word), "{word}\n{}", run.stdout);
    }
    let asked = |arguments: &[&str], answer: &str| {
        let run = on_terminal(&sandbox, 100, answer, arguments).expect(0);
        run.stdout.contains("[y/N]")
    };
    assert!(asked(&stop, "y\n"));
    assert!(!asked(&[&stop[..], &["-y"]].concat(), "n\n"));
    assert!(!asked(&["stop", "-p", "mock", "one", "two"], "n\n"));
    // A VM that is stopping cannot be started yet.
    sandbox.run("wait one two -p mock --for stopped").expect(0);
    assert!(!asked(&["start", "-p", "mock", "--filter", "name=*o*"], "n\n"));
}

#[test]
fn yes_flag_skips_the_question() {
    let sandbox = with_two();
    let run = on_terminal(&sandbox, 100, "n\n", &[TERMINATE, &["-y"]].concat()).expect(0);
    assert!(!run.stdout.contains("[y/N]"), "{}", run.stdout);
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn question_escapes_hostile_names() {
    let sandbox = with_two();
    let name = format!(
        "one\u{1b}[2K\r\u{9b}1Aterminate nothing? [y/N] \u{202e}{}",
        "x".repeat(4096)
    );
    edit(&sandbox, "one", |one| {
        one["labels"]["cloudctl-name"] = name.as_str().into()
    });
    let ids = sandbox.run("list -q -p mock").expect(0).stdout;
    let arguments: Vec<&str> = ["terminate", "-p", "mock", "--include-unmanaged"]
        .into_iter()
        .chain(ids.lines())
        .collect();
    let run = on_terminal(&sandbox, 100, "n\n", &arguments).expect(6);
    let question = run.stdout.split("for good?").next().unwrap_or_default();
    assert!(question.contains("one\\u{1b}[2K\\u{d}\\u{9b}1A"), "{question:?}");
    assert!(!question.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{question:?}");
    assert!(question.lines().all(|line| line.len() < 400), "{question:?}");
    assert_eq!(sandbox.run("list -q -p mock").expect(0).stdout, ids);
}

#[test]
fn question_answered_by_ctrl_c_means_no() {
    let sandbox = with_two();
    let run = on_terminal(&sandbox, 100, "\u{3}", TERMINATE).expect(130);
    assert!(
        run.stdout.contains("interrupted; no call was in progress"),
        "{}",
        run.stdout
    );
    assert_eq!(names(&sandbox).len(), 2);
}

//! Labels of VMs that exist: set, removed, checked, and changed by several processes at once.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};
use crate::support::command_line::split_words;
use crate::support::sandbox::Run;
use crate::support::test_cloud::Labels;

pub fn cases() -> Vec<Case> {
    let everywhere = cases![BackendKind::ALL;
        label_sets_removes_and_keeps_others,
        label_changes_vm_of_somebody_else,
        label_refuses_keys_of_cloudctl,
        label_refuses_values_that_are_too_long,
        label_of_absent_vm_is_not_found,
        label_of_group_changes_each_member,
        label_of_protected_vm_is_changed,
        label_by_several_processes_loses_nothing,
        create_with_other_labels_names_the_command,
    ];
    let terminating = cases![BackendKind::EMULATORS;
        label_of_terminating_vm_is_refused,
    ];
    everywhere.into_iter().chain(terminating).collect()
}

/// The labels of the one instance that is there, as the cloud has them.
#[track_caller]
pub fn labels_of(backend: &Backend, name: &str) -> Labels {
    let all = backend.alive();
    let found = all.into_iter().find(|one| one.name == name);
    found.unwrap_or_else(|| panic!("no instance {name}")).labels
}

fn label_sets_removes_and_keeps_others(backend: &Backend) {
    backend.run("create web-1 -l env=ci -l old=1").expect(0);
    let before = labels_of(backend, "web-1");
    let mut after = before.clone();
    after.insert("team".to_owned(), "blue".to_owned());
    after.remove("old");
    // The second run changes nothing.
    for _ in 0..2 {
        let labelled = backend.json("label web-1 team=blue old- absent-").expect(0).item();
        assert_eq!(labelled["labels"], json!({ "env": "ci", "team": "blue" }));
        assert_eq!(labelled["managed"], true);
        assert_eq!(labels_of(backend, "web-1"), after);
    }
    backend.run("label web-1 team=red").expect(0);
    assert_eq!(labels_of(backend, "web-1")["team"], "red");
    // It is still the same VM to the command that created it.
    let again = backend.run("create web-1 -l env=ci -l old=1").expect(0);
    again.expect_in_stderr("exists already");
}

fn label_changes_vm_of_somebody_else(backend: &Backend) {
    let id = backend.create_unmanaged("db");
    let labelled = backend.json("label db team=blue owner=ann").expect(0).item();
    assert_eq!(
        (text(&labelled, "id"), &labelled["managed"]),
        (id.as_str(), &json!(false))
    );
    let reference = text(&labelled, "ref").to_owned();
    backend.run(&["label", &reference, "owner-"]).expect(0);
    let labels = labels_of(backend, "db");
    assert_eq!(labels.get("team").map(String::as_str), Some("blue"));
    assert!(!labels.contains_key("owner"));
    assert!(!labels.keys().any(|key| key.starts_with("cloudctl-")));
}

fn label_refuses_keys_of_cloudctl(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let before = labels_of(backend, "web-1");
    for change in ["cloudctl-ttl=9h", "cloudctl-managed-", "cloudctl-x=1"] {
        let run = backend.run(&["label", "web-1", "team=blue", change]).expect(2);
        run.expect_in_stderr("one of cloudctl's own");
    }
    assert_eq!(labels_of(backend, "web-1"), before);
}

fn label_refuses_values_that_are_too_long(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let before = labels_of(backend, "web-1");
    let change = format!("team={}", "x".repeat(300));
    backend.run(&["label", "web-1", "env=ci", &change]).expect(2);
    assert_eq!(labels_of(backend, "web-1"), before);
}

fn label_of_absent_vm_is_not_found(backend: &Backend) {
    backend.run("label web-1 team=blue").expect(3);
    let absent = backend.site().absent_ref;
    backend.run(&["label", absent, "team=blue"]).expect(3);
}

fn label_of_group_changes_each_member(backend: &Backend) {
    backend.run("create web --count 3 -l old=1").expect(0);
    let run = backend.json("label web-1 web-2 web-3 team=blue old-").expect(0);
    let labels: Vec<Value> = run.items().iter().map(|item| item["labels"].clone()).collect();
    assert_eq!(labels, vec![json!({ "team": "blue" }); 3]);
    for one in backend.alive() {
        assert_eq!(one.labels["team"], "blue");
        assert!(!one.labels.contains_key("old"));
    }
}

fn label_of_protected_vm_is_changed(backend: &Backend) {
    backend.run("create web-1 --protect").expect(0);
    backend.run("label web-1 team=blue").expect(0);
    assert_eq!(labels_of(backend, "web-1")["team"], "blue");
}

fn label_by_several_processes_loses_nothing(backend: &Backend) {
    backend.run("create web-1 -l env=ci").expect(0);
    let start = |number: usize| {
        let change = format!("key-{number}=v");
        let mut command = backend.command(&["label", "web-1", change.as_str()]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    };
    let running: Vec<_> = (0..4).map(start).collect();
    for child in running {
        Run::from_output(&child.wait_with_output().expect("it ends")).expect(0);
    }
    let labels = labels_of(backend, "web-1");
    for number in 0..4 {
        assert!(labels.contains_key(&format!("key-{number}")), "{labels:?}");
    }
    assert_eq!(labels["env"], "ci");
}

fn create_with_other_labels_names_the_command(backend: &Backend) {
    backend.run("create web-1 -l team=red -l old=1").expect(0);
    let wanted = "create web-1 -l team=blue -l env=ci";
    let refused = backend.json(wanted).expect(6);
    let hint = text(&refused.json()["errors"][0], "hint").to_owned();
    assert!(!hint.contains("terminate"), "{hint}");
    let (_, command) = hint.split_once("cloudctl ").expect("a command");
    assert!(command.ends_with(" env=ci team=blue old-"), "{hint}");
    backend.run(&split_words(command)).expect(0);
    backend.run(wanted).expect(0).expect_in_stderr("exists already");
}

fn label_of_terminating_vm_is_refused(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    backend.run("create web-2").expect(0);
    backend.keep_terminating("web-1");
    backend.run("terminate web-1 -y").expect(0);
    let id = text(&made, "id");
    let run = backend.json(&["label", id, "web-2", "team=blue"]).expect(7);
    assert_eq!(run.error_kinds(), ["refused"]);
    assert_eq!(text(&run.item(), "name"), "web-2");
    backend.run(&["label", id, "team=blue"]).expect(6);
}

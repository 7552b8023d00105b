//! VMs that no form of `terminate` may terminate.

use crate::support::sandbox::{Run, Sandbox};
use crate::{create, edit, leave_to_the_label, names};

fn terminate(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["terminate", "-p", "mock"], arguments].concat())
}

/// `ours` and `theirs`, both with the label env=ci.
fn with_theirs() -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &["ours", "-l", "env=ci"]);
    create(&sandbox, &["theirs", "-l", "env=ci"]);
    edit(&sandbox, "theirs", |one| {
        one["labels"] = serde_json::json!({"env": "ci"})
    });
    sandbox
}

#[test]
fn terminate_with_an_unmanaged_name_changes_nothing() {
    let sandbox = with_theirs();
    let refused = terminate(&sandbox, &["ours", "theirs", "-y"]).expect(6);
    refused.expect_in_stderr("--include-unmanaged");
    terminate(&sandbox, &["ours", "theirs", "--dry-run"]).expect(6);
    assert_eq!(names(&sandbox), ["ours", "theirs"]);
    terminate(&sandbox, &["ours", "theirs", "-y", "--include-unmanaged"]).expect(0);
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn selector_includes_unmanaged_only_with_flag() {
    let sandbox = with_theirs();
    terminate(&sandbox, &["-l", "env=ci", "-y"]).expect(0);
    assert_eq!(names(&sandbox), ["theirs"]);
    terminate(&sandbox, &["-l", "env=ci", "-y", "--include-unmanaged"]).expect(0);
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn terminate_expired_skips_unmanaged_vms() {
    let sandbox = with_theirs();
    edit(&sandbox, "theirs", |one| {
        one["created_at"] = "2026-01-01T00:00:00Z".into();
        one["ends_at"] = "2099-01-01T00:00:00Z".into();
    });
    leave_to_the_label(&sandbox, "ours");
    terminate(&sandbox, &["--expired", "-y", "--include-unmanaged"]).expect(0);
    assert_eq!(names(&sandbox), ["theirs"]);
}

/// What is wrong with the labels of a VM, in the words of the warning, and how they came to be so.
const FORGERIES: [(&str, &str, Option<&str>); 5] = [
    ("cloudctl-managed is \"yes\"", "cloudctl-managed", Some("yes")),
    ("no label cloudctl-managed", "cloudctl-managed", None),
    ("cloudctl-name is \"Web 1\"", "cloudctl-name", Some("Web 1")),
    ("cloudctl-spec is \"?\"", "cloudctl-spec", Some("?")),
    ("no label cloudctl-spec", "cloudctl-spec", None),
];

#[test]
fn invalid_labels_warn_and_keep_their_vm() {
    for (words, key, value) in FORGERIES {
        let sandbox = Sandbox::new();
        let forged = create(&sandbox, &["forged"]);
        create(&sandbox, &["due"]);
        leave_to_the_label(&sandbox, "forged");
        leave_to_the_label(&sandbox, "due");
        edit(&sandbox, "forged", |one| match value {
            Some(value) => one["labels"][key] = value.into(),
            None => drop(one["labels"].as_object_mut().expect("labels").remove(key)),
        });
        let plan = terminate(&sandbox, &["--expired", "--dry-run", "-o", "json"]).expect(7);
        assert_eq!(
            (&plan.item()["name"], plan.error_kinds()),
            (&"due".into(), vec!["incomplete".to_owned()])
        );
        for _ in 0..2 {
            let run = terminate(&sandbox, &["--expired", "-y"]).expect(7);
            run.expect_in_stderr(words);
            assert_eq!(
                sandbox
                    .run("list -q -p mock --filter state=running")
                    .expect(0)
                    .stdout
                    .trim(),
                forged["id"]
            );
        }
        let id = forged["id"].as_str().expect("an id");
        let refused = terminate(&sandbox, &[id, "-y"]).expect(6);
        refused.expect_in_stderr(words);
        let told = sandbox.run(&["describe", id, "-p", "mock"]).expect(0);
        told.expect_in_stderr("warning: ").expect_in_stderr(words);
        for verb in [
            &["extend", id, "--ttl", "1h"][..],
            &["extend", id, "--ttl", "9h", "-o", "json"],
        ] {
            let refused = sandbox.run(&[verb, &["-p", "mock"]].concat()).expect(6);
            refused.expect_in_stderr("nothing was changed");
        }
    }
}

#[test]
fn ttl_label_that_is_invalid_is_ignored() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "--ttl", "1h"]);
    edit(&sandbox, "web-1", |one| {
        one["ends_at"] = serde_json::Value::Null;
        one["labels"]["cloudctl-ttl"] = "banana".into();
    });
    let run = terminate(&sandbox, &["--expired", "-y"]).expect(7);
    run.expect_in_stderr("cloudctl-ttl is \"banana\"");
    assert_eq!(names(&sandbox), ["web-1"]);
    // It is ours all the same, and whoever names it may end it.
    terminate(&sandbox, &["web-1", "-y"]).expect(0);
}

#[test]
fn terminate_expired_asks_for_confirmation() {
    let sandbox = Sandbox::new();
    let many = "create -p mock web --count 12 -l env=ci --wait none -q";
    sandbox.run(many).expect(0);
    create(&sandbox, &["young", "--ttl", "1h"]);
    create(&sandbox, &["other"]);
    for index in 1..=12 {
        leave_to_the_label(&sandbox, &format!("web-{index}"));
    }
    leave_to_the_label(&sandbox, "other");
    let refused = terminate(&sandbox, &["--expired"]).expect(2);
    refused.expect_in_stderr("13 VMs in mock (");
    terminate(&sandbox, &["--expired", "-y", "--expect", "12"]).expect(6);
    assert_eq!(names(&sandbox).len(), 14);
    let plan = terminate(&sandbox, &["--expired", "-l", "env=ci", "--dry-run", "-q"]).expect(0);
    assert_eq!(plan.stdout.lines().count(), 12);
    // A cron job knows no number.
    terminate(&sandbox, &["--expired", "-l", "env=ci", "-y"]).expect(0);
    assert_eq!(names(&sandbox), ["other", "young"]);
    terminate(&sandbox, &["--expired", "-y", "--expect", "1"]).expect(0);
    let again = terminate(&sandbox, &["--expired", "-y"]).expect(0);
    again.expect_in_stderr("nothing to terminate");
    assert_eq!(names(&sandbox), ["young"]);
}

#[test]
fn protected_expired_vm_stays_and_is_reported() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["safe", "--protect"]);
    leave_to_the_label(&sandbox, "safe");
    let run = terminate(&sandbox, &["--expired", "-y"]).expect(6);
    run.expect_in_stderr("hint: remove the protection first: cloudctl unprotect mock/");
    terminate(&sandbox, &["--expired", "--dry-run"]).expect(6);
    assert_eq!(names(&sandbox), ["safe"]);
}

#[test]
fn selector_with_a_silent_region_changes_nothing() {
    let mut sandbox = Sandbox::new();
    create(&sandbox, &["due", "-l", "env=ci"]);
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    let refused = terminate(&sandbox, &["-l", "env=ci", "-y"]).expect(6);
    refused.expect_in_stderr("nothing was changed");
    sandbox.set("CLOUDCTL_MOCK", "");
    assert_eq!(names(&sandbox), ["due"]);
}

#[test]
fn terminate_expired_works_beside_a_silent_region() {
    let mut sandbox = Sandbox::new();
    create(&sandbox, &["due", "-l", "env=ci"]);
    create(&sandbox, &["due-too"]);
    for name in ["due", "due-too"] {
        leave_to_the_label(&sandbox, name);
    }
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    for (arguments, ended) in [
        (&["--expired", "--dry-run"][..], 2),
        (&["--expired", "-l", "env=ci", "-y"], 1),
        (&["--expired", "-y"], 1),
        (&["--expired", "-y"], 0),
    ] {
        let run = terminate(&sandbox, &[arguments, &["-o", "json"]].concat()).expect(7);
        assert_eq!(run.items().len(), ended, "{arguments:?}");
        assert_eq!(run.error_kinds(), ["incomplete"]);
        run.expect_in_stderr("eu-west-1");
    }
    sandbox.set("CLOUDCTL_MOCK", "");
    assert_eq!(names(&sandbox), [""; 0]);
}

/// What a script must pass is said at once, and the protected VM is told apart.
#[test]
fn refusal_says_every_flag_and_what_is_left_out() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox.run("create worker --count 12 -p mock -l team=blue").expect(0);
    sandbox.run("protect worker-1 -p mock").expect(0);
    let refused = sandbox.run("terminate -l team=blue -p mock").expect(2);
    refused.expect_in_stderr("terminate 11 of 12 selected VMs in mock (us-east-1); pass -y --expect 12 to confirm");
    let preview = sandbox.run("terminate -l team=blue -p mock --dry-run").expect(2);
    preview.expect_not_in_stderr("look at them with --dry-run");
    preview.expect_in_stderr("worker-1 (mock/us-east-1/");
    let done = sandbox.run("terminate -l team=blue -p mock -y --expect 12").expect(7);
    done.expect_in_stderr("is protected");
}

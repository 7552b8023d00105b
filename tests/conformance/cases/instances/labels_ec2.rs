//! Labels of VMs on EC2: tags, their limits, and the calls that change them.

use serde_json::json;

use super::labels::labels_of;
use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault, Gate, Side};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::Ec2Emulator];
        ec2_label_changes_many_vms_in_two_calls,
        ec2_label_refuses_keys_of_aws_before_any_call,
        ec2_label_count_is_checked_before_any_change,
        ec2_label_key_must_fit_the_metadata_of_vm_with_timer,
        ec2_label_name_is_the_tag_that_the_console_shows,
        ec2_label_of_vanished_vm_leaves_the_others_labelled,
        ec2_label_whose_answer_is_lost_is_read,
        ec2_label_without_permission_says_what_is_half_done,
    ])
}

fn ec2_label_changes_many_vms_in_two_calls(backend: &Backend) {
    backend.run("create web --count 3 -l old=1").expect(0);
    let named = backend.count("CreateTags");
    backend.run("label web-1 web-2 web-3 team=blue env=ci old-").expect(0);
    // The creation of a group names its members by calls of their own.
    assert_eq!(
        (backend.count("CreateTags"), backend.count("DeleteTags")),
        (named + 1, 1)
    );
    backend.run("label web-1 team=red").expect(0);
    assert_eq!(
        (backend.count("CreateTags"), backend.count("DeleteTags")),
        (named + 2, 1)
    );
}

fn ec2_label_refuses_keys_of_aws_before_any_call(backend: &Backend) {
    for change in ["aws:x=1", "AWS:x-"] {
        let run = backend.run(&["label", "web-1", change]).expect(2);
        run.expect_in_stderr("begins with aws:");
    }
    assert_eq!(backend.calls().len(), 0);
}

fn ec2_label_count_is_checked_before_any_change(backend: &Backend) {
    backend.run("create web-1 -l old=1").expect(0);
    backend.run("create web-2").expect(0);
    // The tags of web-1: its name, four of cloudctl, and `old`.
    let many: Vec<String> = (0..45).map(|number| format!("key-{number}=v")).collect();
    let label = |words: &[&str]| {
        let mut all = vec!["label", "web-2", "web-1"];
        all.extend(many.iter().map(String::as_str));
        all.extend(words);
        backend.run(&all)
    };
    let refused = label(&[]).expect(2);
    refused.expect_in_stderr("would have 51 labels, 4 of them cloudctl's own, and aws takes at most 50");
    assert_eq!(backend.count("CreateTags"), 0);
    label(&["old-"]).expect(0);
    assert_eq!(labels_of(backend, "web-1").len(), 50);
}

fn ec2_label_key_must_fit_the_metadata_of_vm_with_timer(backend: &Backend) {
    backend.run("create web-1 --ttl 2h").expect(0);
    backend.run("create web-2").expect(0);
    let refused = backend.run("label web-2 web-1 kubernetes.io/cluster=ci").expect(2);
    refused.expect_in_stderr("reads its labels in its metadata");
    assert_eq!(backend.count("CreateTags"), 0);
    backend.run("label web-2 kubernetes.io/cluster=ci").expect(0);
    backend.run("label web-1 kubernetes.io-cluster=ci").expect(0);
}

fn ec2_label_name_is_the_tag_that_the_console_shows(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    let reference = text(&made, "ref");
    let labelled = backend.json("label web-1 Name=front").expect(0).item();
    assert_eq!(
        (text(&labelled, "name"), &labelled["labels"]["Name"]),
        ("web-1", &json!("front"))
    );
    assert_eq!(labels_of(backend, "front")["cloudctl-name"], "web-1");
    // Without a label of its own it is shown by its name again.
    let labelled = backend.json(&["label", reference, "Name-"]).expect(0).item();
    assert_eq!(labelled["labels"], json!({}));
    assert_eq!(labels_of(backend, "web-1")["cloudctl-name"], "web-1");
    // The name of somebody else's VM is that tag.
    backend.create_unmanaged("db");
    let renamed = backend.json("label db Name=db-2").expect(0).item();
    assert_eq!((text(&renamed, "name"), &renamed["labels"]), ("db-2", &json!({})));
}

fn ec2_label_of_vanished_vm_leaves_the_others_labelled(backend: &Backend) {
    backend.run("create web --count 3").expect(0);
    let gate = Gate::new(Side::Before);
    backend.inject(Fault::on("CreateTags", Effect::Hold(gate.clone())).times(1));
    let mut command = backend.command("label web-1 web-2 web-3 team=blue -o json");
    let running = std::thread::spawn(move || Run::of(&mut command));
    assert!(gate.has_arrival_within(std::time::Duration::from_secs(30)));
    backend.remove_unnoticed("web-2");
    gate.open();
    let run = running.join().expect("the run").expect(7);
    assert_eq!(run.error_kinds(), ["not_found"]);
    assert_eq!(run.items().len(), 2);
    for name in ["web-1", "web-3"] {
        assert_eq!(labels_of(backend, name)["team"], "blue");
    }
}

fn ec2_label_whose_answer_is_lost_is_read(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let denied = || Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    // A repeated call is harmless.
    backend.inject(Fault::on("CreateTags", Effect::ResetAfter).times(1));
    backend.run("label web-1 team=blue").expect(0);
    // The answer is lost, and no other call is answered: what the VM shows decides.
    backend.clear_faults();
    backend.inject(Fault::on("CreateTags", Effect::ResetAfter).times(1));
    backend.inject(Fault::on("CreateTags", denied()));
    backend.run("label web-1 team=red").expect(0);
    assert_eq!(labels_of(backend, "web-1")["team"], "red");
    backend.clear_faults();
    backend.inject(Fault::on("CreateTags", Effect::ResetBefore).times(1));
    backend.inject(Fault::on("CreateTags", denied()));
    let unknown = backend.json("label web-1 team=green").expect(8);
    assert_eq!(unknown.error_kinds(), ["unknown_outcome"]);
}

fn ec2_label_without_permission_says_what_is_half_done(backend: &Backend) {
    backend.run("create web-1 -l old=1").expect(0);
    let denied = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    backend.inject(Fault::on("CreateTags", denied.clone()));
    backend.run("label web-1 team=blue").expect(4);
    let half = backend.run("label web-1 team=blue old-").expect(7);
    half.expect_in_stderr("old removed, team not set");
    backend.clear_faults();
    backend.run("label web-1 team=blue old-").expect(0);
    backend.inject(Fault::on("DeleteTags", denied));
    backend.run("label web-1 team-").expect(4);
}

//! Labels of VMs on Compute Engine: a call replaces all of them, so it must not undo what others do.

use std::time::Duration;

use super::labels::labels_of;
use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Run;
use cloud_emulators::faults::{Effect, Fault, Gate, Side};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_label_keeps_what_another_process_sets_meanwhile,
        gce_label_that_is_there_already_needs_no_call,
        gce_label_must_be_lower_case,
        gce_label_count_is_checked_before_any_change,
        gce_label_whose_answer_is_lost_is_read,
        gce_label_leaves_a_replaced_vm_alone,
        gce_label_of_many_vms_reads_them_in_one_list,
    ])
}

fn gce_label_keeps_what_another_process_sets_meanwhile(backend: &Backend) {
    backend.run("create web-1 -l env=ci -l old=1").expect(0);
    let gate = Gate::new(Side::Before);
    backend.inject(Fault::on("instances.setLabels", Effect::Hold(gate.clone())).times(1));
    let mut command = backend.command("label web-1 team=blue");
    let held = std::thread::spawn(move || Run::of(&mut command));
    assert!(gate.has_arrival_within(Duration::from_secs(30)));
    backend.run("label web-1 owner=ann old-").expect(0);
    gate.open();
    held.join().expect("the run").expect(0);
    let labels = labels_of(backend, "web-1");
    for (key, value) in [("env", "ci"), ("team", "blue"), ("owner", "ann")] {
        assert_eq!(labels.get(key).map(String::as_str), Some(value), "{labels:?}");
    }
    assert!(!labels.contains_key("old"));
    // Refused once, and sent again.
    assert_eq!(backend.count("instances.setLabels"), 3);
}

fn gce_label_that_is_there_already_needs_no_call(backend: &Backend) {
    backend.run("create web-1 -l env=ci").expect(0);
    backend.run("label web-1 env=ci absent-").expect(0);
    assert_eq!(backend.count("instances.setLabels"), 0);
}

fn gce_label_must_be_lower_case(backend: &Backend) {
    let refused = backend.run("label web-1 Team=blue").expect(2);
    refused.expect_in_stderr("lower-case").expect_in_stderr("use team");
    let refused = backend.run("label web-1 team=Blue").expect(2);
    refused.expect_in_stderr("use blue");
    assert_eq!(backend.calls().len(), 0);
    // No VM has such a label.
    backend.run("create web-1").expect(0);
    backend.run("label web-1 Team-").expect(0);
}

fn gce_label_count_is_checked_before_any_change(backend: &Backend) {
    backend.run("create web-1 -l old=1").expect(0);
    backend.run("create web-2").expect(0);
    let many: Vec<String> = (0..60).map(|number| format!("key-{number}=v")).collect();
    let label = |words: &[&str]| {
        let mut all = vec!["label", "web-2", "web-1"];
        all.extend(many.iter().map(String::as_str));
        all.extend(words);
        backend.run(&all)
    };
    let refused = label(&[]).expect(2);
    refused.expect_in_stderr("would have 65 labels, 4 of them cloudctl's own, and gcp takes at most 64");
    assert_eq!(backend.count("instances.setLabels"), 0);
    label(&["old-"]).expect(0);
    assert_eq!(labels_of(backend, "web-1").len(), 64);
}

fn gce_label_whose_answer_is_lost_is_read(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let denied = || Effect::ErrorBefore {
        status: 403,
        code: "forbidden".to_owned(),
    };
    for (lost, code) in [(Effect::ResetAfter, 0), (Effect::ResetBefore, 8)] {
        backend.clear_faults();
        backend.inject(Fault::on("instances.setLabels", lost).times(1));
        backend.inject(Fault::on("instances.setLabels", denied()));
        backend
            .run(&["label", "web-1", &format!("team=team-{code}")])
            .expect(code);
    }
    assert_eq!(labels_of(backend, "web-1")["team"], "team-0");
}

fn gce_label_leaves_a_replaced_vm_alone(backend: &Backend) {
    backend.run("create web-1").expect(0);
    backend.gce().replace_before_change("web-1");
    backend.run("label web-1 team=blue").expect(3);
    assert!(!labels_of(backend, "web-1").contains_key("team"));
}

fn gce_label_of_many_vms_reads_them_in_one_list(backend: &Backend) {
    backend.run("create web --count 4 -l old=1").expect(0);
    let reads = backend.count("instances.get");
    backend.run("label web-1 web-2 web-3 web-4 team=blue old-").expect(0);
    assert_eq!(backend.count("instances.setLabels"), 4);
    assert_eq!(backend.count("instances.get"), reads);
}

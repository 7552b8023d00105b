//! The real binary as people and scripts use it: mistakes, terminals, broken pipes, configuration, help, and secrets
//! that it never prints.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod adding_a_cloud;
mod ansible_inventory;
mod bad_input;
mod capacity;
mod catalog;
mod completion_names;
mod contexts;
mod describe_page;
mod dry_run;
mod expiry;
mod false_starts;
mod files_read;
mod help;
mod images_and_ssh;
mod labels;
mod list_watch;
mod next_steps;
mod other_words;
mod output_streams;
mod price_limits;
mod provider_any;
mod regions;
mod secrets;
mod selection;
mod signals;
mod single_values;
mod spec_files;
mod spec_formats;
mod spec_words;
mod terminal;
mod terminate_guard;
mod unanswered_locations;
mod waits;

use serde_json::Value;

use support::sandbox::Sandbox;

/// Creates a VM on the mock cloud and gives it as it is printed.
fn create(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let all = [
        &["create", "-p", "mock", "-o", "json", "--native", "boot_seconds=0"],
        arguments,
    ]
    .concat();
    sandbox.run(&all).expect(0).item()
}

/// The names of the VMs that are on the mock cloud and not on their way out.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let items = sandbox.run("list -p mock -o json").expect(0).items();
    let living = items.iter().filter(|item| item["state"] != "terminating");
    living
        .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Changes what the mock cloud has on file of the VM of this name.
fn edit(sandbox: &Sandbox, name: &str, change: impl Fn(&mut Value)) {
    let text = mock_file(sandbox).expect("the mock's file");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let instances = file["instances"].as_array_mut().expect("VMs");
    let mut found = instances.iter_mut().filter(|one| one["name"] == name);
    change(found.next().expect("the VM"));
    std::fs::write(mock_path(sandbox), file.to_string()).expect("the mock's file");
}

/// Takes the cloud's own end off a VM, so that only its label says that its time is over.
fn leave_to_the_label(sandbox: &Sandbox, name: &str) {
    edit(sandbox, name, |one| {
        one["ends_at"] = Value::Null;
        one["labels"]["cloudctl-ttl"] = "1s".into();
        let an_hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        one["created_at"] = an_hour_ago.to_string().into();
    });
}

/// The file that the mock cloud is in; nothing if it was never changed.
fn mock_file(sandbox: &Sandbox) -> Option<String> {
    std::fs::read_to_string(mock_path(sandbox)).ok()
}

fn mock_path(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.home().join(".local/state/cloudctl/mock.json")
}

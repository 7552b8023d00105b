//! What exists although a command failed is named, and clean-up continues after a failure.

use std::time::Duration;

use serde_json::Value;

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::client_commands::aws;
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce;

fn denied(code: &str) -> Effect {
    Effect::ErrorBefore {
        status: 403,
        code: code.to_owned(),
    }
}

fn on_gcp() -> (gce::Emulator, Sandbox) {
    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_gcp(&emulator.url(), gce::PROJECT);
    (emulator, sandbox)
}

/// Runs `cloudctl create ARGUMENTS -p gcp -z us-central1-a -o json`.
fn create_on_gcp(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let place = ["-p", "gcp", "-z", "us-central1-a", "-o", "json"];
    sandbox.run(&[&["create"], arguments, &place].concat())
}

fn leftovers(run: &Run) -> Vec<String> {
    let leftovers = run.json()["errors"][0]["leftovers"].clone();
    serde_json::from_value(leftovers).expect("a list of texts")
}

fn items_by_ref(run: &Run) -> Vec<String> {
    run.items()
        .iter()
        .map(|item| item["ref"].as_str().unwrap().to_owned())
        .collect()
}

fn full_names(emulator: &gce::Emulator) -> Vec<String> {
    let mut all = emulator.instances();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all.iter().map(|one| format!("gcp/{}/{}", one.zone, one.id)).collect()
}

/// The security groups that opened ports in a region.
fn groups(backend: &Backend, region: &str) -> Vec<String> {
    let answer = aws(&backend.url(), &["ec2", "describe-security-groups", "--region", region]);
    let groups = answer["SecurityGroups"].as_array().cloned().unwrap_or_default();
    let opened = groups
        .iter()
        .filter(|group| group["GroupName"].as_str().unwrap().starts_with("cloudctl-open-"));
    opened
        .map(|group| group["GroupId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn vm_is_named_when_its_firewall_rule_fails_after_it() {
    let (emulator, sandbox) = on_gcp();
    // The look before the VM is made succeeds, the one after it does not.
    emulator.inject(Fault::on("firewalls.get", denied("forbidden")).skip(1));
    let run = create_on_gcp(&sandbox, &["web", "--open", "22"]).expect(8);
    let there = full_names(&emulator);
    assert_eq!(there.len(), 1);
    assert_eq!(items_by_ref(&run), there);
    assert_eq!(leftovers(&run), there);
    let error = run.json()["errors"][0].clone();
    assert_eq!(error["kind"], "unknown_outcome");
    assert_eq!(error["leftover"], there[0].as_str());
    emulator.clear_faults();
    create_on_gcp(&sandbox, &["web", "--open", "22"]).expect(0);
    assert_eq!(full_names(&emulator), there);
}

#[test]
fn members_are_named_when_their_firewall_rule_fails_later() {
    let (emulator, sandbox) = on_gcp();
    emulator.inject(Fault::on("firewalls.get", denied("forbidden")).skip(1));
    let arguments = ["web", "--open", "22", "--count", "3"];
    let run = create_on_gcp(&sandbox, &arguments).expect(8);
    let there = full_names(&emulator);
    assert_eq!(there.len(), 3);
    assert_eq!(leftovers(&run), there);
    assert_eq!(items_by_ref(&run), there);
    // As text each has a line.
    emulator.clear_faults();
    emulator.inject(Fault::on("firewalls.get", denied("forbidden")).skip(1));
    let arguments = "create db --open 22,443 --count 3 -p gcp -z us-central1-a";
    let run = sandbox.run(arguments).expect(8);
    assert_eq!(
        run.stderr.matches("it may exist: gcp/us-central1-a/").count(),
        3,
        "{}",
        run.stderr
    );
}

#[test]
fn members_are_all_named_when_protecting_them_fails() {
    let (emulator, sandbox) = on_gcp();
    emulator.inject(Fault::on("instances.setDeletionProtection", denied("forbidden")));
    let run = create_on_gcp(&sandbox, &["web", "--protect", "--count", "3"]).expect(8);
    assert_eq!(leftovers(&run), full_names(&emulator));
    assert_eq!(items_by_ref(&run), full_names(&emulator));
}

#[test]
fn first_firewall_rule_goes_when_the_second_is_refused() {
    let (emulator, sandbox) = on_gcp();
    emulator.inject(Fault::on("firewalls.insert", denied("forbidden")).skip(1));
    let arguments = ["web", "--open", "22,443/10.0.0.0/8"];
    let run = create_on_gcp(&sandbox, &arguments).expect(4);
    assert_eq!(leftovers(&run), [""; 0]);
    assert!(emulator.instances().is_empty() && emulator.firewall_rules().is_empty());
    // Where it cannot go it is named.
    emulator.clear_faults();
    emulator.inject(Fault::on("firewalls.insert", denied("forbidden")).skip(1));
    emulator.inject(Fault::on("firewalls.delete", denied("forbidden")));
    let run = create_on_gcp(&sandbox, &arguments).expect(4);
    let rules = emulator.firewall_rules();
    assert_eq!(rules.len(), 1);
    assert_eq!(leftovers(&run), [format!("gcp/global/firewalls/{}", rules[0].name)]);
}

#[test]
fn firewall_rule_of_a_refused_vm_is_named_if_it_stays() {
    let (emulator, sandbox) = on_gcp();
    emulator.set_quota_refused(true);
    emulator.inject(Fault::on("firewalls.delete", denied("forbidden")));
    let run = create_on_gcp(&sandbox, &["web", "--open", "22"]).expect(5);
    let name = format!("gcp/global/firewalls/{}", emulator.firewall_rules()[0].name);
    assert_eq!(leftovers(&run), [name]);
    // No VM is there, so none is an item.
    assert!(run.items().is_empty(), "{}", run.stdout);
}

#[test]
fn disks_of_several_members_are_all_named() {
    let (emulator, sandbox) = on_gcp();
    emulator.exhaust_zone("us-central1-a");
    emulator.leave_disk("web-1");
    emulator.leave_disk("web-2");
    let run = create_on_gcp(&sandbox, &["web", "--count", "2"]).expect(5);
    let disks = ["gcp/us-central1-a/web-1", "gcp/us-central1-a/web-2"];
    assert_eq!(leftovers(&run), disks);
    assert_eq!(run.json()["errors"][0]["leftover"], disks[0]);
}

#[test]
fn error_without_leftovers_has_an_empty_list() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("describe absent -p mock -o json").expect(3);
    assert_eq!(leftovers(&run), [""; 0]);
    assert_eq!(run.json()["errors"][0]["leftover"], Value::Null);
    let schema = sandbox.run("schema error").expect(0).stdout;
    assert!(schema.contains("\"leftovers\""), "{schema}");
}

#[test]
fn security_group_goes_when_its_rules_are_refused() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.inject(Fault::on(
        "AuthorizeSecurityGroupIngress",
        denied("UnauthorizedOperation"),
    ));
    let run = backend.json("create web --open 22").expect(4);
    assert_eq!(leftovers(&run), [""; 0]);
    assert_eq!(groups(&backend, "us-east-1"), [""; 0]);
    backend.inject(Fault::on("DeleteSecurityGroup", denied("UnauthorizedOperation")));
    let run = backend.json("create web --open 22").expect(4);
    let left = groups(&backend, "us-east-1").remove(0);
    assert_eq!(leftovers(&run), [format!("aws/us-east-1/{left}")]);
    assert_eq!(backend.count("RunInstances"), 0);
}

#[test]
fn security_group_of_a_refused_vm_is_named_if_it_stays() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    backend.inject(Fault::on("RunInstances", denied("UnauthorizedOperation")));
    backend.inject(Fault::on("DeleteSecurityGroup", denied("UnauthorizedOperation")));
    let run = backend.json("create web --open 22").expect(4);
    let left = groups(&backend, "us-east-1").remove(0);
    assert_eq!(leftovers(&run), [format!("aws/us-east-1/{left}")]);
    assert!(run.items().is_empty(), "{}", run.stdout);
}

#[test]
fn failed_clean_up_in_one_region_does_not_end_it_in_another() {
    for call in ["DeleteSecurityGroup", "DescribeSecurityGroups"] {
        let backend = Backend::start(BackendKind::Ec2Emulator);
        backend.set_transition(Duration::from_millis(50));
        // By name the one that fails comes first.
        for region in ["eu-west-1", "us-east-1"] {
            backend.run(&["create", region, "--open", "22", "-r", region]).expect(0);
        }
        backend.inject(Fault::on(call, denied("UnauthorizedOperation")).at("eu-west-1"));
        let arguments = ["terminate", "eu-west-1", "us-east-1", "-y", "--wait"];
        let run = backend.run(&arguments).expect(0);
        assert!(
            run.stderr.contains("could not be removed") || run.stderr.contains("cannot delete"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("eu-west-1"), "{call}: {}", run.stderr);
        backend.clear_faults();
        assert_eq!(groups(&backend, "us-east-1"), [""; 0], "{call}");
        assert_eq!(groups(&backend, "eu-west-1").len(), 1, "{call}");
    }
}

#[test]
fn failed_clean_up_of_one_rule_does_not_stop_the_others() {
    let (emulator, sandbox) = on_gcp();
    for (name, port) in [("one", "22"), ("two", "443"), ("three", "8080")] {
        create_on_gcp(&sandbox, &[name, "--open", port]).expect(0);
    }
    assert_eq!(emulator.firewall_rules().len(), 3);
    emulator.inject(Fault::on("firewalls.delete", denied("forbidden")).times(1));
    let run = sandbox.run("terminate one two three -y --wait -p gcp").expect(0);
    let left = emulator.firewall_rules();
    assert_eq!(left.len(), 1);
    run.expect_in_stderr(&left[0].name);
}

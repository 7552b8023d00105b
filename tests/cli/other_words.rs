//! Words that people bring from other tools: understood where they mean the same, else answered with the right word.

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use crate::{create, names};

/// Checks that a command line is refused before anything happens, with this message and this hint.
#[track_caller]
fn expect_answer(sandbox: &Sandbox, line: &str, message: &str, hint: &str) {
    let run = sandbox.run(line).expect(2);
    assert_eq!(run.stdout, "", "{line}");
    run.expect_in_stderr(format!("error: {message}"))
        .expect_in_stderr(format!("hint: {hint}"));
}

#[test]
fn verbs_of_other_tools_are_understood() {
    let sandbox = Sandbox::new();
    for alias in ["ls", "ps"] {
        create(&sandbox, &["web-1"]);
        let items = sandbox.run(&[alias, "-p", "mock", "-o", "json"]).expect(0).items();
        assert_eq!(items[0]["name"], "web-1", "{alias}");
    }
    for alias in ["rm", "delete", "destroy", "down"] {
        sandbox.run("up web-2 -p mock").expect(0);
        assert!(names(&sandbox).contains(&"web-2".to_owned()), "{alias}");
        sandbox.run(&[alias, "web-2", "-p", "mock", "-y"]).expect(0);
        assert!(!names(&sandbox).contains(&"web-2".to_owned()), "{alias}");
    }
}

#[test]
fn flags_of_other_tools_are_understood() {
    let sandbox = Sandbox::new();
    let item = |line: &str| -> Value { sandbox.run(line).expect(0).item() };
    for (index, alias) in ["--type", "--instance-type", "--machine-type", "--size"]
        .iter()
        .enumerate()
    {
        let created = item(&format!("create web-{index} -p mock {alias} large -o json"));
        assert_eq!(created["machine_type"], "large", "{alias}");
    }
    for alias in ["--label", "--tag", "--tags", "--labels"] {
        let name = format!("db{alias}");
        let created = item(&format!(
            "create {name} -p mock {alias} env=ci {alias} team=blue -o json"
        ));
        assert_eq!(
            created["labels"],
            serde_json::json!({"env": "ci", "team": "blue"}),
            "{alias}"
        );
        let listed = sandbox.run(&format!("list -p mock {alias} env=ci -o name")).expect(0);
        assert!(listed.stdout.contains(&name), "{alias}");
        sandbox.run(&format!("terminate -p mock {alias} env=ci -y")).expect(0);
    }
}

#[test]
fn several_labels_in_one_tags_are_refused() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("create web-1 -p mock --tags a=b,c=d").expect(2);
    run.expect_in_stderr("-l 'a=b' -l 'c=d'");
}

#[test]
fn name_flag_of_create_is_its_name() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["--name", "web-1"]);
    // It is the same key.
    create(&sandbox, &["web-1"]);
    assert_eq!(names(&sandbox), ["web-1"]);
    sandbox.run("create web-1 --name web-2 -p mock").expect(2);
    assert_eq!(names(&sandbox), ["web-1"]);
}

#[test]
fn name_flag_of_other_verbs_is_answered() {
    let sandbox = Sandbox::new();
    for verb in ["describe", "stop", "terminate", "console", "wait"] {
        let hint = format!("write the name without a flag: cloudctl {verb} NAME");
        let message = format!("`cloudctl {verb}` has no flag --name");
        expect_answer(&sandbox, &format!("{verb} --name web-1 -p mock"), &message, &hint);
    }
}

#[test]
fn all_flag_of_terminate_is_answered() {
    let sandbox = Sandbox::new();
    let hint = "name the VMs, or select them by a label: cloudctl terminate -l KEY=VALUE";
    expect_answer(
        &sandbox,
        "terminate --all -p mock -y",
        "`cloudctl terminate` has no flag --all",
        hint,
    );
}

#[test]
fn account_flags_are_answered_with_their_settings() {
    let sandbox = Sandbox::new();
    for verb in ["list", "create web-1", "terminate web-1"] {
        let command = verb.split(' ').next().unwrap();
        for (flag, variable) in [("--profile", "AWS_PROFILE"), ("--project", "GOOGLE_CLOUD_PROJECT")] {
            let message = format!("`cloudctl {command}` has no flag {flag}");
            let hint = format!("set the variable {variable}, or `{}` in a context", &flag[2..]);
            expect_answer(&sandbox, &format!("{verb} {flag} dev"), &message, &hint);
        }
    }
}

#[test]
fn word_for_a_vm_before_its_name_is_explained() {
    let sandbox = Sandbox::new();
    expect_answer(
        &sandbox,
        "create vm web-1 -p mock",
        "create takes one name, but \"vm\" and \"web-1\" are given",
        "leave \"vm\" out, because create makes VMs only: cloudctl create web-1",
    );
    expect_answer(
        &sandbox,
        "create web-1 web-2 -p mock",
        "create takes one name, but \"web-1\" and \"web-2\" are given",
        "run it once for each, or use --count N",
    );
    let hint = "begin with the verb: cloudctl list";
    expect_answer(&sandbox, "instances list", "there is no command \"instances\"", hint);
}

#[test]
fn verbs_that_mean_another_are_answered() {
    let sandbox = Sandbox::new();
    for (typed, ours) in [
        ("show web-1", "describe web-1"),
        ("images", "image list"),
        ("restart web-1 -p mock", "reboot web-1"),
    ] {
        let verb = typed.split(' ').next().unwrap();
        let message = format!("there is no command \"{verb}\"");
        expect_answer(&sandbox, typed, &message, &format!("use `cloudctl {ours}`"));
    }
}

/// In Docker and gcloud's older commands `run` or `create` alone makes a thing.
#[test]
fn run_without_a_command_names_create() {
    let run = Sandbox::new().run("run web-1").expect(125);
    run.expect_all_in_stderr(["needs <CMD>", "cloudctl run NAME -- COMMAND", "`cloudctl create NAME`"]);
}

#[test]
fn flags_that_mean_another_are_answered() {
    let sandbox = Sandbox::new();
    for (typed, ours) in [
        ("--ami", "--image"),
        ("--preemptible", "--spot"),
        ("--ram", "--memory"),
        ("--vcpus", "--cpus"),
    ] {
        let message = format!("`cloudctl create` has no flag {typed}");
        expect_answer(
            &sandbox,
            &format!("create web-1 -p mock {typed}"),
            &message,
            &format!("use {ours}"),
        );
    }
}

/// A near miss is corrected. What is only a little alike is not suggested.
#[test]
fn suggestions_are_near() {
    let sandbox = Sandbox::new();
    for (line, suggestion) in [
        ("list --sotr name", "did you mean --sort?"),
        ("create x --images ubuntu", "did you mean --image?"),
        ("creat x", "did you mean create?"),
        ("list --native", "see `cloudctl list --help`"),
        ("create x --tail", "see `cloudctl create --help`"),
    ] {
        sandbox
            .run(line)
            .expect(2)
            .expect_in_stderr(format!("hint: {suggestion}"));
    }
    sandbox
        .run("wait x --nativ")
        .expect(2)
        .expect_not_in_stderr("did you mean");
}

#[test]
fn zone_in_the_place_of_a_region_is_answered() {
    let sandbox = Sandbox::new();
    for verb in [
        "create web-1",
        "list",
        "describe web-1",
        "start web-1",
        "stop web-1",
        "reboot web-1",
        "terminate web-1 -y",
        "extend web-1 --ttl 2h",
        "protect web-1",
        "unprotect web-1",
        "wait web-1",
        "console web-1",
        "image list",
        "region list",
        "type list",
    ] {
        let run = sandbox.run(&format!("{verb} -p mock -r us-east-1a")).expect(2);
        run.expect_in_stderr("us-east-1a is a zone: use -z us-east-1a");
    }
    for (cloud, zone) in [("aws", "us-east-1a"), ("gcp", "europe-west1-b")] {
        let run = sandbox.run(&format!("price --cpus 2 -p {cloud} -r {zone}")).expect(2);
        run.expect_in_stderr(format!("{zone} is a zone"));
    }
}

#[test]
fn memory_has_a_unit_or_none() {
    let sandbox = Sandbox::new();
    let mut types = Vec::new();
    for amount in ["4", "4G", "4GB", "4Gi", "4GiB", "4g", "4gb", "4gib", "4096MiB"] {
        let line = format!("create web-1 -p mock --dry-run -o json --memory {amount}");
        types.push(sandbox.run(&line).expect(0).item()["machine_type"].clone());
    }
    types.dedup();
    assert_eq!(types.len(), 1, "{types:?}");
    sandbox
        .run("create web-1 -p mock --memory 1000M")
        .expect(2)
        .expect_in_stderr("give it in GiB");
    create(&sandbox, &["web-1", "--memory", "4GiB"]);
    let listed = sandbox.run("list -p mock --filter memory_gib>=4GiB -o name").expect(0);
    assert_eq!(listed.stdout, "web-1\n");
}

#[test]
fn duration_without_a_unit_is_refused() {
    let sandbox = Sandbox::new();
    for (line, hint) in [
        ("create web-1 -p mock --ttl 7200", "add a unit: 7200s, or 2h"),
        ("create web-1 -p mock --timeout 300", "add a unit: 300s, or 5m"),
        ("create web-1 -p mock --ttl 2", "2s, 2m, 2h or 2d"),
    ] {
        let run = sandbox.run(line).expect(2);
        run.expect_in_stderr("invalid duration").expect_in_stderr(hint);
    }
    assert_eq!(names(&sandbox), Vec::<String>::new());
}

//! `cloudctl label`: what it understands, what it refuses, and the hint of `create` that names it.

use serde_json::json;

use crate::support::sandbox::Sandbox;
use crate::{create, mock_file};

#[test]
fn label_mistake_is_named_and_changes_nothing() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-l", "env=ci"]);
    let before = mock_file(&sandbox);
    for (arguments, message, hint) in [
        ("label web-1", "no label change is given", "add KEY=VALUE"),
        (
            "label env=prod old-",
            "no VM is given",
            "name the VMs first: cloudctl label NAME KEY=VALUE",
        ),
        (
            "label old- web-1",
            "\"web-1\" comes after a label change",
            "name the VMs first",
        ),
        (
            "label web-1 note=a b",
            "\"b\" comes after a label change",
            "put a value with spaces in quotes",
        ),
        (
            "label web-1 env=a env-",
            "the label \"env\" is both set and removed",
            "leave one of the two out",
        ),
        (
            "label web-1 env=a env=b",
            "the label \"env\" is given twice",
            "give each key one value",
        ),
        (
            "label web-1 env- env-",
            "the label \"env\" is removed twice",
            "name each label to remove once",
        ),
        ("label web-1 =x", "invalid label \"=x\"", "write it as key=value"),
        ("label web-1 -", "invalid label to remove \"-\"", "write it as key-"),
        (
            "label web-1 a=1,b=2",
            "can be read in two ways",
            "write it as 'a=1' 'b=2', or as 'a=\"1,b=2\"'",
        ),
        (
            "label web-1 cloudctl-ttl=9h",
            "the label cloudctl-ttl is one of cloudctl's own",
            "does not begin with cloudctl-",
        ),
        ("label", "<REF|KEY=VALUE|KEY->", "usage: cloudctl label"),
    ] {
        let run = sandbox.run(&format!("{arguments} -p mock")).expect(2);
        run.expect_in_stderr(message).expect_in_stderr(hint);
        assert_eq!(run.stdout, "", "{arguments}");
    }
    assert_eq!(mock_file(&sandbox), before);
}

#[test]
fn label_text_means_what_it_means_to_create() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-l", "\"a,b\"=1"]);
    let words = [
        "label",
        "web-1",
        "Roles=\"app,web\"",
        "url=http://x/y",
        "empty=",
        "\"a,b\"-",
        "-p",
        "mock",
        "-o",
        "json",
    ];
    let run = sandbox.run(&words).expect(0);
    run.expect_in_stderr("the quotes around the label were removed: \"Roles=app,web\"");
    let expected = json!({ "Roles": "app,web", "empty": "", "url": "http://x/y" });
    assert_eq!(run.item()["labels"], expected);
    sandbox
        .run(&["list", "-p", "mock", "-l", "Roles=\"app,web\"", "-q"])
        .expect(0);
}

#[test]
fn label_prints_vms_as_other_changes_do() {
    let sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1"]);
    create(&sandbox, &["web-2"]);
    let quiet = sandbox.run("label web-1 team=blue -p mock -q").expect(0);
    assert_eq!(quiet.stdout.trim(), made["id"].as_str().unwrap());
    let table = sandbox.run("label web-1 web-2 team=red -p mock").expect(0).stdout;
    assert!(table.contains("web-1") && table.contains("web-2"), "{table}");
    // Of two, each for itself.
    let reference = made["ref"].as_str().unwrap();
    sandbox.run(&["terminate", reference, "-y"]).expect(0);
    let both = sandbox.run(&["label", reference, "mock/us-east-1/web-2", "team=green", "-o", "json"]);
    let both = both.expect(7);
    assert_eq!(
        (both.item()["name"].clone(), both.error_kinds()),
        ("web-2".into(), vec!["refused".to_owned()])
    );
}

#[test]
fn label_is_refused_while_a_location_does_not_answer() {
    let mut sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1"]);
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    let run = sandbox.run("label web-1 team=blue -p mock").expect(6);
    run.expect_in_stderr("may have another VM called web-1; nothing was changed");
    // A full reference means one VM.
    let reference = made["ref"].as_str().unwrap();
    sandbox.run(&["label", reference, "team=blue"]).expect(0);
}

#[test]
fn create_with_other_ttl_or_protection_names_the_command() {
    let sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1", "--ttl", "2h", "-l", "team=red"]);
    let reference = made["ref"].as_str().unwrap();
    let hint = |flags: &str| {
        let line = format!("create web-1 -p mock --native boot_seconds=0 -o json {flags}");
        let run = sandbox.run(&line).expect(6);
        let hint = run.json()["errors"][0]["hint"].as_str().unwrap_or_default().to_owned();
        hint.replace(reference, "REF")
    };
    let extend = "to extend it: cloudctl extend REF --ttl 3h; then run create with the TTL it was created with";
    let label = "change its labels: cloudctl label REF team=blue";
    let protect = "protect it: cloudctl protect REF";
    assert_eq!(hint("--ttl 3h -l team=red"), extend);
    assert_eq!(hint("--ttl 2h -l team=red --protect"), protect);
    assert_eq!(hint("--ttl 2h -l team=blue"), label);
    assert_eq!(
        hint("--ttl 2h"),
        "change its labels, and remove team: cloudctl label REF team-"
    );
    assert_eq!(
        hint("--ttl 1h -l team=red"),
        "pass the TTL that it was created with; cloudctl extend REF gives it more time"
    );
    let all = hint("--ttl 3h -l team=blue --protect");
    for part in [extend, label, protect] {
        assert!(all.contains(part), "{all}");
    }
    // What cannot be changed needs another VM.
    assert!(hint("--ttl 2h -l team=blue --type large").contains("cloudctl terminate REF"));

    sandbox.run(&["protect", reference]).expect(0);
    let same = "create web-1 -p mock --native boot_seconds=0 --ttl 2h -l team=red";
    sandbox.run(same).expect(0);
    create(&sandbox, &["web-2", "--protect"]);
    let run = sandbox.run("create web-2 -p mock --native boot_seconds=0").expect(6);
    run.expect_in_stderr("hint: remove its protection: cloudctl unprotect mock/");
}

#[test]
fn label_command_in_a_hint_is_quoted_for_a_shell() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-l", "note=old"]);
    let wanted = [
        "create",
        "web-1",
        "-p",
        "mock",
        "--native",
        "boot_seconds=0",
        "-l",
        "note=it's a test",
        "-o",
        "json",
    ];
    let run = sandbox.run(&wanted).expect(6);
    let hint = run.json()["errors"][0]["hint"].as_str().unwrap_or_default().to_owned();
    assert!(hint.ends_with("'note=it'\\''s a test'"), "{hint}");
    let script = hint.split_once("cloudctl ").unwrap().1;
    let binary = env!("CARGO_BIN_EXE_cloudctl");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{binary} {script}")]);
    shell.env_clear().envs(sandbox.variables());
    assert!(shell.status().expect("a shell").success());
    sandbox.run(&wanted).expect(0);
}

//! The TTL of a VM: where it comes from, and what is printed about it.

use std::time::{Duration, Instant};

use crate::support::sandbox::Sandbox;
use crate::{create, leave_to_the_label, names};

const FILE: &str = "home/.config/cloudctl/config.toml";
const NOTE: &str = "no --ttl is given";

#[test]
fn vm_terminates_at_its_expiry_and_frees_its_name() {
    let sandbox = Sandbox::new();
    let first = create(&sandbox, &["short", "--ttl", "2s"]);
    create(&sandbox, &["long", "--ttl", "1h"]);
    let since = Instant::now();
    while names(&sandbox).contains(&"short".to_owned()) {
        assert!(since.elapsed() < Duration::from_secs(10), "it does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    let all = sandbox.run("list -p mock --all -o columns=name,state,expires");
    let all = all.expect(0).stdout;
    assert!(all.contains("terminated  -") && all.contains("running     1h"), "{all}");
    // A cloud that ends them itself leaves nothing to do.
    let run = sandbox.run("terminate --expired -y -p mock").expect(0);
    run.expect_in_stderr("nothing to terminate");
    assert_ne!(create(&sandbox, &["short", "--ttl", "1h"])["id"], first["id"]);
}

#[test]
fn ttl_above_the_clouds_limit_is_refused() {
    let sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1", "--ttl", "1h"]);
    let refused = sandbox.run("extend web-1 -p mock --ttl 200d").expect(2);
    refused.expect_in_stderr("at most 120d");
    let now = sandbox.run("describe web-1 -p mock -o json").expect(0);
    assert_eq!(now.item()["expires_at"], made["expires_at"]);
}

#[test]
fn ttl_comes_from_flag_file_variable_and_context() {
    let mut sandbox = Sandbox::new();
    let spec = sandbox.write("spec.toml", "ttl = \"3h\"\n");
    let never = sandbox.write("never.toml", "ttl = \"never\"\n");
    sandbox.write(FILE, "current = \"a\"\n[contexts.a]\nttl = \"1h\"\n");
    let hours = |sandbox: &Sandbox, name: &str, arguments: &[&str]| {
        let made = create(sandbox, &[&[name], arguments].concat());
        let time = |field: &str| made[field].as_str()?.parse::<jiff::Timestamp>().ok();
        let lives = time("expires_at")?.duration_since(time("created_at")?);
        assert_eq!(made["expiry_enforcer"], "cloud");
        Some(lives.as_hours())
    };
    assert_eq!(hours(&sandbox, "by-context", &[]), Some(1));
    sandbox.set("CLOUDCTL_TTL", "2h");
    assert_eq!(hours(&sandbox, "by-variable", &[]), Some(2));
    assert_eq!(hours(&sandbox, "by-file", &["-f", &spec]), Some(3));
    assert_eq!(hours(&sandbox, "by-flag", &["-f", &spec, "--ttl", "4h"]), Some(4));
    assert_eq!(hours(&sandbox, "never-by-file", &["-f", &never]), None);
    assert_eq!(hours(&sandbox, "never-by-flag", &["-f", &spec, "--ttl", "never"]), None);
    let show = sandbox.run("context show").expect(0).stdout;
    assert!(
        show.lines()
            .any(|line| line.starts_with("ttl") && line.contains("CLOUDCTL_TTL")),
        "{show}"
    );
}

#[test]
fn create_in_a_job_without_ttl_warns_in_one_line() {
    let mut sandbox = Sandbox::new();
    let notes = |sandbox: &Sandbox, name: &str, arguments: &[&str]| {
        let run = sandbox.run(&[&["create", name, "-p", "mock", "--wait", "none"], arguments].concat());
        run.expect(0).stderr.matches(NOTE).count()
    };
    assert_eq!(notes(&sandbox, "at-home", &[]), 0);
    for (value, expected) in [("true", 1), ("1", 1), ("false", 0), ("", 0)] {
        sandbox.set("CI", value);
        assert_eq!(
            notes(&sandbox, &format!("vm-{}", value.len()), &[]),
            expected,
            "{value:?}"
        );
    }
    sandbox.set("CI", "true");
    assert_eq!(notes(&sandbox, "json", &["-o", "json"]), 1);
    assert_eq!(notes(&sandbox, "group", &["--count", "3"]), 1);
    assert_eq!(notes(&sandbox, "timed", &["--ttl", "2h"]), 0);
    assert_eq!(notes(&sandbox, "endless", &["--ttl", "never"]), 0);
    sandbox.set("CLOUDCTL_TTL", "2h");
    assert_eq!(notes(&sandbox, "by-variable", &[]), 0);
}

#[test]
fn wide_table_shows_who_enforces_the_ttl() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["timed", "--ttl", "2h"]);
    create(&sandbox, &["endless"]);
    create(&sandbox, &["due"]);
    leave_to_the_label(&sandbox, "due");
    let wide = sandbox.run("list -p mock -o wide").expect(0).stdout;
    let header = wide.lines().next().unwrap_or_default();
    let column = header.find("EXPIRES").unwrap_or_else(|| panic!("{wide}"));
    let ends: Vec<Vec<&str>> = wide
        .lines()
        .map(|line| {
            line[column..]
                .split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .take(2)
                .collect()
        })
        .collect();
    assert_eq!(
        ends,
        [
            vec!["EXPIRES", "ENDS BY"],
            vec!["overdue", "tag"],
            vec!["never", "-"],
            vec!["2h", "cloud"],
        ]
    );
}

#[test]
fn ttl_without_enforcer_warns_in_every_format() {
    let sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1", "--ttl", "1h"]);
    crate::edit(&sandbox, "web-1", |one| one["ends_at"] = serde_json::Value::Null);
    for format in ["-o json", "-q", "-o table"] {
        let again = format!("create web-1 -p mock --ttl 1h --native boot_seconds=0 {format}");
        let run = sandbox.run(&again).expect(0);
        let warning = run.stderr.lines().find(|line| line.starts_with("warning: "));
        let warning = warning.unwrap_or_else(|| panic!("no warning in {}", run.stderr));
        assert!(
            warning.contains("cloudctl terminate --expired") && warning.contains(made["ref"].as_str().unwrap()),
            "{warning}"
        );
    }
    let run = sandbox.run("extend web-1 --ttl 2h -p mock").expect(0);
    assert_eq!(run.stderr, "", "here the cloud sees to it again");
}

#[test]
fn extend_never_shortens_the_time() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "--ttl", "2h"]);
    create(&sandbox, &["endless"]);
    let extend = |name: &str, ttl: &str| sandbox.run(&["extend", name, "--ttl", ttl, "-p", "mock", "-o", "json"]);
    let end = |name: &str| {
        let described = sandbox.run(&["describe", name, "-p", "mock", "-o", "json"]);
        described.expect(0).item()["expires_at"].clone()
    };
    let first = end("web-1");
    let refused = extend("web-1", "1h").expect(6);
    let told = first.as_str().unwrap_or_default();
    refused.expect_in_stderr(told);
    assert_eq!(end("web-1"), first);
    let later = extend("web-1", "3h").expect(0).item()["expires_at"].clone();
    assert!(later.as_str() > first.as_str(), "{later}");
    assert_eq!(end("web-1"), later);
    assert!(extend("endless", "1h").expect(0).item()["expires_at"].is_string());
    // What it was made from is what it was.
    create(&sandbox, &["web-1", "--ttl", "2h"]);
    // Of two, each for itself.
    let both = sandbox.run("extend web-1 endless --ttl 150m -p mock -o json").expect(7);
    assert_eq!(
        (both.item()["name"].clone(), both.error_kinds()),
        ("endless".into(), vec!["refused".to_owned()])
    );
}

#[test]
fn another_ttl_is_refused_with_a_hint_to_extend() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "--ttl", "2h"]);
    for (arguments, words) in [
        (&["--ttl", "3h"][..], "ttl is 2h, not 3h"),
        (&[], "ttl is 2h, not never"),
    ] {
        let all = [
            &["create", "web-1", "-p", "mock", "--native", "boot_seconds=0"],
            arguments,
        ]
        .concat();
        let run = sandbox.run(&all).expect(6);
        run.expect_in_stderr(words).expect_in_stderr("cloudctl extend mock/");
    }
}

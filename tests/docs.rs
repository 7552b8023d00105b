//! The README is run: its sessions print what it shows, and its commands can be typed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;
use cloud_emulators::{ec2, gce};
use cloudctl::cli::Cli;
use cloudctl::exit::ExitStatus;
use support::sandbox::Sandbox;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("the README")
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let found = text.split(&opening).skip(1);
    found
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// The words of a line, with what differs from run to run replaced: ids, addresses and times.
fn shape(line: &str) -> Vec<String> {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';']);
        let is_time =
            bare.len() > 1 && bare.ends_with(['s', 'm', 'h']) && bare[..bare.len() - 1].parse::<u32>().is_ok();
        match bare.rsplit('/').next().unwrap_or_default() {
            last if last.starts_with("m-") && last.len() == 18 => bare.replace(last, "ID"),
            last if last.parse::<Ipv4Addr>().is_ok() => "ADDRESS".to_owned(),
            _ if is_time => "TIME".to_owned(),
            _ => word.to_owned(),
        }
    };
    line.split_whitespace().map(word).collect()
}

#[test]
fn the_sessions_of_the_readme_are_what_happens() {
    let binary = Path::new(env!("CARGO_BIN_EXE_cloudctl"))
        .parent()
        .expect("its folder")
        .to_path_buf();
    let sandbox = Sandbox::new();
    // What a session writes stays there, and what it reads is found.
    std::os::unix::fs::symlink(root().join("examples"), sandbox.folder().join("examples")).expect("the examples");
    let sessions = blocks(&readme(), "console");
    assert!(sessions.len() >= 2, "the README shows sessions");
    for session in sessions {
        for step in session.split("$ ").skip(1) {
            let (command, expected) = step.split_once('\n').expect("a command and its output");
            let output = Command::new("sh")
                .args(["-c", &format!("exec 2>&1; {command}")])
                .env_clear()
                .current_dir(sandbox.folder())
                .env("HOME", sandbox.home())
                .env(
                    "PATH",
                    format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default()),
                )
                .stdin(Stdio::null())
                .output()
                .expect("a shell");
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let lines = |text: &str| {
                text.lines()
                    .map(shape)
                    .filter(|words| !words.is_empty())
                    .collect::<Vec<_>>()
            };
            assert_eq!(lines(&printed), lines(expected), "$ {command}\n{printed}");
        }
    }
}

#[test]
fn every_command_of_the_readme_can_be_typed() {
    let mut commands = 0;
    let crontabs = blocks(&readme(), "crontab");
    // The first five words of a cron job say when.
    let jobs = crontabs.iter().flat_map(|block| block.lines());
    let jobs: Vec<String> = jobs
        .map(|line| line.splitn(6, ' ').nth(5).unwrap_or_default().to_owned())
        .collect();
    assert!(!jobs.is_empty(), "the README shows a cron job");
    for block in blocks(&readme(), "sh").into_iter().chain(jobs) {
        for part in block.lines().flat_map(|line| line.split(" | ")) {
            let part = part.replace("cargo run --", "cloudctl").replace("xargs -r ", "");
            let words: Vec<&str> = part
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'']))
                .collect();
            if words.first() == Some(&"cloudctl") {
                commands += 1;
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{part}\n{error}");
                }
            }
        }
    }
    assert!(commands >= 10, "{commands} commands were found");
}

#[test]
fn the_first_command_of_the_readme_makes_a_vm_on_the_mock() {
    let command = "cargo run -- create demo --provider mock";
    assert!(blocks(&readme(), "sh").iter().any(|block| block.contains(command)));
    let words: Vec<&str> = command.split_whitespace().skip(3).collect();
    let made = Sandbox::new()
        .run(&[&words, ["-o", "json"].as_slice()].concat())
        .expect(0)
        .item();
    assert_eq!(made["state"], "running");
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_program() {
    let readme = readme();
    for (code, meaning) in ExitStatus::MEANINGS.iter().filter(|(code, _)| *code < 100) {
        assert!(readme.contains(&format!("| {code} | {meaning} |")), "{code} {meaning}");
    }
}

/// All Rust sources below a folder, one after the other.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
    all
}

#[test]
fn every_promise_of_the_readme_has_a_test_that_exists() {
    let readme = readme();
    let section = readme.split("## What cloudctl promises").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let promises: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(promises.len() > 10, "{promises:?}");
    let tests = sources(&root().join("tests")) + &sources(&root().join("src"));
    for promise in promises {
        let held_by = promise.split(" | ").nth(1).unwrap_or_default();
        let names: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing holds: {promise}");
        for name in names {
            // That each row of the matrix has a test is held by the matrix itself.
            let row = name.strip_prefix("row_").and_then(|number| number.parse::<u8>().ok());
            let exists = match row {
                Some(number) => (1..=65).contains(&number) && name.len() == "row_05".len(),
                None => tests.contains(&format!("fn {name}(")),
            };
            assert!(exists, "there is no test {name}, which is to hold: {promise}");
        }
    }
}

#[test]
fn the_links_of_the_readme_lead_somewhere() {
    let readme = readme();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http")) {
        assert!(root().join(link).exists(), "{link}");
    }
}

#[test]
fn the_examples_make_what_they_say() {
    let example = |name: &str| root().join("examples").join(name).to_string_lossy().into_owned();

    let web = Sandbox::new()
        .run(&["create", "-f", &example("web.toml"), "-p", "mock", "-o", "json"])
        .expect(0)
        .item();
    assert_eq!((&web["name"], &web["labels"]["team"]), (&"web-1".into(), &"web".into()));

    let sandbox = Sandbox::new();
    let made = |name: &str| {
        let run = sandbox.run(&["create", "-f", &example(name), "-p", "mock", "-o", "json"]);
        run.expect(0).items()
    };
    let fleet = made("fleet.yaml");
    let names: Vec<_> = fleet.iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["api", "worker-1", "worker-2", "worker-3", "db"]);
    let trainer = &made("trainer.json")[0];
    assert!(trainer["spot"] == true && !trainer["expires_at"].is_null(), "{trainer}");

    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.set("AWS_ENDPOINT_URL", &emulator.url());
    sandbox
        .set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .set("AWS_SECRET_ACCESS_KEY", "a-secret");
    sandbox
        .run(&["create", "builder", "-f", &example("aws-builder.toml")])
        .expect(0);
    let made = &emulator.alive()[0];
    assert!(
        made.region == "eu-west-1" && made.spot && made.image_name.contains("arm64"),
        "{made:?}"
    );

    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        &format!("{}/compute/v1/", emulator.url()),
    );
    sandbox
        .set("CLOUDSDK_AUTH_ACCESS_TOKEN", "a-token")
        .set("CLOUDSDK_CORE_PROJECT", gce::PROJECT);
    sandbox
        .run(&["create", "builder", "-f", &example("gcp-builder.toml")])
        .expect(0);
    let made = emulator.instance("builder").expect("the VM");
    assert_eq!(
        (made.machine_type.as_str(), made.tags),
        ("e2-standard-4", vec!["builders".to_owned()])
    );
}

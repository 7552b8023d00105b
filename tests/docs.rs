//! The README and the pages of `docs` are run: their sessions print what they show, and their commands can be typed.
//! `SNAPSHOTS=overwrite cargo test --test docs` writes the sessions anew.

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
use cloudctl::cloud::ErrorKind;
use cloudctl::exit::ExitStatus;
use support::sandbox::Sandbox;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The README and the pages below `docs`, as a path from the root and the text. The page of settings is generated, and has
/// a test of its own.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for entry in fs::read_dir(root().join("docs")).expect("the folder of the pages") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("settings.md") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a page");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("a page")
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
        let bare = word.trim_start_matches('(').trim_end_matches([')', ',', ';']);
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

/// What a command of a session prints, in a shell that finds the binary.
fn run_in_shell(command: &str, sandbox: &Sandbox) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_cloudctl")).parent().expect("its folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .env_clear()
        .current_dir(sandbox.folder())
        .env("HOME", sandbox.home())
        .env("PATH", format!("{}:{path}", binary.display()))
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn sessions_of_the_pages_print_what_they_show() {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    let mut pages_with_sessions = 0;
    for (path, text) in pages() {
        let sandbox = Sandbox::new();
        // What a session writes stays in the sandbox, and what it reads is found there.
        std::os::unix::fs::symlink(root().join("examples"), sandbox.folder().join("examples")).expect("the examples");
        let mut updated = text.clone();
        let sessions = blocks(&text, "console");
        pages_with_sessions += usize::from(!sessions.is_empty());
        for session in sessions {
            let mut printed_session = Vec::new();
            for step in session
                .split("$ ")
                .skip(1)
                .filter(|step| step.starts_with(char::is_alphabetic))
            {
                let (command, expected) = step.split_once('\n').expect("a command and its output");
                let printed = run_in_shell(command, &sandbox);
                let lines = |text: &str| {
                    let shapes = text.lines().map(shape);
                    shapes.filter(|words| !words.is_empty()).collect::<Vec<_>>()
                };
                if !overwrite {
                    let page = path.display();
                    assert_eq!(lines(&printed), lines(expected), "{page}\n$ {command}\n{printed}");
                }
                printed_session.push(format!("$ {command}\n{printed}"));
            }
            updated = updated.replace(&session, &printed_session.join("\n"));
        }
        if overwrite && updated != text {
            fs::write(&path, updated).expect("the page is written");
        }
    }
    assert!(pages_with_sessions >= 6, "{pages_with_sessions} pages show sessions");
}

/// The commands of a line of a shell: those of a pipe, and those in `$(…)`.
fn commands_of(line: &str) -> Vec<String> {
    let parts = line
        .split(" | ")
        .flat_map(|part| part.split("$(cloudctl").collect::<Vec<_>>());
    let commands = parts.map(|part| {
        let part = part.split(" > ").next().unwrap_or_default();
        let part = part.replace("cargo run --", "cloudctl").replace("xargs -r ", "");
        match part.strip_prefix(' ') {
            Some(arguments) => format!("cloudctl {}", arguments.trim_end_matches(')')),
            None => part,
        }
    });
    commands.filter(|command| command.starts_with("cloudctl ")).collect()
}

#[test]
fn commands_of_the_pages_can_be_typed() {
    let mut found = 0;
    for (path, text) in pages() {
        // The first five words of a cron job say when.
        let jobs = blocks(&text, "crontab").into_iter().flat_map(|block| {
            let jobs = block
                .lines()
                .map(|line| line.splitn(6, ' ').nth(5).unwrap_or_default().to_owned());
            jobs.collect::<Vec<_>>()
        });
        let blocks = blocks(&text, "sh");
        let lines = blocks.iter().flat_map(|block| block.lines()).map(str::to_owned);
        for command in lines.chain(jobs).flat_map(|line| commands_of(&line)) {
            let words: Vec<&str> = command
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'']))
                .collect();
            found += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{}: {command}\n{error}", path.display());
            }
        }
    }
    assert!(found >= 40, "{found} commands were found");
}

#[test]
fn readme_fits_two_screens() {
    let bytes = page("README.md").len();
    assert!(bytes <= 8 * 1024, "{bytes} bytes");
}

#[test]
fn first_command_of_the_readme_creates_a_vm_on_the_mock() {
    let command = "cargo run -- create demo --provider mock";
    assert!(
        blocks(&page("README.md"), "sh")
            .iter()
            .any(|block| block.contains(command))
    );
    let words: Vec<&str> = command.split_whitespace().skip(3).collect();
    let made = Sandbox::new()
        .run(&[&words, ["-o", "json"].as_slice()].concat())
        .expect(0)
        .item();
    assert_eq!(made["state"], "running");
}

#[test]
fn troubleshooting_lists_every_exit_code_and_kind() {
    let page = page("docs/troubleshooting.md");
    for (code, meaning) in ExitStatus::MEANINGS.iter().filter(|(code, _)| *code < 100) {
        assert!(page.contains(&format!("| {code} | {meaning} |")), "{code} {meaning}");
    }
    for kind in ErrorKind::ALL {
        let code = ExitStatus::from_kind(kind).code();
        let row = format!("| `{}` | {code}", kind.as_str());
        assert!(page.contains(&row), "{row}");
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
fn every_promise_has_a_test_that_exists() {
    let page = page("docs/safety.md");
    let promises: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
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

/// The anchor of a heading, as the forges make it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn links_of_the_pages_lead_somewhere() {
    for (path, text) in pages() {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                _ => path.parent().expect("a folder").join(file),
            };
            assert!(target.exists(), "{}: {link}", path.display());
            if !heading.is_empty() {
                let target_text = fs::read_to_string(&target).expect("a page");
                let found = target_text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| anchor(line) == heading);
                assert!(found, "{}: {link}", path.display());
            }
        }
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

//! Help in all its forms. `reference.txt` is the whole command line as people see it: a change of it is seen in
//! review. `SNAPSHOTS=overwrite cargo test --test cli` writes it anew.

use snapbox::{assert_data_eq, file};

use crate::support::command_line::split_words;
use crate::support::sandbox::Sandbox;

/// A sandbox whose configuration file makes no sense, so that a command that reads it fails.
fn with_broken_config() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("home/.config/cloudctl/config.toml", "this is no TOML\n");
    sandbox.run("list -p mock").expect(2);
    sandbox
}

/// Every command as its words, the empty one first, found by reading the help.
fn commands(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = all.get(next).cloned() {
        for verb in verbs_in(&help_of(sandbox, &command)) {
            all.push([&command[..], &[verb]].concat());
        }
        next += 1;
    }
    all.sort();
    all
}

fn verbs_in(help: &str) -> Vec<String> {
    let section = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries = section.take_while(|line| !line.is_empty());
    // The lines of a long description are further in.
    let entries = entries.filter_map(|line| line.strip_prefix("  ").filter(|entry| !entry.starts_with(' ')));
    entries
        .filter_map(|entry| entry.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn help_of(sandbox: &Sandbox, command: &[String]) -> String {
    let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    let run = sandbox.run(&words).expect(0);
    assert_eq!(run.stderr, "", "{words:?}");
    run.stdout
}

#[test]
fn command_line_matches_the_reference() {
    let sandbox = with_broken_config();
    let mut reference = String::new();
    for command in commands(&sandbox) {
        let shown = [&["cloudctl".to_owned()], &command[..], &["--help".to_owned()]]
            .concat()
            .join(" ");
        reference.push_str(&format!("$ {shown}\n{}\n", help_of(&sandbox, &command)));
    }
    for topic in ["topics", "exit-codes", "context-file", "spec-file", "mock"] {
        let text = sandbox.run(&["help", topic]).expect(0).stdout;
        reference.push_str(&format!("$ cloudctl help {topic}\n{text}\n"));
    }
    // clap leaves white space at the ends of lines, which editors take off.
    let reference: String = reference.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    // Raw: brackets are brackets, and not snapbox's wildcards.
    assert_data_eq!(reference, file!["reference.txt"].raw());
}

/// A screen has 24 lines of 80 columns. `short_help.txt` is what it shows of each command.
#[test]
fn short_help_fits_a_screen() {
    let sandbox = with_broken_config();
    let mut shown = String::new();
    for command in commands(&sandbox) {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["-h"]).collect();
        let help = sandbox.run(&words).expect(0).stdout;
        let line_count = help.lines().count();
        assert!(line_count <= 24, "{line_count} lines of {words:?}\n{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{words:?}: {line}");
        }
        shown.push_str(&format!("$ cloudctl {}\n{help}\n", words.join(" ")));
    }
    let shown: String = shown.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_data_eq!(shown, file!["short_help.txt"].raw());
}

/// The flags that are named in a text.
fn flags_in(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn short_help_names_every_flag() {
    let sandbox = Sandbox::new();
    for command in commands(&sandbox) {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["-h"]).collect();
        let short = sandbox.run(&words).expect(0).stdout;
        let long = help_of(&sandbox, &command);
        if command.is_empty() {
            for verb in verbs_in(&long) {
                assert!(short.contains(&verb), "{verb}");
            }
            continue;
        }
        let flag_lines = long.lines().filter(|line| line.trim_start().starts_with('-'));
        for flag in flags_in(&flag_lines.collect::<Vec<_>>().join("\n")) {
            assert!(flags_in(&short).contains(&flag), "{words:?}: {flag}");
        }
    }
}

#[test]
fn create_help_has_the_headings_of_the_design() {
    let help = Sandbox::new().run("create --help").expect(0).stdout;
    let mut rest = help.as_str();
    for heading in [
        "Arguments",
        "What",
        "Where",
        "How many",
        "Access",
        "Life",
        "Waiting",
        "Safety",
        "Output",
        "Global options",
        "Examples",
    ] {
        let at = rest.find(&format!("\n{heading}:\n"));
        rest = &rest[at.unwrap_or_else(|| panic!("{heading} is not there, or not in its place:\n{help}"))..];
    }
}

#[test]
fn every_command_has_examples_that_are_understood() {
    let sandbox = Sandbox::new();
    for command in commands(&sandbox) {
        let help = help_of(&sandbox, &command);
        let examples: Vec<&str> = match help.split_once("\nExamples:\n") {
            Some((_, section)) => section.lines().filter(|line| !line.starts_with("  #")).collect(),
            None => panic!("{command:?} has no examples"),
        };
        assert!((2..=3).contains(&examples.len()), "{command:?}: {examples:?}");
        for example in examples {
            let (_, line) = example.split_once("cloudctl ").expect("a command line");
            let end = [" > ", " | ", ")"].iter().filter_map(|after| line.find(after)).min();
            let mut words = split_words(&line[..end.unwrap_or(line.len())]);
            // Only whether the words are understood is asked, and not what they do.
            let end_of_flags = words.iter().position(|word| word == "--").unwrap_or(words.len());
            words.insert(end_of_flags, "--help".to_owned());
            sandbox.run(&words).expect(0);
        }
    }
}

#[test]
fn manual_page_has_the_headings_and_examples_of_the_help() {
    let page = Sandbox::new().run("man create").expect(0).stdout;
    for part in [
        ".SH WHAT",
        ".SH \"HOW MANY\"",
        ".SH SAFETY",
        ".SH EXAMPLES",
        "cloudctl create web\\-1",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

/// Without a command, what people do first, and not a list of everything.
#[test]
fn bare_cloudctl_shows_the_first_steps() {
    let run = Sandbox::new().run("").expect(2);
    assert_eq!(run.stdout, "");
    for verb in ["doctor", "create", "list", "describe", "terminate"] {
        run.expect_in_stderr(format!("  cloudctl {verb}"));
    }
    run.expect_not_in_stderr("unprotect");
    assert!(run.stderr.lines().count() <= 24);
}

#[test]
fn the_verbs_of_the_design_are_there() {
    let all = commands(&Sandbox::new());
    for verb in [
        "create",
        "list",
        "describe",
        "terminate",
        "start",
        "stop",
        "reboot",
        "wait",
        "console",
        "whoami",
        "doctor",
        "completion",
        "man",
        "help",
    ] {
        assert!(all.contains(&vec![verb.to_owned()]), "{verb}");
    }
    for verb in ["list", "use", "show"] {
        assert!(all.contains(&vec!["context".to_owned(), verb.to_owned()]), "{verb}");
    }
}

#[test]
fn help_and_the_like_need_no_configuration() {
    let sandbox = with_broken_config();
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["help"],
        &["help", "create"],
        &["help", "context", "use"],
        &["help", "exit-codes"],
        &["help", "context-file"],
        &["help", "spec-file"],
        &["completion", "bash"],
        &["man"],
        &["man", "create"],
    ] {
        let run = sandbox.run(arguments).expect(0);
        assert!(
            !run.stdout.is_empty() && run.stderr.is_empty(),
            "{arguments:?}: {run:?}"
        );
    }
    for arguments in [&["--bogus"][..], &["list", "--bogus"], &["help", "bogus"]] {
        let run = sandbox.run(arguments).expect(2);
        run.expect_in_stderr("bogus").expect_not_in_stderr("config.toml");
    }
}

/// What was not asked for is not a result.
#[test]
fn incomplete_command_prints_help_on_stderr() {
    for arguments in [&[][..], &["context"]] {
        let run = Sandbox::new().run(arguments).expect(2);
        assert_eq!(run.stdout, "");
        run.expect_in_stderr("Usage: cloudctl");
    }
}

#[test]
fn every_exit_code_is_explained() {
    let text = Sandbox::new().run("help exit-codes").expect(0).stdout;
    for code in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "130", "143"] {
        let explained = text.lines().any(|line| line.split_whitespace().next() == Some(code));
        assert!(explained, "{code} in\n{text}");
    }
}

/// The example is a file that cloudctl takes, with no key forgotten.
#[test]
fn the_example_of_a_context_file_is_one() {
    let sandbox = Sandbox::new();
    let text = sandbox.run("help context-file").expect(0).stdout;
    let example: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    sandbox.write("home/.config/cloudctl/config.toml", &example.join("\n"));
    sandbox.write(
        "home/.aws/config",
        "[profile dev]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = a-secret\n",
    );
    let items = sandbox.run("context show -o json").expect(0).items();
    let clouds = [
        ("aws", &["profile", "region", "expect_account"][..]),
        ("gcp", &["project", "region", "zone", "expect_project"]),
        ("mock", &["region"]),
    ];
    for (cloud, keys) in clouds {
        for key in keys {
            let row = items.iter().find(|item| item["setting"] == format!("{cloud}.{key}"));
            let source = row.and_then(|row| row["source"].as_str()).unwrap_or_default();
            assert!(
                source.ends_with(&format!("[contexts.dev.{cloud}]")),
                "{cloud}.{key}: {source}"
            );
        }
    }
}

#[test]
fn completions_know_the_verbs_and_flags() {
    let sandbox = Sandbox::new();
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef cloudctl"),
        ("fish", "complete -c cloudctl"),
    ] {
        let script = sandbox.run(&["completion", shell]).expect(0).stdout;
        for word in [sign, "terminate", "ignore-not-found", "user-data"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let script = sandbox.run("completion bash").expect(0).stdout;
    // What is one of some words is completed with them, and not with the names of files.
    for words in ["aws gcp mock any", "table wide json", "x86_64 arm64"] {
        assert!(script.contains(&format!("compgen -W \"{words}")), "{words}");
    }
    let file = sandbox.write("cloudctl.bash", &script);
    let status = std::process::Command::new("bash")
        .args(["-n", &file])
        .status()
        .expect("bash runs");
    assert!(status.success());
}

#[test]
fn every_command_has_a_manual_page() {
    let sandbox = Sandbox::new();
    for command in commands(&sandbox) {
        let words: Vec<&str> = ["man"].into_iter().chain(command.iter().map(String::as_str)).collect();
        let page = sandbox.run(&words).expect(0).stdout;
        let title = [&["cloudctl".to_owned()], &command[..]].concat().join("-");
        let title = title.replace('-', "\\-");
        for part in [".TH", ".SH NAME", ".SH SYNOPSIS", &title] {
            assert!(page.contains(part), "{words:?}: {part}\n{page}");
        }
    }
}

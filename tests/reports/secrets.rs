//! Secrets in the place of a name, a path or a number: they are in no message, no JSON and no log line.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Arg, Command, CommandFactory};
use cloudctl::cli::Cli;
use serde_json::json;

use crate::support::parallel_cases::in_threads;
use crate::support::sandbox::{Run, Sandbox};

/// What stands in each of the contents, and must be shown nowhere.
const CANARY: &str = "c4nAryGq7Zt2Lm9XwB3";

/// What people put in the place of a name by mistake: `--ssh-key="$(cat key)"` and the like.
fn contents() -> Vec<String> {
    vec![
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5v{CANARY}\n{CANARY}==\n-----END OPENSSH PRIVATE KEY-----\n"
        ),
        format!("{{\n  \"type\": \"service_account\",\n  \"private_key\": \"{CANARY}\"\n}}"),
        format!("ghp_{CANARY}{CANARY}"),
        format!("#!/bin/sh\nexport DB_PASSWORD={CANARY}\ncurl --user ada:{CANARY} https://example.com\n"),
    ]
}

/// In capitals or not: what is like a value is a part of it.
fn shows_canary(text: &str) -> bool {
    text.to_lowercase().contains(&CANARY.to_lowercase())
}

/// Checks that nothing of the content is shown; a result that has it is one that the cloud holds.
#[track_caller]
fn assert_withheld(run: &Run, what: &str) {
    assert!(!shows_canary(&run.stderr), "{what}: in\n{}", run.stderr);
    assert!(
        run.code == 0 || !shows_canary(&run.stdout),
        "{what}: in\n{}",
        run.stdout
    );
    assert!(
        (0..=9).contains(&run.code) || run.code == 125,
        "{what}: exit {}\n{}",
        run.code,
        run.stderr
    );
    assert!(!run.stderr.contains("panicked"), "{what}\n{}", run.stderr);
}

/// Each command that does something, with the words that lead to it.
fn leaves(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, Command)>) {
    let mut verbs = command.get_subcommands().peekable();
    if verbs.peek().is_none() {
        found.push((path.to_vec(), command.clone()));
    }
    for verb in verbs {
        let path = [path, &[verb.get_name().to_owned()]].concat();
        leaves(verb, &path, found);
    }
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// The command lines that give this value to one argument, and to each other that must be there something harmless.
fn lines_with(path: &[String], command: &Command, value: &str, is_global: bool) -> Vec<Vec<String>> {
    let of_command = command.get_arguments().filter(|argument| takes_value(argument));
    let of_command = of_command.filter(|argument| argument.is_global_set() == is_global);
    let lines = of_command.map(|argument| {
        let mut line = path.to_vec();
        for other in command.get_positionals().filter(|other| other.is_required_set()) {
            if other.get_id() != argument.get_id() {
                line.push("web-1".to_owned());
            }
        }
        match argument.get_long() {
            Some(long) => line.push(format!("--{long}={value}")),
            None => line.extend(["--".to_owned(), value.to_owned()]),
        }
        if argument.get_id() != "providers" {
            line.splice(path.len()..path.len(), ["-p", "mock"].map(str::to_owned));
        }
        line
    });
    lines.collect()
}

fn command() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

#[test]
fn content_given_for_any_flag_is_withheld() {
    let mut commands = Vec::new();
    leaves(&command(), &[], &mut commands);
    let mut lines = Vec::new();
    for (index, content) in contents().iter().enumerate() {
        for (path, command) in &commands {
            lines.extend(lines_with(path, command, content, false));
            // `key=value`, whose parts are read apart.
            if index % 2 == 0 && path == &["create"] {
                lines.extend(lines_with(path, command, &format!("key={content}"), false));
            }
            if path == &["list"] || path == &["create"] {
                lines.extend(lines_with(path, command, content, true));
            }
        }
    }
    assert!(lines.len() > 300, "{} command lines", lines.len());
    let json = AtomicUsize::new(0);
    in_threads(lines, Sandbox::new, |sandbox, line| {
        let mut words: Vec<&str> = line.iter().map(String::as_str).collect();
        let at = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        // Both forms of messages, in turn.
        match json.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => words.insert(at, "-vvv"),
            _ if line.iter().any(|word| word.starts_with("--output=")) => {}
            _ => words.insert(at, "-ojson"),
        }
        assert_withheld(&sandbox.run(&words), &format!("{words:?}"));
    });
}

#[test]
fn content_given_as_a_command_or_an_unknown_flag_is_withheld() {
    let sandbox = Sandbox::new();
    for content in contents() {
        for line in [
            vec![content.as_str()],
            vec!["list", &content],
            vec!["list", "--", &content],
            vec!["context", &content],
            vec!["list", "-p", "mock", &format!("--secret={content}")],
            vec!["list", "-p", "mock", &format!("--{content}")],
            vec!["list", "-p", "mock", &format!("-{content}")],
            vec!["create", "web-1", "web-2", &content],
        ] {
            let run = sandbox.run(&line);
            assert_ne!(run.code, 0, "{line:?}");
            assert_withheld(&run, &format!("{line:?}"));
            let line = [&["-ojson"], &line[..]].concat();
            let run = sandbox.run(&line);
            assert_withheld(&run, &format!("{line:?}"));
        }
    }
}

#[test]
fn content_given_for_any_key_of_a_spec_is_withheld() {
    let sandbox = Sandbox::new();
    let schema = sandbox.run("schema spec").expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let keys: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert!(keys.len() > 25, "{keys:?}");
    let mut specs = Vec::new();
    for (number, content) in contents().iter().enumerate() {
        for (index, key) in keys.iter().map(String::as_str).chain([content.as_str()]).enumerate() {
            for (shape, value) in [
                json!(content),
                json!([content]),
                json!({ "key": content }),
                json!({ content: 1 }),
            ]
            .iter()
            .enumerate()
            {
                specs.push(((number + index + shape) % 3, key.to_owned(), value.clone()));
            }
        }
    }
    in_threads(specs, Sandbox::new, |sandbox, (format, key, value)| {
        let whole = json!({ key: value });
        let (name, text) = match format {
            0 => ("spec.json", serde_json::to_string_pretty(&whole).unwrap()),
            1 => ("spec.yaml", yaml_serde::to_string(&whole).unwrap()),
            _ => ("spec.toml", toml::to_string(&whole).unwrap()),
        };
        sandbox.write(name, &text);
        let run = sandbox.run(&["create", "-p", "mock", "--dry-run", "-f", name, "-vvv"]);
        assert_withheld(&run, &text);
    });
}

#[test]
fn private_key_in_a_spec_is_refused_where_it_stands() {
    let sandbox = Sandbox::new();
    let key = &contents()[0];
    let block: String = key.lines().map(|line| format!("  {line}\n")).collect();
    for (name, text, place) in [
        ("vm.yaml", format!("name: web-1\nssh-key: |\n{block}"), "vm.yaml:2:"),
        ("vm.yaml", format!("name: web-1\nuser-data: |\n{block}"), "vm.yaml:2:"),
        (
            "vm.toml",
            format!("name = \"web-1\"\nssh-key = \"\"\"\n{key}\"\"\"\n"),
            "vm.toml:2:",
        ),
        (
            "vm.json",
            serde_json::to_string_pretty(&json!({"name": "web-1", "ssh-key": key})).unwrap(),
            "vm.json:3:",
        ),
    ] {
        sandbox.write(name, &text);
        let run = sandbox.run(&["create", "-p", "mock", "-f", name]).expect(2);
        assert_withheld(&run, &text);
        run.expect_in_stderr(place);
        let key = if text.contains("user-data") {
            "user-data"
        } else {
            "ssh-key"
        };
        run.expect_in_stderr(key);
        run.expect_in_stderr("characters that is not a path");
    }
}

#[test]
fn content_given_as_a_path_is_refused_with_what_to_do() {
    let sandbox = Sandbox::new();
    let contents = contents();
    for (flag, content, words) in [
        ("--ssh-key", &contents[0], "pass the name of a public key's file"),
        (
            "--user-data",
            &contents[3],
            "pass the name of a file that can be read, or - for standard input",
        ),
        ("--file", &contents[1], "or - for standard input"),
    ] {
        let run = sandbox
            .run(&["create", "web-1", "-p", "mock", &format!("{flag}={content}")])
            .expect(2);
        assert_withheld(&run, flag);
        run.expect_in_stderr("characters that is not a path");
        run.expect_in_stderr(words);
    }
    // Without an equals sign a key, which begins with hyphens, would be taken for a flag.
    for flag in ["--ssh-key", "--user-data", "-f"] {
        let run = sandbox
            .run(&["create", "web-1", "-p", "mock", flag, &contents[0]])
            .expect(2);
        assert_withheld(&run, flag);
        run.expect_in_stderr(format!("{flag} is a value of "));
    }
}

#[test]
fn content_given_for_any_key_of_the_configuration_is_withheld() {
    let sandbox = Sandbox::new();
    let help = sandbox.run("help context-file").expect(0).stdout;
    // `[section]`s and `key = value` lines of the help's own example.
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in help.lines().map(str::trim) {
        match line.split_once(" = ") {
            Some((key, _)) => keys.push((section.clone(), key.to_owned())),
            None if line.starts_with('[') => line.clone_into(&mut section),
            None => {}
        }
    }
    assert!(keys.len() > 12, "{keys:?}");
    let mut files = Vec::new();
    for content in contents() {
        for (section, key) in &keys {
            let value = match key.as_str() {
                "providers" => json!([content]),
                _ => json!(content),
            };
            let current = if key == "current" { "" } else { "current = \"dev\"\n" };
            files.push(format!("{current}{section}\n{key} = {value}\n"));
        }
        files.push(format!("[contexts.{}]\noutput = 1\n", json!(content)));
        files.push(format!("{} = 1\n", json!(content)));
        files.push(content.clone());
    }
    in_threads(files, Sandbox::new, |sandbox, file| {
        sandbox.write("home/.config/cloudctl/config.toml", file);
        for line in [
            &["list", "-p", "mock", "-vvv"][..],
            &["context", "show", "-o", "json"],
            &["context", "list", "-p", "mock"],
            &["create", "x", "-p", "mock", "--dry-run", "-o", "json"],
        ] {
            let run = sandbox.run(line);
            assert_withheld(&run, file);
            let is_result = line[1] == "list" && file.starts_with("[contexts");
            assert!(is_result || !shows_canary(&run.stdout), "{file}\n{}", run.stdout);
        }
    });
}

#[test]
fn content_given_for_any_variable_of_cloudctl_is_withheld() {
    let help = Sandbox::new().run("help environment").expect(0).stdout;
    let names = help.split_whitespace().filter(|word| word.starts_with("CLOUDCTL_"));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 10, "{names:?}");
    names.extend(
        [
            "HOME",
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "XDG_CACHE_HOME",
            "TERM",
            "NO_COLOR",
        ]
        .map(str::to_owned),
    );
    let mut pairs = Vec::new();
    for content in contents() {
        pairs.extend(names.iter().map(|name| (name.clone(), content.clone())));
    }
    in_threads(
        pairs,
        || (),
        |(), (name, content)| {
            let mut sandbox = Sandbox::new();
            sandbox.set(name, content);
            for line in [
                &["list", "-p", "mock", "-vvv"][..],
                &["list"],
                &["context", "show", "-o", "json"],
                &["catalog", "update", "-p", "mock"],
                &["price", "m.small", "-p", "mock"],
                &["create", "x", "-p", "mock", "--dry-run", "-o", "json"],
            ] {
                let run = sandbox.run(line);
                assert_withheld(&run, name);
                assert!(!shows_canary(&run.stdout), "{name}\n{}", run.stdout);
            }
        },
    );
}

#[test]
fn credential_of_the_environment_is_replaced_in_any_message() {
    let mut sandbox = Sandbox::new();
    sandbox
        .set("AWS_SECRET_ACCESS_KEY", "correct-horse")
        .set("HTTPS_PROXY", "http://ada:battery-staple@127.0.0.1:9");
    let run = sandbox.run("create correct-horse.battery-staple -p mock").expect(2);
    run.expect_in_stderr("[secret].[secret]");
    let run = sandbox.run("create correct-horse.x -p mock -o json").expect(2);
    assert!(!run.stdout.contains("correct-horse"), "{}", run.stdout);
    // What the cloud holds is a result, and shown as it is.
    let run = sandbox.run("create correct-horse -p mock -o name").expect(0);
    assert_eq!(run.stdout, "correct-horse\n");
}

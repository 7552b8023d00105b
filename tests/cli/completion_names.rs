//! Completion of VM names: from the last listing, in real shells, and never from a file that cannot be trusted.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::sandbox::Sandbox;
use crate::{create, edit};

fn cache(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".cache/cloudctl/names.tsv")
}

/// The names that complete the last of these words.
fn complete(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let own = ["completion", "--names", "--"];
    let run = sandbox.run(&[&own, words].concat()).expect(0);
    assert_eq!(run.stderr, "");
    run.stdout.lines().map(str::to_owned).collect()
}

/// `web-1`, `web-2` and `db-1`, listed.
fn listed() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["web-1", "web-2", "db-1"] {
        create(&sandbox, &[name]);
    }
    sandbox.run("list -p mock").expect(0);
    sandbox
}

#[test]
fn names_of_the_last_listing_complete_every_reference() {
    let sandbox = listed();
    for command in [
        "describe",
        "start",
        "stop",
        "reboot",
        "terminate",
        "extend",
        "protect",
        "unprotect",
        "label",
        "wait",
        "ssh",
        "ssh-config",
        "console",
        "list",
        "price",
    ] {
        assert_eq!(complete(&sandbox, &[command, "we"]), ["web-1", "web-2"], "{command}");
        assert_eq!(
            complete(&sandbox, &[command, ""]),
            ["db-1", "web-1", "web-2"],
            "{command}"
        );
        assert_eq!(complete(&sandbox, &[command, "-p", "we"]), [""; 0], "{command}");
    }
    assert_eq!(complete(&sandbox, &["ssh", "web-1", "--", "we"]), [""; 0]);
    assert_eq!(complete(&sandbox, &["create", "we"]), [""; 0]);
    assert_eq!(complete(&sandbox, &["describe", "m-"]).len(), 3);
    assert_eq!(complete(&sandbox, &["-p", "mock", "stop", "db"]), ["db-1"]);
    assert_eq!(complete(&sandbox, &["-p", "aws", "stop", "db"]), [""; 0]);
    assert_eq!(complete(&sandbox, &[]), [""; 0]);
    sandbox.run("completion --names bash").expect(2);
    sandbox.run("completion bash -- web").expect(2);
    sandbox.run("completion -- web").expect(2);
    sandbox.run("completion").expect(2);
}

#[test]
fn every_listing_keeps_names_and_a_look_up_does_not() {
    let sandbox = listed();
    std::fs::remove_file(cache(&sandbox)).expect("the file");
    sandbox.run("describe web-1 -p mock").expect(0);
    assert!(!cache(&sandbox).exists());
    for command in [
        "list -p mock -o jsonl",
        "list -p mock -o json",
        "describe 'web-*' -p mock",
        "protect --filter name=db-1 -p mock",
    ] {
        sandbox.run(command).expect(0);
        assert_eq!(complete(&sandbox, &["ssh", "d"]), ["db-1"], "{command}");
        std::fs::remove_file(cache(&sandbox)).expect("the file");
    }
    sandbox.run("unprotect db-1 -p mock").expect(0);
    sandbox.run("terminate db-1 -p mock -y --wait").expect(0);
    sandbox.run("list -p mock --all").expect(0);
    assert_eq!(complete(&sandbox, &["ssh", ""]), ["web-1", "web-2"]);
    let mode = cache(&sandbox).metadata().expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn file_that_is_old_broken_or_shared_has_no_names() {
    let sandbox = listed();
    let path = cache(&sandbox);
    let text = std::fs::read(&path).expect("the file");
    let expect_none = |what: &str| assert_eq!(complete(&sandbox, &["ssh", "we"]), [""; 0], "{what}");
    let set_age = |seconds: i64| {
        let now = SystemTime::now();
        let time = match u64::try_from(seconds) {
            Ok(seconds) => now - Duration::from_secs(seconds),
            Err(_) => now + Duration::from_secs(seconds.unsigned_abs()),
        };
        let file = std::fs::File::options().write(true).open(&path).expect("the file");
        file.set_modified(time).expect("its time");
    };
    set_age(301);
    expect_none("old");
    set_age(-60);
    expect_none("of the future");
    set_age(280);
    assert_eq!(complete(&sandbox, &["ssh", "we"]).len(), 2);
    for broken in [
        &b"\xff\xfe"[..],
        b"",
        b"cloudctl names 1\nmock\tm-1\tweb-1\nmock",
        &text[1..],
    ] {
        std::fs::write(&path, broken).expect("the file");
        expect_none("broken");
    }
    std::fs::write(&path, &text).expect("the file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("its mode");
    expect_none("written by others");
    std::fs::remove_file(&path).expect("the file");
    expect_none("absent");
    std::fs::write(path.with_extension("other"), &text).expect("a file");
    std::os::unix::fs::symlink(path.with_extension("other"), &path).expect("a link");
    expect_none("a link");
    std::fs::remove_file(&path).expect("the link");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    expect_none("a pipe");
    std::fs::remove_file(&path).expect("the pipe");
    std::fs::create_dir(&path).expect("a folder");
    expect_none("a folder");
    // Nothing can be written in its place, and that is nobody's problem.
    let run = sandbox.run("list -p mock").expect(0);
    assert_eq!(run.stderr, "");
    let left: Vec<_> = std::fs::read_dir(path.parent().expect("a folder"))
        .expect("it")
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn file_of_another_user_has_no_names() {
    let sandbox = listed();
    let changed = Command::new("chown").arg("65534").arg(cache(&sandbox)).status();
    if !changed.is_ok_and(|status| status.success()) {
        // Only root can give a file away.
        return;
    }
    assert_eq!(complete(&sandbox, &["ssh", "we"]), [""; 0]);
}

#[test]
fn names_that_a_shell_could_read_are_left_out() {
    let sandbox = listed();
    for (name, hostile) in [("web-1", "$(touch ran)"), ("web-2", "-rf"), ("db-1", "we b;touch ran")] {
        edit(&sandbox, name, |one| {
            one["name"] = hostile.into();
            one["labels"] = serde_json::json!({});
        });
    }
    sandbox.run("list -p mock").expect(0);
    let text = std::fs::read_to_string(cache(&sandbox)).expect("the file");
    assert!(!text.contains("touch") && !text.contains("rf"), "{text}");
    for id in complete(&sandbox, &["ssh", ""]) {
        assert!(id.starts_with("m-"), "{id}");
    }
    assert_eq!(in_bash(&sandbox, "cloudctl ssh we"), "");
    assert!(!sandbox.folder().join("ran").exists());
}

/// What a shell completes the last word with, by a script that prints it.
fn in_shell(sandbox: &Sandbox, shell: &str, arguments: &[&str]) -> String {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_cloudctl"));
    let folder = binary.parent().expect("its folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(shell)
        .args(arguments)
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", path)
        .current_dir(sandbox.folder())
        .output()
        .unwrap_or_else(|error| panic!("{shell}: {error}"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn in_bash(sandbox: &Sandbox, line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let script = format!(
        "source <(cloudctl completion bash); COMP_WORDS=({}); COMP_CWORD={last}; _cloudctl cloudctl {} {}; echo \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words[last],
        words[last - 1],
    );
    in_shell(sandbox, "bash", &["-c", &script])
}

#[test]
fn bash_completes_names() {
    let sandbox = listed();
    assert_eq!(in_bash(&sandbox, "cloudctl ssh we"), "web-1 web-2");
    assert_eq!(in_bash(&sandbox, "cloudctl stop web-1 --wait d"), "db-1");
    assert_eq!(in_bash(&sandbox, "cloudctl terminate "), "db-1 web-1 web-2");
    assert_eq!(in_bash(&sandbox, "cloudctl describe -p mo"), "mock");
    assert_eq!(in_bash(&sandbox, "cloudctl descr"), "describe");
    assert!(in_bash(&sandbox, "cloudctl ssh --").contains("--via"));
    std::fs::remove_file(cache(&sandbox)).expect("the file");
    assert_eq!(in_bash(&sandbox, "cloudctl ssh we"), "");
}

/// Whether a shell is installed; says so if it is not.
fn has_shell(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok();
    if !found {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "not tested: {shell} is not installed");
    }
    found
}

#[test]
fn fish_completes_names() {
    if !has_shell("fish") {
        return;
    }
    let sandbox = listed();
    let complete = |line: &str| {
        let script = format!("cloudctl completion fish | source; complete -C '{line}'");
        in_shell(&sandbox, "fish", &["--no-config", "-c", &script])
    };
    assert_eq!(complete("cloudctl ssh we"), "web-1\nweb-2");
    assert_eq!(complete("cloudctl -p mock stop d"), "db-1");
    assert!(complete("cloudctl descr").starts_with("describe"));
}

#[test]
fn script_of_zsh_completes_names() {
    let sandbox = listed();
    let script = sandbox.run("completion zsh").expect(0).stdout;
    for command in ["describe", "label", "ssh", "terminate"] {
        assert!(script.contains(&format!(":_cloudctl_vms {command}'")), "{command}");
    }
    assert!(!script.contains("_hosts"));
    if !has_shell("zsh") {
        return;
    }
    let file = sandbox.write("_cloudctl", &script);
    in_shell(&sandbox, "zsh", &["-f", "-n", &file]);
    // What completion would add to the list of the shell.
    let script = format!(
        "compadd() {{ print -r -- ${{(P)@[-1]}} }}; compdef() {{ }}; source {file} >/dev/null; PREFIX=we; _cloudctl_vms -J x ssh"
    );
    assert_eq!(in_shell(&sandbox, "zsh", &["-f", "-c", &script]), "web-1 web-2");
}

//! The session of the README, recorded on terminals as an asciicast: `target/tmp/readme-80.cast` and `readme-120.cast`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::layout::without_colours;
use super::{run_command_on_terminal, shown};
use crate::support::sandbox::Sandbox;

/// The commands of the README's first session.
fn commands_of_the_readme() -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let session = readme
        .split("```console\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines = session.unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
        .collect()
}

/// A shell that shows each command before it runs it.
fn shell(sandbox: &Sandbox, commands: &[String]) -> Command {
    let quoted = |command: &String| format!("'{}'", command.replace('\'', "'\\''"));
    let list: Vec<String> = commands.iter().map(quoted).collect();
    let script = format!(
        "for command in {}; do printf '$ %s\\n' \"$command\"; eval \"$command\"; echo; done",
        list.join(" ")
    );
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).env_clear().envs(sandbox.variables());
    let binaries = Path::new(env!("CARGO_BIN_EXE_cloudctl")).parent().expect("its folder");
    let path = sandbox.variables().get("PATH").cloned().unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", binaries.display()));
    shell
}

/// The header of a recording, and all that it shows.
fn played(recording: &Path) -> (Value, String) {
    let text = fs::read_to_string(recording).expect("the recording");
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let header = lines.next().expect("a header");
    let mut shown = String::new();
    let mut last = 0.0;
    for event in lines {
        let time = event[0].as_f64().expect("a time");
        assert!(time >= last && event[1] == "o", "{event}");
        last = time;
        shown.push_str(event[2].as_str().expect("what is shown"));
    }
    (header, shown)
}

#[test]
fn session_of_the_readme_fits_80_and_120_columns() {
    let commands = commands_of_the_readme();
    assert!(commands.len() >= 5, "{commands:?}");
    for columns in [80_u16, 120] {
        let sandbox = Sandbox::new();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("readme-{columns}.cast"));
        let recording = json!(path.to_string_lossy());
        let interaction = [
            ("answer", json!("")),
            ("meanwhile", json!(":")),
            ("recording", recording),
        ];
        run_command_on_terminal(&sandbox, columns, &shell(&sandbox, &commands), &interaction).expect(0);

        let (header, written) = played(&path);
        assert_eq!((&header["version"], &header["width"]), (&json!(2), &json!(columns)));
        let text = without_colours(&shown(&written));
        for command in &commands {
            assert!(
                text.contains(&format!("$ {command}\n")),
                "{command} is missing:\n{text}"
            );
        }
        // The same VM is made, found and terminated.
        let ids: Vec<&str> = text.split_whitespace().filter(|word| word.starts_with("m-")).collect();
        assert!(ids.len() >= 2 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let width = |line: &&str| line.chars().count() > usize::from(columns);
        // The shell's own line is as long as its command.
        let too_wide: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('$'))
            .filter(width)
            .collect();
        assert!(too_wide.is_empty(), "wider than {columns}: {too_wide:#?}");
    }
}

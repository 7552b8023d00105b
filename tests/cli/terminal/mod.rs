//! On a real terminal: questions, widths, colours and progress.

mod layout;
mod progress;
mod questions;
mod recording;
mod waits;
mod watch;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::sandbox::{Run, Sandbox};

/// What is left to be read on a terminal, where a carriage return goes back to the line's beginning.
fn shown(printed: &str) -> String {
    let lines = printed.replace("\r\n", "\n");
    let lines = lines.split('\n').map(|line| {
        let written = line.split('\r').map(|part| part.chars().collect::<Vec<char>>());
        let line = written.fold(Vec::new(), |mut line, part| {
            line.splice(..part.len().min(line.len()), part);
            line
        });
        String::from_iter(line).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs the binary on a terminal of so many columns, where a question gets `answer`. Both streams are in `stdout`,
/// as they are on a terminal.
fn on_terminal(sandbox: &Sandbox, columns: u16, answer: &str, arguments: &[&str]) -> Run {
    on_terminal_while(sandbox, columns, answer, arguments, ":")
}

/// The same, where a shell does something between the question and the answer; `$CLOUDCTL` is the binary there.
fn on_terminal_while(sandbox: &Sandbox, columns: u16, answer: &str, arguments: &[&str], meanwhile: &str) -> Run {
    let run = written_to_terminal(sandbox, columns, answer, arguments, meanwhile);
    Run {
        stdout: shown(&run.stdout),
        ..run
    }
}

/// What happens on a terminal as soon as a text is shown that was not there before the last step.
struct Step<'a> {
    until: &'a str,
    /// What a shell does; `$CLOUDCTL` is the binary there.
    run: &'a str,
    /// The keys that are typed.
    keys: &'a str,
}

/// All that was written to the terminal while these steps were taken.
fn written_in_steps(sandbox: &Sandbox, columns: u16, arguments: &[&str], steps: &[Step<'_>]) -> Run {
    let to_json = |step: &Step<'_>| json!({"until": step.until, "run": step.run, "type": step.keys});
    let steps = steps.iter().map(to_json).collect();
    run_on_terminal(
        sandbox,
        columns,
        arguments,
        &[("answer", json!("")), ("meanwhile", json!(":")), ("steps", steps)],
    )
}

/// All that was written to the terminal, also what other things took the place of.
fn written_to_terminal(sandbox: &Sandbox, columns: u16, answer: &str, arguments: &[&str], meanwhile: &str) -> Run {
    let description = [("answer", json!(answer)), ("meanwhile", json!(meanwhile))];
    run_on_terminal(sandbox, columns, arguments, &description)
}

fn run_on_terminal(sandbox: &Sandbox, columns: u16, arguments: &[&str], interaction: &[(&str, Value)]) -> Run {
    run_command_on_terminal(sandbox, columns, &sandbox.command(arguments), interaction)
}

/// Runs any command on a terminal; `interaction` is what `pty.py` takes.
fn run_command_on_terminal(sandbox: &Sandbox, columns: u16, command: &Command, interaction: &[(&str, Value)]) -> Run {
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    let variables = command.get_envs().filter_map(|(name, value)| {
        let (name, value) = (name.to_string_lossy(), value?.to_string_lossy());
        Some((name.into_owned(), json!(value)))
    });
    let mut environment: serde_json::Map<_, _> = variables.collect();
    environment.entry("TERM").or_insert(json!("xterm-256color"));
    let mut description = json!({
        "command": std::iter::once(program).chain(arguments).collect::<Vec<_>>(),
        "environment": environment,
        "folder": sandbox.folder(),
        "columns": columns,
    });
    for (key, value) in interaction {
        description[*key] = value.clone();
    }
    let mut python = Command::new("python3")
        .args(["-c", include_str!("pty.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = python.stdin.take().expect("its input");
    input.write_all(description.to_string().as_bytes()).expect("it reads");
    drop(input);
    let output = python.wait_with_output().expect("python3 ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("Traceback"), "{errors}");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: errors,
    }
}

//! Mistakes: each gets one error line that names the input, one hint, its exit code, and changes nothing.

mod clouds;
mod config;
mod create;
mod files;
mod output;
mod selection;

use serde_json::Value;

use crate::mock_file;
use crate::support::sandbox::{Run, Sandbox};

/// The exit code, what the error line must have in it, and the command line.
type Case<'a> = (i32, &'a str, &'a str);

/// Runs every case, for people and as JSON, and fails with all that is wrong.
#[track_caller]
fn check(sandbox: &Sandbox, cases: &[Case]) {
    let before = mock_file(sandbox);
    let mut wrong = Vec::new();
    for (code, named, arguments) in cases {
        let mut examine = |arguments: &str, is_json: bool| {
            let run = sandbox.run(arguments);
            let mut faults = faults_of(&run, *code, named, is_json);
            if mock_file(sandbox) != before {
                faults.push("the mock cloud was changed".to_owned());
            }
            if !faults.is_empty() {
                wrong.push(format!("{arguments}: {}\n{run:#?}", faults.join("; ")));
            }
        };
        examine(arguments, false);
        if !arguments.contains(" -o ") {
            examine(&format!("{arguments} -o json"), true);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn faults_of(run: &Run, code: i32, named: &str, is_json: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut hold = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    hold(run.code == code, &format!("exit code {}, not {code}", run.code));
    hold(!run.stderr.contains("panicked"), "a panic");
    let lines = |prefix: &str| -> Vec<String> {
        let lines = run.stderr.lines().filter(|line| line.starts_with(prefix));
        lines.map(str::to_owned).collect()
    };
    let (errors, hints) = (lines("error: "), lines("hint: "));
    hold(errors.len() == 1, "not one error line");
    hold(hints.len() == 1, "not one hint");
    hold(
        errors.iter().all(|line| line.contains(named)),
        &format!("{named:?} is not named"),
    );
    if is_json {
        let envelope: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        let error = &envelope["errors"][0];
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        hold(envelope["schema"] == "cloudctl/v1", "no envelope");
        hold(envelope["items"] == serde_json::json!([]), "items in the envelope");
        hold(error["kind"].is_string(), "no kind in the envelope");
        // The line on the terminal is escaped, and has the place before it where the message does not name it.
        let shown = errors.iter().any(|line| line.contains(&text("message")));
        hold(shown, "another message in the envelope");
        hold(
            hints == [format!("hint: {}", text("hint"))],
            "another hint in the envelope",
        );
    } else {
        hold(run.stdout.is_empty(), "something on stdout");
    }
    faults
}

/// A mock cloud with a VM `web-1`, and two that are called `twin`.
fn with_vms() -> Sandbox {
    let sandbox = Sandbox::new();
    crate::create(&sandbox, &["web-1"]);
    crate::create(&sandbox, &["twin", "-r", "us-east-1"]);
    crate::create(&sandbox, &["twin", "-r", "eu-west-1"]);
    sandbox
}

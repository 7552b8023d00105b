//! Runs a scenario: the real binary in an empty home folder, with no variable but those that are set here.

use crate::additions;
use crate::command_line::split_words;
use crate::contract_parts;
use crate::emulated_clouds::RunningCloud;
use crate::normalize::Normalizer;
use crate::recorded_scenarios::{Action, Scenario, marked};
use crate::sandbox::Sandbox;

/// Where the mock cloud keeps its state, below the sandbox's folder.
pub const MOCK_FILE: &str = "home/.local/state/cloudctl/mock.json";

/// What came of a step.
#[derive(Default)]
pub struct StepResult {
    /// What is compared, line by line, with its marks.
    pub printed: Vec<String>,
    /// The texts that were taken out of it because they may be reworded.
    pub wording: Vec<String>,
}

/// An empty home folder, where VMs of the mock cloud run at once, so that no step sees one on its way.
pub fn new_sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox
        .set("PATH", "/usr/bin:/bin")
        .set("USER", "somebody")
        // A run without credentials must not find those of the machine that the tests run on.
        .set("NO_GCE_CHECK", "true")
        .start_mock_vms_at_once();
    sandbox
}

/// Starts an emulator and points the binary at it.
pub fn start_cloud(sandbox: &mut Sandbox, word: &str) -> RunningCloud {
    let cloud = RunningCloud::start(word);
    sandbox.set_all(cloud.variables());
    cloud
}

/// A file below the sandbox's folder; `None` if it is not there.
pub fn read_file(sandbox: &Sandbox, name: &str) -> Option<String> {
    std::fs::read_to_string(sandbox.folder().join(name)).ok()
}

pub fn run_scenario(scenario: &Scenario) -> Vec<StepResult> {
    let mut sandbox = new_sandbox();
    let mut clouds = Vec::new();
    let mut normalizer = Normalizer::new(&sandbox.folder().to_string_lossy());
    let asked = scenario.text();
    let mut results = Vec::new();
    for step in &scenario.steps {
        let mut result = StepResult::default();
        match &step.action {
            Action::Cloud(word) => clouds.push(start_cloud(&mut sandbox, word)),
            Action::Set(name, Some(value)) => {
                sandbox.set(name, &normalizer.to_real(value));
            }
            Action::Set(name, None) => {
                sandbox.unset(name);
            }
            Action::File(path, content) => {
                sandbox.write(path, &normalizer.to_real(content));
            }
            Action::Pause(milliseconds) => std::thread::sleep(std::time::Duration::from_millis(*milliseconds)),
            Action::Show(path) => match read_file(&sandbox, path) {
                Some(text) => put_text(&mut result.printed, &normalizer.normalize(&text)),
                None => result.printed.push("= no such file".to_owned()),
            },
            Action::Run {
                arguments,
                input,
                is_sorted,
            } => {
                let arguments = split_words(&normalizer.to_real(arguments));
                let output = sandbox.run_with_input(&arguments, input);
                normalizer.learn_names(read_file(&sandbox, MOCK_FILE).as_deref(), &asked);
                let stdout = normalizer.normalize(&additions::remove_added_texts(&output.stdout));
                let stderr = normalizer.normalize(&output.stderr);
                let (stdout, mut wording) = contract_parts::of_stdout(&arguments, &stdout);
                let (kinds, messages) = contract_parts::of_stderr(&stderr);
                wording.extend(messages);
                result.printed.push(format!("= {}", output.code));
                let before = result.printed.len();
                put_text(&mut result.printed, &stdout);
                if *is_sorted {
                    result.printed[before..].sort();
                }
                result.printed.extend(kinds.iter().map(|kind| marked("!", kind)));
                result.wording = wording;
            }
        }
        results.push(result);
    }
    results
}

fn put_text(lines: &mut Vec<String>, text: &str) {
    lines.extend(text.lines().map(|line| marked(">", line)));
    if !text.is_empty() && !text.ends_with('\n') {
        lines.push("\\ no newline at the end".to_owned());
    }
}

#[test]
fn words_are_split_as_in_a_shell() {
    assert_eq!(split_words("a  'b c' d=\"e f\" ''"), ["a", "b c", "d=e f", ""]);
}

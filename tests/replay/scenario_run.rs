//! Runs a scenario: the real binary in an empty home folder, with no variable but those that are set here.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::contract_parts;
use crate::emulated_clouds::{ROOTS, RunningCloud};
use crate::normalize::Normalizer;
use crate::recorded_scenarios::{Action, Scenario, marked};

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

/// A folder and variables of its own for the binary.
pub struct Sandbox {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// What a run of the binary came to.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a home folder");
        let mut sandbox = Self {
            folder,
            variables: BTreeMap::new(),
        };
        for (name, value) in [
            ("HOME", home.to_string_lossy().as_ref()),
            ("PATH", "/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("USER", "somebody"),
            // VMs of the mock cloud run at once, so that no step sees one on its way.
            ("CLOUDCTL_MOCK", "slow-boot=0s"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_MAX_ATTEMPTS", "3"),
            // A run without credentials must not find those of the machine that the tests run on.
            ("NO_GCE_CHECK", "true"),
        ] {
            sandbox.set(name, value);
        }
        // No scenario speaks TLS, and a debug build takes long to read all of a machine's roots for each client.
        let folder = sandbox.path("no-roots");
        std::fs::create_dir(&folder).expect("a folder");
        sandbox.write("roots.pem", ROOTS);
        sandbox.set("SSL_CERT_FILE", &sandbox.path("roots.pem"));
        sandbox.set("SSL_CERT_DIR", &folder);
        sandbox
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Starts an emulator and points the binary at it.
    pub fn start(&mut self, word: &str) -> RunningCloud {
        let cloud = RunningCloud::start(word);
        for (name, value) in cloud.variables() {
            self.set(name, &value);
        }
        cloud
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> String {
        self.folder().join(name).to_string_lossy().into_owned()
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(path, content).expect("a file in the sandbox");
    }

    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder().join(name)).ok()
    }

    pub fn run(&self, arguments: &[String], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloudctl"))
            .args(arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // A run that does not read its input closes the pipe.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("the binary ends");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub fn run_scenario(scenario: &Scenario) -> Vec<StepResult> {
    let mut sandbox = Sandbox::new();
    let mut clouds = Vec::new();
    let mut normalizer = Normalizer::new(&sandbox.folder().to_string_lossy());
    let asked = scenario.text();
    let mut results = Vec::new();
    for step in &scenario.steps {
        let mut result = StepResult::default();
        match &step.action {
            Action::Cloud(word) => clouds.push(sandbox.start(word)),
            Action::Set(name, Some(value)) => sandbox.set(name, &normalizer.to_real(value)),
            Action::Set(name, None) => sandbox.unset(name),
            Action::File(path, content) => sandbox.write(path, &normalizer.to_real(content)),
            Action::Pause(milliseconds) => std::thread::sleep(std::time::Duration::from_millis(*milliseconds)),
            Action::Show(path) => match sandbox.read(path) {
                Some(text) => put_text(&mut result.printed, &normalizer.normalize(&text)),
                None => result.printed.push("= no such file".to_owned()),
            },
            Action::Run {
                arguments,
                input,
                is_sorted,
            } => {
                let arguments = split_words(&normalizer.to_real(arguments));
                let output = sandbox.run(&arguments, input);
                normalizer.learn_names(sandbox.read(MOCK_FILE).as_deref(), &asked);
                let stdout = normalizer.normalize(&output.stdout);
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

/// Splits a command line as a shell does: by spaces, but not within quotes.
pub fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    assert!(quote.is_none(), "a quote is open in {line}");
    words.extend(word);
    words
}

#[test]
fn words_are_split_as_in_a_shell() {
    assert_eq!(split_words("a  'b c' d=\"e f\" ''"), ["a", "b c", "d=e f", ""]);
}

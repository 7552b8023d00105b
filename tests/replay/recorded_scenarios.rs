//! The format of the corpus. A file has scenarios; a scenario has steps, all in one folder and on one state.
//!
//! ```text
//! scenario NAME
//! # a comment
//! cloud ec2               start an emulator (ec2, gce or prices) and point the binary at it
//! set NAME=VALUE          a variable for the steps after it; without a value the variable is removed
//! file PATH               write a file below the scenario's folder; its content is the lines after it
//! | a line of the file
//! pause 1200              wait so many milliseconds
//! $ list -p mock          run the binary with these arguments, quoted as in a shell
//! $sorted list -p mock    the same, with the lines of its output sorted: VMs may come in the order of their random ids
//! < a line of its standard input
//! = 0                     recorded: the exit code
//! > a line of its standard output
//! ! error                 recorded: the kind of a line on stderr
//! show PATH               print a file below the scenario's folder; what follows is recorded
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::scenario_run::StepResult;

pub struct Scenario {
    pub name: String,
    pub steps: Vec<Step>,
    /// The lines before each step and after the last, as they were written, to write them again.
    notes: Vec<Vec<String>>,
}

pub struct Step {
    /// The line of the corpus file that this step begins in.
    pub line: usize,
    pub action: Action,
    /// The lines that were recorded, with their marks.
    pub expected: Vec<String>,
}

pub enum Action {
    Cloud(String),
    Set(String, Option<String>),
    File(String, String),
    Pause(u64),
    Run {
        arguments: String,
        input: String,
        is_sorted: bool,
    },
    Show(String),
}

impl Scenario {
    /// All that is asked for in it.
    pub fn text(&self) -> String {
        let parts = self.steps.iter().map(|step| match &step.action {
            Action::File(_, content) => content.clone(),
            Action::Run { arguments, input, .. } => format!("{arguments}\n{input}"),
            _ => String::new(),
        });
        parts.collect::<Vec<_>>().join("\n")
    }
}

impl Step {
    pub fn title(&self) -> String {
        match &self.action {
            Action::Cloud(name) => format!("cloud {name}"),
            Action::Set(name, value) => format!("set {name}={}", value.as_deref().unwrap_or_default()),
            Action::File(path, _) => format!("file {path}"),
            Action::Pause(milliseconds) => format!("pause {milliseconds}"),
            Action::Run {
                arguments, is_sorted, ..
            } => marked(if *is_sorted { "$sorted" } else { "$" }, arguments),
            Action::Show(path) => format!("show {path}"),
        }
    }

    fn is_recorded(&self) -> bool {
        matches!(self.action, Action::Run { .. } | Action::Show(_))
    }
}

/// Reads a file of the corpus.
pub fn parse(file: &str, text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut notes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = || panic!("{file}:{}: cannot read `{line}`", index + 1);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word.is_empty() || word == "#" {
            notes.push(line.to_owned());
            continue;
        }
        if word == "scenario" {
            scenarios.push(Scenario {
                name: rest.to_owned(),
                steps: Vec::new(),
                notes: vec![std::mem::take(&mut notes)],
            });
            continue;
        }
        let Some(scenario) = scenarios.last_mut() else { wrong() };
        let action = match word {
            "cloud" => Action::Cloud(rest.to_owned()),
            "set" => match rest.split_once('=') {
                Some((name, value)) => Action::Set(name.to_owned(), Some(value.to_owned())),
                None => Action::Set(rest.to_owned(), None),
            },
            "file" => Action::File(rest.to_owned(), String::new()),
            "pause" => Action::Pause(rest.parse().expect("milliseconds")),
            "$" | "$sorted" => Action::Run {
                arguments: rest.to_owned(),
                input: String::new(),
                is_sorted: word == "$sorted",
            },
            "show" => Action::Show(rest.to_owned()),
            _ => {
                let Some(step) = scenario.steps.last_mut() else { wrong() };
                match (word, &mut step.action) {
                    ("|", Action::File(_, content)) | ("<", Action::Run { input: content, .. }) => {
                        content.push_str(rest);
                        content.push('\n');
                    }
                    ("=" | ">" | "!" | "\\", Action::Run { .. } | Action::Show(_)) => {
                        step.expected.push(line.to_owned())
                    }
                    _ => wrong(),
                }
                continue;
            }
        };
        scenario.notes.push(std::mem::take(&mut notes));
        scenario.steps.push(Step {
            line: index + 1,
            action,
            expected: Vec::new(),
        });
    }
    check_names(file, &scenarios);
    scenarios
}

/// The wording is kept by the names of scenarios, so each may be there only once in a file.
fn check_names(file: &str, scenarios: &[Scenario]) {
    let mut names = std::collections::BTreeSet::new();
    for scenario in scenarios {
        assert!(
            names.insert(&scenario.name),
            "{file}: two scenarios `{}`",
            scenario.name
        );
    }
}

/// Writes a file of the corpus: what was asked for stays as it is, and what came of it is new.
pub fn write(scenarios: &[(&Scenario, &[StepResult])]) -> String {
    let mut text = String::new();
    let mut put = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    for (index, (scenario, results)) in scenarios.iter().enumerate() {
        let mut notes = scenario.notes.iter();
        let before = notes.next().map(Vec::as_slice).unwrap_or_default();
        if index > 0 && before.is_empty() {
            put("");
        }
        before.iter().for_each(|note| put(note));
        put(&format!("scenario {}", scenario.name));
        for ((step, result), before) in scenario.steps.iter().zip(*results).zip(notes) {
            before.iter().for_each(|note| put(note));
            match &step.action {
                Action::Set(name, None) => put(&format!("set {name}")),
                _ => put(&step.title()),
            }
            match &step.action {
                Action::File(_, content) => content.lines().for_each(|line| put(&marked("|", line))),
                Action::Run { input, .. } => input.lines().for_each(|line| put(&marked("<", line))),
                _ => {}
            }
            result.printed.iter().for_each(|line| put(line));
        }
    }
    text
}

/// A line with its mark before it.
pub fn marked(mark: &str, line: &str) -> String {
    match line.is_empty() {
        true => mark.to_owned(),
        false => format!("{mark} {line}"),
    }
}

/// Writes the texts that may be reworded, by scenario and step.
pub fn write_wording(scenarios: &[(&Scenario, &[StepResult])]) -> String {
    let mut text = String::new();
    for (scenario, results) in scenarios {
        for (index, (step, result)) in scenario.steps.iter().zip(*results).enumerate() {
            if step.is_recorded() && !result.wording.is_empty() {
                let _ = writeln!(text, "scenario {}\nstep {} {}", scenario.name, index + 1, step.title());
                for line in &result.wording {
                    let _ = writeln!(text, "{}", marked("~", line));
                }
            }
        }
    }
    text
}

/// Reads what [`write_wording`] wrote: the texts by scenario and number of the step.
pub fn parse_wording(text: &str) -> BTreeMap<(String, usize), Vec<String>> {
    let mut all = BTreeMap::new();
    let (mut name, mut step) = (String::new(), 0);
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "scenario" => name = rest.to_owned(),
            "step" => {
                let number = rest.split_once(' ').map_or(rest, |(number, _)| number);
                step = number.parse().expect("the number of a step");
            }
            _ => all
                .entry((name.clone(), step))
                .or_insert_with(Vec::new)
                .push(rest.to_owned()),
        }
    }
    all
}

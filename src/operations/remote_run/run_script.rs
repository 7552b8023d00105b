//! The script that starts a command in an instance once, and sends what it writes.

use std::time::Duration;

use crate::cloud::{Secret, always_quote_for_shell, quote_for_shell};

/// The script, with names in two braces for what differs.
const TEMPLATE: &str = include_str!("run_script.sh");

/// A file or folder that was copied to the instance before the start, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StagedFile {
    /// Its path in the folder of staged files.
    pub(super) path: String,
    /// Where it belongs in the instance, relative to the home folder.
    pub(super) target: String,
}

/// What one run of the script does.
pub(super) struct RunScript<'a> {
    pub(super) run_id: &'a str,
    /// Begins the line after which the output of the script is read. What the user's shell prints comes before it.
    pub(super) mark: &'a str,
    /// The folder of staged files in that of all runs.
    pub(super) staging_folder: &'a str,
    pub(super) staged_files: &'a [StagedFile],
    /// The words of the command; one word is a line for `sh`.
    pub(super) command: &'a [String],
    pub(super) environment: &'a [(String, Secret<String>)],
    /// In whole seconds.
    pub(super) time_limit: Duration,
    /// Whether to start the command if it has not started.
    pub(super) may_start: bool,
    /// Whether to forget a run that has ended.
    pub(super) starts_again: bool,
    /// How many bytes of standard output and of standard error are known.
    pub(super) offsets: (u64, u64),
}

impl RunScript<'_> {
    /// The text of the script. It has the values of the environment: it goes to the instance's shell by standard input,
    /// and nowhere else.
    pub(super) fn text(&self) -> Secret<String> {
        let flag = |is_set: bool| if is_set { "1" } else { "" }.to_owned();
        let command: Vec<String> = match self.command {
            [line] => vec!["/bin/sh".to_owned(), "-c".to_owned(), always_quote_for_shell(line)],
            words => words.iter().map(|word| always_quote_for_shell(word)).collect(),
        };
        let exports = self.environment.iter();
        let exports =
            exports.map(|(name, value)| format!("    export {name}={}", always_quote_for_shell(value.expose())));
        let place = |file: &StagedFile| {
            format!(
                "  place \"$staged/\"{} {} || return 1",
                always_quote_for_shell(&file.path),
                always_quote_for_shell(&file.target)
            )
        };
        let values = [
            ("RUN_ID", self.run_id.to_owned()),
            ("STAGED", self.staging_folder.to_owned()),
            ("MARK", self.mark.to_owned()),
            ("OUTPUT_OFFSET", self.offsets.0.to_string()),
            ("ERRORS_OFFSET", self.offsets.1.to_string()),
            ("PLACE_ALL", join_lines(self.staged_files.iter().map(place))),
            ("TIME_LIMIT", self.time_limit.as_secs().to_string()),
            ("EXPORTS", join_lines(exports)),
            ("COMMAND", command.join(" ")),
            ("AGAIN", flag(self.starts_again)),
            ("MAY_START", flag(self.may_start)),
        ];
        Secret::new(fill_in(TEMPLATE, &values))
    }
}

fn join_lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// Puts each value in the place of its name in braces. What is in a value stays as it is.
fn fill_in(template: &str, values: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, end)) = after.split_once("}}") else {
            break;
        };
        text.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name);
        text.push_str(value.map_or("", |(_, value)| value));
        rest = end;
    }
    text + rest
}

/// A command for the shell of the login user that makes a new folder for staged files, and keeps its input if it has one.
/// The last word that it writes is the number of bytes that it kept.
pub(super) fn staging_command(staging_folder: &str, keeps_input: bool) -> String {
    let mut script = format!(
        "umask 077; staged=\"$HOME/.cloudctl/runs/{staging_folder}\"; rm -rf \"$staged\"; mkdir -p \"$staged\" &&"
    );
    script.push_str(match keeps_input {
        true => " cat >\"$staged/input\" && echo && wc -c <\"$staged/input\"",
        false => " echo && echo 0",
    });
    format!("exec /bin/sh -c {}", quote_for_shell(&script))
}

/// A command that sends a signal to the command of a run, as soon as it has started.
pub(super) fn interrupt_command(run_id: &str) -> String {
    let script = format!(
        "i=0; file=\"$HOME/.cloudctl/runs/{run_id}/process\"; \
         while [ ! -s \"$file\" ] && [ $i -lt 10 ]; do i=$((i + 1)); sleep 1; done; \
         kill -s INT -- \"-$(cat \"$file\")\""
    );
    format!("exec /bin/sh -c {}", quote_for_shell(&script))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    fn script<'a>(command: &'a [String], environment: &'a [(String, Secret<String>)]) -> RunScript<'a> {
        RunScript {
            run_id: "r1",
            mark: "mark",
            staging_folder: "r1.staged",
            staged_files: &[],
            command,
            environment,
            time_limit: Duration::from_secs(60),
            may_start: true,
            starts_again: false,
            offsets: (0, 0),
        }
    }

    /// Runs a script as a VM's shell would, and gives its output after the mark.
    fn run(script: &RunScript<'_>, home: &Path) -> String {
        let mut shell = Command::new("/bin/sh");
        shell.env("HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let text = script.text();
        shell.stdin.take().unwrap().write_all(text.expose().as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        output.split_once("\nmark ").map(|(_, rest)| rest.to_owned()).unwrap()
    }

    /// The frames without the times.
    fn without_times(output: &str) -> String {
        let (frames, end) = output.rsplit_once("X ").unwrap();
        format!("{frames}X {}", end.split_whitespace().next().unwrap())
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn command_runs_once_with_its_words_and_its_environment() {
        let home = tempfile::tempdir().unwrap();
        let command = words(&[
            "sh",
            "-c",
            "echo \"$0 $K\"; echo x >> count; exit 3",
            "it's {{MARK}} $HOME",
        ]);
        let variable = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
        // Also names that the script itself uses.
        let environment = [
            variable("K", "a'b {{RUN_ID}}"),
            variable("run", "/"),
            variable("setsid", "false"),
            variable("input", "/nowhere"),
        ];
        let script = script(&command, &environment);
        let expected = "O 35\nit's {{MARK}} $HOME a'b {{RUN_ID}}\nX 3";
        assert_eq!(
            without_times(&run(&script, home.path())),
            format!("started\n{expected}")
        );
        assert_eq!(without_times(&run(&script, home.path())), format!("found\n{expected}"));
        assert_eq!(std::fs::read_to_string(home.path().join("count")).unwrap(), "x\n");
    }

    #[test]
    fn one_word_is_a_line_and_the_rest_comes_by_offset() {
        let home = tempfile::tempdir().unwrap();
        let command = words(&["echo one two; echo three >/dev/stdout; kill -9 $$"]);
        let mut script = script(&command, &[]);
        assert_eq!(
            without_times(&run(&script, home.path())),
            "started\nO 14\none two\nthree\nX 137"
        );
        script.offsets = (8, 0);
        assert_eq!(without_times(&run(&script, home.path())), "found\nO 6\nthree\nX 137");
    }

    #[test]
    fn half_a_script_runs_nothing() {
        let home = tempfile::tempdir().unwrap();
        let command = words(&["touch ran"]);
        let text = script(&command, &[]).text();
        let text = text.expose();
        for length in [text.len() / 2, text.len() - "cloudctl_run\n".len() - 3] {
            let mut shell = Command::new("/bin/sh");
            shell
                .env("HOME", home.path())
                .stdin(Stdio::piped())
                .stderr(Stdio::null());
            let mut shell = shell.spawn().unwrap();
            shell
                .stdin
                .take()
                .unwrap()
                .write_all(&text.as_bytes()[..length])
                .unwrap();
            shell.wait().unwrap();
            assert!(!home.path().join("ran").exists() && !home.path().join(".cloudctl").exists());
        }
    }

    #[test]
    fn time_limit_ends_the_command_and_its_children() {
        let home = tempfile::tempdir().unwrap();
        let command = words(&["sleep 30 & sleep 30"]);
        let mut script = script(&command, &[]);
        script.time_limit = Duration::from_secs(1);
        assert_eq!(without_times(&run(&script, home.path())), "started\nX 124");
    }

    #[test]
    fn absent_run_is_told_and_staged_files_are_placed() {
        let home = tempfile::tempdir().unwrap();
        let command = words(&["cat", "in put", "to/it's", "x/in put"]);
        let staged = home.path().join(".cloudctl/runs/r1.staged");
        std::fs::create_dir_all(&staged).unwrap();
        for index in ["0", "1", "2"] {
            std::fs::write(staged.join(index), format!("{index}\n")).unwrap();
        }
        let file = |index: &str, target: &str| StagedFile {
            path: index.to_owned(),
            target: target.to_owned(),
        };
        let files = [file("0", "in put"), file("1", "to/it's"), file("2", "~/x/in put")];
        let mut script = script(&command, &[]);
        script.may_start = false;
        assert_eq!(run(&script, home.path()), "absent\n");
        (script.may_start, script.staged_files) = (true, &files);
        assert_eq!(without_times(&run(&script, home.path())), "started\nO 6\n0\n1\n2\nX 0");
    }
}

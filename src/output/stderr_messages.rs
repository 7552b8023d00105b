//! The messages of the printer on stderr: errors, warnings, notes, steps, progress and questions.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::hints::hint_for;
use super::printer::Printer;
use super::terminal_text::escape;
use crate::cloud::{CloudInfos, Error, Leftover, Subject};

impl Printer {
    /// Prints help that the user did not request, on stderr.
    pub fn print_usage_help(&mut self, text: &str) {
        self.print_line(text.trim_end());
    }

    /// Prints an error.
    pub fn report_error(&mut self, error: &Error) {
        self.print_error_lines(format_error(error, self.infos));
    }

    /// Prints errors. If errors in a row have the same hint, only the last one shows it.
    pub(super) fn report_errors(&mut self, errors: &[Error]) {
        let infos = self.infos;
        let mut texts = errors.iter().map(|error| format_error(error, infos)).peekable();
        while let Some(mut lines) = texts.next() {
            if texts.peek().is_some_and(|next| next.last() == lines.last()) {
                lines.pop();
            }
            self.print_error_lines(lines);
        }
    }

    fn print_error_lines(&mut self, lines: Vec<String>) {
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        self.print_prefixed("error:", AnsiColor::Red, &first);
        for line in lines {
            match line.strip_prefix("hint: ") {
                Some(hint) => self.print_prefixed("hint:", AnsiColor::Cyan, hint),
                None => self.print_line(&line),
            }
        }
    }

    /// Prints a warning.
    pub fn warn(&mut self, text: &str) {
        self.print_prefixed("warning:", AnsiColor::Yellow, &escape(text));
    }

    /// Prints a note, unless only keys are requested.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            self.print_line(&escape(text));
        }
    }

    /// Prints a line that a command in a VM wrote to its standard error.
    pub fn print_error_line(&mut self, text: &str) {
        self.print_line(&escape(text));
    }

    /// Prints a step that is done, only on a terminal: `✓ running   14s`.
    pub fn report_step(&mut self, word: &str, detail: &str) {
        if self.shows_progress() {
            self.print_prefixed("✓", AnsiColor::Green, &format!("{word:<9} {}", escape(detail)));
        }
    }

    /// Prints a note that belongs to the steps, only on a terminal.
    pub fn note_on_terminal(&mut self, text: &str) {
        if self.shows_progress() {
            self.print_line(&escape(text));
        }
    }

    /// Prints a note of little weight, only on a terminal.
    pub(super) fn note_dimly(&mut self, text: &str) {
        let style = match self.terminal.colour_errors {
            true => Style::new().dimmed(),
            false => Style::new(),
        };
        if self.shows_progress() && !self.quiet {
            self.print_line(&format!("{style}{}{style:#}", escape(text)));
        }
    }

    /// Shows progress until something else is printed, only on a terminal that can overwrite a line.
    pub fn show_progress(&mut self, text: &str) {
        if self.shows_progress() && self.terminal.redraws {
            let columns = self.terminal.width.unwrap_or(80);
            let text = escape(text);
            self.progress
                .show(&mut *self.streams.stderr, &self.redactor.redact(&text), columns);
        }
    }

    /// Clears the progress line, so that other code can write to the terminal.
    pub fn end_progress(&mut self) {
        self.progress.clear(&mut *self.streams.stderr);
    }

    /// Prints a question, without a line break after it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn ask(&mut self, text: &str) -> io::Result<()> {
        write!(self.streams.stderr, "{} ", self.redactor.redact(&escape(text)))?;
        self.streams.stderr.flush()
    }

    fn print_prefixed(&mut self, prefix: &str, colour: AnsiColor, text: &str) {
        if self.terminal.colour_errors {
            let style = Style::new().bold().fg_color(Some(colour.into()));
            self.print_line(&format!("{style}{prefix}{style:#} {text}"));
        } else {
            self.print_line(&format!("{prefix} {text}"));
        }
    }

    fn print_line(&mut self, text: &str) {
        self.end_progress();
        // A closed stderr must not stop the run.
        let _ = writeln!(self.streams.stderr, "{}", self.redactor.redact(text));
        let _ = self.streams.stderr.flush();
    }
}

/// Formats an error as lines without colours: the message, the cloud's own code and request id, the leftovers, and the hint.
/// The message has no prefix.
pub fn format_error(error: &Error, infos: Option<CloudInfos>) -> Vec<String> {
    let mut lines = vec![match error.location() {
        Some(location) => format!("{}: {}", escape(&location.to_string()), escape(error.message())),
        None => escape(error.message()),
    }];
    if let Some(code) = error.code() {
        lines.push(match error.request_id() {
            Some(id) => format!("  {} (request {})", escape(code), escape(id)),
            None => format!("  {}", escape(code)),
        });
    }
    for leftover in error.leftovers() {
        let is_in_message = match (leftover, error.subject()) {
            (Leftover::Instance(instance), Some(Subject::Instance(subject))) => instance == subject,
            _ => false,
        };
        if !is_in_message {
            lines.push(format!("  it may exist: {}", escape(&leftover.to_string())));
        }
    }
    lines.push(format!("hint: {}", escape(&hint_for(error, infos))));
    lines
}

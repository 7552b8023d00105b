//! The two output streams, and what goes to which.
//! The line that says how far it is, on a terminal, until there is something better to read in its place.

use std::io::{self, Write};

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::columns::ColumnSet;
use super::formats::{Format, write_csv, write_json, write_jsonl, write_yaml};
use super::record::{Record, Report};
use super::redaction::Redactor;
use super::table::{Layout, write_named, write_record, write_table};
use super::text::{escape, escape_lines};
use super::{Streams, Terminal};
use crate::cloud::{CloudInfos, Error, Result};

/// Writes results to stdout and everything else to stderr.
pub struct Printer {
    pub(super) streams: Streams,
    pub(super) terminal: Terminal,
    format: Option<Format>,
    pub(super) quiet: bool,
    is_closed: bool,
    pub(super) progress: ProgressLine,
    pub(super) redactor: Redactor,
    /// What is true of each cloud, for hints.
    pub(super) infos: Option<CloudInfos>,
}

impl Printer {
    /// A printer for these streams. `quiet` prints keys alone, whatever the format.
    pub fn new(streams: Streams, terminal: Terminal) -> Self {
        Self {
            streams,
            terminal,
            format: None,
            quiet: false,
            is_closed: false,
            progress: ProgressLine::default(),
            redactor: Redactor::default(),
            infos: None,
        }
    }

    /// Sets what must not be shown in any message.
    pub fn set_redactor(&mut self, withheld: Redactor) {
        self.redactor = withheld;
    }

    /// Sets what is true of each cloud, for hints that name its own tools.
    pub fn set_clouds(&mut self, infos: CloudInfos) {
        self.infos = Some(infos);
    }

    /// Sets the format asked for, by name, and whether keys alone are printed.
    ///
    /// # Errors
    /// `InvalidSpec` for an unknown format.
    pub fn set_format(&mut self, name: Option<&str>, quiet: bool) -> Result<()> {
        self.format = name.map(str::parse).transpose()?;
        self.quiet = quiet;
        Ok(())
    }

    /// What is known of the terminal.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Checks that the format asked for can show records of this view. To be called before anything is done.
    ///
    /// # Errors
    /// `InvalidSpec` for a column or single field that such records do not have.
    pub fn check(&self, view: &ColumnSet) -> Result<()> {
        let missing = |what: &str| {
            Err(Error::invalid(format!("this command has no {what} to print")).with_hint("use -o table or -o json"))
        };
        match self.format() {
            Format::Columns(names) => view.check_columns(&names),
            Format::Name if view.name.is_none() => missing("names"),
            Format::Ref if view.reference.is_none() => missing("references"),
            _ => Ok(()),
        }
    }

    /// Whether the format asked for shows one of these fields of records of this view.
    pub fn shows_any(&self, view: &ColumnSet, fields: &[&str]) -> bool {
        match self.format() {
            Format::Json | Format::Jsonl | Format::Yaml | Format::Csv => true,
            Format::Columns(names) => names.iter().any(|name| fields.contains(&name.as_str())),
            Format::Table => fields
                .iter()
                .any(|field| view.columns.iter().any(|column| column.shows(field))),
            Format::Wide => fields
                .iter()
                .any(|field| view.wide.iter().any(|column| column.shows(field))),
            Format::Name | Format::Id | Format::Ref => false,
        }
    }

    fn format(&self) -> Format {
        if self.quiet {
            Format::Id
        } else {
            self.format.clone().unwrap_or(Format::Table)
        }
    }

    /// Whether results may be printed in parts, as they come.
    pub fn streams(&self) -> bool {
        self.format().streams()
    }

    /// Whether progress may be shown: people are reading, on a terminal.
    pub fn shows_progress(&self) -> bool {
        self.terminal.errors && self.format().is_human_readable()
    }

    /// Prints a result in the format asked for, and its errors: on stdout if the format has a place for them, and
    /// on stderr for people.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_report(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        let printed = self.print_items(report, view, now);
        // What went wrong must be said wherever it still can be.
        self.report_errors(&report.errors);
        printed
    }

    /// Whether whoever reads stdout has gone away. That is no failure: what was to be done is done all the same.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn ignore_closed_pipe(&mut self, printed: io::Result<()>) -> io::Result<()> {
        match printed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            printed => printed,
        }
    }

    /// Prints the results in the format asked for, with errors only where the format has a place for them.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_items(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        self.end_progress();
        let printed = self.write_items(report, view, now);
        self.ignore_closed_pipe(printed)
    }

    fn write_items(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        let layout = Layout {
            width: self.terminal.width,
            colour: self.terminal.colour_output,
            now,
        };
        let items = &report.items;
        let format = self.format();
        let errors = self.error_records(&report.errors);
        let out = &mut *self.streams.stdout;
        match format {
            Format::Table if items.is_empty() => {}
            Format::Table => write_table(out, view.columns, items, &layout)?,
            Format::Wide if items.is_empty() => {}
            Format::Wide => write_table(out, view.wide, items, &layout)?,
            Format::Columns(names) => write_named(out, &names, items, &layout)?,
            Format::Json => write_json(out, items, errors)?,
            Format::Jsonl => write_jsonl(out, items)?,
            Format::Yaml => write_yaml(out, items, errors)?,
            Format::Csv => write_csv(out, view.fields, items)?,
            Format::Name => write_field(out, view.name.unwrap_or(view.key), items)?,
            Format::Id => write_field(out, view.key, items)?,
            Format::Ref => write_field(out, view.reference.unwrap_or(view.key), items)?,
        }
        out.flush()
    }

    /// Prints each result whole, a field a line, where a table was asked for; else as [`report`](Self::report).
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_details(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        if self.format() != Format::Table {
            return self.print_report(report, view, now);
        }
        let printed = self.write_details(&report.items);
        self.report_errors(&report.errors);
        self.ignore_closed_pipe(printed)
    }

    fn write_details(&mut self, records: &[Record]) -> io::Result<()> {
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                writeln!(self.streams.stdout)?;
            }
            write_record(&mut *self.streams.stdout, record)?;
        }
        self.streams.stdout.flush()
    }

    /// Prints the failure of a whole command: on stderr, and in the envelope if the format has one.
    pub fn report_failure(&mut self, error: Error) {
        self.report_error(&error);
        if self.format().uses_envelope() {
            let errors = self.error_records(&[error]);
            let format = self.format();
            let out = &mut *self.streams.stdout;
            // The exit code tells the rest; there is nowhere left to say that this failed too.
            let _ = match format {
                Format::Yaml => write_yaml(out, &[], errors),
                _ => write_json(out, &[], errors),
            };
            let _ = self.streams.stdout.flush();
        }
    }

    /// Errors as formats show them, without secrets.
    fn error_records(&self, errors: &[Error]) -> Vec<Record> {
        let record = |error| Record::from_error(&self.redactor.redact_error(error), self.infos);
        errors.iter().map(record).collect()
    }

    /// Prints raw bytes, such as a console's output: as they are into a pipe, escaped on a terminal.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.terminal.output {
            let text = escape_lines(&String::from_utf8_lossy(bytes));
            self.streams.stdout.write_all(text.as_bytes())?;
            if !text.is_empty() && !text.ends_with('\n') {
                writeln!(self.streams.stdout)?;
            }
        } else {
            self.streams.stdout.write_all(bytes)?;
        }
        self.streams.stdout.flush()
    }

    /// Prints text of our own, such as help.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_text(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.streams.stdout.write_all(bytes)?;
        self.streams.stdout.flush()
    }
}

fn write_field(out: &mut dyn Write, field: &str, records: &[Record]) -> io::Result<()> {
    for record in records {
        // An absent name is an empty line, so that lines and records stay in step.
        writeln!(out, "{}", record.get(field).as_str().map(escape).unwrap_or_default())?;
    }
    Ok(())
}

/// What of the line is to be seen now.
#[derive(Debug, Default)]
pub(super) struct ProgressLine {
    /// In columns.
    width: usize,
}

impl ProgressLine {
    /// Shows a text in the place of the one before. One that does not fit in `columns` could not be taken back.
    pub(super) fn show(&mut self, out: &mut dyn Write, text: &str, columns: usize) {
        if text.width() >= columns {
            return;
        }
        // Spaces and not an escape sequence: every terminal has them.
        let rest = self.width.saturating_sub(text.width());
        let _ = write!(out, "\r{text}{:rest$}", "");
        let _ = out.flush();
        self.width = text.width();
    }

    /// Takes it back, so that something else can stand there.
    pub(super) fn clear(&mut self, out: &mut dyn Write) {
        if self.width > 0 {
            let _ = write!(out, "\r{:1$}\r", "", self.width);
            let _ = out.flush();
            self.width = 0;
        }
    }
}

#[cfg(test)]
mod progress_tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_left() {
        let mut out = Vec::new();
        let mut line = ProgressLine::default();
        line.show(&mut out, "1 location, 20 VMs", 80);
        line.show(&mut out, "2 done", 80);
        line.clear(&mut out);
        line.clear(&mut out);
        line.show(&mut out, "too wide", 8);
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, format!("\r1 location, 20 VMs\r2 done{:12}\r{:6}\r", "", ""));
    }
}

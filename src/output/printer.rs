//! The printer: writes results to stdout, and keeps the progress line on the terminal. What it writes to stderr is in
//! `stderr_messages.rs`.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::columns::{Column, ColumnSet, NamedField};
use super::describe_page::write_page;
use super::output_formats::{Format, write_csv, write_document, write_json, write_jsonl, write_yaml};
use super::output_record::{Record, Report};
use super::redaction::Redactor;
use super::table::{Layout, bare_value, write_fitting_table, write_named, write_table};
use super::terminal_text::{escape, escape_lines};
use super::{Streams, Terminal, TerminalSize};
use crate::cloud::{CloudInfos, Error, ErrorKind, Result};

/// Writes results to stdout and everything else to stderr.
pub struct Printer {
    pub(super) streams: Streams,
    pub(super) terminal: Terminal,
    format: Option<Format>,
    pub(super) quiet: bool,
    pub(super) shows_headers: bool,
    is_closed: bool,
    /// Why `-o value=` printed nothing.
    missing_value: Option<Error>,
    pub(super) progress: ProgressLine,
    pub(super) live_table: LiveTable,
    pub(super) redactor: Redactor,
    /// The fixed data about each cloud, for hints.
    pub(super) infos: Option<CloudInfos>,
}

impl Printer {
    /// Creates a printer for these streams.
    pub fn new(streams: Streams, terminal: Terminal) -> Self {
        Self {
            streams,
            terminal,
            format: None,
            quiet: false,
            shows_headers: true,
            is_closed: false,
            missing_value: None,
            progress: ProgressLine::default(),
            live_table: LiveTable::default(),
            redactor: Redactor::default(),
            infos: None,
        }
    }

    /// Sets the redactor for all messages.
    pub fn set_redactor(&mut self, redactor: Redactor) {
        self.redactor = redactor;
    }

    /// Sets the fixed data about each cloud, for hints that name its own tools.
    pub fn set_clouds(&mut self, infos: CloudInfos) {
        self.infos = Some(infos);
    }

    /// Sets the format by its name, and whether only keys are printed (`quiet`), whatever the format.
    ///
    /// # Errors
    /// `InvalidSpec` for an unknown format.
    pub fn set_format(&mut self, name: Option<&str>, quiet: bool) -> Result<()> {
        self.format = name.map(str::parse).transpose()?;
        self.quiet = quiet;
        Ok(())
    }

    /// Leaves the header out of tables and CSV.
    pub fn hide_headers(&mut self) {
        self.shows_headers = false;
    }

    /// The properties of the terminal.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Checks that the format can show records with these columns. Commands call it before they do anything.
    ///
    /// # Errors
    /// `InvalidSpec` for a column or single field that such records do not have.
    pub fn check_format(&self, view: &ColumnSet) -> Result<()> {
        let no_such_field = |noun: &str| {
            Err(Error::invalid(format!("this command has no {noun} to print")).with_hint("use -o table or -o json"))
        };
        match self.format() {
            Format::Columns(names) => view.check_fields("column", &names),
            Format::Value(name) => view.check_fields("field", &[name]),
            Format::Name if view.name.is_none() => no_such_field("names"),
            Format::Ref if view.reference.is_none() => no_such_field("references"),
            _ => Ok(()),
        }
    }

    /// Whether the format shows at least one of these fields of records with these columns.
    pub fn shows_any(&self, view: &ColumnSet, fields: &[&str]) -> bool {
        let is_in_table = |columns: &[Column]| {
            let mut shown = columns.iter();
            shown.any(|column| fields.iter().any(|field| column.shows(field)))
        };
        let is_requested = |name: &String| {
            let named = view.find_named_field(name);
            named.is_some_and(|named| fields.contains(&named.field()))
        };
        match self.format() {
            Format::Json | Format::Jsonl | Format::Yaml | Format::Csv => true,
            Format::Columns(names) => names.iter().any(is_requested),
            Format::Value(name) => is_requested(&name),
            Format::Table => is_in_table(view.columns),
            Format::Wide => is_in_table(view.wide_columns()),
            Format::Name | Format::Id | Format::Ref | Format::Ansible => false,
        }
    }

    pub(super) fn format(&self) -> Format {
        if self.quiet {
            Format::Id
        } else {
            self.format.clone().unwrap_or(Format::Table)
        }
    }

    /// Whether an inventory for Ansible is requested, which [`print_document`](Self::print_document) prints.
    pub fn prints_inventory(&self) -> bool {
        self.format() == Format::Ansible
    }

    /// Prints a JSON document that has a form of its own.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_document(&mut self, document: &Value) -> io::Result<()> {
        self.end_progress();
        let printed = write_document(&mut *self.streams.stdout, document);
        self.ignore_closed_pipe(printed)
    }

    /// Whether the format allows to print results in parts, as they come.
    pub fn streams(&self) -> bool {
        self.format().streams()
    }

    /// Whether to show progress: stderr is a terminal and the format is for people.
    pub fn shows_progress(&self) -> bool {
        self.terminal.errors && self.format().is_human_readable()
    }

    /// Whether a copy may draw its progress on standard output: it is a terminal, and the format is for people.
    pub fn shows_copies(&self) -> bool {
        self.terminal.output && self.shows_progress()
    }

    /// Prints results in the requested format, and errors: on stdout if the format has an envelope, and always on stderr.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_report(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        let printed = self.print_items(report, view, now);
        // Errors are reported even if stdout cannot be written.
        self.report_errors(&report.errors);
        printed
    }

    /// Whether the reader of stdout closed the pipe. This is not an error: the command still does its work.
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

    /// Prints results in the requested format, with errors only if the format has an envelope.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_items(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        self.end_progress();
        let printed = self.write_items(report, view, now);
        self.ignore_closed_pipe(printed)
    }

    fn write_items(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        let mut layout = Layout {
            width: self.terminal.width,
            colour: self.terminal.colour_output,
            shows_headers: self.shows_headers,
            now,
        };
        let items = &report.items;
        let format = self.format();
        let errors = self.error_records(&report.errors);
        let mut dropped = Vec::new();
        let out = &mut *self.streams.stdout;
        match format {
            Format::Table if items.is_empty() => {}
            Format::Table => dropped = write_fitting_table(out, view.columns, items, &layout)?,
            Format::Wide if items.is_empty() => {}
            Format::Wide => {
                // Who asks for all columns gets all.
                layout.width = None;
                write_table(out, view.wide_columns(), items, &layout)?;
            }
            // A script would take the header for a value.
            Format::Columns(_) if items.is_empty() && !self.terminal.output => {}
            Format::Columns(names) => write_named(out, &names, view, items, &layout)?,
            Format::Value(name) => match read_values(view, &name, items, now) {
                Ok(values) => write_lines(out, &values)?,
                // The errors of the report say why there is no item.
                Err(_) if items.is_empty() && !report.errors.is_empty() => {}
                Err(error) => self.missing_value = Some(error),
            },
            Format::Json => write_json(out, items, errors)?,
            Format::Jsonl => write_jsonl(out, items)?,
            Format::Yaml => write_yaml(out, items, errors)?,
            Format::Csv => write_csv(out, view.fields, items, self.shows_headers)?,
            Format::Name => write_field(out, view.name.unwrap_or(view.key), items)?,
            Format::Id => write_field(out, view.key, items)?,
            Format::Ref => write_field(out, view.reference.unwrap_or(view.key), items)?,
            // The command prints the inventory itself.
            Format::Ansible => {}
        }
        out.flush()?;
        if !dropped.is_empty() {
            self.note_dropped_columns(&dropped);
        }
        Ok(())
    }

    /// Says which columns a narrow terminal has no room for.
    fn note_dropped_columns(&mut self, dropped: &[&str]) {
        let all = format!("no room for {}: -o wide shows all columns", dropped.join(", "));
        let is_too_wide = self.terminal.width.is_some_and(|width| all.width() > width);
        self.note_dimly(&match is_too_wide {
            true => format!("no room for {} columns: -o wide shows all columns", dropped.len()),
            false => all,
        });
    }

    /// Takes the error for a value that `-o value=` has to print and that is unknown or empty; `None` if there was none.
    pub fn take_missing_value(&mut self) -> Option<Error> {
        self.missing_value.take()
    }

    /// Whether the format is the table, in whose place [`print_pages`](Self::print_pages) prints pages.
    pub fn prints_pages(&self) -> bool {
        self.format() == Format::Table
    }

    /// Prints a page for each result in the place of a table; in other formats as [`print_report`](Self::print_report).
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_pages(&mut self, report: &Report, view: &ColumnSet, now: Timestamp) -> io::Result<()> {
        if !self.prints_pages() {
            return self.print_report(report, view, now);
        }
        let printed = self.write_pages(&report.items, now);
        self.report_errors(&report.errors);
        self.ignore_closed_pipe(printed)
    }

    fn write_pages(&mut self, records: &[Record], now: Timestamp) -> io::Result<()> {
        let colour = self.terminal.colour_output;
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                writeln!(self.streams.stdout, "\n---\n")?;
            }
            write_page(&mut *self.streams.stdout, record, now, colour)?;
        }
        self.streams.stdout.flush()
    }

    /// Reports the failure of a whole command: on stderr, and in the envelope if the format has one.
    pub fn report_failure(&mut self, error: Error) {
        self.report_error(&error);
        let errors = self.error_records(&[error]);
        let format = self.format();
        let out = &mut *self.streams.stdout;
        // An error of this write cannot be reported anywhere; the exit code shows the failure.
        let _ = match format {
            Format::Json => write_json(out, &[], errors),
            Format::Yaml => write_yaml(out, &[], errors),
            _ => Ok(()),
        };
        let _ = out.flush();
    }

    /// Turns errors into records without secrets.
    fn error_records(&self, errors: &[Error]) -> Vec<Record> {
        let record = |error| Record::from_error(&self.redactor.redact_error(error), self.infos);
        errors.iter().map(record).collect()
    }

    /// Prints raw bytes, such as console output: unchanged into a pipe, escaped on a terminal.
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

    /// Whether the format is for programs, so that one document of results is all that standard output gets.
    pub fn prints_document(&self) -> bool {
        !self.quiet && !self.format().is_human_readable()
    }

    /// Passes on what a command in a VM writes, unchanged: to standard error, or else to standard output. What is written
    /// after the reader of standard output closed it is left out.
    ///
    /// # Errors
    /// Those of writing.
    pub fn pass_on(&mut self, to_errors: bool, bytes: &[u8]) -> io::Result<()> {
        self.end_progress();
        let stream = match to_errors {
            true => &mut self.streams.stderr,
            false if self.is_closed => return Ok(()),
            false => &mut self.streams.stdout,
        };
        let written = stream.write_all(bytes).and_then(|()| stream.flush());
        match to_errors {
            true => written,
            false => self.ignore_closed_pipe(written),
        }
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
        // A missing name is an empty line, so that each record has one line.
        writeln!(out, "{}", record.get(field).as_str().map(escape).unwrap_or_default())?;
    }
    Ok(())
}

/// The last drawing of a table that is drawn again in place.
#[derive(Debug, Default)]
pub(super) struct LiveTable {
    /// How many rows of the terminal it takes.
    pub(super) height: usize,
    /// The size of the terminal then; `None` if nothing is drawn.
    pub(super) size: Option<TerminalSize>,
}

fn write_lines(out: &mut dyn Write, lines: &[String]) -> io::Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The bare value of a field of each record.
///
/// # Errors
/// `NotFound` if there is no record, or if a record has no value.
fn read_values(view: &ColumnSet, name: &str, records: &[Record], now: Timestamp) -> Result<Vec<String>> {
    let field = view.find_named_field(name).unwrap_or(NamedField::Field(view.key));
    let noun = view.noun;
    if records.is_empty() {
        let error = Error::new(
            ErrorKind::NotFound,
            format!("there is no {noun}, so there is no {field} to print"),
        );
        return Err(error.with_hint("run it without -o value= to see what there is"));
    }
    let (mut values, mut without_value) = (Vec::new(), Vec::new());
    for record in records {
        match bare_value(record, &field, now) {
            Some(value) => values.push(value),
            None => without_value.push(format_identity(view, record)),
        }
    }
    if without_value.is_empty() {
        return Ok(values);
    }
    let message = format!(
        "{field} is unknown or empty for {}; nothing was printed",
        without_value.join(", ")
    );
    Err(Error::new(ErrorKind::NotFound, message).with_hint("see what is known with -o json"))
}

/// How a message names a record: by its full reference, or else by its name or key.
fn format_identity(view: &ColumnSet, record: &Record) -> String {
    let fields = [view.reference, view.name, Some(view.key)];
    let mut known = fields.into_iter().flatten().map(|field| record.get(field));
    match known.find_map(Value::as_str) {
        Some(text) => text.to_owned(),
        None => format!("a {}", view.noun),
    }
}

/// The line on the terminal that shows progress until something else is printed.
#[derive(Debug, Default)]
pub(super) struct ProgressLine {
    /// The width of the visible text in columns.
    width: usize,
}

impl ProgressLine {
    /// Replaces the text of the line. Skips a text wider than `columns`, which could not be cleared again.
    pub(super) fn show(&mut self, out: &mut dyn Write, text: &str, columns: usize) {
        if text.width() >= columns {
            return;
        }
        // Spaces instead of an escape sequence: they work on every terminal.
        let rest = self.width.saturating_sub(text.width());
        let _ = write!(out, "\r{text}{:rest$}", "");
        let _ = out.flush();
        self.width = text.width();
    }

    /// Clears the line, so that something else can be printed there.
    pub(super) fn clear(&mut self, out: &mut dyn Write) {
        if self.width > 0 {
            let _ = write!(out, "\r{:1$}\r", "", self.width);
            let _ = out.flush();
            self.width = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_line_is_cleared_completely() {
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

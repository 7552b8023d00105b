//! Tables, which drop their least important columns on a narrow terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::columns::{AGE, CellFormat, Column, ColumnSet, EXPIRES, NamedField};
use super::output_record::Record;
use super::terminal_text::{age, display_name, format_cell, format_short_cell, time_left};

/// The maximum width of a cell that counts for the width of its column. A wider cell breaks only its own row. Names of
/// managed instances are never wider.
const MAX_ALIGNED_WIDTH: usize = 72;

/// Times are shown in whole seconds, so they can be one second later.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// How a table is laid out.
pub(super) struct Layout {
    /// The maximum width of the table; `None` is no limit.
    pub(super) width: Option<usize>,
    /// Whether to use colours.
    pub(super) colour: bool,
    /// Whether the first line has the names of the columns.
    pub(super) shows_headers: bool,
    /// The time that ages end at.
    pub(super) now: Timestamp,
}

/// A column with its formatted cells.
struct FilledColumn {
    header: String,
    /// See [`Column::drop_order`].
    drop_order: u8,
    cells: Vec<String>,
}

impl FilledColumn {
    fn width(&self, shows_headers: bool) -> usize {
        let header_width = if shows_headers { self.header.width() } else { 0 };
        let widths = self.cells.iter().map(|cell| cell.width());
        let aligned = widths.filter(|width| *width <= MAX_ALIGNED_WIDTH);
        aligned.fold(header_width, usize::max)
    }
}

/// Writes a table of the given columns.
pub(super) fn write_table(
    out: &mut dyn Write,
    columns: &[Column],
    records: &[Record],
    layout: &Layout,
) -> io::Result<()> {
    write_fitting_table(out, columns, records, layout).map(drop)
}

/// Writes a table of those of the given columns that fit, and gives the headers of the others.
pub(super) fn write_fitting_table(
    out: &mut dyn Write,
    columns: &[Column],
    records: &[Record],
    layout: &Layout,
) -> io::Result<Vec<&'static str>> {
    let mut filled = Vec::new();
    for column in columns {
        filled.push(fill_column(column, records, layout.now));
    }
    let dropped = drop_columns(&mut filled, layout);
    write_columns(out, &filled, layout)?;
    let headers = columns.iter().map(|column| column.header);
    Ok(headers
        .filter(|header| dropped.iter().any(|name| name == header))
        .collect())
}

fn fill_column(column: &Column, records: &[Record], now: Timestamp) -> FilledColumn {
    FilledColumn {
        header: column.header.to_owned(),
        drop_order: column.drop_order,
        cells: records.iter().map(|record| column.format.format(record, now)).collect(),
    }
}

/// Writes a table of the fields that the user named. [`Printer::check_format`](super::Printer::check_format) has checked
/// the names. A column has the name that the user gave.
pub(super) fn write_named(
    out: &mut dyn Write,
    names: &[String],
    view: &ColumnSet,
    records: &[Record],
    layout: &Layout,
) -> io::Result<()> {
    let column = |name: &String| {
        let field = view.find_named_field(name).unwrap_or(NamedField::Field(view.key));
        FilledColumn {
            header: name.to_uppercase().replace('_', " "),
            drop_order: 0,
            cells: records
                .iter()
                .map(|record| format_field(record, &field, layout.now))
                .collect(),
        }
    };
    let filled: Vec<_> = names.iter().map(column).collect();
    write_columns(out, &filled, layout)
}

/// The value of a field that the user named; null if the record does not have it.
fn named_value<'a>(record: &'a Record, field: &NamedField) -> &'a Value {
    let value = record.get(field.field());
    match field {
        NamedField::Field(_) => value,
        NamedField::Label(key) => value.get(key).unwrap_or(&Value::Null),
    }
}

/// Formats a field of a record whole, also one that is computed.
fn format_field(record: &Record, field: &NamedField, now: Timestamp) -> String {
    match field.field() {
        AGE => CellFormat::Age("created_at").format(record, now),
        EXPIRES => CellFormat::TimeLeft("expires_at").format(record, now),
        _ => format_cell(named_value(record, field)),
    }
}

/// The value of a field as a script wants it; `None` if it is unknown or empty. A bool is `true` or `false`.
pub(super) fn bare_value(record: &Record, field: &NamedField, now: Timestamp) -> Option<String> {
    let is_computed = matches!(field.field(), AGE | EXPIRES);
    let text = match named_value(record, field) {
        Value::Null if is_computed => match format_field(record, field, now).as_str() {
            "-" => return None,
            text => text.to_owned(),
        },
        Value::Null => return None,
        Value::Object(entries) if entries.is_empty() => return None,
        Value::Bool(value) => value.to_string(),
        value => format_cell(value),
    };
    match text.is_empty() {
        true => None,
        false => Some(text),
    }
}

/// The columns between two cells.
const GAP: usize = 2;

/// Drops the least important columns until the others fit, and gives the headers of the dropped ones.
fn drop_columns(columns: &mut Vec<FilledColumn>, layout: &Layout) -> Vec<String> {
    let mut dropped = Vec::new();
    let Some(max_width) = layout.width else {
        return dropped;
    };
    while columns
        .iter()
        .map(|column| column.width(layout.shows_headers) + GAP)
        .sum::<usize>()
        > max_width + GAP
    {
        let next_to_drop = columns.iter().map(|column| column.drop_order).max().unwrap_or_default();
        if next_to_drop == 0 {
            break;
        }
        let least_important = columns.extract_if(.., |column| column.drop_order == next_to_drop);
        dropped.extend(least_important.map(|column| column.header));
    }
    dropped
}

fn write_columns(out: &mut dyn Write, columns: &[FilledColumn], layout: &Layout) -> io::Result<()> {
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| column.width(layout.shows_headers))
        .collect();
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let first_row = if layout.shows_headers { 0 } else { 1 };
    for row in first_row..=rows {
        let mut line = String::new();
        for (column, width) in columns.iter().zip(&widths) {
            let (text, style) = match row.checked_sub(1) {
                None => (&column.header, Style::new().bold()),
                Some(row) => (&column.cells[row], choose_style(&column.header, &column.cells[row])),
            };
            if layout.colour {
                line.push_str(&format!("{style}{text}{style:#}"));
            } else {
                line.push_str(text);
            }
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(text.width()) + GAP));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The colour of a cell below this header.
pub(super) fn choose_style(header: &str, text: &str) -> Style {
    let colour = match (header, text) {
        ("STATE", "running") | ("RESULT", "ok") => AnsiColor::Green,
        ("STATE", "pending" | "stopping" | "terminating") | ("RESULT", "warning") => AnsiColor::Yellow,
        ("STATE", "stopped" | "terminated") => AnsiColor::BrightBlack,
        ("STATE", "unknown") | ("RESULT", "failed") => AnsiColor::Red,
        ("COMPARED", text) if text.starts_with("cheapest") => AnsiColor::Green,
        _ => return Style::new(),
    };
    Style::new().fg_color(Some(colour.into()))
}

impl CellFormat {
    fn format(&self, record: &Record, now: Timestamp) -> String {
        match self {
            Self::Full(fields) => format_cell(first_known(record, fields)),
            Self::Name(fields) => match first_known(record, fields) {
                Value::String(name) => display_name(name),
                other => format_cell(other),
            },
            Self::Truncated(field) => format_short_cell(record.get(field)),
            Self::Age(field) => match parse_time(record.get(field)) {
                Some(start) => age(start, now),
                None => "-".to_owned(),
            },
            Self::TimeLeft(field) => {
                let value = record.get(field);
                match (record.get("state").as_str(), parse_time(value)) {
                    (Some("terminating" | "terminated"), _) => "-".to_owned(),
                    (_, Some(end)) if now.duration_since(end) >= SECOND => "overdue".to_owned(),
                    (_, Some(end)) => time_left(now, end),
                    (Some("unknown"), None) if value.is_null() => "-".to_owned(),
                    (_, None) if value.is_null() => "never".to_owned(),
                    (_, None) => format_cell(value),
                }
            }
        }
    }
}

pub(super) fn parse_time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The first of these fields whose value is known; null if none is.
fn first_known<'a>(record: &'a Record, fields: &[&str]) -> &'a Value {
    let mut values = fields.iter().map(|field| record.get(field));
    values.find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn time_left_cell_depends_on_state_and_time() {
        let expires = |state: &str, end: Value| {
            let record = Record::new(vec![("state", json!(state)), ("expires_at", end)]);
            CellFormat::TimeLeft("expires_at").format(&record, "2026-01-01T00:00:00Z".parse().unwrap())
        };
        for (state, end, text) in [
            ("running", Value::Null, "never"),
            ("running", json!("2026-01-01T01:59:59Z"), "2h"),
            ("running", json!("2026-01-01T00:00:00Z"), "0s"),
            ("stopped", json!("2025-12-31T23:59:59Z"), "overdue"),
            ("terminating", json!("2026-01-01T01:00:00Z"), "-"),
            ("terminated", Value::Null, "-"),
            ("unknown", Value::Null, "-"),
        ] {
            assert_eq!(expires(state, end), text, "{state}");
        }
    }
}

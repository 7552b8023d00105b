//! Tables: laid out for the terminal, leaving out the least important columns when it is narrow.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::columns::{CellFormat, Column};
use super::record::Record;
use super::text::{age, display_name, format_cell, format_short_cell, time_left};

/// What is wider spoils its own row alone, not the columns of all the others. No name that cloudctl gives is.
const WIDEST_ALIGNED: usize = 72;

/// Times are shown in whole seconds, and end up to one later.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// How a table is laid out.
pub(super) struct Layout {
    /// The columns there are room for; `None` is no limit.
    pub(super) width: Option<usize>,
    /// Whether colours may be used.
    pub(super) colour: bool,
    /// What ages are reckoned from.
    pub(super) now: Timestamp,
}

/// Writes a table of the given columns.
pub(super) fn write_table(
    out: &mut dyn Write,
    columns: &[Column],
    records: &[Record],
    layout: &Layout,
) -> io::Result<()> {
    let columns: Vec<(String, u8, Vec<String>)> = columns
        .iter()
        .map(|column| {
            let cells = records
                .iter()
                .map(|record| column.fill.format(record, layout.now))
                .collect();
            (column.header.to_owned(), column.drop_order, cells)
        })
        .collect();
    write_columns(out, columns, layout)
}

/// Writes a table of fields that the user named; the names were checked by [`ColumnSet::check_columns`].
pub(super) fn write_named(
    out: &mut dyn Write,
    names: &[String],
    records: &[Record],
    layout: &Layout,
) -> io::Result<()> {
    let column = |name: &String| {
        let text = |record: &Record| match name.as_str() {
            "age" => CellFormat::Age("created_at").format(record, layout.now),
            "expires" => CellFormat::TimeLeft("expires_at").format(record, layout.now),
            _ => format_cell(record.get(name)),
        };
        (
            name.to_uppercase().replace('_', " "),
            0,
            records.iter().map(text).collect(),
        )
    };
    write_columns(out, names.iter().map(column).collect(), layout)
}

/// Writes one record, a field a line.
pub(super) fn write_record(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let widest = record
        .fields()
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    for (name, value) in record.fields() {
        writeln!(out, "{name:widest$}  {}", format_cell(value))?;
    }
    Ok(())
}

fn write_columns(out: &mut dyn Write, mut columns: Vec<(String, u8, Vec<String>)>, layout: &Layout) -> io::Result<()> {
    const GAP: usize = 2;
    let width_of = |column: &(String, u8, Vec<String>)| {
        column
            .2
            .iter()
            .map(|cell| cell.width())
            .filter(|width| *width <= WIDEST_ALIGNED)
            .chain([column.0.width()])
            .max()
            .unwrap_or_default()
    };
    if let Some(room) = layout.width {
        while columns.iter().map(|column| width_of(column) + GAP).sum::<usize>() > room + GAP {
            let least = columns.iter().map(|column| column.1).max().unwrap_or_default();
            if least == 0 {
                break;
            }
            columns.retain(|column| column.1 != least);
        }
    }
    let widths: Vec<usize> = columns.iter().map(width_of).collect();
    let rows = columns.first().map_or(0, |column| column.2.len());
    for row in 0..=rows {
        let mut line = String::new();
        for (column, width) in columns.iter().zip(&widths) {
            let text = if row == 0 { &column.0 } else { &column.2[row - 1] };
            let style = if row == 0 {
                Style::new().bold()
            } else {
                choose_style(&column.0, text)
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

fn choose_style(header: &str, text: &str) -> Style {
    let colour = match (header, text) {
        ("STATE", "running") | ("RESULT", "ok") => AnsiColor::Green,
        ("STATE", "pending" | "stopping" | "terminating") | ("RESULT", "warning") => AnsiColor::Yellow,
        ("STATE", "stopped" | "terminated") => AnsiColor::BrightBlack,
        ("STATE", "unknown") | ("RESULT", "failed") => AnsiColor::Red,
        _ => return Style::new(),
    };
    Style::new().fg_color(Some(colour.into()))
}

impl CellFormat {
    fn format(&self, record: &Record, now: Timestamp) -> String {
        let time = |field: &str| {
            record
                .get(field)
                .as_str()
                .and_then(|text| text.parse::<Timestamp>().ok())
        };
        match self {
            Self::Full(fields) | Self::Name(fields) => {
                let known = fields
                    .iter()
                    .map(|field| record.get(field))
                    .find(|value| !value.is_null());
                match (self, known) {
                    (_, None) => "-".to_owned(),
                    (Self::Name(_), Some(Value::String(name))) => display_name(name),
                    (_, Some(value)) => format_cell(value),
                }
            }
            Self::Truncated(field) => format_short_cell(record.get(field)),
            Self::Age(field) => time(field).map_or_else(|| "-".to_owned(), |then| age(then, now)),
            Self::TimeLeft(field) => match (record.get(field), time(field), record.get("state").as_str()) {
                // Of what was not seen it is not known, and what is gone ends no more.
                (_, _, Some("terminating" | "terminated")) | (Value::Null, _, Some("unknown")) => "-".to_owned(),
                (Value::Null, ..) => "never".to_owned(),
                (_, Some(then), _) if now.duration_since(then) >= SECOND => "overdue".to_owned(),
                (_, Some(then), _) => time_left(now, then),
                (other, None, _) => format_cell(other),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::INSTANCES;
    use serde_json::json;

    fn table(width: Option<usize>) -> String {
        let record = Record::new(vec![
            ("name", json!("a-name-that-is-quite-long-and-never-cut")),
            ("provider", json!("aws")),
            ("state", json!("running")),
            ("created_at", json!("2026-01-01T00:00:00Z")),
        ]);
        let layout = Layout {
            width,
            colour: false,
            now: "2026-01-01T00:03:00Z".parse().unwrap(),
        };
        let mut out = Vec::new();
        write_table(&mut out, INSTANCES.columns, &[record], &layout).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_end_is_told_as_far_as_it_is_known() {
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

    #[test]
    fn narrow_terminals_lose_columns_but_never_the_name() {
        assert!(table(None).contains("EXPIRES"));
        let narrow = table(Some(60));
        assert!(narrow.contains("a-name-that-is-quite-long-and-never-cut") && narrow.contains("running"));
        assert!(!narrow.contains("EXPIRES"));
        assert!(table(Some(5)).contains("a-name-that-is-quite-long-and-never-cut"));
    }
}

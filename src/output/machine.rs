//! Formats that programs read.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::Value;

use super::record::{Record, Report};
use super::text::cell;

/// The version of the envelope; fields are only ever added.
const SCHEMA: &str = "cloudctl/v1";

#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    items: &'a [Record],
    errors: Vec<Record>,
}

impl<'a> Envelope<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            schema: SCHEMA,
            items: &report.items,
            errors: report.errors.iter().map(Record::of_error).collect(),
        }
    }
}

pub(super) fn write_json(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    // Standard output is written line by line, and there can be millions of lines.
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, &Envelope::of(report))?;
    writeln!(out)?;
    out.flush()
}

pub(super) fn write_jsonl(out: &mut dyn Write, records: &[Record]) -> io::Result<()> {
    // A line in one write, so that whoever reads along never sees half of one for long.
    let mut line = Vec::new();
    for record in records {
        line.clear();
        serde_json::to_writer(&mut line, record)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

pub(super) fn write_yaml(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    // Written in one piece: the serializer's own error would hide that a pipe is closed.
    let text = yaml_serde::to_string(&Envelope::of(report)).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

pub(super) fn write_csv(out: &mut dyn Write, fields: &[&str], records: &[Record]) -> io::Result<()> {
    // As with YAML, so that a closed pipe is seen as one.
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Names computed for people only, such as `age`, are in no record.
    let fields: Vec<&str> = fields
        .iter()
        .copied()
        .filter(|field| !matches!(*field, "age" | "expires"))
        .collect();
    writer.write_record(&fields)?;
    for record in records {
        writer.write_record(fields.iter().map(|field| csv_cell(record.get(field))))?;
    }
    let text = writer.into_inner().map_err(|error| error.into_error())?;
    out.write_all(&text)
}

/// A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe before it.
fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => defuse(text.clone()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => defuse(match cell(value).as_str() {
            "-" => String::new(),
            text => text.to_owned(),
        }),
    }
}

fn defuse(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn formulas_are_defused() {
        assert_eq!(csv_cell(&json!("=cmd|' /C calc'!A0")), "'=cmd|' /C calc'!A0");
        assert_eq!(csv_cell(&json!(-3)), "-3");
        assert_eq!(csv_cell(&json!({"a": "b"})), "a=b");
    }
}

//! The output formats by name, and the writers of those that programs read.

use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, PrettyFormatter};

use super::columns::TABLE_ONLY;
use super::output_record::Record;
use super::sanitize::{write_flow_yaml, write_value};
use super::terminal_text::{escape, format_cell, is_unsafe};
use crate::cloud::{Error, Result, may_be_secret, quoted};

/// The version of the envelope; fields are only ever added.
const SCHEMA: &str = "cloudctl/v1";

#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    items: &'a [Record],
    errors: Vec<Record>,
}

impl<'a> Envelope<'a> {
    fn new(items: &'a [Record], errors: Vec<Record>) -> Self {
        Self {
            schema: SCHEMA,
            items,
            errors,
        }
    }
}

pub(super) fn write_json(out: &mut dyn Write, items: &[Record], errors: Vec<Record>) -> io::Result<()> {
    // Standard output is written line by line, and there can be millions of lines.
    let mut out = BufWriter::new(out);
    write_value(&mut out, &Envelope::new(items, errors), PrettyFormatter::new())?;
    out.flush()
}

/// Writes a document that is no envelope.
pub(super) fn write_document(out: &mut dyn Write, document: &Value) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    write_value(&mut out, document, PrettyFormatter::new())?;
    out.flush()
}

pub(super) fn write_jsonl(out: &mut dyn Write, records: &[Record]) -> io::Result<()> {
    // Each line is one write, so that a reader does not get half a line.
    let mut line = Vec::new();
    for record in records {
        line.clear();
        write_value(&mut line, record, CompactFormatter)?;
        out.write_all(&line)?;
    }
    Ok(())
}

pub(super) fn write_yaml(out: &mut dyn Write, items: &[Record], errors: Vec<Record>) -> io::Result<()> {
    // Serialized to a string first: the serializer's own error would hide that a pipe is closed.
    let envelope = Envelope::new(items, errors);
    let text = yaml_serde::to_string(&envelope).map_err(io::Error::other)?;
    if text.contains(|character| character != '\n' && is_unsafe(character)) {
        // The flow style of YAML has escapes for these characters: <https://yaml.org/spec/1.2.2/#74-flow-collection-styles>
        return write_flow_yaml(out, &envelope, PrettyFormatter::new());
    }
    out.write_all(text.as_bytes())
}

pub(super) fn write_csv(
    out: &mut dyn Write,
    fields: &[&str],
    records: &[Record],
    shows_header: bool,
) -> io::Result<()> {
    // Written to memory first, so that the error for a closed pipe is not hidden.
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut columns = fields.to_vec();
    columns.retain(|field| !TABLE_ONLY.contains(field));
    if shows_header {
        writer.write_record(&columns)?;
    }
    for record in records {
        writer.write_record(columns.iter().map(|field| csv_cell(record.get(field))))?;
    }
    let text = writer.into_inner().map_err(|error| error.into_error())?;
    out.write_all(&text)
}

/// Formats a cell so that no spreadsheet reads it as a formula: a text that begins like one gets an apostrophe before it.
fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape_formula(escape(text)),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => escape_formula(match format_cell(value).as_str() {
            "-" => String::new(),
            text => text.to_owned(),
        }),
    }
}

fn escape_formula(text: String) -> String {
    // A spreadsheet in Japanese or Chinese also reads the wide forms as formulas.
    match text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        true => format!("'{text}"),
        false => text,
    }
}

/// How results are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table of the most important columns.
    Table,
    /// A table of all columns.
    Wide,
    /// One envelope of items and errors.
    Json,
    /// One item per line.
    Jsonl,
    /// The envelope as YAML.
    Yaml,
    /// Comma-separated values with a header.
    Csv,
    /// Only names.
    Name,
    /// Only ids.
    Id,
    /// Only references.
    Ref,
    /// A table of these fields.
    Columns(Vec<String>),
    /// The bare value of this field.
    Value(String),
    /// An inventory for Ansible, which is a document of its own.
    Ansible,
}

/// Formats of kubectl, gcloud and the AWS CLI that choose fields.
const FIELD_FORMATS: [&str; 6] = [
    "jsonpath",
    "go-template",
    "custom-columns",
    "template",
    "value(",
    "table(",
];

fn unknown_format_error(input: &str) -> Error {
    if let Some(format) = FIELD_FORMATS.iter().find(|format| input.starts_with(**format)) {
        let name = format.trim_end_matches('(');
        return Error::invalid(format!("there is no output format {name} that takes fields like this"))
            .with_hint("use -o value=FIELD for one field, -o columns=a,b for several, or -o json with jq");
    }
    if input.contains(',') && !may_be_secret(input) {
        return Error::invalid(format!("unknown output format {}", quoted(input)))
            .with_hint(format!("did you mean -o columns={input}?"));
    }
    Error::invalid(format!("unknown output format {}", quoted(input)))
        .with_hint("use table, wide, json, jsonl, yaml, csv, name, id, ref, columns=a,b, value=FIELD or ansible")
}

/// Parses the field of `value=FIELD`.
fn parse_value_field(name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(Error::invalid("value= needs a field").with_hint("name one, such as -o value=public_ip"));
    }
    if name.contains(',') {
        let error = Error::invalid(format!("value= takes one field, and {} are several", quoted(name)));
        return Err(error.with_hint(format!("print them as columns: -o columns={name} --no-headers")));
    }
    Ok(name.to_owned())
}

impl Format {
    /// Whether results can be printed as they come, because each is independent and their order has no meaning.
    pub fn streams(&self) -> bool {
        matches!(self, Self::Jsonl)
    }

    /// Whether the format is for people, so that progress can be shown.
    pub fn is_human_readable(&self) -> bool {
        matches!(self, Self::Table | Self::Wide | Self::Columns(_))
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        if let Some(list) = input.strip_prefix("columns=") {
            let names: Vec<_> = list.split(',').map(|name| name.trim().to_owned()).collect();
            return match names.iter().any(String::is_empty) {
                true => Err(unknown_format_error(input)),
                false => Ok(Self::Columns(names)),
            };
        }
        if let Some(name) = input.strip_prefix("value=") {
            return parse_value_field(name.trim()).map(Self::Value);
        }
        match input {
            "table" => Ok(Self::Table),
            "wide" => Ok(Self::Wide),
            "json" => Ok(Self::Json),
            "jsonl" => Ok(Self::Jsonl),
            "yaml" => Ok(Self::Yaml),
            "csv" => Ok(Self::Csv),
            "name" => Ok(Self::Name),
            "id" => Ok(Self::Id),
            "ref" => Ok(Self::Ref),
            "ansible" => Ok(Self::Ansible),
            _ => Err(unknown_format_error(input)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn csv_formula_is_escaped() {
        assert_eq!(csv_cell(&json!("=cmd|' /C calc'!A0")), "'=cmd|' /C calc'!A0");
        assert_eq!(csv_cell(&json!("＝1+1")), "'＝1+1");
        assert_eq!(csv_cell(&json!("\t=1+1\u{1b}")), "\\u{9}=1+1\\u{1b}");
        assert_eq!(csv_cell(&json!(-3)), "-3");
        assert_eq!(csv_cell(&json!({"a": "b"})), "a=b");
    }

    /// The record of a VM with this name.
    fn records(name: &str) -> Vec<Record> {
        vec![Record::new(vec![
            ("name", json!(name)),
            ("labels", json!({ name: 1.5 })),
        ])]
    }

    #[test]
    fn json_and_yaml_escape_without_changing_values() {
        type Writer = fn(&mut dyn Write, &[Record]) -> io::Result<()>;
        for name in [
            "plain \"quoted\" \\ naïve 日本 🦀",
            "\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{200b}\u{85}\u{feff}\u{e0041}\ttab\nline\r",
        ] {
            let writers: [(Writer, bool, bool); 3] = [
                (|out, items| write_json(out, items, Vec::new()), true, false),
                (|out, items| write_jsonl(out, items), false, false),
                (|out, items| write_yaml(out, items, Vec::new()), true, true),
            ];
            for (write, has_envelope, is_yaml) in writers {
                let mut out = Vec::new();
                write(&mut out, &records(name)).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert!(!text.contains(|seen| seen != '\n' && is_unsafe(seen)), "{text:?}");
                let read: Value = if is_yaml {
                    yaml_serde::from_str(&text).unwrap()
                } else {
                    serde_json::from_str(&text).unwrap()
                };
                let item = if has_envelope { &read["items"][0] } else { &read };
                assert_eq!((&item["name"], &item["labels"][name]), (&json!(name), &json!(1.5)));
            }
        }
    }
}

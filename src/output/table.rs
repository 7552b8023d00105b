//! Tables: which columns, how they are filled, and which are left out when the terminal is narrow.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::record::Record;
use super::text::{age, cell, escape, short_cell};
use crate::cloud::{Error, Result};

/// One column.
#[derive(Debug)]
pub struct Column {
    header: &'static str,
    fill: Fill,
    /// Columns of the highest number are left out first; those of 0 never are.
    dispensability: u8,
}

#[derive(Debug)]
enum Fill {
    /// The first of these fields that is known, whole.
    Whole(&'static [&'static str]),
    /// A field, cut if it is long.
    Short(&'static str),
    /// The time since a field's.
    Since(&'static str),
    /// The time until a field's; `never` without one.
    Until(&'static str),
}

/// How records of one sort are shown.
#[derive(Debug)]
pub struct View {
    /// The columns of `table`.
    pub columns: &'static [Column],
    /// The columns of `wide`.
    pub wide: &'static [Column],
    /// The field that `-q` and `-o id` print.
    pub key: &'static str,
    /// The field that `-o name` prints, if there is one.
    pub name: Option<&'static str>,
    /// The field that `-o ref` prints, if there is one.
    pub reference: Option<&'static str>,
    /// The names that `-o columns=` takes.
    pub fields: &'static [&'static str],
}

const fn whole(header: &'static str, fields: &'static [&'static str], dispensability: u8) -> Column {
    Column {
        header,
        fill: Fill::Whole(fields),
        dispensability,
    }
}

const fn short(header: &'static str, field: &'static str, dispensability: u8) -> Column {
    Column {
        header,
        fill: Fill::Short(field),
        dispensability,
    }
}

const fn since(header: &'static str, field: &'static str, dispensability: u8) -> Column {
    Column {
        header,
        fill: Fill::Since(field),
        dispensability,
    }
}

const fn until(header: &'static str, field: &'static str, dispensability: u8) -> Column {
    Column {
        header,
        fill: Fill::Until(field),
        dispensability,
    }
}

/// Instances.
pub const INSTANCES: View = View {
    columns: &[
        // An instance without a name is shown by what one must type to reach it.
        whole("NAME", &["name", "id"], 0),
        short("PROVIDER", "provider", 2),
        whole("ZONE", &["zone", "region"], 3),
        short("TYPE", "machine_type", 4),
        short("STATE", "state", 0),
        short("PUBLIC IP", "public_ip", 5),
        since("AGE", "created_at", 6),
        until("EXPIRES", "expires_at", 7),
    ],
    wide: &[
        whole("NAME", &["name"], 0),
        whole("ID", &["id"], 0),
        short("PROVIDER", "provider", 2),
        whole("ZONE", &["zone", "region"], 3),
        short("ACCOUNT", "account", 12),
        short("TYPE", "machine_type", 4),
        short("CPUS", "cpus", 13),
        short("GIB", "memory_gib", 14),
        short("ARCH", "architecture", 15),
        short("STATE", "state", 0),
        short("PUBLIC IP", "public_ip", 5),
        short("PRIVATE IP", "private_ip", 9),
        short("IMAGE", "image", 11),
        short("SPOT", "spot", 16),
        short("OURS", "managed", 10),
        since("AGE", "created_at", 6),
        until("EXPIRES", "expires_at", 7),
        short("USD/H", "price_usd_per_hour", 17),
        short("LABELS", "labels", 8),
    ],
    key: "id",
    name: Some("name"),
    reference: Some("ref"),
    fields: &[
        "provider",
        "account",
        "region",
        "zone",
        "id",
        "ref",
        "name",
        "state",
        "native_state",
        "machine_type",
        "cpus",
        "memory_gib",
        "architecture",
        "image",
        "spot",
        "public_ip",
        "private_ip",
        "labels",
        "created_at",
        "expires_at",
        "expiry_enforcer",
        "managed",
        "protected",
        "price_usd_per_hour",
        "native",
        "age",
        "expires",
    ],
};

const PLAN_COLUMNS: &[Column] = &[
    whole("NAME", &["name"], 0),
    short("PROVIDER", "provider", 1),
    whole("ZONE", &["zone", "region"], 0),
    short("TYPE", "machine_type", 0),
    whole("IMAGE", &["image_name", "image"], 3),
    short("DISK GIB", "disk_gib", 4),
    short("DISK TYPE", "disk_type", 5),
    short("SPOT", "spot", 6),
    short("USD/H", "price_usd_per_hour", 2),
];

/// What a create would make.
pub const PLANS: View = View {
    columns: PLAN_COLUMNS,
    wide: PLAN_COLUMNS,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: &[
        "provider",
        "name",
        "region",
        "zone",
        "machine_type",
        "architecture",
        "image",
        "image_name",
        "disk_gib",
        "disk_type",
        "spot",
        "price_usd_per_hour",
    ],
};

const IDENTITY_COLUMNS: &[Column] = &[
    whole("PROVIDER", &["provider"], 0),
    whole("ACCOUNT", &["account"], 0),
    whole("PRINCIPAL", &["principal"], 1),
];

/// Who is asking.
pub const IDENTITIES: View = View {
    columns: IDENTITY_COLUMNS,
    wide: IDENTITY_COLUMNS,
    key: "account",
    name: None,
    reference: None,
    fields: &["provider", "account", "principal"],
};

const DOCTOR_COLUMNS: &[Column] = &[
    whole("PROVIDER", &["provider"], 0),
    whole("CHECK", &["check"], 0),
    whole("RESULT", &["result"], 0),
    whole("DETAIL", &["detail"], 1),
];

/// What `doctor` looked at.
pub const DOCTOR: View = View {
    columns: DOCTOR_COLUMNS,
    wide: DOCTOR_COLUMNS,
    key: "check",
    name: None,
    reference: None,
    fields: &["provider", "check", "result", "detail"],
};

const CONTEXT_COLUMNS: &[Column] = &[
    whole("CURRENT", &["current"], 1),
    whole("NAME", &["name"], 0),
    short("PROVIDERS", "providers", 2),
];

/// The contexts of the configuration file.
pub const CONTEXTS: View = View {
    columns: CONTEXT_COLUMNS,
    wide: CONTEXT_COLUMNS,
    key: "name",
    name: Some("name"),
    reference: None,
    fields: &["name", "current", "providers"],
};

const SETTING_COLUMNS: &[Column] = &[
    whole("SETTING", &["setting"], 0),
    whole("VALUE", &["value"], 0),
    whole("SOURCE", &["source"], 1),
];

/// Settings and where they came from.
pub const SETTINGS: View = View {
    columns: SETTING_COLUMNS,
    wide: SETTING_COLUMNS,
    key: "setting",
    name: None,
    reference: None,
    fields: &["setting", "value", "source"],
};

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
                .map(|record| column.fill.text(record, layout.now))
                .collect();
            (column.header.to_owned(), column.dispensability, cells)
        })
        .collect();
    write_columns(out, columns, layout)
}

/// Writes a table of fields that the user named; the names were checked by [`View::check_columns`].
pub(super) fn write_named(
    out: &mut dyn Write,
    names: &[String],
    records: &[Record],
    layout: &Layout,
) -> io::Result<()> {
    let column = |name: &String| {
        let text = |record: &Record| match name.as_str() {
            "age" => Fill::Since("created_at").text(record, layout.now),
            "expires" => Fill::Until("expires_at").text(record, layout.now),
            _ => cell(record.get(name)),
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
        writeln!(out, "{name:widest$}  {}", cell(value))?;
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
                style_of(&column.0, text)
            };
            if layout.colour {
                line.push_str(&format!("{style}{text}{style:#}"));
            } else {
                line.push_str(text);
            }
            line.extend(std::iter::repeat_n(' ', width - text.width() + GAP));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn style_of(header: &str, text: &str) -> Style {
    let colour = match (header, text) {
        ("STATE", "running") | ("RESULT", "ok") => AnsiColor::Green,
        ("STATE", "pending" | "stopping" | "terminating") | ("RESULT", "warning") => AnsiColor::Yellow,
        ("STATE", "stopped" | "terminated") => AnsiColor::BrightBlack,
        ("STATE", "unknown") | ("RESULT", "failed") => AnsiColor::Red,
        _ => return Style::new(),
    };
    Style::new().fg_color(Some(colour.into()))
}

impl Fill {
    fn text(&self, record: &Record, now: Timestamp) -> String {
        let time = |field: &str| {
            record
                .get(field)
                .as_str()
                .and_then(|text| text.parse::<Timestamp>().ok())
        };
        match self {
            Self::Whole(fields) => {
                let known = fields
                    .iter()
                    .map(|field| record.get(field))
                    .find(|value| !value.is_null());
                known.map_or_else(|| "-".to_owned(), cell)
            }
            Self::Short(field) => short_cell(record.get(field)),
            Self::Since(field) => time(field).map_or_else(|| "-".to_owned(), |then| age(then, now)),
            Self::Until(field) => match (record.get(field), time(field)) {
                (Value::Null, _) => "never".to_owned(),
                (_, Some(then)) => age(now, then),
                (other, None) => cell(other),
            },
        }
    }
}

impl View {
    /// Checks names given to `-o columns=`.
    ///
    /// # Errors
    /// `InvalidSpec`, naming the one that is not there and those that are.
    pub fn check_columns(&self, names: &[String]) -> Result<()> {
        match names.iter().find(|name| !self.fields.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(Error::invalid(format!("unknown column {:?}", escape(unknown)))
                .with_remedy(format!("use columns of {}", self.fields.join(", ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn narrow_terminals_lose_columns_but_never_the_name() {
        assert!(table(None).contains("EXPIRES"));
        let narrow = table(Some(60));
        assert!(narrow.contains("a-name-that-is-quite-long-and-never-cut") && narrow.contains("running"));
        assert!(!narrow.contains("EXPIRES"));
        assert!(table(Some(5)).contains("a-name-that-is-quite-long-and-never-cut"));
    }

    #[test]
    fn every_field_of_an_instance_can_be_a_column() {
        for field in crate::cloud::Field::ALL {
            assert!(INSTANCES.fields.contains(&field.name()), "{}", field.name());
        }
    }
}

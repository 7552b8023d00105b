//! The page of `describe`: the fields of one record in groups, with ages beside times.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::Style;
use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::columns::{PRICE_FOR_TTL, PRICE_NOTE, PRICE_PER_MONTH};
use super::output_record::Record;
use super::table::{choose_style, parse_time};
use super::terminal_text::{age, display_name, format_cell, time_left};
use crate::cloud::cost_for;

/// A part of the page.
struct Group {
    title: &'static str,
    /// The lines: what stands before the value, and the field.
    lines: &'static [(&'static str, &'static str)],
}

/// The fields of an instance. Labels and the cloud's own fields come after them, one line for each.
const GROUPS: &[Group] = &[
    Group {
        title: "What",
        lines: &[
            ("name", "name"),
            ("id", "id"),
            ("ref", "ref"),
            ("machine type", "machine_type"),
            ("CPUs", "cpus"),
            ("memory GiB", "memory_gib"),
            ("architecture", "architecture"),
            ("image", "image"),
            ("spot", "spot"),
        ],
    },
    Group {
        title: "Where",
        lines: &[
            ("provider", "provider"),
            ("account", "account"),
            ("region", "region"),
            ("zone", "zone"),
        ],
    },
    Group {
        title: "Network",
        lines: &[("public IP", "public_ip"), ("private IP", "private_ip")],
    },
    Group {
        title: "Life",
        lines: &[
            ("state", "state"),
            ("native state", "native_state"),
            ("created", "created_at"),
            ("expires", "expires_at"),
            ("ended by", "expiry_enforcer"),
            ("protected", "protected"),
            ("by cloudctl", "managed"),
        ],
    },
    Group {
        title: "Cost",
        lines: &[
            ("USD/hour", "price_usd_per_hour"),
            ("USD/month", PRICE_PER_MONTH),
            ("USD/TTL", PRICE_FOR_TTL),
        ],
    },
];

/// The fields whose entries have lines of their own, with the titles of their groups.
const ENTRIES: [(&str, &str); 2] = [("Labels", "labels"), ("Native", "native")];

/// How wide the part before the values is at least.
const LABEL_WIDTH: usize = 14;

/// Writes the page of one record.
pub(super) fn write_page(out: &mut dyn Write, record: &Record, now: Timestamp, colour: bool) -> io::Result<()> {
    for (index, group) in GROUPS.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_title(out, group.title, colour)?;
        for (label, field) in group.lines {
            write_line(out, label, &format_value(record, field, now, colour), LABEL_WIDTH)?;
        }
    }
    for (title, field) in ENTRIES {
        let Value::Object(entries) = record.get(field) else {
            continue;
        };
        if entries.is_empty() {
            continue;
        }
        writeln!(out)?;
        write_title(out, title, colour)?;
        let names: Vec<_> = entries.keys().map(|key| display_name(key)).collect();
        let width = names.iter().map(|name| name.width()).fold(LABEL_WIDTH, usize::max);
        for (name, value) in names.iter().zip(entries.values()) {
            write_line(out, name, &format_cell(value), width)?;
        }
    }
    Ok(())
}

fn write_title(out: &mut dyn Write, title: &str, colour: bool) -> io::Result<()> {
    let style = if colour { Style::new().bold() } else { Style::new() };
    writeln!(out, "{style}{title}{style:#}")
}

fn write_line(out: &mut dyn Write, label: &str, value: &str, width: usize) -> io::Result<()> {
    let padding = width.saturating_sub(label.width());
    let value = if value.is_empty() { "-" } else { value };
    writeln!(out, "  {label}{:padding$}  {value}", "")
}

/// Formats a value of the page: a time with its age, a state in its colour, and an unknown price with the reason.
fn format_value(record: &Record, field: &str, now: Timestamp, colour: bool) -> String {
    let value = record.get(field);
    match field {
        "created_at" | "expires_at" => format_time(field, value, record.get("state"), now),
        "state" if colour => {
            let text = format_cell(value);
            let style = choose_style("STATE", &text);
            format!("{style}{text}{style:#}")
        }
        "price_usd_per_hour" if value.is_null() => match record.get(PRICE_NOTE) {
            Value::Null => "-".to_owned(),
            reason => format_cell(reason),
        },
        PRICE_FOR_TTL => format_cost_for_ttl(record),
        "expiry_enforcer" => match value.as_str() {
            Some("cloud") => "the cloud".to_owned(),
            Some("guest") => "a timer in the VM".to_owned(),
            Some("tag") => "only `cloudctl terminate --expired`".to_owned(),
            _ => format_cell(value),
        },
        _ => format_cell(value),
    }
}

/// Formats what it will have cost when it expires; `-` if it does not, or if its price is not known.
fn format_cost_for_ttl(record: &Record) -> String {
    let price = record.get("price_usd_per_hour").as_f64();
    let created = parse_time(record.get("created_at"));
    let lifetime = parse_time(record.get("expires_at"))
        .zip(created)
        .and_then(|(end, start)| Duration::try_from(end.duration_since(start)).ok());
    match price.zip(lifetime) {
        Some((price, lifetime)) => format!("{} from its creation until it expires", cost_for(price, lifetime)),
        None => "-".to_owned(),
    }
}

/// Formats a time with its distance from now: `2026-11-27T17:00:00Z (3m ago)`.
fn format_time(field: &str, value: &Value, state: &Value, now: Timestamp) -> String {
    let Some(time) = parse_time(value) else {
        let is_endless = field == "expires_at" && value.is_null() && state != "unknown";
        return if is_endless {
            "never".to_owned()
        } else {
            format_cell(value)
        };
    };
    let distance = match time > now {
        true => format!("in {}", time_left(now, time)),
        false => format!("{} ago", age(time, now)),
    };
    format!("{} ({distance})", format_cell(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::InstanceField;
    use serde_json::json;

    #[test]
    fn page_has_every_instance_field() {
        for field in InstanceField::ALL {
            let is_line = GROUPS
                .iter()
                .any(|group| group.lines.iter().any(|(_, shown)| *shown == field.name()));
            let has_entries = ENTRIES.iter().any(|(_, shown)| *shown == field.name());
            assert!(is_line || has_entries, "{}", field.name());
        }
    }

    #[test]
    fn page_shows_ages_beside_times() {
        let now: Timestamp = "2026-01-01T02:00:00Z".parse().unwrap();
        let record = Record::new(vec![
            ("state", json!("running")),
            ("created_at", json!("2026-01-01T01:57:00Z")),
            ("expires_at", json!("2026-01-01T04:00:00Z")),
            ("labels", json!({"env": "ci"})),
        ]);
        let mut out = Vec::new();
        write_page(&mut out, &record, now, false).unwrap();
        let page = String::from_utf8(out).unwrap();
        for line in [
            "Life\n",
            "  created         2026-01-01T01:57:00Z (3m ago)\n",
            "  expires         2026-01-01T04:00:00Z (in 2h)\n",
            "\nLabels\n  env             ci\n",
        ] {
            assert!(page.contains(line), "{line:?} is not in\n{page}");
        }
    }
}

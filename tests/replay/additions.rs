//! What may be added without a break of the contract: notes on stderr, and columns of a table.

use std::collections::BTreeMap;

use serde_json::Value;

/// Takes out of standard output what was added after the recording, and would give the ids other numbers: the column ID at
/// the end of a table, and the line USD/TTL on the page of `describe`. Of that page the ages are taken out, too, which grow
/// with the days.
pub fn remove_added_texts(stdout: &str) -> String {
    let has_id_column = stdout.lines().any(|line| line.ends_with("EXPIRES  ID"));
    let mut text = String::new();
    for line in stdout.split_inclusive('\n') {
        let is_time = line.starts_with("  created ") || line.starts_with("  expires ");
        match line.rsplit_once("  ") {
            _ if line.starts_with("  USD/TTL ") => {}
            Some((row, _)) if has_id_column => text.push_str(&format!("{}\n", row.trim_end())),
            _ if is_time => text.push_str(&hide_age(line)),
            _ => text.push_str(line),
        }
    }
    text
}

/// Replaces the duration in `2020-01-01T00:00:00Z (9d ago)` or `… (in 2h)`.
fn hide_age(line: &str) -> String {
    match line.split_once(" (") {
        Some((time, distance)) if distance.starts_with("in ") => format!("{time} (in #)\n"),
        Some((time, _)) => format!("{time} (# ago)\n"),
        None => line.to_owned(),
    }
}

/// Whether a step does what was recorded, or does it and says more.
pub fn is_same_or_has_additions(expected: &[String], actual: &[String]) -> bool {
    let (notes_before, rest_before) = take_notes(expected);
    let (notes_now, rest_now) = take_notes(actual);
    let has_same_rest = rest_before == rest_now
        || has_only_more_columns(&rest_before, &rest_now)
        || has_only_more_fields(&rest_before, &rest_now);
    notes_before <= notes_now && has_same_rest
}

/// Whether standard output is in the same machine format in both, and the second has all fields of the first with the same
/// values.
fn has_only_more_fields(before: &[&str], now: &[&str]) -> bool {
    let split = |lines: &[&str]| {
        let (output, others): (Vec<String>, Vec<String>) = lines
            .iter()
            .map(|line| (*line).to_owned())
            .partition(|line| line.starts_with("> "));
        let output: Vec<String> = output.iter().map(|line| line[2..].to_owned()).collect();
        (parse_items(&output), others)
    };
    match (split(before), split(now)) {
        ((Some(items_before), others_before), (Some(items_now), others_now)) => {
            others_before == others_now && has_all_of(&items_before, &items_now)
        }
        _ => false,
    }
}

/// Parses JSON, one item of JSON a line, YAML or CSV; `None` for anything else.
fn parse_items(lines: &[String]) -> Option<Value> {
    let text = lines.join("\n");
    if let Ok(whole) = serde_json::from_str(&text) {
        return Some(whole);
    }
    let first = lines.first()?;
    if first.starts_with('{') {
        let items: Result<Vec<Value>, _> = lines.iter().map(|line| serde_json::from_str(line)).collect();
        return items.ok().map(Value::Array);
    }
    if first.starts_with("schema:") {
        return yaml_serde::from_str(&text).ok();
    }
    if first.starts_with("provider,") {
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let rows: Result<Vec<BTreeMap<String, String>>, _> = table.deserialize().collect();
        return serde_json::to_value(rows.ok()?).ok();
    }
    None
}

/// Whether a value has all that another has; a list has as many entries.
fn has_all_of(before: &Value, now: &Value) -> bool {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => before
            .iter()
            .all(|(key, value)| now.get(key).is_some_and(|now| has_all_of(value, now))),
        (Value::Array(before), Value::Array(now)) => {
            before.len() == now.len() && before.iter().zip(now).all(|(before, now)| has_all_of(before, now))
        }
        _ => before == now,
    }
}

/// How many lines are notes, and the other lines.
fn take_notes(lines: &[String]) -> (usize, Vec<&str>) {
    let others: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| *line != "! text")
        .collect();
    (lines.len() - others.len(), others)
}

/// Whether both are tables, and the second has all columns of the first with the same cells.
fn has_only_more_columns(before: &[&str], now: &[&str]) -> bool {
    let (Some(table_before), Some(table_now)) = (Table::parse(before), Table::parse(now)) else {
        return false;
    };
    let named = |table: &Table, header: &str| table.columns.iter().find(|column| column[0] == header).cloned();
    let is_kept = |column: &Vec<String>| named(&table_now, &column[0]).as_ref() == Some(column);
    table_before.others == table_now.others
        && table_before.columns.len() < table_now.columns.len()
        && table_before.columns.iter().all(is_kept)
}

/// A table as it was printed, and the lines that are not part of it.
struct Table {
    /// Each column: the header, then the cells.
    columns: Vec<Vec<String>>,
    others: Vec<String>,
}

impl Table {
    /// Parses the lines of standard output, which begin with `> `; `None` if they are no table.
    fn parse(lines: &[&str]) -> Option<Self> {
        let rows: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("> ")).collect();
        let others = lines.iter().filter(|line| !line.starts_with("> "));
        let is_header = |row: &&&str| row.contains("  ") && !row.contains(char::is_lowercase);
        // The lines of some steps are sorted, so the header may be anywhere.
        let header = *rows.iter().find(is_header)?;
        let starts = column_starts(header);
        let mut columns: Vec<Vec<String>> = vec![Vec::new(); starts.len()];
        let body = rows.iter().filter(|row| **row != header);
        for row in std::iter::once(&header).chain(body) {
            let characters: Vec<char> = row.chars().collect();
            for (index, start) in starts.iter().enumerate() {
                let end = starts
                    .get(index + 1)
                    .copied()
                    .unwrap_or(characters.len())
                    .min(characters.len());
                let cell: String = characters.get(*start..end).unwrap_or_default().iter().collect();
                columns[index].push(cell.trim().to_owned());
            }
        }
        Some(Self {
            columns,
            others: others.map(|line| (*line).to_owned()).collect(),
        })
    }
}

/// Where the columns begin: headers are two or more spaces apart.
fn column_starts(header: &str) -> Vec<usize> {
    let characters: Vec<char> = header.chars().collect();
    let begins = |index: &usize| {
        let before = |distance: usize| index.checked_sub(distance).and_then(|at| characters.get(at));
        characters.get(*index) != Some(&' ') && (*index == 0 || before(1) == Some(&' ') && before(2) == Some(&' '))
    };
    (0..characters.len()).filter(begins).collect()
}

#[test]
fn only_more_notes_and_columns_are_allowed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let before = lines("= 0\n> NAME  STATE\n> a     running\n! text");
    for (now, allowed) in [
        ("= 0\n> NAME  STATE    ID\n> a     running  m-1\n! text\n! text", true),
        ("= 0\n> NAME  STATE\n> a     running", false),
        ("= 0\n> NAME  STATE    ID\n> a     stopped  m-1\n! text", false),
        ("= 0\n> NAME  ID\n> a     m-1\n! text", false),
        ("= 1\n> NAME  STATE    ID\n> a     running  m-1\n! text", false),
    ] {
        assert_eq!(is_same_or_has_additions(&before, &lines(now)), allowed, "{now}");
    }
}

#[test]
fn only_more_fields_are_allowed_in_json() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let before = lines("= 0\n> {\"items\": [\n>   {\"a\": 1}]}");
    for (now, allowed) in [
        ("= 0\n> {\"items\": [\n> {\"a\": 1, \"b\": []}]}", true),
        ("= 0\n> {\"items\": [\n> {\"a\": 2, \"b\": []}]}", false),
        ("= 0\n> {\"items\": [\n> {\"b\": []}]}", false),
        ("= 0\n> {\"items\": []}", false),
        ("= 2\n> {\"items\": [\n> {\"a\": 1}]}", false),
    ] {
        assert_eq!(is_same_or_has_additions(&before, &lines(now)), allowed, "{now}");
    }
    for (before, now) in [
        (
            "= 0\n> {\"a\": 1}\n> {\"a\": 2}",
            "= 0\n> {\"a\": 1, \"b\": 0}\n> {\"a\": 2}",
        ),
        (
            "= 0\n> schema: v1\n> items: []",
            "= 0\n> schema: v1\n> items: []\n> more: 1",
        ),
        ("= 0\n> provider,a\n> mock,1", "= 0\n> provider,a,b\n> mock,1,"),
    ] {
        assert!(is_same_or_has_additions(&lines(before), &lines(now)), "{now}");
        assert!(!is_same_or_has_additions(&lines(now), &lines(before)), "{before}");
    }
}

//! What may be added without a break of the contract: notes on stderr, and columns of a table.

/// Takes out of standard output what was added after the recording, and would give the ids other numbers: the column ID at
/// the end of a table. Of the page of `describe` the ages are taken out, which grow with the days.
pub fn remove_added_texts(stdout: &str) -> String {
    let has_id_column = stdout.lines().any(|line| line.ends_with("EXPIRES  ID"));
    let mut text = String::new();
    for line in stdout.split_inclusive('\n') {
        let is_time = line.starts_with("  created ") || line.starts_with("  expires ");
        match line.rsplit_once("  ") {
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
    notes_before <= notes_now && (rest_before == rest_now || has_only_more_columns(&rest_before, &rest_now))
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

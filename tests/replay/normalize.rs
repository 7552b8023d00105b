//! Takes out of a text what is another in each run. The rules:
//!
//! 1. The scenario's folder is `$FOLDER`; in a table with it the columns are two spaces apart, since its length is another
//!    on each machine. And an emulator's address is `127.0.0.1:PORT`.
//! 2. A random id of the mock cloud, `m-` and 16 digits, is `m-ID` and its number in the scenario. A command may use
//!    that text too. Ids that begin with eight zeros come from a file of the scenario and stay.
//! 3. A random token of 64 hexadecimal digits stays: it is derived from names and places.
//! 4. A time of the last two days or the next 130 is `<now>`, `<now+2h>` or `<now-3h>`, to the minute.
//!    The date of today alone is `<today>`.
//! 5. In a table, what stands below AGE and EXPIRES is `#`, if it is a duration.
//! 6. A name that cloudctl made up is `made-up-name`.
//! 7. How long something took is `in # ms` or `after # s`.
//! 8. A request id that a cloud gave is `REQUEST`.

use jiff::{SignedDuration, Timestamp};

/// The number of characters of an id of the mock cloud.
const ID_LENGTH: usize = 18;
/// The number of characters of `2026-01-31`.
const DATE_LENGTH: usize = 10;
/// Times from this long ago on count as of this run.
const PAST: SignedDuration = SignedDuration::from_hours(48);
/// Times up to then count as of this run: no TTL is longer than 120 days.
const FUTURE: SignedDuration = SignedDuration::from_hours(130 * 24);

pub struct Normalizer {
    folder: String,
    start: Timestamp,
    ids: Vec<String>,
    names: Vec<String>,
}

impl Normalizer {
    pub fn new(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            start: Timestamp::now(),
            ids: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Puts the real values into a text of the corpus.
    pub fn to_real(&self, text: &str) -> String {
        let mut text = text.replace("$FOLDER", &self.folder);
        for (index, id) in self.ids.iter().enumerate() {
            text = text.replace(&id_text(index), id);
        }
        text
    }

    /// Takes the names in the mock cloud's file that nobody asked for as made up.
    pub fn learn_names(&mut self, mock_file: Option<&str>, asked: &str) {
        let Some(file) = mock_file.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok()) else {
            return;
        };
        for instance in file["instances"].as_array().into_iter().flatten() {
            let name = instance["name"].as_str().unwrap_or_default();
            let group = name.rsplit_once('-').map_or(name, |(group, _)| group);
            let is_asked = asked.contains(name) || asked.contains(group);
            if !is_asked && !self.names.iter().any(|known| known == name) {
                self.names.push(name.to_owned());
            }
        }
    }

    /// The text without what is another in each run.
    pub fn normalize(&mut self, text: &str) -> String {
        let text = match text.contains(&self.folder) && !text.starts_with('{') {
            true => narrow_gaps(text).replace(&self.folder, "$FOLDER"),
            false => text.replace(&self.folder, "$FOLDER"),
        };
        let text = replace_after(&text, "127.0.0.1:", |rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            (digits > 1).then(|| (digits, "PORT".to_owned()))
        });
        let text = hide_number(&hide_number(&text, " in ", " ms"), " after ", " s");
        let text = replace_after(&text, "\"request_id\":", |rest| quoted_id(rest, "REQUEST"));
        let text = replace_after(&text, "(request ", |rest| {
            rest.find(')').map(|end| (end, "REQUEST".to_owned()))
        });
        let mut text = self.replace_ids(&text);
        for name in &self.names {
            text = text.replace(name.as_str(), "made-up-name");
        }
        let mut text = self.replace_times(&text);
        for now in [self.start, Timestamp::now()] {
            text = text.replace(&now.to_string()[..DATE_LENGTH], "<today>");
        }
        hide_ages(&text)
    }

    fn replace_ids(&mut self, text: &str) -> String {
        replace_each(text, "m-", |rest| {
            let id = rest.get(..ID_LENGTH)?;
            let digits = &id[2..];
            let is_random = digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && !digits.starts_with("00000000");
            if !is_random {
                return None;
            }
            let index = self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
                self.ids.push(id.to_owned());
                self.ids.len() - 1
            });
            Some((ID_LENGTH, id_text(index)))
        })
    }

    fn replace_times(&self, text: &str) -> String {
        replace_each(text, "20", |rest| {
            let length = time_length(rest)?;
            let time: Timestamp = rest[..length].parse().ok()?;
            let distance = time.duration_since(self.start);
            if distance < -PAST || distance > FUTURE {
                return None;
            }
            Some((length, time_text(distance)))
        })
    }
}

fn id_text(index: usize) -> String {
    format!("m-ID{:0>14}", index + 1)
}

/// How long the time is that a text begins with: `2026-01-31T12:00:00.5Z`.
fn time_length(text: &str) -> Option<usize> {
    const PATTERN: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    const OFFSET: &str = "-08:00";
    let bytes = text.as_bytes();
    let fits = |(byte, wanted): (&u8, &u8)| match wanted {
        b'd' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    };
    if bytes.len() <= PATTERN.len() || !bytes.iter().zip(PATTERN).all(fits) {
        return None;
    }
    let rest = &bytes[PATTERN.len()..];
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let zone = match rest[end] {
        b'Z' => 1,
        b'+' | b'-' if rest.len() >= end + OFFSET.len() => OFFSET.len(),
        _ => return None,
    };
    Some(PATTERN.len() + end + zone)
}

fn time_text(distance: SignedDuration) -> String {
    let minutes = (distance.as_secs_f64() / 60.0).round() as i64;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    match (minutes / 60, minutes % 60) {
        (0, 0) => "<now>".to_owned(),
        (0, minutes) => format!("<now{sign}{minutes}m>"),
        (hours, 0) => format!("<now{sign}{hours}h>"),
        (hours, minutes) => format!("<now{sign}{hours}h{minutes}m>"),
    }
}

/// Replaces texts that begin with `start`: `replace` gets all from there on, and gives how many bytes go, and for what.
fn replace_each(text: &str, start: &str, mut replace: impl FnMut(&str) -> Option<(usize, String)>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        let (before, found) = rest.split_at(at);
        result.push_str(before);
        let (length, new) = replace(found).unwrap_or_else(|| (start.len(), start.to_owned()));
        result.push_str(&new);
        rest = &found[length..];
    }
    result + rest
}

/// Replaces what stands behind each `start`.
fn replace_after(text: &str, start: &str, replace: impl Fn(&str) -> Option<(usize, String)>) -> String {
    replace_each(text, start, |found| {
        let (length, new) = replace(&found[start.len()..])?;
        Some((start.len() + length, format!("{start}{new}")))
    })
}

/// A quoted text, with the spaces before it.
fn quoted_id(rest: &str, new: &str) -> Option<(usize, String)> {
    let open = rest.find('"').filter(|open| rest[..*open].trim().is_empty())?;
    let close = open + 1 + rest[open + 1..].find('"')?;
    Some((close, format!("{}\"{new}", &rest[..open])))
}

/// Makes two spaces of more of them, but not at the beginning of a line.
fn narrow_gaps(text: &str) -> String {
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        let words = line.trim_start_matches(' ');
        result.push_str(&line[..line.len() - words.len()]);
        let mut spaces = 0;
        for character in words.chars() {
            spaces = if character == ' ' { spaces + 1 } else { 0 };
            if spaces <= 2 {
                result.push(character);
            }
        }
    }
    result
}

/// Hides the number between two texts, how long something took: `in 12 ms`.
fn hide_number(text: &str, before: &str, after: &str) -> String {
    replace_after(text, before, |rest| {
        let (number, _) = rest.split_once(after)?;
        number.parse::<u64>().ok()?;
        Some((number.len(), "#".to_owned()))
    })
}

/// Hides the durations in the columns AGE and EXPIRES of a table.
fn hide_ages(text: &str) -> String {
    let mut columns: Vec<(usize, usize)> = Vec::new();
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        let header = columns_of_header(line);
        if !header.is_empty() {
            columns = header;
            result.push_str(line);
        } else if columns.is_empty() {
            result.push_str(line);
        } else {
            let mut characters: Vec<char> = line.chars().collect();
            for (start, end) in &columns {
                let end = (*end).min(characters.len());
                let Some(cell) = characters.get_mut(*start..end) else {
                    continue;
                };
                if cell.first().is_some_and(char::is_ascii_digit) {
                    let is_last = cell.last() == Some(&'\n');
                    cell.fill(' ');
                    cell[0] = '#';
                    if is_last {
                        characters.truncate(*start + 1);
                        characters.push('\n');
                    }
                }
            }
            result.extend(characters);
        }
    }
    result
}

/// Where the columns AGE and EXPIRES begin and end, if this line is the head of a table.
fn columns_of_header(line: &str) -> Vec<(usize, usize)> {
    let is_header = line.contains("  ") && line.chars().all(|c| !c.is_lowercase());
    let mut found = Vec::new();
    for name in ["AGE", "EXPIRES"] {
        let Some(start) = line.find(&format!("  {name}")).filter(|_| is_header).map(|at| at + 2) else {
            continue;
        };
        let after = &line[start + name.len()..];
        let spaces = after.len() - after.trim_start_matches(' ').len();
        let is_whole_word = spaces > 1 || after.trim().is_empty();
        if is_whole_word {
            let is_last = after.trim().is_empty();
            found.push((
                start,
                if is_last {
                    usize::MAX
                } else {
                    start + name.len() + spaces
                },
            ));
        }
    }
    found
}

#[test]
fn ids_and_times_are_numbered_and_relative() {
    let mut normalizer = Normalizer::new("/tmp/x");
    let later = normalizer.start + SignedDuration::from_hours(2);
    let text = format!(
        "/tmp/x/a m-0123456789abcdef m-00000000000000a1 m-fedcba9876543210 m-0123456789abcdef {later} 2020-01-01T00:00:00Z"
    );
    assert_eq!(
        normalizer.normalize(&text),
        "$FOLDER/a m-ID00000000000001 m-00000000000000a1 m-ID00000000000002 m-ID00000000000001 <now+2h> 2020-01-01T00:00:00Z"
    );
    assert_eq!(normalizer.to_real("m-ID00000000000002"), "m-fedcba9876543210");
}

#[test]
fn ages_in_tables_are_hidden() {
    let table = "NAME  AGE  EXPIRES\na     3s   1h59m\nb     12m  never\n";
    assert_eq!(hide_ages(table), "NAME  AGE  EXPIRES\na     #    #\nb     #    never\n");
}

//! Text that is safe on a terminal, and values as people read them.

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// The widest a cell gets that is neither a name nor an id.
const WIDEST_CELL: usize = 60;
/// The longest name that is shown whole, in characters: no cloud gives a longer one (EC2: the value of a tag).
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
const LONGEST_NAME: usize = 256;

/// Writes out what could steer a terminal, turn the direction of the text or hide in it: control characters (C0, C1,
/// DEL), line and paragraph separators, bidirectional marks, and what has no width. Clouds let anybody put those in a
/// tag.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The same for text of several lines: newlines and tabs stay.
pub(super) fn escape_lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|piece| match piece.strip_suffix(['\n', '\t']) {
            Some(line) => format!("{}{}", escape(line.trim_end_matches('\r')), &piece[line.len()..]),
            None => escape(piece),
        })
        .collect()
}

/// Whether a character does something else than being seen: control characters, and what Unicode calls default
/// ignorable, with separators and annotations.
/// <https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>
pub(super) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A name as it stands in a list: whole, unless it is longer than any cloud's.
pub fn display_name(name: &str) -> String {
    let safe = escape(name);
    match safe.char_indices().nth(LONGEST_NAME) {
        Some((cut, _)) => format!("{}…", &safe[..cut]),
        None => safe,
    }
}

/// A value as a table shows it: `-` for unknown, `yes` and `no`, `key=value` pairs.
pub(super) fn format_cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => escape(text),
        Value::Array(values) => values.iter().map(format_cell).collect::<Vec<_>>().join(","),
        Value::Object(entries) if entries.is_empty() => "-".to_owned(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| format!("{}={}", escape(key), format_cell(value)))
            .collect::<Vec<_>>()
            .join(","),
    }
}

/// The same, cut to a width that leaves room for others.
pub(super) fn format_short_cell(value: &Value) -> String {
    let whole = format_cell(value);
    if whole.width() <= WIDEST_CELL {
        return whole;
    }
    let mut short: String = whole.chars().take(WIDEST_CELL - 1).collect();
    while short.width() > WIDEST_CELL - 1 {
        short.pop();
    }
    short.push('…');
    short
}

/// How long until: as [`age`], to the nearest minute, so that what was given two hours a second ago has `2h`.
pub(super) fn time_left(now: Timestamp, end: Timestamp) -> String {
    let seconds = (end.as_second() - now.as_second()).max(0);
    let rounded = if seconds < 60 {
        seconds
    } else {
        (seconds + 30) / 60 * 60
    };
    age(now, Timestamp::from_second(now.as_second() + rounded).unwrap_or(end))
}

/// How long ago, or how long until: `45s`, `3m`, `1h57m`, `9d`.
pub fn age(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_second() - from.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, 1..=9, _) if minutes % 60 != 0 => format!("{hours}h{}m", minutes % 60),
        (0, _, _) => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("\u{202e}evil\u{9b}x\u{7f}"), "\\u{202e}evil\\u{9b}x\\u{7f}");
        assert_eq!(escape("naïve 日本"), "naïve 日本");
        assert_eq!(escape_lines("one\r\n\ttwo\u{7}"), "one\n\ttwo\\u{7}");
    }

    #[test]
    fn nothing_that_cannot_be_seen_gets_through() {
        for hidden in [
            '\u{ad}',
            '\u{34f}',
            '\u{115f}',
            '\u{180e}',
            '\u{200d}',
            '\u{2060}',
            '\u{206f}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            let shown = escape(&format!("a{hidden}b"));
            assert_eq!(shown, format!("a{}b", hidden.escape_unicode()));
        }
        // Accents are seen, wherever they are put.
        assert_eq!(escape("e\u{301}"), "e\u{301}");
    }

    #[test]
    fn a_name_is_cut_where_no_cloud_has_one_so_long() {
        assert_eq!(display_name(&"日".repeat(256)), "日".repeat(256));
        assert_eq!(display_name(&"x".repeat(4096)).chars().count(), 257);
    }

    #[test]
    fn the_time_left_is_that_to_the_nearest_minute() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (seconds, text) in [
            (-5, "0s"),
            (59, "59s"),
            (89, "1m"),
            (7_199, "2h"),
            (7_020, "1h57m"),
            (604_790, "7d"),
        ] {
            assert_eq!(time_left(at(1_000), at(1_000 + seconds)), text);
        }
    }

    #[test]
    fn ages_are_short() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (185, "3m"),
            (7020, "1h57m"),
            (7200, "2h"),
            (800_000, "9d"),
        ] {
            assert_eq!(age(at(0), at(seconds)), text);
        }
    }

    #[test]
    fn long_cells_are_cut_by_width() {
        assert!(format_short_cell(&Value::from("日".repeat(4000))).width() <= WIDEST_CELL);
    }
}

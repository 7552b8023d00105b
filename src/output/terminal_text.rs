//! Escapes text so that it is safe on a terminal, and formats values for people.

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// The maximum width of a cell, except for names and ids.
const MAX_CELL_WIDTH: usize = 60;
/// The maximum length of a name that is shown whole, in characters. No cloud allows a longer one (EC2: the value of a tag).
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
const MAX_NAME_LENGTH: usize = 256;

/// Escapes the characters that could control a terminal, change the direction of text or hide in it: control characters (C0,
/// C1, DEL), line and paragraph separators, bidirectional marks, and characters without width. Tags on clouds can have all
/// of them.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Escapes text of several lines, but keeps line breaks and tabs.
pub(super) fn escape_lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|piece| match piece.strip_suffix(['\n', '\t']) {
            Some(line) => format!("{}{}", escape(line.trim_end_matches('\r')), &piece[line.len()..]),
            None => escape(piece),
        })
        .collect()
}

/// Whether a character is not simply visible: control characters, those that Unicode calls default ignorable, separators
/// and annotations.
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

/// Escapes a name for a list, and cuts it if it is longer than the names of all clouds.
pub fn display_name(name: &str) -> String {
    let escaped = escape(name);
    match escaped.char_indices().nth(MAX_NAME_LENGTH) {
        Some((cut, _)) => format!("{}…", &escaped[..cut]),
        None => escaped,
    }
}

/// Formats a value for a table: `-` for unknown, `yes` and `no`, `key=value` pairs.
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

/// Formats a value for a table, cut to [`MAX_CELL_WIDTH`].
pub(super) fn format_short_cell(value: &Value) -> String {
    let whole = format_cell(value);
    if whole.width() <= MAX_CELL_WIDTH {
        return whole;
    }
    let mut short: String = whole.chars().take(MAX_CELL_WIDTH - 1).collect();
    while short.width() > MAX_CELL_WIDTH - 1 {
        short.pop();
    }
    short.push('…');
    short
}

/// Formats the time until `end` like [`age`], but rounded to minutes: a TTL of two hours is still `2h` a second later.
pub(super) fn time_left(now: Timestamp, end: Timestamp) -> String {
    let seconds = (end.as_second() - now.as_second()).max(0);
    let rounded = if seconds < 60 {
        seconds
    } else {
        (seconds + 30) / 60 * 60
    };
    age(now, Timestamp::from_second(now.as_second() + rounded).unwrap_or(end))
}

/// Formats the time between two points: `45s`, `3m`, `1h57m`, `9d`.
pub fn age(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_second() - from.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d")
    } else if hours > 0 && hours < 10 && minutes % 60 > 0 {
        format!("{hours}h{}m", minutes % 60)
    } else if hours > 0 {
        format!("{hours}h")
    } else if minutes > 0 {
        format!("{minutes}m")
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_removes_terminal_controls() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("\u{202e}evil\u{9b}x\u{7f}"), "\\u{202e}evil\\u{9b}x\\u{7f}");
        assert_eq!(escape("naïve 日本"), "naïve 日本");
        assert_eq!(escape_lines("one\r\n\ttwo\u{7}"), "one\n\ttwo\\u{7}");
    }

    #[test]
    fn escape_removes_invisible_characters() {
        let invisible = "\u{ad}\u{34f}\u{115f}\u{180e}\u{200d}\u{2060}\u{206f}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\
            \u{1d173}\u{e0041}\u{e0100}";
        for hidden in invisible.chars() {
            let shown = escape(&format!("a{hidden}b"));
            assert_eq!(shown, format!("a{}b", hidden.escape_unicode()));
        }
        // Combining accents are visible.
        assert_eq!(escape("e\u{301}"), "e\u{301}");
    }

    #[test]
    fn display_name_cuts_overlong_name() {
        assert_eq!(display_name(&"日".repeat(256)), "日".repeat(256));
        assert_eq!(display_name(&"x".repeat(4096)).chars().count(), 257);
    }

    #[test]
    fn age_has_at_most_two_units_and_time_left_is_rounded_to_minutes() {
        let at = |seconds: i64| Timestamp::from_second(1_000 + seconds).unwrap();
        for (seconds, in_age, in_time_left) in [
            (-5, "0s", "0s"),
            (59, "59s", "59s"),
            (89, "1m", "1m"),
            (185, "3m", "3m"),
            (7_020, "1h57m", "1h57m"),
            (7_199, "1h59m", "2h"),
            (604_790, "6d", "7d"),
            (800_000, "9d", "9d"),
        ] {
            assert_eq!(age(at(0), at(seconds)), in_age);
            assert_eq!(time_left(at(0), at(seconds)), in_time_left);
        }
    }

    #[test]
    fn short_cell_is_cut_by_width() {
        assert!(format_short_cell(&Value::from("日".repeat(4000))).width() <= MAX_CELL_WIDTH);
    }
}

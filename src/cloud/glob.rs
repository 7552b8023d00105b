//! Patterns of names, as in a shell: `web-*`.

use std::fmt;

/// A pattern that a whole text matches: `*` is any text, also none, and `?` is one character. All other characters mean
/// themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Creates a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether a text has a character that makes it a pattern.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = strip_start(text, first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            // Without a star nothing may follow.
            return rest.is_empty();
        };
        // Between two stars the first place that matches leaves the most text for the parts after it.
        for part in parts {
            match find_and_skip(rest, part) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        ends_with(rest, last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text after a part of a pattern at its beginning; `None` if the text does not begin so.
fn strip_start<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let mut letters = text.chars();
    for expected in part.chars() {
        let letter = letters.next()?;
        if expected != '?' && expected != letter {
            return None;
        }
    }
    Some(letters.as_str())
}

/// The text after the first place that matches a part of a pattern.
fn find_and_skip<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let mut starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
    starts.find_map(|start| strip_start(text.get(start..)?, part))
}

/// Whether the end of the text matches a part of a pattern.
fn ends_with(text: &str, part: &str) -> bool {
    let mut starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
    starts.any(|start| text.get(start..).and_then(|end| strip_start(end, part)) == Some(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glob_matches_whole_texts() {
        for (pattern, matching, others) in [
            ("web-*", &["web-", "web-1", "web-a-b"][..], &["web", "my-web-1", ""][..]),
            ("*-1", &["-1", "web-1", "1-1"], &["web-11", "1"]),
            ("web-?", &["web-1", "web-ä"], &["web-", "web-10"]),
            ("w*b*1", &["wb1", "web-1", "wbb11"], &["web-2", "w1"]),
            ("*a*a*", &["aa", "banana"], &["a", "bnn"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("*ab", &["ab", "abab", "aab"], &["aba"]),
            ("*?b?*", &["abc", "xabcx"], &["bc", "ab"]),
            ("*", &["", "x"], &[]),
            ("?", &["x"], &["", "xy"]),
            ("a.c", &["a.c"], &["abc"]),
        ] {
            let glob = Glob::new(pattern);
            for text in matching {
                assert!(glob.matches(text), "{pattern} {text}");
            }
            for text in others {
                assert!(!glob.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn glob_with_many_stars_is_fast() {
        let pattern = "*a".repeat(50);
        assert!(!Glob::new(pattern).matches(&"a".repeat(49)));
    }
}

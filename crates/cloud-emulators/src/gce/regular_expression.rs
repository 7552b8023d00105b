//! The regular expressions that the API speaks: those of the discovery document, and the RE2 literals of `eq` and `ne`
//! in filters. A match covers the whole text.

use regex::bytes::Regex;

/// A compiled expression.
pub struct Pattern(Regex);

impl Pattern {
    /// `None` if the expression is malformed.
    pub fn new(source: &str) -> Option<Self> {
        // As in RE2, `\d`, `\w` and `\s` are of ASCII. A dot matches the end of a line too.
        Regex::new(&format!(r"(?s-u)\A(?:{source})\z")).ok().map(Self)
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

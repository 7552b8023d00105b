//! Reads the dates of HTTP headers.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Parses an HTTP date; `None` for other text. <https://www.rfc-editor.org/rfc/rfc9110#field.date>
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_date_is_parsed() {
        let date = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(date.to_string(), "1994-11-06T08:49:37Z");
        for text in ["", "now", "1994-11-06T08:49:37Z"] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}

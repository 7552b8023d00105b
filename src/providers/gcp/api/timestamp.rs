//! Reads the API's timestamps.

use jiff::Timestamp;

/// Parses a timestamp of the API, which is RFC 3339 text. `None` if it is missing or malformed.
pub(crate) fn parse_time(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

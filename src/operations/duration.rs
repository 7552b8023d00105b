//! Durations as people write them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::cloud::{Error, Result};

/// Reads a duration such as `90s`, `15m`, `2h` or `7d`.
///
/// # Errors
/// `InvalidSpec` for anything else, naming it.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let error = || Error::invalid(format!("invalid duration {text:?}")).with_remedy("write it as 90s, 15m, 2h or 7d");
    let span: Span = text.parse().map_err(|_| error())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(error());
    }
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| error())?;
    Duration::try_from(duration).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("2h", 7200),
            ("7d", 604_800),
            ("1h30m", 5400),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "5", "h", "-2h", "1y", "2 parsecs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

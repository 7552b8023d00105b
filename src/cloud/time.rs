//! The clock, and durations such as `2h`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};

use super::{Error, Result, quoted};

/// The clock of this machine, as a trait so that a test can set the time.
pub trait Clock: Send + Sync {
    /// Gives the time now.
    fn now(&self) -> Timestamp;
}

/// Parses a duration such as `90s`, `15m`, `2h` or `7d`.
///
/// # Errors
/// `InvalidSpec` for anything else.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let error = || Error::invalid(format!("invalid duration {}", quoted(text))).with_hint(duration_hint(text));
    // Zero is the same in every unit.
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let span: Span = text.parse().map_err(|_| error())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(error());
    }
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| error())?;
    Duration::try_from(duration).map_err(|_| error())
}

/// The hint for an invalid duration. A number alone does not say whether it means seconds, minutes or hours.
fn duration_hint(text: &str) -> String {
    let Ok(number) = text.parse::<u32>() else {
        return "write it as 90s, 15m, 2h or 7d".to_owned();
    };
    let as_seconds = format!("{number}s");
    let shorter = format_duration(Duration::from_secs(number.into()));
    match shorter == as_seconds {
        true => format!("add a unit: {number}s, {number}m, {number}h or {number}d"),
        false => format!("add a unit: {as_seconds}, or {shorter}"),
    }
}

/// Formats a duration in whole seconds: `2h`, `1h30m`, `7d`. [`parse_duration`] parses it again.
pub fn format_duration(duration: Duration) -> String {
    let mut left = duration.as_secs();
    let mut text = String::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if left >= seconds {
            text.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_duration_is_parsed_again() {
        for (seconds, text) in [
            (0, "0s"),
            (90, "1m30s"),
            (7_200, "2h"),
            (5_400, "1h30m"),
            (604_800, "7d"),
            (90_061, "1d1h1m1s"),
        ] {
            assert_eq!(format_duration(Duration::from_secs(seconds)), text);
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn duration_is_parsed_or_refused() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("2h", 7200),
            ("7d", 604_800),
            ("1h30m", 5400),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        let hint = |text: &str| parse_duration(text).unwrap_err().hint().unwrap().to_owned();
        assert!(hint("7200").ends_with("7200s, or 2h"));
        assert!(hint("2").ends_with("2s, 2m, 2h or 2d"));
        for text in ["", "5", "h", "-2h", "1y", "2 parsecs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

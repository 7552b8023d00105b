//! Amounts as they are typed: GiB and USD.

use crate::cloud::{Error, Result, quoted};

/// An amount of memory in GiB.
pub(in crate::commands) fn memory_argument(text: &str) -> Result<f64> {
    positive(text).ok_or_else(|| {
        Error::invalid(format!("invalid memory {}", quoted(text))).with_remedy("give it in GiB, such as 16 or 0.5")
    })
}

/// An amount of money in USD.
pub(super) fn usd_argument(text: &str) -> Result<f64> {
    positive(text).ok_or_else(|| {
        Error::invalid(format!("invalid amount {}", quoted(text))).with_remedy("give it in USD, such as 0.30")
    })
}

fn positive(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
}

//! Whole numbers on the command line and in files.

use std::fmt::Display;
use std::str::FromStr;

use super::{Error, Result, quoted};

/// Parses a whole number from `min` to `max`, if there is a maximum.
///
/// # Errors
/// `InvalidSpec` for anything else.
pub fn parse_whole_number<T: FromStr + PartialOrd + Display>(text: &str, min: T, max: Option<T>) -> Result<T> {
    match text.parse::<T>() {
        Ok(number) if number >= min && max.as_ref().is_none_or(|max| number <= *max) => return Ok(number),
        _ => {}
    }
    let (shown, hint) = match max {
        Some(max) => (
            format!("a whole number from {min} to {max}"),
            format!("use {min} to {max}"),
        ),
        None => (
            format!("a whole number of {min} or more"),
            "write it in digits, such as 4".to_owned(),
        ),
    };
    Err(Error::invalid(format!("{} is not {shown}", quoted(text))).with_hint(hint))
}

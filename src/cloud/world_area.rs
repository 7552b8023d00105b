//! Areas: parts of the world that regions are in, with the same words for every cloud.

use std::fmt;
use std::str::FromStr;

use super::{Error, Result, quoted};

/// A part of the world that regions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// United States.
    Us,
    /// The Americas without the United States.
    Americas,
    /// Europe.
    Europe,
    /// Asia, without the Middle East.
    Asia,
    /// Australia and New Zealand.
    Oceania,
    /// The Middle East.
    MiddleEast,
    /// Africa.
    Africa,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 7] = [
        Self::Us,
        Self::Americas,
        Self::Europe,
        Self::Asia,
        Self::Oceania,
        Self::MiddleEast,
        Self::Africa,
    ];

    /// The area's word on the command line and in output. No cloud uses it as the name of a region.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Americas => "americas",
            Self::Europe => "europe",
            Self::Asia => "asia",
            Self::Oceania => "oceania",
            Self::MiddleEast => "middle-east",
            Self::Africa => "africa",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Area {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|area| area.as_str() == input)
            .ok_or_else(|| {
                let all = Self::ALL.map(Self::as_str).join(", ");
                Error::invalid(format!("unknown area {}", quoted(input))).with_hint(format!("use one of {all}"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_is_parsed_from_its_word() {
        assert_eq!("europe".parse::<Area>().unwrap(), Area::Europe);
        assert!("mars".parse::<Area>().is_err());
    }
}

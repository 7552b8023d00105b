//! Areas: parts of the world that regions are in, with the same words for every cloud.

use std::fmt;
use std::str::FromStr;

use super::{Error, Result, quoted, word_enum};

word_enum! {
    /// A part of the world that regions are in.
    pub enum Area {
        /// United States.
        Us = "us",
        /// The Americas without the United States.
        Americas = "americas",
        /// Europe.
        Europe = "europe",
        /// Asia, without the Middle East.
        Asia = "asia",
        /// Australia and New Zealand.
        Oceania = "oceania",
        /// The Middle East.
        MiddleEast = "middle-east",
        /// Africa.
        Africa = "africa",
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

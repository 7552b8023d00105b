//! Areas: parts of the world that regions are in, with the same words for every cloud.

use std::fmt;
use std::str::FromStr;

use super::{Error, Result, did_you_mean, quoted, word_enum};

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
            .find(|area| area.as_str().eq_ignore_ascii_case(input))
            .ok_or_else(|| {
                let all = Self::ALL.map(Self::as_str).join(", ");
                Error::invalid(format!("unknown area {}", quoted(input))).with_hint(format!("use one of {all}"))
            })
    }
}

/// Other words for areas.
const OTHER_WORDS: [(&[&str], Area); 7] = [
    (&["america", "na", "north-america", "usa"], Area::Us),
    (&["canada", "latam", "sa", "south-america"], Area::Americas),
    (&["emea", "eu", "european-union"], Area::Europe),
    (&["ap", "apac", "asia-pacific"], Area::Asia),
    (&["anz", "au", "australia"], Area::Oceania),
    (&["me", "mena"], Area::MiddleEast),
    (&["af"], Area::Africa),
];

/// The hint for a word that is no region: the area that it most likely stands for, or what all regions are called.
pub fn explain_region_word(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    if ["all", "any", "global", "world"].contains(&word.as_str()) {
        return Some(
            "leave -r out, or name several: -r us -r europe; `cloudctl price --cpus 4` compares all regions".to_owned(),
        );
    }
    let known = OTHER_WORDS.iter().find(|(others, _)| others.contains(&word.as_str()));
    let area = match known {
        Some((_, area)) => area.as_str(),
        None => did_you_mean(&word, Area::ALL.map(Area::as_str))?,
    };
    Some(format!("did you mean {area}? It means all regions there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_is_parsed_from_its_word() {
        assert_eq!("europe".parse::<Area>().unwrap(), Area::Europe);
        assert_eq!("Europe".parse::<Area>().unwrap(), Area::Europe);
        assert!("mars".parse::<Area>().is_err());
    }
}

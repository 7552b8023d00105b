//! The name of an instance: the key by which everything finds it again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{Error, Result, Subject, may_be_secret, quoted};

/// A name that every cloud takes: a lower-case letter, then up to 62 lower-case letters, digits and hyphens,
/// the last one no hyphen. It is Compute Engine's rule, the strictest of all, so that a script can change clouds.
///
/// <https://cloud.google.com/compute/docs/naming-resources>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceName(String);

impl InstanceName {
    /// How long a name can be, in characters.
    pub const MAX_LENGTH: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of one member of a group: `NAME-INDEX`.
    ///
    /// # Errors
    /// `InvalidSpec` if that is too long for a name.
    pub fn member_name(&self, index: u32) -> Result<Self> {
        let name = format!("{self}-{index}");
        name.parse().map_err(|_| {
            let room = Self::MAX_LENGTH - (name.len() - self.0.len());
            Error::invalid(format!(
                "the name {name} would have more than {} characters",
                Self::MAX_LENGTH
            ))
            .with_hint(format!("shorten {self} to {room} characters"))
        })
    }

    /// Turns a list of places so that the one that this name prefers is first: the same one in every process, another one
    /// for other names. Processes that race for a name so meet in one place.
    pub fn rotate_by_hash<T>(&self, places: &mut [T]) {
        if places.is_empty() {
            return;
        }
        let digest = Sha256::digest(&self.0);
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let first = usize::try_from(number % places.len() as u64).unwrap_or_default();
        places.rotate_left(first);
    }

    /// The valid name nearest to `input`, or nothing if no letter is left of it.
    fn nearest(input: &str) -> Option<String> {
        let mut nearest = String::new();
        for character in input.to_lowercase().chars() {
            let character = if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            };
            if nearest.is_empty() && !character.is_ascii_lowercase() {
                continue;
            }
            if nearest.len() < Self::MAX_LENGTH {
                nearest.push(character);
            }
        }
        let nearest = nearest.trim_end_matches('-');
        (!nearest.is_empty()).then(|| nearest.to_owned())
    }
}

impl FromStr for InstanceName {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let starts_well = input.starts_with(|first: char| first.is_ascii_lowercase());
        let clean = input
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if starts_well && clean && !input.ends_with('-') && input.len() <= Self::MAX_LENGTH {
            return Ok(Self(input.to_owned()));
        }
        let error = Error::invalid(format!(
            "invalid name {}: a name is a lower-case letter, then up to 62 lower-case letters, digits and \
             hyphens, not ending in a hyphen",
            quoted(input)
        ));
        let nearest = Self::nearest(input).filter(|_| !may_be_secret(input));
        Err(match nearest {
            Some(nearest) => error.with_hint(format!("use {nearest}")),
            None => error.with_hint("give a name such as web-1, or leave it out to get a fresh one"),
        })
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&InstanceName> for Subject {
    fn from(name: &InstanceName) -> Self {
        Self::Name(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_every_cloud_accepts() {
        for name in ["a", "web-1", "ci-12345", &"x".repeat(63)] {
            assert_eq!(name.parse::<InstanceName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_the_rest_and_offers_the_nearest() {
        for (input, nearest) in [
            ("Web_1", Some("use web-1")),
            ("1st", Some("use st")),
            ("ci-", Some("use ci")),
            ("", None),
            ("---", None),
            ("naïve", Some("use na-ve")),
        ] {
            let error = input.parse::<InstanceName>().unwrap_err();
            if let Some(nearest) = nearest {
                assert_eq!(error.hint(), Some(nearest), "{input}");
            }
        }
        assert!("x".repeat(64).parse::<InstanceName>().is_err());
    }

    #[test]
    fn a_name_prefers_one_place_and_names_spread() {
        let first = |name: &str| {
            let mut places = ["a", "b", "c"];
            name.parse::<InstanceName>().unwrap().rotate_by_hash(&mut places);
            places[0]
        };
        let firsts: std::collections::BTreeSet<_> = (0..20).map(|index| first(&format!("web-{index}"))).collect();
        assert_eq!(firsts.len(), 3);
        assert_eq!(first("web-1"), first("web-1"));
        "web-1".parse::<InstanceName>().unwrap().rotate_by_hash::<u8>(&mut []);
    }

    #[test]
    fn a_member_that_would_be_too_long_is_refused() {
        let name: InstanceName = "x".repeat(62).parse().unwrap();
        assert!(name.member_name(1).is_err());
    }
}

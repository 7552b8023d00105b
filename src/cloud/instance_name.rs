//! The name of an instance, which is its idempotency key.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{Error, Result, Subject, may_be_secret, quoted};

/// A name that every cloud accepts: a lower-case letter, then up to 62 lower-case letters, digits and hyphens, not ending
/// in a hyphen. This is Compute Engine's rule, the strictest, so that a script can change clouds.
///
/// <https://cloud.google.com/compute/docs/naming-resources>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceName(String);

impl InstanceName {
    /// The maximum length of a name, in characters.
    pub const MAX_LENGTH: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a member of the group of this name: `NAME-INDEX`.
    ///
    /// # Errors
    /// `InvalidSpec` if it is too long for a name.
    pub fn member_name(&self, index: u32) -> Result<Self> {
        let name = format!("{self}-{index}");
        name.parse().map_err(|_| {
            let max_length = Self::MAX_LENGTH - (name.len() - self.0.len());
            Error::invalid(format!(
                "the name {name} would have more than {} characters",
                Self::MAX_LENGTH
            ))
            .with_hint(format!("shorten {self} to {max_length} characters"))
        })
    }

    /// Rotates a list by the hash of this name. The first item is the same in every process, so that processes that race for
    /// a name begin in the same zone. Other names have another first item.
    pub fn rotate_by_hash<T>(&self, items: &mut [T]) {
        if items.is_empty() {
            return;
        }
        let digest = Sha256::digest(&self.0);
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let first = usize::try_from(number % items.len() as u64).unwrap_or_default();
        items.rotate_left(first);
    }

    /// Makes the closest valid name out of `input`; `None` if it has no letter.
    fn closest_valid_name(input: &str) -> Option<String> {
        let mut name = String::new();
        for character in input.to_lowercase().chars() {
            let character = if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            };
            if name.is_empty() && !character.is_ascii_lowercase() {
                continue;
            }
            if name.len() < Self::MAX_LENGTH {
                name.push(character);
            }
        }
        let name = name.trim_end_matches('-');
        (!name.is_empty()).then(|| name.to_owned())
    }
}

impl FromStr for InstanceName {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let starts_with_letter = input.starts_with(|first: char| first.is_ascii_lowercase());
        let is_valid = input
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if starts_with_letter && is_valid && !input.ends_with('-') && input.len() <= Self::MAX_LENGTH {
            return Ok(Self(input.to_owned()));
        }
        let error = Error::invalid(format!(
            "invalid name {}: a name is a lower-case letter, then up to 62 lower-case letters, digits and \
             hyphens, not ending in a hyphen",
            quoted(input)
        ));
        Err(match Self::closest_valid_name(input) {
            Some(closest) if !may_be_secret(input) => error.with_hint(format!("use {closest}")),
            Some(_) | None => error.with_hint("give a name such as web-1, or leave it out to get a fresh one"),
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
    fn name_is_accepted_by_every_cloud() {
        for name in ["a", "web-1", "ci-12345", &"x".repeat(63)] {
            assert_eq!(name.parse::<InstanceName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn invalid_name_is_refused_with_closest_valid_one() {
        for (input, hint) in [
            ("Web_1", Some("use web-1")),
            ("1st", Some("use st")),
            ("ci-", Some("use ci")),
            ("", None),
            ("---", None),
            ("naïve", Some("use na-ve")),
        ] {
            let error = input.parse::<InstanceName>().unwrap_err();
            if hint.is_some() {
                assert_eq!(error.hint(), hint, "{input}");
            }
        }
        assert!("x".repeat(64).parse::<InstanceName>().is_err());
    }

    #[test]
    fn rotation_is_stable_and_spreads_names() {
        let first = |name: &str| {
            let mut zones = ["a", "b", "c"];
            name.parse::<InstanceName>().unwrap().rotate_by_hash(&mut zones);
            zones[0]
        };
        let firsts: std::collections::BTreeSet<_> = (0..20).map(|index| first(&format!("web-{index}"))).collect();
        assert_eq!(firsts.len(), 3);
        assert_eq!(first("web-1"), first("web-1"));
        "web-1".parse::<InstanceName>().unwrap().rotate_by_hash::<u8>(&mut []);
    }

    #[test]
    fn too_long_member_name_is_refused() {
        let name: InstanceName = "x".repeat(62).parse().unwrap();
        assert!(name.member_name(1).is_err());
    }
}

//! Clouds as they are chosen on the command line.

use std::str::FromStr;

use crate::cloud::{Error, ProviderKind, Result};

/// A cloud, or whichever there are credentials for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderChoice {
    /// Every cloud whose credentials are found.
    Any,
    /// This one.
    One(ProviderKind),
}

impl FromStr for ProviderChoice {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        match input {
            "any" => Ok(Self::Any),
            name => name.parse().map(Self::One),
        }
    }
}

impl<'de> serde::Deserialize<'de> for ProviderChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // A format's error has no room for a remedy of its own.
        let told = |error: Error| format!("{error}; {}", error.remedy().unwrap_or_default());
        name.parse().map_err(|error| serde::de::Error::custom(told(error)))
    }
}

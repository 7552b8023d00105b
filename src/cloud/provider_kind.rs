//! Which clouds there are.

use std::fmt;
use std::str::FromStr;

use super::{Error, Result, quoted};

/// The clouds there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderKind {
    /// Amazon EC2.
    Aws,
    /// Google Compute Engine.
    Gcp,
    /// The small cloud in a file.
    Mock,
}

impl ProviderKind {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Gcp, Self::Mock];

    /// The cloud's word on the command line and in all output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Mock => "mock",
        }
    }

    /// The label that the cloud's own tools show as the name, where names are labels.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>
    pub fn name_label(self) -> Option<&'static str> {
        match self {
            Self::Aws => Some("Name"),
            Self::Gcp | Self::Mock => None,
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for ProviderKind {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == input)
            .ok_or_else(|| {
                Error::invalid(format!("unknown provider {}", quoted(input))).with_hint("use aws, gcp or mock")
            })
    }
}

impl<'de> serde::Deserialize<'de> for ProviderKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // A format's error has no room for a remedy of its own.
        let told = |error: Error| format!("{error}; {}", error.hint().unwrap_or_default());
        name.parse().map_err(|error| serde::de::Error::custom(told(error)))
    }
}

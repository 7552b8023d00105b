//! Values of flags that are one of a few.

use clap::ValueEnum;

use crate::operations::Fallback;

/// What `create` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitArgument {
    /// Nothing: the cloud took it on
    None,
    /// It runs
    Running,
    /// It runs, and answers by SSH
    Ssh,
}

/// Where `create` goes on looking for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FallbackArgument {
    /// In the other zones of the region
    Zone,
    /// On other machine types that have at least as much
    Type,
    /// In the other regions of the same area
    Region,
    /// On the other providers whose credentials are found
    Provider,
}

impl From<FallbackArgument> for Fallback {
    fn from(argument: FallbackArgument) -> Self {
        match argument {
            FallbackArgument::Zone => Self::Zone,
            FallbackArgument::Type => Self::Type,
            FallbackArgument::Region => Self::Region,
            FallbackArgument::Provider => Self::Provider,
        }
    }
}

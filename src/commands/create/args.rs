//! Amounts as they are typed: GiB and USD.
//! Values of flags that are one of a few.

use clap::ValueEnum;

use crate::cloud::{Error, Result, quoted};
use crate::operations::Fallback;

/// An amount of memory in GiB.
pub(in crate::commands) fn memory_argument(text: &str) -> Result<f64> {
    positive(text).ok_or_else(|| {
        Error::invalid(format!("invalid memory {}", quoted(text))).with_hint("give it in GiB, such as 16 or 0.5")
    })
}

/// An amount of money in USD.
pub(super) fn usd_argument(text: &str) -> Result<f64> {
    positive(text).ok_or_else(|| {
        Error::invalid(format!("invalid amount {}", quoted(text))).with_hint("give it in USD, such as 0.30")
    })
}

fn positive(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
}

/// What `create` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WaitArgument")]
pub enum WaitValue {
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
#[schemars(rename = "FallbackArgument")]
pub enum FallbackValue {
    /// In the other zones of the region
    Zone,
    /// On other machine types that have at least as much
    Type,
    /// In the other regions of the same area
    Region,
    /// On the other providers whose credentials are found
    Provider,
}

impl From<FallbackValue> for Fallback {
    fn from(argument: FallbackValue) -> Self {
        match argument {
            FallbackValue::Zone => Self::Zone,
            FallbackValue::Type => Self::Type,
            FallbackValue::Region => Self::Region,
            FallbackValue::Provider => Self::Provider,
        }
    }
}

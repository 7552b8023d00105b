//! The fallbacks of `create`, and those that had nothing to offer.

use std::fmt;

use crate::cloud::word_enum;

word_enum! {
    /// Where `create` may continue when the preferred location has no capacity.
    pub enum Fallback {
        /// In the other zones of the region.
        Zone = "zone",
        /// With other machine types that have at least as much.
        Type = "type",
        /// In the other regions of the same area.
        Region = "region",
        /// On other clouds.
        Provider = "provider",
    }
}

/// An allowed fallback that had nothing to offer, and why: `--fallback zone: aws/us-east-1 has no other zone for it`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EmptyFallback {
    fallback: Fallback,
    reason: String,
}

impl EmptyFallback {
    pub(super) fn new(fallback: Fallback, reason: String) -> Self {
        Self { fallback, reason }
    }
}

impl fmt::Display for EmptyFallback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "--fallback {}: {}", self.fallback.as_str(), self.reason)
    }
}

//! Images, in words that mean the same on every cloud.

use jiff::Timestamp;

use super::{Architecture, ProviderKind};

/// What an image alias means on one cloud at the moment of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The cloud.
    pub provider: ProviderKind,
    /// The alias.
    pub alias: String,
    /// Instruction set.
    pub architecture: Architecture,
    /// The image in the cloud's own word: an id on EC2 (of one region), a path on Compute Engine.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The least disk that it fits on, in GiB.
    pub disk_gib: Option<u32>,
    /// When it was published.
    pub created_at: Option<Timestamp>,
}

//! The exact identity of an instance.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::ProviderKind;

/// The exact identity of one instance: `aws/us-east-1/i-0ab…`, `gcp/us-central1-a/123…`. Two references are equal if
/// provider, scope and id are; zone and native name do not count.
#[derive(Clone, Debug)]
pub struct InstanceRef {
    /// The cloud.
    pub provider: ProviderKind,
    /// The region on EC2 and the mock, the zone on Compute Engine: the scope of the id.
    pub scope: String,
    /// The cloud's own id.
    pub id: String,
    /// The zone, where calls for many instances are better made zone by zone (EC2).
    pub zone: Option<String>,
    /// The cloud's own name, where its calls take names and not ids (Compute Engine).
    pub native_name: Option<String>,
}

impl InstanceRef {
    fn identity(&self) -> (ProviderKind, &str, &str) {
        (self.provider, &self.scope, &self.id)
    }
}

impl PartialEq for InstanceRef {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for InstanceRef {}

impl Hash for InstanceRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for InstanceRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InstanceRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl fmt::Display for InstanceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.provider, self.scope, self.id)
    }
}

//! The exact identity of an instance.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::ProviderKind;

/// The exact identity of one instance: `aws/us-east-1/i-0ab…`, `gcp/us-central1-a/123…`. Only provider, scope and id are
/// compared, not zone and native name.
#[derive(Clone, Debug)]
pub struct InstanceRef {
    /// The cloud.
    pub provider: ProviderKind,
    /// The scope of the id: the region on EC2 and the mock, the zone on Compute Engine.
    pub scope: String,
    /// The cloud's own id.
    pub id: String,
    /// The zone, for a cloud where calls for many instances go zone by zone (EC2).
    pub zone: Option<String>,
    /// The cloud's own name, for a cloud whose calls take names and not ids (Compute Engine).
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

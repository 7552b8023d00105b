//! Disks, as far as they outlive instances: what costs on after its instance is gone must be known.

use super::InstanceRef;

/// A disk that is attached to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The cloud's own word for it: an id on EC2, a name on Compute Engine.
    pub id: String,
    /// Whether the cloud deletes it together with the instance.
    pub goes_with_instance: bool,
}

/// A disk that is still there although its instance is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurvivingDisk {
    /// The instance that had it.
    pub instance: InstanceRef,
    /// The cloud's own word for the disk.
    pub id: String,
}

//! Instances that exist: read them, list them, change them, and find the disks they leave.

pub(super) mod change;
pub(super) mod convert;
pub(super) mod describe_instances;
pub(super) mod disks;
pub(super) mod list;

//! Instances that exist: read them, list them, change them, and find the disks they leave.

pub(super) mod change;
pub(super) mod change_batch;
pub(super) mod convert;
pub(super) mod disks;
pub(super) mod expiry;
pub(super) mod list;
pub(super) mod ttl;

//! Instances that exist: reads, lists and changes them, and finds the disks that they leave.
//!
//! Compute Engine has `ttl` and `expiry` besides: it ends instances itself. On EC2 a timer in the instance does,
//! which goes by a tag that `change` sets. `describe_instances` is EC2's own: its XML is slow to parse.

pub(super) mod actions;
pub(super) mod describe_instances;
pub(super) mod disks;
pub(super) mod from_api;
pub(super) mod list;
pub(super) mod set_labels;

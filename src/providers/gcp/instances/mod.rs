//! Instances that exist: reads, lists and changes them, sets their labels, moves their expiry, and finds the disks that they leave.
//!
//! EC2 differs: its calls take many instances and ids, and their answer is final. Here a call takes one instance by
//! name, so the id behind the name is checked before and after, and the operation of the call is followed. Compute
//! Engine itself enforces a TTL by a run limit; on EC2 a timer in the guest does.

pub(super) mod actions;
pub(super) mod batch_actions;
pub(super) mod disks;
pub(super) mod from_api;
mod instance_editor;
pub(super) mod list;
pub(super) mod max_run_duration;
pub(super) mod set_labels;
pub(super) mod set_ttl;

//! Accelerators that are attached to a machine instead of coming with it: on Compute Engine, to n1 types.

use super::gce_custom::CustomMachineType;
use super::gce_shapes::family;
use crate::cloud::{Gpu, MachineType};

/// How many of a kind can be attached, and to how many CPUs at most.
/// <https://cloud.google.com/compute/docs/gpus#nvidia_gpus_for_compute_workloads>
const KINDS: &[(&str, &[(u32, u32)])] = &[
    ("t4", &[(1, 48), (2, 48), (4, 96)]),
    ("p4", &[(1, 24), (2, 48), (4, 96)]),
    ("v100", &[(1, 12), (2, 24), (4, 48), (8, 96)]),
    ("p100", &[(1, 16), (2, 32), (4, 64)]),
];

/// Whether these accelerators can be attached to a type of Compute Engine.
pub(super) fn can_attach(machine: &MachineType, gpu: &Gpu) -> bool {
    let is_n1 = family(&machine.name) == "n1"
        || CustomMachineType::parse(&machine.name).is_some_and(|custom| custom.family == "n1");
    let counts = KINDS
        .iter()
        .find(|(kind, _)| *kind == gpu.kind)
        .map(|(_, counts)| *counts);
    is_n1
        && machine.gpu.is_none()
        && counts
            .unwrap_or_default()
            .iter()
            .any(|(count, cpus)| *count == gpu.count && machine.cpus <= *cpus)
}

//! Which machine type is closest to requirements that none meets.

use crate::cloud::{MachineRequirements, MachineType};

/// The hint for requirements that no machine type meets: the one that is nearest. `None` if there is none at all.
pub fn suggest_closest_type<'a>(
    requirements: &MachineRequirements,
    machines: impl IntoIterator<Item = &'a MachineType>,
) -> Option<String> {
    if let Some(hint) = requirements.memory_unit_hint() {
        return Some(hint);
    }
    let score = |machine| score_mismatch(requirements, machine);
    let closest = machines
        .into_iter()
        .min_by(|one, other| score(one).total_cmp(&score(other)))?;
    Some(format!("ask for less: the nearest is {}", describe_machine(closest)))
}

/// A machine type for a message: `r7i.48xlarge with 192 CPUs and 1536 GiB, x86_64`.
fn describe_machine(machine: &MachineType) -> String {
    let MachineType {
        name,
        cpus,
        memory_gib,
        architecture,
        ..
    } = machine;
    let description = format!("{name} with {cpus} CPUs and {memory_gib} GiB, {architecture}");
    match &machine.gpu {
        Some(gpu) => format!("{description}, GPU {gpu}"),
        None => description,
    }
}

/// How far a machine type is from the requirements: a wrong architecture or GPU counts more than any size.
fn score_mismatch(requirements: &MachineRequirements, machine: &MachineType) -> f64 {
    let score_shortage = |required: f64, available: f64| (required / available).max(1.0).ln();
    let mut score = match (&requirements.gpu, &machine.gpu) {
        (None, None) => 0.0,
        (None, Some(_)) => 50.0,
        (Some(_), None) => 200.0,
        (Some(required), Some(gpu)) if required.kind != gpu.kind => 100.0,
        (Some(required), Some(gpu)) => score_shortage(f64::from(required.count), f64::from(gpu.count)),
    };
    if let Some(cpus) = requirements.cpus {
        score += score_shortage(f64::from(cpus), f64::from(machine.cpus));
    }
    if let Some(memory) = requirements.memory_gib {
        score += score_shortage(memory, machine.memory_gib);
    }
    if let Some(architecture) = requirements.architecture
        && architecture != machine.architecture
    {
        score += 1_000.0;
    }
    score
}

//! GPUs that are attached to a VM: where there are which, and what takes them.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::field_rules;
use super::machine_types::MachineType;
use super::state::Key;

/// Names, how many there can be of each, and the zones that have it.
const KINDS: &[(&str, &[u64], &[&str])] = &[
    (
        "nvidia-tesla-t4",
        &[1, 2, 4],
        &[
            "us-central1-a",
            "us-central1-b",
            "us-central1-c",
            "us-central1-f",
            "europe-west4-b",
        ],
    ),
    (
        "nvidia-tesla-v100",
        &[1, 2, 4, 8],
        &["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"],
    ),
    (
        "nvidia-tesla-p100",
        &[1, 2, 4],
        &["us-central1-c", "us-central1-f", "us-east1-b"],
    ),
    ("nvidia-tesla-p4", &[1, 2, 4], &["us-central1-a", "us-central1-c"]),
];

/// Checks what was asked for, and gives it as the VM shows it; nothing if nothing was.
pub fn check(instance: &Key, asked: &Value, machine_type: &MachineType) -> Result<Option<Value>, ApiError> {
    let Some(asked) = asked.as_array().filter(|asked| !asked.is_empty()) else {
        return Ok(None);
    };
    let mut shown = Vec::new();
    for (index, accelerator) in asked.iter().enumerate() {
        let field = |name: &str| format!("resource.guestAccelerators[{index}].{name}");
        let text = accelerator["acceleratorType"].as_str().unwrap_or_default();
        let form = format!("zones/{}/acceleratorTypes/", instance.zone);
        let (_, name) = field_rules::referred(&field("acceleratorType"), text, &instance.project, &form)?;
        let path = format!("projects/{}/{form}{name}", instance.project);
        let known = KINDS
            .iter()
            .find(|(kind, _, zones)| *kind == name && zones.contains(&instance.zone.as_str()));
        let Some((_, counts, _)) = known else {
            return Err(ApiError::not_found(&path));
        };
        if !machine_type.name.starts_with("n1-") && !machine_type.name.starts_with("custom-") {
            let message = format!(
                "[{name}] features and [instance_type: {}] features are not compatible for creating instance.",
                machine_type.name
            );
            return Err(ApiError::new(400, "badRequest", message));
        }
        let count = accelerator["acceleratorCount"].as_u64().unwrap_or_default();
        if !counts.contains(&count) {
            let why = format!("The number of {name} must be one of {counts:?}.");
            return Err(ApiError::invalid(&field("acceleratorCount"), &count.to_string(), &why));
        }
        shown.push(json!({"acceleratorType": super::link(&path), "acceleratorCount": count}));
    }
    Ok(Some(shown.into()))
}

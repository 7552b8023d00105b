//! `cloudctl price REF…`: shows what VMs cost.

use serde_json::json;

use super::instance_args::{find_instances, print_batch};
use super::price_list::{monthly_price, price_for_ttl, round_gib};
use crate::cloud::{Error, Instance, InstanceQuery, InstanceState};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{Selection, fill_in_all_prices};
use crate::output::{Record, Report, VM_PRICES, explain_unknown_price};

/// Shows the price of each VM, and why a price is not known.
///
/// # Errors
/// Those of finding the VMs, and of writing.
pub(super) async fn print_vm_prices(references: &[InstanceQuery], context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&VM_PRICES)?;
    let selection = Selection {
        queries: references.to_vec(),
        ..Selection::default()
    };
    let resolved = find_instances(&selection, context).await?;
    let errors: Vec<Error> = resolved.open_gaps.iter().cloned().map(Error::from).collect();
    let mut instances = resolved.into_all()?;
    fill_in_all_prices(&mut instances, Some(&context.catalog()));
    let report = Report {
        items: instances.iter().map(price_record).collect(),
        errors,
    };
    let status = print_batch(&report, &VM_PRICES, context)?;
    for instance in &instances {
        if let Some(note) = price_note(instance, context) {
            context.printer.note(&note);
        }
    }
    Ok(status)
}

fn price_record(instance: &Instance) -> Record {
    let price = instance.price_usd_per_hour;
    Record::new(vec![
        ("provider", json!(instance.provider.as_str())),
        ("region", json!(instance.region)),
        ("id", json!(instance.reference.id)),
        ("ref", json!(instance.reference.to_string())),
        ("name", json!(instance.name)),
        ("state", json!(instance.state.as_str())),
        ("machine_type", json!(instance.machine_type)),
        ("cpus", json!(instance.cpus)),
        ("memory_gib", json!(instance.memory_gib.map(round_gib))),
        (
            "architecture",
            json!(instance.architecture.map(|architecture| architecture.as_str())),
        ),
        ("spot", json!(instance.spot)),
        ("price_usd_per_hour", json!(price)),
        ("price_usd_per_month", json!(price.map(monthly_price))),
        ("expires_at", Record::from(instance).get("expires_at").clone()),
        ("price_usd_for_ttl", json!(price_for_ttl(instance))),
    ])
}

/// What the number alone does not say: why it is missing, or that only disks cost something now.
fn price_note(instance: &Instance, context: &Context) -> Option<String> {
    let name = instance.name.as_deref().unwrap_or(&instance.reference.id);
    match (instance.state, instance.price_usd_per_hour) {
        (InstanceState::Stopped, Some(_)) => Some(format!(
            "{name} is stopped: only its disks cost something now; the price is that of the running VM"
        )),
        (state, None) if !state.is_gone() => {
            let reason = explain_unknown_price(instance, context.info(instance.provider));
            Some(format!("{name}: {reason}"))
        }
        _ => None,
    }
}

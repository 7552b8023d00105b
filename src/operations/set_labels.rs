//! Sets and removes labels of instances, after the rules of each cloud are checked for all of them.

use std::sync::Arc;

use super::apply_action::{Change, change_and_relist, group_by_provider};
use crate::cloud::{Error, ErrorKind, Instance, LabelChanges, Provider, ProviderKind, Result};
use crate::shutdown::Shutdown;

/// Checks label changes of instances by the rules of their clouds. Sends no call.
///
/// # Errors
/// `InvalidSpec`, with the label or the instance, and the rule.
pub fn check_label_changes(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    changes: &LabelChanges,
) -> Result<()> {
    for (kind, targets) in group_by_provider(targets) {
        connect(kind).check_label_changes(changes, &targets)?;
    }
    Ok(())
}

/// Sets and removes labels of instances. Gives the instances that were changed, as they are listed now, and an error for
/// each other one.
pub async fn set_labels(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    targets: &[Instance],
    changes: &LabelChanges,
    shutdown: &Shutdown,
) -> (Vec<Instance>, Vec<Error>) {
    let (gone, present): (Vec<Instance>, Vec<Instance>) =
        targets.iter().cloned().partition(|target| target.state.is_gone());
    let mut errors: Vec<Error> = gone.iter().map(gone_error).collect();
    let (mut changed, call_errors) = change_and_relist(connect, &present, Change::Labels(changes), shutdown).await;
    errors.extend(call_errors);
    for instance in &mut changed {
        show_changes(instance, changes);
    }
    (changed, errors)
}

/// Makes the changes in an instance that was listed after them: a listing can lag behind.
fn show_changes(instance: &mut Instance, changes: &LabelChanges) {
    let mut listed_as_labels = changes.clone();
    // This label is listed as the name, or not at all.
    if let Some(name_label) = instance.name_label {
        listed_as_labels.to_set.remove(name_label);
        listed_as_labels.to_remove.remove(name_label);
    }
    listed_as_labels.apply_to(&mut instance.labels);
}

fn gone_error(instance: &Instance) -> Error {
    let reference = &instance.reference;
    let message = format!("cannot label {reference}: it is {}", instance.state);
    Error::new(ErrorKind::Refused, message)
        .with_hint("leave it out: its labels go with it")
        .naming(reference)
}

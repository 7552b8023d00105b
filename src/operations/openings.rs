//! Closing what was opened to instances that are gone.

use std::sync::Arc;

use crate::cloud::{Instance, Provider, ProviderKind};
use crate::shutdown::Interrupt;

/// Removes what was made to open ports to instances that are going or gone, as far as no other uses it. That it could not
/// be removed is no failure of the terminating. Gives what stays and why, in words.
pub async fn close_openings(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    ended: &[Instance],
    interrupt: &Interrupt,
) -> Vec<String> {
    let mut kept = Vec::new();
    for kind in ProviderKind::ALL {
        let is_own = |instance: &&Instance| instance.provider == kind && !instance.openings.is_empty();
        let own: Vec<_> = ended.iter().filter(is_own).cloned().collect();
        if own.is_empty() {
            continue;
        }
        match interrupt.stops(connect(kind).remove_openings(&own)).await {
            Ok(used) => kept.extend(used),
            Err(error) => kept.push(format!("what was opened on {kind} could not be removed: {error}")),
        }
    }
    kept
}

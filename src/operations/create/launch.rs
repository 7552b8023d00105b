//! Sends the create calls for one location, one generation after another.

use super::instances_by_name::{NameIndex, SearchScope, find_by_name, format_names};
use crate::cloud::{Error, ErrorKind, GroupMembers, Instance, InstanceName, InstanceSpec, Provider, Result};
use crate::shutdown::Shutdown;

/// A name that was created and terminated more often than this, while the cloud remembers tokens, is in a loop.
const MAX_GENERATIONS: u32 = 1_000;

/// What the create calls came to.
pub(super) struct LaunchResult {
    pub(super) instances: Vec<Instance>,
    /// Why the other instances were not created.
    pub(super) error: Option<Error>,
}

/// The specs of the calls that create the missing names: one for a VM, and for a group as many as the cloud needs.
pub(super) fn split_into_calls(
    spec: &InstanceSpec,
    missing: &[InstanceName],
    max_per_call: usize,
) -> Result<Vec<InstanceSpec>> {
    let Some(members) = &spec.members else {
        return Ok(vec![spec.clone()]);
    };
    let mut indexes = Vec::new();
    for index in members.indexes() {
        if missing.contains(&spec.name.member_name(*index)?) {
            indexes.push(*index);
        }
    }
    let groups = GroupMembers::split(&indexes, max_per_call).into_iter();
    Ok(groups.map(|members| copy_with_members(spec, members)).collect())
}

fn copy_with_members(spec: &InstanceSpec, members: GroupMembers) -> InstanceSpec {
    InstanceSpec {
        members: Some(members),
        ..spec.clone()
    }
}

/// Creates all names of the spec in its location. Starts with `first_generation`, and takes the next one for names whose
/// token is already used.
pub(super) async fn launch(
    provider: &dyn Provider,
    spec: &InstanceSpec,
    first_generation: u32,
    search_scopes: &[SearchScope],
    shutdown: &Shutdown,
) -> LaunchResult {
    let mut instances = Vec::new();
    let result = launch_into(
        &mut instances,
        provider,
        spec,
        first_generation,
        search_scopes,
        shutdown,
    )
    .await;
    LaunchResult {
        instances,
        error: result.err(),
    }
}

async fn launch_into(
    instances: &mut Vec<Instance>,
    provider: &dyn Provider,
    spec: &InstanceSpec,
    first_generation: u32,
    search_scopes: &[SearchScope],
    shutdown: &Shutdown,
) -> Result<()> {
    let mut rest = spec.clone();
    for generation in first_generation..first_generation.saturating_add(MAX_GENERATIONS) {
        shutdown.check_no_signal()?;
        let call = provider.create(&rest, generation);
        let Some(outcome) = shutdown.finish_in_grace_period(call).await else {
            return find_after_interrupt(instances, &rest.instance_names()?, search_scopes, shutdown).await;
        };
        instances.extend(outcome?.into_instances());
        match spec_of_missing(&rest, instances)? {
            Some(missing) => rest = missing,
            None => return Ok(()),
        }
        tracing::debug!(%generation, "token already used");
    }
    let message = format!("the cloud accepted {MAX_GENERATIONS} create calls, but lists no VM of this name");
    Err(Error::new(ErrorKind::UnknownOutcome, message)
        .with_hint("use another name, or try this one again after an hour"))
}

/// The spec of the names that have no instance yet; `None` if all have one.
fn spec_of_missing(spec: &InstanceSpec, instances: &[Instance]) -> Result<Option<InstanceSpec>> {
    let Some(members) = &spec.members else {
        return Ok(instances.is_empty().then(|| spec.clone()));
    };
    let mut missing = Vec::new();
    for index in members.indexes() {
        let name = spec.name.member_name(*index)?;
        let has_name = |instance: &Instance| instance.name.as_deref() == Some(name.as_str());
        if !instances.iter().any(has_name) {
            missing.push(*index);
        }
    }
    let groups = GroupMembers::split(&missing, missing.len());
    Ok(groups
        .into_iter()
        .next()
        .map(|members| copy_with_members(spec, members)))
}

/// Looks once for the names of a create call that did not answer within the grace period after a signal.
///
/// # Errors
/// `UnknownOutcome` if one of them has no instance.
async fn find_after_interrupt(
    instances: &mut Vec<Instance>,
    names: &[InstanceName],
    search_scopes: &[SearchScope],
    shutdown: &Shutdown,
) -> Result<()> {
    let index = match shutdown.final_read(find_by_name(search_scopes, names)).await {
        Some(Ok(index)) => index,
        // Nothing is known of any name then.
        Some(Err(_)) | None => NameIndex::default(),
    };
    let mut missing = Vec::new();
    for name in names {
        match index.alive(name).first() {
            Some(instance) => instances.push((*instance).clone()),
            None => missing.push(name.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "interrupted while {} was being created: it is not known whether it exists",
        format_names(&missing)
    );
    Err(Error::new(ErrorKind::UnknownOutcome, message)
        .with_hint("run the same command again, which finds it or creates it, or terminate it by name"))
}

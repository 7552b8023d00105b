//! The calls that make instances in one place, one life of a name after the other.

use super::name_index::{SearchScope, find_by_name, format_names};
use crate::cloud::{Error, ErrorKind, Instance, InstanceName, InstanceSpec, Provider, Result};
use crate::shutdown::Shutdown;

/// A name that was created and terminated more often than this within the clouds' memory is a loop somewhere.
const MOST_GENERATIONS: u32 = 1_000;

/// What was made, and what kept the rest from it.
pub(crate) struct LaunchResult {
    pub(crate) instances: Vec<Instance>,
    pub(crate) error: Option<Error>,
}

/// Makes all of the spec's names in its place, in the first life of each that is free.
pub(crate) async fn launch(
    provider: &dyn Provider,
    spec: &InstanceSpec,
    first: u32,
    parts: &[SearchScope],
    interrupt: &Shutdown,
) -> LaunchResult {
    let mut instances = Vec::new();
    let error = make_into(&mut instances, provider, spec, first, parts, interrupt)
        .await
        .err();
    LaunchResult { instances, error }
}

async fn make_into(
    made: &mut Vec<Instance>,
    provider: &dyn Provider,
    spec: &InstanceSpec,
    first: u32,
    parts: &[SearchScope],
    interrupt: &Shutdown,
) -> Result<()> {
    let mut spec = spec.clone();
    for generation in first..first.saturating_add(MOST_GENERATIONS) {
        interrupt.check()?;
        let Some(answer) = interrupt
            .finish_in_grace_period(provider.create(&spec, generation))
            .await
        else {
            return unknown_outcome(made, &spec.instance_names()?, parts, interrupt).await;
        };
        made.extend(answer?.into_instances());
        match still_missing(&spec, made)? {
            Some(rest) => spec = rest,
            None => return Ok(()),
        }
        tracing::debug!(%generation, "token spent");
    }
    Err(Error::new(
        ErrorKind::UnknownOutcome,
        format!("the cloud took {MOST_GENERATIONS} create calls and shows no VM of this name"),
    )
    .with_hint("use another name for an hour"))
}

/// The spec of what is not made yet; nothing if all is.
fn still_missing(spec: &InstanceSpec, made: &[Instance]) -> Result<Option<InstanceSpec>> {
    let Some(members) = &spec.members else {
        return Ok(made.is_empty().then(|| spec.clone()));
    };
    let mut missing = Vec::new();
    for index in members.indexes() {
        let name = spec.name.member_name(*index)?;
        if !made
            .iter()
            .any(|instance| instance.name.as_deref() == Some(name.as_str()))
        {
            missing.push(*index);
        }
    }
    let rest = crate::cloud::GroupMembers::split(&missing, missing.len())
        .into_iter()
        .next();
    Ok(rest.map(|rest| InstanceSpec {
        members: Some(rest),
        ..spec.clone()
    }))
}

/// The call is still under way, and there is no more time: what can be seen of it?
async fn unknown_outcome(
    made: &mut Vec<Instance>,
    names: &[InstanceName],
    parts: &[SearchScope],
    interrupt: &Shutdown,
) -> Result<()> {
    let look = interrupt.final_read(find_by_name(parts, names)).await;
    let seen = look.and_then(Result::ok).unwrap_or_default();
    let mut unseen = Vec::new();
    for name in names {
        match seen.alive(name).first() {
            Some(instance) => made.push((*instance).clone()),
            None => unseen.push(name.clone()),
        }
    }
    if unseen.is_empty() {
        return Ok(());
    }
    let message = format!(
        "interrupted while {} was being made: it is not known whether it exists",
        format_names(&unseen)
    );
    Err(Error::new(ErrorKind::UnknownOutcome, message)
        .with_hint("run the same command again, which finds it or makes it, or terminate it by name"))
}

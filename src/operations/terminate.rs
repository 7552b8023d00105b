//! The one way to end instances. Every path goes through [`plan_termination`], which fixes the ids, and
//! [`terminate`], which ends those and no others.

use std::sync::Arc;

use super::batch::{BatchAction, act, newest, refresh, with_target};
use crate::cloud::{Error, ErrorKind, Instance, InstanceState, Provider, ProviderKind, Result};

/// Exactly what will be ended; made by [`plan_termination`] only.
#[derive(Debug)]
pub struct TerminationPlan {
    doomed: Vec<Instance>,
    protected: Vec<Error>,
}

impl TerminationPlan {
    /// What will be ended.
    pub fn doomed(&self) -> &[Instance] {
        &self.doomed
    }

    /// One error for each instance that is left out because it is protected.
    pub fn protected(&self) -> &[Error] {
        &self.protected
    }
}

/// Checks that the credentials are for the account or project that is pinned, if one is.
///
/// # Errors
/// `Refused` if they are for another one; those of asking.
pub async fn check_account(provider: &dyn Provider, expected: Option<&str>) -> Result<()> {
    let Some(expected) = expected else { return Ok(()) };
    let identity = provider.identity().await?;
    if identity.account == expected {
        return Ok(());
    }
    let kind = provider.kind();
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "these credentials are for {kind} {}, but {expected} is expected; nothing was changed",
            identity.account
        ),
    )
    .with_remedy("use the context or credentials of the expected account"))
}

/// Fixes what will be ended, out of what was selected: not what is gone already, not what is protected, and nothing
/// at all if one is not ours (unless `include_unmanaged`) or the number is not the expected one.
///
/// # Errors
/// `Refused`, naming the instance that is not ours or the number that differs; `Protected` if all are.
pub fn plan_termination(
    selected: Vec<Instance>,
    include_unmanaged: bool,
    expected_count: Option<usize>,
) -> Result<TerminationPlan> {
    let alive: Vec<_> = selected
        .into_iter()
        .filter(|instance| !instance.state.is_gone())
        .collect();
    if let Some(expected) = expected_count.filter(|expected| *expected != alive.len()) {
        let count = alive.len();
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{count} VMs are selected, but {expected} are expected; nothing was terminated"),
        )
        .with_remedy("look at them with --dry-run"));
    }
    if let (Some(foreign), false) = (alive.iter().find(|instance| !instance.managed), include_unmanaged) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} was not made by cloudctl; nothing was terminated", foreign.reference),
        )
        .with_remedy("pass --include-unmanaged to terminate it all the same"));
    }
    let (protected, doomed): (Vec<_>, Vec<_>) =
        alive.into_iter().partition(|instance| instance.protected == Some(true));
    let protected: Vec<_> = protected
        .iter()
        .map(|instance| Error::new(ErrorKind::Protected, format!("{} is protected", instance.reference)))
        .collect();
    Ok(TerminationPlan { doomed, protected })
}

/// Ends what was planned, and reads it back by id. Gives what is going or gone, as it is now, and an error for each
/// instance that still stands.
pub async fn terminate(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    plan: TerminationPlan,
) -> (Vec<Instance>, Vec<Error>) {
    let outcomes = act(connect, &plan.doomed, BatchAction::Terminate).await;
    let mut errors = plan.protected;
    let mut going = Vec::new();
    for outcome in outcomes {
        match outcome.result {
            Err(error) if error.kind() != ErrorKind::NotFound => errors.push(with_target(error, &outcome.target)),
            // Nothing left to delete is what was wanted.
            _ => going.extend(
                plan.doomed
                    .iter()
                    .filter(|instance| instance.reference == outcome.target)
                    .cloned(),
            ),
        }
    }
    let fresh = refresh(connect, &going).await;
    let ended = going.iter().map(|instance| {
        let is_listed = fresh
            .instances
            .iter()
            .any(|known| known.reference == instance.reference);
        let mut instance = newest(instance, &fresh.instances);
        if !is_listed && fresh.complete {
            instance.state = InstanceState::Terminated;
        } else if !instance.state.is_gone() {
            // The cloud took it on; its listing lags.
            instance.state = InstanceState::Terminating;
        }
        instance
    });
    (ended.collect(), errors)
}

//! The one way to end instances. Every path goes through [`plan_termination`], which fixes the ids, then
//! [`TerminationPlan::recheck`], which looks at those once more, and [`terminate`], which ends those and no others.
//! Closing what was opened to instances that are gone.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::batch::{by_reference, refresh, relist, send};
use crate::cloud::{
    Disk, Error, ErrorKind, ErrorLocation, Instance, InstanceAction, InstanceRef, InstanceState, Leftover,
    OrphanedDisk, Provider, ProviderKind, Result,
};
use crate::shutdown::Shutdown;

/// So many instances are asked about at once: more would only meet the clouds' rate limits.
const LOOKS_AT_ONCE: usize = 8;

/// Exactly what will be ended; made by [`plan_termination`] only.
#[derive(Debug)]
pub struct TerminationPlan {
    to_terminate: Vec<Instance>,
    going: Vec<Instance>,
    skipped: Vec<SkippedInstance>,
    include_unmanaged: bool,
    only_expired: bool,
}

/// A selected instance that is not terminated.
#[derive(Clone, Debug)]
pub struct SkippedInstance {
    /// The instance.
    pub instance: InstanceRef,
    /// Why.
    pub reason: SkipReason,
}

/// Why a selected instance is not terminated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It is protected.
    Protected,
    /// Its TTL was extended after it was selected as expired.
    TtlExtended,
}

impl SkippedInstance {
    /// The error that tells the user.
    pub fn to_error(&self) -> Error {
        let instance = &self.instance;
        match self.reason {
            SkipReason::Protected => Error::new(ErrorKind::Protected, format!("{instance} is protected"))
                .with_hint(format!("take the protection off first: cloudctl unprotect {instance}")),
            SkipReason::TtlExtended => {
                let message = format!("{instance} was given more time meanwhile and is left alone");
                Error::new(ErrorKind::Refused, message)
            }
        }
        .naming(instance)
    }
}

impl TerminationPlan {
    /// What will be ended.
    pub fn to_terminate(&self) -> &[Instance] {
        &self.to_terminate
    }

    /// What was selected and is terminating already: nothing has to be done to it, but it is not gone yet.
    pub fn terminating(&self) -> &[Instance] {
        &self.going
    }

    /// The same plan without what is terminating already, for a caller who does not wait until it is gone.
    pub fn without_terminating(self) -> Self {
        Self {
            going: Vec::new(),
            ..self
        }
    }

    /// The selected instances that are not terminated.
    pub fn skipped(&self) -> &[SkippedInstance] {
        &self.skipped
    }

    /// The same plan, of instances that are ended only because their time is over: whoever gets more time before they
    /// are is left out.
    pub fn only_expired(self) -> Self {
        Self {
            only_expired: true,
            ..self
        }
    }

    /// Looks at the fixed ids once more, right before they are ended: between the plan and the answer to a question
    /// much can happen. What is gone is let go, what is protected by now is left out.
    ///
    /// # Errors
    /// `Refused` if one is not ours any more, or cannot be looked at; those of credentials and throttling as they are.
    /// Then nothing is ended.
    pub async fn recheck(self, connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync)) -> Result<Self> {
        let fresh = refresh(connect, &self.to_terminate).await;
        if let Some(error) = self
            .to_terminate
            .iter()
            .find_map(|planned| fresh.trouble(planned))
            .cloned()
        {
            let kind = match error.kind() {
                // Of a caller who is not heard, rather than of the plan.
                kind @ (ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::Throttled) => kind,
                _ => ErrorKind::Refused,
            };
            let error = error.context("cannot look at the VMs once more; nothing was terminated");
            return Err(match kind {
                ErrorKind::Refused => error.with_kind(kind).with_hint("run the same command again"),
                _ => error,
            });
        }
        let seen = self.to_terminate.iter().map(|planned| (planned, fresh.latest(planned)));
        let (extended, still): (Vec<_>, Vec<_>) =
            seen.partition(|(planned, now)| self.only_expired && was_extended(planned, now));
        let still = still.into_iter().map(|(_, now)| now).collect();
        let mut plan = plan_termination(still, self.include_unmanaged, None)?;
        plan.only_expired = self.only_expired;
        plan.going.extend(self.going);
        plan.skipped
            .extend(extended.into_iter().map(|(_, now)| SkippedInstance {
                instance: now.reference,
                reason: SkipReason::TtlExtended,
            }));
        plan.skipped.extend(self.skipped);
        Ok(plan)
    }
}

fn was_extended(planned: &Instance, now: &Instance) -> bool {
    match (planned.expires_at, now.expires_at) {
        (Some(end), Some(later)) => later > end,
        (planned, now) => planned.is_some() && now.is_none(),
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
    .with_hint("use the context or credentials of the expected account"))
}

/// Fixes what will be ended, out of what was selected: not what is gone already, not what is protected, and nothing
/// at all if one is not ours (unless `include_unmanaged`) or the number is not the expected one. What is terminating
/// already may be counted in that number or not, so that a command that is run again means the same.
///
/// # Errors
/// `Refused`, naming the instance that is not ours or the number that differs.
pub fn plan_termination(
    selected: Vec<Instance>,
    include_unmanaged: bool,
    expected_count: Option<usize>,
) -> Result<TerminationPlan> {
    let (gone, alive): (Vec<_>, Vec<_>) = selected.into_iter().partition(|instance| instance.state.is_gone());
    let going: Vec<_> = gone
        .into_iter()
        .filter(|instance| instance.state == InstanceState::Terminating)
        .collect();
    let counts = [alive.len(), alive.len() + going.len()];
    if let Some(expected) = expected_count.filter(|expected| !counts.contains(expected)) {
        let count = alive.len();
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{count} VMs are selected, but {expected} are expected; nothing was terminated"),
        )
        .with_hint("look at them with --dry-run"));
    }
    if let (Some(foreign), false) = (alive.iter().find(|instance| !instance.managed), include_unmanaged) {
        let doubt = foreign.label_problem.as_deref().map(|doubt| format!(" ({doubt})"));
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} was not made by cloudctl{}; nothing was terminated",
                foreign.reference,
                doubt.unwrap_or_default()
            ),
        )
        .with_hint("pass --include-unmanaged to terminate it all the same"));
    }
    let (protected, to_terminate): (Vec<_>, Vec<_>) =
        alive.into_iter().partition(|instance| instance.protected == Some(true));
    let skipped = protected
        .into_iter()
        .map(|instance| SkippedInstance {
            instance: instance.reference,
            reason: SkipReason::Protected,
        })
        .collect();
    Ok(TerminationPlan {
        to_terminate,
        going,
        skipped,
        include_unmanaged,
        only_expired: false,
    })
}

/// Asks the clouds whose listings do not tell it which of the to_terminate are protected, and leaves those out, as carrying
/// out the plan would. What cannot be asked stays in the plan.
pub async fn leave_out_protected(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    plan: TerminationPlan,
    interrupt: &Shutdown,
) -> Result<TerminationPlan> {
    let looks = plan.to_terminate.into_iter().map(async |instance| {
        let known = match instance.protected {
            None => connect(instance.provider).get(&instance.reference).await.ok(),
            Some(_) => None,
        };
        let protected = known.and_then(|known| known.protected).or(instance.protected);
        Instance { protected, ..instance }
    });
    let looks = stream::iter(looks).buffered(LOOKS_AT_ONCE).collect::<Vec<_>>();
    let to_terminate = interrupt.run_until_signal(async { Ok(looks.await) }).await?;
    let seen = plan_termination(to_terminate, plan.include_unmanaged, None)?;
    Ok(TerminationPlan {
        to_terminate: seen.to_terminate,
        skipped: plan.skipped.into_iter().chain(seen.skipped).collect(),
        going: plan.going,
        include_unmanaged: plan.include_unmanaged,
        only_expired: plan.only_expired,
    })
}

/// Ends what was planned, and reads it back by id. Gives what is going or gone, as it is now, with those of the
/// plan that were terminating already, and an error for each instance that still stands.
pub async fn terminate(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    plan: TerminationPlan,
    interrupt: &Shutdown,
) -> (Vec<Instance>, Vec<Error>) {
    let outcomes = send(connect, &plan.to_terminate, InstanceAction::Terminate, interrupt).await;
    let known = by_reference(&plan.to_terminate);
    let mut errors: Vec<Error> = plan.skipped.iter().map(SkippedInstance::to_error).collect();
    let mut going = plan.going;
    for outcome in outcomes {
        match outcome.result {
            Err(error) if error.kind() != ErrorKind::NotFound => errors.push(error.with_subject(&outcome.target)),
            // Nothing left to delete is what was wanted.
            _ => going.extend(known.get(&outcome.target).map(|instance| (*instance).clone())),
        }
    }
    let fresh = relist(connect, &going, interrupt).await;
    let ended = going.iter().map(|instance| {
        let mut now = fresh.latest(instance);
        if fresh.is_absent(instance) {
            now.state = InstanceState::Terminated;
        } else if !now.state.is_gone() {
            // The cloud took it on; its listing lags.
            now.state = InstanceState::Terminating;
        }
        // What is gone is listed without its disks, and without what was opened to it.
        now.disks.clone_from(&instance.disks);
        now.ingress_rules.clone_from(&instance.ingress_rules);
        now
    });
    (ended.collect(), errors)
}

/// The disks that outlive instances which are going or gone: those that were never to go with them, and, of instances
/// that are gone, those that are still there. One error for each instance, so that nothing costs on unseen.
pub async fn report_kept_disks(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    ended: &[Instance],
    interrupt: &Shutdown,
) -> Vec<Error> {
    let mut errors = Vec::new();
    let (gone, going): (Vec<_>, Vec<_>) = ended
        .iter()
        .filter(|instance| !instance.disks.is_empty())
        .cloned()
        .partition(|instance| instance.state == InstanceState::Terminated);
    errors.extend(going.iter().flat_map(kept_disks));
    for kind in ProviderKind::ALL {
        let own: Vec<_> = gone
            .iter()
            .filter(|instance| instance.provider == kind)
            .cloned()
            .collect();
        if own.is_empty() {
            continue;
        }
        let provider = connect(kind);
        match interrupt.run_until_signal(provider.orphaned_disks(&own)).await {
            Ok(survivors) => errors.extend(survivors.iter().filter_map(|OrphanedDisk { instance, id }| {
                let owner = own.iter().find(|known| known.reference == *instance)?;
                Some(orphaned_disk_error(owner, id, "is still there"))
            })),
            // They cannot be looked for; those that were to stay are known all the same.
            Err(error) => {
                tracing::warn!(%error, "it could not be seen whether disks are left over");
                errors.extend(own.iter().flat_map(kept_disks));
            }
        }
    }
    errors
}

/// The disks of an instance that were never to go with it.
fn kept_disks(instance: &Instance) -> impl Iterator<Item = Error> {
    let stays = |disk: &&Disk| !disk.deleted_with_instance;
    let disks = instance.disks.iter().filter(stays);
    disks.map(|disk| orphaned_disk_error(instance, &disk.id, "stays"))
}

fn orphaned_disk_error(instance: &Instance, disk: &str, what: &str) -> Error {
    let place = instance.zone.as_deref().unwrap_or(&instance.region);
    let message = format!("the disk {disk} of {} {what} and costs on", instance.reference);
    Error::new(ErrorKind::Incomplete, message)
        .naming(&instance.reference)
        .at(ErrorLocation::new(instance.provider, place))
        .with_leftover(Leftover::resource(instance.provider, place, disk))
        .with_hint("delete the disk in its cloud, if nobody needs it")
}

/// Removes what was made to open ports to instances that are going or gone, as far as no other uses it. That it could not
/// be removed is no failure of the terminating. Gives what stays and why, in words.
pub async fn delete_unused_firewall_rules(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    ended: &[Instance],
    interrupt: &Shutdown,
) -> Vec<String> {
    let mut kept = Vec::new();
    for kind in ProviderKind::ALL {
        let is_own = |instance: &&Instance| instance.provider == kind && !instance.ingress_rules.is_empty();
        let own: Vec<_> = ended.iter().filter(is_own).cloned().collect();
        if own.is_empty() {
            continue;
        }
        match interrupt
            .run_until_signal(connect(kind).delete_unused_firewall_rules(&own))
            .await
        {
            Ok(used) => kept.extend(used),
            Err(error) => kept.push(format!("what was opened on {kind} could not be removed: {error}")),
        }
    }
    kept
}

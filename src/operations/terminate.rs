//! Terminates instances, in three steps for every command: [`plan_termination`] fixes their ids,
//! [`TerminationPlan::recheck`] lists these ids again, and [`terminate`] terminates these ids and no others.
//! Afterwards it reports disks that are kept, and deletes firewall rules that are no longer used.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::apply_action::{
    Change, Relisted, group_by_provider, relist, relist_unless_signalled, send, separate_errors,
};
use crate::cloud::{
    Disk, Error, ErrorKind, ErrorLocation, Instance, InstanceAction, InstanceRef, InstanceState, Leftover,
    OrphanedDisk, Provider, ProviderKind, Result, format_account,
};
use crate::shutdown::Shutdown;

/// How many instances are read at once: more would only exceed the clouds' rate limits.
const CONCURRENT_READS: usize = 8;

/// The instances that will be terminated. Only [`plan_termination`] makes a plan.
#[derive(Debug)]
pub struct TerminationPlan {
    to_terminate: Vec<Instance>,
    terminating: Vec<Instance>,
    skipped: Vec<SkippedInstance>,
    include_unmanaged: bool,
    /// Whether an instance stays if its TTL was extended since it was selected.
    only_expired: bool,
}

/// A selected instance that is not terminated.
#[derive(Clone, Debug)]
pub struct SkippedInstance {
    /// The instance.
    pub instance: InstanceRef,
    /// Its name, if it has one.
    pub name: Option<String>,
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
        let shown = match &self.name {
            Some(name) => format!("{name} ({instance})"),
            None => instance.to_string(),
        };
        match self.reason {
            SkipReason::Protected => Error::new(ErrorKind::Protected, format!("{shown} is protected"))
                .with_hint(format!("remove the protection first: cloudctl unprotect {instance}")),
            SkipReason::TtlExtended => Error::new(
                ErrorKind::Refused,
                format!("{shown} was extended in the meantime and was not terminated"),
            ),
        }
        .naming(instance)
    }
}

impl TerminationPlan {
    /// The instances that will be terminated.
    pub fn to_terminate(&self) -> &[Instance] {
        &self.to_terminate
    }

    /// The selected instances that are terminating already.
    pub fn terminating(&self) -> &[Instance] {
        &self.terminating
    }

    /// The same plan without the instances that are terminating already, for a caller who does not wait for them.
    pub fn without_terminating(self) -> Self {
        Self {
            terminating: Vec::new(),
            ..self
        }
    }

    /// The selected instances that are not terminated.
    pub fn skipped(&self) -> &[SkippedInstance] {
        &self.skipped
    }

    /// The same plan, for expired instances: an instance whose TTL is extended before the termination is skipped.
    pub fn only_expired(self) -> Self {
        Self {
            only_expired: true,
            ..self
        }
    }

    /// Lists the planned ids again, right before they are terminated: the user may have taken time to confirm. Leaves out
    /// what is gone, and skips what is protected now.
    ///
    /// # Errors
    /// `Refused` if an instance is no longer managed or cannot be listed. Errors of credentials and throttling keep their
    /// kind. Nothing is terminated then.
    pub async fn recheck(self, connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync)) -> Result<Self> {
        let relisted = relist(connect, &self.to_terminate).await;
        let mut planned_instances = self.to_terminate.iter();
        if let Some(error) = planned_instances.find_map(|planned| relisted.listing_error(planned)) {
            return Err(recheck_error(error));
        }
        let (mut unchanged, mut extended) = (Vec::new(), Vec::new());
        for planned in &self.to_terminate {
            let latest = relisted.latest(planned);
            if self.only_expired && was_extended(planned, &latest) {
                extended.push(SkippedInstance {
                    instance: latest.reference,
                    name: latest.name,
                    reason: SkipReason::TtlExtended,
                });
            } else {
                unchanged.push(latest);
            }
        }
        let mut plan = Self {
            only_expired: self.only_expired,
            ..plan_termination(unchanged, self.include_unmanaged, None)?
        };
        plan.terminating.extend(self.terminating);
        plan.skipped.extend(extended);
        plan.skipped.extend(self.skipped);
        Ok(plan)
    }
}

fn recheck_error(listing_error: &Error) -> Error {
    let error = listing_error.clone();
    let error_with_context = error.context("cannot list the VMs again; nothing was terminated");
    match error_with_context.kind() {
        // These are about the caller, and not about the plan.
        ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::Throttled => error_with_context,
        _ => error_with_context
            .with_kind(ErrorKind::Refused)
            .with_hint("run the same command again"),
    }
}

fn was_extended(planned: &Instance, latest: &Instance) -> bool {
    let Some(planned_end) = planned.expires_at else {
        return false;
    };
    // An instance without an end has all the time it wants, so it is not terminated.
    latest.expires_at.is_none_or(|end| end > planned_end)
}

/// Checks that the credentials are for the expected account or project, if one is set.
///
/// # Errors
/// `Refused` if they are for another one; those of the call.
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
            "these credentials are for {}, but {expected} is expected; nothing was changed",
            format_account(kind, &identity.account)
        ),
    )
    .with_hint("use the context or credentials of the expected account"))
}

/// Decides which of the selected instances will be terminated: not those that are gone already, and not those that are
/// protected. Instances that are terminating already may be part of the expected count or not, so that a command can be
/// run again.
///
/// # Errors
/// `Refused` if one is unmanaged, unless `include_unmanaged`, or if the count is not the expected one.
pub fn plan_termination(
    selected: Vec<Instance>,
    include_unmanaged: bool,
    expected_count: Option<usize>,
) -> Result<TerminationPlan> {
    let (mut alive, mut terminating) = (Vec::new(), Vec::new());
    for instance in selected {
        match instance.state {
            InstanceState::Terminated => {}
            InstanceState::Terminating => terminating.push(instance),
            _ => alive.push(instance),
        }
    }
    if let Some(expected) = expected_count {
        check_expected_count(expected, alive.len(), terminating.len())?;
    }
    if !include_unmanaged {
        check_managed(&alive)?;
    }
    let (protected, to_terminate): (Vec<_>, Vec<_>) =
        alive.into_iter().partition(|instance| instance.protected == Some(true));
    let skipped = protected
        .into_iter()
        .map(|instance| SkippedInstance {
            instance: instance.reference,
            name: instance.name,
            reason: SkipReason::Protected,
        })
        .collect();
    Ok(TerminationPlan {
        to_terminate,
        terminating,
        skipped,
        include_unmanaged,
        only_expired: false,
    })
}

/// Checks the number of selected instances. Those that are terminating already may be part of it or not.
///
/// # Errors
/// `Refused` if it is another one.
pub fn check_expected_count(expected: usize, alive: usize, terminating: usize) -> Result<()> {
    let acceptable_counts = [alive, alive + terminating];
    if acceptable_counts.contains(&expected) {
        return Ok(());
    }
    let noun = if alive == 1 { "VM is" } else { "VMs are" };
    let message = format!("{alive} {noun} selected, and not {expected} as expected; nothing was changed");
    Err(Error::new(ErrorKind::Refused, message).with_hint("look at them with `cloudctl list` and the same selection"))
}

fn check_managed(instances: &[Instance]) -> Result<()> {
    let Some(unmanaged) = instances.iter().find(|instance| !instance.managed) else {
        return Ok(());
    };
    let problem = match &unmanaged.label_problem {
        Some(problem) => format!(" ({problem})"),
        None => String::new(),
    };
    let message = format!(
        "{} was not made by cloudctl{problem}; nothing was terminated",
        unmanaged.reference
    );
    Err(Error::new(ErrorKind::Refused, message).with_hint("pass --include-unmanaged to terminate it anyway"))
}

/// Reads the protection of the instances whose listing does not have it, and skips those that are protected, as the
/// termination would. An instance that cannot be read stays in the plan.
pub async fn leave_out_protected(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    mut plan: TerminationPlan,
    shutdown: &Shutdown,
) -> Result<TerminationPlan> {
    let reads = std::mem::take(&mut plan.to_terminate)
        .into_iter()
        .map(async |mut instance| {
            if instance.protected.is_none()
                && let Ok(read) = connect(instance.provider).get(&instance.reference).await
            {
                instance.protected = read.protected;
            }
            instance
        });
    let reads = stream::iter(reads).buffered(CONCURRENT_READS).collect::<Vec<_>>();
    let instances = shutdown.run_until_signal(async { Ok(reads.await) }).await?;
    let checked = plan_termination(instances, plan.include_unmanaged, None)?;
    Ok(TerminationPlan {
        to_terminate: checked.to_terminate,
        skipped: plan.skipped.into_iter().chain(checked.skipped).collect(),
        ..plan
    })
}

/// Terminates the planned instances, and lists them again. Gives those that are terminating or gone, as they are now, with
/// those that were terminating already, and an error for each other one.
pub async fn terminate(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    plan: TerminationPlan,
    shutdown: &Shutdown,
) -> (Vec<Instance>, Vec<Error>) {
    let change = Change::Action(InstanceAction::Terminate);
    let mut outcomes = send(connect, &plan.to_terminate, change, shutdown).await;
    for outcome in &mut outcomes {
        // An instance that does not exist is terminated.
        if matches!(&outcome.result, Err(error) if error.kind() == ErrorKind::NotFound) {
            outcome.result = Ok(());
        }
    }
    let (terminated, call_errors) = separate_errors(outcomes, &plan.to_terminate);
    let skip_errors = plan.skipped.iter().map(SkippedInstance::to_error);
    let errors = skip_errors.chain(call_errors).collect();
    let ended: Vec<Instance> = plan.terminating.into_iter().chain(terminated).collect();
    let relisted = relist_unless_signalled(connect, &ended, shutdown).await;
    let latest = ended.iter().map(|instance| latest_of_ended(instance, &relisted));
    (latest.collect(), errors)
}

/// An instance whose termination the cloud accepted, as it is now.
fn latest_of_ended(instance: &Instance, relisted: &Relisted) -> Instance {
    let mut latest = relisted.latest(instance);
    if relisted.proves_absence_of(instance) {
        latest.state = InstanceState::Terminated;
    } else if !latest.state.is_gone() {
        // The listing is out of date.
        latest.state = InstanceState::Terminating;
    }
    Instance {
        // An instance that is gone is listed without its disks and ingress rules.
        disks: instance.disks.clone(),
        ingress_rules: instance.ingress_rules.clone(),
        ..latest
    }
}

/// Reports the disks that are kept when their instances are terminated: those that are not deleted with the instance, and
/// those that still exist although the instance is gone. Gives one error for each disk, as it is still billed.
pub async fn report_kept_disks(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    ended: &[Instance],
    shutdown: &Shutdown,
) -> Vec<Error> {
    let mut errors = Vec::new();
    let (gone, terminating): (Vec<_>, Vec<_>) = ended
        .iter()
        .filter(|instance| !instance.disks.is_empty())
        .partition(|instance| instance.state == InstanceState::Terminated);
    errors.extend(terminating.into_iter().flat_map(kept_disk_errors));
    for (kind, owners) in group_by_provider(gone) {
        let provider = connect(kind);
        match shutdown.run_until_signal(provider.orphaned_disks(&owners)).await {
            Ok(orphaned) => errors.extend(orphaned.iter().filter_map(|OrphanedDisk { instance, id }| {
                let owner = owners.iter().find(|known| known.reference == *instance)?;
                Some(kept_disk_error(owner, id))
            })),
            Err(error) => {
                tracing::warn!(%error, "cannot list the disks that are left over");
                errors.extend(owners.iter().flat_map(kept_disk_errors));
            }
        }
    }
    errors
}

/// One error for each disk that is not deleted with its instance.
fn kept_disk_errors(instance: &Instance) -> impl Iterator<Item = Error> {
    let is_kept = |disk: &&Disk| !disk.deleted_with_instance;
    let disks = instance.disks.iter().filter(is_kept);
    disks.map(|disk| kept_disk_error(instance, &disk.id))
}

fn kept_disk_error(instance: &Instance, disk: &str) -> Error {
    let location = instance.zone.as_deref().unwrap_or(&instance.region);
    let message = format!(
        "disk {disk} of {} was not deleted and is still billed",
        instance.reference
    );
    Error::new(ErrorKind::Incomplete, message)
        .naming(&instance.reference)
        .at(ErrorLocation::new(instance.provider, location))
        .with_leftover(Leftover::resource(instance.provider, location, disk))
        .with_hint("delete the disk in its cloud, if it is not needed")
}

/// Deletes the firewall rules that opened ports to terminated instances, unless another instance uses them. A rule that
/// could not be deleted is no error of the termination: gives a text for each rule that is kept.
pub async fn delete_unused_firewall_rules(
    connect: &(dyn Fn(ProviderKind) -> Arc<dyn Provider> + Sync),
    ended: &[Instance],
    shutdown: &Shutdown,
) -> Vec<String> {
    let mut kept = Vec::new();
    let with_rules = ended.iter().filter(|instance| !instance.ingress_rules.is_empty());
    for (kind, instances) in group_by_provider(with_rules) {
        let provider = connect(kind);
        let deletion = provider.delete_unused_firewall_rules(&instances);
        match shutdown.run_until_signal(deletion).await {
            Ok(used) => kept.extend(used),
            Err(error) => kept.push(format!("the firewall rules on {kind} could not be deleted: {error}")),
        }
    }
    kept
}

//! Changes instances: terminate, start, stop, reboot, protection and TTL.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AttributeBooleanValue, InstanceStateChange, InstanceStateName, Tag};

use super::from_api::{can_read_tags, from_ec2, has_timer, instance_ref, launch_index, read_tags};
use super::list;
use super::list::not_found_error;
use crate::cloud::{
    BatchTracker, Error, ErrorKind, ErrorLocation, InstanceAction, InstanceRef, LABEL_TTL, NativeName, Ownership,
    ProviderKind, Result, TargetOutcome, format_duration,
};
use crate::providers::aws::api::client::{Clients, one_attempt_config};
use crate::providers::aws::api::error::{Call, OperationError, translate};
use crate::providers::aws::api::retry::{ChangeFailure, retry_change};
use crate::providers::common::batch_calls::{group_by, outcomes_in_order, run_concurrently};

/// EC2 takes 1,000 ids, and advises at most 100.
const BATCH_SIZE: usize = 100;
const CONCURRENT_BATCHES: usize = 4;

/// There is no batch call; more calls at once would only reach the rate limit.
const CONCURRENT_CHANGES: usize = 4;

/// A change that EC2 makes to many instances in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateChange {
    Terminate,
    Start,
    Stop,
    Reboot,
}

impl StateChange {
    fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
        }
    }
}

/// Applies an action to all targets; see [`Instances::apply`](crate::cloud::Instances::apply).
pub(crate) async fn apply(
    clients: &Clients,
    action: InstanceAction,
    targets: &[InstanceRef],
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let change = match action {
        InstanceAction::Protect => return set_protection(clients, targets, true, tracker).await,
        InstanceAction::Unprotect => return set_protection(clients, targets, false, tracker).await,
        InstanceAction::Terminate => StateChange::Terminate,
        InstanceAction::Start => StateChange::Start,
        InstanceAction::Stop => StateChange::Stop,
        InstanceAction::Reboot => StateChange::Reboot,
    };
    change_states(clients, change, targets, tracker).await
}

/// Changes all targets: regions at the same time, each in batches. Instances are terminated by zone, because one
/// protected instance fails the call for its whole zone.
async fn change_states(
    clients: &Clients,
    change: StateChange,
    targets: &[InstanceRef],
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let by_zone = group_by(targets, |target| match change {
        StateChange::Terminate => (target.scope.as_str(), target.zone.as_deref()),
        _ => (target.scope.as_str(), None),
    });
    let changes = by_zone.into_iter().map(|((region, _), targets)| async move {
        let client = clients.ec2(region).await;
        let unique_ids: BTreeSet<&str> = targets.iter().map(|(_, target)| target.id.as_str()).collect();
        let ids: Vec<String> = unique_ids.into_iter().map(str::to_owned).collect();
        let outcomes = apply_in_zone(&client, change, region, &ids, tracker).await;
        let to_result = |(position, target): (usize, &InstanceRef)| {
            let outcome = outcomes.get(&target.id)?;
            Some((position, outcome.result(target)))
        };
        targets.into_iter().filter_map(to_result).collect::<Vec<_>>()
    });
    let results = run_concurrently(CONCURRENT_BATCHES, changes).await;
    outcomes_in_order(targets, results.into_iter().flatten())
}

/// Protects instances or removes the protection.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html>
async fn set_protection(
    clients: &Clients,
    targets: &[InstanceRef],
    protected: bool,
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let changes = targets.iter().map(|target| async move {
        let result = match tracker.start(&target.scope, [target.id.as_str()]) {
            Ok(()) => protect_instance(clients, target, protected).await,
            Err(interrupted) => Err(interrupted),
        };
        TargetOutcome {
            target: target.clone(),
            result: tracker.record(target, result),
        }
    });
    run_concurrently(CONCURRENT_CHANGES, changes).await
}

/// Sets the TTL of an instance, which the timer in it reads from a tag; see
/// [`Instances::set_ttl`](crate::cloud::Instances::set_ttl).
///
/// # Errors
/// `Refused` for an instance whose timer cannot see its tags.
pub(crate) async fn set_ttl(client: &Client, target: &InstanceRef, ttl: Duration) -> Result<()> {
    let region = &target.scope;
    let (api, owner) = list::describe_instance(client, target).await?;
    let refused =
        |message: String| Error::new(ErrorKind::Refused, message).at(ErrorLocation::new(ProviderKind::Aws, region));
    if from_ec2(&api, region, owner.as_deref()).is_none_or(|instance| instance.state.is_gone()) {
        return Err(refused(format!("cannot extend {target}: it is being terminated")));
    }
    let ownership = Ownership::from_labels(&read_tags(&api), NativeName::Tag(launch_index(&api)));
    if has_timer(&api, &ownership) && !can_read_tags(&api) {
        let message = format!("cannot extend {target}: its timer cannot read its tags and keeps its first TTL");
        return Err(refused(message).with_hint(format!(
            "enable instance tags in metadata, which requires that tag keys have no spaces or slashes: aws ec2 modify-instance-metadata-options \
             --region {region} --instance-id {} --instance-metadata-tags enabled",
            target.id
        )));
    }
    let tag = Tag::builder().key(LABEL_TTL).value(format_duration(ttl)).build();
    let request = client.create_tags().resources(&target.id).tags(tag);
    retry_change("CreateTags", region, || {
        request.clone().customize().config_override(one_attempt_config()).send()
    })
    .await
    .map(drop)
    .map_err(|failure| {
        let error = translate(&failure.error, Call::Change, format!("cannot extend {target}"), region);
        match failure.may_have_taken_effect {
            true => error.with_kind(ErrorKind::UnknownOutcome).with_leftover(target),
            false => error,
        }
    })
}

/// The outcome for one id, which can belong to several targets.
enum IdOutcome {
    Done,
    Gone,
    Failed(Error),
}

impl IdOutcome {
    fn result(&self, target: &InstanceRef) -> Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Gone => Err(Error::not_found(target).at(ErrorLocation::new(ProviderKind::Aws, &target.scope))),
            Self::Failed(error) if error.kind() == ErrorKind::NotFound => Err(not_found_error(target, error)),
            Self::Failed(error) if error.kind() == ErrorKind::UnknownOutcome => {
                Err(error.clone().with_leftover(target))
            }
            Self::Failed(error) => Err(error.clone()),
        }
    }
}

/// The ids of one call. They are in one region, and in one zone if they are terminated.
struct Batch {
    ids: Vec<String>,
    /// Whether an earlier call that failed may have changed some of them.
    may_have_changed: bool,
}

impl Batch {
    /// Whether to send its ids again in two halves, because some of them may have failed the call for the others.
    fn should_be_split(&self, error: &Error) -> bool {
        self.ids.len() > 1 && concerns_single_ids(error.kind())
    }
}

/// Records the outcomes of a batch after its call.
fn record(tracker: &BatchTracker<'_>, region: &str, batch: &Batch, response: &Result<Vec<(String, IdOutcome)>>) {
    let record_id = |id: &str, outcome: &IdOutcome| {
        let target = instance_ref(region, id);
        // The caller gets the results at the end.
        let _ = tracker.record(&target, outcome.result(&target));
    };
    match response {
        Ok(outcomes) => outcomes.iter().for_each(|(id, outcome)| record_id(id, outcome)),
        Err(error) if batch.should_be_split(error) => {}
        Err(error) => {
            let failed = IdOutcome::Failed(error.clone());
            batch.ids.iter().for_each(|id| record_id(id, &failed));
        }
    }
}

/// Sends the call for a batch, and gives the outcome of each id.
async fn send_batch(
    client: &Client,
    action: StateChange,
    region: &str,
    batch: &Batch,
    tracker: &BatchTracker<'_>,
) -> Result<Vec<(String, IdOutcome)>> {
    if let Err(interrupted) = tracker.start(region, batch.ids.iter().map(String::as_str)) {
        // The call before this one may have terminated some of them.
        return Err(match batch.may_have_changed {
            true => interrupted.with_kind(ErrorKind::UnknownOutcome),
            false => interrupted,
        });
    }
    let changes = send_call(client, action, region, &batch.ids).await?;
    let outcomes = batch
        .ids
        .iter()
        .map(|id| (id.clone(), interpret(action, batch, &changes, id)));
    Ok(outcomes.collect())
}

/// Applies an action in one region or zone. One missing or protected id fails the call for all ids in it. So a failed
/// batch is sent again in two halves, until only the ids that fail by themselves are left.
async fn apply_in_zone(
    client: &Client,
    action: StateChange,
    region: &str,
    ids: &[String],
    tracker: &BatchTracker<'_>,
) -> HashMap<String, IdOutcome> {
    let mut outcomes = HashMap::with_capacity(ids.len());
    let mut batches: Vec<Batch> = ids
        .chunks(BATCH_SIZE)
        .map(|ids| Batch {
            ids: ids.to_vec(),
            may_have_changed: false,
        })
        .collect();
    while !batches.is_empty() {
        let calls = batches.into_iter().map(|batch| async move {
            let batch_outcomes = send_batch(client, action, region, &batch, tracker).await;
            record(tracker, region, &batch, &batch_outcomes);
            (batch, batch_outcomes)
        });
        batches = Vec::new();
        for (batch, batch_outcomes) in run_concurrently(CONCURRENT_BATCHES, calls).await {
            match batch_outcomes {
                Ok(batch_outcomes) => outcomes.extend(batch_outcomes),
                Err(error) if batch.should_be_split(&error) => {
                    let half = batch.ids.len().div_ceil(2);
                    // EC2 terminates the ids of a batch in other zones than the protected ones.
                    let may_have_changed = batch.may_have_changed || error.kind() == ErrorKind::Protected;
                    batches.extend(batch.ids.chunks(half).map(|ids| Batch {
                        ids: ids.to_vec(),
                        may_have_changed,
                    }));
                }
                Err(error) => {
                    let failed = |id| (id, IdOutcome::Failed(error.clone()));
                    outcomes.extend(batch.ids.into_iter().map(failed));
                }
            }
        }
    }
    outcomes
}

/// Whether a failure comes from some ids of the call, not from the caller or the cloud.
pub(super) fn concerns_single_ids(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::Protected
            | ErrorKind::Refused
            | ErrorKind::InvalidSpec
            | ErrorKind::Unsupported
            | ErrorKind::Capacity
            | ErrorKind::Quota
    )
}

/// Interprets the response of a successful call for one id. The response to a reboot has no details.
fn interpret(action: StateChange, batch: &Batch, changes: &[InstanceStateChange], id: &str) -> IdOutcome {
    use InstanceStateName::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated};
    if action == StateChange::Reboot {
        return IdOutcome::Done;
    }
    let unknown_outcome = |reason: &str| {
        let message = format!("ec2 accepted the call to {} it, but {reason}", action.as_str());
        IdOutcome::Failed(Error::new(ErrorKind::UnknownOutcome, message))
    };
    let Some(change) = changes.iter().find(|change| change.instance_id() == Some(id)) else {
        return unknown_outcome("did not report the result");
    };
    let previous = change.previous_state().and_then(|state| state.name());
    let current = change.current_state().and_then(|state| state.name());
    match (action, previous, current) {
        (StateChange::Terminate, Some(Terminated), _) if !batch.may_have_changed => IdOutcome::Gone,
        (StateChange::Terminate, _, Some(state @ (Pending | Running | Stopping | Stopped)))
        | (StateChange::Start, _, Some(state @ (ShuttingDown | Terminated | Stopping | Stopped)))
        | (StateChange::Stop, _, Some(state @ (Pending | Running))) => {
            unknown_outcome(&format!("reports that it is still {}", state.as_str()))
        }
        _ => IdOutcome::Done,
    }
}

/// Sends one call for some ids until its outcome is known. A repeated call changes nothing more.
async fn send_call(
    client: &Client,
    action: StateChange,
    region: &str,
    ids: &[String],
) -> Result<Vec<InstanceStateChange>> {
    macro_rules! send {
        ($operation:literal, $request:expr, $get_changes:expr) => {{
            let request = $request.set_instance_ids(Some(ids.to_vec()));
            retry_change($operation, region, || {
                request.clone().customize().config_override(one_attempt_config()).send()
            })
            .await
            .map($get_changes)
            .map(Option::unwrap_or_default)
            .map_err(|failure| translate_failure(&failure, action, region, ids))
        }};
    }
    match action {
        StateChange::Terminate => send!("TerminateInstances", client.terminate_instances(), |output| {
            output.terminating_instances
        }),
        StateChange::Start => send!("StartInstances", client.start_instances(), |output| {
            output.starting_instances
        }),
        StateChange::Stop => send!("StopInstances", client.stop_instances(), |output| {
            output.stopping_instances
        }),
        StateChange::Reboot => send!("RebootInstances", client.reboot_instances(), |_| None),
    }
}

fn translate_failure<E: OperationError>(
    failure: &ChangeFailure<E>,
    action: StateChange,
    region: &str,
    ids: &[String],
) -> Error {
    let verb = action.as_str();
    let failure_prefix = match ids {
        [id] => format!("cannot {verb} {}", instance_ref(region, id)),
        ids => format!("cannot {verb} {} instances in {region}", ids.len()),
    };
    let mut error = translate(&failure.error, Call::Change, failure_prefix, region);
    if let [id] = ids {
        error = error.naming(instance_ref(region, id));
    }
    if failure.may_have_taken_effect {
        return error.with_kind(ErrorKind::UnknownOutcome);
    }
    error
}

async fn protect_instance(clients: &Clients, target: &InstanceRef, protected: bool) -> Result<()> {
    let region = &target.scope;
    let value = AttributeBooleanValue::builder().value(protected).build();
    let request = clients
        .ec2(region)
        .await
        .modify_instance_attribute()
        .instance_id(&target.id)
        .disable_api_termination(value);
    let response = retry_change("ModifyInstanceAttribute", region, || {
        request.clone().customize().config_override(one_attempt_config()).send()
    });
    response.await.map(drop).map_err(|failure| {
        let verb = if protected { "protect" } else { "unprotect" };
        let error = translate(&failure.error, Call::Change, format!("cannot {verb} {target}"), region).naming(target);
        match error.kind() {
            ErrorKind::NotFound => not_found_error(target, &error),
            ErrorKind::Unsupported => error.with_hint("spot instances cannot be protected on ec2"),
            _ if failure.may_have_taken_effect => error.with_kind(ErrorKind::UnknownOutcome).with_leftover(target),
            _ => error,
        }
    })
}

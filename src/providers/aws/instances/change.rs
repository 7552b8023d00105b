//! Terminate, start, stop and reboot: batches in, one outcome for each target out.
//! Protection against termination, which is an attribute of each instance. Compute Engine's is a change like others.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html>
//! Moving the end of an instance: the timer inside it goes by its tag. Only EC2 has such a timer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, InstanceMetadataTagsState, InstanceStateChange, InstanceStateName, Tag,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::stream::{self, StreamExt};

use super::convert::{from_ec2, has_timer, instance_ref, launch_index, read_tags};
use super::list;
use super::list::not_found_error;
use crate::cloud::{
    BatchTracker, Error, ErrorKind, InstanceRef, LABEL_TTL, NativeName, Ownership, ProviderKind, Result, TargetOutcome,
    format_duration,
};
use crate::providers::aws::api::client::{Clients, one_attempt_config};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::retry::{ChangeFailure, retry_change};

/// EC2 takes 1,000 ids, and advises at most 100.
const BATCH_SIZE: usize = 100;
const CONCURRENT_BATCHES: usize = 4;

/// What is to be done to instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceAction {
    Terminate,
    Start,
    Stop,
    Reboot,
}

impl InstanceAction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
        }
    }
}

/// Does it to all targets: regions side by side, each in batches. What is terminated goes by zones: one protected instance
/// spoils a call for its whole zone, and no other.
pub(crate) async fn act(
    clients: &Clients,
    verb: InstanceAction,
    targets: &[InstanceRef],
    course: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let mut places: BTreeMap<(String, Option<String>), BTreeSet<String>> = BTreeMap::new();
    for target in targets.iter().filter(|target| is_ours(target)) {
        let zone = target.zone.clone().filter(|_| verb == InstanceAction::Terminate);
        let place = (target.scope.clone(), zone);
        places.entry(place).or_default().insert(target.id.clone());
    }
    let in_places: Vec<_> = stream::iter(places)
        .map(|((region, _), ids)| async move {
            let client = clients.ec2(&region).await;
            let settled = apply_in_zone(&client, verb, &region, ids.into_iter().collect(), course).await;
            (region, settled)
        })
        .buffer_unordered(CONCURRENT_BATCHES)
        .collect()
        .await;
    let mut settled: HashMap<String, HashMap<String, IdOutcome>> = HashMap::new();
    for (region, ids) in in_places {
        settled.entry(region).or_default().extend(ids);
    }
    targets
        .iter()
        .map(|target| TargetOutcome {
            target: target.clone(),
            result: match settled
                .get(target.scope.as_str())
                .and_then(|region| region.get(&target.id))
            {
                Some(settled) => settled.result(target),
                None => Err(Error::invalid(format!("{target} is not an instance of ec2"))),
            },
        })
        .collect()
}

fn is_ours(target: &InstanceRef) -> bool {
    target.provider == ProviderKind::Aws && !target.id.is_empty() && !target.scope.is_empty()
}

/// What became of one id, which can stand for several targets.
enum IdOutcome {
    Done,
    Gone,
    Failed(Error),
}

impl IdOutcome {
    fn result(&self, target: &InstanceRef) -> Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Gone => Err(Error::not_found(target).at(format!("aws/{}", target.scope))),
            Self::Failed(error) if error.kind() == ErrorKind::NotFound => Err(not_found_error(target, error)),
            Self::Failed(error) if error.kind() == ErrorKind::UnknownOutcome => {
                Err(error.clone().with_leftover(target))
            }
            Self::Failed(error) => Err(error.clone()),
        }
    }
}

/// Some ids of one place that go into one call.
struct Batch {
    ids: Vec<String>,
    /// Whether a failed call may have done its work on some of them already.
    may_be_done: bool,
}

impl Batch {
    /// Whether some of its ids may have failed the call for the others.
    fn should_be_split(&self, error: &Error) -> bool {
        self.ids.len() > 1 && concerns_single_ids(error.kind())
    }
}

/// Tells what is known of the ids of a batch after its call.
fn record(course: &BatchTracker<'_>, region: &str, batch: &Batch, answer: &Result<Vec<(String, IdOutcome)>>) {
    let settle = |id: &str, settled: &IdOutcome| {
        let target = instance_ref(region, id);
        // Whoever asked is given it at the end, too.
        let _ = course.record(&target, settled.result(&target));
    };
    match answer {
        Ok(judged) => judged.iter().for_each(|(id, settled)| settle(id, settled)),
        Err(error) if batch.should_be_split(error) => {}
        Err(error) => {
            let failed = IdOutcome::Failed(error.clone());
            batch.ids.iter().for_each(|id| settle(id, &failed));
        }
    }
}

/// One stale or protected id fails the call for all that are with it. So a failed batch is halved, and each half
/// tried again, until only the ids that fail by themselves are left.
async fn apply_in_zone(
    client: &Client,
    verb: InstanceAction,
    region: &str,
    ids: Vec<String>,
    course: &BatchTracker<'_>,
) -> HashMap<String, IdOutcome> {
    let mut settled = HashMap::with_capacity(ids.len());
    let mut round: Vec<Batch> = ids
        .chunks(BATCH_SIZE)
        .map(|ids| Batch {
            ids: ids.to_vec(),
            may_be_done: false,
        })
        .collect();
    while !round.is_empty() {
        let answers: Vec<_> = stream::iter(round)
            .map(|batch| async move {
                let answer = match course.start(region, batch.ids.iter().map(String::as_str)) {
                    Ok(()) => send_call(client, verb, region, &batch.ids).await,
                    // The call before this one may have ended some of them.
                    Err(interrupted) if batch.may_be_done => Err(interrupted.with_kind(ErrorKind::UnknownOutcome)),
                    Err(interrupted) => Err(interrupted),
                };
                let answer = answer.map(|changes| {
                    let judged = batch
                        .ids
                        .iter()
                        .map(|id| (id.clone(), interpret(verb, &batch, &changes, id)));
                    judged.collect::<Vec<_>>()
                });
                record(course, region, &batch, &answer);
                (batch, answer)
            })
            .buffer_unordered(CONCURRENT_BATCHES)
            .collect()
            .await;
        round = Vec::new();
        for (batch, answer) in answers {
            match answer {
                Ok(judged) => settled.extend(judged),
                Err(error) if batch.should_be_split(&error) => {
                    let half = batch.ids.len().div_ceil(2);
                    // Of a batch with protected ids EC2 still terminates those in other zones.
                    let may_be_done = batch.may_be_done || error.kind() == ErrorKind::Protected;
                    round.extend(batch.ids.chunks(half).map(|ids| Batch {
                        ids: ids.to_vec(),
                        may_be_done,
                    }));
                }
                Err(error) => {
                    let failed = |id| (id, IdOutcome::Failed(error.clone()));
                    settled.extend(batch.ids.into_iter().map(failed));
                }
            }
        }
    }
    settled
}

/// Whether a failure is one of some ids of the call, rather than of the caller or the cloud.
fn concerns_single_ids(kind: ErrorKind) -> bool {
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

/// What a successful call did to one id, by what it says of it. A restart is answered without a word.
fn interpret(verb: InstanceAction, batch: &Batch, changes: &[InstanceStateChange], id: &str) -> IdOutcome {
    use InstanceStateName::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated};
    if verb == InstanceAction::Reboot {
        return IdOutcome::Done;
    }
    let unknown = |what: &str| {
        let message = format!("ec2 took the call to {} it, and {what}", verb.as_str());
        IdOutcome::Failed(Error::new(ErrorKind::UnknownOutcome, message))
    };
    let Some(change) = changes.iter().find(|change| change.instance_id() == Some(id)) else {
        return unknown("says nothing of what came of it");
    };
    let before = change.previous_state().and_then(|state| state.name());
    let now = change.current_state().and_then(|state| state.name());
    match (verb, before, now) {
        (InstanceAction::Terminate, Some(Terminated), _) if !batch.may_be_done => IdOutcome::Gone,
        (InstanceAction::Terminate, _, Some(Pending | Running | Stopping | Stopped))
        | (InstanceAction::Start, _, Some(ShuttingDown | Terminated | Stopping | Stopped))
        | (InstanceAction::Stop, _, Some(Pending | Running)) => {
            let now = now.map(InstanceStateName::as_str).unwrap_or_default();
            unknown(&format!("says that it is {now} still"))
        }
        _ => IdOutcome::Done,
    }
}

/// One call for some ids, replayed until its outcome is known: all four leave what is already done as it is.
async fn send_call(
    client: &Client,
    verb: InstanceAction,
    region: &str,
    ids: &[String],
) -> Result<Vec<InstanceStateChange>> {
    match verb {
        InstanceAction::Terminate => {
            let request = client.terminate_instances().set_instance_ids(Some(ids.to_vec()));
            retry_change("TerminateInstances", region, || {
                request.clone().customize().config_override(one_attempt_config()).send()
            })
            .await
            .map(|output| output.terminating_instances.unwrap_or_default())
            .map_err(|failure| translate_failure(&failure, verb, region, ids))
        }
        InstanceAction::Start => {
            let request = client.start_instances().set_instance_ids(Some(ids.to_vec()));
            retry_change("StartInstances", region, || {
                request.clone().customize().config_override(one_attempt_config()).send()
            })
            .await
            .map(|output| output.starting_instances.unwrap_or_default())
            .map_err(|failure| translate_failure(&failure, verb, region, ids))
        }
        InstanceAction::Stop => {
            let request = client.stop_instances().set_instance_ids(Some(ids.to_vec()));
            retry_change("StopInstances", region, || {
                request.clone().customize().config_override(one_attempt_config()).send()
            })
            .await
            .map(|output| output.stopping_instances.unwrap_or_default())
            .map_err(|failure| translate_failure(&failure, verb, region, ids))
        }
        InstanceAction::Reboot => {
            let request = client.reboot_instances().set_instance_ids(Some(ids.to_vec()));
            retry_change("RebootInstances", region, || {
                request.clone().customize().config_override(one_attempt_config()).send()
            })
            .await
            .map(|_| Vec::new())
            .map_err(|failure| translate_failure(&failure, verb, region, ids))
        }
    }
}

fn translate_failure<E>(failure: &ChangeFailure<E>, verb: InstanceAction, region: &str, ids: &[String]) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let verb = verb.as_str();
    let attempted = match ids {
        [id] => format!("cannot {verb} {}", instance_ref(region, id)),
        ids => format!("cannot {verb} {} instances in {region}", ids.len()),
    };
    let error = translate(&failure.error, Call::Change, attempted, region);
    if failure.may_have_taken_effect {
        return error.with_kind(ErrorKind::UnknownOutcome);
    }
    error
}

/// There is no call for many; more at once would only meet the rate limit.
const CONCURRENT_CHANGES: usize = 4;

/// Protects instances, or lifts that; see [`Provider::set_protection`](crate::cloud::Provider::set_protection).
pub(crate) async fn set_protection(
    clients: &Clients,
    targets: &[InstanceRef],
    protected: bool,
    course: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let changes: Vec<_> = targets
        .iter()
        .map(|target| async move {
            let result = match course.start(&target.scope, [target.id.as_str()]) {
                Ok(()) => protect_instance(clients, target, protected).await,
                Err(interrupted) => Err(interrupted),
            };
            TargetOutcome {
                target: target.clone(),
                result: course.record(target, result),
            }
        })
        .collect();
    stream::iter(changes).buffered(CONCURRENT_CHANGES).collect().await
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
    let answer = retry_change("ModifyInstanceAttribute", region, || {
        request.clone().customize().config_override(one_attempt_config()).send()
    });
    answer.await.map(drop).map_err(|failure| {
        let verb = if protected { "protect" } else { "unprotect" };
        let error = translate(&failure.error, Call::Change, format!("cannot {verb} {target}"), region);
        match error.kind() {
            ErrorKind::NotFound => not_found_error(target, &error),
            ErrorKind::Unsupported => error.with_hint("spot instances cannot be protected on ec2"),
            _ if failure.may_have_taken_effect => error.with_kind(ErrorKind::UnknownOutcome).with_leftover(target),
            _ => error,
        }
    })
}

/// Sets how long an instance may live; see [`Provider::set_ttl`](crate::cloud::Provider::set_ttl).
///
/// # Errors
/// `Refused` for an instance whose timer cannot see its tags.
pub(crate) async fn set_ttl(client: &Client, target: &InstanceRef, ttl: Duration) -> Result<()> {
    let region = &target.scope;
    let (api, owner) = list::describe_instance(client, target).await?;
    let refused = |message: String| Error::new(ErrorKind::Refused, message).at(format!("aws/{region}"));
    if from_ec2(&api, region, owner.as_deref()).is_none_or(|instance| instance.state.is_gone()) {
        return Err(refused(format!("cannot extend {target}: it is being terminated")));
    }
    let tags_are_seen = api
        .metadata_options()
        .is_some_and(|options| options.instance_metadata_tags() == Some(&InstanceMetadataTagsState::Enabled));
    if has_timer(
        &api,
        &Ownership::from_labels(&read_tags(&api), NativeName::Tag(launch_index(&api))),
    ) && !tags_are_seen
    {
        let message = format!("cannot extend {target}: its timer does not see its tags, and goes by its first TTL");
        return Err(refused(message).with_hint(format!(
            "let it see them, which takes tags with plain keys alone: aws ec2 modify-instance-metadata-options \
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

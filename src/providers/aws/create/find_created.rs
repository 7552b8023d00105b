//! Finds the instances of a launch: in the answer, by their ids, and after a failure by the token.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ec2::operation::run_instances::{RunInstancesError, RunInstancesOutput};
use aws_sdk_ec2::{Client, types as ec2};
use tokio::time::{sleep, timeout};

use crate::cloud::{Error, ErrorKind, ErrorLocation, GroupMembers, Instance, InstanceSpec, ProviderKind, Result};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::build_filter;
use crate::providers::aws::api::retry::ChangeFailure;
use crate::providers::aws::instances::{from_api, list};

/// The timeout of a search for instances that may exist and that EC2 may list late.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_SEARCHES: u32 = 4;

/// The hint for an unknown outcome.
const RUN_AGAIN_HINT: &str = "run the same command again: it finds the instance or creates it";

/// Returns the launched instances as the answer describes them.
pub(crate) fn instances_in_answer(output: &RunInstancesOutput, spec: &InstanceSpec) -> Result<Vec<Instance>> {
    let region = &spec.location.region;
    let launched = output.instances().iter();
    let answered: Vec<Instance> = launched
        .filter_map(|launched| {
            let answered = from_api::from_ec2(launched, region, output.owner_id())?;
            Some(with_name(answered, launched, spec))
        })
        .collect();
    if answered.is_empty() {
        let message = format!("ec2 accepted {} but named no instance", spec.name);
        return Err(Error::new(ErrorKind::UnknownOutcome, message).at(ErrorLocation::new(ProviderKind::Aws, region)));
    }
    Ok(answered)
}

/// Returns launched instances as they are now: as `listed` shows them, or else as EC2 describes them by their ids, or
/// else as they were.
pub(crate) async fn read_launched(
    client: &Client,
    spec: &InstanceSpec,
    launched: Vec<Instance>,
    listed: &[Instance],
) -> Vec<Instance> {
    let is_listed = |instance: &&Instance| listed.iter().any(|listed| listed.reference == instance.reference);
    let unlisted: Vec<&Instance> = launched.iter().filter(|instance| !is_listed(instance)).collect();
    let mut read = Vec::new();
    if !unlisted.is_empty() {
        // The launch says that they exist, so an error here changes nothing.
        let _ = timeout(SEARCH_TIMEOUT, read_by_id(client, spec, &unlisted, &mut read)).await;
    }
    let update = |instance: Instance| match read.iter().find(|read| read.reference == instance.reference) {
        // Tags can be listed later than the instance.
        Some(read) if !read.managed => Instance {
            state: read.state,
            native_state: read.native_state.clone(),
            state_reason: read.state_reason.clone(),
            ..instance
        },
        Some(_) => instance.updated_from(&read),
        None => instance.updated_from(listed),
    };
    launched.into_iter().map(update).collect()
}

/// Sets the name of a member whose tags are not in the response, by its index in the launch.
fn with_name(mut answered: Instance, launched: &ec2::Instance, spec: &InstanceSpec) -> Instance {
    if let Some(members) = &spec.members
        && answered.name.is_none()
    {
        let index = from_api::launch_index(launched).and_then(|position| members.index_at(position));
        let name = index.and_then(|index| spec.name.member_name(index).ok());
        answered.name = name.map(|name| name.to_string());
    }
    answered
}

/// Reads launched instances by their ids; those of a group again, until EC2 lists all of them with their tags.
async fn read_by_id(client: &Client, spec: &InstanceSpec, launched: &[&Instance], read: &mut Vec<Instance>) {
    if let [only] = launched {
        read.extend(list::find_instance(client, &only.reference).await);
        return;
    }
    let ids: Vec<&str> = launched.iter().map(|launched| launched.reference.id.as_str()).collect();
    for attempt in 1..=MAX_SEARCHES {
        let filters = vec![build_filter("instance-id", &ids)];
        for latest in list::list_matching(client, &spec.location.region, filters)
            .await
            .unwrap_or_default()
        {
            read.retain(|earlier| earlier.reference != latest.reference);
            read.push(latest);
        }
        let is_complete = |instance: &&Instance| instance.managed || instance.state.is_gone();
        if read.iter().filter(is_complete).count() == launched.len() {
            return;
        }
        if attempt < MAX_SEARCHES {
            sleep(Duration::from_secs(u64::from(attempt))).await;
        }
    }
}

/// Finds out what a failed launch created: returns the instances that exist, or the error.
pub(crate) async fn recover(
    client: &Client,
    spec: &InstanceSpec,
    token: &str,
    failure: &ChangeFailure<RunInstancesError>,
) -> Result<Vec<Instance>> {
    let region = &spec.location.region;
    let failure_prefix = format!("cannot create {}", spec.name);
    let error = translate(&failure.error, Call::Change, failure_prefix, region);
    let spec_differs = error.kind() == ErrorKind::AlreadyExists;
    if !spec_differs && !failure.may_have_taken_effect {
        return Err(error);
    }
    let search = search_by_token(client, spec, token, spec_differs);
    let search_result = match timeout(SEARCH_TIMEOUT, search).await {
        Ok(Ok(found)) => SearchResult::from_instances(found, spec),
        Ok(Err(search_error)) => {
            tracing::debug!(error = %search_error, "it cannot be seen whether an instance was made");
            SearchResult::Unknown
        }
        Err(_elapsed) => SearchResult::Unknown,
    };
    if spec_differs {
        return accept_comparable(search_result, error, spec);
    }
    match search_result {
        SearchResult::All(all) => {
            let is_alive = |found: &Instance| !found.state.is_gone();
            let was_never_answered = error.kind() == ErrorKind::UnknownOutcome && failure.unanswered;
            if was_never_answered && all.iter().any(is_alive) {
                return Err(unanswered_create_error(error, &all, spec));
            }
            Ok(all)
        }
        // EC2 launches all members or none: the others exist too, and must not be created again.
        SearchResult::Some(some) => Err(with_leftovers(unknown_outcome_error(error), &some)),
        // The server ended every attempt, and by now EC2 would list an instance.
        SearchResult::Nothing if !failure.unanswered => Err(match error.kind() {
            ErrorKind::UnknownOutcome => error
                .context("nothing was created")
                .with_kind(ErrorKind::Network)
                .with_hint("run the same command again"),
            _ => error,
        }),
        SearchResult::Nothing | SearchResult::Unknown => Err(unknown_outcome_error(error)),
    }
}

/// Returns the instances of a token that EC2 refuses for another spec. Only the tag shows their spec, so instances
/// without it are not taken for the requested ones.
fn accept_comparable(search_result: SearchResult, error: Error, spec: &InstanceSpec) -> Result<Vec<Instance>> {
    let error = error
        .context(format!("{} was requested with another spec", spec.name))
        .with_hint("repeat it with the same flags as before, or use another name");
    match search_result {
        SearchResult::All(all) if all.iter().all(is_comparable) => Ok(all),
        SearchResult::All(found) | SearchResult::Some(found) => Err(with_leftovers(error, &found)),
        SearchResult::Nothing | SearchResult::Unknown => Err(error),
    }
}

/// The error for instances that have the token, although no response ever said what the call did.
fn unanswered_create_error(error: Error, found: &[Instance], spec: &InstanceSpec) -> Error {
    let message = match (found, &spec.members) {
        ([instance], None) => format!(
            "{} exists, but the cloud did not answer any create request",
            instance.reference
        ),
        _ => format!("{} exists, but the cloud did not answer any create request", spec.name),
    };
    with_leftovers(error.context(message).with_hint(RUN_AGAIN_HINT), found)
}

fn unknown_outcome_error(error: Error) -> Error {
    error
        .context("it is not known whether an instance was made")
        .with_kind(ErrorKind::UnknownOutcome)
        .with_hint(RUN_AGAIN_HINT)
}

fn with_leftovers(error: Error, all: &[Instance]) -> Error {
    let alive = all.iter().filter(|found| !found.state.is_gone());
    error.with_leftovers(alive.map(|found| &found.reference))
}

enum SearchResult {
    All(Vec<Instance>),
    /// Some members of a group, although EC2 launches all or none.
    Some(Vec<Instance>),
    Nothing,
    Unknown,
}

impl SearchResult {
    fn from_instances(found: Vec<Instance>, spec: &InstanceSpec) -> Self {
        if found.is_empty() {
            Self::Nothing
        } else if found.len() < requested_count(spec) || spec.members.is_some() && !found.iter().all(is_comparable) {
            Self::Some(found)
        } else {
            Self::All(found)
        }
    }
}

fn requested_count(spec: &InstanceSpec) -> usize {
    spec.members.as_ref().map_or(1, GroupMembers::len)
}

/// Whether the spec of an instance is known or does not matter any more. Tags can be listed later than the instance.
fn is_comparable(instance: &Instance) -> bool {
    instance.spec_fingerprint.is_some() || instance.state.is_gone()
}

/// Searches for the instances of a token, one of each name, preferably alive ones. With `comparable` it waits for
/// their tags, without which the members of a group have no names.
///
/// # Errors
/// The error of the last lookup, if no lookup found an instance: one may still exist.
async fn search_by_token(
    client: &Client,
    spec: &InstanceSpec,
    token: &str,
    must_be_comparable: bool,
) -> Result<Vec<Instance>> {
    // The members of a group are told apart by their labels.
    let must_be_comparable = must_be_comparable || spec.members.is_some();
    let mut best: Result<Vec<Instance>> = Ok(Vec::new());
    for attempt in 1..=MAX_SEARCHES {
        let found = list_by_token(client, spec, token).await;
        if let Ok(found) = &found
            && found.len() >= requested_count(spec)
            && (!must_be_comparable || found.iter().all(is_comparable))
        {
            return Ok(found.clone());
        }
        let replaces_best = match (&found, &best) {
            (Ok(found), Ok(best)) => found.len() >= best.len(),
            (Err(_), Ok(best)) => best.is_empty(),
            (_, Err(_)) => true,
        };
        if replaces_best {
            best = found;
        }
        if attempt < MAX_SEARCHES {
            sleep(Duration::from_secs(u64::from(attempt))).await;
        }
    }
    best
}

/// Searches for the instances of a token until one is found, or until EC2 would list one.
pub(crate) async fn search_all(client: &Client, spec: &InstanceSpec, token: &str) -> Result<Vec<Instance>> {
    search_by_token(client, spec, token, false).await
}

async fn list_by_token(client: &Client, spec: &InstanceSpec, token: &str) -> Result<Vec<Instance>> {
    let mut found = list::list_matching(
        client,
        &spec.location.region,
        vec![build_filter("client-token", [token])],
    )
    .await?;
    // EC2 keeps a token apart for each zone, so instances of another zone can have the same token.
    found.sort_by_key(|instance| instance.state.is_gone());
    let mut names = HashMap::new();
    found.retain(|instance| {
        let name = match &spec.members {
            Some(_) => instance.name.clone().unwrap_or_else(|| instance.reference.id.clone()),
            None => spec.name.to_string(),
        };
        names.insert(name, ()).is_none()
    });
    Ok(found)
}

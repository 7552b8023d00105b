//! What a launch came to: read back where it had success, searched for by its token where it had not.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ec2::operation::run_instances::{RunInstancesError, RunInstancesOutput};
use aws_sdk_ec2::{Client, types as ec2};
use tokio::time::{sleep, timeout};

use crate::cloud::{Error, ErrorKind, GroupMembers, Instance, InstanceSpec, Result};
use crate::providers::aws::api::error::{Call, translate};
use crate::providers::aws::api::filters::build_filter;
use crate::providers::aws::api::retry::ChangeFailure;
use crate::providers::aws::instances::{convert, list};

/// How long instances are looked for that may or may not be there, and that EC2 may list late.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_SEARCHES: u32 = 4;

/// Read-back instances are what counts; where EC2 does not list one yet, what the call itself answered.
pub(crate) async fn read_instances_back(
    client: &Client,
    output: &RunInstancesOutput,
    spec: &InstanceSpec,
) -> Result<Vec<Instance>> {
    let region = &spec.location.region;
    let launched = output.instances().iter();
    let answered: Vec<Instance> = launched
        .filter_map(|launched| {
            let answered = convert::from_ec2(launched, region, output.owner_id())?;
            Some(with_name(answered, launched, spec))
        })
        .collect();
    if answered.is_empty() {
        let message = format!("ec2 accepted {} but named no instance", spec.name);
        return Err(Error::new(ErrorKind::UnknownOutcome, message).at(format!("aws/{region}")));
    }
    let mut read = HashMap::new();
    // They exist, by the answer; whatever keeps us from seeing them is no reason to say otherwise.
    let _ = timeout(SEARCH_TIMEOUT, read_launched(client, spec, &answered, &mut read)).await;
    let merged = answered.into_iter().map(|answered| {
        match read.remove(&answered.reference.id) {
            Some(read) if read.managed => read,
            // Tags can be listed later than the instance itself.
            Some(read) => Instance {
                state: read.state,
                native_state: read.native_state,
                state_reason: read.state_reason,
                ..answered
            },
            None => answered,
        }
    });
    Ok(merged.collect())
}

/// A member whose tags are not in the answer has its name by its place among those that the token stands for.
fn with_name(mut answered: Instance, launched: &ec2::Instance, spec: &InstanceSpec) -> Instance {
    if let (Some(members), None) = (&spec.members, &answered.name) {
        let index = convert::launch_index(launched).and_then(|position| members.index_at(position));
        let name = index.and_then(|index| spec.name.member_name(index).ok());
        answered.name = name.map(|name| name.to_string());
    }
    answered
}

/// Looks at what a call made: at the members of a group again where EC2 does not show all of them yet.
async fn read_launched(
    client: &Client,
    spec: &InstanceSpec,
    launched: &[Instance],
    read: &mut HashMap<String, Instance>,
) {
    let [only] = launched else {
        let ids: Vec<&str> = launched.iter().map(|launched| launched.reference.id.as_str()).collect();
        for look in 1..=MAX_SEARCHES {
            let seen =
                list::list_matching(client, &spec.location.region, vec![build_filter("instance-id", &ids)]).await;
            let seen = seen.unwrap_or_default().into_iter();
            read.extend(seen.map(|seen| (seen.reference.id.clone(), seen)));
            let is_settled = |seen: &Instance| seen.managed || seen.state.is_gone();
            if read.values().filter(|seen| is_settled(seen)).count() == launched.len() {
                return;
            }
            if look < MAX_SEARCHES {
                sleep(Duration::from_secs(u64::from(look))).await;
            }
        }
        return;
    };
    if let Ok(seen) = list::find_instance(client, &only.reference).await {
        read.insert(only.reference.id.clone(), seen);
    }
}

/// What a call without success came to: instances that are there after all, or the error.
pub(crate) async fn recover(
    client: &Client,
    spec: &InstanceSpec,
    token: &str,
    failure: &ChangeFailure<RunInstancesError>,
) -> Result<Vec<Instance>> {
    let region = &spec.location.region;
    let attempted = format!("cannot create {}", spec.name);
    let error = translate(&failure.error, Call::Change, attempted, region);
    let mismatch = error.kind() == ErrorKind::AlreadyExists;
    if !mismatch && !failure.may_have_taken_effect {
        return Err(error);
    }
    let found = match timeout(SEARCH_TIMEOUT, search_by_token(client, spec, token, mismatch)).await {
        Ok(Ok(found)) => SearchResult::from_instances(found, spec),
        Ok(Err(error)) => {
            tracing::debug!(%error, "it cannot be seen whether an instance was made");
            SearchResult::Unknown
        }
        Err(_) => SearchResult::Unknown,
    };
    let with_another_spec = |error: Error| {
        error
            .context(format!("{} was asked for with another spec", spec.name))
            .with_hint("repeat it with the flags of that time, or use another name")
    };
    match found {
        // What EC2 says differs can be compared only by the tag, and without it is not taken for the asked one.
        SearchResult::All(all) | SearchResult::Some(all) if mismatch && !all.iter().all(is_comparable) => {
            Err(with_leftovers(with_another_spec(error), &all))
        }
        // It is there by its token, but no answer ever told what the call came to.
        SearchResult::All(all)
            if error.kind() == ErrorKind::UnknownOutcome
                && failure.unanswered
                && all.iter().any(|found| !found.state.is_gone()) =>
        {
            let message = match (all.as_slice(), &spec.members) {
                ([found], None) => format!("{} is there, but no attempt was answered", found.reference),
                _ => format!("{} is there, but no attempt was answered", spec.name),
            };
            Err(with_leftovers(error.context(message).with_hint(RUN_AGAIN_HINT), &all))
        }
        SearchResult::All(all) => Ok(all),
        SearchResult::Some(seen) if mismatch => Err(with_leftovers(with_another_spec(error), &seen)),
        // All of them or none: the others are there too, and must not be made again.
        SearchResult::Some(seen) => Err(with_leftovers(unknown_outcome_error(error), &seen)),
        SearchResult::Nothing | SearchResult::Unknown if mismatch => Err(with_another_spec(error)),
        // Every attempt is over, by the server's own word, and so long after the last one EC2 would list it.
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

fn unknown_outcome_error(error: Error) -> Error {
    error
        .context("it is not known whether an instance was made")
        .with_kind(ErrorKind::UnknownOutcome)
        .with_hint(RUN_AGAIN_HINT)
}

fn with_leftovers(error: Error, all: &[Instance]) -> Error {
    let living = all.iter().filter(|found| !found.state.is_gone());
    error.with_leftovers(living.map(|found| &found.reference))
}

/// What to do where the outcome is unknown.
const RUN_AGAIN_HINT: &str = "run the same command again: it finds the instance, or makes it";

/// What the search for instances came to.
enum SearchResult {
    All(Vec<Instance>),
    /// Some members of a group, and EC2 makes all of them or none.
    Some(Vec<Instance>),
    Nothing,
    Unknown,
}

impl SearchResult {
    fn from_instances(found: Vec<Instance>, spec: &InstanceSpec) -> Self {
        match found.len() {
            0 => Self::Nothing,
            seen if seen < requested_count(spec) || (spec.members.is_some() && !found.iter().all(is_comparable)) => {
                Self::Some(found)
            }
            _ => Self::All(found),
        }
    }
}

fn requested_count(spec: &InstanceSpec) -> usize {
    spec.members.as_ref().map_or(1, GroupMembers::len)
}

/// Whether its spec is known, or does not matter any more. Tags can be listed later than the instance itself.
fn is_comparable(instance: &Instance) -> bool {
    instance.spec_fingerprint.is_some() || instance.state.is_gone()
}

/// The instances that were made under a token, one of each name, preferably those that are alive; if asked, with some
/// patience for their tags, without which the members of a group have no names.
///
/// # Errors
/// That of the last look, if no look saw one: then it may be there all the same.
async fn search_by_token(client: &Client, spec: &InstanceSpec, token: &str, comparable: bool) -> Result<Vec<Instance>> {
    let comparable = comparable || spec.members.is_some();
    let mut seen: Result<Vec<Instance>> = Ok(Vec::new());
    for attempt in 1..=MAX_SEARCHES {
        let found = list_by_token(client, spec, token).await;
        if let Ok(found) = &found
            && found.len() >= requested_count(spec)
            && (!comparable || found.iter().all(is_comparable))
        {
            return Ok(found.clone());
        }
        let is_more = match (&found, &seen) {
            (Ok(found), Ok(seen)) => found.len() >= seen.len(),
            (_, Ok(seen)) => seen.is_empty(),
            _ => true,
        };
        if is_more {
            seen = found;
        }
        if attempt < MAX_SEARCHES {
            sleep(Duration::from_secs(u64::from(attempt))).await;
        }
    }
    seen
}

/// Those made under a token, looked for until one shows, or long enough for EC2 to list one.
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
    // A token is one for each zone, and the instances of another zone can be there under it as well.
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

//! Making instances, once: a single one, or all that a group asks for in one call.
//! The names that the console shows for the members of a group. One call makes them all with the same tags, so each
//! gets its own `Name` afterwards. Nothing hangs on it, and nothing fails for it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Tag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{sleep, timeout};

use self::recovery::{read_instances_back, recover, search_all};
use self::request::{Request, idempotency_token};
use super::api::client::one_attempt_config;
use super::api::error::{Call, translate};
use super::api::retry::retry_change;
use super::api::server_time::now;
use super::catalog::machine_types::Machine;
use super::instances::convert::{launch_failure, spot_reclaim};
use super::network::security_group;
use crate::cloud::{
    CreateOutcome, Error, ErrorKind, Fingerprint, Instance, InstanceSpec, LABEL_MANAGED, LABEL_MEMBERS, LABEL_NAME,
    LaunchPreview, Result,
};
use crate::providers::aws::api::filters::{build_filter, tag_filter_name};
use crate::providers::aws::instances::list;
use crate::providers::aws::tags::TAG_NAME;

pub(super) mod key_pair;
pub(super) mod recovery;
pub(super) mod request;
pub(super) mod user_data;

/// How often a launch is tried whose group for openings is not there, or not seen yet.
const GROUP_ATTEMPTS: u32 = 5;

const CONCURRENT_CALLS: usize = 10;
/// Tagging is refilled at some calls in a second; what is not done in this time a later create does.
const NAME_TAGS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long before this run an instance was launched at most that counts as launched by it; clocks differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What creating would make, and whether EC2 would let us.
pub(super) async fn preview(client: &Client, spec: &InstanceSpec) -> Result<LaunchPreview> {
    let region = &spec.location.region;
    let request = Request::resolve(client, spec).await?;
    if let (Some(vpc), false) = (&request.network.vpc, spec.ingress_rules.is_empty()) {
        security_group::check_group(client, region, vpc, &spec.ingress_rules).await?;
    }
    tracing::debug!(operation = "RunInstances", place = region, dry_run = true, "call");
    let call = request.build_call(client, spec, &request.network.groups, 0);
    match call.dry_run(true).send().await {
        Err(error) if error.code() != Some("DryRunOperation") => Err(translate(
            &error,
            Call::Read,
            format!("cannot create {}", spec.name),
            region,
        )),
        _ => Ok(request.preview(spec)),
    }
}

/// Makes the instance, or finds the one that this life of its name has already.
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
    let request = Request::resolve(client, spec).await?;
    let started_at = now(client);
    let launched = launch(client, spec, &request, generation).await?;
    let mut alive = Vec::new();
    for instance in launched {
        alive.extend(check_launched(instance, &request.machine, spec, started_at)?);
    }
    let instance = alive.into_iter().next();
    Ok(instance.map_or(CreateOutcome::TokenAlreadyUsed, |instance| {
        CreateOutcome::Instance(Box::new(instance))
    }))
}

/// Makes the members of a group in one call, or finds those that this life of them has already.
pub(super) async fn create_members(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<Vec<Instance>> {
    if spec.members.is_none() {
        let created = create(client, spec, generation).await?;
        return Ok(match created {
            CreateOutcome::Instance(instance) => vec![*instance],
            CreateOutcome::TokenAlreadyUsed => Vec::new(),
        });
    }
    let request = Request::resolve(client, spec).await?;
    let started_at = now(client);
    let launched = launch(client, spec, &request, generation).await?;
    let (mut alive, mut failed) = (Vec::new(), None);
    for instance in launched {
        match check_launched(instance, &request.machine, spec, started_at) {
            Ok(instance) => alive.extend(instance),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        // With some of them alive, the caller asks for the others again, and is told then.
        Some(error) if alive.is_empty() => Err(error),
        _ => {
            set_name_tags(client, spec, &alive).await;
            Ok(alive)
        }
    }
}

/// The instances of this life's token, new or old; none if it is spent.
async fn launch(client: &Client, spec: &InstanceSpec, request: &Request, generation: u32) -> Result<Vec<Instance>> {
    let region = &spec.location.region;
    let token = idempotency_token(spec, generation);
    let key = key_pair::import_key(client, spec, request.image.is_windows).await?;
    // The group for openings is made before the launch, so that the instance is never without it. A run that removes it
    // can come between: then EC2 refuses the launch, as it does while it does not see a new group yet, and the group is
    // made or looked up anew. If that gives another id, the same token goes out with other parameters, which is safe in
    // this order alone: the refusal says that nothing was made under it.
    let mut was_refused = false;
    for attempt in 1.. {
        let mut groups = request.network.groups.clone();
        let mut opened = None;
        if let (Some(vpc), false) = (&request.network.vpc, spec.ingress_rules.is_empty()) {
            let group = security_group::ensure_group(client, region, vpc, &spec.ingress_rules).await?;
            groups.push(group.clone());
            opened = Some(group);
        }
        let mut call = request
            .build_call(client, spec, &groups, generation)
            .client_token(&token);
        if let Some(key) = &key {
            call = call.key_name(key);
        }
        let answer = retry_change("RunInstances", region, || {
            call.clone().customize().config_override(one_attempt_config()).send()
        })
        .await;
        let failure = match answer {
            Ok(output) => return read_instances_back(client, &output, spec).await,
            Err(failure) => failure,
        };
        match failure.error.code() {
            Some("IdempotentInstanceTerminated") => break,
            code if security_group::is_missing_group_code(code)
                && !spec.ingress_rules.is_empty()
                && attempt < GROUP_ATTEMPTS =>
            {
                was_refused = true;
                sleep(Duration::from_secs(1) * attempt).await;
            }
            // Where EC2 remembers the parameters of what it refused, the token is of no more use. Another process may
            // have had success with it all the same.
            Some("IdempotentParameterMismatch") if was_refused => {
                if search_all(client, spec, &token)
                    .await
                    .is_ok_and(|found| found.is_empty())
                {
                    break;
                }
                return recover(client, spec, &token, &failure).await;
            }
            _ => {
                return match (recover(client, spec, &token, &failure).await, opened) {
                    (Err(error), Some(group)) if is_definite_refusal(error.kind()) => {
                        Err(security_group::delete_if_unused(client, region, &group, error).await)
                    }
                    (outcome, _) => outcome,
                };
            }
        }
    }
    Ok(Vec::new())
}

/// Whether nothing was made, by EC2's own word.
fn is_definite_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Capacity
            | ErrorKind::Quota
            | ErrorKind::InvalidSpec
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied
            | ErrorKind::Refused
    )
}

/// Tells an instance that lives from one that is gone, which is nothing, and one that was ended from one that never came
/// up.
fn check_launched(
    mut launched: Instance,
    machine: &Machine,
    spec: &InstanceSpec,
    started_at: Timestamp,
) -> Result<Option<Instance>> {
    if launched.state.is_gone() {
        let reason = launched.state_reason.as_deref();
        let is_new = launched
            .created_at
            .is_some_and(|created| created >= started_at - CLOCK_SKEW);
        return match reason
            .and_then(|reason| launch_failure(reason).or_else(|| spot_reclaim(reason).filter(|_| is_new)))
        {
            Some((kind, code)) => Err(Error::new(
                kind,
                format!("{} was made and ended by ec2 at once: {code}", launched.reference),
            )
            .with_code(code)
            .at(format!("aws/{}", spec.location))),
            None => Ok(None),
        };
    }
    if launched.machine_type.as_ref() == Some(&machine.name) {
        launched.cpus = launched.cpus.or(machine.cpus);
        launched.memory_gib = machine.memory_gib;
    }
    // What was asked holds for a new instance; for an old one made from another spec it is not known.
    if launched.protected.is_none() && launched.spec_fingerprint.as_deref() == Some(Fingerprint::of(spec).as_str()) {
        launched.protected = Some(spec.protected);
    }
    Ok(Some(launched))
}

/// Gives these members their own names, and those of the same group that an interrupted run left without.
pub(crate) async fn set_name_tags(client: &Client, spec: &InstanceSpec, members: &[Instance]) {
    // The user's own name for all of them stands.
    if spec.labels.contains_key(TAG_NAME) {
        return;
    }
    if timeout(NAME_TAGS_TIMEOUT, set_all_name_tags(client, spec, members))
        .await
        .is_err()
    {
        tracing::debug!(group = %spec.name, "not every member has its name in the console");
    }
}

async fn set_all_name_tags(client: &Client, spec: &InstanceSpec, members: &[Instance]) {
    let region = &spec.location.region;
    let nameless = vec![
        build_filter(&tag_filter_name(LABEL_NAME), [spec.name.as_str()]),
        build_filter(&tag_filter_name(LABEL_MANAGED), ["true"]),
        build_filter(&tag_filter_name(TAG_NAME), [spec.name.as_str()]),
        build_filter("tag-key", [LABEL_MEMBERS]),
    ];
    let left = list::list_matching(client, region, nameless).await.unwrap_or_default();
    let is_new = |instance: &&Instance| members.iter().any(|member| member.reference == instance.reference);
    // Those just made are named whether or not they show already, but for old ones that have a name by now.
    let names: HashMap<&str, &str> = members
        .iter()
        .filter(|member| !member.labels.contains_key(TAG_NAME))
        .chain(left.iter().filter(|instance| instance.managed && !is_new(instance)))
        .filter(|instance| !instance.state.is_gone())
        .filter_map(|instance| Some((instance.reference.id.as_str(), instance.name.as_deref()?)))
        .collect();
    stream::iter(names)
        .for_each_concurrent(CONCURRENT_CALLS, |(id, name)| async move {
            tracing::debug!(operation = "CreateTags", place = region, "call");
            let tag = Tag::builder().key(TAG_NAME).value(name).build();
            if let Err(error) = client.create_tags().resources(id).tags(tag).send().await {
                tracing::debug!(id, error = %error, "it has not its name in the console");
            }
        })
        .await;
}

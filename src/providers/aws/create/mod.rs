//! Creates instances, each at most once: a single one, or all of a group in one call.
//!
//! EC2 has `key_pair` and `user_data` here: it keeps SSH keys under names, and a timer in the user data ends
//! instances. Compute Engine has `metadata` and `bulk_insert`.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Tag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::stream::{self, StreamExt};
use jiff::SignedDuration;
use tokio::time::{sleep, timeout};

use self::find_created::{instances_in_answer, read_launched, recover, search_all};
use self::request::{CreateLookups, Request, idempotency_token};
use super::api::client::one_attempt_config;
use super::api::error::{Call, translate};
use super::api::retry::retry_change;
use super::api::server_time::server_time;
use super::catalog::machine_types::Machine;
use super::instances::from_api::{launch_failure, spot_reclaim, was_shut_down_inside};
use super::network::security_group;
use crate::cloud::{
    CreateOutcome, Error, ErrorKind, ErrorLocation, Fingerprint, Instance, InstanceSpec, LABEL_MANAGED, LABEL_MEMBERS,
    LABEL_NAME, LaunchPreview, ProviderKind, Result,
};
use crate::providers::aws::api::filters::{build_filter, tag_filter_name};
use crate::providers::aws::instances::list;
use crate::providers::aws::tags::TAG_NAME;

pub(super) mod find_created;
pub(super) mod key_pair;
pub(super) mod request;
pub(super) mod user_data;

/// How often a launch is tried whose security group is not there or not visible yet.
const GROUP_ATTEMPTS: u32 = 5;

const CONCURRENT_CALLS: usize = 10;
/// EC2 limits the rate of these calls. A later `create` sets the names that are missing after this time.
const NAME_TAGS_TIMEOUT: Duration = Duration::from_secs(30);

/// An instance that was launched at most this long before the run counts as launched by it, because clocks differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// Previews a launch, and checks whether EC2 would accept it.
pub(super) async fn preview(client: &Client, lookups: &CreateLookups, spec: &InstanceSpec) -> Result<LaunchPreview> {
    let region = &spec.location.region;
    let request = Request::resolve(client, lookups, spec).await?;
    request.warn_about_user_data(spec);
    if let Some(vpc) = &request.network.vpc
        && !spec.ingress_rules.is_empty()
    {
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

/// Creates what the spec names in one call, or finds what this generation of its name created before.
pub(super) async fn create(
    client: &Client,
    lookups: &CreateLookups,
    spec: &InstanceSpec,
    generation: u32,
) -> Result<CreateOutcome> {
    let request = Request::resolve(client, lookups, spec).await?;
    request.warn_about_user_data(spec);
    let started_at = server_time(client);
    let launched = launch(client, spec, &request, generation).await?;
    let is_new = |instance: &Instance| {
        instance
            .created_at
            .is_none_or(|created| created >= started_at - CLOCK_SKEW)
    };
    let (mut created, earlier): (Vec<_>, Vec<_>) = launched.into_iter().partition(is_new);
    // An answer for an earlier call with the token says how its instances were then.
    let earlier = read_launched(client, spec, earlier, &[]).await;
    created.extend(earlier.into_iter().filter(|instance| !instance.state.is_gone()));
    match created.is_empty() {
        true => Ok(CreateOutcome::TokenAlreadyUsed),
        false => Ok(CreateOutcome::Created(
            created
                .into_iter()
                .map(|instance| with_known_facts(instance, &request.machine, spec))
                .collect(),
        )),
    }
}

/// Tells what became of launched instances; see
/// [`Instances::confirm_created`](crate::cloud::Instances::confirm_created).
pub(super) async fn confirm_created(
    client: &Client,
    spec: &InstanceSpec,
    created: Vec<Instance>,
    listed: &[Instance],
) -> Result<Vec<Instance>> {
    let (mut kept, mut failed) = (Vec::new(), None);
    for instance in read_launched(client, spec, created, listed).await {
        match check_launched(&instance, spec) {
            Ok(true) => kept.push(instance),
            Ok(false) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed
        && kept.is_empty()
    {
        return Err(error);
    }
    // If some are alive, the caller requests the others again and gets the error then.
    if spec.members.is_some() {
        set_name_tags(client, spec, &kept).await;
    }
    Ok(kept)
}

/// Returns the instances of this generation's token, new or old; none if the token is used and they are gone.
async fn launch(
    client: &Client,
    spec: &InstanceSpec,
    request: &Request,
    name_generation: u32,
) -> Result<Vec<Instance>> {
    let region = &spec.location.region;
    let token = idempotency_token(spec, name_generation);
    let key = key_pair::import_key(client, spec, request.image.is_windows).await?;
    // The security group is created before the launch, so that the instance always has it. Another run can delete it
    // in between, or EC2 may not list a new group yet: then EC2 refuses the launch, and the group is created or
    // looked up again. If that gives another id, the same token is sent with other parameters. This is safe in this
    // order: the refusal says that nothing was created with the token.
    let mut parameters_may_differ = false;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let ingress_group = ensure_ingress_group(client, spec, request).await?;
        let groups: Vec<String> = request.network.groups.iter().chain(&ingress_group).cloned().collect();
        let mut call = request
            .build_call(client, spec, &groups, name_generation)
            .client_token(&token);
        if let Some(key) = &key {
            call = call.key_name(key);
        }
        let answer = retry_change("RunInstances", region, || {
            call.clone().customize().config_override(one_attempt_config()).send()
        })
        .await;
        let failure = match answer {
            Ok(output) => return instances_in_answer(&output, spec),
            Err(failure) => failure,
        };
        let code = failure.error.code();
        if code == Some("IdempotentInstanceTerminated") {
            return Ok(Vec::new());
        }
        let ingress_group_is_missing = security_group::is_missing_group_code(code) && ingress_group.is_some();
        if ingress_group_is_missing && attempt < GROUP_ATTEMPTS {
            parameters_may_differ = true;
            sleep(Duration::from_secs(1) * attempt).await;
            continue;
        }
        // EC2 remembers the parameters of the refused call, so the token cannot be used any more. Another process may
        // have used it with success.
        if code == Some("IdempotentParameterMismatch") && parameters_may_differ {
            let instances = search_all(client, spec, &token).await;
            if instances.is_ok_and(|instances| instances.is_empty()) {
                return Ok(Vec::new());
            }
            return recover(client, spec, &token, &failure).await;
        }
        let outcome = recover(client, spec, &token, &failure).await;
        let Err(error) = outcome else { return outcome };
        return match ingress_group {
            Some(group) if is_definite_refusal(error.kind()) => {
                Err(security_group::delete_if_unused(client, region, &group, error).await)
            }
            _ => Err(error),
        };
    }
}

/// Creates the security group for the ingress rules of a spec, or looks it up; `None` if it has none.
async fn ensure_ingress_group(client: &Client, spec: &InstanceSpec, request: &Request) -> Result<Option<String>> {
    match &request.network.vpc {
        Some(vpc) if !spec.ingress_rules.is_empty() => {
            let group = security_group::ensure_group(client, &spec.location.region, vpc, &spec.ingress_rules);
            group.await.map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// Whether EC2 says that nothing was created.
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

/// Says whether an instance that was launched just now is alive or ended itself: another one would do the same.
///
/// # Errors
/// `Capacity` and the like if it never came up.
fn check_launched(launched: &Instance, spec: &InstanceSpec) -> Result<bool> {
    if !launched.state.is_gone() || launched.state_reason.as_deref().is_some_and(was_shut_down_inside) {
        return Ok(true);
    }
    let find_failure = |reason| launch_failure(reason).or_else(|| spot_reclaim(reason));
    match launched.state_reason.as_deref().and_then(find_failure) {
        Some((kind, code)) => Err(Error::new(
            kind,
            format!("ec2 created {} and terminated it at once: {code}", launched.reference),
        )
        .with_code(code)
        .at(ErrorLocation::new(ProviderKind::Aws, &spec.location))),
        None => Ok(false),
    }
}

/// Adds to an instance what EC2 does not tell of it: the data of its machine type, and its protection.
fn with_known_facts(mut launched: Instance, machine: &Machine, spec: &InstanceSpec) -> Instance {
    if launched.machine_type.as_ref() == Some(&machine.name) {
        launched.cpus = launched.cpus.or(machine.cpus);
        launched.memory_gib = machine.memory_gib;
    }
    // The spec's protection holds for an instance of this spec; for one of another spec it is unknown.
    if launched.protected.is_none() && launched.spec_fingerprint.as_deref() == Some(Fingerprint::of(spec).as_str()) {
        launched.protected = Some(spec.protected);
    }
    launched
}

/// Sets the `Name` tags of these members, and of members that an interrupted run unnamed without one. One call creates
/// all members with the same tags. Nothing depends on these names, so a failure is only logged.
pub(crate) async fn set_name_tags(client: &Client, spec: &InstanceSpec, members: &[Instance]) {
    // The user's own `Name` tag stays.
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
    let filters = vec![
        build_filter(&tag_filter_name(LABEL_NAME), [spec.name.as_str()]),
        build_filter(&tag_filter_name(LABEL_MANAGED), ["true"]),
        build_filter(&tag_filter_name(TAG_NAME), [spec.name.as_str()]),
        build_filter("tag-key", [LABEL_MEMBERS]),
    ];
    let unnamed = list::list_matching(client, region, filters).await.unwrap_or_default();
    let is_new = |instance: &&Instance| members.iter().any(|member| member.reference == instance.reference);
    // The new members get their names even if they are not listed yet, unless they have one.
    let names: HashMap<&str, &str> = members
        .iter()
        .filter(|member| !member.labels.contains_key(TAG_NAME))
        .chain(unnamed.iter().filter(|instance| instance.managed && !is_new(instance)))
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

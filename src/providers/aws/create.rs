//! Making one instance, once.

use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::{RunInstancesError, RunInstancesOutput};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{sleep, timeout};

use super::client::one_attempt;
use super::error::{Call, kind_of_code, translate};
use super::instance;
use super::key_pair::PublicKey;
use super::list;
use super::machine::Machine;
use super::replay::{Failure, replay};
use super::request::{Request, token};
use crate::cloud::{Created, Error, ErrorKind, Instance, InstanceSpec, Plan, Result, SshKey};

/// How long an instance is looked for that may or may not be there, and that EC2 may list late.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);
const SEARCHES: u32 = 4;

/// What creating would make, and whether EC2 would let us.
pub(super) async fn plan(client: &Client, spec: &InstanceSpec) -> Result<Plan> {
    let region = &spec.place.region;
    let request = Request::resolve(client, spec).await?;
    tracing::debug!(operation = "RunInstances", place = region, dry_run = true, "call");
    match request.call(client, spec, 0).dry_run(true).send().await {
        Err(error) if error.code() != Some("DryRunOperation") => Err(translate(
            &error,
            Call::Read,
            format!("cannot create {}", spec.name),
            region,
        )),
        _ => Ok(request.plan(spec)),
    }
}

/// Makes the instance, or finds the one that this life of its name has already.
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<Created> {
    let region = &spec.place.region;
    let token = token(spec, generation);
    let request = Request::resolve(client, spec).await?;
    let started = now(client);
    let mut call = request.call(client, spec, generation).client_token(&token);
    if let Some(SshKey::PublicKey(key)) = &spec.ssh_key {
        let key = PublicKey::parse(key)?;
        key.import(client, region).await?;
        call = call.key_name(key.name);
    }
    let answer = replay("RunInstances", region, || {
        call.clone().customize().config_override(one_attempt()).send()
    })
    .await;
    let made = match answer {
        Ok(output) => read_back(client, &output, spec).await?,
        Err(failure) => match failure.error.code() {
            Some("IdempotentInstanceTerminated") => return Ok(Created::TokenSpent),
            _ => after_failure(client, spec, &token, &failure).await?,
        },
    };
    settle(made, &request.machine, spec, started)
}

/// A read-back instance is what counts; where EC2 does not list it yet, what the call itself answered.
async fn read_back(client: &Client, output: &RunInstancesOutput, spec: &InstanceSpec) -> Result<Instance> {
    let region = &spec.place.region;
    let answered = output
        .instances()
        .iter()
        .find_map(|made| instance::from_ec2(made, region, output.owner_id()))
        .ok_or_else(|| {
            let message = format!("ec2 accepted {} but named no instance", spec.name);
            Error::new(ErrorKind::UnknownOutcome, message).at(format!("aws/{region}"))
        })?;
    let read = timeout(SEARCH_TIMEOUT, list::find(client, &answered.reference)).await;
    Ok(match read {
        Ok(Ok(read)) if read.managed => read,
        // Tags can be listed later than the instance itself.
        Ok(Ok(read)) => Instance {
            state: read.state,
            native_state: read.native_state,
            state_reason: read.state_reason,
            ..answered
        },
        // It exists, by the answer; whatever keeps us from seeing it is no reason to say otherwise.
        Ok(Err(_)) | Err(_) => answered,
    })
}

/// What a call without success came to: an instance that is there after all, or the error.
async fn after_failure(
    client: &Client,
    spec: &InstanceSpec,
    token: &str,
    failure: &Failure<RunInstancesError>,
) -> Result<Instance> {
    let region = &spec.place.region;
    let error = translate(
        &failure.error,
        Call::Change,
        format!("cannot create {}", spec.name),
        region,
    );
    let mismatch = error.kind() == ErrorKind::AlreadyExists;
    if !mismatch && !failure.may_have_worked {
        return Err(error);
    }
    let found = match timeout(SEARCH_TIMEOUT, search(client, region, token, mismatch)).await {
        Ok(Ok(found)) => Found::of(found),
        Ok(Err(error)) => {
            tracing::debug!(%error, "it cannot be seen whether an instance was made");
            Found::Unknown
        }
        Err(_) => Found::Unknown,
    };
    match found {
        // What EC2 says differs can be compared only by the tag, and without it is not taken for the asked one.
        Found::Instance(found) if mismatch && !is_comparable(&found) => Err(error
            .context(format!("{} was asked for with another spec", spec.name))
            .with_leftover(found.reference)
            .with_remedy("repeat it with the flags of that time, or use another name")),
        // It is there by its token, but no answer ever told what the call came to.
        Found::Instance(found)
            if error.kind() == ErrorKind::UnknownOutcome && failure.unanswered && !found.state.is_gone() =>
        {
            Err(error
                .context(format!("{} is there, but no attempt was answered", found.reference))
                .with_leftover(found.reference)
                .with_remedy(AGAIN))
        }
        Found::Instance(found) => Ok(*found),
        _ if mismatch => Err(error
            .context(format!("{} was asked for with another spec", spec.name))
            .with_remedy("repeat it with the flags of that time, or use another name")),
        // Every attempt is over, by the server's own word, and so long after the last one EC2 would list it.
        Found::Nothing if !failure.unanswered => Err(match error.kind() {
            ErrorKind::UnknownOutcome => error
                .context("nothing was created")
                .as_kind(ErrorKind::Network)
                .with_remedy("run the same command again"),
            _ => error,
        }),
        _ => Err(error
            .context("it is not known whether an instance was made")
            .as_kind(ErrorKind::UnknownOutcome)
            .with_remedy(AGAIN)),
    }
}

/// What to do where the outcome is unknown.
const AGAIN: &str = "run the same command again: it finds the instance, or makes it";

/// What the search for an instance came to.
enum Found {
    Instance(Box<Instance>),
    Nothing,
    Unknown,
}

impl Found {
    fn of(found: Option<Instance>) -> Self {
        found.map_or(Self::Nothing, |found| Self::Instance(Box::new(found)))
    }
}

/// Whether its spec is known, or does not matter any more. Tags can be listed later than the instance itself.
fn is_comparable(instance: &Instance) -> bool {
    instance.spec_fingerprint.is_some() || instance.state.is_gone()
}

/// The instance that was made under a token, preferably one that is alive; if asked, with some patience for its tags.
///
/// # Errors
/// That of the last look, if no look saw one: then it may be there all the same.
async fn search(client: &Client, region: &str, token: &str, comparable: bool) -> Result<Option<Instance>> {
    let mut seen = Ok(None);
    for attempt in 1..=SEARCHES {
        let found = list::query(client, region, vec![list::equal("client-token", [token])]).await;
        match found.map(|found| found.into_iter().min_by_key(|instance| instance.state.is_gone())) {
            Ok(Some(instance)) if !comparable || is_comparable(&instance) => return Ok(Some(instance)),
            Ok(Some(instance)) => seen = Ok(Some(instance)),
            other if !matches!(seen, Ok(Some(_))) => seen = other,
            _ => {}
        }
        if attempt < SEARCHES {
            sleep(Duration::from_secs(u64::from(attempt))).await;
        }
    }
    seen
}

/// How long before this run an instance was launched at most that counts as launched by it; clocks differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The time that requests are dated by.
fn now(client: &Client) -> Timestamp {
    let time = client.config().time_source().map(|source| source.now());
    time.and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or_else(Timestamp::now)
}

/// Tells an instance that lives from one that is gone, and one that was ended from one that never came up.
fn settle(mut made: Instance, machine: &Machine, spec: &InstanceSpec, started: Timestamp) -> Result<Created> {
    if made.state.is_gone() {
        let reason = made.state_reason.as_deref();
        let is_new = made.created_at.is_some_and(|created| created >= started - CLOCK_SKEW);
        return match reason.and_then(|reason| failed_launch(reason).or_else(|| reclaimed(reason).filter(|_| is_new))) {
            Some((kind, code)) => Err(Error::new(
                kind,
                format!("{} was made and ended by ec2 at once: {code}", made.reference),
            )
            .with_code(code)
            .at(format!("aws/{}", spec.place))),
            None => Ok(Created::TokenSpent),
        };
    }
    if made.machine_type.as_ref() == Some(&machine.name) {
        made.cpus = made.cpus.or(machine.cpus);
        made.memory_gib = machine.memory_gib;
    }
    // What was asked holds for a new instance; for an old one made from another spec it is not known.
    if made.protected.is_none() && made.spec_fingerprint.as_deref() == Some(fingerprint(spec).as_str()) {
        made.protected = Some(spec.protected);
    }
    Ok(Created::Instance(Box::new(made)))
}

fn fingerprint(spec: &InstanceSpec) -> String {
    crate::cloud::Fingerprint::of(spec).as_str().to_owned()
}

/// The kind and code of a state reason that means the launch itself failed; nothing for an instance that somebody
/// ended, or whose spare capacity was taken back after it had run.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html>
pub(super) fn failed_launch(reason: &str) -> Option<(ErrorKind, &str)> {
    let code = reason.split_once('.').map_or(reason, |(_, code)| code);
    let kind = match reason {
        "Client.UserInitiatedShutdown"
        | "Client.InstanceInitiatedShutdown"
        | "Client.UserInitiatedHibernate"
        | "Server.ScheduledStop"
        | "Server.SpotInstanceShutdown"
        | "Server.SpotInstanceTermination" => return None,
        // Mostly an encrypted disk whose key the caller may not use.
        "Client.InternalError" => ErrorKind::PermissionDenied,
        "Server.InternalError" => ErrorKind::Capacity,
        _ => kind_of_code(code).unwrap_or(ErrorKind::Internal),
    };
    Some((kind, code))
}

/// The kind and code of a state reason that means EC2 took spare capacity back. For an instance that has just been
/// launched there was none; one of an earlier life has had its time.
pub(super) fn reclaimed(reason: &str) -> Option<(ErrorKind, &str)> {
    match reason.split_once('.') {
        Some(("Server", code @ ("SpotInstanceShutdown" | "SpotInstanceTermination"))) => {
            Some((ErrorKind::Capacity, code))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_instance_is_told_from_a_failed_launch() {
        for reason in [
            "Client.UserInitiatedShutdown",
            "Client.InstanceInitiatedShutdown",
            "Server.SpotInstanceTermination",
        ] {
            assert_eq!(failed_launch(reason), None, "{reason}");
        }
        for (reason, kind) in [
            ("Server.InsufficientInstanceCapacity", ErrorKind::Capacity),
            ("Client.VolumeLimitExceeded", ErrorKind::Quota),
            ("Client.InvalidSnapshot.NotFound", ErrorKind::InvalidSpec),
            ("Client.InternalError", ErrorKind::PermissionDenied),
            ("Server.Unheard", ErrorKind::Internal),
        ] {
            assert_eq!(failed_launch(reason).unwrap().0, kind, "{reason}");
        }
    }
}

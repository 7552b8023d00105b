//! Ending, stopping, starting and protecting one instance.
//!
//! The calls take names. Each is preceded by a look whether the name still means the instance of that id, and what its
//! operation says it hit is compared afterwards.

use std::time::Duration;

use google_cloud_compute_v1::model;
use google_cloud_compute_v1::model::Operation;

use super::call::{call_for, send};
use super::follow;
use super::get::{by_name, by_reference, is_going};
use crate::cloud::{Course, Error, ErrorKind, InstanceRef, Result};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::{location, of_call};
use crate::providers::gcp::api::retry::Failure;

/// How often, and how far apart, an instance is looked at that is not ready to be deleted and not seen to be going.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// What to do with instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Delete it, and the disks that go with it.
    Terminate,
    /// Start it, or resume it if it is suspended.
    Start,
    /// Stop it; its disks stay.
    Stop,
    /// Restart it at once.
    Reboot,
    /// Protect it against deletion, or lift that.
    Protect(bool),
}

/// A change that the cloud has taken on.
pub(crate) struct Taken<'a> {
    pub(crate) target: &'a InstanceRef,
    /// Its operation, as it was answered or seen last.
    pub(crate) operation: Operation,
    /// As in `cannot stop web-1`.
    pub(crate) attempted: String,
}

/// Changes one target, and sees to it that the change goes well.
pub(crate) async fn change_one(
    client: &Client,
    target: &InstanceRef,
    change: Change,
    course: &Course<'_>,
) -> Result<()> {
    course.check()?;
    let api = still_there(client, target, change).await?;
    let going = is_going(client, &target.place, &api).await;
    match begin(client, target, change, api, going, course).await? {
        Some(taken) => follow::settled(client, change, taken).await,
        None => Ok(()),
    }
}

/// Sends the call that changes a target, which was looked at just now and is `going` if it is being deleted. Nothing if
/// there is nothing to be done, or nothing more.
pub(crate) async fn begin<'a>(
    client: &Client,
    target: &'a InstanceRef,
    change: Change,
    api: model::Instance,
    going: bool,
    course: &Course<'_>,
) -> Result<Option<Taken<'a>>> {
    let Some(call) = call_for(change, &api, going).map_err(|why| refusal(change, target, &why))? else {
        return Ok(None);
    };
    let (Some(name), Some(id)) = (api.name, api.id) else {
        return Err(Error::new(
            ErrorKind::Internal,
            "Compute Engine described an instance without a name",
        )
        .at("gcp"));
    };
    let to = (client.project().await?, client.instances().await?);
    let attempted = format!("{} {name}", change.verb());
    let request_id = fresh_request_id();
    course.check()?;
    client.pace.turn().await;
    course.begin(&target.place, [target.id.as_str()])?;
    let sent = client.change_in_turn(&attempted, &target.place, || {
        send(to, call, &target.place, &name, &request_id)
    });
    let sent = sent.await;
    let attempted = format!("cannot {attempted}");
    match sent {
        Ok(operation) if operation.target_id.is_some_and(|hit| hit != id) => {
            Err(hit_another(change.verb(), target, &operation))
        }
        Ok(operation) => Ok(Some(Taken {
            target,
            operation,
            attempted,
        })),
        Err(failure) => {
            let settled = after_failure(client, target, change, failure, &attempted).await;
            settled.map(|()| None)
        }
    }
}

/// Random, so that a later command is not answered with this one's failure; the same for every attempt.
pub(crate) fn fresh_request_id() -> String {
    let random = fastrand::u128(..).to_be_bytes();
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}

/// Looks at the instance again where the call's failure leaves open what happened.
async fn after_failure(
    client: &Client,
    target: &InstanceRef,
    change: Change,
    failure: Failure,
    attempted: &str,
) -> Result<()> {
    let uncertain = failure.unanswered || failure.faulty;
    let error = of_call(failure.error, attempted, &target.place);
    if error.kind() == ErrorKind::NotFound {
        // It was there a moment ago: it is gone by this very call if one got no answer, else by somebody else's.
        let by_us = uncertain && change == Change::Terminate;
        return if by_us {
            Ok(())
        } else {
            Err(Error::not_found(target).at(location(&target.place)))
        };
    }
    // Refused for what it is by now: its state or its protection changed since the look before the call.
    let by_state = matches!(error.kind(), ErrorKind::Refused | ErrorKind::InvalidSpec);
    if !uncertain && !by_state {
        return Err(error);
    }
    let mut looks = 0;
    let now = loop {
        let found = match by_reference(client, target).await {
            Ok(api) => {
                let going = is_going(client, &target.place, &api).await;
                Ok(call_for(change, &api, going))
            }
            Err(error) => Err(error),
        };
        looks += 1;
        // A deletion that ends between the look and the list of deletions shows in neither.
        let may_be_going = change == Change::Terminate && by_state && matches!(found, Ok(Ok(Some(_))));
        if !may_be_going || looks == LOOKS {
            break found;
        }
        tokio::time::sleep(PAUSE).await;
    };
    let now = match now {
        Ok(now) => now,
        Err(gone) if gone.kind() == ErrorKind::NotFound && change == Change::Terminate => return Ok(()),
        Err(gone) if gone.kind() == ErrorKind::NotFound => return Err(gone),
        Err(_) if uncertain => return Err(error.as_kind(ErrorKind::UnknownOutcome).with_leftover(target)),
        Err(_) => return Err(error),
    };
    match now {
        // A restart leaves no trace to go by.
        Ok(None) if change != Change::Reboot => Ok(()),
        Err(why) if by_state => Err(refusal(change, target, &why)),
        _ if failure.unanswered || change == Change::Reboot && failure.faulty => {
            Err(error.as_kind(ErrorKind::UnknownOutcome).with_leftover(target))
        }
        _ => Err(error),
    }
}

/// The very instance that a reference means, right before it is changed.
///
/// # Errors
/// `NotFound` if it is gone; `Refused` if another one has its name by now: whoever named it may mean that one.
async fn still_there(client: &Client, target: &InstanceRef, change: Change) -> Result<model::Instance> {
    let gone = match by_reference(client, target).await {
        Err(gone) if gone.kind() == ErrorKind::NotFound => gone,
        found => return found,
    };
    let other = match &target.native_name {
        Some(name) => by_name(client, &target.place, name).await.ok().flatten(),
        None => None,
    };
    let Some(other) = other.and_then(|other| other.id).map(|id| id.to_string()) else {
        return Err(gone);
    };
    if other == target.id {
        return Err(gone);
    }
    let message = format!(
        "cannot {} {target}: it is gone, and {other} has its name by now; that one was left alone",
        change.verb()
    );
    Err(Error::new(ErrorKind::Refused, message).at(location(&target.place)))
}

fn refusal(change: Change, target: &InstanceRef, why: &str) -> Error {
    let name = target.native_name.as_deref().unwrap_or(&target.id);
    // Terminating is refused for one reason only.
    let kind = if change == Change::Terminate {
        ErrorKind::Protected
    } else {
        ErrorKind::Refused
    };
    Error::new(kind, format!("cannot {} {name}: {why}", change.verb())).at(location(&target.place))
}

/// The name came to mean another instance between the look and the call.
pub(crate) fn hit_another(verb: &str, target: &InstanceRef, operation: &Operation) -> Error {
    let hit = InstanceRef {
        id: operation.target_id.unwrap_or_default().to_string(),
        ..target.clone()
    };
    let message =
        format!("cannot {verb} {target}: it was replaced under the same name in that moment, and the call hit {hit}");
    Error::new(ErrorKind::Refused, message)
        .at(location(&target.place))
        .with_leftover(hit)
}

impl Change {
    fn verb(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Protect(true) => "protect",
            Self::Protect(false) => "unprotect",
        }
    }
}

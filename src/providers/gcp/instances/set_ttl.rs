//! Moves the expiry of an instance: first the run limit, then the label, so that no label promises a time that the
//! cloud would not keep.

use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, InstancesSetLabelsRequest, Operation, Scheduling};
use google_cloud_gax::Result as SdkResult;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::actions::wrong_instance_error;
use super::list::{get_by_ref, is_being_deleted};
use super::ttl_run_limit::{MIN_RUN_LIMIT, announced_end, check_limit, run_limit, run_start, with_run_limit};
use crate::cloud::{Error, ErrorKind, InstanceRef, LABEL_TTL, Result, format_duration};
use crate::providers::gcp::api::client::{Client, fresh_request_id, with_call_options};
use crate::providers::gcp::api::error::{call_error, error_location, operation_error};
use crate::providers::gcp::api::timestamp::parse_time;
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::is_done;

/// How long to wait for a change; each is done within seconds.
const OPERATION_DEADLINE: Duration = Duration::from_secs(60);
/// How long it may take until the instance shows a change.
const VISIBILITY_DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);
/// How often other processes may change the labels at the same time.
const MAX_LABEL_CONFLICTS: u32 = 8;
/// By how much the announced end of a run may differ from its start plus its limit.
const MAX_END_DEVIATION: SignedDuration = SignedDuration::from_secs(90);

/// Sets the TTL of an instance; see [`Instances::set_ttl`](crate::cloud::Instances::set_ttl).
pub(crate) async fn set_ttl(client: &Client, target: &InstanceRef, ttl: Duration) -> Result<()> {
    let extension = Extension {
        client,
        target,
        ttl,
        attempted: format!("extend {}", target.native_name.as_deref().unwrap_or(&target.id)),
    };
    let api = get_by_ref(client, target).await?;
    if is_being_deleted(client, &target.scope, &api).await {
        let message = format!("cannot {}: it is being deleted", extension.attempted);
        return Err(Error::new(ErrorKind::Refused, message).at(error_location(&target.scope)));
    }
    let moved = match run_limit(&api) {
        Some(limit) => extension.move_limit(&api, limit).await?,
        None => false,
    };
    extension.set_label().await.map_err(|error| {
        if !moved {
            return error;
        }
        let done = format!("{}: the cloud's own limit was moved, but not the label", target);
        error
            .context(done)
            .with_kind(ErrorKind::UnknownOutcome)
            .with_leftover(target)
    })
}

struct Extension<'a> {
    client: &'a Client,
    target: &'a InstanceRef,
    ttl: Duration,
    attempted: String,
}

/// Why a change did not certainly succeed.
enum ExtendError {
    /// The change was refused; nothing happened.
    Refused(Error),
    /// The instance changed meanwhile; nothing happened.
    Stale(Error),
    /// The call changed another instance.
    WrongInstance(Error),
    /// The change may have taken effect.
    Unknown {
        error: Error,
        /// Whether it may still take effect.
        in_progress: bool,
    },
}

impl Extension<'_> {
    /// Moves the run limit to the end of the TTL. Returns whether it had to move.
    async fn move_limit(&self, api: &model::Instance, old: Duration) -> Result<bool> {
        let left = self.compute_limit(api).await?;
        if left == old {
            return Ok(false);
        }
        let scheduling = api.scheduling.clone().unwrap_or_default();
        let wanted = with_run_limit(scheduling.clone(), left).set_or_clear_termination_time(None::<String>);
        match self.send_edit(api, &Edit::Scheduling(Box::new(wanted))).await {
            // The cloud accepted the change: if the next read fails, its effect is unknown.
            Ok(())
                if self
                    .wait_for_limit(left)
                    .await
                    .map_err(|error| self.unknown_outcome(error))? =>
            {
                Ok(true)
            }
            Ok(()) => {
                // The new limit would count only for the next run, so the old one is restored.
                let put_back = self.send_edit(api, &Edit::Scheduling(Box::new(scheduling))).await;
                let error = self.fixed_limit_error(api, None);
                match put_back {
                    Ok(()) => Err(error),
                    Err(_) => Err(error.with_kind(ErrorKind::UnknownOutcome).with_leftover(self.target)),
                }
            }
            Err(ExtendError::WrongInstance(error)) => Err(error),
            Err(ExtendError::Refused(error) | ExtendError::Stale(error)) => match error.kind() {
                ErrorKind::InvalidSpec | ErrorKind::Refused => Err(self.fixed_limit_error(api, Some(error))),
                ErrorKind::NotFound => Err(Error::not_found(self.target).at(error_location(&self.target.scope))),
                _ => Err(error),
            },
            Err(ExtendError::Unknown { error, in_progress }) => match self.wait_for_limit(left).await {
                Ok(true) => Ok(true),
                Ok(false) if !in_progress => Err(error),
                _ => Err(self.unknown_outcome(error)),
            },
        }
    }

    /// Computes the run limit that ends the instance at its creation plus the TTL. It counts from the start of the
    /// present run, or from now if the instance does not run.
    async fn compute_limit(&self, api: &model::Instance) -> Result<Duration> {
        let created: Option<Timestamp> = parse_time(api.creation_timestamp.as_ref());
        let end = created.zip(SignedDuration::try_from(self.ttl).ok());
        let end = end.and_then(|(created, ttl)| created.checked_add(ttl).ok());
        let end = end.ok_or_else(|| Error::invalid("the TTL is too long"))?;
        let start = match run_start(api) {
            Some(start) => start,
            None => self.client.server_time().await?,
        };
        let left = end.duration_since(start);
        let whole = left.as_secs() + i64::from(left.subsec_nanos() > 0);
        let limit = Duration::from_secs(u64::try_from(whole).unwrap_or_default()).max(MIN_RUN_LIMIT);
        check_limit(limit)?;
        Ok(limit)
    }

    /// Waits until the instance shows the new limit, also in the end of its present run. Returns whether it does.
    async fn wait_for_limit(&self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            let api = get_by_ref(self.client, self.target).await?;
            let run = run_start(&api).zip(SignedDuration::try_from(limit).ok());
            let end = run.and_then(|(start, limit)| start.checked_add(limit).ok());
            let in_time = end
                .zip(announced_end(&api))
                .is_none_or(|(end, announced)| announced.duration_since(end).abs() <= MAX_END_DEVIATION);
            if run_limit(&api) == Some(limit) && in_time {
                return Ok(true);
            }
            if start.elapsed() + PAUSE > VISIBILITY_DEADLINE {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn set_label(&self) -> Result<()> {
        let wanted = format_duration(self.ttl);
        let mut last = None;
        for _ in 0..MAX_LABEL_CONFLICTS {
            let api = get_by_ref(self.client, self.target).await?;
            if api.labels.get(LABEL_TTL) == Some(&wanted) {
                return Ok(());
            }
            let mut labels = api.labels.clone();
            labels.insert(LABEL_TTL.to_owned(), wanted.clone());
            let body = InstancesSetLabelsRequest::new()
                .set_labels(labels)
                .set_or_clear_label_fingerprint(api.label_fingerprint.clone());
            match self.send_edit(&api, &Edit::Labels(body)).await {
                Ok(()) => return Ok(()),
                Err(ExtendError::Stale(error)) => {
                    last = Some(error);
                    tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
                }
                Err(ExtendError::Refused(error)) if error.kind() == ErrorKind::NotFound => {
                    return Err(Error::not_found(self.target).at(error_location(&self.target.scope)));
                }
                Err(ExtendError::Refused(error) | ExtendError::WrongInstance(error)) => return Err(error),
                Err(ExtendError::Unknown { error, in_progress }) => {
                    let now = get_by_ref(self.client, self.target).await;
                    return match now.map(|api| api.labels.get(LABEL_TTL) == Some(&wanted)) {
                        Ok(true) => Ok(()),
                        Ok(false) if !in_progress => Err(error),
                        _ => Err(self.unknown_outcome(error)),
                    };
                }
            }
        }
        let error = last.unwrap_or_else(|| Error::new(ErrorKind::Refused, format!("cannot {}", self.attempted)));
        Err(error.with_hint("something else keeps changing its labels: run the same command again"))
    }

    /// Sends a change and waits for its result.
    async fn send_edit(&self, api: &model::Instance, edit: &Edit) -> Result<(), ExtendError> {
        let attempted = format!("cannot {}", self.attempted);
        let zone = &self.target.scope;
        let name = api.name.as_deref().unwrap_or_default();
        let request_id = fresh_request_id();
        let project = self.client.project().await.map_err(ExtendError::Refused)?;
        let instances = self.client.instances().await.map_err(ExtendError::Refused)?;
        let sent = self.client.change(&self.attempted, zone, || {
            edit.send((project, instances), zone, name, &request_id)
        });
        let operation = match sent.await {
            Ok(operation) => operation,
            Err(failure) if failure.error.http_status_code() == Some(412) => {
                return Err(ExtendError::Stale(call_error(failure.error, &attempted, zone)));
            }
            Err(failure) => {
                let (unanswered, uncertain) = (failure.unanswered, failure.is_uncertain());
                let error = call_error(failure.error, &attempted, zone);
                return Err(if uncertain {
                    ExtendError::Unknown {
                        error,
                        in_progress: unanswered,
                    }
                } else {
                    ExtendError::Refused(error)
                });
            }
        };
        if operation.target_id.is_some() && operation.target_id != api.id {
            return Err(ExtendError::WrongInstance(wrong_instance_error(
                "extend",
                self.target,
                &operation,
            )));
        }
        let finished = zone_operations::wait_until_done(self.client, zone, operation, OPERATION_DEADLINE).await;
        let operation = finished.map_err(|error| ExtendError::Unknown {
            error,
            in_progress: true,
        })?;
        match operation_error(&operation, &attempted, zone) {
            Some(error) if operation.http_error_status_code == Some(412) => Err(ExtendError::Stale(error)),
            Some(error) => Err(ExtendError::Refused(error)),
            None if is_done(&operation) => Ok(()),
            None => {
                let error = Error::new(ErrorKind::Timeout, format!("{attempted}: its operation does not end"));
                Err(ExtendError::Unknown {
                    error: error.at(error_location(zone)),
                    in_progress: true,
                })
            }
        }
    }

    /// Makes the error for a limit that cannot be moved in this state.
    fn fixed_limit_error(&self, api: &model::Instance, why: Option<Error>) -> Error {
        let name = self.target.native_name.as_deref().unwrap_or(&self.target.id);
        let why = why.unwrap_or_else(|| {
            let message = format!(
                "cannot {}: the cloud moves the end of a run only for the next one",
                self.attempted
            );
            Error::new(ErrorKind::Refused, message).at(error_location(&self.target.scope))
        });
        let hint = match api.status {
            Some(Status::Terminated | Status::Stopped) => format!("look at it with `cloudctl describe {name}`"),
            Some(Status::Stopping | Status::PendingStop | Status::Suspending) => {
                format!("wait until it is stopped: cloudctl wait {name} --for stopped")
            }
            _ => format!("stop it first: cloudctl stop {name}, then extend and start it"),
        };
        why.with_kind(ErrorKind::Refused).with_hint(hint)
    }

    fn unknown_outcome(&self, error: Error) -> Error {
        error
            .with_kind(ErrorKind::UnknownOutcome)
            .with_hint("look at the VM with `cloudctl describe`, and run the same command again if need be")
            .with_leftover(self.target)
    }
}

/// One change of an instance.
enum Edit {
    /// The whole scheduling: fields that are left out are reset.
    Scheduling(Box<Scheduling>),
    /// All labels.
    Labels(InstancesSetLabelsRequest),
}

impl Edit {
    async fn send(
        &self,
        (project, instances): (&str, &Instances),
        zone: &str,
        name: &str,
        request_id: &str,
    ) -> SdkResult<Operation> {
        match self {
            Self::Scheduling(scheduling) => {
                let call = instances.set_scheduling().set_project(project).set_zone(zone);
                let call = call.set_instance(name).set_request_id(request_id);
                with_call_options(call.set_body(scheduling.as_ref().clone()))
                    .send()
                    .await
            }
            Self::Labels(labels) => {
                let call = instances.set_labels().set_project(project).set_zone(zone);
                let call = call.set_instance(name).set_request_id(request_id);
                with_call_options(call.set_body(labels.clone())).send().await
            }
        }
    }
}

//! Moves the expiry of an instance: first the run limit, then the label, so that no label promises a time that the
//! cloud would not keep.

use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, InstancesSetLabelsRequest, Operation, Scheduling};
use google_cloud_gax::Result as SdkResult;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::actions::wrong_instance_error;
use super::list::{get_by_ref, is_being_deleted};
use super::max_run_duration::{MIN_RUN_LIMIT, announced_end, check_limit, run_limit, run_start, with_run_limit};
use crate::cloud::{Error, ErrorKind, InstanceRef, LABEL_TTL, Result, format_duration};
use crate::providers::gcp::api::client::{Client, fresh_request_id, with_call_options};
use crate::providers::gcp::api::error::{call_error, error_location, operation_error};
use crate::providers::gcp::api::timestamp::parse_time;
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::is_done;

/// How long to wait for a change; each is done within seconds.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take until the instance shows a change.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);
/// How often other processes may change the labels at the same time.
const MAX_LABEL_CONFLICTS: u32 = 8;
/// By how much the announced end of a run may differ from its start plus its limit.
const MAX_END_DEVIATION: SignedDuration = SignedDuration::from_secs(90);

/// Sets the TTL of an instance; see [`Instances::set_ttl`](crate::cloud::Instances::set_ttl).
pub(crate) async fn set_ttl(client: &Client, target: &InstanceRef, ttl: Duration) -> Result<()> {
    let name = target.native_name.as_deref().unwrap_or(&target.id);
    let extension = Extension {
        client,
        target,
        ttl,
        name,
        failure_prefix: format!("cannot extend {name}"),
    };
    let api = get_by_ref(client, target).await?;
    if is_being_deleted(client, &target.scope, &api).await {
        let message = format!("{}: it is being deleted", extension.failure_prefix);
        return Err(Error::new(ErrorKind::Refused, message).at(error_location(&target.scope)));
    }
    let limit_was_moved = match run_limit(&api) {
        Some(limit) => extension.move_limit(&api, limit).await?,
        None => false,
    };
    match extension.set_label().await {
        Err(error) if limit_was_moved => Err(error
            .context(format!("{target}: the cloud's own limit was moved, but not the label"))
            .with_kind(ErrorKind::UnknownOutcome)
            .with_leftover(target)),
        result => result,
    }
}

struct Extension<'a> {
    client: &'a Client,
    target: &'a InstanceRef,
    ttl: Duration,
    /// The name of the instance in messages.
    name: &'a str,
    /// What messages of failures begin with: `cannot extend web-1`.
    failure_prefix: String,
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
        let limit = self.compute_limit(api).await?;
        if limit == old {
            return Ok(false);
        }
        let scheduling = api.scheduling.clone().unwrap_or_default();
        let wanted = with_run_limit(scheduling.clone(), limit).set_or_clear_termination_time(None::<String>);
        match self.send_edit(api, &Edit::Scheduling(Box::new(wanted))).await {
            Ok(()) => match self.wait_until_limit_is_shown(limit).await {
                Ok(true) => Ok(true),
                // The new limit would count only for the next run, so the old one is restored.
                Ok(false) => Err(self.restore_limit(api, scheduling).await),
                // The cloud accepted the change, but its effect is unknown.
                Err(error) => Err(self.unknown_outcome_error(error)),
            },
            Err(ExtendError::WrongInstance(error)) => Err(error),
            Err(ExtendError::Refused(error) | ExtendError::Stale(error)) => match error.kind() {
                ErrorKind::InvalidSpec | ErrorKind::Refused => Err(self.fixed_limit_error(api, Some(error))),
                ErrorKind::NotFound => Err(Error::not_found(self.target).at(error_location(&self.target.scope))),
                _ => Err(error),
            },
            Err(ExtendError::Unknown { error, in_progress }) => match self.wait_until_limit_is_shown(limit).await {
                Ok(true) => Ok(true),
                Ok(false) if !in_progress => Err(error),
                _ => Err(self.unknown_outcome_error(error)),
            },
        }
    }

    /// Restores the scheduling from before the change. Returns the error for the limit that cannot be moved.
    async fn restore_limit(&self, api: &model::Instance, scheduling: Scheduling) -> Error {
        let error = self.fixed_limit_error(api, None);
        match self.send_edit(api, &Edit::Scheduling(Box::new(scheduling))).await {
            Ok(()) => error,
            Err(_) => error.with_kind(ErrorKind::UnknownOutcome).with_leftover(self.target),
        }
    }

    /// Computes the run limit that ends the instance at its creation plus the TTL. It counts from the start of the
    /// present run, or from now if the instance does not run.
    async fn compute_limit(&self, api: &model::Instance) -> Result<Duration> {
        let created_at = parse_time(api.creation_timestamp.as_ref());
        let Some(end) = created_at.and_then(|created_at| created_at.checked_add(self.ttl).ok()) else {
            return Err(Error::invalid("the TTL is too long"));
        };
        let start = match run_start(api) {
            Some(start) => start,
            None => self.client.server_time().await?,
        };
        let time_left = end.duration_since(start);
        let whole_seconds = time_left.as_secs() + i64::from(time_left.subsec_nanos() > 0);
        // A time that is over already has the shortest limit.
        let limit = Duration::from_secs(u64::try_from(whole_seconds).unwrap_or(0)).max(MIN_RUN_LIMIT);
        check_limit(limit)?;
        Ok(limit)
    }

    /// Waits until the instance shows the new limit, also in the end of its present run. Returns whether it does.
    async fn wait_until_limit_is_shown(&self, limit: Duration) -> Result<bool> {
        let wait_start = Instant::now();
        loop {
            let api = get_by_ref(self.client, self.target).await?;
            if run_limit(&api) == Some(limit) && end_agrees_with_limit(&api, limit) {
                return Ok(true);
            }
            if wait_start.elapsed() + PAUSE > VISIBILITY_TIMEOUT {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn set_label(&self) -> Result<()> {
        let wanted = format_duration(self.ttl);
        let mut last_conflict = None;
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
                    last_conflict = Some(error);
                    tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
                }
                Err(ExtendError::Refused(error)) if error.kind() == ErrorKind::NotFound => {
                    return Err(Error::not_found(self.target).at(error_location(&self.target.scope)));
                }
                Err(ExtendError::Refused(error) | ExtendError::WrongInstance(error)) => return Err(error),
                Err(ExtendError::Unknown { error, in_progress }) => {
                    return match get_by_ref(self.client, self.target).await {
                        Ok(api) if api.labels.get(LABEL_TTL) == Some(&wanted) => Ok(()),
                        Ok(_) if !in_progress => Err(error),
                        _ => Err(self.unknown_outcome_error(error)),
                    };
                }
            }
        }
        let error = last_conflict.unwrap_or_else(|| Error::new(ErrorKind::Refused, self.failure_prefix.clone()));
        Err(error.with_hint("something else keeps changing its labels: run the same command again"))
    }

    /// Sends a change and waits for its result.
    async fn send_edit(&self, api: &model::Instance, edit: &Edit) -> Result<(), ExtendError> {
        let attempted = format!("extend {}", self.name);
        let zone = &self.target.scope;
        let name = api.name.as_deref().unwrap_or_default();
        let request_id = fresh_request_id();
        let project = self.client.project().await.map_err(ExtendError::Refused)?;
        let instances = self.client.instances().await.map_err(ExtendError::Refused)?;
        let sent = self.client.change(&attempted, zone, || {
            edit.send((project, instances), zone, name, &request_id)
        });
        let operation = match sent.await {
            Ok(operation) => operation,
            Err(failure) if failure.error.http_status_code() == Some(412) => {
                return Err(ExtendError::Stale(call_error(
                    failure.error,
                    &self.failure_prefix,
                    zone,
                )));
            }
            Err(failure) => {
                let (in_progress, is_uncertain) = (failure.unanswered, failure.is_uncertain());
                let error = call_error(failure.error, &self.failure_prefix, zone);
                return Err(match is_uncertain {
                    true => ExtendError::Unknown { error, in_progress },
                    false => ExtendError::Refused(error),
                });
            }
        };
        if operation.target_id.is_some() && operation.target_id != api.id {
            let error = wrong_instance_error("extend", self.target, &operation);
            return Err(ExtendError::WrongInstance(error));
        }
        let finished = zone_operations::wait_until_done(self.client, zone, operation, OPERATION_TIMEOUT).await;
        let operation = finished.map_err(|error| ExtendError::Unknown {
            error,
            in_progress: true,
        })?;
        match operation_error(&operation, &self.failure_prefix, zone) {
            Some(error) if operation.http_error_status_code == Some(412) => Err(ExtendError::Stale(error)),
            Some(error) => Err(ExtendError::Refused(error)),
            None if is_done(&operation) => Ok(()),
            None => {
                let error = Error::new(
                    ErrorKind::Timeout,
                    format!("{}: its operation does not end", self.failure_prefix),
                );
                Err(ExtendError::Unknown {
                    error: error.at(error_location(zone)),
                    in_progress: true,
                })
            }
        }
    }

    /// Makes the error for a limit that cannot be moved in this state.
    fn fixed_limit_error(&self, api: &model::Instance, refusal: Option<Error>) -> Error {
        let name = self.name;
        let error = refusal.unwrap_or_else(|| {
            let message = format!(
                "{}: the cloud moves the end of a run only for the next one",
                self.failure_prefix
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
        error.with_kind(ErrorKind::Refused).with_hint(hint)
    }

    fn unknown_outcome_error(&self, error: Error) -> Error {
        error
            .with_kind(ErrorKind::UnknownOutcome)
            .with_hint("look at the VM with `cloudctl describe`, and run the same command again if need be")
            .with_leftover(self.target)
    }
}

/// Says whether the end of the present run that the cloud announces agrees with a run limit. It does if there is no run,
/// or no end is announced.
fn end_agrees_with_limit(api: &model::Instance, limit: Duration) -> bool {
    if let Some(start) = run_start(api)
        && let Some(announced) = announced_end(api)
        && let Ok(expected) = start.checked_add(limit)
    {
        return announced.duration_since(expected).abs() <= MAX_END_DEVIATION;
    }
    true
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

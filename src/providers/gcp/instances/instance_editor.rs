//! Sends one change of an instance's fields, waits for its operation, and says what came of it.

use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::{self, InstancesSetLabelsRequest, Operation, Scheduling};
use google_cloud_gax::Result as SdkResult;

use super::actions::wrong_instance_error;
use crate::cloud::{Error, ErrorKind, InstanceRef, Result};
use crate::providers::gcp::api::client::{Client, fresh_request_id, with_call_options};
use crate::providers::gcp::api::error::{call_error, error_location, operation_error};
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::is_done;

/// How long to wait for a change; each is done within seconds.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct InstanceEditor<'a> {
    pub(super) client: &'a Client,
    pub(super) target: &'a InstanceRef,
    pub(super) name: &'a str,
    /// What the user asked for, as a verb: `extend`.
    verb: &'static str,
    /// What messages of failures begin with: `cannot extend web-1`.
    pub(super) failure_prefix: String,
}

pub(super) enum Edit {
    /// The whole scheduling: fields that are left out are reset.
    Scheduling(Box<Scheduling>),
    /// All labels, with the fingerprint of those that they replace.
    Labels(InstancesSetLabelsRequest),
}

/// Why a change did not certainly succeed.
pub(super) enum EditError {
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

impl<'a> InstanceEditor<'a> {
    /// Makes an editor for an instance. `verb` says in messages what the user asked for.
    pub(super) fn new(client: &'a Client, target: &'a InstanceRef, verb: &'static str) -> Self {
        let name = target.native_name.as_deref().unwrap_or(&target.id);
        Self {
            client,
            target,
            name,
            verb,
            failure_prefix: format!("cannot {verb} {name}"),
        }
    }

    /// Sends a change of the instance, which was read as `api`, and waits for its result.
    pub(super) async fn send_edit(&self, api: &model::Instance, edit: &Edit) -> Result<(), EditError> {
        let attempted = format!("{} {}", self.verb, self.name);
        let zone = &self.target.scope;
        let name = api.name.as_deref().unwrap_or_default();
        let request_id = fresh_request_id();
        let project = self.client.project().await.map_err(EditError::Refused)?;
        let instances = self.client.instances().await.map_err(EditError::Refused)?;
        let sent = self.client.change(&attempted, zone, || {
            edit.send((project, instances), zone, name, &request_id)
        });
        let operation = match sent.await {
            Ok(operation) => operation,
            Err(failure) if failure.error.http_status_code() == Some(412) => {
                return Err(EditError::Stale(call_error(failure.error, &self.failure_prefix, zone)));
            }
            Err(failure) => {
                let (in_progress, is_uncertain) = (failure.unanswered, failure.is_uncertain());
                let error = call_error(failure.error, &self.failure_prefix, zone);
                if is_uncertain {
                    return Err(EditError::Unknown { error, in_progress });
                }
                return Err(EditError::Refused(error));
            }
        };
        if operation.target_id.is_some() && operation.target_id != api.id {
            let error = wrong_instance_error(self.verb, self.target, &operation);
            return Err(EditError::WrongInstance(error));
        }
        let finished = zone_operations::wait_until_done(self.client, zone, operation, OPERATION_TIMEOUT).await;
        let operation = finished.map_err(|error| EditError::Unknown {
            error,
            in_progress: true,
        })?;
        self.check_finished(&operation)
    }

    fn check_finished(&self, operation: &Operation) -> Result<(), EditError> {
        let zone = &self.target.scope;
        match operation_error(operation, &self.failure_prefix, zone) {
            Some(error) if operation.http_error_status_code == Some(412) => Err(EditError::Stale(error)),
            Some(error) => Err(EditError::Refused(error)),
            None if is_done(operation) => Ok(()),
            None => {
                let error = Error::new(
                    ErrorKind::Timeout,
                    format!("{}: its operation does not end", self.failure_prefix),
                );
                Err(EditError::Unknown {
                    error: error.at(error_location(zone)),
                    in_progress: true,
                })
            }
        }
    }

    pub(super) fn being_deleted_error(&self) -> Error {
        let message = format!("{}: it is being deleted", self.failure_prefix);
        Error::new(ErrorKind::Refused, message).at(error_location(&self.target.scope))
    }

    /// Makes the error for an instance that does not exist.
    pub(super) fn not_found_error(&self) -> Error {
        Error::not_found(self.target).at(error_location(&self.target.scope))
    }

    pub(super) fn unknown_outcome_error(&self, error: Error) -> Error {
        error
            .with_kind(ErrorKind::UnknownOutcome)
            .with_hint("look at the VM with `cloudctl describe`, and run the same command again if need be")
            .with_leftover(self.target)
    }
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
                let request = instances
                    .set_scheduling()
                    .set_project(project)
                    .set_zone(zone)
                    .set_instance(name)
                    .set_request_id(request_id)
                    .set_body(scheduling.as_ref().clone());
                with_call_options(request).send().await
            }
            Self::Labels(labels) => {
                let request = instances
                    .set_labels()
                    .set_project(project)
                    .set_zone(zone)
                    .set_instance(name)
                    .set_request_id(request_id)
                    .set_body(labels.clone());
                with_call_options(request).send().await
            }
        }
    }
}

//! What a create call came to: follows its operation, and finds out what exists after a refusal, a failure or a lost
//! answer.

use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, Operation};
use jiff::Timestamp;
use tokio::time::Instant;

use super::create_call::{CLEANUP_TIMEOUT, CreateCall, NamesToCreate, OPERATION_TIMEOUT, PAUSE, VISIBILITY_TIMEOUT};
use crate::cloud::{CreateOutcome, Error, ErrorKind, Instance, InstanceName, Leftover, ProviderKind, Result};
use crate::providers::common::retry::AttemptResult;
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::{call_error, classify, error_location, field_at_fault, operation_error};
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::api::retry::ChangeFailure;
use crate::providers::gcp::api::timestamp::parse_time;
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::{is_done, is_from_earlier_call};
use crate::providers::gcp::catalog::machine_types;
use crate::providers::gcp::instances::disks;
use crate::providers::gcp::instances::from_api::{is_managed, to_instance, with_machine_type};
use crate::providers::gcp::instances::list::{find_by_name, to_instance_with_state};
use crate::providers::gcp::network;

impl CreateCall<'_> {
    /// Finds the result of a call that was refused, or has no certain answer.
    pub(crate) async fn recover_failed_call(
        &self,
        names: &impl NamesToCreate,
        failure: ChangeFailure,
    ) -> Result<CreateOutcome> {
        let last_attempt = classify(&failure.error);
        let field = field_at_fault(&failure.error).map(str::to_owned);
        let is_uncertain = failure.is_uncertain();
        // A failure on this machine, or at its proxy, never reached Compute Engine.
        let is_from_cloud = failure.error.http_status_code().is_some_and(|status| status != 407);
        let error = call_error(failure.error, &self.failure_prefix, &self.request.zone);
        // A refusal with the same request id means that no earlier attempt was accepted. A refusal of the caller, or by
        // something in between, comes before the request is examined, and means nothing.
        let says_nothing = matches!(
            error.kind(),
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::Internal | ErrorKind::Network
        );
        let is_refused = last_attempt == AttemptResult::Refused && is_from_cloud && !says_nothing;
        if !is_uncertain && error.kind() != ErrorKind::InvalidSpec {
            return Err(self.explain_refusal(error, field.as_deref()).await);
        }
        for attempt in 0..2 {
            match names.list_existing().await {
                // The instance exists, but no answer told the result of the call.
                Ok(existing) if last_attempt == AttemptResult::Unanswered && existing.iter().any(is_managed) => {
                    return Err(self.unknown_outcome_error(self.instance_refs(&existing), error));
                }
                Ok(existing) if !existing.is_empty() => return names.adopt_existing(existing).await,
                // The request id was used before, for another spec, and that instance is gone.
                Ok(_) if field.as_deref() == Some("requestId") => return Ok(CreateOutcome::TokenAlreadyUsed),
                // If the cloud has forgotten the id, an attempt may be in progress in spite of the refusal.
                Ok(_) if is_refused && failure.unanswered && attempt == 0 => tokio::time::sleep(PAUSE).await,
                Ok(_) if is_refused || !failure.unanswered => {
                    return Err(self.explain_refusal(error, field.as_deref()).await);
                }
                Err(_) if !is_uncertain => {
                    return Err(self.explain_refusal(error, field.as_deref()).await);
                }
                // An attempt may still be in progress.
                Ok(_) if attempt == 0 => tokio::time::sleep(PAUSE).await,
                _ => break,
            }
        }
        Err(self.unknown_outcome_error(Vec::new(), error))
    }

    /// Finds the instance of an operation that cannot be followed.
    async fn recover_lost_operation(&self, created_id: Option<u64>, error: Error) -> Result<CreateOutcome> {
        let start = Instant::now();
        loop {
            match self.find_existing().await {
                Ok(Some(existing)) => return self.outcome_with_instance(existing, created_id).await,
                // It may not be visible yet.
                Ok(None) if start.elapsed() < VISIBILITY_TIMEOUT => tokio::time::sleep(PAUSE).await,
                _ => return Err(self.unknown_outcome_error(self.instance_with_id(created_id), error)),
            }
        }
    }

    /// Makes the outcome when an instance has the name: the created one, or another one.
    async fn outcome_with_instance(&self, existing: model::Instance, created_id: Option<u64>) -> Result<CreateOutcome> {
        match is_same_instance(existing.id, created_id) {
            true => self.to_outcome(existing).await,
            false => self.adopt_instance(existing).await,
        }
    }

    /// Finds the result of a failed operation. The cloud deletes what it created. `is_repeated` means the failure of an
    /// earlier call, which says nothing about the present, and which this request id gets for as long as the cloud
    /// remembers it.
    pub(crate) async fn recover_failed_operation(
        &self,
        operation: &Operation,
        error: Error,
        is_repeated: bool,
    ) -> Result<CreateOutcome> {
        let start = Instant::now();
        loop {
            match self.find_existing().await {
                Ok(Some(existing)) if !is_same_instance(existing.id, operation.target_id) => {
                    return self.adopt_instance(existing).await;
                }
                Ok(Some(_)) if start.elapsed() < CLEANUP_TIMEOUT => tokio::time::sleep(PAUSE).await,
                Ok(Some(_)) => {
                    return Err(self.unknown_outcome_error(self.instance_with_id(operation.target_id), error));
                }
                Ok(None) if is_repeated => return Ok(CreateOutcome::TokenAlreadyUsed),
                Ok(None) | Err(_) => break,
            }
        }
        let error = self.explain_refusal(error, None).await;
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(error);
        }
        let names = [self.spec.name.clone()];
        Err(self.with_leftover_disks(error, &names, operation, start).await)
    }

    /// Adds to the error of a failed operation the disks with these names that are left after a wait.
    pub(crate) async fn with_leftover_disks(
        &self,
        error: Error,
        names: &[InstanceName],
        operation: &Operation,
        start: Instant,
    ) -> Error {
        let since = parse_time(operation.insert_time.as_ref());
        let timeout = CLEANUP_TIMEOUT.saturating_sub(start.elapsed());
        let disks = disks::find_leftover_disks(self.client, &self.request.zone, names, since, timeout).await;
        error.with_leftovers(
            disks
                .iter()
                .map(|disk| Leftover::resource(ProviderKind::Gcp, &self.request.zone, disk)),
        )
    }

    /// Says whether the zone has no such machine type; no if this is unknown.
    async fn zone_lacks_type(&self) -> bool {
        let type_name = &self.request.preview.machine_type;
        let found = machine_types::get_machine_type(self.client, &self.request.zone, type_name).await;
        found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }

    /// Explains a refusal for this spec. The image is known to exist, and so is the machine type, unless it is assumed.
    pub(crate) async fn explain_refusal(&self, error: Error, field: Option<&str>) -> Error {
        if error.kind() == ErrorKind::AlreadyExists {
            // No instance has the name, so its boot disk does.
            return self.with_leftover_disk_hint(error);
        }
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) {
            return error;
        }
        let spec = self.spec;
        let names_field = |name: &str| {
            field.is_some_and(|field| {
                let field = field.strip_prefix("resource.").unwrap_or(field);
                field
                    .strip_prefix("instanceProperties.")
                    .unwrap_or(field)
                    .starts_with(name)
            })
        };
        if self.request.is_type_assumed && self.zone_lacks_type().await {
            return error.with_kind(ErrorKind::InvalidSpec);
        }
        // The answer does not say what is missing.
        let something_missing = error.kind() == ErrorKind::NotFound && field.is_none();
        let accelerators = &self.request.body.guest_accelerators;
        if spec.network.is_none() && spec.subnet.is_none() {
            // If the spec names nothing else, only the network can be missing.
            let names_nothing_else = spec.identity.is_none()
                && spec.disk_gib.is_none()
                && spec.disk_type.is_none()
                && spec.native.is_empty()
                && accelerators.is_empty()
                && !spec.spot;
            let lacks_network = names_field("networkInterfaces")
                || something_missing
                    && network::default_is_missing(self.client)
                        .await
                        .unwrap_or(names_nothing_else);
            if lacks_network {
                return network::no_default_network_error(error);
            }
        }
        if !accelerators.is_empty() && (names_field("guestAccelerators") || something_missing) {
            // The GPU exists, and the machine type takes it.
            return error
                .with_kind(ErrorKind::Capacity)
                .with_hint("the zone has no such GPU: name another --zone");
        }
        // Something that the spec names does not exist or is not valid.
        error.with_kind(ErrorKind::InvalidSpec)
    }
}

impl CreateCall<'_> {
    /// Waits for the operation of an accepted call and returns its result.
    pub(crate) async fn finish(&self, operation: Operation) -> Result<CreateOutcome> {
        let zone = &self.request.zone;
        if self.answers_another_call(&operation) {
            return Ok(CreateOutcome::TokenAlreadyUsed);
        }
        let is_repeated = self.answers_earlier_call(&operation).await;
        let created_id = operation.target_id;
        let operation = match zone_operations::wait_until_done(self.client, zone, operation, OPERATION_TIMEOUT).await {
            Ok(operation) => operation,
            Err(error) => return self.recover_lost_operation(created_id, error).await,
        };
        if let Some(error) = operation_error(&operation, &self.failure_prefix, zone) {
            return self.recover_failed_operation(&operation, error, is_repeated).await;
        }
        if !is_repeated && is_done(&operation) && created_id.is_some() {
            // The caller reads it, together with others of its name.
            return self.assume_outcome(&operation);
        }
        match self.find_existing().await {
            Ok(Some(existing)) => self.outcome_with_instance(existing, created_id).await,
            Ok(None) if is_repeated => self.wait_for_new_instance(&operation).await,
            Ok(None) => self.handle_missing_instance(&operation).await,
            Err(error) if is_done(&operation) => {
                tracing::debug!(%error, "the new instance could not be read back");
                self.assume_outcome(&operation)
            }
            Err(error) => Err(self.unknown_outcome_error(self.instance_with_id(created_id), error)),
        }
    }

    /// Says whether the operation belongs to another call with the same request id: in another zone, or for another
    /// instance.
    pub(crate) fn answers_another_call(&self, operation: &Operation) -> bool {
        // The target of a group's operation is the zone.
        let name = match self.spec.members {
            Some(_) => None,
            None => Some(self.spec.name.as_str()),
        };
        is_of_another_call(operation, &self.request.zone, name)
    }

    /// Says whether the operation belongs to an earlier call, which must have been done when it was answered. This
    /// machine's clock may be wrong, so the times are compared with the cloud's.
    pub(crate) async fn answers_earlier_call(&self, operation: &Operation) -> bool {
        let call_age_at_answer = self.started_at.elapsed();
        if !is_done(operation) {
            return false;
        }
        // Without the cloud's clock it is often clear already.
        if is_from_earlier_call(operation, None, call_age_at_answer) {
            return true;
        }
        let call_began = self.began_by_server_clock().await;
        is_from_earlier_call(operation, call_began, call_age_at_answer)
    }

    /// Gives the time of the cloud's clock at which this call began; `None` if the clock cannot be read.
    async fn began_by_server_clock(&self) -> Option<Timestamp> {
        let now = self.client.server_time().await.ok()?;
        // Reading the clock takes time, too.
        now.checked_sub(self.started_at.elapsed()).ok()
    }

    /// Finds the result of a successful operation whose instance is not visible: it was deleted, or is not visible yet.
    async fn handle_missing_instance(&self, operation: &Operation) -> Result<CreateOutcome> {
        let zone = &self.request.zone;
        let Some(id) = operation.target_id else {
            let message = format!(
                "{}: the instance does not appear in Compute Engine",
                self.failure_prefix
            );
            return Err(Error::new(ErrorKind::UnknownOutcome, message).at(error_location(zone)));
        };
        if was_deleted(self.client, zone, id).await {
            return Ok(CreateOutcome::TokenAlreadyUsed);
        }
        if is_done(operation) {
            return self.assume_outcome(operation);
        }
        let message = format!("{}: its operation does not end", self.failure_prefix);
        let error = Error::new(ErrorKind::Timeout, message);
        Err(self.unknown_outcome_error(self.instance_with_id(Some(id)), error))
    }

    /// Waits for the instance of an earlier call that is not visible: it is gone, or too new.
    async fn wait_for_new_instance(&self, operation: &Operation) -> Result<CreateOutcome> {
        let was_deleted = match operation.target_id {
            Some(id) => was_deleted(self.client, &self.request.zone, id).await,
            None => true,
        };
        let is_new = !was_deleted && zone_operations::ended_recently(self.client, operation).await;
        while is_new && self.started_at.elapsed() < zone_operations::VISIBILITY_DELAY {
            tokio::time::sleep(PAUSE).await;
            if let Ok(Some(existing)) = self.find_existing().await {
                return self.adopt_instance(existing).await;
            }
        }
        Ok(CreateOutcome::TokenAlreadyUsed)
    }

    /// Makes the outcome of the requested instance, with the id in the operation.
    fn assume_outcome(&self, operation: &Operation) -> Result<CreateOutcome> {
        let id = operation.target_id;
        match self.assume_created(self.spec.name.as_str(), id, operation) {
            Ok(created) => Ok(CreateOutcome::Created(vec![created])),
            Err(error) => Err(self.unknown_outcome_error(self.instance_with_id(id), error)),
        }
    }

    pub(crate) fn assume_created(&self, name: &str, id: Option<u64>, operation: &Operation) -> Result<Instance> {
        let api = self
            .request
            .body
            .clone()
            .set_name(name)
            .set_or_clear_id(id)
            .set_zone(&self.request.zone)
            .set_status(Status::Provisioning)
            .set_or_clear_creation_timestamp(operation.insert_time.clone());
        let created = to_instance(api, &self.request.project, false)?;
        Ok(with_machine_type(created, &self.request.machine_type))
    }
}

/// Reads an instance that was created just now and is in no list yet; `None` if it is gone again. If its name has another
/// managed instance by now, returns that one.
///
/// # Errors
/// `AlreadyExists` if an unmanaged instance has the name now.
pub(crate) async fn read_created(client: &Client, created: Instance) -> Result<Option<Instance>> {
    let reference = &created.reference;
    let (zone, name) = (&reference.scope, reference.native_name.as_deref().unwrap_or_default());
    let existing = match find_by_name(client, zone, name).await {
        Ok(existing) => existing,
        Err(error) => {
            tracing::debug!(%error, "the new instance could not be read back");
            return Ok(Some(created));
        }
    };
    let created_id = reference.id.parse().ok();
    match existing {
        Some(existing) if existing.id == created_id || is_managed(&existing) => {
            match to_instance_with_state(client, existing).await {
                Ok(read) if read.state.is_gone() => Ok(None),
                Ok(read) if read.reference == *reference => Ok(Some(created.updated_from(&[read]))),
                Ok(other) => Ok(Some(other)),
                Err(_) => Ok(Some(created)),
            }
        }
        Some(_) => {
            let message = format!("{name} was created, and an instance that cloudctl did not create has its name now");
            Err(Error::new(ErrorKind::AlreadyExists, message)
                .at(error_location(zone))
                .with_hint("choose another name"))
        }
        None => {
            let is_gone = match created_id {
                Some(id) => was_deleted(client, zone, id).await,
                None => false,
            };
            Ok((!is_gone).then_some(created))
        }
    }
}

/// Says whether the instance with this id is known to have been deleted.
async fn was_deleted(client: &Client, zone: &str, id: u64) -> bool {
    zone_operations::was_deleted(client, zone, id).await.unwrap_or(false)
}

/// Says whether an operation is about another zone, or, if a name is given, another instance.
fn is_of_another_call(operation: &Operation, zone: &str, name: Option<&str>) -> bool {
    let target = operation.target_link.as_deref().unwrap_or_default();
    if let Some(zone_of_operation) = &operation.zone
        && last_segment(zone_of_operation) != zone
    {
        return true;
    }
    if let Some((_, path_in_zones)) = target.split_once("/zones/")
        && path_in_zones.split('/').next() != Some(zone)
    {
        return true;
    }
    name.is_some_and(|name| target.contains("/instances/") && last_segment(target) != name)
}

/// Says whether an instance has the id that an operation names. An operation may name none.
fn is_same_instance(id: Option<u64>, created_id: Option<u64>) -> bool {
    created_id.is_none() || id == created_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_of_other_call_has_other_zone_or_target() {
        let at = "https://compute.googleapis.com/compute/v1/projects/acme/zones";
        let operation = |zone: &str, target: &str| {
            let operation = Operation::new().set_zone(format!("{at}/{zone}"));
            operation.set_target_link(format!("{at}/{target}"))
        };
        let is_another = |operation, name| is_of_another_call(&operation, "us-central1-a", name);
        let own = || operation("us-central1-a", "us-central1-a/instances/web");
        assert!(!is_another(own(), Some("web")) && !is_another(own(), None));
        assert!(is_another(own(), Some("db")));
        assert!(is_another(
            operation("us-central1-b", "us-central1-b/instances/web"),
            None
        ));
        assert!(is_another(
            operation("us-central1-a", "us-central1-b/instances/web"),
            None
        ));
        // An operation without a target is not another call's, nor is that of a group, whose target is the zone.
        assert!(!is_another(Operation::new(), Some("web")));
        assert!(!is_another(operation("us-central1-a", "us-central1-a"), Some("web")));
    }
}

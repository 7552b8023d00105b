//! Creates a group: one call creates all members, and one operation follows them.
//!
//! The call creates all members or deletes what it created, because its minimum is their number. Its request id is
//! remembered as that of a single instance is.
//! <https://cloud.google.com/compute/docs/instances/multiple/create-in-bulk>

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::{
    self, AcceleratorConfig, AttachedDisk, BulkInsertInstanceResource, BulkInsertInstanceResourcePerInstanceProperties,
    InstanceProperties, Operation,
};
use jiff::Timestamp;
use tokio::time::Instant;

use super::create_call::{CLEANUP_TIMEOUT, CreateCall, NamesToCreate, OPERATION_TIMEOUT, PAUSE, VISIBILITY_TIMEOUT};
use super::request::TypeSource;
use crate::cloud::{
    BatchTracker, CreateOutcome, Error, ErrorKind, Instance, InstanceAction, InstanceName, InstanceRef, InstanceSpec,
    InstanceState, Result, quoted,
};
use crate::providers::gcp::api::client::{Client, with_call_options};
use crate::providers::gcp::api::error::operation_error;
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::api::retry::ChangeFailure;
use crate::providers::gcp::api::timestamp::parse_time;
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::is_done;
use crate::providers::gcp::instances::batch_actions::change_all;
use crate::providers::gcp::instances::from_api::to_instance;
use crate::providers::gcp::instances::list;
use crate::providers::gcp::instances::list::{Deletions, mark_terminating, members_filter};
use crate::providers::gcp::network::open_ports;

/// How many instances one call creates. The API takes 5,000, but a label cannot list that many members.
pub(crate) const MAX_INSTANCES: usize = 1_000;

/// A create call for a group that is prepared or in progress.
struct GroupCreate<'a> {
    call: CreateCall<'a>,
    names: Vec<InstanceName>,
    body: BulkInsertInstanceResource,
}

/// Creates the `count` members of a generation. If managed instances already have some of the names, returns those.
pub(crate) async fn create(
    client: &Client,
    spec: &InstanceSpec,
    count: usize,
    generation: u32,
) -> Result<CreateOutcome> {
    if count == 0 || count > MAX_INSTANCES {
        return Err(Error::invalid(format!(
            "gcp makes 1 to {MAX_INSTANCES} instances by one call, not {count}"
        )));
    }
    let names = spec.instance_names()?;
    let call = CreateCall::prepare(client, spec, generation, TypeSource::LookedUp).await?;
    call.request.warn();
    let body = build_body(call.request.body.clone(), &names)?;
    let group = GroupCreate { call, names, body };
    let rules = group.call.request.firewall_rules.as_ref();
    match open_ports::with_firewall_rules(client, rules, group.create()).await? {
        CreateOutcome::Created(created) if spec.protected => protect_instances(client, created).await,
        outcome => Ok(outcome),
    }
}

impl GroupCreate<'_> {
    async fn create(&self) -> Result<CreateOutcome> {
        let (call, mut invisible_conflicts, mut is_uncertain) = (&self.call, 0, false);
        loop {
            let failure = match self.insert().await {
                Ok(operation) => return self.finish(operation).await,
                Err(failure) => failure,
            };
            if failure.error.http_status_code() != Some(409) {
                return call.recover_failed_call(self, failure).await;
            }
            is_uncertain |= failure.is_uncertain();
            let existing = match self.list_existing().await {
                Ok(existing) => existing,
                Err(error) => return Err(call.read_error(is_uncertain, error)),
            };
            if existing.is_empty() {
                call.wait_after_invisible_conflict(&mut invisible_conflicts, failure)
                    .await?;
                continue;
            }
            match self.adopt_existing(existing).await? {
                CreateOutcome::TokenAlreadyUsed => call.wait_for_free_name().await?,
                adopted => return Ok(adopted),
            }
        }
    }

    async fn insert(&self) -> Result<Operation, ChangeFailure> {
        let (request, instances) = (&self.call.request, self.call.instances);
        let send = || {
            let call = instances
                .bulk_insert()
                .set_project(&request.project)
                .set_zone(&request.zone);
            with_call_options(call.set_request_id(&request.request_id).set_body(self.body.clone())).send()
        };
        self.call.send(send).await
    }

    /// Waits for the operation of an accepted call and returns its result.
    async fn finish(&self, operation: Operation) -> Result<CreateOutcome> {
        let (call, zone) = (&self.call, &self.call.request.zone);
        if call.answers_another_call(&operation) {
            return Ok(CreateOutcome::TokenAlreadyUsed);
        }
        let is_repeated = call.answers_earlier_call(&operation).await;
        let operation = match zone_operations::wait_until_done(call.client, zone, operation, OPERATION_TIMEOUT).await {
            Ok(operation) => operation,
            Err(error) => return self.recover_lost_operation(error).await,
        };
        if let Some(error) = operation_error(&operation, &call.failure_prefix, zone) {
            return self.recover_failed_operation(&operation, error, is_repeated).await;
        }
        if !is_done(&operation) {
            let message = format!("{}: its operation does not end", call.failure_prefix);
            return self
                .recover_lost_operation(Error::new(ErrorKind::Timeout, message))
                .await;
        }
        self.read_back(&operation, is_repeated).await
    }

    /// Reads the created members, and adds those that are not visible yet. A member that is gone was created by an
    /// earlier call, or deleted just now.
    async fn read_back(&self, operation: &Operation, is_repeated: bool) -> Result<CreateOutcome> {
        let (call, start) = (&self.call, Instant::now());
        loop {
            let existing = match self.list_existing().await {
                Ok(existing) => existing,
                Err(error) => {
                    tracing::debug!(%error, "the new instances could not be read back");
                    Vec::new()
                }
            };
            let listed_names: BTreeSet<_> = existing.iter().filter_map(|api| api.name.clone()).collect();
            let mut alive = self.select_alive(existing).await?;
            alive.retain(|instance| instance.managed);
            let missing = self.names.iter().filter(|name| !listed_names.contains(name.as_str()));
            let missing: Vec<_> = missing.collect();
            if missing.is_empty() {
                return Ok(to_outcome(alive));
            }
            let unlisted = self.list_unlisted(operation, &missing).await;
            let is_new = start.elapsed() <= zone_operations::VISIBILITY_DELAY
                && zone_operations::ended_recently(call.client, operation).await;
            // The operation is old, or its members are deleted; a new one may not be visible yet.
            if is_repeated && !is_new {
                return Ok(to_outcome(alive));
            }
            if let Some(unlisted) = unlisted
                && (unlisted.is_empty() || !is_repeated)
            {
                alive.extend(unlisted);
                return Ok(to_outcome(self.sort_by_name(alive)));
            }
            if is_repeated {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if start.elapsed() > VISIBILITY_TIMEOUT {
                let message = format!(
                    "{}: not all of the instances appear in Compute Engine",
                    call.failure_prefix
                );
                let left = alive.into_iter().map(|instance| instance.reference).collect();
                return Err(call.unknown_outcome_error(left, Error::new(ErrorKind::UnknownOutcome, message)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the instances that exist and are not being deleted, in the order of the names.
    async fn select_alive(&self, existing: Vec<model::Instance>) -> Result<Vec<Instance>> {
        let (client, project) = (self.call.client, &self.call.request.project);
        let converted = existing.into_iter().map(|api| to_instance(api, project, false));
        let mut instances = converted.collect::<Result<Vec<_>>>()?;
        mark_terminating(client, &mut instances, &Deletions::default()).await;
        instances.retain(|instance| !instance.state.is_gone());
        let with_type = instances
            .into_iter()
            .map(|instance| self.call.with_requested_type(instance));
        Ok(self.sort_by_name(with_type.collect()))
    }

    fn sort_by_name(&self, instances: Vec<Instance>) -> Vec<Instance> {
        let with_names = instances
            .into_iter()
            .filter_map(|instance| Some((instance.name.clone()?, instance)));
        let mut by_name: BTreeMap<String, Instance> = with_names.collect();
        self.names
            .iter()
            .filter_map(|name| by_name.remove(name.as_str()))
            .collect()
    }
}

fn to_outcome(alive: Vec<Instance>) -> CreateOutcome {
    match alive.is_empty() {
        true => CreateOutcome::TokenAlreadyUsed,
        false => CreateOutcome::Created(alive),
    }
}

/// Protects the created members, which the create call cannot do.
async fn protect_instances(client: &Client, mut created: Vec<Instance>) -> Result<CreateOutcome> {
    let unprotected = created.iter().filter(|instance| instance.protected != Some(true));
    let unprotected: Vec<InstanceRef> = unprotected.map(|instance| instance.reference.clone()).collect();
    let outcomes = change_all(
        client,
        &unprotected,
        InstanceAction::Protect,
        &BatchTracker::uninterrupted(),
    )
    .await;
    let failures = outcomes
        .into_iter()
        .filter_map(|outcome| Some((outcome.target.to_string(), outcome.result.err()?)));
    let (failed_refs, errors): (Vec<String>, Vec<Error>) = failures.unzip();
    if let Some(error) = errors.into_iter().next() {
        return Err(error
            .context("they are made, but not all of them are protected")
            .with_kind(ErrorKind::UnknownOutcome)
            .with_hint(format!("protect them: cloudctl protect {}", failed_refs.join(" ")))
            .with_leftovers(created.iter().map(|instance| &instance.reference)));
    }
    for instance in &mut created {
        instance.protected = Some(true);
    }
    Ok(CreateOutcome::Created(created))
}

impl NamesToCreate for GroupCreate<'_> {
    /// Lists the members in one call per page.
    async fn list_existing(&self) -> Result<Vec<model::Instance>> {
        let (client, zone) = (self.call.client, &self.call.request.zone);
        let mut instances = list::list_matching(client, zone, &members_filter(self.call.spec.name.as_str())).await?;
        let names: BTreeSet<&str> = self.names.iter().map(InstanceName::as_str).collect();
        instances.retain(|api| api.name.as_deref().is_some_and(|name| names.contains(name)));
        Ok(instances)
    }

    async fn adopt_existing(&self, existing: Vec<model::Instance>) -> Result<CreateOutcome> {
        let alive = self.select_alive(existing).await?;
        match alive.iter().find(|instance| !instance.managed) {
            Some(other) => {
                let name = other.name.as_deref().unwrap_or_default();
                Err(self.call.name_taken_error(&format!("the name {name}")))
            }
            None => Ok(to_outcome(alive)),
        }
    }
}

impl GroupCreate<'_> {
    /// Returns the missing members that were created and not deleted since, as they were requested: every member has an
    /// operation. `None` if this is unknown.
    async fn list_unlisted(&self, operation: &Operation, missing: &[&InstanceName]) -> Option<Vec<Instance>> {
        let (client, zone) = (self.call.client, &self.call.request.zone);
        let group = operation.operation_group_id.as_deref()?;
        let ids: BTreeMap<String, u64> = zone_operations::list_created_in_group(client, zone, group).await.ok()?;
        let since: Option<Timestamp> = parse_time(operation.insert_time.as_ref());
        let deleted = zone_operations::list_deleted_since(client, zone, since).await.ok()?;
        let mut unlisted = Vec::new();
        for name in missing {
            let id = *ids.get(name.as_str())?;
            if !deleted.contains(&id) {
                unlisted.push(self.call.assume_created(name.as_str(), Some(id), operation).ok()?);
            }
        }
        Some(unlisted)
    }

    /// Finds the members of an operation that cannot be followed.
    async fn recover_lost_operation(&self, error: Error) -> Result<CreateOutcome> {
        let start = Instant::now();
        loop {
            let existing = self.list_existing().await.unwrap_or_default();
            if existing.len() == self.names.len() {
                return self.adopt_existing(existing).await;
            }
            if start.elapsed() > VISIBILITY_TIMEOUT {
                return Err(self
                    .call
                    .unknown_outcome_error(self.call.instance_refs(&existing), error));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Finds the result of a failed operation. Waits until the cloud has deleted what it created. `is_repeated` means
    /// the failure of an earlier call, which says nothing about the present.
    async fn recover_failed_operation(
        &self,
        operation: &Operation,
        error: Error,
        is_repeated: bool,
    ) -> Result<CreateOutcome> {
        let (call, start) = (&self.call, Instant::now());
        // Some names were taken before, so other instances may stay.
        let others_may_stay = error.kind() == ErrorKind::AlreadyExists || is_repeated;
        let existing = loop {
            let existing = match self.list_existing().await {
                Ok(existing) => existing,
                Err(_) => return Err(call.unknown_outcome_error(Vec::new(), error)),
            };
            let may_go = match others_may_stay {
                true => self.select_alive(existing.clone()).await?.iter().any(is_changing),
                false => !existing.is_empty(),
            };
            if !may_go || start.elapsed() > CLEANUP_TIMEOUT {
                break existing;
            }
            tokio::time::sleep(PAUSE).await;
        };
        if !others_may_stay && !existing.is_empty() {
            return Err(call.unknown_outcome_error(call.instance_refs(&existing), error));
        }
        let outcome = self.adopt_existing(existing).await?;
        if is_repeated || matches!(outcome, CreateOutcome::Created(_)) {
            return Ok(outcome);
        }
        let error = call.explain_refusal(error, None).await;
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(error);
        }
        Err(call.with_leftover_disks(error, &self.names, operation, start).await)
    }
}

fn is_changing(instance: &Instance) -> bool {
    matches!(instance.state, InstanceState::Pending | InstanceState::Stopping)
}

/// Builds the call for instances with these names, all or none, which are like `body`.
fn build_body(body: model::Instance, names: &[InstanceName]) -> Result<BulkInsertInstanceResource> {
    if let Some(hostname) = &body.hostname {
        return Err(Error::invalid(format!(
            "the native option hostname would give the host name {} to {} VMs, but each needs its own",
            quoted(hostname),
            names.len()
        ))
        .with_hint("leave it out"));
    }
    let count = i64::try_from(names.len()).unwrap_or(i64::MAX);
    let named_members = names
        .iter()
        .map(|name| (name.as_str(), BulkInsertInstanceResourcePerInstanceProperties::new()));
    Ok(BulkInsertInstanceResource::new()
        .set_count(count)
        .set_min_count(count)
        .set_per_instance_properties(named_members)
        .set_instance_properties(to_properties(body)))
}

/// Converts the body of one instance to the properties of all. They lack protection against deletion, and types are
/// bare names. <https://cloud.google.com/compute/docs/reference/rest/v1/instances/bulkInsert>
fn to_properties(body: model::Instance) -> InstanceProperties {
    let to_bare_name = |path: Option<String>| path.map(|path| last_segment(&path).to_owned());
    let to_disk = |mut disk: AttachedDisk| {
        if let Some(parameters) = &mut disk.initialize_params {
            parameters.disk_type = to_bare_name(parameters.disk_type.take());
        }
        disk
    };
    let to_accelerator = |mut accelerator: AcceleratorConfig| {
        accelerator.accelerator_type = to_bare_name(accelerator.accelerator_type.take());
        accelerator
    };
    InstanceProperties::new()
        .set_or_clear_machine_type(to_bare_name(body.machine_type))
        .set_labels(body.labels)
        .set_disks(body.disks.into_iter().map(to_disk))
        .set_network_interfaces(body.network_interfaces)
        .set_or_clear_scheduling(body.scheduling)
        .set_guest_accelerators(body.guest_accelerators.into_iter().map(to_accelerator))
        .set_service_accounts(body.service_accounts)
        .set_or_clear_metadata(body.metadata)
        .set_or_clear_tags(body.tags)
        .set_or_clear_can_ip_forward(body.can_ip_forward)
        .set_or_clear_min_cpu_platform(body.min_cpu_platform)
        .set_or_clear_shielded_instance_config(body.shielded_instance_config)
        .set_or_clear_advanced_machine_features(body.advanced_machine_features)
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::AttachedDiskInitializeParams;

    use super::*;

    #[test]
    fn bulk_insert_types_are_bare_names() {
        let parameters = AttachedDiskInitializeParams::new().set_disk_type("zones/z/diskTypes/pd-balanced");
        let gpu = AcceleratorConfig::new().set_accelerator_type("zones/z/acceleratorTypes/nvidia-tesla-t4");
        let body = model::Instance::new()
            .set_machine_type("zones/z/machineTypes/n1-standard-4")
            .set_disks([AttachedDisk::new().set_initialize_params(parameters)])
            .set_guest_accelerators([gpu]);
        let names = ["web-1".parse().unwrap(), "web-3".parse().unwrap()];
        let bulk = build_body(body, &names).unwrap();
        assert_eq!((bulk.count, bulk.min_count), (Some(2), Some(2)));
        let mut keys: Vec<_> = bulk.per_instance_properties.keys().collect();
        keys.sort();
        assert_eq!(keys, ["web-1", "web-3"]);
        let text = format!("{:?}", bulk.instance_properties);
        assert!(
            text.contains("\"n1-standard-4\"") && text.contains("\"pd-balanced\""),
            "{text}"
        );
        assert!(
            text.contains("\"nvidia-tesla-t4\"") && !text.contains("zones/"),
            "{text}"
        );
    }
}

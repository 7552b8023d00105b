//! Creates instances: one instance here, a group in [`bulk_insert`].
//!
//! The create call is sent under a request id until its outcome is certain. Then its operation is followed to the end. The
//! caller lists the instance afterwards. An HTTP 200 does not mean success: the operation may fail later. A success may be an
//! old one: the cloud remembers the operation of a request id, also a failed one, and also after its instance is gone.
//!
//! EC2 differs: its create call has no operation to follow, creates one or many instances alike, and has its own fields
//! for user data and key pairs, which are [`instance_metadata`] here.

pub(super) mod bulk_insert;
pub(super) mod create_call;
pub(super) mod find_created;
pub(super) mod instance_metadata;
pub(super) mod request;

use google_cloud_compute_v1::model::{self, Operation};

use self::create_call::{CreateCall, NamesToCreate};
use self::find_created::read_created;
use self::request::TypeSource;
use super::api::client::{Client, with_call_options};
use super::api::retry::ChangeFailure;
use super::instances::list::is_being_deleted;
use super::network::open_ports;
use crate::cloud::{CreateOutcome, Error, ErrorKind, Instance, InstanceSpec, Result};

/// Creates what the spec names in one call, or finds what this generation of its name created before; see
/// [`Instances::create`](crate::cloud::Instances::create).
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
    if let Some(members) = &spec.members {
        return bulk_insert::create(client, spec, members.len(), generation).await;
    }
    let call = CreateCall::prepare(client, spec, generation, TypeSource::for_spec(spec)).await?;
    call.request.warn();
    let outcome = open_ports::with_firewall_rules(client, call.request.firewall_rules.as_ref(), call.create()).await;
    match outcome {
        Err(error) if call.request.is_type_assumed && may_lack_type(&error) => {
            let checked = CreateCall::prepare(client, spec, generation, TypeSource::LookedUp).await;
            match checked {
                Ok(checked) if checked.request.zone != call.request.zone => checked.create().await,
                // No zone that may be used has it.
                Err(lacking) if matches!(lacking.kind(), ErrorKind::InvalidSpec | ErrorKind::Capacity) => Err(lacking),
                _ => Err(error),
            }
        }
        outcome => outcome,
    }
}

/// Whether a create call may have failed because the zone lacks the machine type. What a failed operation left is reported,
/// and not followed by another try.
fn may_lack_type(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidSpec && error.leftovers().is_empty()
}

/// Tells what became of created instances; see
/// [`Instances::confirm_created`](crate::cloud::Instances::confirm_created).
pub(super) async fn confirm_created(
    client: &Client,
    spec: &InstanceSpec,
    created: Vec<Instance>,
    listed: &[Instance],
) -> Result<Vec<Instance>> {
    let mut alive = Vec::new();
    for instance in created {
        let is_listed = listed.iter().any(|listed| listed.reference == instance.reference);
        // The members of a group were read after their call.
        if is_listed || spec.members.is_some() {
            let latest = instance.updated_from(listed);
            alive.extend((!latest.state.is_gone()).then_some(latest));
        } else {
            alive.extend(read_created(client, instance).await?);
        }
    }
    Ok(alive)
}

impl CreateCall<'_> {
    async fn create(&self) -> Result<CreateOutcome> {
        let (mut invisible_conflicts, mut is_uncertain) = (0, false);
        loop {
            let failure = match self.insert().await {
                Ok(operation) => return self.finish(operation).await,
                Err(failure) => failure,
            };
            if failure.error.http_status_code() != Some(409) {
                return self.recover_failed_call(self, failure).await;
            }
            is_uncertain |= failure.is_uncertain();
            match self.find_existing().await {
                Ok(Some(existing)) if is_being_deleted(self.client, &self.request.zone, &existing).await => {
                    self.wait_for_free_name().await?;
                }
                Ok(Some(existing)) => return self.adopt_instance(existing).await,
                Ok(None) => {
                    self.wait_after_invisible_conflict(&mut invisible_conflicts, failure)
                        .await?;
                }
                Err(error) => return Err(self.read_error(is_uncertain, error)),
            }
        }
    }

    async fn insert(&self) -> Result<Operation, ChangeFailure> {
        let (request, instances) = (&self.request, self.instances);
        self.send(|| {
            let call = instances.insert().set_project(&request.project).set_zone(&request.zone);
            with_call_options(call.set_request_id(&request.request_id).set_body(request.body.clone())).send()
        })
        .await
    }
}

impl NamesToCreate for CreateCall<'_> {
    async fn list_existing(&self) -> Result<Vec<model::Instance>> {
        Ok(Vec::from_iter(self.find_existing().await?))
    }

    async fn adopt_existing(&self, existing: Vec<model::Instance>) -> Result<CreateOutcome> {
        match existing.into_iter().next() {
            Some(instance) => self.adopt_instance(instance).await,
            None => Ok(CreateOutcome::TokenAlreadyUsed),
        }
    }
}

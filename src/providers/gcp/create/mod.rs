//! Creates instances: one instance here, a group in [`bulk_insert`].
//!
//! The create call is sent under a request id until its outcome is certain. Then its operation is followed to the end,
//! and the instance is read back. An HTTP 200 does not mean success: the operation may fail later. A success may be an
//! old one: the cloud remembers the operation of a request id, also a failed one, and also after its instance is gone.
//!
//! EC2 differs: its create call has no operation to follow, creates one or many instances alike, and has its own fields
//! for user data and key pairs, which are [`metadata`] here.

pub(super) mod bulk_insert;
pub(super) mod create_call;
pub(super) mod find_created;
pub(super) mod instance_metadata;
pub(super) mod request;

use google_cloud_compute_v1::model::{self, Operation};

use self::create_call::{CreateCall, CreateTarget};
use super::api::client::{Client, with_call_options};
use super::api::retry::ChangeFailure;
use super::instances::list::is_being_deleted;
use super::network::open_ports;
use crate::cloud::{CreateOutcome, InstanceSpec, Result};

/// Creates the instance of a generation; see [`Instances::create`](crate::cloud::Instances::create).
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
    let call = CreateCall::prepare(client, spec, generation).await?;
    let list_created = |outcome: &CreateOutcome| match outcome {
        CreateOutcome::Created(instances) => instances.iter().map(|one| one.reference.clone()).collect(),
        CreateOutcome::TokenAlreadyUsed => Vec::new(),
    };
    let rules = call.request.firewall_rules.as_ref();
    open_ports::with_firewall_rules(client, rules, call.run(), list_created).await
}

impl CreateCall<'_> {
    async fn run(&self) -> Result<CreateOutcome> {
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
            let holder = self.find_holder().await;
            let Some(holder) = holder.map_err(|error| self.read_error(is_uncertain, error))? else {
                self.wait_after_invisible_conflict(&mut invisible_conflicts, failure)
                    .await?;
                continue;
            };
            if !is_being_deleted(self.client, &self.request.zone, &holder).await {
                return self.accept_holder(holder).await;
            }
            self.wait_for_free_name().await?;
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

impl CreateTarget for CreateCall<'_> {
    type Output = CreateOutcome;

    async fn list_existing(&self) -> Result<Vec<model::Instance>> {
        self.find_holder().await.map(|holder| holder.into_iter().collect())
    }

    async fn accept(&self, existing: Vec<model::Instance>) -> Result<CreateOutcome> {
        match existing.into_iter().next() {
            Some(holder) => self.accept_holder(holder).await,
            None => Ok(CreateOutcome::TokenAlreadyUsed),
        }
    }

    fn token_used(&self) -> CreateOutcome {
        CreateOutcome::TokenAlreadyUsed
    }
}

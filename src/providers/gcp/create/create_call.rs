//! A create call: what it was asked for, how it is sent, and what it gives for an instance that holds the name.

use std::future::Future;
use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::{self, Operation};
use google_cloud_gax::Result as SdkResult;
use google_cloud_gax::error::Error as SdkError;
use tokio::time::Instant;

use super::request::{Request, TypeSource, prepare_request};
use crate::cloud::{CreateOutcome, Error, ErrorKind, Instance, InstanceRef, InstanceSpec, ProviderKind, Result};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::{call_error, error_location};
use crate::providers::gcp::api::retry::ChangeFailure;
use crate::providers::gcp::instances::from_api::{is_managed, with_machine_type};
use crate::providers::gcp::instances::list::{find_by_name, to_instance_with_state};

/// How long to wait for the operation. An instance exists within seconds, or is refused within two minutes.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(180);
/// How long to wait until an instance that is being deleted releases its name.
const FREE_NAME_TIMEOUT: Duration = Duration::from_secs(180);
/// How long to wait until what a failed operation created is deleted.
pub(crate) const CLEANUP_TIMEOUT: Duration = Duration::from_secs(15);
/// How long to look for an instance that exists if its operation, which cannot be read, succeeded.
pub(crate) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the name may be taken although no instance with that name is visible.
const MAX_INVISIBLE_CONFLICTS: u32 = 4;
/// Pause between two reads.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// The instances whose names a create call takes: one, or the members of a group.
pub(crate) trait NamesToCreate {
    /// Lists the instances that have the names now.
    async fn list_existing(&self) -> Result<Vec<model::Instance>>;

    /// Returns the instances that have the names, if cloudctl created them. One that it did not create is an error.
    async fn adopt_existing(&self, existing: Vec<model::Instance>) -> Result<CreateOutcome>;
}

/// One create call that is prepared or in progress.
pub(crate) struct CreateCall<'a> {
    pub(crate) client: &'a Client,
    pub(crate) instances: &'a Instances,
    pub(crate) spec: &'a InstanceSpec,
    pub(crate) request: Request,
    /// What messages of failures begin with: `cannot create web-1`.
    pub(crate) failure_prefix: String,
    pub(crate) started_at: Instant,
}

impl<'a> CreateCall<'a> {
    /// Prepares the call. Changes nothing.
    pub(crate) async fn prepare(
        client: &'a Client,
        spec: &'a InstanceSpec,
        generation: u32,
        type_source: TypeSource,
    ) -> Result<Self> {
        let request = prepare_request(client, spec, generation, type_source).await?;
        let created_names = match &spec.members {
            Some(members) => format!("{members} of {}", spec.name),
            None => spec.name.to_string(),
        };
        Ok(Self {
            client,
            instances: client.instances().await?,
            spec,
            request,
            failure_prefix: format!("cannot create {created_names}"),
            started_at: Instant::now(),
        })
    }
}

impl CreateCall<'_> {
    /// Sends the create call until the answer is an operation.
    pub(crate) async fn send<F, S>(&self, send: S) -> Result<Operation, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<Operation>> + Send,
    {
        let attempted = self.failure_prefix.trim_start_matches("cannot ");
        let send_and_check = || {
            let answer = send();
            async move {
                let operation = answer.await?;
                // An answer that is not an operation counts as no answer.
                match operation.name {
                    Some(_) => Ok(operation),
                    None => Err(SdkError::deser("no operation")),
                }
            }
        };
        self.client.change(attempted, &self.request.zone, send_and_check).await
    }

    /// Finds the instance that has the name.
    pub(crate) async fn find_existing(&self) -> Result<Option<model::Instance>> {
        find_by_name(self.client, &self.request.zone, self.spec.name.as_str()).await
    }

    /// Returns an instance that existed before this call, or that another process created. One that cloudctl did not
    /// create is an error.
    pub(crate) async fn adopt_instance(&self, existing: model::Instance) -> Result<CreateOutcome> {
        if is_managed(&existing) {
            return self.to_outcome(existing).await;
        }
        Err(self.name_taken_error("that name"))
    }

    pub(crate) async fn to_outcome(&self, api: model::Instance) -> Result<CreateOutcome> {
        let id = api.id;
        let instance = match to_instance_with_state(self.client, api).await {
            Ok(instance) => instance,
            // The instance exists: the error must name its id.
            Err(error) => return Err(self.unknown_outcome_error(self.instance_with_id(id), error)),
        };
        if instance.state.is_gone() {
            return Ok(CreateOutcome::TokenAlreadyUsed);
        }
        Ok(CreateOutcome::Created(vec![self.with_requested_type(instance)]))
    }

    /// Adds the data of the machine type, if the instance has the type that was requested.
    pub(crate) fn with_requested_type(&self, instance: Instance) -> Instance {
        if instance.machine_type.as_deref() == Some(self.request.preview.machine_type.as_str()) {
            with_machine_type(instance, &self.request.machine_type)
        } else {
            instance
        }
    }

    /// Waits because the name is taken although no instance has it: that instance went away between two calls, or the
    /// name of the boot disk is taken.
    pub(crate) async fn wait_after_invisible_conflict(
        &self,
        conflicts: &mut u32,
        failure: ChangeFailure,
    ) -> Result<()> {
        if *conflicts > MAX_INVISIBLE_CONFLICTS {
            let error = call_error(failure.error, &self.failure_prefix, &self.request.zone);
            return Err(self.with_leftover_disk_hint(error));
        }
        *conflicts += 1;
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// Waits because an instance that is being deleted still has the name.
    pub(crate) async fn wait_for_free_name(&self) -> Result<()> {
        if self.started_at.elapsed() > FREE_NAME_TIMEOUT {
            let message = format!(
                "{}: the instance that had this name is still being deleted",
                self.failure_prefix
            );
            return Err(Error::new(ErrorKind::Refused, message)
                .at(error_location(&self.request.zone))
                .with_hint("run the same command again in a minute"));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// Makes the error for a name that an instance has which cloudctl did not create.
    pub(crate) fn name_taken_error(&self, name: &str) -> Error {
        let message = format!(
            "{}: an instance named {name} exists that cloudctl did not create",
            self.failure_prefix
        );
        Error::new(ErrorKind::AlreadyExists, message)
            .with_code("alreadyExists")
            .at(error_location(&self.request.zone))
            .with_hint("choose another name")
    }

    /// Makes the error for a name whose instance cannot be read. If an attempt got no answer, that attempt may have
    /// created the instance.
    pub(crate) fn read_error(&self, is_uncertain: bool, error: Error) -> Error {
        match is_uncertain {
            true => self.unknown_outcome_error(Vec::new(), error),
            false => error,
        }
    }

    /// Makes the error of a call that may have created something. `leftovers` exist, or may exist.
    pub(crate) fn unknown_outcome_error(&self, leftovers: Vec<InstanceRef>, error: Error) -> Error {
        error
            .with_kind(ErrorKind::UnknownOutcome)
            .with_hint("run the same command again: it keeps the VMs that exist and creates the rest")
            .with_leftovers(leftovers)
    }

    /// Adds the hint that a boot disk with the name of the instance may be left.
    pub(crate) fn with_leftover_disk_hint(&self, error: Error) -> Error {
        let zone = &self.request.zone;
        let name = match &self.spec.members {
            Some(_) => "NAME",
            None => self.spec.name.as_str(),
        };
        error.with_hint(format!(
            "a disk of that name seems to be left: delete it with `gcloud compute disks delete {name} --zone {zone}`, \
             or choose another name"
        ))
    }

    /// Returns the ref of the one instance with this id; none if its id is not known.
    pub(crate) fn instance_with_id(&self, id: Option<u64>) -> Vec<InstanceRef> {
        match id {
            Some(id) => vec![self.instance_ref(self.spec.name.as_str(), id)],
            None => Vec::new(),
        }
    }

    pub(crate) fn instance_refs(&self, instances: &[model::Instance]) -> Vec<InstanceRef> {
        let named = instances.iter().filter_map(|api| Some((api.name.as_deref()?, api.id?)));
        named.map(|(name, id)| self.instance_ref(name, id)).collect()
    }

    fn instance_ref(&self, name: &str, id: u64) -> InstanceRef {
        InstanceRef {
            provider: ProviderKind::Gcp,
            scope: self.request.zone.clone(),
            id: id.to_string(),
            zone: None,
            native_name: Some(name.to_owned()),
        }
    }
}

//! The create call: sent under a request id until its outcome is certain, then followed to the end of its operation,
//! then read back.
//!
//! An HTTP 200 is no success yet, and a success may be an old one: the cloud remembers a request id's operation, also
//! a failed one, and also after its instance is gone.

pub(super) mod bulk_insert;
pub(super) mod metadata;
pub(super) mod recovery;
pub(super) mod request;

use std::future::Future;
use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::{self, Operation};
use google_cloud_gax::Result as SdkResult;
use google_cloud_gax::error::Error as SdkError;
use tokio::time::Instant;

use self::recovery::CreateTarget;
use self::request::{Request, prepare};
use super::api::client::{Client, with_call_options};
use super::api::error::{call_error, error_location};
use super::api::retry::ChangeFailure;
use super::instances::convert::{is_managed, with_machine_type};
use super::instances::list::{find_by_name, is_being_deleted, to_instance_with_state};
use super::network::ingress;
use crate::cloud::{CreateOutcome, Error, ErrorKind, Instance, InstanceSpec, Result};

/// How long the operation is waited for. An instance is there within seconds, or refused within a minute or two.
pub(super) const OPERATION_DEADLINE: Duration = Duration::from_secs(180);
/// How long a name is waited for that an instance on its way out still holds.
const NAME_DEADLINE: Duration = Duration::from_secs(180);
/// How often a name may be taken by nothing that is to be seen.
const MAX_HIDDEN_HOLDERS: u32 = 4;
/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// One create call on its way.
pub(super) struct CreateCall<'a> {
    pub(super) client: &'a Client,
    pub(super) instances: &'a Instances,
    pub(super) spec: &'a InstanceSpec,
    pub(super) request: Request,
    pub(super) attempted: String,
    pub(super) start: Instant,
}

/// Makes the instance of that generation; see [`Provider::create`](crate::cloud::Provider::create).
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<CreateOutcome> {
    let call = CreateCall::prepare(client, spec, generation).await?;
    let reference = |made: &CreateOutcome| match made {
        CreateOutcome::Instance(made) => vec![made.reference.clone()],
        CreateOutcome::TokenAlreadyUsed => Vec::new(),
    };
    ingress::with_firewall_rules(client, call.request.firewall_rules.as_ref(), call.make(), reference).await
}

impl<'a> CreateCall<'a> {
    pub(super) async fn prepare(client: &'a Client, spec: &'a InstanceSpec, generation: u32) -> Result<Self> {
        let request = prepare(client, spec, generation).await?;
        let what = match &spec.members {
            Some(members) => format!("{members} of {}", spec.name),
            None => spec.name.to_string(),
        };
        Ok(Self {
            client,
            instances: client.instances().await?,
            spec,
            request,
            attempted: format!("cannot create {what}"),
            start: Instant::now(),
        })
    }
}

impl CreateCall<'_> {
    async fn make(&self) -> Result<CreateOutcome> {
        let (mut unseen, mut is_uncertain) = (0, false);
        loop {
            let failure = match self.insert().await {
                Ok(operation) => return self.finish(operation).await,
                Err(failure) => failure,
            };
            if failure.error.http_status_code() != Some(409) {
                return self.failed_call(self, failure).await;
            }
            is_uncertain |= failure.is_uncertain();
            let holder = self.find_holder().await;
            let Some(holder) = holder.map_err(|error| self.read_error(is_uncertain, error))? else {
                self.wait_for_hidden_holder(&mut unseen, failure).await?;
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

    /// Sends the create call until it is answered with an operation.
    pub(super) async fn send<F, S>(&self, send: S) -> Result<Operation, ChangeFailure>
    where
        S: Fn() -> F + Send + Sync,
        F: Future<Output = SdkResult<Operation>> + Send,
    {
        let attempted = self.attempted.trim_start_matches("cannot ");
        self.client
            .change(attempted, &self.request.zone, || {
                let sent = send();
                async move {
                    let operation = sent.await?;
                    // Some answer that is no operation: as good as none.
                    let named = operation.name.is_some();
                    if named {
                        Ok(operation)
                    } else {
                        Err(SdkError::deser("no operation"))
                    }
                }
            })
            .await
    }

    /// The error where what holds the name cannot be read. If an attempt got no answer, that may be what it made.
    pub(super) fn read_error(&self, is_uncertain: bool, error: Error) -> Error {
        match is_uncertain {
            true => self.unknown_outcome(Vec::new(), error),
            false => error,
        }
    }

    /// What holds the name.
    pub(super) async fn find_holder(&self) -> Result<Option<model::Instance>> {
        find_by_name(self.client, &self.request.zone, self.spec.name.as_str()).await
    }

    /// An instance that was there before this call, or that another process made.
    pub(super) async fn accept_holder(&self, holder: model::Instance) -> Result<CreateOutcome> {
        if is_managed(&holder) {
            return self.to_outcome(holder).await;
        }
        Err(self.name_taken_error("that name"))
    }

    /// The refusal where a name is taken by what is not ours.
    pub(super) fn name_taken_error(&self, name: &str) -> Error {
        let message = format!(
            "{}: an instance of {name} exists that cloudctl did not make",
            self.attempted
        );
        Error::new(ErrorKind::AlreadyExists, message)
            .with_code("alreadyExists")
            .at(error_location(&self.request.zone))
            .with_hint("choose another name")
    }

    pub(super) async fn to_outcome(&self, api: model::Instance) -> Result<CreateOutcome> {
        let id = api.id;
        // It is there: that it cannot be described is no reason to lose its id.
        let read = to_instance_with_state(self.client, api).await;
        let read = read.map_err(|error| self.unknown_outcome(self.instance_with_id(id), error))?;
        if read.state.is_gone() {
            return Ok(CreateOutcome::TokenAlreadyUsed);
        }
        Ok(CreateOutcome::Instance(Box::new(self.with_type(read))))
    }

    /// Fills in what its machine type says, if that is the one that was asked about.
    pub(super) fn with_type(&self, read: Instance) -> Instance {
        let same_type = read.machine_type.as_deref() == Some(self.request.preview.machine_type.as_str());
        if same_type {
            with_machine_type(read, &self.request.machine_type)
        } else {
            read
        }
    }

    /// What had the name went away between two calls, so that it is free; or it is the boot disk's that is taken.
    pub(super) async fn wait_for_hidden_holder(&self, times: &mut u32, failure: ChangeFailure) -> Result<()> {
        if *times > MAX_HIDDEN_HOLDERS {
            let error = call_error(failure.error, &self.attempted, &self.request.zone);
            return Err(self.leftover_disk_hint(error));
        }
        *times += 1;
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// An instance on its way out has the name still.
    pub(super) async fn wait_for_free_name(&self) -> Result<()> {
        if self.start.elapsed() > NAME_DEADLINE {
            let message = format!(
                "{}: the instance that had this name is still being deleted",
                self.attempted
            );
            return Err(Error::new(ErrorKind::Refused, message)
                .at(error_location(&self.request.zone))
                .with_hint("run the same command again in a minute"));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

impl CreateTarget for CreateCall<'_> {
    type Made = CreateOutcome;

    async fn existing(&self) -> Result<Vec<model::Instance>> {
        self.find_holder().await.map(|holder| holder.into_iter().collect())
    }

    async fn accept(&self, holders: Vec<model::Instance>) -> Result<CreateOutcome> {
        match holders.into_iter().next() {
            Some(holder) => CreateCall::accept_holder(self, holder).await,
            None => Ok(CreateOutcome::TokenAlreadyUsed),
        }
    }

    fn token_used(&self) -> CreateOutcome {
        CreateOutcome::TokenAlreadyUsed
    }
}

//! The create call: sent under a request id until its outcome is certain, then followed to the end of its operation,
//! then read back.
//!
//! An HTTP 200 is no success yet, and a success may be an old one: the cloud remembers a request id's operation, also
//! a failed one, and also after its instance is gone.

use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, Operation};
use google_cloud_gax::error::Error as SdkError;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::client::Client;
use super::error::{location, of_call, of_operation};
use super::get::{by_name, described, is_going};
use super::instance::{instance, is_managed, with_machine_type};
use super::operation::{self, is_done, is_older};
use super::places::last_segment;
use super::replay::{Failure, prepared};
use super::request::{Request, prepare};
use crate::cloud::{Created, Error, ErrorKind, InstanceSpec, Result};

/// How long the operation is waited for. An instance is there within seconds, or refused within a minute or two.
const OPERATION_DEADLINE: Duration = Duration::from_secs(180);
/// How long a name is waited for that an instance on its way out still holds.
const NAME_DEADLINE: Duration = Duration::from_secs(180);
/// How often a name may be taken by nothing that is to be seen.
const MOST_UNSEEN: u32 = 4;
/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// One create call on its way.
pub(super) struct Creation<'a> {
    pub(super) client: &'a Client,
    instances: &'a Instances,
    pub(super) spec: &'a InstanceSpec,
    pub(super) request: Request,
    pub(super) attempted: String,
    start: Instant,
}

/// Makes the instance of that generation; see [`Provider::create`](crate::cloud::Provider::create).
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<Created> {
    let request = prepare(client, spec, generation).await?;
    let creation = Creation {
        client,
        instances: client.instances().await?,
        spec,
        request,
        attempted: format!("cannot create {}", spec.name),
        start: Instant::now(),
    };
    let mut unseen = 0;
    loop {
        let failure = match creation.insert().await {
            Ok(operation) => return creation.settle(operation).await,
            Err(failure) => failure,
        };
        if failure.error.http_status_code() != Some(409) {
            return creation.failed_call(failure).await;
        }
        let Some(holder) = creation.holder().await? else {
            // It went away between the two calls, so that the name is free; or it is the boot disk's that is taken.
            if unseen > MOST_UNSEEN {
                let error = of_call(failure.error, &creation.attempted, &creation.request.zone);
                return Err(creation.disk_in_the_way(error));
            }
            unseen += 1;
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !is_going(client, &creation.request.zone, &holder).await {
            return creation.adopt(holder).await;
        }
        creation.pause_for_the_name().await?;
    }
}

impl Creation<'_> {
    async fn insert(&self) -> Result<Operation, Failure> {
        let (request, instances) = (&self.request, self.instances);
        let attempted = format!("create {}", self.spec.name);
        self.client
            .change(&attempted, &request.zone, || {
                let call = instances.insert().set_project(&request.project).set_zone(&request.zone);
                let call = prepared(call.set_request_id(&request.request_id).set_body(request.body.clone()));
                async move {
                    let operation = call.send().await?;
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

    /// What holds the name.
    pub(super) async fn holder(&self) -> Result<Option<model::Instance>> {
        by_name(self.client, &self.request.zone, self.spec.name.as_str()).await
    }

    /// An instance that was there before this call, or that another process made.
    pub(super) async fn adopt(&self, holder: model::Instance) -> Result<Created> {
        if is_managed(&holder) {
            return self.made(holder).await;
        }
        let message = format!(
            "{}: an instance of that name exists that cloudctl did not make",
            self.attempted
        );
        Err(Error::new(ErrorKind::AlreadyExists, message)
            .with_code("alreadyExists")
            .at(location(&self.request.zone))
            .with_remedy("choose another name"))
    }

    pub(super) async fn made(&self, api: model::Instance) -> Result<Created> {
        let read = described(self.client, api).await?;
        if read.state.is_gone() {
            return Ok(Created::TokenSpent);
        }
        let same_type = read.machine_type.as_deref() == Some(self.request.plan.machine_type.as_str());
        Ok(Created::Instance(Box::new(if same_type {
            with_machine_type(read, &self.request.machine_type)
        } else {
            read
        })))
    }

    async fn pause_for_the_name(&self) -> Result<()> {
        if self.start.elapsed() > NAME_DEADLINE {
            let message = format!(
                "{}: the instance that had this name is still being deleted",
                self.attempted
            );
            return Err(Error::new(ErrorKind::Refused, message)
                .at(location(&self.request.zone))
                .with_remedy("run the same command again in a minute"));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// The call was taken on: follows its operation and looks at what came of it.
    async fn settle(&self, operation: Operation) -> Result<Created> {
        let zone = &self.request.zone;
        if operation.zone.as_deref().is_some_and(|own| last_segment(own) != zone) {
            // The id was used before, in another zone of the region.
            return Ok(Created::TokenSpent);
        }
        let remembered = self.is_remembered(&operation).await;
        let target = operation.target_id;
        let operation = match operation::finished(self.client, zone, operation, OPERATION_DEADLINE).await {
            Ok(operation) => operation,
            Err(error) => return self.lost_operation(target, error).await,
        };
        if let Some(error) = of_operation(&operation, &self.attempted, zone) {
            return self.failed_operation(&operation, error, remembered).await;
        }
        match self.holder().await {
            Ok(Some(holder)) if same_instance(holder.id, target) => self.made(holder).await,
            Ok(Some(holder)) => self.adopt(holder).await,
            Ok(None) if remembered => self.gone_or_not_shown(&operation).await,
            Ok(None) => self.unseen(&operation).await,
            Err(error) if is_done(&operation) => {
                tracing::debug!(%error, "the new instance could not be read back");
                self.as_asked_for(&operation)
            }
            Err(error) => Err(self.unknown(target, error)),
        }
    }

    /// Whether the operation is that of an earlier call: only what was over when it was answered can be. This machine's
    /// clock may be wrong, so it is held against the cloud's.
    async fn is_remembered(&self, operation: &Operation) -> bool {
        let elapsed = self.start.elapsed();
        if !is_done(operation) || is_older(operation, None, elapsed) {
            return is_done(operation);
        }
        let now = self.client.time().await.ok();
        let lasted = SignedDuration::try_from(self.start.elapsed()).unwrap_or_default();
        let began = now.and_then(|now| now.checked_sub(lasted).ok());
        is_older(operation, began, elapsed)
    }

    /// The operation succeeded, and yet the instance is not to be seen: deleted meanwhile, or not shown yet.
    async fn unseen(&self, operation: &Operation) -> Result<Created> {
        let (zone, Some(id)) = (&self.request.zone, operation.target_id) else {
            let error = Error::new(
                ErrorKind::UnknownOutcome,
                format!("{}: it is not to be seen", self.attempted),
            );
            return Err(error.at(location(&self.request.zone)));
        };
        if operation::was_deleted(self.client, zone, id).await.unwrap_or(false) {
            return Ok(Created::TokenSpent);
        }
        if is_done(operation) {
            return self.as_asked_for(operation);
        }
        let error = Error::new(
            ErrorKind::Timeout,
            format!("{}: its operation does not end", self.attempted),
        );
        Err(self.unknown(Some(id), error))
    }

    /// An earlier call made the instance, and it is not to be seen: it is gone, or so new that it is not shown yet.
    async fn gone_or_not_shown(&self, operation: &Operation) -> Result<Created> {
        let zone = &self.request.zone;
        let was_deleted = match operation.target_id {
            Some(id) => operation::was_deleted(self.client, zone, id).await.unwrap_or(false),
            None => true,
        };
        while !was_deleted && operation::is_new(operation) && self.start.elapsed() < operation::NEW {
            tokio::time::sleep(PAUSE).await;
            if let Ok(Some(holder)) = self.holder().await {
                return self.adopt(holder).await;
            }
        }
        Ok(Created::TokenSpent)
    }

    /// The instance as it was asked for, with the id that the answer has.
    fn as_asked_for(&self, operation: &Operation) -> Result<Created> {
        let api = self
            .request
            .body
            .clone()
            .set_or_clear_id(operation.target_id)
            .set_zone(&self.request.zone)
            .set_status(Status::Provisioning)
            .set_or_clear_creation_timestamp(operation.insert_time.clone());
        let made = instance(api, &self.request.project, false)?;
        Ok(Created::Instance(Box::new(with_machine_type(
            made,
            &self.request.machine_type,
        ))))
    }
}

/// Whether an instance's id is the one that an operation says it made; an operation may not say.
pub(super) fn same_instance(id: Option<u64>, target: Option<u64>) -> bool {
    target.is_none() || id == target
}

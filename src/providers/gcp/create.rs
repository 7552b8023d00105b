//! The create call: sent under a request id until its outcome is certain, then followed to the end of its operation,
//! then read back.
//!
//! An HTTP 200 is no success yet, and a success may be an old one: the cloud remembers a request id's operation, also
//! a failed one, and also after its instance is gone.

use std::future::Future;
use std::time::Duration;

use google_cloud_compute_v1::client::Instances;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, Operation};
use google_cloud_gax::Result as SdkResult;
use google_cloud_gax::error::Error as SdkError;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::aftermath::Wanted;
use super::client::Client;
use super::error::{location, of_call};
use super::get::{by_name, described, is_going};
use super::instance::{instance, is_managed, with_machine_type};
use super::openings;
use super::operation::{self, is_done, is_older};
use super::operation_error::of_operation;
use super::places::last_segment;
use super::replay::{Failure, prepared};
use super::request::{Request, prepare};
use crate::cloud::{Created, Error, ErrorKind, Instance, InstanceSpec, Result};

/// How long the operation is waited for. An instance is there within seconds, or refused within a minute or two.
pub(super) const OPERATION_DEADLINE: Duration = Duration::from_secs(180);
/// How long a name is waited for that an instance on its way out still holds.
const NAME_DEADLINE: Duration = Duration::from_secs(180);
/// How often a name may be taken by nothing that is to be seen.
const MOST_UNSEEN: u32 = 4;
/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// One create call on its way.
pub(super) struct Creation<'a> {
    pub(super) client: &'a Client,
    pub(super) instances: &'a Instances,
    pub(super) spec: &'a InstanceSpec,
    pub(super) request: Request,
    pub(super) attempted: String,
    pub(super) start: Instant,
}

/// Makes the instance of that generation; see [`Provider::create`](crate::cloud::Provider::create).
pub(super) async fn create(client: &Client, spec: &InstanceSpec, generation: u32) -> Result<Created> {
    let creation = Creation::prepare(client, spec, generation).await?;
    openings::around(client, creation.request.openings.as_ref(), creation.make()).await
}

impl<'a> Creation<'a> {
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

impl Creation<'_> {
    async fn make(&self) -> Result<Created> {
        let mut unseen = 0;
        loop {
            let failure = match self.insert().await {
                Ok(operation) => return self.settle(operation).await,
                Err(failure) => failure,
            };
            if failure.error.http_status_code() != Some(409) {
                return self.failed_call(self, failure).await;
            }
            let Some(holder) = self.holder().await? else {
                self.pause_for_the_unseen(&mut unseen, failure).await?;
                continue;
            };
            if !is_going(self.client, &self.request.zone, &holder).await {
                return self.adopt(holder).await;
            }
            self.pause_for_the_name().await?;
        }
    }

    async fn insert(&self) -> Result<Operation, Failure> {
        let (request, instances) = (&self.request, self.instances);
        self.send(|| {
            let call = instances.insert().set_project(&request.project).set_zone(&request.zone);
            prepared(call.set_request_id(&request.request_id).set_body(request.body.clone())).send()
        })
        .await
    }

    /// Sends the create call until it is answered with an operation.
    pub(super) async fn send<F, S>(&self, send: S) -> Result<Operation, Failure>
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

    /// What holds the name.
    pub(super) async fn holder(&self) -> Result<Option<model::Instance>> {
        by_name(self.client, &self.request.zone, self.spec.name.as_str()).await
    }

    /// An instance that was there before this call, or that another process made.
    pub(super) async fn adopt(&self, holder: model::Instance) -> Result<Created> {
        if is_managed(&holder) {
            return self.made(holder).await;
        }
        Err(self.taken("that name"))
    }

    /// The refusal where a name is taken by what is not ours.
    pub(super) fn taken(&self, name: &str) -> Error {
        let message = format!(
            "{}: an instance of {name} exists that cloudctl did not make",
            self.attempted
        );
        Error::new(ErrorKind::AlreadyExists, message)
            .with_code("alreadyExists")
            .at(location(&self.request.zone))
            .with_remedy("choose another name")
    }

    pub(super) async fn made(&self, api: model::Instance) -> Result<Created> {
        let read = described(self.client, api).await?;
        if read.state.is_gone() {
            return Ok(Created::TokenSpent);
        }
        Ok(Created::Instance(Box::new(self.with_type(read))))
    }

    /// Fills in what its machine type says, if that is the one that was asked about.
    pub(super) fn with_type(&self, read: Instance) -> Instance {
        let same_type = read.machine_type.as_deref() == Some(self.request.plan.machine_type.as_str());
        if same_type {
            with_machine_type(read, &self.request.machine_type)
        } else {
            read
        }
    }

    /// What had the name went away between two calls, so that it is free; or it is the boot disk's that is taken.
    pub(super) async fn pause_for_the_unseen(&self, times: &mut u32, failure: Failure) -> Result<()> {
        if *times > MOST_UNSEEN {
            let error = of_call(failure.error, &self.attempted, &self.request.zone);
            return Err(self.disk_in_the_way(error));
        }
        *times += 1;
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// An instance on its way out has the name still.
    pub(super) async fn pause_for_the_name(&self) -> Result<()> {
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
        if self.is_elsewhere(&operation) {
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
            Err(error) => Err(self.unknown(self.left(target), error)),
        }
    }

    /// Whether the id was used before, in another zone of the region.
    pub(super) fn is_elsewhere(&self, operation: &Operation) -> bool {
        let zone = operation.zone.as_deref().map(last_segment);
        zone.is_some_and(|zone| zone != self.request.zone)
    }

    /// Whether the operation is that of an earlier call: only what was over when it was answered can be. This machine's
    /// clock may be wrong, so it is held against the cloud's.
    pub(super) async fn is_remembered(&self, operation: &Operation) -> bool {
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
        Err(self.unknown(self.left(Some(id)), error))
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
        let made = self.presumed(self.spec.name.as_str(), operation.target_id, operation)?;
        Ok(Created::Instance(Box::new(made)))
    }

    /// What was made, as it was asked for.
    pub(super) fn presumed(&self, name: &str, id: Option<u64>, operation: &Operation) -> Result<Instance> {
        let api = self
            .request
            .body
            .clone()
            .set_name(name)
            .set_or_clear_id(id)
            .set_zone(&self.request.zone)
            .set_status(Status::Provisioning)
            .set_or_clear_creation_timestamp(operation.insert_time.clone());
        let made = instance(api, &self.request.project, false)?;
        Ok(with_machine_type(made, &self.request.machine_type))
    }
}

impl Wanted for Creation<'_> {
    type Made = Created;

    async fn holders(&self) -> Result<Vec<model::Instance>> {
        self.holder().await.map(|holder| holder.into_iter().collect())
    }

    async fn adopt(&self, holders: Vec<model::Instance>) -> Result<Created> {
        match holders.into_iter().next() {
            Some(holder) => Creation::adopt(self, holder).await,
            None => Ok(Created::TokenSpent),
        }
    }

    fn spent(&self) -> Created {
        Created::TokenSpent
    }
}

/// Whether an instance's id is the one that an operation says it made; an operation may not say.
pub(super) fn same_instance(id: Option<u64>, target: Option<u64>) -> bool {
    target.is_none() || id == target
}

//! What is to be made of a create call that did not plainly succeed. Only Compute Engine: EC2's call is its own answer.

use std::time::Duration;

use google_cloud_compute_v1::model::Operation;
use tokio::time::Instant;

use super::create::{Creation, PAUSE, same_instance};
use super::disks;
use super::error::{Fate, fate, field_at_fault, of_call};
use super::instance::is_managed;
use super::replay::Failure;
use crate::cloud::{Created, Error, ErrorKind, InstanceRef, ProviderKind, Result};

/// How long what a failed operation left is given to vanish.
const CLEANUP_DEADLINE: Duration = Duration::from_secs(15);
/// How long an instance is looked for that must be there if its operation, which cannot be seen, went well.
const SIGHT_DEADLINE: Duration = Duration::from_secs(10);

impl Creation<'_> {
    /// The call was refused, or never answered so that one could be sure.
    pub(super) async fn failed_call(&self, failure: Failure) -> Result<Created> {
        let last = fate(&failure.error);
        let field = field_at_fault(&failure.error).map(str::to_owned);
        let error = of_call(failure.error, &self.attempted, &self.request.zone);
        // A refusal under the same request id says that no earlier attempt was taken on.
        // A refusal of the caller comes before the request is looked at, and says nothing.
        let of_caller = matches!(
            error.kind(),
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::Internal
        );
        let refused = last == Fate::Refused && !of_caller;
        if !failure.unanswered && !failure.faulty && error.kind() != ErrorKind::InvalidSpec {
            return Err(self.refined(error, field.as_deref()));
        }
        for look in 0..2 {
            match self.holder().await {
                // It is there, but no answer ever told what the call came to.
                Ok(Some(holder)) if last == Fate::Unanswered && is_managed(&holder) => {
                    return Err(self.unknown(holder.id, error));
                }
                Ok(Some(holder)) => return self.adopt(holder).await,
                // The id was used before, for another spec, and what it made is gone.
                Ok(None) if field.as_deref() == Some("requestId") => return Ok(Created::TokenSpent),
                Ok(None) if refused || !failure.unanswered => return Err(self.refined(error, field.as_deref())),
                // An attempt may still be on its way.
                Ok(None) if look == 0 => tokio::time::sleep(PAUSE).await,
                Err(_) if !failure.unanswered && !failure.faulty => return Err(self.refined(error, field.as_deref())),
                _ => break,
            }
        }
        Err(self.unknown(None, error))
    }

    /// The operation cannot be followed; the instance may be there all the same.
    pub(super) async fn lost_operation(&self, target: Option<u64>, error: Error) -> Result<Created> {
        let start = Instant::now();
        loop {
            match self.holder().await {
                Ok(Some(holder)) if same_instance(holder.id, target) => return self.made(holder).await,
                Ok(Some(holder)) => return self.adopt(holder).await,
                // It may not be shown yet.
                Ok(None) if start.elapsed() < SIGHT_DEADLINE => tokio::time::sleep(PAUSE).await,
                _ => return Err(self.unknown(target, error)),
            }
        }
    }

    /// The operation failed. What it made vanishes by itself; `remembered` is the failure of an earlier call, which
    /// says nothing of now, and which this request id will get for as long as the cloud remembers it.
    pub(super) async fn failed_operation(
        &self,
        operation: &Operation,
        error: Error,
        remembered: bool,
    ) -> Result<Created> {
        let start = Instant::now();
        loop {
            match self.holder().await {
                Ok(Some(holder)) if !same_instance(holder.id, operation.target_id) => {
                    return self.adopt(holder).await;
                }
                Ok(Some(_)) if start.elapsed() < CLEANUP_DEADLINE => tokio::time::sleep(PAUSE).await,
                Ok(Some(_)) => return Err(self.unknown(operation.target_id, error)),
                Ok(None) if remembered => return Ok(Created::TokenSpent),
                Ok(None) | Err(_) => break,
            }
        }
        let error = self.refined(error, None);
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(error);
        }
        let since = operation.insert_time.as_deref().and_then(|time| time.parse().ok());
        let patience = CLEANUP_DEADLINE.saturating_sub(start.elapsed());
        Err(
            match disks::left_by(self.client, &self.request.zone, self.spec, since, patience).await {
                Some(disk) => error.with_leftover(format_args!("gcp/{}/{disk}", self.request.zone)),
                None => error,
            },
        )
    }

    pub(super) fn unknown(&self, target: Option<u64>, error: Error) -> Error {
        let error = error.as_kind(ErrorKind::UnknownOutcome);
        let error = error.with_remedy("run the same command again: it finds the instance, or makes it");
        match target {
            Some(id) => error.with_leftover(InstanceRef {
                provider: ProviderKind::Gcp,
                place: self.request.zone.clone(),
                id: id.to_string(),
                zone: None,
                native_name: Some(self.spec.name.as_str().to_owned()),
            }),
            None => error,
        }
    }

    /// What a refusal means for this very spec. By the time of the call the machine type and the image are known to be
    /// there: if nothing else was asked for, only the default network is left to be missing.
    pub(super) fn refined(&self, error: Error, field: Option<&str>) -> Error {
        if error.kind() == ErrorKind::AlreadyExists {
            // No instance has the name, so that it is its boot disk's.
            return self.disk_in_the_way(error);
        }
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) {
            return error;
        }
        let spec = self.spec;
        let nothing_else = spec.identity.is_none()
            && spec.disk_gib.is_none()
            && spec.disk_type.is_none()
            && spec.native.is_empty()
            && !spec.spot;
        let missing = error.kind() == ErrorKind::NotFound && nothing_else;
        let network_at_fault = field.map_or(missing, |field| field.starts_with("resource.networkInterfaces"));
        if spec.network.is_none() && spec.subnet.is_none() && network_at_fault {
            return error.as_kind(ErrorKind::Refused).with_remedy(
                "the project seems to have no default network: name one with --network or --subnet, or run \
                 `gcloud compute networks create default`",
            );
        }
        // Something that the spec names is not there, or not so.
        error.as_kind(ErrorKind::InvalidSpec)
    }

    pub(super) fn disk_in_the_way(&self, error: Error) -> Error {
        let (name, zone) = (self.spec.name.as_str(), &self.request.zone);
        error.with_remedy(format!(
            "a disk of that name seems to be left: delete it with `gcloud compute disks delete {name} --zone {zone}`, \
             or choose another name"
        ))
    }
}

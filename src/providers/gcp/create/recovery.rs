//! What is to be made of a create call that did not plainly succeed. Only Compute Engine: EC2's call is its own answer.

use std::time::Duration;

use google_cloud_compute_v1::model::{self, Operation};
use tokio::time::Instant;

use super::settle::same_instance;
use super::{Creation, PAUSE};
use crate::cloud::{Created, Error, ErrorKind, InstanceName, InstanceRef, ProviderKind, Result};
use crate::providers::gcp::api::error::{Fate, fate, field_at_fault, of_call};
use crate::providers::gcp::api::retry::Failure;
use crate::providers::gcp::instances::convert::is_managed;
use crate::providers::gcp::instances::disks;
use crate::providers::gcp::network;

/// How long what a failed operation left is given to vanish.
pub(crate) const CLEANUP_DEADLINE: Duration = Duration::from_secs(15);
/// How long an instance is looked for that must be there if its operation, which cannot be seen, went well.
pub(crate) const SIGHT_DEADLINE: Duration = Duration::from_secs(10);

/// What a create call is to make: one instance, or the members of a group.
pub(crate) trait Wanted {
    /// What is given of it.
    type Made;

    /// What holds the names now.
    async fn holders(&self) -> Result<Vec<model::Instance>>;

    /// Gives what holds the names, if it is ours.
    async fn adopt(&self, holders: Vec<model::Instance>) -> Result<Self::Made>;

    /// That this generation was used up.
    fn spent(&self) -> Self::Made;
}

impl Creation<'_> {
    /// The call was refused, or never answered so that one could be sure.
    pub(crate) async fn failed_call<W: Wanted>(&self, wanted: &W, failure: Failure) -> Result<W::Made> {
        let last = fate(&failure.error);
        let field = field_at_fault(&failure.error).map(str::to_owned);
        let is_uncertain = failure.is_uncertain();
        // What fails on this machine, or at its proxy, never gets to Compute Engine.
        let is_answer = failure.error.http_status_code().is_some_and(|status| status != 407);
        let error = of_call(failure.error, &self.attempted, &self.request.zone);
        // A refusal under the same request id says that no earlier attempt was taken on.
        // One of the caller, or of something in between, comes before the request is looked at, and says nothing.
        let says_nothing = matches!(
            error.kind(),
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::Internal | ErrorKind::Network
        );
        let refused = last == Fate::Refused && is_answer && !says_nothing;
        if !is_uncertain && error.kind() != ErrorKind::InvalidSpec {
            return Err(self.refined(error, field.as_deref()).await);
        }
        for look in 0..2 {
            match wanted.holders().await {
                // It is there, but no answer ever told what the call came to.
                Ok(holders) if last == Fate::Unanswered && holders.iter().any(is_managed) => {
                    return Err(self.unknown(self.references(&holders), error));
                }
                Ok(holders) if !holders.is_empty() => return wanted.adopt(holders).await,
                // The id was used before, for another spec, and what it made is gone.
                Ok(_) if field.as_deref() == Some("requestId") => return Ok(wanted.spent()),
                // If the id was forgotten meanwhile, an attempt may be on its way in spite of the refusal.
                Ok(_) if refused && failure.unanswered && look == 0 => tokio::time::sleep(PAUSE).await,
                Ok(_) if refused || !failure.unanswered => return Err(self.refined(error, field.as_deref()).await),
                // An attempt may still be on its way.
                Ok(_) if look == 0 => tokio::time::sleep(PAUSE).await,
                Err(_) if !is_uncertain => {
                    return Err(self.refined(error, field.as_deref()).await);
                }
                _ => break,
            }
        }
        Err(self.unknown(Vec::new(), error))
    }

    /// The operation cannot be followed; the instance may be there all the same.
    pub(crate) async fn lost_operation(&self, target: Option<u64>, error: Error) -> Result<Created> {
        let start = Instant::now();
        loop {
            match self.holder().await {
                Ok(Some(holder)) if same_instance(holder.id, target) => return self.made(holder).await,
                Ok(Some(holder)) => return self.adopt(holder).await,
                // It may not be shown yet.
                Ok(None) if start.elapsed() < SIGHT_DEADLINE => tokio::time::sleep(PAUSE).await,
                _ => return Err(self.unknown(self.left(target), error)),
            }
        }
    }

    /// The operation failed. What it made vanishes by itself; `remembered` is the failure of an earlier call, which
    /// says nothing of now, and which this request id will get for as long as the cloud remembers it.
    pub(crate) async fn failed_operation(
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
                Ok(Some(_)) => {
                    return Err(self.unknown(self.left(operation.target_id), error));
                }
                Ok(None) if remembered => return Ok(Created::TokenSpent),
                Ok(None) | Err(_) => break,
            }
        }
        let error = self.refined(error, None).await;
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(error);
        }
        let names = [self.spec.name.clone()];
        Err(self.with_disks_left(error, &names, operation, start).await)
    }

    /// The error of a failed operation, with the disks of these names that it left although it was given time.
    pub(crate) async fn with_disks_left(
        &self,
        error: Error,
        names: &[InstanceName],
        operation: &Operation,
        start: Instant,
    ) -> Error {
        let since = operation.insert_time.as_deref().and_then(|time| time.parse().ok());
        let patience = CLEANUP_DEADLINE.saturating_sub(start.elapsed());
        let disks = disks::left_by(self.client, &self.request.zone, names, since, patience).await;
        error.with_leftovers(disks.iter().map(|disk| format!("gcp/{}/{disk}", self.request.zone)))
    }

    /// The error of a call of which it is not known whether it made something; `left` is there, or may be.
    pub(crate) fn unknown(&self, left: Vec<InstanceRef>, error: Error) -> Error {
        let error = error.as_kind(ErrorKind::UnknownOutcome);
        error
            .with_remedy("run the same command again: it finds what is there, and makes the rest")
            .with_leftovers(left)
    }

    /// The one instance of that id.
    pub(crate) fn left(&self, id: Option<u64>) -> Vec<InstanceRef> {
        id.map(|id| self.reference(self.spec.name.as_str(), id))
            .into_iter()
            .collect()
    }

    pub(crate) fn references(&self, holders: &[model::Instance]) -> Vec<InstanceRef> {
        let named = holders
            .iter()
            .filter_map(|holder| Some((holder.name.as_deref()?, holder.id?)));
        named.map(|(name, id)| self.reference(name, id)).collect()
    }

    fn reference(&self, name: &str, id: u64) -> InstanceRef {
        InstanceRef {
            provider: ProviderKind::Gcp,
            place: self.request.zone.clone(),
            id: id.to_string(),
            zone: None,
            native_name: Some(name.to_owned()),
        }
    }

    /// What a refusal means for this very spec. By the time of the call the machine type and the image are known to be
    /// there.
    pub(crate) async fn refined(&self, error: Error, field: Option<&str>) -> Error {
        if error.kind() == ErrorKind::AlreadyExists {
            // No instance has the name, so that it is its boot disk's.
            return self.disk_in_the_way(error);
        }
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) {
            return error;
        }
        let spec = self.spec;
        let field = field.map(|field| {
            let field = field.strip_prefix("resource.").unwrap_or(field);
            field.strip_prefix("instanceProperties.").unwrap_or(field)
        });
        let missing = error.kind() == ErrorKind::NotFound && field.is_none();
        let at_fault = |part: &str| field.is_some_and(|field| field.starts_with(part));
        let accelerators = &self.request.body.guest_accelerators;
        if spec.network.is_none() && spec.subnet.is_none() {
            // If nothing else was asked for, nothing else is left to be missing.
            let nothing_else = spec.identity.is_none()
                && spec.disk_gib.is_none()
                && spec.disk_type.is_none()
                && spec.native.is_empty()
                && accelerators.is_empty()
                && !spec.spot;
            let is_network = at_fault("networkInterfaces")
                || missing && network::lacks_default(self.client).await.unwrap_or(nothing_else);
            if is_network {
                return network::without_default(error);
            }
        }
        if !accelerators.is_empty() && (at_fault("guestAccelerators") || missing) {
            // That there are such, and that the machine takes them, is known.
            return error.as_kind(ErrorKind::Capacity).with_remedy(
                "the zone has no such GPU: let it look further with --fallback zone, or name another --zone",
            );
        }
        // Something that the spec names is not there, or not so.
        error.as_kind(ErrorKind::InvalidSpec)
    }

    pub(crate) fn disk_in_the_way(&self, error: Error) -> Error {
        let zone = &self.request.zone;
        let name = match &self.spec.members {
            Some(_) => "NAME",
            None => self.spec.name.as_str(),
        };
        error.with_remedy(format!(
            "a disk of that name seems to be left: delete it with `gcloud compute disks delete {name} --zone {zone}`, \
             or choose another name"
        ))
    }
}

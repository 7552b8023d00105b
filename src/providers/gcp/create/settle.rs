//! What came of a create call that was taken on. Only Compute Engine: EC2's call is its own answer.

use google_cloud_compute_v1::model::Operation;
use google_cloud_compute_v1::model::instance::Status;
use jiff::SignedDuration;

use super::{Creation, OPERATION_DEADLINE, PAUSE};
use crate::cloud::{Created, Error, ErrorKind, Instance, Result};
use crate::providers::gcp::api::error::location;
use crate::providers::gcp::api::operation_error::of_operation;
use crate::providers::gcp::api::operations;
use crate::providers::gcp::api::operations::{is_done, is_older};
use crate::providers::gcp::instances::convert::{instance, with_machine_type};
use crate::providers::gcp::regions::last_segment;

impl Creation<'_> {
    /// The call was taken on: follows its operation and looks at what came of it.
    pub(crate) async fn settle(&self, operation: Operation) -> Result<Created> {
        let zone = &self.request.zone;
        if self.is_elsewhere(&operation) {
            return Ok(Created::TokenSpent);
        }
        let remembered = self.is_remembered(&operation).await;
        let target = operation.target_id;
        let operation = match operations::finished(self.client, zone, operation, OPERATION_DEADLINE).await {
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

    /// Whether the operation is that of another call, under whose id this one was answered: it is in another zone, or
    /// about another instance.
    pub(crate) fn is_elsewhere(&self, operation: &Operation) -> bool {
        let name = self.spec.members.is_none().then(|| self.spec.name.as_str());
        is_of_another_call(operation, &self.request.zone, name)
    }

    /// Whether the operation is that of an earlier call: only one that was done when it was answered can be. This
    /// machine's clock may be wrong, so its times are compared with the cloud's.
    pub(crate) async fn is_remembered(&self, operation: &Operation) -> bool {
        let elapsed = self.start.elapsed();
        if !is_done(operation) {
            return false;
        }
        if is_older(operation, None, elapsed) {
            return true;
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
        if operations::was_deleted(self.client, zone, id).await.unwrap_or(false) {
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
            Some(id) => operations::was_deleted(self.client, zone, id).await.unwrap_or(false),
            None => true,
        };
        let is_new = !was_deleted && operations::is_new(self.client, operation).await;
        while is_new && self.start.elapsed() < operations::NEW {
            tokio::time::sleep(PAUSE).await;
            if let Ok(Some(holder)) = self.holder().await {
                return self.adopt(holder).await;
            }
        }
        Ok(Created::TokenSpent)
    }

    /// The instance as it was asked for, with the id that the answer has.
    fn as_asked_for(&self, operation: &Operation) -> Result<Created> {
        let made = self.presumed(self.spec.name.as_str(), operation.target_id, operation);
        let made = made.map_err(|error| self.unknown(self.left(operation.target_id), error))?;
        Ok(Created::Instance(Box::new(made)))
    }

    /// What was made, as it was asked for.
    pub(crate) fn presumed(&self, name: &str, id: Option<u64>, operation: &Operation) -> Result<Instance> {
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

/// Whether an operation is about another zone, or, where a name is given, another instance.
fn is_of_another_call(operation: &Operation, zone: &str, name: Option<&str>) -> bool {
    let target = operation.target_link.as_deref().unwrap_or_default();
    let target_zone = target
        .split_once("/zones/")
        .map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let own_zone = operation.zone.as_deref().map(last_segment);
    let target_name = target.contains("/instances/").then(|| last_segment(target));
    let is_elsewhere = own_zone.into_iter().chain(target_zone).any(|other| other != zone);
    is_elsewhere || name.zip(target_name).is_some_and(|(name, other)| name != other)
}

/// Whether an instance's id is the one that an operation says it made; an operation may not say.
pub(crate) fn same_instance(id: Option<u64>, target: Option<u64>) -> bool {
    target.is_none() || id == target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_of_another_call_is_told_by_its_zone_and_target() {
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
        // Neither an operation that does not say, nor that of a group, whose target is the zone, is another's.
        assert!(!is_another(Operation::new(), Some("web")));
        assert!(!is_another(operation("us-central1-a", "us-central1-a"), Some("web")));
    }
}

//! What is to be made of a call for members that did not plainly succeed, or whose members are not to be seen. Only
//! Compute Engine.

use std::collections::BTreeMap;

use google_cloud_compute_v1::model::Operation;
use jiff::Timestamp;
use tokio::time::Instant;

use super::PAUSE;
use super::bulk_insert::Group;
use super::recovery::{CLEANUP_DEADLINE, SIGHT_DEADLINE, Wanted};
use crate::cloud::{Error, ErrorKind, Instance, InstanceName, InstanceState, Result};
use crate::providers::gcp::api::operations;

impl Group<'_> {
    /// Those of the missing that were made and not deleted since, as they were asked for: what the call did has an
    /// operation for each. Nothing if that cannot be told.
    pub(crate) async fn unshown(&self, operation: &Operation, missing: &[&InstanceName]) -> Option<Vec<Instance>> {
        let (client, zone) = (self.creation.client, &self.creation.request.zone);
        let group = operation.operation_group_id.as_deref()?;
        let ids: BTreeMap<String, u64> = operations::made_in_group(client, zone, group).await.ok()?;
        let since: Option<Timestamp> = operation.insert_time.as_deref().and_then(|time| time.parse().ok());
        let deleted = operations::deleted_since(client, zone, since).await.ok()?;
        let mut unshown = Vec::new();
        for name in missing {
            let id = *ids.get(name.as_str())?;
            if !deleted.contains(&id) {
                unshown.push(self.creation.presumed(name.as_str(), Some(id), operation).ok()?);
            }
        }
        Some(unshown)
    }

    /// The operation cannot be followed; what it makes may be there all the same.
    pub(crate) async fn lost_operation(&self, error: Error) -> Result<Vec<Instance>> {
        let start = Instant::now();
        loop {
            let holders = self.holders().await.unwrap_or_default();
            let all_there = holders.len() == self.names.len();
            if all_there {
                return self.adopt(holders).await;
            }
            if start.elapsed() > SIGHT_DEADLINE {
                return Err(self.creation.unknown(self.creation.references(&holders), error));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The operation failed. What it made is deleted by itself, and given time for it; `remembered` is the failure of an
    /// earlier call, which says nothing of now.
    pub(crate) async fn failed_operation(
        &self,
        operation: &Operation,
        error: Error,
        remembered: bool,
    ) -> Result<Vec<Instance>> {
        let (creation, start) = (&self.creation, Instant::now());
        // Some names were taken before, so that others may be there for good.
        let taken = error.kind() == ErrorKind::AlreadyExists || remembered;
        let holders = loop {
            let holders = match self.holders().await {
                Ok(holders) => holders,
                Err(_) => return Err(creation.unknown(Vec::new(), error)),
            };
            let may_go = match taken {
                true => self.living(holders.clone()).await?.iter().any(is_unsettled),
                false => !holders.is_empty(),
            };
            if !may_go || start.elapsed() > CLEANUP_DEADLINE {
                break holders;
            }
            tokio::time::sleep(PAUSE).await;
        };
        if !taken && !holders.is_empty() {
            return Err(creation.unknown(creation.references(&holders), error));
        }
        let living = self.adopt(holders).await?;
        if !living.is_empty() || remembered {
            return Ok(living);
        }
        let error = creation.refined(error, None).await;
        if error.kind() == ErrorKind::AlreadyExists {
            return Err(error);
        }
        Err(creation.with_disks_left(error, &self.names, operation, start).await)
    }
}

fn is_unsettled(instance: &Instance) -> bool {
    matches!(instance.state, InstanceState::Pending | InstanceState::Stopping)
}

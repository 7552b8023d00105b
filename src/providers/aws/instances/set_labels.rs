//! Sets and removes tags of instances. A call changes single tags of many instances, so tags that somebody else changes at
//! the same time stay. Compute Engine differs: its calls replace all labels of one instance.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html>

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Tag;

use super::actions::concerns_single_ids;
use super::from_api::instance_ref;
use super::list::{list_matching, not_found_error};
use crate::cloud::{BatchTracker, Error, ErrorKind, Instance, InstanceRef, LabelChanges, Result, TargetOutcome};
use crate::providers::aws::api::client::{Clients, one_attempt_config};
use crate::providers::aws::api::error::{Call, OperationError, translate};
use crate::providers::aws::api::filters::{MAX_FILTER_VALUES, build_filter};
use crate::providers::aws::api::retry::{ChangeFailure, retry_change};
use crate::providers::aws::tags::{find_tag_changes, to_ec2_tags};
use crate::providers::common::batch_calls::{outcomes_in_order, run_concurrently};

/// EC2 takes 1,000 ids. If the outcome is unknown, one listing reads all instances of a batch.
const BATCH_SIZE: usize = MAX_FILTER_VALUES;
const CONCURRENT_BATCHES: usize = 4;

/// Instances of a region with the same changes.
struct RegionTargets<'a> {
    region: &'a str,
    changes: LabelChanges,
    /// Each with its position among all targets.
    targets: Vec<(usize, &'a InstanceRef)>,
}

/// Sets and removes labels of all targets; see [`Instances::set_labels`](crate::cloud::Instances::set_labels).
pub(crate) async fn set_labels(
    clients: &Clients,
    targets: &[Instance],
    changes: &LabelChanges,
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let groups = group_by_changes(targets, changes).into_iter().map(|group| async move {
        let client = clients.ec2(group.region).await;
        let unique_ids: BTreeSet<&str> = group.targets.iter().map(|(_, target)| target.id.as_str()).collect();
        let ids: Vec<String> = unique_ids.into_iter().map(str::to_owned).collect();
        let caller = TagCaller {
            client: &client,
            region: group.region,
            changes: &group.changes,
            tracker,
        };
        let results = caller.change_all(&ids).await;
        let to_result =
            |(position, target): &(usize, &InstanceRef)| Some((*position, results.get(&target.id)?.clone()));
        group.targets.iter().filter_map(to_result).collect::<Vec<_>>()
    });
    let results = run_concurrently(CONCURRENT_BATCHES, groups).await;
    let references: Vec<_> = targets.iter().map(|target| target.reference.clone()).collect();
    outcomes_in_order(&references, results.into_iter().flatten())
}

fn group_by_changes<'a>(targets: &'a [Instance], changes: &LabelChanges) -> Vec<RegionTargets<'a>> {
    let mut groups: BTreeMap<(&str, LabelChanges), Vec<(usize, &InstanceRef)>> = BTreeMap::new();
    for (position, target) in targets.iter().enumerate() {
        let reference = &target.reference;
        let key = (reference.scope.as_str(), find_tag_changes(target, changes));
        groups.entry(key).or_default().push((position, reference));
    }
    let groups = groups.into_iter();
    groups
        .map(|((region, changes), targets)| RegionTargets {
            region,
            changes,
            targets,
        })
        .collect()
}

/// Sends the calls that make the same changes to instances of a region.
struct TagCaller<'a> {
    client: &'a Client,
    region: &'a str,
    changes: &'a LabelChanges,
    tracker: &'a BatchTracker<'a>,
}

impl TagCaller<'_> {
    /// Changes the tags of these instances. One instance that refuses them fails the call for all. So a failed batch is
    /// sent again in two halves, until only the instances are left that fail by themselves.
    async fn change_all(&self, ids: &[String]) -> HashMap<String, Result<()>> {
        let mut results = HashMap::with_capacity(ids.len());
        let mut batches: Vec<TagBatch> = ids.chunks(BATCH_SIZE).map(TagBatch::new).collect();
        while !batches.is_empty() {
            let calls = batches.into_iter().map(|mut batch| async move {
                let result = self.change_batch(&mut batch).await;
                (batch, result)
            });
            batches = Vec::new();
            for (batch, result) in run_concurrently(CONCURRENT_BATCHES, calls).await {
                match result {
                    Err(error) if should_be_split(&batch.ids, &error) => batches.extend(batch.into_halves()),
                    Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                        results.extend(self.read_results(&batch.ids, &error).await);
                    }
                    result => {
                        for id in batch.ids {
                            let target = instance_ref(self.region, &id);
                            let own_result = match &result {
                                Err(error) if error.kind() == ErrorKind::NotFound => {
                                    Err(not_found_error(&target, error))
                                }
                                result => result.clone(),
                            };
                            results.insert(id, self.tracker.record(&target, own_result));
                        }
                    }
                }
            }
        }
        results
    }

    /// Changes the tags of instances in two calls. It removes first, because the tags that are set may need the room.
    async fn change_batch(&self, batch: &mut TagBatch) -> Result<()> {
        if !self.changes.to_remove.is_empty() && !batch.has_removed_tags {
            self.remove_tags(&batch.ids).await?;
            batch.has_removed_tags = true;
        }
        if self.changes.to_set.is_empty() {
            return Ok(());
        }
        match self.set_tags(&batch.ids).await {
            Err(error) if batch.has_removed_tags && !should_be_split(&batch.ids, &error) => {
                Err(self.half_done_error(error))
            }
            result => result,
        }
    }

    async fn remove_tags(&self, ids: &[String]) -> Result<()> {
        self.tracker.start(self.region, ids.iter().map(String::as_str))?;
        // A tag without a value is removed whatever its value is.
        let keys = self.changes.to_remove.iter();
        let tags = keys.map(|key| Tag::builder().key(key).build()).collect();
        let request = self
            .client
            .delete_tags()
            .set_resources(Some(ids.to_vec()))
            .set_tags(Some(tags));
        let sent = retry_change("DeleteTags", self.region, || {
            request.clone().customize().config_override(one_attempt_config()).send()
        });
        sent.await
            .map(drop)
            .map_err(|failure| self.translate_failure(&failure, ids))
    }

    async fn set_tags(&self, ids: &[String]) -> Result<()> {
        self.tracker.start(self.region, ids.iter().map(String::as_str))?;
        let tags = to_ec2_tags(&self.changes.to_set);
        let request = self
            .client
            .create_tags()
            .set_resources(Some(ids.to_vec()))
            .set_tags(Some(tags));
        let sent = retry_change("CreateTags", self.region, || {
            request.clone().customize().config_override(one_attempt_config()).send()
        });
        sent.await
            .map(drop)
            .map_err(|failure| self.translate_failure(&failure, ids))
    }

    fn translate_failure<E: OperationError>(&self, failure: &ChangeFailure<E>, ids: &[String]) -> Error {
        let failure_prefix = match ids {
            [id] => format!("cannot label {}", instance_ref(self.region, id)),
            ids => format!("cannot label {} VMs in {}", ids.len(), self.region),
        };
        let mut error = translate(&failure.error, Call::Change, failure_prefix, self.region);
        if let [id] = ids {
            error = error.naming(instance_ref(self.region, id));
        }
        match failure.may_have_taken_effect {
            true => error.with_kind(ErrorKind::UnknownOutcome),
            false => error,
        }
    }

    /// Reads what became of a call whose outcome is unknown.
    async fn read_results(&self, ids: &[String], error: &Error) -> Vec<(String, Result<()>)> {
        let by_id = vec![build_filter("instance-id", ids)];
        let listed = list_matching(self.client, self.region, by_id).await.unwrap_or_default();
        let has_changes = |target: &InstanceRef| {
            let mut listed = listed.iter();
            listed.any(|instance| instance.reference == *target && self.changes.are_shown_by(instance))
        };
        let read_one = |id: &String| {
            let target = instance_ref(self.region, id);
            let result = match has_changes(&target) {
                true => Ok(()),
                // A listing can lag behind the call.
                false => Err(unknown_outcome_error(error.clone(), &target)),
            };
            (id.clone(), self.tracker.record(&target, result))
        };
        ids.iter().map(read_one).collect()
    }

    /// Makes the error for instances that lost the labels to remove and did not get those to set.
    fn half_done_error(&self, error: Error) -> Error {
        if matches!(error.kind(), ErrorKind::UnknownOutcome | ErrorKind::NotFound) {
            return error;
        }
        let removed: Vec<_> = self.changes.to_remove.iter().map(String::as_str).collect();
        let set: Vec<_> = self.changes.to_set.keys().map(String::as_str).collect();
        let done = format!("{} removed, {} not set", removed.join(", "), set.join(", "));
        error
            .context(done)
            .with_kind(ErrorKind::Incomplete)
            .with_hint("run the same command again when that is solved: it does the rest")
    }
}

/// Instances whose tags are changed in one call each to remove and to set.
struct TagBatch {
    ids: Vec<String>,
    /// Whether the call to remove has succeeded.
    has_removed_tags: bool,
}

impl TagBatch {
    fn new(ids: &[String]) -> Self {
        Self {
            ids: ids.to_vec(),
            has_removed_tags: false,
        }
    }

    fn into_halves(self) -> impl Iterator<Item = Self> {
        let half = self.ids.len().div_ceil(2);
        let halves: Vec<_> = self.ids.chunks(half).map(<[String]>::to_vec).collect();
        halves.into_iter().map(move |ids| Self { ids, ..self })
    }
}

/// Whether to send the ids of a call again in two halves, because some of them may have failed it for the others.
fn should_be_split(ids: &[String], error: &Error) -> bool {
    ids.len() > 1 && concerns_single_ids(error.kind())
}

fn unknown_outcome_error(error: Error, target: &InstanceRef) -> Error {
    error
        .with_hint("look at the VM with `cloudctl describe`, and run the same command again if need be")
        .with_leftover(target)
}

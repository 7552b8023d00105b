//! Sets and removes labels of instances, and loses no label that somebody else changes at the same time.
//!
//! A call replaces all labels of one instance, under the fingerprint of those that were read. If they have changed since,
//! the API refuses the call, and the labels are read again. EC2 differs: its calls change single tags.
//!
//! <https://cloud.google.com/compute/docs/labeling-resources#add_or_update_labels>

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use google_cloud_compute_v1::model::{self, InstancesSetLabelsRequest};

use super::instance_editor::{Edit, EditError, InstanceEditor};
use super::list::{MAX_FILTER_TERMS, get_by_ref, is_being_deleted, list_by_ids};
use crate::cloud::{BatchTracker, Error, ErrorKind, InstanceRef, LabelChanges, Labels, Result, TargetOutcome};
use crate::providers::common::batch_calls::{
    IndexedResults, IndexedTargets, group_by_location, outcomes_in_order, run_concurrently,
};
use crate::providers::gcp::api::client::{CONCURRENT_BATCHES, Client};

/// How many instances one list reads before their calls are sent.
const BATCH_SIZE: usize = MAX_FILTER_TERMS;
/// How many calls of a batch run at once.
const CONCURRENT_CALLS: usize = 10;
/// How often other processes may change the labels at the same time.
const MAX_CONFLICTS: u32 = 8;
/// The longest pause after a conflict.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Sets and removes labels of every target; see [`Instances::set_labels`](crate::cloud::Instances::set_labels).
pub(crate) async fn set_labels(
    client: &Client,
    targets: &[InstanceRef],
    changes: &LabelChanges,
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let in_zones = group_by_location(targets)
        .into_iter()
        .map(|(zone, targets)| set_labels_in_zone(client, zone, targets, changes, tracker));
    outcomes_in_order(targets, join_all(in_zones).await.into_iter().flatten())
}

async fn set_labels_in_zone(
    client: &Client,
    zone: &str,
    targets: IndexedTargets<'_>,
    changes: &LabelChanges,
    tracker: &BatchTracker<'_>,
) -> IndexedResults {
    let batches = targets
        .chunks(BATCH_SIZE)
        .map(|batch| set_labels_of_batch(client, zone, batch, changes, tracker));
    let results = run_concurrently(CONCURRENT_BATCHES, batches).await;
    results.into_iter().flatten().collect()
}

async fn set_labels_of_batch(
    client: &Client,
    zone: &str,
    batch: &[(usize, &InstanceRef)],
    changes: &LabelChanges,
    tracker: &BatchTracker<'_>,
) -> IndexedResults {
    let listed = &list_batch(client, zone, batch).await;
    let calls = batch.iter().map(|(position, target)| async move {
        let result = set_labels_of_one(client, target, listed.get(&target.id).cloned(), changes, tracker).await;
        (*position, tracker.record(target, result))
    });
    run_concurrently(CONCURRENT_CALLS, calls).await
}

/// Reads the instances of a batch in one call. Those that it does not give are read one by one.
async fn list_batch(client: &Client, zone: &str, batch: &[(usize, &InstanceRef)]) -> BTreeMap<String, model::Instance> {
    if batch.len() < 2 {
        return BTreeMap::new();
    }
    let ids: BTreeSet<&str> = batch.iter().map(|(_, target)| target.id.as_str()).collect();
    list_by_ids(client, zone, &ids).await.unwrap_or_default()
}

async fn set_labels_of_one(
    client: &Client,
    target: &InstanceRef,
    listed: Option<model::Instance>,
    changes: &LabelChanges,
    tracker: &BatchTracker<'_>,
) -> Result<()> {
    tracker.check_may_start()?;
    let editor = InstanceEditor::new(client, target, "label");
    let api = match listed {
        Some(api) => api,
        None => get_by_ref(client, target).await?,
    };
    if is_being_deleted(client, &target.scope, &api).await {
        return Err(editor.being_deleted_error());
    }
    change_labels(&editor, api, changes, tracker).await
}

/// Changes labels of an instance, which was read as `api` at first, until no other process interferes.
pub(super) async fn change_labels(
    editor: &InstanceEditor<'_>,
    mut api: model::Instance,
    changes: &LabelChanges,
    tracker: &BatchTracker<'_>,
) -> Result<()> {
    let (client, target) = (editor.client, editor.target);
    let mut last_conflict = None;
    for _ in 0..MAX_CONFLICTS {
        let mut labels = read_labels(&api);
        if changes.are_made_in(&labels) {
            return Ok(());
        }
        changes.apply_to(&mut labels);
        let body = InstancesSetLabelsRequest::new()
            .set_labels(labels)
            .set_or_clear_label_fingerprint(api.label_fingerprint.clone());
        tracker.start(&target.scope, [target.id.as_str()])?;
        match editor.send_edit(&api, &Edit::Labels(body)).await {
            Ok(()) => return Ok(()),
            Err(EditError::Stale(error)) => {
                last_conflict = Some(error);
                tokio::time::sleep(MAX_PAUSE.mul_f64(fastrand::f64())).await;
                api = get_by_ref(client, target).await?;
            }
            Err(EditError::Refused(error)) if error.kind() == ErrorKind::NotFound => {
                return Err(editor.not_found_error());
            }
            Err(EditError::Refused(error) | EditError::WrongInstance(error)) => return Err(error),
            Err(EditError::Unknown { error, in_progress }) => {
                return match get_by_ref(client, target).await {
                    Ok(api) if changes.are_made_in(&read_labels(&api)) => Ok(()),
                    Ok(_) if !in_progress => Err(error),
                    _ => Err(editor.unknown_outcome_error(error)),
                };
            }
        }
    }
    let error = last_conflict.unwrap_or_else(|| Error::new(ErrorKind::Refused, editor.failure_prefix.clone()));
    Err(error.with_hint("something else keeps changing its labels: run the same command again"))
}

fn read_labels(api: &model::Instance) -> Labels {
    api.labels.clone().into_iter().collect()
}

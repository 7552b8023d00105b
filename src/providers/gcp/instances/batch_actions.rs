//! Changes many instances: one call for each, because the API has no batch calls, but one list of many instances before
//! the calls and after them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use google_cloud_compute_v1::model;
use google_cloud_compute_v1::model::instance::Status;
use tokio::time::{Instant, sleep, timeout};

use super::actions::{
    FIRST_PAUSE, MAX_PAUSE, START_TIMEOUT, StartedChange, WATCH_TIMEOUT, await_change, change_one, final_result,
    operation_result, shows_change, start_change,
};
use super::list;
use super::list::MAX_FILTER_TERMS;
use crate::cloud::{BatchTracker, Error, ErrorKind, InstanceAction, InstanceRef, Result, TargetOutcome};
use crate::providers::common::batch_calls::{
    IndexedResults, IndexedTargets, group_by_location, outcomes_in_order, run_concurrently,
};
use crate::providers::gcp::api::client::{CONCURRENT_BATCHES, Client};
use crate::providers::gcp::api::zone_operations;

/// How many instances one list reads before their calls are sent.
const BATCH_SIZE: usize = MAX_FILTER_TERMS;
/// How many calls of a batch run at once.
const CONCURRENT_CALLS: usize = 10;
/// How long a read is valid. After that, a name may mean another instance.
const MAX_LOOKUP_AGE: Duration = Duration::from_secs(5);
/// How many reads run at once.
const CONCURRENT_READS: usize = 10;

/// Changes every target. Returns one outcome for each, in the same order.
pub(crate) async fn change_all(
    client: &Client,
    targets: &[InstanceRef],
    action: InstanceAction,
    tracker: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let in_zones = group_by_location(targets)
        .into_iter()
        .map(|(zone, targets)| change_in_zone(client, zone, targets, action, tracker));
    outcomes_in_order(targets, join_all(in_zones).await.into_iter().flatten())
}

async fn change_in_zone(
    client: &Client,
    zone: &str,
    targets: IndexedTargets<'_>,
    action: InstanceAction,
    tracker: &BatchTracker<'_>,
) -> IndexedResults {
    if let [(position, target)] = targets[..] {
        let result = change_one(client, target, action, tracker).await;
        return vec![(position, tracker.record(target, result))];
    }
    let batches = targets
        .chunks(BATCH_SIZE)
        .map(|batch| start_batch(client, zone, batch, action, tracker));
    let started_changes = run_concurrently(CONCURRENT_BATCHES, batches).await;
    let (mut results, mut started) = (Vec::new(), Vec::new());
    for (position, result) in started_changes.into_iter().flatten() {
        match result {
            Ok(Some(change)) => started.push((position, change)),
            Ok(None) => results.push((position, Ok(()))),
            Err(error) => results.push((position, Err(error))),
        }
    }
    results.extend(await_changes(client, zone, started, action, tracker).await);
    results
}

/// Reads some targets of a zone and sends their calls.
async fn start_batch<'a>(
    client: &Client,
    zone: &str,
    batch: &[(usize, &'a InstanceRef)],
    action: InstanceAction,
    tracker: &BatchTracker<'_>,
) -> IndexedResults<Option<StartedChange<'a>>> {
    // Held until the last call is sent. The semaphore is never closed.
    let _wave = client.batch_slots.acquire().await;
    let mut read_at = Instant::now();
    let read: Result<(BTreeMap<_, _>, BTreeSet<_>)> = async {
        tracker.check_may_start()?;
        client.rate_limiter.acquire().await;
        read_at = Instant::now();
        let existing = list_targets(client, zone, batch.iter().map(|(_, target)| *target)).await?;
        let mut ids_being_deleted = BTreeSet::new();
        // An instance that stops may be being deleted.
        if existing.values().any(|api| api.status == Some(Status::Stopping))
            && let Ok(ids) = zone_operations::list_ids_being_deleted(client, zone).await
        {
            ids_being_deleted = ids;
        }
        Ok((existing, ids_being_deleted))
    }
    .await;
    let (existing, ids_being_deleted) = match read {
        Ok(read) => read,
        // An unknown zone has no instances.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) => Default::default(),
        Err(error) => {
            return batch
                .iter()
                .map(|(position, target)| (*position, tracker.record(target, Err(error.clone())).map(|()| None)))
                .collect();
        }
    };
    let started_changes = batch.iter().map(|(position, target)| {
        let (existing, ids_being_deleted) = (&existing, &ids_being_deleted);
        async move {
            let is_recent = read_at.elapsed() < MAX_LOOKUP_AGE;
            let result = match existing.get(&target.id) {
                Some(api) if is_recent => {
                    let being_deleted =
                        api.status == Some(Status::Deprovisioning) || ids_being_deleted.contains(&target.id);
                    start_change(client, target, action, api.clone(), being_deleted, tracker).await
                }
                // The instance is gone, another one has its name, or could have taken it by now.
                _ => change_one(client, target, action, tracker).await.map(|()| None),
            };
            let result = match result {
                Ok(Some(started)) => Ok(Some(started)),
                finished => tracker.record(target, finished.map(drop)).map(|()| None),
            };
            (*position, result)
        }
    });
    run_concurrently(CONCURRENT_CALLS, started_changes).await
}

/// Lists the targets that exist, by id.
async fn list_targets<'a>(
    client: &Client,
    zone: &str,
    targets: impl Iterator<Item = &'a InstanceRef>,
) -> Result<BTreeMap<String, model::Instance>> {
    let ids: BTreeSet<&str> = targets.map(|target| target.id.as_str()).collect();
    list::list_by_ids(client, zone, &ids).await
}

/// A change that is watched until its operation is done or its instance shows it.
struct WatchedChange<'a> {
    position: usize,
    started: StartedChange<'a>,
    /// Why the last read of the operation failed.
    read_error: Option<Error>,
}

/// Waits for accepted changes. Each round lists the instances and the operations of the zone once.
async fn await_changes(
    client: &Client,
    zone: &str,
    started: Vec<(usize, StartedChange<'_>)>,
    action: InstanceAction,
    tracker: &BatchTracker<'_>,
) -> IndexedResults {
    if started.len() < 2 {
        let mut results = IndexedResults::new();
        for (position, change) in started {
            let target = change.target;
            let result = await_change(client, action, change).await;
            results.push((position, tracker.record(target, result)));
        }
        return results;
    }
    let watched = started.into_iter().map(|(position, started)| WatchedChange {
        position,
        started,
        read_error: None,
    });
    let (mut watched, mut results): (Vec<_>, _) = (watched.collect(), IndexedResults::new());
    let watch_time = match action {
        InstanceAction::Start => START_TIMEOUT,
        _ => WATCH_TIMEOUT,
    };
    // The first check has no time limit.
    check_changes(client, zone, &mut watched, &mut results, action, tracker).await;
    let rounds = async {
        let mut pause = FIRST_PAUSE;
        while !watched.is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
            check_changes(client, zone, &mut watched, &mut results, action, tracker).await;
        }
    };
    // The operations, as they were read last, decide about the rest.
    let _ = timeout(watch_time, rounds).await;
    let concluded = watched.into_iter().map(async |watch| {
        let target = watch.started.target;
        let last_read = match watch.read_error {
            Some(error) => Err(error),
            None => Ok(watch.started.operation),
        };
        let result = final_result(client, target, action, last_read, &watch.started.failure_prefix).await;
        (watch.position, tracker.record(target, result))
    });
    results.extend(run_concurrently(CONCURRENT_READS, concluded).await);
    results
}

/// Runs one round: checks the known operations, the instances, and the operations of the instances that show nothing.
async fn check_changes(
    client: &Client,
    zone: &str,
    watched: &mut Vec<WatchedChange<'_>>,
    results: &mut IndexedResults,
    action: InstanceAction,
    tracker: &BatchTracker<'_>,
) {
    let result_of_operation =
        |started: &StartedChange<'_>| operation_result(&started.operation, started.target, &started.failure_prefix);
    take_finished(watched, results, tracker, result_of_operation);
    // A restart leaves no trace to go by.
    if action != InstanceAction::Reboot
        && !watched.is_empty()
        && let Ok(existing) = list_targets(client, zone, watched.iter().map(|watch| watch.started.target)).await
    {
        take_finished(watched, results, tracker, |started| {
            let is_shown = match existing.get(&started.target.id) {
                Some(api) => shows_change(action, api),
                None => action == InstanceAction::Terminate,
            };
            if is_shown { Some(Ok(())) } else { None }
        });
    }
    if watched.is_empty() {
        return;
    }
    read_operations(client, zone, watched).await;
    take_finished(watched, results, tracker, result_of_operation);
}

/// Reads the operations that are done or not listed yet.
async fn read_operations(client: &Client, zone: &str, watched: &mut [WatchedChange<'_>]) {
    let running = zone_operations::list_running(client, zone).await.unwrap_or_default();
    let mut to_look_up: BTreeMap<String, &mut WatchedChange<'_>> = BTreeMap::new();
    for watch in watched {
        match watch.started.operation.name.clone() {
            Some(name) if running.contains(&name) => watch.read_error = None,
            Some(name) => {
                to_look_up.insert(name, watch);
            }
            None => {}
        }
    }
    let names: Vec<String> = to_look_up.keys().cloned().collect();
    let reads = names
        .chunks(MAX_FILTER_TERMS)
        .map(async |names| (names, zone_operations::find_by_names(client, zone, names).await));
    for (names, answer) in run_concurrently(CONCURRENT_READS, reads).await {
        let (mut operations, error_if_absent) = match answer {
            Ok(operations) => (
                operations,
                Error::new(ErrorKind::NotFound, "its operation is not listed"),
            ),
            Err(error) => (BTreeMap::new(), error),
        };
        for name in names {
            let Some(watch) = to_look_up.get_mut(name) else {
                continue;
            };
            match operations.remove(name) {
                Some(operation) => (watch.started.operation, watch.read_error) = (operation, None),
                None => watch.read_error = Some(error_if_absent.clone()),
            }
        }
    }
}

/// Moves the changes that have a result to the results.
fn take_finished<'a>(
    watched: &mut Vec<WatchedChange<'a>>,
    results: &mut IndexedResults,
    tracker: &BatchTracker<'_>,
    find_result: impl Fn(&StartedChange<'a>) -> Option<Result<()>>,
) {
    watched.retain(|watch| {
        let Some(result) = find_result(&watch.started) else {
            return true;
        };
        results.push((watch.position, tracker.record(watch.started.target, result)));
        false
    });
}

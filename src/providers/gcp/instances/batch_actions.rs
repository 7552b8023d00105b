//! Changes many instances: one call for each, because the API has no batch calls, but one list of many instances before
//! the calls and after them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use google_cloud_compute_v1::model;
use google_cloud_compute_v1::model::instance::Status;
use tokio::time::{Instant, sleep, timeout};

use super::actions::{
    FIRST_PAUSE, MAX_PAUSE, START_DEADLINE, StartedChange, WATCH_DEADLINE, await_change, change_one, final_result,
    instance_shows, operation_result, start_change,
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
    for (position, started_changes) in started_changes.into_iter().flatten() {
        match started_changes {
            Ok(Some(action)) => started.push((position, action)),
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
        let found = list_targets(client, zone, batch.iter().map(|(_, target)| *target)).await?;
        let is_stopping = |api: &model::Instance| api.status == Some(Status::Stopping);
        let being_deleted = match found.values().any(is_stopping) {
            // An instance that stops may be being deleted.
            true => zone_operations::list_ids_being_deleted(client, zone)
                .await
                .unwrap_or_default(),
            false => BTreeSet::new(),
        };
        Ok((found, being_deleted))
    }
    .await;
    let (found, being_deleted) = match read {
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
        let (found, being_deleted) = (&found, &being_deleted);
        async move {
            let started_changes = match found.get(&target.id).filter(|_| read_at.elapsed() < MAX_LOOKUP_AGE) {
                Some(api) => {
                    let being_deleted =
                        api.status == Some(Status::Deprovisioning) || being_deleted.contains(&target.id);
                    start_change(client, target, action, api.clone(), being_deleted, tracker).await
                }
                // The instance is gone, another one has its name, or could have taken it by now.
                None => change_one(client, target, action, tracker).await.map(|()| None),
            };
            let started_changes = match started_changes {
                Ok(Some(started)) => Ok(Some(started)),
                concluded => tracker.record(target, concluded.map(drop)).map(|()| None),
            };
            (*position, started_changes)
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
    unread: Option<Error>,
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
        let followed = started
            .into_iter()
            .map(async |(position, started): (usize, StartedChange<'_>)| {
                let target = started.target;
                (
                    position,
                    tracker.record(target, await_change(client, action, started).await),
                )
            });
        return join_all(followed).await;
    }
    let watched = started.into_iter().map(|(position, started)| WatchedChange {
        position,
        started,
        unread: None,
    });
    let (mut watched, mut results): (Vec<_>, _) = (watched.collect(), IndexedResults::new());
    let deadline = match action {
        InstanceAction::Start => START_DEADLINE,
        _ => WATCH_DEADLINE,
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
    let _ = timeout(deadline, rounds).await;
    let concluded = watched.into_iter().map(async |watch| {
        let StartedChange {
            target,
            operation,
            attempted,
        } = watch.started;
        let last = watch.unread.map_or(Ok(operation), Err);
        let result = final_result(client, target, action, last, &attempted).await;
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
    let is_finished =
        |started: &StartedChange<'_>| operation_result(&started.operation, started.target, &started.attempted);
    take_finished(watched, results, tracker, is_finished);
    // A restart leaves no trace to go by.
    if action != InstanceAction::Reboot
        && !watched.is_empty()
        && let Ok(found) = list_targets(client, zone, watched.iter().map(|watch| watch.started.target)).await
    {
        take_finished(watched, results, tracker, |started| {
            let shown = match found.get(&started.target.id) {
                Some(api) => instance_shows(action, api),
                None => action == InstanceAction::Terminate,
            };
            shown.then_some(Ok(()))
        });
    }
    if watched.is_empty() {
        return;
    }
    read_operations(client, zone, watched).await;
    take_finished(watched, results, tracker, is_finished);
}

/// Reads the operations that are done or not listed yet.
async fn read_operations(client: &Client, zone: &str, watched: &mut [WatchedChange<'_>]) {
    let under_way = zone_operations::list_running(client, zone).await.unwrap_or_default();
    let over = watched.iter_mut().filter_map(|watch| {
        let name = watch.started.operation.name.clone()?;
        if under_way.contains(&name) {
            watch.unread = None;
            return None;
        }
        Some((name, watch))
    });
    let mut over: BTreeMap<String, &mut WatchedChange<'_>> = over.collect();
    let names: Vec<String> = over.keys().cloned().collect();
    let reads = names
        .chunks(MAX_FILTER_TERMS)
        .map(async |names| (names, zone_operations::find_by_names(client, zone, names).await));
    for (names, read) in run_concurrently(CONCURRENT_READS, reads).await {
        let (mut read, missing) = match read {
            Ok(read) => (read, Error::new(ErrorKind::NotFound, "its operation is not listed")),
            Err(error) => (BTreeMap::new(), error),
        };
        for name in names {
            let Some(watch) = over.get_mut(name) else { continue };
            match read.remove(name) {
                Some(operation) => (watch.started.operation, watch.unread) = (operation, None),
                None => watch.unread = Some(missing.clone()),
            }
        }
    }
}

/// Moves the changes that have a result to the results.
fn take_finished<'a>(
    watched: &mut Vec<WatchedChange<'a>>,
    results: &mut IndexedResults,
    tracker: &BatchTracker<'_>,
    result: impl Fn(&StartedChange<'a>) -> Option<Result<()>>,
) {
    watched.retain(|watch| match result(&watch.started) {
        Some(result) => {
            let result = tracker.record(watch.started.target, result);
            results.push((watch.position, result));
            false
        }
        None => true,
    });
}

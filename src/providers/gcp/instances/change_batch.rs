//! Changing many instances: one call for each, since the API has no batches, but one look at many of them before, and
//! one after. Only Compute Engine: EC2's calls take many instances each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use google_cloud_compute_v1::model;
use google_cloud_compute_v1::model::instance::Status;
use tokio::time::{Instant, sleep, timeout};

use super::change::{
    FIRST_PAUSE, InstanceAction, LONGEST_PAUSE, START_DEADLINE, StartedChange, WATCH_DEADLINE, await_change,
    change_one, final_result, instance_shows, operation_result, start_change,
};
use super::list;
use super::list::MOST_TERMS;
use crate::cloud::{BatchTracker, Error, ErrorKind, InstanceRef, Result, TargetOutcome};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::operations;

/// So many instances are looked at by one list, and their calls sent right after it.
const BATCH_SIZE: usize = MOST_TERMS;
/// How many waves are under way: while one is sent, the next one is looked at.
pub(crate) const CONCURRENT_BATCHES: usize = 2;
/// How many calls of a wave are under way.
const CALLS_AT_ONCE: usize = 10;
/// For so long a look holds: then a name may have come to mean another instance.
const FRESH: Duration = Duration::from_secs(5);
/// How many reads are under way at once.
const READS_AT_ONCE: usize = 10;

/// Some of the targets, by their positions among all.
type Part<'a> = Vec<(usize, &'a InstanceRef)>;
/// What became of some of the targets, by their positions.
type Results = Vec<(usize, Result<()>)>;

/// Changes every target; one outcome for each, in the same order.
pub(crate) async fn change_all(
    client: &Client,
    targets: &[InstanceRef],
    change: InstanceAction,
    course: &BatchTracker<'_>,
) -> Vec<TargetOutcome> {
    let mut zones: BTreeMap<&str, Part<'_>> = BTreeMap::new();
    for (position, target) in targets.iter().enumerate() {
        zones.entry(&target.scope).or_default().push((position, target));
    }
    let in_zones = zones
        .into_iter()
        .map(|(zone, part)| change_in_zone(client, zone, part, change, course));
    let mut results: Vec<_> = join_all(in_zones).await.into_iter().flatten().collect();
    results.sort_by_key(|(position, _)| *position);
    let results = results.into_iter().map(|(position, result)| TargetOutcome {
        target: targets[position].clone(),
        result,
    });
    results.collect()
}

async fn change_in_zone(
    client: &Client,
    zone: &str,
    part: Part<'_>,
    change: InstanceAction,
    course: &BatchTracker<'_>,
) -> Results {
    if let [(position, target)] = part[..] {
        let result = change_one(client, target, change, course).await;
        return vec![(position, course.record(target, result))];
    }
    let waves: Vec<_> = part
        .chunks(BATCH_SIZE)
        .map(|wave| start_batch(client, zone, wave, change, course))
        .collect();
    let begun: Vec<_> = stream::iter(waves).buffer_unordered(CONCURRENT_BATCHES).collect().await;
    let (mut results, mut taken) = (Vec::new(), Vec::new());
    for (position, begun) in begun.into_iter().flatten() {
        match begun {
            Ok(Some(change)) => taken.push((position, change)),
            Ok(None) => results.push((position, Ok(()))),
            Err(error) => results.push((position, Err(error))),
        }
    }
    results.extend(await_changes(client, zone, taken, change, course).await);
    results
}

/// Looks at some targets of a zone, and sends their calls.
async fn start_batch<'a>(
    client: &Client,
    zone: &str,
    wave: &[(usize, &'a InstanceRef)],
    change: InstanceAction,
    course: &BatchTracker<'_>,
) -> Vec<(usize, Result<Option<StartedChange<'a>>>)> {
    // Held until the last call is sent. Nobody closes it.
    let _wave = client.batch_slots.acquire().await;
    let mut looked_at = Instant::now();
    let looked: Result<(BTreeMap<_, _>, BTreeSet<_>)> = async {
        course.check_may_start()?;
        client.rate_limiter.acquire().await;
        looked_at = Instant::now();
        let found = list_targets(client, zone, wave.iter().map(|(_, target)| *target)).await?;
        let is_stopping = |api: &model::Instance| api.status == Some(Status::Stopping);
        let going = match found.values().any(is_stopping) {
            // Which of those that stop are being deleted.
            true => operations::list_ids_being_deleted(client, zone)
                .await
                .unwrap_or_default(),
            false => BTreeSet::new(),
        };
        Ok((found, going))
    }
    .await;
    let (found, going) = match looked {
        Ok(looked) => looked,
        // An unknown zone has none of them.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) => Default::default(),
        Err(error) => {
            return wave
                .iter()
                .map(|(position, target)| (*position, course.record(target, Err(error.clone())).map(|()| None)))
                .collect();
        }
    };
    let begun = wave.iter().map(|(position, target)| {
        let (found, going) = (&found, &going);
        async move {
            let begun = match found.get(&target.id).filter(|_| looked_at.elapsed() < FRESH) {
                Some(api) => {
                    let going = api.status == Some(Status::Deprovisioning) || going.contains(&target.id);
                    start_change(client, target, change, api.clone(), going, course).await
                }
                // Gone, or another one has its name by now, or has had the time to take it: that is told one by one.
                None => change_one(client, target, change, course).await.map(|()| None),
            };
            let begun = match begun {
                Ok(Some(taken)) => Ok(Some(taken)),
                concluded => course.record(target, concluded.map(drop)).map(|()| None),
            };
            (*position, begun)
        }
    });
    let begun: Vec<_> = begun.collect();
    stream::iter(begun).buffer_unordered(CALLS_AT_ONCE).collect().await
}

/// Those of the targets that are there, by id.
async fn list_targets<'a>(
    client: &Client,
    zone: &str,
    targets: impl Iterator<Item = &'a InstanceRef>,
) -> Result<BTreeMap<String, model::Instance>> {
    let ids: BTreeSet<&str> = targets.map(|target| target.id.as_str()).collect();
    list::list_by_ids(client, zone, &ids).await
}

/// A change that is watched until it is over, or shows in its instance.
struct Watched<'a> {
    position: usize,
    started: StartedChange<'a>,
    /// Why its operation could not be read the last time.
    unread: Option<Error>,
}

/// Watches changes that the cloud has taken on: one list of the zone's instances, and one of its operations, for all of
/// them each time.
async fn await_changes(
    client: &Client,
    zone: &str,
    taken: Vec<(usize, StartedChange<'_>)>,
    change: InstanceAction,
    course: &BatchTracker<'_>,
) -> Results {
    if taken.len() < 2 {
        let followed = taken
            .into_iter()
            .map(async |(position, taken): (usize, StartedChange<'_>)| {
                let target = taken.target;
                (
                    position,
                    course.record(target, await_change(client, change, taken).await),
                )
            });
        return join_all(followed).await;
    }
    let watched = taken.into_iter().map(|(position, taken)| Watched {
        position,
        started: taken,
        unread: None,
    });
    let (mut watched, mut results): (Vec<_>, _) = (watched.collect(), Results::new());
    let patience = match change {
        InstanceAction::Start => START_DEADLINE,
        _ => WATCH_DEADLINE,
    };
    // Whatever it takes, once they are looked at.
    check_changes(client, zone, &mut watched, &mut results, change, course).await;
    let rounds = async {
        let mut pause = FIRST_PAUSE;
        while !watched.is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            check_changes(client, zone, &mut watched, &mut results, change, course).await;
        }
    };
    // What is left then is told by how its operation stood last.
    let _ = timeout(patience, rounds).await;
    let concluded = watched.into_iter().map(async |one| {
        let StartedChange {
            target,
            operation,
            attempted,
        } = one.started;
        let last = one.unread.map_or(Ok(operation), Err);
        let result = final_result(client, target, change, last, &attempted).await;
        (one.position, course.record(target, result))
    });
    let concluded: Vec<_> = concluded.collect();
    let concluded = stream::iter(concluded).buffer_unordered(READS_AT_ONCE);
    results.extend(concluded.collect::<Vec<_>>().await);
    results
}

/// One round: what is known of the operations, what the instances show, and how the operations stand of those that show
/// nothing.
async fn check_changes(
    client: &Client,
    zone: &str,
    watched: &mut Vec<Watched<'_>>,
    results: &mut Results,
    change: InstanceAction,
    course: &BatchTracker<'_>,
) {
    let is_said = |taken: &StartedChange<'_>| operation_result(&taken.operation, taken.target, &taken.attempted);
    take_finished(watched, results, course, is_said);
    // A restart leaves no trace to go by.
    if change != InstanceAction::Reboot
        && !watched.is_empty()
        && let Ok(found) = list_targets(client, zone, watched.iter().map(|one| one.started.target)).await
    {
        take_finished(watched, results, course, |taken| {
            let shown = match found.get(&taken.target.id) {
                Some(api) => instance_shows(change, api),
                None => change == InstanceAction::Terminate,
            };
            shown.then_some(Ok(()))
        });
    }
    if watched.is_empty() {
        return;
    }
    read_operations(client, zone, watched).await;
    take_finished(watched, results, course, is_said);
}

/// Reads how the operations stand that are over, or not listed yet.
async fn read_operations(client: &Client, zone: &str, watched: &mut [Watched<'_>]) {
    let under_way = operations::list_running(client, zone).await.unwrap_or_default();
    let over = watched.iter_mut().filter_map(|one| {
        let name = one.started.operation.name.clone()?;
        if under_way.contains(&name) {
            one.unread = None;
            return None;
        }
        Some((name, one))
    });
    let mut over: BTreeMap<String, &mut Watched<'_>> = over.collect();
    let names: Vec<String> = over.keys().cloned().collect();
    let reads: Vec<_> = names
        .chunks(MOST_TERMS)
        .map(async |names| (names, operations::find_by_names(client, zone, names).await))
        .collect();
    let reads: Vec<_> = stream::iter(reads).buffer_unordered(READS_AT_ONCE).collect().await;
    for (names, read) in reads {
        let (mut read, missing) = match read {
            Ok(read) => (read, Error::new(ErrorKind::NotFound, "its operation is not listed")),
            Err(error) => (BTreeMap::new(), error),
        };
        for name in names {
            let Some(one) = over.get_mut(name) else { continue };
            match read.remove(name) {
                Some(operation) => (one.started.operation, one.unread) = (operation, None),
                None => one.unread = Some(missing.clone()),
            }
        }
    }
}

/// Moves those to the results of which there is one.
fn take_finished<'a>(
    watched: &mut Vec<Watched<'a>>,
    results: &mut Results,
    course: &BatchTracker<'_>,
    result: impl Fn(&StartedChange<'a>) -> Option<Result<()>>,
) {
    watched.retain(|one| match result(&one.started) {
        Some(result) => {
            let result = course.record(one.started.target, result);
            results.push((one.position, result));
            false
        }
        None => true,
    });
}

//! Operations: what a change on Compute Engine is until it is done. A zone of `""` means a global operation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use google_cloud_compute_v1::model::Operation;
use google_cloud_compute_v1::model::operation::Status;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::client::{Client, with_call_options};
use super::pagination::collect_complete_list;
use super::resource_name::last_segment;
use super::timestamp::parse_time;
use crate::cloud::{Error, ErrorKind, ProviderKind, Result};

/// Time between two wait calls at least: a call may return at once.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Makes the error for an operation without a name, which cannot be followed.
pub(crate) fn missing_name_error() -> Error {
    Error::new(ErrorKind::Internal, "Compute Engine gave an operation without a name").at(ProviderKind::Gcp)
}

/// Says whether the operation has ended, with success or with an error.
pub(crate) fn is_done(operation: &Operation) -> bool {
    operation.status == Some(Status::Done)
}

/// Waits until an operation is done, and returns its last state, whose `error` the caller must read. After
/// `timeout` it returns the state at that time.
///
/// # Errors
/// Those of the calls; the operation itself continues.
pub(crate) async fn wait_until_done(
    client: &Client,
    zone: &str,
    mut operation: Operation,
    timeout: Duration,
) -> Result<Operation> {
    let start = Instant::now();
    let Some(name) = operation.name.clone() else {
        return Err(missing_name_error());
    };
    while !is_done(&operation) && start.elapsed() < timeout {
        let poll_start = Instant::now();
        let time_left = timeout.saturating_sub(start.elapsed());
        let wait = wait_once(client, zone, &name);
        // The cloud may hold the call longer than an attempt may take, so no answer does not mean a failure.
        let poll = async {
            match wait.await? {
                Some(answer) => Ok(answer),
                None => get_operation(client, zone, &name).await,
            }
        };
        let Ok(answer) = tokio::time::timeout(time_left, poll).await else {
            break;
        };
        operation = answer?;
        if !is_done(&operation) {
            tokio::time::sleep(MIN_POLL_INTERVAL.saturating_sub(poll_start.elapsed())).await;
        }
    }
    Ok(operation)
}

/// Waits in the cloud for the operation and returns its status; `None` without an answer.
async fn wait_once(client: &Client, zone: &str, name: &str) -> Result<Option<Operation>> {
    let (attempted, project) = ("wait for the operation", client.project().await?);
    let answer = if zone.is_empty() {
        let operations = client.global_operations().await?;
        let wait = client.read_once(attempted, zone, || {
            with_call_options(operations.wait().set_project(project).set_operation(name)).send()
        });
        wait.await
    } else {
        let operations = client.operations().await?;
        let wait = client.read_once(attempted, zone, || {
            let call = operations.wait().set_project(project).set_zone(zone);
            with_call_options(call.set_operation(name)).send()
        });
        wait.await
    };
    Ok(answer.ok())
}

pub(crate) async fn get_operation(client: &Client, zone: &str, name: &str) -> Result<Operation> {
    let project = client.project().await?;
    if zone.is_empty() {
        let operations = client.global_operations().await?;
        let get = client.read("check the status of the operation", zone, || {
            with_call_options(operations.get().set_project(project).set_operation(name)).send()
        });
        return get.await;
    }
    let operations = client.operations().await?;
    let get = client.read("check the status of the operation", zone, || {
        let call = operations.get().set_project(project).set_zone(zone).set_operation(name);
        with_call_options(call).send()
    });
    get.await
}

pub(crate) async fn list_ids_being_deleted(client: &Client, zone: &str) -> Result<BTreeSet<String>> {
    let operations = list_deletions(client, zone, "(operationType = \"delete\") AND (status != \"DONE\")").await?;
    let under_way = operations.into_iter().filter(|operation| !is_done(operation));
    Ok(under_way
        .filter_map(|operation| Some(operation.target_id?.to_string()))
        .collect())
}

/// Lists the names of the operations of a zone that are running.
pub(crate) async fn list_running(client: &Client, zone: &str) -> Result<BTreeSet<String>> {
    let operations = list_matching(client, zone, "status != \"DONE\"").await?;
    let under_way = operations.into_iter().filter(|operation| !is_done(operation));
    Ok(under_way.filter_map(|operation| operation.name).collect())
}

/// Lists the operations with these names, by name. There must be few enough that they fit into a URL.
pub(crate) async fn find_by_names(
    client: &Client,
    zone: &str,
    names: &[String],
) -> Result<BTreeMap<String, Operation>> {
    let terms: Vec<_> = names.iter().map(|name| format!("(name = \"{name}\")")).collect();
    let operations = list_matching(client, zone, &terms.join(" OR ")).await?.into_iter();
    Ok(operations
        .filter_map(|operation| Some((operation.name.clone()?, operation)))
        .collect())
}

/// Says whether the instance with this id was deleted or is being deleted. Operations are kept for at least two weeks.
pub(crate) async fn was_deleted(client: &Client, zone: &str, id: u64) -> Result<bool> {
    let expression = format!("(operationType = \"delete\") AND (targetId = {id})");
    let operations = list_deletions(client, zone, &expression).await?;
    Ok(operations.iter().any(|operation| operation.target_id == Some(id)))
}

/// Finds when the deletion of the instance with this id began; `None` if there was none.
pub(crate) async fn find_deletion_time(client: &Client, zone: &str, id: u64) -> Result<Option<Timestamp>> {
    let expression = format!("(operationType = \"delete\") AND (targetId = {id})");
    let operations = list_deletions(client, zone, &expression).await?;
    let of_instance = operations.iter().filter(|operation| operation.target_id == Some(id));
    let times = of_instance.filter_map(|operation| parse_time(operation.insert_time.as_ref()));
    Ok(times.min())
}

/// Lists the ids of the instances of a zone whose deletion began at this time or later; of all deletions without a
/// time.
pub(crate) async fn list_deleted_since(client: &Client, zone: &str, since: Option<Timestamp>) -> Result<BTreeSet<u64>> {
    let operations = list_deletions(client, zone, "operationType = \"delete\"").await?;
    let began_before = |operation: &Operation| match (parse_time(operation.insert_time.as_ref()), since) {
        (Some(began), Some(since)) => began < since,
        _ => false,
    };
    let later = operations.into_iter().filter(|operation| !began_before(operation));
    Ok(later.filter_map(|operation| operation.target_id).collect())
}

/// Lists the names and ids of the instances that an operation group created. A bulk insert is such a group.
pub(crate) async fn list_created_in_group(client: &Client, zone: &str, group: &str) -> Result<BTreeMap<String, u64>> {
    let operations = list_matching(client, zone, &format!("operationGroupId = \"{group}\"")).await?;
    let inserts = operations.into_iter().filter(|operation| {
        operation.operation_type.as_deref() == Some("insert") && operation.operation_group_id.as_deref() == Some(group)
    });
    Ok(inserts
        .filter_map(|operation| {
            let name = last_segment(operation.target_link.as_deref()?).to_owned();
            Some((name, operation.target_id?))
        })
        .collect())
}

async fn list_deletions(client: &Client, zone: &str, expression: &str) -> Result<Vec<Operation>> {
    let mut operations = list_matching(client, zone, expression).await?;
    operations.retain(|operation| operation.operation_type.as_deref() == Some("delete"));
    Ok(operations)
}

async fn list_matching(client: &Client, zone: &str, expression: &str) -> Result<Vec<Operation>> {
    let (project, operations) = (client.project().await?, client.operations().await?);
    let fetch_page = |token: Option<String>| {
        client.read("list the operations", zone, move || {
            let request = operations
                .list()
                .set_project(project)
                .set_zone(zone)
                .set_max_results(500_u32)
                .set_filter(expression)
                .set_or_clear_page_token(token.clone());
            with_call_options(request).send()
        })
    };
    collect_complete_list(fetch_page, zone).await
}

/// Says whether an operation belongs to an earlier call with the same request id. The present call began at
/// `call_began` by the cloud's clock, if that is known, and was answered after `call_age`. The operation is older if it
/// was inserted before the call, or took longer than the call has lasted. Operations have times in milliseconds.
pub(crate) fn is_from_earlier_call(operation: &Operation, call_began: Option<Timestamp>, call_age: Duration) -> bool {
    let Some(inserted) = parse_time(operation.insert_time.as_ref()) else {
        return false;
    };
    // A time without a fraction may be any of its second.
    let inserted_until = match inserted.subsec_nanosecond() {
        0 => inserted.as_millisecond() + 999,
        _ => inserted.as_millisecond(),
    };
    let inserted_before_call = call_began.is_some_and(|began| inserted_until < began.as_millisecond());
    let ended = parse_time(operation.end_time.as_ref());
    let operation_time = ended.and_then(|ended| Duration::try_from(ended.duration_since(inserted)).ok());
    inserted_before_call || operation_time.is_some_and(|time| time > call_age)
}

/// How long the effect of an operation may stay invisible after its end.
pub(crate) const VISIBILITY_DELAY: Duration = Duration::from_secs(90);
/// Dates of answers have no fractions of a second; the times of operations do.
const DATE_PRECISION: SignedDuration = SignedDuration::from_secs(5);

/// Says whether an operation ended so recently, by the cloud's clock, that its effect may be invisible yet. If the
/// clock cannot be read, the answer is yes.
pub(crate) async fn ended_recently(client: &Client, operation: &Operation) -> bool {
    let Some(ended) = parse_time(operation.end_time.as_ref()) else {
        return false;
    };
    match client.server_time().await {
        Ok(now) => ended_recently_at(ended, now),
        Err(error) => {
            tracing::debug!(%error, "the age of an operation is unknown");
            true
        }
    }
}

fn ended_recently_at(ended: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(ended);
    age > -DATE_PRECISION && Duration::try_from(age.max(SignedDuration::ZERO)).is_ok_and(|age| age < VISIBILITY_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_of_earlier_call_is_recognized_by_times() {
        let operation = |inserted: &str, ended: &str| Operation::new().set_insert_time(inserted).set_end_time(ended);
        let began: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let second = Duration::from_secs(1);
        let older = |inserted, ended| is_from_earlier_call(&operation(inserted, ended), Some(began), second);
        assert!(older("2026-11-23T03:59:00.000-08:00", "2026-11-23T03:59:09.000-08:00"));
        assert!(!older("2026-11-23T04:00:00.100-08:00", "2026-11-23T04:00:00.900-08:00"));
        // The clock was wrong, but nine seconds do not fit into one.
        assert!(older("2026-11-23T04:10:00.000-08:00", "2026-11-23T04:10:09.000-08:00"));
        assert!(!is_from_earlier_call(&Operation::new(), Some(began), second));
        let quick = operation("2026-11-23T03:00:00.000-08:00", "2026-11-23T03:00:00.500-08:00");
        assert!(is_from_earlier_call(&quick, Some(began), second) && !is_from_earlier_call(&quick, None, second));
        let within_millisecond = began + SignedDuration::from_micros(100_900);
        let at_once = operation("2026-11-23T04:00:00.100-08:00", "2026-11-23T04:00:00.101-08:00");
        assert!(!is_from_earlier_call(&at_once, Some(within_millisecond), second));
        let whole_second = operation("2026-11-23T04:00:00-08:00", "2026-11-23T04:00:00-08:00");
        assert!(!is_from_earlier_call(&whole_second, Some(within_millisecond), second));
    }

    #[test]
    fn operation_age_is_measured_at_the_given_time() {
        let ended: Timestamp = "2026-11-23T12:00:00.5Z".parse().unwrap();
        let at = |seconds| ended_recently_at(ended, ended + SignedDuration::from_secs(seconds));
        assert!(at(0) && at(89) && at(-1));
        assert!(!at(90) && !at(3600) && !at(-3600));
    }
}

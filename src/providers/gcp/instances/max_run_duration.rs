//! When an instance expires: by its run limit, which Compute Engine enforces, and by its label.
//!
//! A run limit counts while the instance runs, is dropped while it is stopped, and counts anew after a start.
//! <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>

use std::time::Duration;

use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::scheduling::InstanceTerminationAction;
use google_cloud_compute_v1::model::{self, Scheduling};
use jiff::{SignedDuration, Timestamp};

use crate::cloud::{ExpiryEnforcer, Ownership, ProviderKind, Result};
use crate::providers::common::spec_limits::check_ttl;
use crate::providers::gcp::api::timestamp::parse_time;

/// The bounds of a run limit. <https://cloud.google.com/compute/docs/instances/limit-vm-runtime#restrictions>
pub(crate) const MIN_RUN_LIMIT: Duration = Duration::from_secs(30);
const MAX_RUN_LIMIT: Duration = Duration::from_secs(120 * 24 * 60 * 60);
/// How much later than the label's expiry, which counts from the creation, the cloud's end of a first run may be: so
/// long an instance may take to start. A later end means that it was started again, with a new limit.
const MAX_BOOT_TIME: SignedDuration = SignedDuration::from_mins(10);

/// Checks that a time is a valid run limit.
pub(crate) fn check_limit(limit: Duration) -> Result<()> {
    check_ttl(ProviderKind::Gcp, limit, MIN_RUN_LIMIT..=MAX_RUN_LIMIT)
}

/// Sets the run limit after which the cloud deletes an instance, in whole seconds.
pub(crate) fn with_run_limit(scheduling: Scheduling, limit: Duration) -> Scheduling {
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    scheduling
        .set_max_run_duration(model::Duration::new().set_seconds(seconds))
        .set_instance_termination_action(InstanceTerminationAction::Delete)
}

/// Returns the run limit after which the cloud deletes an instance; `None` if it does not delete it.
pub(crate) fn run_limit(api: &model::Instance) -> Option<Duration> {
    let scheduling = deleting_scheduling(api)?;
    let seconds = scheduling.max_run_duration.as_ref()?.seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Returns when the present run began; `None` if the instance does not run.
pub(crate) fn run_start(api: &model::Instance) -> Option<Timestamp> {
    if !matches!(api.status, Some(Status::Running | Status::Repairing)) {
        return None;
    }
    parse_time(api.last_start_timestamp.as_ref().or(api.creation_timestamp.as_ref()))
}

/// Returns when the cloud will delete the instance, if the answer says so.
pub(crate) fn announced_end(api: &model::Instance) -> Option<Timestamp> {
    deleting_scheduling(api)?;
    let status = api.resource_status.as_ref()?.scheduling.as_ref()?;
    parse_time(status.termination_timestamp.as_ref())
}

/// Returns when the instance expires, and what enforces it: the cloud while its limit counts, else only the label. Of
/// two ends, the first is true.
pub(crate) fn find_expiry(
    api: &model::Instance,
    ownership: &Ownership,
    created_at: Option<Timestamp>,
) -> Option<(Timestamp, ExpiryEnforcer)> {
    match (find_cloud_end(api), ownership.expires_at(created_at)) {
        (Some(cloud_end), Some(label_end)) if cloud_end.duration_since(label_end) > MAX_BOOT_TIME => {
            Some((label_end, ExpiryEnforcer::Tag))
        }
        (Some(cloud_end), _) => Some((cloud_end, ExpiryEnforcer::Cloud)),
        (None, Some(label_end)) => Some((label_end, ExpiryEnforcer::Tag)),
        (None, None) => None,
    }
}

/// Finds when the cloud deletes an instance that runs or is about to run.
fn find_cloud_end(api: &model::Instance) -> Option<Timestamp> {
    let start = match api.status {
        Some(Status::Running | Status::Repairing) => run_start(api),
        // The instance is about to run: for the first time, or again after its last stop.
        Some(Status::Pending | Status::Provisioning | Status::Staging) => {
            parse_time(api.last_stop_timestamp.as_ref().or(api.creation_timestamp.as_ref()))
        }
        _ => return None,
    };
    let end_by_limit = || start?.checked_add(run_limit(api)?).ok();
    let end_by_time = || parse_time(deleting_scheduling(api)?.termination_time.as_ref());
    announced_end(api).or_else(end_by_limit).or_else(end_by_time)
}

/// Returns the scheduling of an instance that the cloud deletes at the end of its run.
fn deleting_scheduling(api: &model::Instance) -> Option<&Scheduling> {
    let scheduling = api.scheduling.as_ref()?;
    match scheduling.instance_termination_action {
        Some(InstanceTerminationAction::Delete) => Some(scheduling),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_compute_v1::model::{ResourceStatus, ResourceStatusScheduling};

    use super::*;

    const CREATED: &str = "2026-11-23T10:00:00Z";
    const STARTED: &str = "2026-11-23T10:00:20Z";

    fn api(status: &str) -> model::Instance {
        model::Instance::new()
            .set_status(status)
            .set_creation_timestamp(CREATED)
            .set_last_start_timestamp(STARTED)
            .set_scheduling(with_run_limit(Scheduling::new(), Duration::from_secs(7_200)))
    }

    #[track_caller]
    fn assert_expiry(api: &model::Instance, ttl: Option<u64>, expected: Option<(&str, ExpiryEnforcer)>) {
        let ownership = Ownership {
            ttl: ttl.map(Duration::from_secs),
            ..Ownership::default()
        };
        let expected = expected.map(|(end, enforcer)| (end.parse().unwrap(), enforcer));
        assert_eq!(find_expiry(api, &ownership, CREATED.parse().ok()), expected);
    }

    #[test]
    fn run_limit_has_bounds() {
        for (seconds, valid) in [(29, false), (30, true), (10_368_000, true), (10_368_001, false)] {
            assert_eq!(check_limit(Duration::from_secs(seconds)).is_ok(), valid, "{seconds}");
        }
    }

    #[test]
    fn cloud_enforces_expiry_of_running_instance() {
        let cloud = ExpiryEnforcer::Cloud;
        assert_expiry(&api("RUNNING"), Some(7_200), Some(("2026-11-23T12:00:20Z", cloud)));
        let scheduling = ResourceStatusScheduling::new().set_termination_timestamp("2026-11-23T12:00:25Z");
        let announced = api("RUNNING").set_resource_status(ResourceStatus::new().set_scheduling(scheduling));
        assert_expiry(&announced, Some(7_200), Some(("2026-11-23T12:00:25Z", cloud)));
        let pending = api("PROVISIONING").set_or_clear_last_start_timestamp(None::<String>);
        assert_expiry(&pending, Some(7_200), Some(("2026-11-23T12:00:00Z", cloud)));
        // Only the label was extended.
        assert_expiry(&api("RUNNING"), Some(72_000), Some(("2026-11-23T12:00:20Z", cloud)));
    }

    #[test]
    fn label_holds_the_expiry_otherwise() {
        let by_label = Some(("2026-11-23T12:00:00Z", ExpiryEnforcer::Tag));
        for word in ["TERMINATED", "SUSPENDED", "STOPPING"] {
            assert_expiry(&api(word), Some(7_200), by_label);
            assert_expiry(&api(word), None, None);
        }
        let unlimited = api("RUNNING").set_scheduling(Scheduling::new());
        assert_expiry(&unlimited, Some(7_200), by_label);
        let mut stops = api("RUNNING");
        let scheduling = with_run_limit(Scheduling::new(), MIN_RUN_LIMIT);
        stops.scheduling = Some(scheduling.set_instance_termination_action(InstanceTerminationAction::Stop));
        assert_expiry(&stops, Some(7_200), by_label);
    }

    #[test]
    fn second_run_does_not_move_the_expiry() {
        let again = api("RUNNING").set_last_start_timestamp("2026-11-23T11:30:00Z");
        assert_expiry(&again, Some(7_200), Some(("2026-11-23T12:00:00Z", ExpiryEnforcer::Tag)));
        assert_expiry(&again, None, Some(("2026-11-23T13:30:00Z", ExpiryEnforcer::Cloud)));
    }
}

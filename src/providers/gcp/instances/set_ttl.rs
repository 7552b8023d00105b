//! Moves the expiry of an instance: first the run limit, then the label, so that no label promises a time that the
//! cloud would not keep.

use std::time::Duration;

use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, Scheduling};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::instance_editor::{Edit, EditError, InstanceEditor};
use super::list::{get_by_ref, is_being_deleted};
use super::max_run_duration::{MIN_RUN_LIMIT, announced_end, check_limit, run_limit, run_start, with_run_limit};
use super::set_labels::change_labels;
use crate::cloud::{BatchTracker, Error, ErrorKind, InstanceRef, LABEL_TTL, LabelChanges, Result, format_duration};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::error_location;
use crate::providers::gcp::api::timestamp::parse_time;

/// How long it may take until the instance shows a change.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);
/// By how much the announced end of a run may differ from its start plus its limit.
const MAX_END_DEVIATION: SignedDuration = SignedDuration::from_secs(90);

/// Sets the TTL of an instance; see [`Instances::set_ttl`](crate::cloud::Instances::set_ttl).
pub(crate) async fn set_ttl(client: &Client, target: &InstanceRef, ttl: Duration) -> Result<()> {
    let editor = InstanceEditor::new(client, target, "extend");
    let extension = Extension { editor: &editor, ttl };
    let api = get_by_ref(client, target).await?;
    if is_being_deleted(client, &target.scope, &api).await {
        return Err(editor.being_deleted_error());
    }
    let limit_was_moved = match run_limit(&api) {
        Some(limit) => extension.move_limit(&api, limit).await?,
        None => false,
    };
    match extension.set_label(api).await {
        Err(error) if limit_was_moved => Err(error
            .context(format!(
                "{target}: the termination time was changed in the cloud, but the label was not updated"
            ))
            .with_kind(ErrorKind::UnknownOutcome)
            .with_leftover(target)),
        result => result,
    }
}

struct Extension<'a> {
    editor: &'a InstanceEditor<'a>,
    ttl: Duration,
}

impl Extension<'_> {
    /// Moves the run limit to the end of the TTL. Returns whether it had to move.
    async fn move_limit(&self, api: &model::Instance, old: Duration) -> Result<bool> {
        let limit = self.compute_limit(api).await?;
        if limit == old {
            return Ok(false);
        }
        let scheduling = api.scheduling.clone().unwrap_or_default();
        let wanted = with_run_limit(scheduling.clone(), limit).set_or_clear_termination_time(None::<String>);
        match self.editor.send_edit(api, &Edit::Scheduling(Box::new(wanted))).await {
            Ok(()) => match self.wait_until_limit_is_shown(limit).await {
                Ok(true) => Ok(true),
                // The new limit would count only for the next run, so the old one is restored.
                Ok(false) => Err(self.restore_limit(api, scheduling).await),
                // The cloud accepted the change, but its effect is unknown.
                Err(error) => Err(self.editor.unknown_outcome_error(error)),
            },
            Err(EditError::WrongInstance(error)) => Err(error),
            Err(EditError::Refused(error) | EditError::Stale(error)) => match error.kind() {
                ErrorKind::InvalidSpec | ErrorKind::Refused => Err(self.fixed_limit_error(api, Some(error))),
                ErrorKind::NotFound => Err(self.editor.not_found_error()),
                _ => Err(error),
            },
            Err(EditError::Unknown { error, in_progress }) => match self.wait_until_limit_is_shown(limit).await {
                Ok(true) => Ok(true),
                Ok(false) if !in_progress => Err(error),
                _ => Err(self.editor.unknown_outcome_error(error)),
            },
        }
    }

    /// Restores the scheduling from before the change. Returns the error for the limit that cannot be moved.
    async fn restore_limit(&self, api: &model::Instance, scheduling: Scheduling) -> Error {
        let error = self.fixed_limit_error(api, None);
        match self
            .editor
            .send_edit(api, &Edit::Scheduling(Box::new(scheduling)))
            .await
        {
            Ok(()) => error,
            Err(_) => error
                .with_kind(ErrorKind::UnknownOutcome)
                .with_leftover(self.editor.target),
        }
    }

    /// Computes the run limit that ends the instance at its creation plus the TTL. It counts from the start of the
    /// present run, or from now if the instance does not run.
    async fn compute_limit(&self, api: &model::Instance) -> Result<Duration> {
        let created_at = parse_time(api.creation_timestamp.as_ref());
        let Some(end) = created_at.and_then(|created_at| created_at.checked_add(self.ttl).ok()) else {
            return Err(Error::invalid("the TTL is too long"));
        };
        let start = match run_start(api) {
            Some(start) => start,
            None => self.editor.client.server_time().await?,
        };
        let time_left = end.duration_since(start);
        let whole_seconds = time_left.as_secs() + i64::from(time_left.subsec_nanos() > 0);
        // A time that is over already has the shortest limit.
        let limit = Duration::from_secs(u64::try_from(whole_seconds).unwrap_or(0)).max(MIN_RUN_LIMIT);
        check_limit(limit)?;
        Ok(limit)
    }

    /// Waits until the instance shows the new limit, also in the end of its present run. Returns whether it does.
    async fn wait_until_limit_is_shown(&self, limit: Duration) -> Result<bool> {
        let wait_start = Instant::now();
        loop {
            let api = get_by_ref(self.editor.client, self.editor.target).await?;
            if run_limit(&api) == Some(limit) && end_agrees_with_limit(&api, limit) {
                return Ok(true);
            }
            if wait_start.elapsed() + PAUSE > VISIBILITY_TIMEOUT {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sets the label, whatever other labels change at the same time.
    async fn set_label(&self, api: model::Instance) -> Result<()> {
        let mut changes = LabelChanges::default();
        changes.to_set.insert(LABEL_TTL.to_owned(), format_duration(self.ttl));
        change_labels(self.editor, api, &changes, &BatchTracker::uninterrupted()).await
    }

    /// Makes the error for a limit that cannot be moved in this state.
    fn fixed_limit_error(&self, api: &model::Instance, refusal: Option<Error>) -> Error {
        let name = self.editor.name;
        let error = refusal.unwrap_or_else(|| {
            let message = format!(
                "{}: the end time cannot be changed until the instance is stopped",
                self.editor.failure_prefix
            );
            Error::new(ErrorKind::Refused, message).at(error_location(&self.editor.target.scope))
        });
        let hint = match api.status {
            Some(Status::Terminated | Status::Stopped) => format!("look at it with `cloudctl describe {name}`"),
            Some(Status::Stopping | Status::PendingStop | Status::Suspending) => {
                format!("wait until it is stopped: cloudctl wait {name} --for stopped")
            }
            _ => format!("stop it first: cloudctl stop {name}, then extend and start it"),
        };
        error.with_kind(ErrorKind::Refused).with_hint(hint)
    }
}

/// Says whether the end of the present run that the cloud announces agrees with a run limit. It does if there is no run,
/// or no end is announced.
fn end_agrees_with_limit(api: &model::Instance, limit: Duration) -> bool {
    if let Some(start) = run_start(api)
        && let Some(announced) = announced_end(api)
        && let Ok(expected) = start.checked_add(limit)
    {
        return announced.duration_since(expected).abs() <= MAX_END_DEVIATION;
    }
    true
}

//! The life of an instance, computed from the time of its last change, so that nothing runs in the background.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cloud::InstanceState;

/// How long an instance is pending by default: short, but long enough to be seen.
pub(super) const BOOT: Duration = Duration::from_secs(1);
/// How long stopping and terminating take.
const SHUTDOWN: SignedDuration = SignedDuration::from_secs(1);
/// How long a terminated instance is still listed, as on EC2:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-ec2-instance-termination-works.html>
const LISTED_AFTER_END: SignedDuration = SignedDuration::from_hours(1);

/// The last change of an instance, and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Phase {
    /// It was created or started.
    Started {
        /// When.
        at: Timestamp,
        /// How long it takes to boot.
        boot_milliseconds: u32,
        /// When and why it ends by itself, if it does.
        #[serde(rename = "death")]
        end: Option<EndReason>,
    },
    /// It was stopped.
    Stopped {
        /// When.
        at: Timestamp,
    },
    /// It was terminated.
    Terminated {
        /// When.
        at: Timestamp,
    },
    /// Its TTL is over. Computed from the expiry time, and never stored in the file.
    #[serde(skip)]
    Expired {
        /// When.
        at: Timestamp,
    },
}

/// How an instance ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndReason {
    /// The time after its start, in milliseconds.
    pub(super) after_milliseconds: u32,
    /// The cloud's code for the reason.
    pub(super) reason: String,
}

impl EndReason {
    /// An end for this reason, so long after the start.
    pub(super) fn new(time: Duration, reason: &str) -> Self {
        Self {
            after_milliseconds: milliseconds(time),
            reason: reason.to_owned(),
        }
    }
}

impl Phase {
    /// Makes the phase of an instance that is created or started at `at`.
    pub(super) fn start_at(at: Timestamp, boot: Duration, end: Option<EndReason>) -> Self {
        Self::Started {
            at,
            boot_milliseconds: milliseconds(boot),
            end,
        }
    }

    /// Returns the state at this time.
    pub(super) fn state(&self, now: Timestamp) -> InstanceState {
        let (at, duration, state_before, state_after) = match self {
            _ if self.end(now).is_some() => return InstanceState::Terminated,
            Self::Started {
                at, boot_milliseconds, ..
            } => (
                at,
                to_duration(*boot_milliseconds),
                InstanceState::Pending,
                InstanceState::Running,
            ),
            Self::Stopped { at } => (at, SHUTDOWN, InstanceState::Stopping, InstanceState::Stopped),
            Self::Terminated { at } => (at, SHUTDOWN, InstanceState::Terminating, InstanceState::Terminated),
            Self::Expired { .. } => return InstanceState::Terminated,
        };
        match now.duration_since(*at) < duration {
            true => state_before,
            false => state_after,
        }
    }

    /// Returns the cloud's code for the reason of the state.
    pub(super) fn reason(&self, now: Timestamp) -> Option<&str> {
        match (self, self.end(now)) {
            (_, Some((_, end))) => Some(&end.reason),
            (Self::Terminated { .. }, None) => Some("Client.UserInitiatedShutdown"),
            (Self::Expired { .. }, None) => Some("Cloud.Expired"),
            _ => None,
        }
    }

    /// Says whether it ended by itself, without a request. The end of a TTL does not count.
    pub(super) fn has_ended_by_itself(&self, now: Timestamp) -> bool {
        self.end(now).is_some()
    }

    /// Says whether the cloud still lists it: terminated instances disappear after a while.
    pub(super) fn is_listed(&self, now: Timestamp) -> bool {
        match (self, self.end(now)) {
            (_, Some((ended_at, _))) => now.duration_since(ended_at) < LISTED_AFTER_END,
            (Self::Terminated { at }, None) => now.duration_since(*at) < SHUTDOWN + LISTED_AFTER_END,
            (Self::Expired { at }, None) => now.duration_since(*at) < LISTED_AFTER_END,
            _ => true,
        }
    }

    /// Says whether it was terminating or gone before this time.
    pub(super) fn ended_before(&self, end: Timestamp) -> bool {
        matches!(self, Self::Terminated { at } if *at < end) || self.has_ended_by_itself(end)
    }

    /// Says whether it ends before it has booted.
    pub(super) fn fails_to_boot(&self) -> bool {
        matches!(self, Self::Started { boot_milliseconds, end: Some(end), .. }
            if end.after_milliseconds <= *boot_milliseconds)
    }

    /// Returns when and how it ended by itself, if it has.
    fn end(&self, now: Timestamp) -> Option<(Timestamp, &EndReason)> {
        let Self::Started { at, end: Some(end), .. } = self else {
            return None;
        };
        let ended_at = at.checked_add(to_duration(end.after_milliseconds)).ok()?;
        (ended_at <= now).then_some((ended_at, end))
    }
}

/// Converts a time for the file. The options allow a day at most.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn to_duration(milliseconds: u32) -> SignedDuration {
    SignedDuration::from_millis(milliseconds.into())
}

//! Exit codes: their meanings for scripts, and the code of an error or of a batch of results.

use crate::cloud::{Error, ErrorKind};

/// The exit code of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(u8);

impl ExitStatus {
    /// Done.
    pub const DONE: Self = Self(0);
    /// A bug of cloudctl, or a failure that fits no other code.
    pub const INTERNAL: Self = Self(1);
    /// The command line or a file has a mistake; no call was sent.
    pub const USAGE: Self = Self(2);
    /// Not found, or ambiguous.
    pub const NOT_FOUND: Self = Self(3);
    /// Missing credentials or permission.
    pub const DENIED: Self = Self(4);
    /// No capacity, or a quota is reached.
    pub const NO_CAPACITY: Self = Self(5);
    /// Refused: conflict, protected, not created by cloudctl, wrong account, other spec.
    pub const REFUSED: Self = Self(6);
    /// Partial or incomplete.
    pub const PARTIAL: Self = Self(7);
    /// The outcome is unknown, or the instance exists but is not ready.
    pub const UNKNOWN: Self = Self(8);
    /// The cloud is unavailable; the call had no effect.
    pub const UNAVAILABLE: Self = Self(9);

    /// `cloudctl run` failed, and not its command.
    pub const RUN_FAILED: Self = Self(125);
    /// Interrupted by SIGINT with no change in progress.
    pub const INTERRUPTED: Self = Self(130);
    /// Terminated by SIGTERM with no change in progress.
    pub const TERMINATED: Self = Self(143);

    /// Every code with its meaning, as `cloudctl help exit-codes` prints them.
    pub const MEANINGS: [(u8, &'static str); 13] = [
        (0, "done"),
        (1, "a bug, or a failure that fits no other code"),
        (2, "usage: a flag, file or value has a mistake; nothing was called"),
        (3, "not found, or more than one match"),
        (4, "credentials or permission"),
        (5, "no capacity, or a quota is reached"),
        (
            6,
            "refused: conflict, protected, not ours, wrong account, or the plan differs",
        ),
        (7, "partial or incomplete: what is missing is named"),
        (
            8,
            "outcome unknown, or it exists but is not ready: a VM may exist, its id is printed if known",
        ),
        (9, "unavailable, and nothing was changed: run the same command again"),
        (
            125,
            "cloudctl run: a failure of cloudctl, and not of the command that it runs",
        ),
        (130, "interrupted (SIGINT) with no change in progress"),
        (143, "terminated (SIGTERM) with no change in progress"),
    ];

    /// The code that a command in an instance ended with.
    pub fn of_command(code: u8) -> Self {
        Self(code)
    }

    /// The code of one kind of error.
    pub fn from_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidSpec | ErrorKind::Unsupported => Self::USAGE,
            ErrorKind::NotFound | ErrorKind::Ambiguous => Self::NOT_FOUND,
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => Self::DENIED,
            ErrorKind::Quota | ErrorKind::Capacity => Self::NO_CAPACITY,
            ErrorKind::AlreadyExists | ErrorKind::Protected | ErrorKind::Refused => Self::REFUSED,
            ErrorKind::Incomplete => Self::PARTIAL,
            ErrorKind::Timeout | ErrorKind::UnknownOutcome => Self::UNKNOWN,
            ErrorKind::Throttled | ErrorKind::Network => Self::UNAVAILABLE,
            ErrorKind::Interrupted => Self::INTERRUPTED,
            ErrorKind::Internal => Self::INTERNAL,
        }
    }

    /// The code of a batch with `succeeded` successes and these errors. An unknown outcome goes before all else, because a
    /// VM may exist. Successes and errors together are partial. Without a success it is the code of the first error.
    pub fn from_batch(succeeded: usize, errors: &[Error]) -> Self {
        let Some(first) = errors.first() else {
            return Self::DONE;
        };
        let mut codes = errors.iter().map(|error| Self::from_kind(error.kind()));
        if codes.any(|code| code == Self::UNKNOWN) {
            return Self::UNKNOWN;
        }
        match succeeded {
            0 => Self::from_kind(first.kind()),
            _ => Self::PARTIAL,
        }
    }

    /// The number for the operating system.
    pub fn code(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_kind_has_a_documented_code() {
        for kind in ErrorKind::ALL {
            let code = ExitStatus::from_kind(kind).code();
            assert!(ExitStatus::MEANINGS.iter().any(|(known, _)| *known == code), "{kind:?}");
        }
    }

    #[test]
    fn batch_is_partial_unless_an_outcome_is_unknown() {
        let quota = || Error::new(ErrorKind::Quota, "x");
        assert_eq!(ExitStatus::from_batch(3, &[]), ExitStatus::DONE);
        assert_eq!(ExitStatus::from_batch(3, &[quota()]), ExitStatus::PARTIAL);
        assert_eq!(ExitStatus::from_batch(0, &[quota()]), ExitStatus::NO_CAPACITY);
        let unknown = Error::new(ErrorKind::UnknownOutcome, "x");
        assert_eq!(ExitStatus::from_batch(3, &[quota(), unknown]), ExitStatus::UNKNOWN);
    }
}

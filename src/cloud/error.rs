//! One error for every cloud: a kind to act on, the cloud's own words to look up, and what may be left over.

use std::fmt;
use std::sync::Arc;

use super::{InstanceRef, UnknownProvider};

/// The result of everything that can fail in the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms that decide what happens next: the exit code, the hint, and whether to try again.
///
/// Drivers map by the cloud's **code**, never by message text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The request makes no sense: found before any call that changes anything.
    InvalidSpec,
    /// This cloud has no such thing: refused before any call that changes anything.
    Unsupported,
    /// There is no such instance, or none any more.
    NotFound,
    /// More than one instance fits.
    Ambiguous,
    /// The name is taken by something that is not what was asked for.
    AlreadyExists,
    /// The instance is protected against termination.
    Protected,
    /// As things stand this is declined: wrong state, wrong account, not ours, no default network.
    Refused,
    /// No usable credentials, or expired ones.
    Unauthenticated,
    /// The credentials are good, but not for this.
    PermissionDenied,
    /// A limit of the account is reached.
    Quota,
    /// The cloud has no room for it there.
    Capacity,
    /// Too many requests; nothing happened.
    Throttled,
    /// The cloud could not be reached or did not answer; nothing happened.
    Network,
    /// Waiting was given up; the instance exists.
    Timeout,
    /// Some of what was asked for is missing from the answer.
    Incomplete,
    /// The call may have taken effect.
    UnknownOutcome,
    /// A signal asked to stop before it had any effect.
    Interrupted,
    /// A fault of cloudctl, or an answer that fits nothing known.
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::InvalidSpec,
        Self::Unsupported,
        Self::NotFound,
        Self::Ambiguous,
        Self::AlreadyExists,
        Self::Protected,
        Self::Refused,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::Quota,
        Self::Capacity,
        Self::Throttled,
        Self::Network,
        Self::Timeout,
        Self::Incomplete,
        Self::UnknownOutcome,
        Self::Interrupted,
        Self::Internal,
    ];

    /// The kind's name in machine-readable output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidSpec => "invalid_spec",
            Self::Unsupported => "unsupported",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::AlreadyExists => "already_exists",
            Self::Protected => "protected",
            Self::Refused => "refused",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::Throttled => "throttled",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Incomplete => "incomplete",
            Self::UnknownOutcome => "unknown_outcome",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }
}

/// A failure: its kind and message, the cloud's own code and request id, where it happened, its source chain,
/// and what may have been left behind. A copy is for another target that met the same.
#[derive(Clone)]
pub struct Error {
    // Boxed, so that a Result stays small on the path where nothing fails.
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    request_id: Option<String>,
    location: Option<String>,
    remedy: Option<String>,
    leftovers: Vec<String>,
    room_in: Vec<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` whose message says what failed, naming the input, in lower case and without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                code: None,
                request_id: None,
                location: None,
                remedy: None,
                leftovers: Vec::new(),
                room_in: Vec::new(),
                source: None,
            }),
        }
    }

    /// Shorthand for [`ErrorKind::InvalidSpec`], the most frequent kind.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidSpec, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Shorthand for [`ErrorKind::NotFound`] of one instance.
    pub fn not_found(target: &InstanceRef) -> Self {
        Self::new(ErrorKind::NotFound, format!("{target} does not exist"))
    }

    /// Adds the cloud's own error code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.inner.code = Some(code.into());
        self
    }

    /// Adds the cloud's request id, which its support asks for.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.inner.request_id = Some(request_id.into());
        self
    }

    /// Adds where it happened, such as `aws/us-east-1`.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.inner.location = Some(location.into());
        self
    }

    /// Adds a next step that only this failure's place in the code knows, such as the nearest valid name.
    /// It goes before the general hint of the kind.
    #[must_use]
    pub fn with_hint(mut self, remedy: impl Into<String>) -> Self {
        self.inner.remedy = Some(remedy.into());
        self
    }

    /// Adds something that exists, or may exist, although this failed: an instance in full form, or a disk, a firewall
    /// rule or a security group. What is added twice is there once.
    #[must_use]
    pub fn with_leftover(mut self, leftover: impl fmt::Display) -> Self {
        let leftover = leftover.to_string();
        if !self.inner.leftovers.contains(&leftover) {
            self.inner.leftovers.push(leftover);
        }
        self
    }

    /// Adds several of them.
    #[must_use]
    pub fn with_leftovers(self, leftovers: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        leftovers.into_iter().fold(self, Self::with_leftover)
    }

    /// Adds the zones that, by the cloud's own word, have the room that was lacking here.
    #[must_use]
    pub fn with_zones_with_capacity(mut self, zones: Vec<String>) -> Self {
        self.inner.room_in = zones;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into().into());
        self
    }

    /// The same failure seen as another kind, for callers who know more than the driver did.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same failure with what was being attempted put before its message.
    #[must_use]
    pub fn context(mut self, attempted: impl fmt::Display) -> Self {
        self.inner.message = format!("{attempted}: {}", self.inner.message);
        self
    }

    /// The same failure with each of its texts replaced by what `change` makes of it.
    #[must_use]
    pub fn map_texts(mut self, change: impl Fn(&str) -> String) -> Self {
        let inner = &mut *self.inner;
        inner.message = change(&inner.message);
        for text in [
            &mut inner.code,
            &mut inner.request_id,
            &mut inner.location,
            &mut inner.remedy,
        ] {
            *text = text.as_deref().map(&change);
        }
        for leftover in &mut inner.leftovers {
            *leftover = change(leftover);
        }
        self
    }

    /// What to act on.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The zones that have the room that was lacking, if the cloud named any.
    pub fn zones_with_capacity(&self) -> &[String] {
        &self.inner.room_in
    }

    /// What failed.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The cloud's own error code, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// The cloud's request id, if it gave one.
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id.as_deref()
    }

    /// Where it happened, such as `aws/us-east-1`.
    pub fn location(&self) -> Option<&str> {
        self.inner.location.as_deref()
    }

    /// The next step for this very failure.
    pub fn hint(&self) -> Option<&str> {
        self.inner.remedy.as_deref()
    }

    /// What exists, or may exist, although this failed: instances in full form, disks, firewall rules, security groups.
    pub fn leftovers(&self) -> &[String] {
        &self.inner.leftovers
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("code", &self.inner.code)
            .field("request_id", &self.inner.request_id)
            .field("location", &self.inner.location)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl From<UnknownProvider> for Error {
    fn from(error: UnknownProvider) -> Self {
        Self::invalid(error.to_string()).with_hint(error.hint())
    }
}

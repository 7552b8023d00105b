//! The error type: a kind that decides what happens next, the cloud's own code, the location, and the leftovers of a
//! failed call.

use std::fmt;
use std::sync::Arc;

use super::{InstanceRef, ProviderKind, UnknownProvider, word_enum};

/// The result of everything that can fail in the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

word_enum! {
    /// The kind of an error. It decides the exit code, the hint, and whether to try again.
    ///
    /// Drivers choose it by the cloud's **code**, never by message text.
    pub enum ErrorKind {
        /// The request is invalid. No call that changes anything was sent.
        InvalidSpec = "invalid_spec",
        /// This cloud cannot do it. No call that changes anything was sent.
        Unsupported = "unsupported",
        /// The instance does not exist, or no longer.
        NotFound = "not_found",
        /// More than one instance matches.
        Ambiguous = "ambiguous",
        /// The name is used by another instance, or by one with another spec.
        AlreadyExists = "already_exists",
        /// The instance is protected against termination.
        Protected = "protected",
        /// The action is not allowed now: wrong state, wrong account, not created by cloudctl, no default network.
        Refused = "refused",
        /// No usable credentials, or expired ones.
        Unauthenticated = "unauthenticated",
        /// The credentials are valid, but do not allow this.
        PermissionDenied = "permission_denied",
        /// A limit of the account is reached.
        Quota = "quota",
        /// The cloud has no capacity in that location.
        Capacity = "capacity",
        /// The cloud got too many requests. The call had no effect.
        Throttled = "throttled",
        /// The cloud could not be reached or did not answer. The call had no effect.
        Network = "network",
        /// The wait ended before the state was reached. The instance exists.
        Timeout = "timeout",
        /// The answer lacks a part of what was requested.
        Incomplete = "incomplete",
        /// The call may have taken effect.
        UnknownOutcome = "unknown_outcome",
        /// A signal stopped the run before the call had any effect.
        Interrupted = "interrupted",
        /// A bug of cloudctl, or an answer of the cloud that cloudctl does not understand.
        Internal = "internal",
    }
}

/// The location of an error: a cloud, or a region or zone of one. Printed `aws` or `aws/us-east-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLocation {
    /// The cloud.
    pub provider: ProviderKind,
    /// The region or zone; `None` is the whole cloud.
    pub scope: Option<String>,
}

impl ErrorLocation {
    /// A region or zone of a cloud. An empty `scope` is the whole cloud.
    pub fn new(provider: ProviderKind, scope: impl fmt::Display) -> Self {
        Self {
            provider,
            scope: Some(scope.to_string()).filter(|scope| !scope.is_empty()),
        }
    }
}

impl From<ProviderKind> for ErrorLocation {
    fn from(provider: ProviderKind) -> Self {
        Self { provider, scope: None }
    }
}

impl fmt::Display for ErrorLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(formatter, "{}/{scope}", self.provider),
            None => write!(formatter, "{}", self.provider),
        }
    }
}

/// A leftover: something that exists, or may exist, although a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// An instance.
    Instance(InstanceRef),
    /// A disk, a firewall rule or a security group.
    Resource {
        /// The cloud.
        provider: ProviderKind,
        /// The region or zone; on Compute Engine also `global/firewalls`.
        scope: String,
        /// The cloud's id or name for it.
        id: String,
    },
}

impl Leftover {
    /// A disk, a firewall rule or a security group.
    pub fn resource(provider: ProviderKind, scope: impl fmt::Display, id: impl fmt::Display) -> Self {
        Self::Resource {
            provider,
            scope: scope.to_string(),
            id: id.to_string(),
        }
    }
}

impl From<&InstanceRef> for Leftover {
    fn from(instance: &InstanceRef) -> Self {
        Self::Instance(instance.clone())
    }
}

impl From<InstanceRef> for Leftover {
    fn from(instance: InstanceRef) -> Self {
        Self::Instance(instance)
    }
}

impl From<&Leftover> for Leftover {
    fn from(leftover: &Leftover) -> Self {
        leftover.clone()
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(instance) => write!(formatter, "{instance}"),
            Self::Resource { provider, scope, id } => write!(formatter, "{provider}/{scope}/{id}"),
        }
    }
}

/// The subject of an error, which its message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An instance that exists.
    Instance(InstanceRef),
    /// The name of an instance, or of a group, to create.
    Name(String),
}

impl From<&InstanceRef> for Subject {
    fn from(instance: &InstanceRef) -> Self {
        Self::Instance(instance.clone())
    }
}

impl From<InstanceRef> for Subject {
    fn from(instance: InstanceRef) -> Self {
        Self::Instance(instance)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(instance) => write!(formatter, "{instance}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// A part of a cloud that did not answer. With one, a listing is incomplete.
#[derive(Clone, Debug)]
pub struct Gap {
    /// The cloud, region or zone.
    pub location: ErrorLocation,
    /// Why it did not answer.
    pub error: Error,
}

impl Gap {
    /// Creates a gap at the error's own location, or else at `location`.
    pub fn new(error: Error, location: impl Into<ErrorLocation>) -> Self {
        let location = error.location().cloned().unwrap_or_else(|| location.into());
        Self {
            error: error.at(location.clone()),
            location,
        }
    }
}

impl From<Gap> for Error {
    fn from(gap: Gap) -> Self {
        gap.error
    }
}

/// A cloud that was not queried.
#[derive(Clone, Debug)]
pub struct SkippedCloud {
    /// The cloud.
    pub provider: ProviderKind,
    /// The reason: it does not have the region or zone, or could not be asked for it.
    pub reason: Error,
}

/// A failure: its kind and message, the cloud's own code and request id, its location, its source chain, and its leftovers.
/// A clone reports the same failure for another target.
#[derive(Clone)]
pub struct Error {
    // Boxed, so that a Result without an error stays small.
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    request_id: Option<String>,
    location: Option<ErrorLocation>,
    subject: Option<Subject>,
    hint: Option<String>,
    leftovers: Vec<Leftover>,
    zones_with_capacity: Vec<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error. The message says what failed and names the input, in lower case and without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                code: None,
                request_id: None,
                location: None,
                subject: None,
                hint: None,
                leftovers: Vec::new(),
                zones_with_capacity: Vec::new(),
                source: None,
            }),
        }
    }

    /// Creates an error of the kind [`ErrorKind::InvalidSpec`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidSpec, message)
    }

    /// Creates an error of the kind [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Creates the error for an instance that does not exist.
    pub fn not_found(target: &InstanceRef) -> Self {
        Self::new(ErrorKind::NotFound, format!("{target} does not exist"))
            .with_hint("see which VMs there are with `cloudctl list`")
            .naming(target)
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

    /// Sets the location.
    #[must_use]
    pub fn at(mut self, location: impl Into<ErrorLocation>) -> Self {
        self.inner.location = Some(location.into());
        self
    }

    /// Sets the location, unless the error has one already.
    #[must_use]
    pub fn at_if_unset(self, location: impl Into<ErrorLocation>) -> Self {
        match self.inner.location {
            Some(_) => self,
            None => self.at(location),
        }
    }

    /// Records that the message names this subject already.
    #[must_use]
    pub fn naming(mut self, subject: impl Into<Subject>) -> Self {
        self.inner.subject = Some(subject.into());
        self
    }

    /// Puts the subject before the message, unless the message names one already.
    #[must_use]
    pub fn with_subject(self, subject: impl Into<Subject>) -> Self {
        if self.inner.subject.is_some() {
            return self;
        }
        let subject = subject.into();
        self.context(&subject).naming(subject)
    }

    /// Sets the hint: a next step for this very failure, such as the closest valid name. It replaces the general hint of the
    /// kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Adds a leftover, unless the error has it already.
    #[must_use]
    pub fn with_leftover(mut self, leftover: impl Into<Leftover>) -> Self {
        let leftover = leftover.into();
        if !self.inner.leftovers.contains(&leftover) {
            self.inner.leftovers.push(leftover);
        }
        self
    }

    /// Adds several leftovers.
    #[must_use]
    pub fn with_leftovers(self, leftovers: impl IntoIterator<Item = impl Into<Leftover>>) -> Self {
        leftovers.into_iter().fold(self, Self::with_leftover)
    }

    /// Sets the zones that, as the cloud says, have the missing capacity.
    #[must_use]
    pub fn with_zones_with_capacity(mut self, zones: Vec<String>) -> Self {
        self.inner.zones_with_capacity = zones;
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into().into());
        self
    }

    /// Changes the kind, for callers who know more than the driver did.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// Puts a prefix before the message: `PREFIX: message`.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.inner.message = format!("{prefix}: {}", self.inner.message);
        self
    }

    /// Replaces each text of the error by what `change` returns for it.
    #[must_use]
    pub fn map_texts(mut self, change: impl Fn(&str) -> String) -> Self {
        let inner = &mut *self.inner;
        inner.message = change(&inner.message);
        for text in [&mut inner.code, &mut inner.request_id, &mut inner.hint] {
            *text = text.as_deref().map(&change);
        }
        if let Some(ErrorLocation { scope: Some(scope), .. }) = &mut inner.location {
            *scope = change(scope);
        }
        for leftover in &mut inner.leftovers {
            match leftover {
                Leftover::Instance(InstanceRef { scope, id, .. }) | Leftover::Resource { scope, id, .. } => {
                    *scope = change(scope);
                    *id = change(id);
                }
            }
        }
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The zones that have the missing capacity, if the cloud named any.
    pub fn zones_with_capacity(&self) -> &[String] {
        &self.inner.zones_with_capacity
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

    /// The location of the error.
    pub fn location(&self) -> Option<&ErrorLocation> {
        self.inner.location.as_ref()
    }

    /// The subject that the message names, if it was recorded.
    pub fn subject(&self) -> Option<&Subject> {
        self.inner.subject.as_ref()
    }

    /// The hint of this very failure, if it has one.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The leftovers.
    pub fn leftovers(&self) -> &[Leftover] {
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

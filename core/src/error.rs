use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::{Revision, TokenKey};

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do next.
///
/// The kind, which also tells whether a retry may help, and whether a write may have happened all the same are separate
/// facts. `Display` does not repeat the source. No error ever holds stored bytes, so none can show a token (clause S1);
/// backends put in it only sources that cannot quote what they read or sent.
///
/// Cheap to clone: several callers may wait for one write, and each is told the same.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: Option<Operation>,
    message: String,
    key: Option<TokenKey>,
    conflict: Option<Conflict>,
    retry_after: Option<Duration>,
    may_have_applied: bool,
    action: Option<&'static str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kind of an [`Error`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's arguments cannot be stored or make no sense. Nothing was written.
    InvalidInput,
    /// A key, a record or a batch is larger than the storage declares. Nothing was written.
    TooLarge,
    /// A precondition did not hold; see [`Error::conflict`]. Nothing was written.
    Conflict,
    /// What is stored is damaged. It is not "there is nothing": the message names the place.
    Corrupt,
    /// Others kept the storage or the lease busy for as long as the call may wait. A retry may help.
    Busy,
    /// The storage cannot be reached or used now: network, service, input and output errors.
    Unavailable,
    /// The operating system or the service refuses: permissions, credentials, a read-only file.
    PermissionDenied,
    /// There is no room: disk full, quota, file size limit.
    StorageFull,
    /// The storage is not what the configuration says: no such table, another schema, another format, a wrong
    /// encryption key, an unknown URL.
    Misconfigured,
    /// The lease is no longer this holder's: its time ran out and another took it over.
    LeaseLost,
    /// A rule that the program has set up does not accept the record; see [`std::error::Error::source`]. Nothing was
    /// written.
    Rejected,
}

/// What was being done when it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening or creating the storage.
    Open,
    /// Reading a record.
    Get,
    /// Writing one record.
    Store,
    /// Writing several records at once.
    StoreAll,
    /// Removing a record.
    Remove,
    /// Listing keys or namespaces.
    List,
    /// Acquiring, renewing or releasing a lease, or recording an intent with it.
    Lease,
    /// Making records of an authorization server's answer.
    Parse,
    /// Anything else that a backend offers.
    Manage,
}

/// The facts of a [`Conflict`](ErrorKind::Conflict).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The key whose precondition did not hold.
    pub key: TokenKey,
    /// The revision of what was stored when the write was refused; `None`: there was no record.
    pub current: Option<Revision>,
}

impl Error {
    /// An error with a message that says what happened, where, and what to do next. Never put stored bytes in it.
    ///
    /// Operation and key are named once, where a storage's method begins: see [`Error::with_operation`].
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            operation: None,
            message: message.into(),
            key: None,
            conflict: None,
            retry_after: None,
            may_have_applied: false,
            action: None,
            source: None,
        }))
    }

    /// A precondition that did not hold.
    pub fn precondition_failed(key: TokenKey, current: Option<Revision>) -> Self {
        let message = match current {
            Some(_) => "the stored record is not the one the precondition names; read it again",
            None => "there is no stored record, though the precondition names one",
        };
        Self::new(ErrorKind::Conflict, message)
            .with_key(&key)
            .change(|inner| inner.conflict = Some(Conflict { key, current }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Names the key that was concerned.
    pub fn with_key(self, key: &TokenKey) -> Self {
        self.change(|inner| inner.key = Some(key.clone()))
    }

    /// Names what was being done, in place of what was named before: the method that was called knows best.
    pub fn with_operation(self, operation: Operation) -> Self {
        self.change(|inner| inner.operation = Some(operation))
    }

    /// Says after how long a retry is worth while at the earliest, where the service said so.
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.change(|inner| inner.retry_after = Some(after))
    }

    /// Says that the write may have happened, or may still happen, although the call failed (clause A5).
    pub fn with_unknown_outcome(self) -> Self {
        self.change(|inner| inner.may_have_applied = true)
    }

    /// Names what helps among the [actions](crate::backend::ActionInfo) of the storage's scheme, for programs that offer
    /// these: a command adds its own words. The message has to be enough without.
    pub fn with_action(self, name: &'static str) -> Self {
        self.change(|inner| inner.action = Some(name))
    }

    /// Keeps the cause. It must not be able to quote what was read or sent: no error of a JSON parser, none of an SDK
    /// that holds the request.
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.change(|inner| inner.source = Some(Arc::from(source.into())))
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done, where the storage has named it.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The message alone, without operation and key.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The key that was concerned, if there was one.
    pub fn key(&self) -> Option<&TokenKey> {
        self.0.key.as_ref()
    }

    /// The facts of a conflict; `Some` exactly if the kind is [`ErrorKind::Conflict`].
    pub fn conflict(&self) -> Option<&Conflict> {
        self.0.conflict.as_ref()
    }

    /// Whether the same call may succeed later without anything being changed: what is [`Busy`](ErrorKind::Busy) or
    /// [`Unavailable`](ErrorKind::Unavailable) may pass, all else needs somebody who acts (clause D6).
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable)
    }

    /// After how long a retry is worth while at the earliest, where the service said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The [action](crate::backend::ActionInfo) of the storage's scheme that helps, by its name.
    pub fn action(&self) -> Option<&'static str> {
        self.0.action
    }

    /// Whether the write may have happened, or may still happen. `false` means that it certainly did not.
    pub fn may_have_applied(&self) -> bool {
        self.0.may_have_applied
    }
}

/// Says on the way out what was being done, and with which record: once, where a storage's method begins. What that
/// method calls makes errors of a kind and a message.
pub trait ErrorContext {
    /// Names the operation in the error; see [`Error::with_operation`].
    fn during(self, operation: Operation) -> Self;

    /// Names the key in the error, unless one is named there: that of a batch, say, that could not be written.
    fn about(self, key: &TokenKey) -> Self;
}

impl<T> ErrorContext for Result<T> {
    fn during(self, operation: Operation) -> Self {
        self.map_err(|error| error.with_operation(operation))
    }

    fn about(self, key: &TokenKey) -> Self {
        self.map_err(|error| match error.key() {
            Some(_) => error,
            None => error.with_key(key),
        })
    }
}

impl Operation {
    fn attempt(self) -> &'static str {
        match self {
            Self::Open => "cannot open the storage",
            Self::Get => "cannot read the token",
            Self::Store => "cannot store the token",
            Self::StoreAll => "cannot store the tokens",
            Self::Remove => "cannot remove the token",
            Self::List => "cannot list",
            Self::Lease => "cannot use the refresh lease",
            Self::Parse => "cannot use the token response",
            Self::Manage => "the operation failed",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without either nobody knows what was being done, and it need not have been a storage that failed.
        if self.0.operation.is_some() || self.0.key.is_some() {
            f.write_str(self.0.operation.map_or("the storage failed", Operation::attempt))?;
            if let Some(key) = &self.0.key {
                write!(f, " of {key}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.0.message)?;
        if self.0.may_have_applied {
            f.write_str(" (the write may have happened all the same)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("key", &self.0.key)
            .field("retry_after", &self.0.retry_after)
            .field("may_have_applied", &self.0.may_have_applied)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}

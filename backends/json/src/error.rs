//! What can go wrong with the file, in the words of the contract.

use std::{fmt, path::Path, sync::Arc};

use token_storage_core::{Error, ErrorKind, Operation, TokenKey};
use token_storage_files as files;

use crate::{
    document::{Damage, DamageKind, RecordDamage},
    load::LoadError,
    shared::Shared,
};

/// An error that several callers get: those who waited for one read, or for one rewrite.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<Error>);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl Failure {
    /// The error as one of the callers gets it.
    pub(crate) fn error(&self, operation: Operation) -> Error {
        let original = &self.0;
        let mut error = Error::new(original.kind(), operation, original.message());
        if original.is_retryable() {
            error = error.with_retry(original.retry_after());
        }
        if original.may_have_applied() {
            error = error.with_unknown_outcome();
        }
        if std::error::Error::source(&**original).is_some() {
            error = error.with_source(Cause(Arc::clone(original)));
        }
        error
    }
}

/// The source of a shared error.
#[derive(Debug)]
struct Cause(Arc<Error>);

impl Cause {
    fn source_of_original(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source_of_original()
            .map_or(Ok(()), |source| fmt::Display::fmt(source, f))
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source_of_original().and_then(std::error::Error::source)
    }
}

/// The file cannot be read.
pub(crate) fn load(path: &Path, error: LoadError) -> Error {
    match error {
        LoadError::Io(error) => files::io_error(Operation::Get, path, "read", error),
        LoadError::NotAFile => {
            let message = format!("{} is not a file; name the path of a JSON file", path.display());
            Error::new(ErrorKind::Misconfigured, Operation::Get, message)
        }
    }
}

/// The file's content is no token file.
pub(crate) fn damage(path: &Path, damage: &Damage, operation: Operation) -> Error {
    let path = path.display();
    match damage.kind {
        DamageKind::Corrupt => {
            let message = format!(
                "{path} is damaged: {}. Put back a sound copy, or log in again: that keeps the damaged file under \
                 another name beside it and starts a new one",
                damage.message
            );
            Error::new(ErrorKind::Corrupt, operation, message)
        }
        DamageKind::NotOurs => {
            let message = format!(
                "{path} is not a token file of a known format: {}. Name another path; this file is left as it is",
                damage.message
            );
            Error::new(ErrorKind::Misconfigured, operation, message)
        }
    }
}

/// One record, or one namespace, of a file that is otherwise sound.
pub(crate) fn record(path: &Path, key: &TokenKey, damage: RecordDamage, operation: Operation) -> Error {
    let path = path.display();
    let message = match damage {
        RecordDamage::Namespace => {
            format!("in {path} this namespace is not a JSON object; store the token anew, or repair the file")
        }
        RecordDamage::Record(error) => {
            format!("in {path} this record is damaged: {error}; store the token anew, or repair the file")
        }
    };
    Error::new(ErrorKind::Corrupt, operation, message).with_key(key)
}

/// A namespace that cannot be listed.
pub(crate) fn namespace(path: &Path, name: &str) -> Error {
    let message = format!(
        "in {} the namespace {name:?} is not a JSON object; repair the file, or store a token in it, which keeps a copy of \
         the file and starts the namespace anew",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, Operation::List, message)
}

/// Nobody could read the file any more.
pub(crate) fn file_too_large(path: &Path) -> Error {
    let message = format!(
        "{} would become larger than 1 GiB; remove tokens, or use SQLite for that many",
        path.display()
    );
    Error::new(ErrorKind::TooLarge, Operation::Store, message)
}

/// Others kept the lock for too long.
pub(crate) fn busy(shared: &Shared, operation: Operation) -> Error {
    let message = format!(
        "other programs kept {} locked for longer than {:?}; try again",
        shared.path.display(),
        shared.busy_timeout
    );
    Error::new(ErrorKind::Busy, operation, message)
}

/// The thread that does the blocking work is gone or cannot be had.
pub(crate) fn no_thread(operation: Operation) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "no thread could be started for the file's input and output; the process is at its limits",
    )
}

/// A worker thread died before it answered. It can only have panicked, which is a defect of this crate.
pub(crate) fn no_answer(operation: Operation) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        operation,
        "the thread that reads and writes the file ended without an answer; open the storage again",
    )
}

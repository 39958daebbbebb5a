//! What can go wrong with the file, in the words of the contract.

use std::path::Path;

use token_storage_core::{Error, ErrorKind, TokenKey};
use token_storage_files as files;

use crate::{
    document::{Damage, DamageKind, RecordDamage},
    load::LoadError,
    shared::Shared,
};

/// The file cannot be read.
pub(crate) fn load(path: &Path, error: LoadError) -> Error {
    match error {
        LoadError::Io(error) => files::io_error(path, "read", error),
        LoadError::NotAFile => {
            let message = format!("{} is not a file; name the path of a JSON file", path.display());
            Error::new(ErrorKind::Misconfigured, message)
        }
    }
}

/// The file's content is no token file.
pub(crate) fn damage(path: &Path, damage: &Damage) -> Error {
    let path = path.display();
    match damage.kind {
        DamageKind::Corrupt => {
            let message = format!(
                "{path} is damaged: {}. Put back a sound copy, or log in again: that keeps the damaged file under \
                 another name beside it and goes on with what can be read of it",
                damage.message
            );
            Error::new(ErrorKind::Corrupt, message)
        }
        DamageKind::NotOurs => {
            let message = format!(
                "{path} is not a token file of a known format: {}. Name another path; this file is left as it is",
                damage.message
            );
            Error::new(ErrorKind::Misconfigured, message)
        }
    }
}

/// One record, or one namespace, of a file that is otherwise sound.
pub(crate) fn record(path: &Path, key: &TokenKey, damage: RecordDamage) -> Error {
    let path = path.display();
    let message = match damage {
        RecordDamage::Namespace => {
            format!("in {path} this namespace is not a JSON object; store the token anew, or repair the file")
        }
        RecordDamage::Record(error) => {
            format!("in {path} this record is damaged: {error}; store the token anew, or repair the file")
        }
    };
    Error::new(ErrorKind::Corrupt, message).with_key(key)
}

/// A namespace that cannot be listed.
pub(crate) fn namespace(path: &Path, name: &str) -> Error {
    let message = format!(
        "in {} the namespace {name:?} is not a JSON object; repair the file, or store a token in it, which keeps a copy of \
         the file and starts the namespace anew",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}

/// Nobody could read the file any more.
pub(crate) fn file_too_large(path: &Path) -> Error {
    let message = format!(
        "{} would become larger than 1 GiB; remove tokens, or use SQLite for that many",
        path.display()
    );
    Error::new(ErrorKind::TooLarge, message)
}

/// Others kept the lock for too long.
pub(crate) fn busy(shared: &Shared) -> Error {
    let message = format!(
        "other programs kept {} locked for longer than {:?}; try again",
        shared.path.display(),
        shared.busy_timeout
    );
    Error::new(ErrorKind::Busy, message)
}

/// The thread that does the blocking work is gone or cannot be had.
pub(crate) fn no_thread() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "no thread could be started for the file's input and output; the process is at its limits",
    )
}

/// A worker thread died before it answered. It can only have panicked, which is a defect of this crate.
pub(crate) fn no_answer() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the thread that reads and writes the file ended without an answer; open the storage again",
    )
}

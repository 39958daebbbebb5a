//! From SQLite's errors to ours. SQLite's own are never kept as a source and their texts never quoted: only result codes
//! leave this module, and those hold no stored bytes.

use std::{fs, io::Read as _, path::Path};

use rusqlite::{ErrorCode, ffi};
use token_storage_core::{Error, ErrorKind};
use token_storage_files::too_few_descriptors;

use crate::look;

/// The database, its log and the log's index, a journal, the folder.
const OPENED_TOGETHER: usize = 5;

/// What an error of SQLite means for the database at `place`.
pub(crate) fn from_sqlite(error: &rusqlite::Error, place: &Path) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) && is_json(place) {
        return json(place);
    }
    if error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
        && let Some(error) = too_few_descriptors(place, OPENED_TOGETHER)
    {
        return error;
    }
    if error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
        && let Some(odd) = look::odd_companion(place)
    {
        let message = format!(
            "{} is not a file, and stands where the database {} keeps one; remove it",
            odd.display(),
            place.display()
        );
        return Error::new(ErrorKind::PermissionDenied, message);
    }
    let (path, place) = (place, place.display());
    let Some(cause) = error.sqlite_error() else {
        let message =
            format!("the table token_storage of {place} has another shape than the Globus SDK's; name another path");
        return Error::new(ErrorKind::Misconfigured, message);
    };
    let code = format!(
        "SQLite: {}, code {}",
        ffi::code_to_str(cause.extended_code),
        cause.extended_code
    );
    if cause.extended_code == ffi::SQLITE_IOERR_SHORT_READ {
        return Error::new(ErrorKind::Corrupt, damaged(&place, &code));
    }
    match cause.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => locked(&place),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::new(ErrorKind::Corrupt, damaged(&place, &code)),
        ErrorCode::ReadOnly if cause.extended_code == ffi::SQLITE_READONLY && files_are_writable(path) => {
            let message = format!(
                "{place} can be read, but its header says that only a newer SQLite may write it, which is damage unless one \
                 does; put back a sound copy, or move its tokens to another storage ({code})"
            );
            Error::new(ErrorKind::PermissionDenied, message)
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => denied(&place, &code),
        ErrorCode::DiskFull => {
            let message =
                format!("no room left to write {place}; nothing was changed; make room and try again ({code})");
            Error::new(ErrorKind::StorageFull, message)
        }
        _ if is_without_room_beside(error) => {
            let message = format!("no room left for the files beside {place}; make room and try again ({code})");
            Error::new(ErrorKind::StorageFull, message)
        }
        ErrorCode::CannotOpen => {
            let message = format!("{place} or a file beside it cannot be opened; check folder and owner ({code})");
            Error::new(ErrorKind::PermissionDenied, message)
        }
        ErrorCode::TooBig => Error::new(ErrorKind::TooLarge, format!("larger than {place} can hold ({code})")),
        ErrorCode::Unknown => {
            let message = format!("{place} is not laid out like the Globus SDK's database; name another path ({code})");
            Error::new(ErrorKind::Misconfigured, message)
        }
        _ if cause.extended_code == ffi::SQLITE_IOERR_WRITE => {
            // What the file size limit and most failing disks come to; the commit record was not written.
            let message = format!("{place} cannot be written; nothing was changed ({code})");
            Error::new(ErrorKind::StorageFull, message)
        }
        _ => {
            let message = format!("{place} cannot be used now; check its disk and its folder, and try again ({code})");
            Error::new(ErrorKind::Unavailable, message)
        }
    }
}

/// Then it is not the permissions that SQLite means. The folder counts, too: it is where the log is made.
fn files_are_writable(path: &Path) -> bool {
    token_storage_files::may_write(path) && path.parent().is_some_and(token_storage_files::may_write)
}

pub(crate) fn locked(place: &impl std::fmt::Display) -> Error {
    let message = format!("another program keeps {place} locked for longer than this call may wait; try again");
    Error::new(ErrorKind::Busy, message)
}

fn json(place: &Path) -> Error {
    let message = format!(
        "{} holds JSON and is no database; open it as a JSON file, with `json:` in front of its path, or name another \
         path; this file is left as it is",
        place.display()
    );
    Error::new(ErrorKind::Misconfigured, message)
}

fn denied(place: &impl std::fmt::Display, code: &str) -> Error {
    let message = format!("{place} or its folder is read-only for this user; check owner and permissions ({code})");
    Error::new(ErrorKind::PermissionDenied, message)
}

/// Whether a file that is no database looks like a token file of JSON. That is no damage, but the wrong name for it.
fn is_json(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    read.is_ok() && start.trim_ascii_start().starts_with(b"{")
}

fn damaged(place: &impl std::fmt::Display, code: &str) -> String {
    format!(
        "the database {place} is damaged ({code}); the next write keeps it aside, with a name that says so, and \
         goes on with what can be read of it"
    )
}

/// What kept a connection from being opened or used.
pub(crate) enum Trouble {
    Error(Error),
    Sql(rusqlite::Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// What SQLite says of a database that contradicts itself.
pub(crate) fn contradicts_itself() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
}

/// What SQLite itself says of an index that does not fit its table.
pub(crate) fn index_disagrees() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT_INDEX), None)
}

/// The file ends within a page: SQLite would take the rest of that page for zeros.
pub(crate) fn cut_off() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_SHORT_READ), None)
}

/// What SQLite says where a file that it needs cannot be opened.
pub(crate) fn cannot_open() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), None)
}

/// To be tried again where it may wait.
pub(crate) fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)
}

/// Whether a reader or writer should wait and try again.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether there is no room for the shared memory of the write-ahead log, a file that readers need, too.
pub(crate) fn is_without_room_beside(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|cause| cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// Whether the database as a whole is damaged, not just one record.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|cause| {
        matches!(cause.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            || cause.extended_code == ffi::SQLITE_IOERR_SHORT_READ
    })
}

/// Whether the commit record may have reached the disk although COMMIT failed: everything but a write that was refused.
pub(crate) fn commit_may_have_happened(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_none_or(|cause| cause.code == ErrorCode::SystemIoFailure && cause.extended_code != ffi::SQLITE_IOERR_WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_kind() {
        for (code, want) in [
            (ffi::SQLITE_BUSY, ErrorKind::Busy),
            (ffi::SQLITE_BUSY_RECOVERY, ErrorKind::Busy),
            (ffi::SQLITE_CORRUPT_INDEX, ErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_IOERR_SHORT_READ, ErrorKind::Corrupt),
            (ffi::SQLITE_READONLY_DIRECTORY, ErrorKind::PermissionDenied),
            (ffi::SQLITE_CANTOPEN, ErrorKind::PermissionDenied),
            (ffi::SQLITE_FULL, ErrorKind::StorageFull),
            (ffi::SQLITE_IOERR_WRITE, ErrorKind::StorageFull),
            (ffi::SQLITE_IOERR_SHMSIZE, ErrorKind::StorageFull),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_ERROR, ErrorKind::Misconfigured),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("canary".to_owned()));
            let error = from_sqlite(&error, Path::new("/db"));
            assert_eq!(error.kind(), want, "{code}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn only_a_failed_sync_leaves_the_outcome_open() {
        for (code, want) in [
            (ffi::SQLITE_FULL, false),
            (ffi::SQLITE_IOERR_WRITE, false),
            (ffi::SQLITE_BUSY, false),
            (ffi::SQLITE_IOERR_FSYNC, true),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(commit_may_have_happened(&error), want, "{code}");
        }
    }
}

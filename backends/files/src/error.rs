use std::{io, path::Path};

use token_storage_core::{Error, ErrorKind};

/// An error of the operating system, in the contract's terms: `cannot {doing} {path}: {error}`.
///
/// The source is kept: an [`io::Error`] from a system call holds a code and no stored bytes.
pub fn io_error(path: &Path, doing: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::StorageFull
        }
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => ErrorKind::Misconfigured,
        _ => ErrorKind::Unavailable,
    };
    let advice = match kind {
        ErrorKind::PermissionDenied => "; check owner and permissions of the file and its directory",
        ErrorKind::StorageFull => "; make room and try again",
        ErrorKind::Misconfigured => "; give the path of a file",
        _ => "",
    };
    // Not `{error}`: the source is shown by whoever prints the chain.
    Error::new(kind, format!("cannot {doing} {}{advice}", path.display())).with_source(error)
}

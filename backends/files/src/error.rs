use std::{fs, io, path::Path};

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
        _ if is_descriptor_limit(&error) => FREE_DESCRIPTORS,
        _ => "",
    };
    // Not `{error}`: the source is shown by whoever prints the chain.
    Error::new(kind, format!("cannot {doing} {}{advice}", path.display())).with_source(error)
}

const FREE_DESCRIPTORS: &str = "; raise the limit of open files (ulimit -n), or close some";

/// The error for a file that a library could not open without saying why, if the reason may be that this process, or the
/// machine, may hardly open any more: fewer than `needed`, as many as the library opens together. By now it has closed
/// again those that it got. Looked for by opening a folder, never the file itself: closing a second descriptor of a
/// database would drop its locks.
///
/// `None` where so many can be opened; so a limit below which there has come room meanwhile is not seen.
pub fn too_few_descriptors(path: &Path, needed: usize) -> Option<Error> {
    let opened: io::Result<Vec<_>> = (0..needed).map(|_| fs::File::open("/")).collect();
    let error = opened.err()?;
    is_descriptor_limit(&error).then(|| io_error(path, "open", error))
}

#[cfg(unix)]
fn is_descriptor_limit(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Not known how to tell on this platform.
#[cfg(not(unix))]
fn is_descriptor_limit(_error: &io::Error) -> bool {
    false
}

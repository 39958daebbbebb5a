//! What cannot be read is an error that names the place, and is never overwritten (D3).

use std::{fs, path::Path};

use token_storage_core::{Error, ErrorKind, Result, WriteMark};
use token_storage_files::{beside, io_error, sync_directory};

/// Behind the name of a file, followed by random digits: it is kept aside.
pub(crate) const SUFFIX: &str = ".damaged-";

pub(crate) fn corrupt(path: &Path, what: impl std::fmt::Display) -> Error {
    let message = format!(
        "{} is damaged: {what}; restore it, or log in again: the next login keeps it aside",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}

/// Moves a damaged file out of the way of what is about to be written. Its name is no record's any more.
pub(crate) fn keep_aside(path: &Path) -> Result<()> {
    let kept = beside(path, &format!("{SUFFIX}{}", WriteMark::random()?));
    fs::rename(path, &kept).map_err(|error| io_error(path, "keep aside", error))?;
    sync_directory(path).map_err(|error| io_error(path, "keep aside", error).with_unknown_outcome())
}

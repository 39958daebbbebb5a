//! Folders that can only be read, for [`WriteRefusing`](crate::WriteRefusing).

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Makes a folder refuse what is created, replaced and removed in it, and `files` what is written to them, through files
/// that are open as well; or no longer. By the attribute "immutable" of Linux (`chattr`), which stops the superuser, too.
///
/// What is missing of `files` is left out. The shared memory of SQLite must not be among them: readers write to it.
///
/// # Errors
/// - Why that is not possible here: only the superuser may, on file systems that have the attribute.
pub fn refuse_writes_in(folder: &Path, files: &[PathBuf], refuse: bool) -> Result<(), String> {
    let there = files.iter().map(PathBuf::as_path).filter(|file| file.exists());
    let of_files: Vec<&Path> = there.collect();
    let all = of_files.into_iter().chain([folder]);
    let mut chattr = Command::new("chattr");
    let tried = chattr.arg(if refuse { "+i" } else { "-i" }).args(all).output();
    let reason = match tried {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    if refuse {
        // Part of it may have been done.
        let _ = refuse_writes_in(folder, files, false);
    }
    Err(format!("nothing here can be made immutable: chattr: {reason}"))
}

//! Files that are kept beside the token file because a write would have thrown something away: the original of a file
//! in an older format, and damaged files. They may hold tokens.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use token_storage_core::{Finding, Severity};
use token_storage_files::{self as files, beside, private_options};

use crate::document::Format;

/// Behind the file's name: `tokens.json` in format 1.0 is kept as `tokens.json.original-1.0`.
pub(crate) const ORIGINAL: &str = ".original-";

/// Behind the file's name, followed by 16 random hexadecimal digits.
pub(crate) const DAMAGED: &str = ".damaged-";

/// Where the original of an upgraded file goes.
pub(crate) fn original_path(path: &Path, format: Format) -> PathBuf {
    beside(path, &format!("{ORIGINAL}{}", format.name()))
}

/// A name beside the file that nobody else has.
pub(crate) fn damaged_path(path: &Path) -> io::Result<PathBuf> {
    random_path(path, DAMAGED)
}

/// Keeps the original of a file that is about to be upgraded. `None`: it is kept already.
pub(crate) fn keep_original(path: &Path, format: Format) -> io::Result<Option<PathBuf>> {
    let original = original_path(path, format);
    match keep(path, &original) {
        Ok(()) => Ok(Some(original)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Of an upgrade that did not get further, or of an earlier file.
            if same_content(path, &original)? {
                return Ok(None);
            }
            let another = random_path(path, &format!("{ORIGINAL}{}-", format.name()))?;
            keep(path, &another)?;
            Ok(Some(another))
        }
        Err(error) => Err(error),
    }
}

fn random_path(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(beside(path, &format!("{suffix}{:016x}", u64::from_be_bytes(bits))))
}

/// Keeps the file that `path` names now under `keep` too. The next rename over `path` makes it the only name.
pub(crate) fn keep(path: &Path, keep: &Path) -> io::Result<()> {
    match fs::hard_link(path, keep) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => copy(path, keep),
        result => result,
    }
}

/// For file systems without hard links.
fn copy(path: &Path, keep: &Path) -> io::Result<()> {
    let mut to = private_options().write(true).create_new(true).open(keep)?;
    files::allow_owner(&to)?;
    let copied = fs::File::open(path).and_then(|mut from| io::copy(&mut from, &mut to));
    copied.and_then(|_| to.sync_all()).inspect_err(|_| {
        let _ = fs::remove_file(keep);
    })
}

/// Whether two files hold the same bytes.
fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (
        zeroize::Zeroizing::new(fs::read(one)?),
        zeroize::Zeroizing::new(fs::read(other)?),
    );
    Ok(*one == *other)
}

/// The files that are kept beside `path`, in byte order.
pub(crate) fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept = Vec::new();
    for entry in entries {
        let entry = entry?.file_name();
        if is_kept(&entry, name) {
            kept.push(directory.join(entry));
        }
    }
    kept.sort();
    Ok(kept)
}

fn is_kept(entry: &OsStr, name: &OsStr) -> bool {
    let starts = |suffix: &str| {
        let mut start = OsString::from(name);
        start.push(suffix);
        entry.as_encoded_bytes().starts_with(start.as_encoded_bytes())
    };
    starts(ORIGINAL) || starts(DAMAGED)
}

/// What to say of a kept file.
pub(crate) fn finding(path: &Path, kept: &Path) -> Finding {
    let original = is_kept_as(kept, path, ORIGINAL);
    let message = if original {
        "the original of a token file that was upgraded; the tokens in it may still be valid"
    } else {
        "a damaged token file that was kept aside; there may be valid tokens in it"
    };
    let advice = "delete it once nothing in it is needed any more";
    Finding::new(Severity::Warning, kept.display().to_string(), message, advice)
}

fn is_kept_as(kept: &Path, path: &Path, suffix: &str) -> bool {
    let start = beside(path, suffix);
    kept.as_os_str()
        .as_encoded_bytes()
        .starts_with(start.as_os_str().as_encoded_bytes())
}

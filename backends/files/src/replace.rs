use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::permissions::{adopt_owner, create_private};

const SUFFIX: &str = ".tmp";
const RANDOM: usize = 16;

/// A new content for a file, prepared beside it and put in its place in one step.
///
/// The temporary file is owner-only, has an unpredictable name, is created exclusively, and is removed when this value is
/// dropped without [`commit`](Replacement::commit). A kill leaves it behind; [`sweep`] removes it.
#[derive(Debug)]
pub struct Replacement {
    temporary: NamedTempFile,
    target: PathBuf,
    /// To make the new entry durable, if that is wanted.
    directory: Option<Directory>,
}

impl Replacement {
    /// Creates the temporary file beside the target, which must be [resolved](crate::resolve). Written by root, it gets the
    /// owner of the target. With `durable` the new content and its directory entry will be on the disk after
    /// [`commit`](Self::commit); without, they survive the death of the process only.
    ///
    /// # Errors
    /// Those of the operating system, and [`io::ErrorKind::InvalidInput`] for `/`. What committing needs is acquired now: it
    /// does not fail for want of it.
    pub fn begin(target: &Path, durable: bool) -> io::Result<Self> {
        if target.file_name().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "names no file"));
        }
        let directory = if durable { Some(Directory::of(target)?) } else { None };
        let temporary = tempfile::Builder::new()
            .prefix(&prefix(target))
            .suffix(SUFFIX)
            .rand_bytes(RANDOM)
            .make_in(directory_of(target), create_private)?;
        adopt_owner(temporary.as_file(), target);
        Ok(Self {
            temporary,
            target: target.to_owned(),
            directory,
        })
    }

    /// The temporary file, to be filled.
    pub fn file(&self) -> &File {
        self.temporary.as_file()
    }

    /// Puts the new content in place and returns the file.
    ///
    /// # Errors
    /// - The error and whether the replacement may have happened: `true` only if the last step, making the directory
    ///   entry durable, failed.
    pub fn commit(self) -> Result<File, (io::Error, bool)> {
        let (file, entry) = self.put().map_err(|error| (error, false))?;
        entry.sync().map_err(|error| (error, true))?;
        Ok(file)
    }

    /// The first half of [`commit`](Self::commit): the new content is in place and everybody sees it; it survives a power
    /// loss once the directory that is returned has been [synced](Directory::sync). That needs no lock: whoever puts
    /// another content in place meanwhile, and syncs, makes this one's step durable with it.
    ///
    /// # Errors
    /// Those of the operating system. The replacement has not happened.
    pub fn put(self) -> io::Result<(File, Directory)> {
        if self.directory.is_some() {
            self.temporary.as_file().sync_all()?;
        }
        let file = self.temporary.persist(&self.target).map_err(|error| error.error)?;
        Ok((file, self.directory.unwrap_or(Directory(None))))
    }

    /// Removes the temporary file, as dropping does, and says whether that worked.
    ///
    /// # Errors
    /// Those of the operating system; the file is then left behind.
    pub fn discard(self) -> io::Result<()> {
        self.temporary.close()
    }
}

/// The directory of a file, held open. Open it before the step whose entry is to be durable: opening can fail where
/// everything else works, for want of the right to read the directory or of a free descriptor.
#[derive(Debug)]
pub struct Directory(Option<File>);

impl Directory {
    /// That of a file, whose path must be [resolved](crate::resolve). Where directories cannot be opened (Windows),
    /// nothing is.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn of(target: &Path) -> io::Result<Self> {
        let opened = cfg!(unix).then(|| File::open(directory_of(target)));
        Ok(Self(opened.transpose()?))
    }

    /// Makes the entries of the directory durable.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn sync(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), File::sync_all)
    }
}

/// Makes the directory entries beside a file durable. Does nothing where directories cannot be opened (Windows).
///
/// # Errors
/// Those of the operating system.
pub fn sync_directory(target: &Path) -> io::Result<()> {
    Directory::of(target)?.sync()
}

/// The temporary files that killed writers left beside the target. Ask only while holding the lock: without it one of
/// them may be in use.
///
/// # Errors
/// Those of the operating system.
pub fn temporaries(target: &Path) -> io::Result<Vec<PathBuf>> {
    temporaries_with(target, "")
}

/// As [`temporaries`], but the files beside them whose names end in `suffix`, as a format's own companions do.
///
/// # Errors
/// Those of the operating system.
pub fn temporaries_with(target: &Path, suffix: &str) -> io::Result<Vec<PathBuf>> {
    let prefix = prefix(target);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory_of(target))? {
        let entry = entry?;
        if is_temporary(&entry.file_name(), &prefix, suffix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes what [`temporaries`] finds. Call it with the lock held.
///
/// # Errors
/// Those of the operating system: the first one, when everything that can be removed is.
pub fn sweep(target: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for path in temporaries(target)? {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => result = result.and(Err(error)),
            _ => {}
        }
    }
    result
}

fn directory_of(target: &Path) -> &Path {
    target.parent().unwrap_or(Path::new("/"))
}

fn prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

/// Exactly our names, so that nobody else's file is taken for one.
fn is_temporary(name: &OsStr, prefix: &OsStr, suffix: &str) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
    let temporary = rest.and_then(|rest| rest.strip_suffix(suffix.as_bytes()));
    let random = temporary.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a1_commit_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("tokens.json");
        fs::write(&target, "old").unwrap();
        let replacement = Replacement::begin(&target, true).unwrap();
        replacement.file().write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        replacement.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["tokens.json"]);
    }

    #[test]
    fn d2_dropping_leaves_the_old_content_and_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("tokens.json");
        fs::write(&target, "old").unwrap();
        drop(Replacement::begin(&target, true).unwrap());
        Replacement::begin(&target, false).unwrap().discard().unwrap();
        assert_eq!(names(folder.path()), ["tokens.json"]);
    }

    #[test]
    fn what_names_no_file_is_not_replaced() {
        for target in ["/", "/.."] {
            let refused = Replacement::begin(Path::new(target), false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{target}");
        }
    }

    #[test]
    fn d2_sweep_removes_what_a_kill_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("tokens.json");
        let replacement = Replacement::begin(&target, false).unwrap();
        // As after a kill: the file stays, nobody has it.
        let (_, left) = replacement.temporary.keep().unwrap();
        let others = [
            ".tokens.json.notes.tmp",
            ".tokens.json.aaaaaaaaaaaaaaaa.tmp.bak",
            "tokens.json.lock",
        ];
        for other in others {
            fs::write(folder.path().join(other), "").unwrap();
        }
        assert_eq!(temporaries(&target).unwrap(), [left]);
        sweep(&target).unwrap();
        assert_eq!(temporaries(&target).unwrap(), [""; 0].map(PathBuf::from));
        sweep(&target).unwrap();
        assert_eq!(names(folder.path()).len(), others.len());
    }

    #[test]
    fn d2_what_cannot_be_swept_is_told_and_keeps_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("tokens.json");
        let names = ['a', 'b', 'c'].map(|c| {
            folder
                .path()
                .join(format!(".tokens.json.{}.tmp", c.to_string().repeat(16)))
        });
        fs::write(&names[0], "").unwrap();
        // Not even root can remove a directory as a file.
        fs::create_dir(&names[1]).unwrap();
        fs::write(&names[2], "").unwrap();
        assert!(sweep(&target).is_err());
        assert_eq!(temporaries(&target).unwrap(), [names[1].clone()]);
    }

    #[cfg(unix)]
    #[test]
    fn d4_temporary_files_are_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let replacement = Replacement::begin(&folder.path().join("t"), true).unwrap();
        assert_eq!(
            replacement.file().metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

use std::{
    fmt, fs,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

use token_storage_core::{Error, ErrorKind, Finding, Result, Severity};

use crate::io_error;

/// What keeps another file from taking the place of a file, or makes it wrong that one does.
///
/// [`Display`](fmt::Display) says what it is, as the end of a sentence that begins with the path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The file itself is a mount point, as containers mount single files. It cannot be replaced, and its lock and its
    /// other companions are not those of programs that reach it by another path.
    MountPoint,
    /// No name leads to the file any more where it comes from: it was replaced there while it was mounted here, and
    /// nothing that happens there is seen here.
    Replaced,
    /// The file has this many names (hard links): what is put in the place of one is not seen under the others.
    HardLinks(u64),
    /// The file, or the folder around it, is immutable or append-only (`chattr +i`, `+a`).
    Protected {
        /// The file or the folder.
        place: PathBuf,
        /// The attribute.
        attribute: &'static str,
    },
    /// The folder is sticky (as `/tmp` is) and neither it nor the file is ours: only their owners may replace the file.
    StickyFolder {
        /// The user id of the file's owner.
        owner: u32,
    },
    /// The operating system refuses to remove the file, for a reason of its own.
    Refused,
}

impl Obstacle {
    /// Whether no other file can take this one's place. If not, it can, but should not.
    pub fn prevents_replacing(&self) -> bool {
        !matches!(self, Self::HardLinks(_) | Self::Replaced)
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::MountPoint | Self::Replaced => "mount the folder instead of the file",
            Self::HardLinks(_) => "give it one name, and use symbolic links for the others",
            Self::Protected { .. } => "have the attribute taken off with chattr, or name another path",
            Self::StickyFolder { .. } => "name a path in a folder of your own",
            Self::Refused => "check owner and permissions of the file and its folder, or name another path",
        }
    }

    /// For `doctor` and for warnings.
    pub fn finding(&self, path: &Path) -> Finding {
        let severity = match self {
            // Backups are made with hard links, too.
            Self::HardLinks(_) => Severity::Warning,
            _ => Severity::Error,
        };
        Finding::new(severity, path.display().to_string(), self.to_string(), self.advice())
    }

    /// For what cannot be done because of it.
    pub fn error(&self, path: &Path) -> Error {
        let kind = match self {
            Self::MountPoint | Self::Replaced | Self::HardLinks(_) => ErrorKind::Misconfigured,
            Self::Protected { .. } | Self::StickyFolder { .. } | Self::Refused => ErrorKind::PermissionDenied,
        };
        let message = format!("cannot replace {}: it {self}; {}", path.display(), self.advice());
        Error::new(kind, message)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MountPoint => f.write_str(
                "is itself a mount point, so no other file can take its place, and programs on the other side have \
                 another lock for it",
            ),
            Self::Replaced => f.write_str(
                "is mounted from a file that was replaced or removed since: what happens there is not seen here",
            ),
            Self::HardLinks(names) => write!(
                f,
                "has {names} names (hard links); what is written under one of them is not seen under the others"
            ),
            Self::Protected { place, attribute } => {
                write!(f, "cannot be replaced, since {} is {attribute}", place.display())
            }
            Self::StickyFolder { owner } => write!(
                f,
                "belongs to user {owner}, and in its folder only owners may replace files (it is sticky, as /tmp is)"
            ),
            Self::Refused => f.write_str("may not be removed, as the operating system says"),
        }
    }
}

/// What stands in the way of replacing the file at a [resolved](crate::resolve) path, as far as looking tells; nothing if
/// there is no file. Two to four system calls.
///
/// # Errors
/// Those of looking at the file.
pub fn obstacles(path: &Path) -> io::Result<Vec<Obstacle>> {
    let file = match fs::metadata(path) {
        Ok(found) if found.is_file() => found,
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    platform::links(&file, &mut found);
    platform::attributes(path, &mut found);
    if let Some(folder) = path.parent() {
        platform::folder(path, folder, &file, &mut found);
    }
    Ok(found)
}

/// Proves, without changing anything, that another file may take the place of this one, given that files can be created
/// beside it. A file that does not exist is no obstacle.
///
/// Nothing is really replaced: that would be one more instant in which a program that writes in place loses its write. On
/// Linux the kernel is asked to remove the *folder* of that name: it first checks everything that removing or replacing an
/// entry takes (rights, sticky folders, attributes of file and folder), and only then says that this is no folder. Only a
/// mount point is found out later than that, hence the look before.
///
/// # Errors
/// - That of the [`Obstacle`], or of the operating system.
pub fn prove_replaceable(path: &Path) -> Result<()> {
    let failed = |error| io_error(path, "replace", error);
    let found = obstacles(path).map_err(failed)?;
    match found.iter().find(|found| found.prevents_replacing()) {
        Some(found) => Err(found.error(path)),
        None if platform::may_remove(path).map_err(failed)? => Ok(()),
        None => Err(Obstacle::Refused.error(path)),
    }
}

/// Why a file could not be replaced: the obstacle if there is one, else what the operating system said.
pub fn replace_error(path: &Path, error: io::Error) -> Error {
    let found = obstacles(path).unwrap_or_default();
    match found.iter().find(|found| found.prevents_replacing()) {
        Some(found) => found.error(path).with_source(error),
        None => io_error(path, "replace", error),
    }
}

#[cfg(unix)]
mod platform {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    pub(super) fn links(file: &Metadata, found: &mut Vec<Obstacle>) {
        match file.nlink() {
            0 => found.push(Obstacle::Replaced),
            1 => {}
            names => found.push(Obstacle::HardLinks(names)),
        }
    }

    pub(super) fn folder(path: &Path, folder: &Path, file: &Metadata, found: &mut Vec<Obstacle>) {
        const STICKY: u32 = 0o1000;
        let Ok(metadata) = fs::metadata(folder) else { return };
        let user = rustix::process::geteuid();
        let ours = || [file.uid(), metadata.uid()].contains(&user.as_raw());
        // Root within a container may have been deprived of this right.
        let privileged = || user.is_root() && may_remove(path).unwrap_or(true);
        if metadata.mode() & STICKY != 0 && !ours() && !privileged() {
            found.push(Obstacle::StickyFolder { owner: file.uid() });
        }
        #[cfg(target_os = "linux")]
        found.extend(linux::protection(folder));
    }

    #[cfg(target_os = "linux")]
    pub(super) use linux::{attributes, may_remove};

    #[cfg(not(target_os = "linux"))]
    pub(super) fn attributes(_path: &Path, _found: &mut Vec<Obstacle>) {}

    #[cfg(not(target_os = "linux"))]
    pub(super) fn may_remove(_path: &Path) -> io::Result<bool> {
        Ok(true)
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use rustix::{
            fs::{AtFlags, CWD, Statx, StatxAttributes, StatxFlags, statx},
            io::Errno,
        };

        use super::*;
        use crate::mounts;

        /// The device is not compared with the folder's: on overlay file systems, which containers have, they differ for
        /// any file, and a file that is mounted from its own disk has the same.
        pub(in super::super) fn attributes(path: &Path, found: &mut Vec<Obstacle>) {
            let stat = look(path);
            let told = stat.filter(|stat| stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT));
            let is_mount = match told {
                Some(stat) => stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
                // Before Linux 5.8, and where statx is not let through.
                None => mounts::is_point(&mounts::list(), path),
            };
            if is_mount {
                found.push(Obstacle::MountPoint);
            }
            found.extend(protection(path));
        }

        pub(super) fn protection(place: &Path) -> Option<Obstacle> {
            let has = look(place)?.stx_attributes;
            let attribute = if has.contains(StatxAttributes::IMMUTABLE) {
                "immutable"
            } else if has.contains(StatxAttributes::APPEND) {
                "append-only"
            } else {
                return None;
            };
            Some(Obstacle::Protected {
                place: place.to_owned(),
                attribute,
            })
        }

        fn look(path: &Path) -> Option<Statx> {
            statx(CWD, path, AtFlags::empty(), StatxFlags::empty()).ok()
        }

        /// See [`prove_replaceable`](super::super::prove_replaceable). `false` only if the kernel says what it says of
        /// entries that may not be removed: a sandbox that forbids removing folders says something else.
        pub(in super::super) fn may_remove(path: &Path) -> io::Result<bool> {
            // Never ask it of a folder.
            if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
                return Ok(true);
            }
            match fs::remove_dir(path) {
                Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Err(error),
                _ => Ok(true),
            }
        }
    }
}

/// Modes, links and mounts mean something else there, or nothing.
#[cfg(not(unix))]
mod platform {
    use super::*;

    pub(super) fn links(_file: &Metadata, _found: &mut Vec<Obstacle>) {}

    pub(super) fn attributes(_path: &Path, _found: &mut Vec<Obstacle>) {}

    pub(super) fn folder(_path: &Path, _folder: &Path, _file: &Metadata, _found: &mut Vec<Obstacle>) {}

    pub(super) fn may_remove(_path: &Path) -> io::Result<bool> {
        Ok(true)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().canonicalize().unwrap().join("tokens.json");
        fs::write(&path, "content").unwrap();
        path
    }

    #[test]
    fn a_file_of_ours_has_no_obstacles_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(obstacles(&path).unwrap(), []);
        prove_replaceable(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        assert_eq!(obstacles(&path.with_file_name("absent")).unwrap(), []);
        assert_eq!(
            obstacles(&path.join("within")).unwrap_err().kind(),
            io::ErrorKind::NotADirectory
        );
    }

    #[test]
    fn nothing_is_removed_by_asking() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        prove_replaceable(&path).unwrap();
        fs::create_dir(&path).unwrap();
        prove_replaceable(&path).unwrap();
        assert!(path.is_dir(), "not even an empty folder");
    }

    #[test]
    fn other_names_are_told_but_do_not_prevent() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        assert_eq!(obstacles(&path).unwrap(), [Obstacle::HardLinks(2)]);
        prove_replaceable(&path).unwrap();
        assert_eq!(Obstacle::HardLinks(2).finding(&path).severity, Severity::Warning);
    }

    #[test]
    fn what_is_said_names_the_path_and_what_to_do() {
        let error = Obstacle::MountPoint.error(Path::new("/data/t.json"));
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(
            error.to_string().contains("/data/t.json: it is itself a mount point"),
            "{error}"
        );
        assert!(error.to_string().contains("mount the folder"), "{error}");
    }
}

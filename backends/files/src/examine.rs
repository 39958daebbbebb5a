use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    path::{Path, PathBuf},
};

use token_storage_core::{Finding, Intent, Severity};

use crate::{beside, lease::read_intent, network_file_system, obstacles, temporaries};

/// What there is to say of a file and its surroundings, whatever its format, without changing anything: modes, the kind
/// of file system, [obstacles](crate::Obstacle), who holds the lock, temporary files that a killed writer left. The path must be
/// [resolved](crate::resolve). For `doctor`.
pub fn examine(path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(name) = network_file_system(path) {
        findings.push(Finding::new(
            Severity::Error,
            path.display().to_string(),
            format!("is on a network file system ({name}), where locks and file stamps cannot be trusted"),
            "move it to a local disk",
        ));
    }
    for (file, what) in [(path.to_owned(), "the file"), (beside(path, ".lock"), "the lock file")] {
        findings.extend(examine_mode(&file, what));
    }
    findings.extend(examine_obstacles(path));
    findings.extend(path.parent().and_then(examine_directory));
    findings.extend(path.parent().and_then(examine_right_to_write));
    // Listed before the lock is looked at: what is of a holder, and gone with him, is not taken for left over.
    let temporaries = temporaries(path).unwrap_or_default();
    let lock = examine_lock(&beside(path, ".lock"), "the lock");
    findings.extend(examine_temporaries(&temporaries, lock.is_some()));
    findings.extend(lock);
    findings.extend(examine_leases(&beside(path, ".leases")));
    findings
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

/// Modes mean nothing there.
#[cfg(not(unix))]
fn mode(_metadata: &Metadata) -> u32 {
    0
}

/// Tells of a mode that lets others in; `what` is the file or folder, for people.
pub fn examine_mode(path: &Path, what: &str) -> Option<Finding> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let mode = mode(&metadata);
    // What is neither, a device, say, is not ours to change.
    if mode & 0o077 == 0 || !metadata.is_file() && !metadata.is_dir() {
        return None;
    }
    let place = path.display().to_string();
    let is_open = format!("{what} is open to others (mode {mode:04o})");
    // A folder without the bit to enter it is closed to its owner, too.
    let closed = if metadata.is_dir() { "700" } else { "600" };
    Some(match other_owner(&metadata) {
        Some(owner) => Finding::new(
            Severity::Error,
            place,
            format!("{is_open}, and belongs to user {owner}, who alone can change that"),
            format!("do not trust what is in it; have its owner run chmod {closed} on it, or name another path"),
        ),
        None => Finding::new(
            Severity::Error,
            place,
            match metadata.is_dir() {
                true => is_open,
                false => format!("{is_open}; the next use makes it owner-only"),
            },
            format!("run chmod {closed} on it; if others may have read tokens, log out and in again"),
        ),
    })
}

/// The owner, if this process may not change the mode.
#[cfg(unix)]
fn other_owner(metadata: &Metadata) -> Option<u32> {
    let user = rustix::process::geteuid();
    let owner = std::os::unix::fs::MetadataExt::uid(metadata);
    (!user.is_root() && user.as_raw() != owner).then_some(owner)
}

#[cfg(not(unix))]
fn other_owner(_metadata: &Metadata) -> Option<u32> {
    None
}

fn examine_obstacles(path: &Path) -> Vec<Finding> {
    let found = obstacles(path).unwrap_or_default();
    found.iter().map(|obstacle| obstacle.finding(path)).collect()
}

fn examine_directory(directory: &Path) -> Option<Finding> {
    const STICKY: u32 = 0o1000;
    let mode = mode(&fs::metadata(directory).ok()?);
    (mode & 0o022 != 0 && mode & STICKY == 0).then(|| {
        Finding::new(
            Severity::Error,
            directory.display().to_string(),
            format!("others may replace files in this directory (mode {mode:04o})"),
            "run chmod go-w on it, or move the file elsewhere",
        )
    })
}

/// Every write makes files in the directory: a lock, a temporary file, a write-ahead log.
#[cfg(unix)]
fn examine_right_to_write(directory: &Path) -> Option<Finding> {
    use rustix::{
        fs::{Access, AtFlags, CWD, accessat},
        io::Errno,
    };
    let error = accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).err()?;
    (error != Errno::NOENT).then(|| {
        Finding::new(
            Severity::Warning,
            directory.display().to_string(),
            format!("nothing can be written in this directory ({error}): tokens can be read, but not stored"),
            "see to it that you may write there, or name another path",
        )
    })
}

#[cfg(not(unix))]
fn examine_right_to_write(_directory: &Path) -> Option<Finding> {
    None
}

fn examine_temporaries(found: &[PathBuf], at_work: bool) -> Vec<Finding> {
    let finding = |path: &PathBuf| {
        let place = path.display().to_string();
        if at_work {
            let message = "a temporary file: a write is under way, or its writer was killed";
            let advice = "nothing: the next write removes what is left over";
            return Finding::new(Severity::Info, place, message, advice);
        }
        Finding::new(
            Severity::Warning,
            place,
            "a temporary file that a write left behind: its writer was killed, or could not remove it; it may hold tokens",
            "nothing: the next write removes it; if it stays, see to it that files can be removed in this directory",
        )
    };
    found.iter().filter(|path| path.exists()).map(finding).collect()
}

/// Who refreshes, and who died while refreshing.
fn examine_leases(directory: &Path) -> Vec<Finding> {
    if fs::symlink_metadata(directory).is_ok_and(|found| !found.is_dir()) {
        return vec![Finding::new(
            Severity::Error,
            directory.display().to_string(),
            "the directory of the refresh leases is not a directory",
            "remove it: nothing can be refreshed while it is there",
        )];
    }
    let mut findings = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let held = examine_lock(&path, "the refresh lease of one token");
        if held.is_none() && is_broken_off(&path) {
            findings.push(Finding::new(
                Severity::Warning,
                path.display().to_string(),
                "a refresh was begun here and its outcome was never recorded: its process died",
                "nothing: the next refresh of that token tries once more, with care; if the server refuses, log in again",
            ));
        }
        findings.extend(held);
    }
    findings
}

/// Whether an intent is kept there that does not say how the request ended. One that does is no matter of the files: what
/// came of it is told with the token.
fn is_broken_off(path: &Path) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let intent = is_file.then(|| read_intent(&mut File::open(path).ok()?).ok()?);
    intent
        .flatten()
        .is_some_and(|intent: Intent| intent.failure().is_none())
}

/// Tries a shared lock for an instant: it fails if somebody holds the exclusive one, and excludes no other doctor.
fn examine_lock(path: &Path, what: &str) -> Option<Finding> {
    let place = path.display().to_string();
    // Opening a pipe would wait for somebody to write to it.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        let advice = "remove it: nothing can be written while it is there";
        return Some(Finding::new(
            Severity::Error,
            place,
            format!("{what} is not a file"),
            advice,
        ));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            let message = format!("{what} cannot be opened: {error}");
            let advice = "check its owner and permissions; do not delete it while a program is running";
            return Some(Finding::new(Severity::Error, place, message, advice));
        }
    };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let holder = holder(&file).map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
            let advice = "nothing, if that process is at work; it is freed when the process ends";
            Some(Finding::new(
                Severity::Info,
                place,
                format!("{holder} holds {what}"),
                advice,
            ))
        }
        _ => None,
    }
}

/// The process that holds a lock on the file, as Linux tells it. Within a container it may not be known.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().ok()?;
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
    // The list is no snapshot: a lock can be left out while others come and go.
    (0..3).find_map(|_| find_holder(&fs::read_to_string("/proc/locks").ok()?, &place))
}

/// "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF"; a waiter's line has "->" behind the number.
#[cfg(target_os = "linux")]
fn find_holder(locks: &str, place: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, id, found, ..] if found == place => id.parse().ok().filter(|id| *id != 0),
            _ => None,
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn holder(_file: &File) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use token_storage_core::{RefreshFailure, RefreshFailureKind, Revision, StoredToken, TokenData};

    use super::*;
    use crate::SidecarLock;

    fn stored() -> StoredToken {
        StoredToken {
            data: TokenData::new("rs", "read", "access"),
            revision: Revision::from_bytes(&[9; 32]).unwrap(),
        }
    }

    fn messages(path: &Path) -> Vec<String> {
        examine(path).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn nothing_to_say_of_what_is_as_it_should_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        assert_eq!(messages(&path), [""; 0]);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            0,
            "and nothing was created"
        );
    }

    #[test]
    fn the_holder_of_the_lock_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let lock = SidecarLock::new(&path);
        let held = lock.try_acquire().unwrap();
        let message = messages(&path).pop().unwrap();
        assert!(message.ends_with("holds the lock"), "{message}");
        // In a container it may not be known.
        let known = message.starts_with("process ");
        assert!(
            !known || message.starts_with(&format!("process {} ", std::process::id())),
            "{message}"
        );
        drop(held);
        assert_eq!(messages(&path), [""; 0]);
        assert!(lock.try_acquire().unwrap().is_some(), "looking leaves it free");
    }

    #[tokio::test]
    async fn a_held_lease_and_one_whose_holder_died_are_told() {
        use token_storage_core::{Acquisition, RefreshLease as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let lease = crate::FileLease::new(&path, || Ok(()));
        let key = token_storage_core::TokenKey::in_default("rs");
        let Acquisition::Acquired(guard) = lease.try_acquire(&key).await.unwrap() else {
            panic!("nobody else holds it");
        };
        let message = messages(&path).pop().unwrap();
        assert!(message.ends_with("holds the refresh lease of one token"), "{message}");
        drop(guard);
        assert_eq!(messages(&path), [""; 0]);
        fs::write(lease.path(&key), "an intent").unwrap();
        assert!(messages(&path).pop().unwrap().contains("never recorded"));
        let intent = Intent::new(&stored(), false, 5);
        fs::write(lease.path(&key), intent.to_bytes()).unwrap();
        assert!(messages(&path).pop().unwrap().contains("never recorded"));
        let ended = intent.with_failure(RefreshFailure::new(RefreshFailureKind::Refused));
        fs::write(lease.path(&key), ended.to_bytes()).unwrap();
        assert_eq!(messages(&path), [""; 0], "its outcome is there, and nobody died");
    }

    /// A file without the right to execute it stands for a directory that refuses, to the superuser, too.
    #[cfg(unix)]
    #[test]
    fn a_directory_that_takes_no_files_is_told_and_one_that_is_absent_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(examine_right_to_write(folder.path()).is_none());
        assert!(examine_right_to_write(&folder.path().join("absent")).is_none());
        let refusing = folder.path().join("refusing");
        fs::write(&refusing, "").unwrap();
        let found = examine_right_to_write(&refusing).unwrap();
        assert_eq!(
            (found.severity, found.place),
            (Severity::Warning, refusing.display().to_string())
        );
    }

    #[test]
    fn a_lock_that_cannot_be_looked_at_is_told_and_one_that_is_absent_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(examine_lock(&folder.path().join("absent"), "the lock").is_none());
        fs::write(folder.path().join("file"), "").unwrap();
        let found = examine_lock(&folder.path().join("file/within"), "the lock").unwrap();
        assert!(
            found.message.starts_with("the lock cannot be opened"),
            "{}",
            found.message
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_holder_is_found_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:7 0 EOF\n2: FLOCK  ADVISORY  READ 12 fd:00:7 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 13 fe:00:7 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 14 fe:00:7 0 EOF\n";
        assert_eq!(find_holder(locks, "fe:00:7"), Some(13));
        assert_eq!(find_holder(locks, "fe:00:8"), None);
        assert_eq!(
            find_holder("1: FLOCK  ADVISORY  WRITE 0 fe:00:7 0 EOF\n", "fe:00:7"),
            None
        );
    }

    #[test]
    fn d2_a_temporary_file_is_left_over_if_nobody_is_at_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let lock = SidecarLock::new(&path);
        let mut held = lock.try_acquire().unwrap().unwrap();
        held.begin_work().unwrap();
        fs::write(folder.path().join(format!(".tokens.json.{}.tmp", "x".repeat(16))), "").unwrap();
        assert!(messages(&path)[0].contains("under way"));
        drop(held);
        let left = examine(&path);
        assert_eq!(left.len(), 1);
        assert!(left[0].severity == Severity::Warning && left[0].message.contains("left behind"));
    }

    #[cfg(unix)]
    #[test]
    fn other_names_of_the_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        drop(
            crate::private_options()
                .write(true)
                .create_new(true)
                .open(&path)
                .unwrap(),
        );
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        let message = messages(&path).pop().unwrap();
        assert!(message.contains("2 names"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn d4_modes_are_told_and_left() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(messages(&path).len(), 2);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_closed_by_another_mode_than_a_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.json");
        fs::write(&file, "{}").unwrap();
        for (path, mode, closed, at_next_use) in [
            (folder.path(), 0o755, "chmod 700", false),
            (&file, 0o644, "chmod 600", true),
        ] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let found = examine_mode(path, "it").unwrap();
            assert!(found.advice.contains(closed), "{}", found.advice);
            assert_eq!(found.message.contains("next use"), at_next_use, "{}", found.message);
        }
    }
}

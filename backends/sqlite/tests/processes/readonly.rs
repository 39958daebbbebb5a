//! Who may do what with the files.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use token_storage_sqlite::SqliteStorage;

use crate::{
    block_on,
    common::{self, again, beside, copy_fixture, foreign, mode, names},
    started,
};

/// A folder with a database of one record, in the state that each test wants.
struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.db");
        Self { folder, path }
    }

    fn fill(&self) {
        block_on(async { common::store(&SqliteStorage::open(&self.path).unwrap(), "rs", "at").await });
    }

    /// From now on nobody but root may change anything. Root may always, so then the processes are somebody else.
    fn freeze(&self) {
        for name in names(self.folder.path()) {
            set_mode(&self.folder.path().join(name), 0o444);
        }
        set_mode(self.folder.path(), 0o555);
    }

    fn is_root() -> bool {
        fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
    }

    /// What an unprivileged process gets from reading and from storing.
    fn try_both(&self) -> [String; 2] {
        const NOBODY: u32 = 65534;
        let mut command = again("read and store");
        command.arg(&self.path);
        if Self::is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let before = names(self.folder.path());
        let mut process = started(command);
        let said = [process.line().unwrap(), process.line().unwrap()];
        process.succeeds();
        assert_eq!(names(self.folder.path()), before);
        said
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        set_mode(self.folder.path(), 0o755);
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn with_a_rollback_journal() {
    let place = Place::new();
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &place.path);
    let rename = "UPDATE token_storage SET resource_server = 'rs' WHERE resource_server = 'auth.globus.org'";
    foreign(&place.path).execute(rename, []).unwrap();
    place.freeze();
    assert_eq!(place.try_both(), ["Some(\"auth_at_1\")", "PermissionDenied"]);
}

pub(crate) fn with_an_empty_log() {
    let place = Place::new();
    place.fill();
    assert_eq!(names(place.folder.path()), ["tokens.db", "tokens.db.lock"]);
    place.freeze();
    assert_eq!(place.try_both(), ["Some(\"at\")", "PermissionDenied"]);
}

/// The log holds the record and the database does not: it must not be opened without it.
pub(crate) fn beside_a_writer() {
    let place = Place::new();
    let storage = SqliteStorage::open(&place.path).unwrap();
    block_on(common::store(&storage, "rs", "at"));
    assert!(fs::metadata(beside(&place.path, "-wal")).unwrap().len() > 0);
    place.freeze();
    assert_eq!(place.try_both(), ["Some(\"at\")", "PermissionDenied"]);
}

/// As after a kill: without the index of the log, which only a writer can make. Not "no tokens".
pub(crate) fn with_an_orphaned_log() {
    let place = Place::new();
    let mut command = again("keep open");
    command.arg(&place.path);
    let mut process = started(command);
    process.is_ready();
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    fs::remove_file(beside(&place.path, "-shm")).unwrap();
    assert!(fs::metadata(beside(&place.path, "-wal")).unwrap().len() > 0);
    place.freeze();
    assert_eq!(place.try_both(), ["PermissionDenied", "PermissionDenied"]);
}

pub(crate) fn without_any_right() {
    let place = Place::new();
    place.fill();
    place.freeze();
    set_mode(&place.path, 0);
    assert_eq!(place.try_both(), ["PermissionDenied", "PermissionDenied"]);
}

/// Another user's database that anybody may write to: what SQLite makes beside it would be as open. Read, not written, and
/// nothing is made.
pub(crate) fn d4_a_wide_database_of_another_user() {
    if !Place::is_root() {
        return eprintln!("skipped: to be run as root, to become another user");
    }
    for rollback_journal in [false, true] {
        let place = Place::new();
        place.fill();
        if rollback_journal {
            token_storage_sqlite::give_back(&place.path).unwrap();
        }
        fs::remove_file(beside(&place.path, ".lock")).unwrap();
        set_mode(&place.path, 0o666);
        set_mode(place.folder.path(), 0o1777);
        assert_eq!(place.try_both(), ["Some(\"at\")", "PermissionDenied"]);
        assert_eq!(mode(&place.path), 0o666);
    }
}

pub(crate) fn d4_owner_only_whatever_the_umask() {
    let place = Place::new();
    let path = place.folder.path().join("a/b/tokens.db");
    let created = |umask: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(std::env::current_exe().unwrap())
            .arg(&path)
            .env("TOKEN_STORAGE_TEST_ROLE", "keep open");
        let mut process = started(command);
        process.is_ready();
        for companion in ["", "-wal", "-shm", ".lock"] {
            assert_eq!(mode(&beside(&path, companion)), 0o600, "{umask}: {companion}");
        }
        for folder in ["a", "a/b"] {
            assert_eq!(mode(&place.folder.path().join(folder)), 0o700, "{umask}: {folder}");
        }
        process.go();
        process.succeeds();
    };
    // One that leaves the owner nothing, too.
    created("777");
    std::fs::remove_dir_all(place.folder.path().join("a")).unwrap();
    created("000");
    // What others may read already is taken from them, the files of the log included.
    for role in ["keep open", "read and store"] {
        let keeper = SqliteStorage::open(&path).unwrap();
        block_on(common::store(&keeper, "rs", "at"));
        for companion in ["", "-wal", "-shm", ".lock"] {
            set_mode(&beside(&path, companion), 0o644);
        }
        let mut command = again(role);
        command.arg(&path);
        let mut process = started(command);
        process.line().unwrap();
        for companion in ["", "-wal", "-shm"] {
            assert_eq!(mode(&beside(&path, companion)), 0o600, "{companion}");
        }
        drop(process.child.stdin.take());
        process.succeeds();
        assert_eq!(mode(&beside(&path, ".lock")), 0o600);
    }
}

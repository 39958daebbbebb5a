//! Who writes to a database right now, as far as the operating system tells.

use std::path::Path;

/// A process, and what it does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(crate) process: u32,
    pub(crate) what: &'static str,
}

/// Linux lists the POSIX locks of all processes. Where they lie in which file means what SQLite's file format says:
/// the page "WAL-mode File Format" of its documentation, and `os.h` of its source.
#[cfg(target_os = "linux")]
pub(crate) fn find(path: &Path) -> Vec<Writing> {
    use std::os::unix::fs::MetadataExt;
    const LOG_WRITER: u64 = 120;
    const LOG_CHECKPOINTER: u64 = 121;
    const RESERVED: u64 = 0x4000_0001;
    let inode = |companion| {
        let found = std::fs::metadata(token_storage_files::beside(path, companion));
        found.ok().map(|found| found.ino().to_string())
    };
    let (database, index) = (inode(""), inode("-shm"));
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let writing = |line: &str| {
        // "1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 120 120"; a waiter's line has "->" behind the number.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, "POSIX", _, "WRITE", process, file, start, end] = fields.as_slice() else {
            return None;
        };
        let inode = file.rsplit(':').next().map(str::to_owned);
        let process = process.parse().ok()?;
        let (start, end) = (start.parse::<u64>().ok()?, end.parse().unwrap_or(u64::MAX));
        let covers = |byte| (start..=end).contains(&byte);
        let what = if inode == index && covers(LOG_WRITER) {
            "is writing to it"
        } else if inode == index && covers(LOG_CHECKPOINTER) {
            "is copying the write-ahead log into it"
        } else if inode == database && covers(RESERVED) {
            "is writing to it, with a rollback journal"
        } else {
            return None;
        };
        Some(Writing { process, what })
    };
    locks.lines().filter_map(writing).collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn find(_path: &Path) -> Vec<Writing> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_writer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, want) in [
            ("WAL", "is writing to it"),
            ("DELETE", "is writing to it, with a rollback journal"),
        ] {
            let path = folder.path().join(mode);
            let connection = rusqlite::Connection::open(&path).unwrap();
            connection
                .execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x)"))
                .unwrap();
            assert_eq!(find(&path), []);
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let process = std::process::id();
            assert_eq!(find(&path), [Writing { process, what: want }]);
            connection.execute_batch("COMMIT").unwrap();
            assert_eq!(find(&path), []);
        }
    }
}

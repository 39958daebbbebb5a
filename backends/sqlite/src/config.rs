//! How a storage is configured.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use token_storage_core::{Durability, ErrorContext as _, Operation, Result};

use crate::{SqliteStorage, error, look};

/// SQLite counts milliseconds in 32 bits.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// What a storage was configured to do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) busy_timeout: Duration,
    pub(crate) durability: Durability,
    pub(crate) cache_bytes: usize,
    pub(crate) readers: usize,
    /// Whether callers commit themselves while commits are fast.
    pub(crate) commit_here: bool,
    /// Off where it does not work: on network file systems.
    pub(crate) write_ahead_log: bool,
    /// Whether a database that has only tables of another program gets ours, too.
    pub(crate) adopt: bool,
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Self {
            busy_timeout: Duration::from_secs(10),
            durability: Durability::PowerLoss,
            cache_bytes: 32 * 1024 * 1024,
            readers: cores.clamp(2, 16),
            commit_here: true,
            write_ahead_log: true,
            adopt: false,
        }
    }
}

impl Options {
    /// What every connection gets that may write.
    pub(crate) fn set_up_writer(&self, connection: &Connection) -> rusqlite::Result<()> {
        let synchronous = if self.durability == Durability::PowerLoss {
            "FULL"
        } else {
            "NORMAL"
        };
        // Overwritten tokens are zeroed in the file; checkpoints are ours to time.
        connection.execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; \
             PRAGMA cache_size = -{}; PRAGMA temp_store = MEMORY",
            self.cache_bytes / 1024
        ))
    }

    /// What every connection gets that only reads.
    pub(crate) fn set_up_reader(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(&format!(
            "PRAGMA query_only = ON; PRAGMA cache_size = -{}; PRAGMA temp_store = MEMORY",
            self.cache_bytes / 1024
        ))
    }
}

/// Opens a connection that does not merge the write-ahead log when it is closed. SQLite would do that even into a damaged
/// database, and so change what is to be kept unchanged. [`close_merging`] is for the orderly end.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    if look::odd_companion(path).is_some() {
        return Err(error::cannot_open());
    }
    // Read-write for readers too, or the last one could not tidy the log away. SQLite falls back to read-only by itself.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Opens a connection that runs nothing that the database brings along: the file may be anybody's work.
pub(crate) fn open(path: impl AsRef<Path>, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(connection)
}

/// Closes a connection that has worked so far; the last one of all merges the write-ahead log and removes its files.
pub(crate) fn close_merging(connection: Connection) {
    // If that fails the log stays, and the next one merges it.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
}

/// Configures a [`SqliteStorage`]; made by [`SqliteStorage::builder`].
///
/// ```
/// use std::time::Duration;
/// use token_storage_sqlite::SqliteStorage;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("tokens.db");
/// let storage = SqliteStorage::builder(path).busy_timeout(Duration::from_secs(2)).open()?;
/// # Ok::<(), token_storage_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open` is called"]
pub struct Builder {
    path: PathBuf,
    options: Options,
    network: bool,
}

impl Builder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            options: Options::default(),
            network: false,
        }
    }

    /// How long a call waits for others before it fails with [`Busy`](token_storage_core::ErrorKind::Busy). 10 s unless
    /// set, 24 days at the most.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.options.busy_timeout = timeout.min(LONGEST_WAIT);
        self
    }

    /// The fast mode: an acknowledged write survives the death of the process, `kill -9` included, but a power loss may
    /// undo the last ones. Commits do not wait for the disk then, only checkpoints do; the database stays consistent.
    pub fn without_fsync(mut self) -> Self {
        self.options.durability = Durability::Process;
        self
    }

    /// Makes every commit on a thread of the storage's own. Unless this is called, a call that finds nobody else writing
    /// commits where it is, as long as commits take less than a millisecond on the average: that saves the way to another
    /// thread and back, but occupies the executor's thread during an fsync.
    pub fn commits_on_own_thread(mut self) -> Self {
        self.options.commit_here = false;
        self
    }

    /// The most memory that one connection keeps pages of the database in, in bytes; at least 256 kB. 32 MB unless set;
    /// a small database needs no more than its size. There are [`readers`](Builder::readers) + 1 connections.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.options.cache_bytes = bytes.max(256 * 1024);
        self
    }

    /// How many connections read side by side; at least 1. As many as there are cores unless set, from 2 to 16.
    pub fn readers(mut self, readers: usize) -> Self {
        self.options.readers = readers.max(1);
        self
    }

    /// Uses a database of another program, too: one that has tables, but not `token_storage`, which the first write then
    /// adds. Unless this is called such a database is refused, since its path was most likely given by mistake. A database
    /// that has `token_storage` is used in any case, whatever else is in it.
    pub fn adopt_foreign_database(mut self, adopt: bool) -> Self {
        self.options.adopt = adopt;
        self
    }

    /// Leaves a database in the journal mode that it has, and makes new ones with a rollback journal, as the Globus SDK
    /// does. Every write then costs four fsyncs instead of one, and readers and writers wait for each other. Unless this
    /// is called, the first write turns the write-ahead log on; [`give_back`](crate::give_back) turns it off again.
    pub fn without_write_ahead_log(mut self) -> Self {
        self.options.write_ahead_log = false;
        self
    }

    /// Opens a database on a network file system all the same, without a write-ahead log. SQLite trusts such a file
    /// system's locks, which many implement wrongly: then concurrent writers damage the database.
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.network = allow;
        self
    }

    /// Opens the storage. Nothing is created or changed: a database that is not there is created by the first write.
    ///
    /// # Errors
    /// - [`Misconfigured`](token_storage_core::ErrorKind::Misconfigured): the path is a directory, or on a network file system.
    /// - [`PermissionDenied`](token_storage_core::ErrorKind::PermissionDenied),
    ///   [`Unavailable`](token_storage_core::ErrorKind::Unavailable): the path cannot be resolved.
    pub fn open(self) -> Result<SqliteStorage> {
        SqliteStorage::open_with(&self.path, self.options, self.network).during(Operation::Open)
    }
}

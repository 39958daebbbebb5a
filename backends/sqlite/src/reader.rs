//! One connection that reads.

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::Connection;
use token_storage_core::{StoredToken, TokenKey};

use crate::{
    audit::{self, Audit},
    cache::Cache,
    codec::{self, Row},
};

/// A connection that only reads, with the records it has read last.
///
/// The cache is valid as long as `PRAGMA data_version` of this very connection stays the same: it changes with every
/// commit of any other connection, of this process or another, and means nothing on a second connection.
pub(crate) struct Reader {
    connection: Connection,
    cache: Cache,
    /// The version for which the cache holds.
    version: Option<i64>,
    audit: Audit,
    path: Arc<Path>,
    /// Which state of the path it was opened in; see [`Place`](crate::place::Place).
    pub(crate) epoch: u64,
    /// How long reads take lately, in microseconds: a sliding mean.
    pub(crate) mean_us: u32,
    /// Whether it may serve more than one read.
    pub(crate) keep: bool,
}

impl Reader {
    pub(crate) fn new(connection: Connection, path: Arc<Path>, epoch: u64) -> Self {
        Self {
            connection,
            cache: Cache::default(),
            version: None,
            audit: Audit::default(),
            path,
            epoch,
            mean_us: 0,
            keep: true,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Reads one key. An absence is believed only of a database whose index agrees with its table; where that takes
    /// looking at the whole table, a call that must be `quick` fails.
    pub(crate) fn get(&mut self, key: &TokenKey, quick: bool) -> rusqlite::Result<Row> {
        let row = self.look_up(key)?;
        if row.is_some() {
            return Ok(row);
        }
        // One transaction: what is checked is what was read.
        let snapshot = self.connection.unchecked_transaction()?;
        let row = codec::select(&snapshot, key)?;
        if row.is_none() {
            self.audit.quick = quick;
            self.audit.check(&snapshot)?;
        }
        Ok(row)
    }

    /// Reads from a table whose index agrees with it, as far as that is checked.
    pub(crate) fn audited<T>(&mut self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let snapshot = self.connection.unchecked_transaction()?;
        self.audit.quick = false;
        self.audit.check(&snapshot)?;
        read(&snapshot)
    }

    /// Reads one key, from the cache if nothing has been committed since.
    ///
    /// The order matters: version first, then the record. Read the other way round, a commit between the two is missed
    /// for good, since the old record is then kept under the new version.
    fn look_up(&mut self, key: &TokenKey) -> rusqlite::Result<Row> {
        let mut asked = None;
        if let Some(record) = self.cache.get(key) {
            asked = Some(data_version(&self.connection)?);
            if self.version == asked {
                return Ok(Some(Ok(record.clone())));
            }
        } else if !self.cache.read_before(key) {
            return codec::select(&self.connection, key);
        }
        let version = asked.map_or_else(|| data_version(&self.connection), Ok)?;
        if self.version != Some(version) {
            self.cache.clear();
            audit::check_length(&self.connection, &self.path)?;
            self.version = Some(version);
        }
        let row = codec::select(&self.connection, key)?;
        if let Some(Ok(record)) = &row {
            self.cache.insert(key.clone(), StoredToken::clone(record));
        }
        Ok(row)
    }

    /// Takes a duration into the mean. One outlier (a preempted thread) is forgotten after a few reads.
    pub(crate) fn took(&mut self, duration: Duration) {
        let sample = duration.as_micros().min(2_000) as u32;
        self.mean_us = self.mean_us - self.mean_us / 8 + sample / 8;
    }
}

/// Changes with every commit of another connection. Prepared once: `pragma_query_value` would prepare it each time.
pub(crate) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

//! Whether a database can be believed where it says "nothing": that its file is whole and its index agrees with its
//! table.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _},
    path::Path,
};

use rusqlite::Connection;

use crate::{error, reader::data_version};

/// Databases up to this size are checked: about 3,000 records of 1 kB. In a larger one an index that lacks a key is
/// believed; every key that it has is compared with its row all the same, and the examination checks all of it.
const CHECKED_BYTES: i64 = 4 << 20;

/// That the index of the keys agrees with the table, found out once for each state of the database.
#[derive(Default)]
pub(crate) struct Audit {
    /// The version for which it does.
    version: Option<i64>,
    /// Whether a check that takes time fails as busy instead: the caller must not wait.
    pub(crate) quick: bool,
}

impl Audit {
    /// Whether [`check`](Audit::check) would take no time.
    fn is_done(&self, connection: &Connection) -> rusqlite::Result<bool> {
        Ok(self.version == Some(data_version(connection)?))
    }

    /// Fails with damage if they disagree. To be called in the transaction whose absences are to be believed.
    pub(crate) fn check(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.is_done(connection)? {
            return Ok(());
        }
        if self.quick {
            return Err(error::busy());
        }
        if bytes(connection)? <= CHECKED_BYTES && !is_sound(connection, "token_storage")? {
            return Err(error::index_disagrees());
        }
        self.version = Some(data_version(connection)?);
        Ok(())
    }
}

fn bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let pages: i64 = number(connection, "PRAGMA page_count")?;
    Ok(pages * number(connection, "PRAGMA page_size")?)
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(pragma)?.query_row([], |row| row.get(0))
}

/// Whether each row of a table is found by its index, and nothing else is.
pub(crate) fn is_sound(connection: &Connection, table: &'static str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA integrity_check('{table}')"))?;
    statement.query_row([], |row| Ok(row.get_ref(0)?.as_str() == Ok("ok")))
}

/// Fails with damage if a page counts as free that is in use, or none is: the next write that needs a page would write
/// over other records. In a database that is too large the list is believed.
pub(crate) fn check_free_pages(connection: &Connection) -> rusqlite::Result<()> {
    if number(connection, "PRAGMA freelist_count")? == 0 || bytes(connection)? > CHECKED_BYTES {
        return Ok(());
    }
    // What else is damaged costs no other record, and is told when it is read.
    let mut statement = connection.prepare("PRAGMA quick_check(10000)")?;
    let mut problems = statement.query([])?;
    while let Some(problem) = problems.next()? {
        let text = problem.get_ref(0)?.as_str().unwrap_or_default();
        if text.starts_with("Freelist") || text.contains("2nd reference") {
            return Err(error::contradicts_itself());
        }
    }
    Ok(())
}

/// Fails with damage if the database was cut off within a page. That it lacks whole pages SQLite notices by itself.
pub(crate) fn check_length(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    // Gone or not to be looked at: the next look at the path says so.
    let Ok(length) = fs::metadata(path).map(|found| found.len()) else {
        return Ok(());
    };
    let page = number(connection, "PRAGMA page_size")? as u64;
    if length % page == 0 || log_holds(path, page, length / page + 1).unwrap_or(false) {
        Ok(())
    } else {
        Err(error::cut_off())
    }
}

/// Whether the write-ahead log has a page: then a disk that was full may have taken the first part of it only, and
/// nothing is lost. The layout is that of the page "WAL-mode File Format" of SQLite's documentation. (SQLite holds no
/// locks on this file that closing it could drop.)
fn log_holds(path: &Path, page: u64, wanted: u64) -> io::Result<bool> {
    let mut log = BufReader::new(File::open(token_storage_files::beside(path, "-wal"))?);
    let mut header = [0; 32];
    log.read_exact(&mut header)?;
    let mut frame = [0; 24];
    loop {
        log.read_exact(&mut frame)?;
        let number = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
        // Frames of an earlier round have another salt.
        if frame[8..16] != header[16..24] {
            return Ok(false);
        }
        if u64::from(number) == wanted {
            return Ok(true);
        }
        log.seek_relative(page as i64)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_time_is_not_done_where_nobody_may_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.db");
        let (connection, other) = (Connection::open(&path).unwrap(), Connection::open(&path).unwrap());
        crate::schema::create(&connection).unwrap();
        let mut audit = Audit::default();
        let mut check = |quick| {
            audit.quick = quick;
            audit.check(&connection).is_ok()
        };
        assert!(!check(true), "nothing is known yet");
        assert!(check(false));
        assert!(check(true), "it was found out for this state");
        other.execute_batch("CREATE TABLE another (x)").unwrap();
        assert!(!check(true), "another state");
    }
}

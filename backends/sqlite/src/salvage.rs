//! What can still be read of a damaged database goes on in the one that takes its place: damage of one page costs what
//! lies in that page, and not all logins.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, ErrorCode, Row, Rows,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    codec,
    config::connect,
    error,
    examine::bound,
    schema::{CREATE_CONFIG, has_table},
    shape::{self, Layout},
};

/// A table whose rows are saved, and how they are read.
struct Table {
    name: &'static str,
    /// The index of the primary key from either end: the row's number and the two halves of the key.
    entries: [&'static str; 2],
    /// The two halves of the key and the value of one row.
    row: &'static str,
    /// All rows from either end, without the index.
    rows: [&'static str; 2],
    insert: &'static str,
    /// Whether a value that no index speaks for is one of this table.
    is_sound: fn(ValueRef<'_>) -> bool,
}

const TOKENS: Table = Table {
    name: "token_storage",
    entries: [
        "SELECT rowid, namespace, resource_server FROM token_storage ORDER BY namespace, resource_server",
        "SELECT rowid, namespace, resource_server FROM token_storage ORDER BY namespace DESC, resource_server DESC",
    ],
    row: "SELECT namespace, resource_server, token_data_json FROM token_storage WHERE rowid = ?1",
    rows: [
        "SELECT namespace, resource_server, token_data_json FROM token_storage NOT INDEXED ORDER BY rowid",
        "SELECT namespace, resource_server, token_data_json FROM token_storage NOT INDEXED ORDER BY rowid DESC",
    ],
    insert: "INSERT OR IGNORE INTO token_storage (namespace, resource_server, token_data_json) VALUES (?1, ?2, ?3)",
    is_sound: |value| codec::decode(value).is_ok(),
};

const CONFIG: Table = Table {
    name: "config_storage",
    entries: [
        "SELECT rowid, namespace, config_name FROM config_storage ORDER BY namespace, config_name",
        "SELECT rowid, namespace, config_name FROM config_storage ORDER BY namespace DESC, config_name DESC",
    ],
    row: "SELECT namespace, config_name, config_data_json FROM config_storage WHERE rowid = ?1",
    rows: [
        "SELECT namespace, config_name, config_data_json FROM config_storage NOT INDEXED ORDER BY rowid",
        "SELECT namespace, config_name, config_data_json FROM config_storage NOT INDEXED ORDER BY rowid DESC",
    ],
    insert: "INSERT OR IGNORE INTO config_storage (namespace, config_name, config_data_json) VALUES (?1, ?2, ?3)",
    is_sound: |value| matches!(value, ValueRef::Text(text) if str::from_utf8(text).is_ok()),
};

/// Copies what can be read of a damaged database into a new one, and says how many tokens that are. Nothing of the
/// damaged one changes.
///
/// # Errors
/// The new database's, and those of the old one that are no damage (others keep it locked, the disk fails): what is there
/// must not be left behind for them.
pub(crate) fn copy(damaged: &Path, new: &Connection, patience: Duration) -> rusqlite::Result<u64> {
    let Some(damaged) = unless_damaged(open(damaged, patience))? else {
        return Ok(0);
    };
    new.execute_batch("BEGIN")?;
    let tokens = TOKENS.copy(&damaged, new)?;
    if unless_damaged(has_table(&damaged, CONFIG.name))? == Some(true) {
        new.execute_batch(CREATE_CONFIG)?;
        CONFIG.copy(&damaged, new)?;
    }
    new.execute_batch("COMMIT")?;
    Ok(tokens)
}

fn open(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let mut connection = connect(path)?;
    connection.busy_timeout(patience)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY")?;
    bound(&mut connection)?;
    match shape::of(&connection)? {
        Ok(Layout::Tokens) => Ok(connection),
        _ => Err(error::contradicts_itself()),
    }
}

/// `None`: it cannot be read, now or later. Among that is a statement that another table of that name makes senseless.
fn unless_damaged<T>(read: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error::is_damage(&error) => Ok(None),
        Err(error) => match error.sqlite_error_code() {
            None | Some(ErrorCode::Unknown | ErrorCode::OperationInterrupted) => Ok(None),
            Some(_) => Err(error),
        },
    }
}

impl Table {
    /// What the index leads to comes first: it is what a read of that key has answered so far.
    fn copy(&self, damaged: &Connection, new: &Connection) -> rusqlite::Result<u64> {
        let mut copied = 0;
        for (ways, follow) in [(self.entries, Self::entries as Follow), (self.rows, Self::rows)] {
            for way in ways {
                let Some(mut statement) = unless_damaged(damaged.prepare(way))? else {
                    continue;
                };
                let (found, is_whole) = follow(self, &mut statement.query([])?, damaged, new)?;
                copied += found;
                if is_whole {
                    // From its other end there is nothing else.
                    break;
                }
            }
        }
        Ok(copied)
    }

    fn entries(&self, entries: &mut Rows<'_>, damaged: &Connection, new: &Connection) -> Followed {
        let mut copied = 0;
        let mut row = damaged.prepare(self.row)?;
        while let Some(entry) = unless_damaged(entries.next())? {
            let Some(entry) = entry else { return Ok((copied, true)) };
            let mut found = row.query([entry.get::<_, i64>(0)?])?;
            // Only its own row: an index that leads elsewhere is damaged.
            if let Some(Some(row)) = unless_damaged(found.next())?
                && row.get_ref(0)? == entry.get_ref(1)?
                && row.get_ref(1)? == entry.get_ref(2)?
            {
                copied += self.insert(new, row)?;
            }
        }
        Ok((copied, false))
    }

    fn rows(&self, rows: &mut Rows<'_>, _: &Connection, new: &Connection) -> Followed {
        let mut copied = 0;
        while let Some(row) = unless_damaged(rows.next())? {
            let Some(row) = row else { return Ok((copied, true)) };
            if (self.is_sound)(row.get_ref(2)?) {
                copied += self.insert(new, row)?;
            }
        }
        Ok((copied, false))
    }

    /// Only what has a key that is text; what is there already stays. Gives the number of rows.
    fn insert(&self, new: &Connection, row: &Row<'_>) -> rusqlite::Result<u64> {
        let values = [row.get_ref(0)?, row.get_ref(1)?, row.get_ref(2)?];
        if !matches!(values, [ValueRef::Text(_), ValueRef::Text(_), _]) {
            return Ok(0);
        }
        let mut insert = new.prepare_cached(self.insert)?;
        Ok(insert.execute(values.map(ToSqlOutput::Borrowed))? as u64)
    }
}

/// How many rows were copied, and whether the end was reached.
type Followed = rusqlite::Result<(u64, bool)>;
type Follow = fn(&Table, &mut Rows<'_>, &Connection, &Connection) -> Followed;

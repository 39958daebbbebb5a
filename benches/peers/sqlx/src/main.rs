//! Storages over sqlx, and OpenDAL's files: `peers-sqlx NAME FOLDER RECORDS`, asked by `benches/peers/compare.py`.

mod dal;
mod sessions;

use std::path::Path;

use peers_contestant::{arguments, play};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

fn main() {
    let (name, folder, records) = arguments();
    match name.as_str() {
        "opendal-fs" => play::<dal::Files>(&folder, records),
        "opendal-sqlite" => play::<dal::Sqlite>(&folder, records),
        "tower-sessions-sqlx" => play::<sessions::Sessions>(&folder, records),
        _ => panic!("no such contestant: {name}"),
    }
}

/// The database in the folder, as sqlx makes it without being told more: a rollback journal, FULL.
fn plain(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join("tokens.db"))
        .create_if_missing(true)
}

/// With the pragmas that ours sets.
fn as_ours(folder: &Path) -> SqliteConnectOptions {
    plain(folder)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-32768")
}

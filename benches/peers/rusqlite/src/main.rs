//! Storages over rusqlite: `peers-rusqlite NAME FOLDER RECORDS`, asked by `benches/peers/compare.py`. Both get the pragmas that
//! ours sets, so that they promise as much.

mod sessions;
mod statements;

use std::path::Path;

use peers_contestant::{arguments, play};
use tokio_rusqlite::Connection;

fn main() {
    let (name, folder, records) = arguments();
    match name.as_str() {
        "tokio-rusqlite" => play::<statements::Statements>(&folder, records),
        "tower-sessions-rusqlite" => play::<sessions::Sessions>(&folder, records),
        _ => panic!("no such contestant: {name}"),
    }
}

async fn connection(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("tokens.db")).await.expect("to open");
    pragmas(
        &connection,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768",
    )
    .await;
    connection
}

async fn pragmas(connection: &Connection, pragmas: &'static str) {
    let set = connection.call(move |connection| connection.execute_batch(pragmas));
    set.await.expect("to configure");
}

//! tokio-rusqlite with the cached statements that our storage uses.

use std::path::Path;

use peers_contestant::{Contestant, Failed, Record, key};
use rusqlite::Result;
use tokio_rusqlite::Connection;

const CREATE: &str = "CREATE TABLE token_storage (resource_server TEXT PRIMARY KEY, token_data_json TEXT NOT NULL)";
const SELECT: &str = "SELECT token_data_json FROM token_storage WHERE resource_server = ?1";
const UPSERT: &str = "INSERT INTO token_storage VALUES (?1, ?2) \
     ON CONFLICT (resource_server) DO UPDATE SET token_data_json = excluded.token_data_json";

pub(crate) struct Statements(Connection);

impl Contestant for Statements {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; SQLite, WAL and FULL; bare statements";
    type Got = Record;

    async fn fill(folder: &Path, records: usize) {
        let connection = crate::connection(folder).await;
        let filled = connection.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(CREATE, [])?;
            for n in 0..records {
                upsert(&transaction, n, 0)?;
            }
            transaction.commit()
        });
        filled.await.expect("to fill");
    }

    async fn open(folder: &Path) -> Self {
        Self(crate::connection(folder).await)
    }

    async fn get(&self, n: usize) -> Record {
        let found = self.0.call(move |connection| {
            let mut statement = connection.prepare_cached(SELECT)?;
            statement.query_row([key(n)], |row| Ok(Record::decode(row.get_ref(0)?.as_bytes()?)))
        });
        found.await.expect("a record")
    }

    async fn store(&self, n: usize, turn: u64) -> std::result::Result<(), Failed> {
        Ok(self.0.call(move |connection| upsert(connection, n, turn)).await?)
    }
}

fn upsert(connection: &rusqlite::Connection, n: usize, turn: u64) -> Result<()> {
    let json = String::from_utf8(Record::new(n, turn).encode()).expect("JSON is text");
    connection.prepare_cached(UPSERT)?.execute((key(n), json))?;
    Ok(())
}

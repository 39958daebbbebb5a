//! The session store of tower-sessions over sqlx.

use std::path::Path;

use peers_contestant::{Contestant, Failed, Record};
use sqlx::{SqlitePool, sqlite::SqliteSynchronous};
use tower_sessions_core::{
    SessionStore as _,
    session::{Id, Record as Session},
};
use tower_sessions_sqlx_store::SqliteStore;

pub(crate) struct Sessions(SqliteStore);

pub(crate) struct Got(Session);

impl AsRef<str> for Got {
    fn as_ref(&self) -> &str {
        self.0.data["access_token"].as_str().expect("text")
    }
}

fn id(n: usize) -> Id {
    Id(n as i128 + 1)
}

fn session(n: usize, turn: u64) -> Session {
    let record = Record::new(n, turn);
    let expiry_date = time::OffsetDateTime::from_unix_timestamp(record.expires_at_seconds).expect("a date");
    let serde_json::Value::Object(members) = serde_json::to_value(record).expect("plain members") else {
        unreachable!("a record is an object")
    };
    Session {
        id: id(n),
        data: members.into_iter().collect(),
        expiry_date,
    }
}

impl Contestant for Sessions {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; SQLite, WAL and FULL";
    type Got = Got;

    async fn fill(folder: &Path, records: usize) {
        let unsynced = crate::as_ours(folder).synchronous(SqliteSynchronous::Off);
        let pool = SqlitePool::connect_with(unsynced).await.expect("to open");
        let store = SqliteStore::new(pool.clone());
        store.migrate().await.expect("a table");
        for n in 0..records {
            store.save(&session(n, 0)).await.expect("to fill");
        }
        pool.close().await;
    }

    async fn open(folder: &Path) -> Self {
        let pool = SqlitePool::connect_with(crate::as_ours(folder)).await;
        Self(SqliteStore::new(pool.expect("to open")))
    }

    async fn get(&self, n: usize) -> Got {
        Got(self.0.load(&id(n)).await.expect("to read").expect("a record"))
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        Ok(self.0.save(&session(n, turn)).await?)
    }
}

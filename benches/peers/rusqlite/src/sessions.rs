//! The session store of tower-sessions over rusqlite.

use std::path::Path;

use peers_contestant::{Contestant, Failed, Record};
use tower_sessions_core::{
    SessionStore as _,
    session::{Id, Record as Session},
};
use tower_sessions_rusqlite_store::RusqliteStore;

pub(crate) struct Sessions(RusqliteStore);

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
        let connection = crate::connection(folder).await;
        crate::pragmas(&connection, "PRAGMA synchronous = OFF").await;
        let store = RusqliteStore::new(connection);
        store.migrate().await.expect("a table");
        for n in 0..records {
            store.save(&session(n, 0)).await.expect("to fill");
        }
    }

    async fn open(folder: &Path) -> Self {
        Self(RusqliteStore::new(crate::connection(folder).await))
    }

    async fn get(&self, n: usize) -> Got {
        Got(self.0.load(&id(n)).await.expect("to read").expect("a record"))
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        Ok(self.0.save(&session(n, turn)).await?)
    }
}

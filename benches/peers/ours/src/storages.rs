//! The storages of this project, behind `Arc<dyn TokenStorage>`, as programs hold them.

use std::{path::Path, sync::Arc};

use peers_contestant::{Contestant, Failed, Record, key};
use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write};
use token_storage_json::JsonStorage;
use token_storage_sqlite::SqliteStorage;

pub(crate) struct Json(Arc<dyn TokenStorage>);
pub(crate) struct Sqlite(Arc<dyn TokenStorage>);

/// A record as our storages hand it out.
pub(crate) struct Got(TokenData);

impl AsRef<str> for Got {
    fn as_ref(&self) -> &str {
        self.0.access_token.expose()
    }
}

impl Contestant for Json {
    const BESIDE: &'static str = "json";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; one file; atomic, compare-and-swap";
    type Got = Got;

    async fn fill(folder: &Path, records: usize) {
        fill(&*Self::open(folder).await.0, records).await;
    }

    async fn open(folder: &Path) -> Self {
        Self(Arc::new(
            JsonStorage::open(folder.join("tokens.json")).expect("to open"),
        ))
    }

    async fn get(&self, n: usize) -> Got {
        get(&*self.0, n).await
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        store(&*self.0, n, turn).await
    }
}

impl Contestant for Sqlite {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "every process sees it; SQLite, WAL and FULL; atomic, compare-and-swap";
    type Got = Got;

    async fn fill(folder: &Path, records: usize) {
        fill(&*Self::open(folder).await.0, records).await;
    }

    async fn open(folder: &Path) -> Self {
        Self(Arc::new(
            SqliteStorage::open(folder.join("tokens.db")).expect("to open"),
        ))
    }

    async fn get(&self, n: usize) -> Got {
        get(&*self.0, n).await
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        store(&*self.0, n, turn).await
    }
}

fn own_key(n: usize) -> TokenKey {
    TokenKey::in_default(key(n))
}

fn data(n: usize, turn: u64) -> TokenData {
    let record = Record::new(n, turn);
    TokenData::new(record.resource_server, record.scope, record.access_token)
        .with_refresh_token(record.refresh_token)
        .with_expires_at(record.expires_at_seconds)
        .with_token_type(record.token_type)
}

async fn fill(storage: &dyn TokenStorage, records: usize) {
    let records: Vec<_> = (0..records).map(|n| (own_key(n), data(n, 0))).collect();
    for chunk in records.chunks(1000) {
        let writes: Vec<Write<'_>> = chunk
            .iter()
            .map(|(key, data)| Write::new(key, data, Precondition::Any))
            .collect();
        storage.store_all(&writes).await.expect("to fill");
    }
}

async fn get(storage: &dyn TokenStorage, n: usize) -> Got {
    let stored = storage.get(&own_key(n)).await.expect("to read");
    Got(stored.expect("a record").data)
}

async fn store(storage: &dyn TokenStorage, n: usize, turn: u64) -> Result<(), Failed> {
    let stored = storage.store(&own_key(n), &data(n, turn), Precondition::Any).await;
    stored.map(|_| ()).map_err(Into::into)
}

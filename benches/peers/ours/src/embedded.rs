//! Embedded key-value databases, called as they are: no thread in between, JSON as the value, one transaction a store.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use peers_contestant::{Contestant, Failed, Record, key};
use redb::{ReadableDatabase as _, TableDefinition};

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

pub(crate) struct Redb(redb::Database);

impl Redb {
    fn put(&self, records: impl Iterator<Item = (usize, u64)>) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (n, turn) in records {
                table.insert(key(n).as_str(), Record::new(n, turn).encode().as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Contestant for Redb {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "one process has it open; raw key-value, called inline";
    type Got = Record;

    async fn fill(folder: &Path, records: usize) {
        let all = (0..records).map(|n| (n, 0));
        Self::open(folder).await.put(all).expect("to fill");
    }

    async fn open(folder: &Path) -> Self {
        Self(redb::Database::create(folder.join("tokens.redb")).expect("to open"))
    }

    async fn get(&self, n: usize) -> Record {
        let transaction = self.0.begin_read().expect("to read");
        let table = transaction.open_table(TABLE).expect("a table");
        let json = table.get(key(n).as_str()).expect("to read").expect("a record");
        Record::decode(json.value())
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        Ok(self.put(std::iter::once((n, turn)))?)
    }
}

pub(crate) struct Fjall {
    database: Database,
    records: Keyspace,
}

impl Contestant for Fjall {
    const BESIDE: &'static str = "sqlite";
    const DURABLE: bool = true;
    const PROMISE: &'static str = "one process has it open; raw key-value, called inline";
    type Got = Record;

    async fn fill(folder: &Path, records: usize) {
        let this = Self::open(folder).await;
        for n in 0..records {
            this.records
                .insert(key(n), Record::new(n, 0).encode())
                .expect("to fill");
        }
        this.database.persist(PersistMode::SyncAll).expect("to fill");
    }

    async fn open(folder: &Path) -> Self {
        let database = Database::builder(folder.join("fjall")).open().expect("to open");
        let records = database
            .keyspace("records", KeyspaceCreateOptions::default)
            .expect("to open");
        Self { database, records }
    }

    async fn get(&self, n: usize) -> Record {
        let json = self.records.get(key(n)).expect("to read").expect("a record");
        Record::decode(&json)
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        self.records.insert(key(n), Record::new(n, turn).encode())?;
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

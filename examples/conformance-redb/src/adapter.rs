//! Our records as texts in one table of a redb database, its keys the two parts of ours.

use std::{path::Path, sync::Arc};

use redb::{ConcurrencyMode, Database, ReadableDatabase as _, ReadableTable, TableDefinition, TableError};
use token_storage_core::{
    Cursor, Durability, Enumerate, Error, ErrorContext as _, ErrorKind, Limits, Operation, Page, Precondition,
    RefreshLease, Result, Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark,
    async_trait, record,
};
use tokio::sync::Mutex;

const RECORDS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("records");
const PAGE: usize = 256;
const LIMITS: Limits = Limits::UNLIMITED
    .with_keys(1024, 1024)
    .with_records(1024 * 1024)
    .with_batches(100, 8 * 1024 * 1024);

/// One open database; clones share it.
#[derive(Clone)]
pub(crate) struct RedbStorage {
    database: Arc<Database>,
    /// A call goes on in a thread when its caller has gone, so the next one waits for it (A7).
    turn: Arc<Mutex<()>>,
    sharing: SharingScope,
}

impl std::fmt::Debug for RedbStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedbStorage")
    }
}

/// A record that is to be written.
struct Change {
    key: TokenKey,
    precondition: Precondition,
    text: String,
}

impl RedbStorage {
    pub(crate) fn open(path: &Path, mode: ConcurrencyMode, sharing: SharingScope) -> Result<Self> {
        let database = Database::builder().set_concurrency_mode(mode).create(path);
        Ok(Self {
            database: Arc::new(database.map_err(failed).during(Operation::Open)?),
            turn: Arc::default(),
            sharing,
        })
    }

    async fn with<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (turn, database) = (Arc::clone(&self.turn).lock_owned().await, Arc::clone(&self.database));
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&database)
        });
        let panicked = |_| Err(Error::new(ErrorKind::Unavailable, "redb has panicked").with_unknown_outcome());
        done.await.unwrap_or_else(panicked).during(operation)
    }

    async fn write(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let operation = Operation::StoreAll;
        let (mut changes, mut revisions) = (Vec::new(), Vec::new());
        for write in writes {
            let mark = WriteMark::random()?;
            revisions.push(record::revision_of(write.data, Some(&mark)));
            changes.push(Change {
                key: write.key.clone(),
                precondition: write.precondition,
                text: record::encode(write.data, &mark).to_string(),
            });
        }
        let sizes: Vec<usize> = changes.iter().map(|change| change.text.len()).collect();
        LIMITS.check_batch(writes, &sizes).during(operation)?;
        self.with(operation, move |database| write_all(database, &changes))
            .await?;
        Ok(revisions)
    }

    async fn all_keys(&self, operation: Operation) -> Result<Vec<TokenKey>> {
        self.with(operation, keys).await
    }
}

fn parts(key: &TokenKey) -> (&str, &str) {
    (key.namespace(), key.resource_server())
}

/// What redb says is not shown: it might quote what is stored.
fn failed(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(_) => Error::new(ErrorKind::Corrupt, "redb finds the database damaged"),
        redb::Error::DatabaseAlreadyOpen => Error::new(ErrorKind::Busy, "the database is open elsewhere"),
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            Error::new(ErrorKind::StorageFull, "there is no room for the database")
        }
        _ => Error::new(ErrorKind::Unavailable, "redb reports an error"),
    }
}

type Records<'a> = &'a dyn Table;

/// A table, open for reading or for writing.
trait Table {
    fn text(&self, key: &TokenKey) -> Result<Option<String>>;
}

impl<T: ReadableTable<(&'static str, &'static str), &'static str>> Table for T {
    fn text(&self, key: &TokenKey) -> Result<Option<String>> {
        let found = self.get(parts(key)).map_err(failed)?;
        Ok(found.map(|text| text.value().to_owned()))
    }
}

fn read(table: Records<'_>, key: &TokenKey) -> Result<Option<StoredToken>> {
    let Some(text) = table.text(key)? else { return Ok(None) };
    let damaged = |_| Error::new(ErrorKind::Corrupt, "the record is damaged").with_key(key);
    let record = record::decode(&text).map_err(damaged)?;
    Ok(Some(StoredToken {
        data: record.data,
        revision: record.revision,
    }))
}

fn check(table: Records<'_>, key: &TokenKey, precondition: Precondition) -> Result<()> {
    if precondition == Precondition::Any {
        return Ok(());
    }
    let current = read(table, key)?.map(|stored| stored.revision);
    if precondition.holds(current) {
        return Ok(());
    }
    Err(Error::precondition_failed(key.clone(), current))
}

fn find(database: &Database, key: &TokenKey) -> Result<Option<StoredToken>> {
    let transaction = database.begin_read().map_err(failed)?;
    match transaction.open_table(RECORDS) {
        Ok(table) => read(&table, key),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// A transaction that is dropped before it is committed has changed nothing.
fn write_all(database: &Database, changes: &[Change]) -> Result<()> {
    let transaction = database.begin_write().map_err(failed)?;
    {
        let mut table = transaction.open_table(RECORDS).map_err(failed)?;
        for change in changes {
            check(&table, &change.key, change.precondition)?;
        }
        for change in changes {
            table.insert(parts(&change.key), change.text.as_str()).map_err(failed)?;
        }
    }
    transaction
        .commit()
        .map_err(|error| failed(error).with_unknown_outcome())
}

fn remove(database: &Database, key: &TokenKey, precondition: Precondition) -> Result<bool> {
    let transaction = database.begin_write().map_err(failed)?;
    let there = {
        let mut table = transaction.open_table(RECORDS).map_err(failed)?;
        check(&table, key, precondition)?;
        table.remove(parts(key)).map_err(failed)?.is_some()
    };
    let committed = transaction.commit();
    committed.map_err(|error| failed(error).with_unknown_outcome())?;
    Ok(there)
}

/// Writes, and does not commit.
fn prove(database: &Database, key: &TokenKey) -> Result<()> {
    let transaction = database.begin_write().map_err(failed)?;
    transaction
        .open_table(RECORDS)
        .map_err(failed)?
        .insert(parts(key), "")
        .map_err(failed)?;
    transaction.abort().map_err(failed)
}

fn keys(database: &Database) -> Result<Vec<TokenKey>> {
    let transaction = database.begin_read().map_err(failed)?;
    let table = match transaction.open_table(RECORDS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut keys = Vec::new();
    for entry in table.iter().map_err(failed)? {
        let (key, _) = entry.map_err(failed)?;
        let (namespace, resource_server) = key.value();
        keys.push(TokenKey::new(namespace, resource_server));
    }
    Ok(keys)
}

#[async_trait]
impl TokenStorage for RedbStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let key = key.clone();
        self.with(Operation::Get, move |database| find(database, &key)).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write(writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let key = key.clone();
        self.with(Operation::Remove, move |database| remove(database, &key, precondition))
            .await
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        let key = key.clone();
        self.with(Operation::Store, move |database| prove(database, &key)).await
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("redb", "records.redb", LIMITS)
            .with_durability(Durability::PowerLoss)
            .with_sharing(self.sharing)
            .with_enumeration()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        None
    }
}

#[async_trait]
impl Enumerate for &RedbStorage {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let keys = self.all_keys(Operation::List).await?;
        let keys = keys.into_iter().filter(|key| key.namespace() == namespace);
        Ok(Page::after(keys, after, PAGE, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let keys = self.all_keys(Operation::List).await?;
        let mut namespaces: Vec<String> = keys.iter().map(|key| key.namespace().to_owned()).collect();
        namespaces.dedup();
        Ok(Page::after(namespaces.into_iter(), after, PAGE, String::as_str))
    }
}

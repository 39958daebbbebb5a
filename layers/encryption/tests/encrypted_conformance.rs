//! C4: the encrypting layer keeps the contract, over memory, over itself, over files of both kinds, and over DynamoDB.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use token_storage_conformance::{FileBacked, Harness, MultiProcess, Suite, main as run};
use token_storage_core::{MemoryStorage, Result, TokenStorage, async_trait};
use token_storage_dynamodb::{DynamoDbStorage, TableOptions};
use token_storage_dynamodb_testing::{client, emulator};
use token_storage_encryption::{Encrypted, Key, KeyRing};
use token_storage_json::JsonStorage;
use token_storage_sqlite::SqliteStorage;

/// The same in every process of the suite.
fn ring() -> KeyRing {
    KeyRing::new(Key::from_bytes(&[7; 32])).with(Key::from_bytes(&[8; 32]))
}

fn sealed<S: TokenStorage + 'static>(storage: S) -> Arc<dyn TokenStorage> {
    Arc::new(Encrypted::new(storage, ring()))
}

/// In memory; `twice`: a layer over the layer, with another key.
struct OverMemory {
    twice: bool,
}

#[async_trait]
impl Harness for OverMemory {
    type Place = MemoryStorage;

    async fn fresh(&self) -> Result<MemoryStorage> {
        Ok(MemoryStorage::new())
    }

    async fn reopen(&self, place: &MemoryStorage) -> Result<Arc<dyn TokenStorage>> {
        if !self.twice {
            return Ok(sealed(place.clone()));
        }
        let inner = Encrypted::new(place.clone(), KeyRing::new(Key::from_bytes(&[9; 32])));
        Ok(sealed(inner))
    }
}

/// In a file of one kind.
struct OverFile {
    name: &'static str,
    open: fn(&Path) -> Result<Arc<dyn TokenStorage>>,
    companions: &'static [&'static str],
}

#[async_trait]
impl Harness for OverFile {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        let place = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(place.path().join("tokens")).expect("a folder");
        Ok(place)
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        (self.open)(&self.file(place))
    }
}

impl FileBacked for OverFile {
    fn file(&self, place: &TempDir) -> PathBuf {
        place.path().join("tokens").join(self.name)
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        (self.open)(path)
    }

    fn companions(&self, place: &TempDir) -> Vec<PathBuf> {
        let beside = |name: &&str| place.path().join("tokens").join(name);
        self.companions.iter().map(beside).collect()
    }
}

#[async_trait]
impl MultiProcess for OverFile {
    fn spec(&self, place: &TempDir) -> String {
        self.file(place).display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        (self.open)(Path::new(spec))
    }
}

struct OverDynamoDb;

/// A table of an emulator, for one case.
struct Table {
    endpoint: String,
    name: String,
}

impl OverDynamoDb {
    fn open(endpoint: &str, table: &str) -> Arc<dyn TokenStorage> {
        let builder = DynamoDbStorage::builder(table).lease_ttl(Duration::from_secs(1));
        sealed(builder.with_client(client(endpoint)))
    }
}

#[async_trait]
impl Harness for OverDynamoDb {
    type Place = Table;

    async fn fresh(&self) -> Result<Table> {
        let table = Table {
            endpoint: emulator().await,
            name: format!("sealed-{}", Key::generate()?.id()),
        };
        let storage = DynamoDbStorage::from_client(client(&table.endpoint), &table.name);
        storage.create_table(&TableOptions::default(), |_| {}).await?;
        Ok(table)
    }

    async fn reopen(&self, table: &Table) -> Result<Arc<dyn TokenStorage>> {
        Ok(Self::open(&table.endpoint, &table.name))
    }
}

#[async_trait]
impl MultiProcess for OverDynamoDb {
    fn spec(&self, table: &Table) -> String {
        format!("{} {}", table.endpoint, table.name)
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        let (endpoint, table) = spec.split_once(' ').expect("made by `spec`");
        Ok(Self::open(endpoint, table))
    }
}

fn main() -> ExitCode {
    let memory = |name, twice| {
        Suite::new(name, OverMemory { twice })
            .enumerates()
            .process_leases()
            .plan()
    };
    let file = |name, harness| {
        let suite = Suite::new(name, harness).enumerates().process_leases();
        suite.durable().files().processes().plan()
    };
    let json = OverFile {
        name: "tokens.json",
        open: |path| Ok(sealed(JsonStorage::open(path)?)),
        companions: &[],
    };
    let sqlite = OverFile {
        name: "tokens.db",
        open: |path| Ok(sealed(SqliteStorage::open(path)?)),
        companions: &["tokens.db-wal", "tokens.db-shm"],
    };
    let dynamodb = Suite::new("encrypted-dynamodb", OverDynamoDb)
        .timed_leases()
        .durable()
        .processes();
    run([
        memory("encrypted-memory", false),
        memory("encrypted-encrypted-memory", true),
        file("encrypted-json", json),
        file("encrypted-sqlite", sqlite),
        dynamodb.plan(),
    ])
}

//! The conformance suite on a database file, in its fast mode, and in memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use tempfile::TempDir;
use token_storage_conformance::{
    FileBacked, Harness, MultiProcess, RecordDamaging, SecondWay, Suite, WriteRefusing, main as run, refuse_writes_in,
};
use token_storage_core::{Result, TokenKey, TokenStorage, async_trait};
use token_storage_sqlite::SqliteStorage;

struct File {
    durable: bool,
}

impl File {
    fn open(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        let builder = SqliteStorage::builder(path);
        let builder = if self.durable { builder } else { builder.without_fsync() };
        Ok(Arc::new(builder.open()?))
    }
}

#[async_trait]
impl Harness for File {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        let place = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(place.path().join("tokens")).expect("a folder");
        Ok(place)
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        self.open(&self.file(place))
    }
}

impl FileBacked for File {
    fn file(&self, place: &TempDir) -> PathBuf {
        place.path().join("tokens/tokens.db")
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        self.open(path)
    }

    fn companions(&self, place: &TempDir) -> Vec<PathBuf> {
        ["tokens/tokens.db-wal", "tokens/tokens.db-shm"]
            .map(|name| place.path().join(name))
            .into()
    }
}

#[async_trait]
impl MultiProcess for File {
    fn spec(&self, place: &TempDir) -> String {
        self.file(place).to_str().expect("a path of UTF-8").to_owned()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        self.open(Path::new(spec))
    }
}

#[async_trait]
impl RecordDamaging for File {
    /// A text, as the column is meant to hold, or what is none as bytes.
    async fn overwrite(&self, place: &TempDir, key: &TokenKey, bytes: &[u8]) -> Result<()> {
        let value = match std::str::from_utf8(bytes) {
            Ok(text) => rusqlite::types::Value::Text(text.to_owned()),
            Err(_) => rusqlite::types::Value::Blob(bytes.to_owned()),
        };
        let database = rusqlite::Connection::open(self.file(place)).expect("a database");
        let changed = database.execute(
            "UPDATE token_storage SET token_data_json = ?3 WHERE namespace = ?1 AND resource_server = ?2",
            (key.namespace(), key.resource_server(), value),
        );
        assert_eq!(changed, Ok(1));
        Ok(())
    }
}

#[async_trait]
impl WriteRefusing for File {
    async fn refuse_writes(&self, place: &TempDir, refuse: bool) -> Result<(), String> {
        // Not the shared memory: readers write to it, too.
        let wal = place.path().join("tokens/tokens.db-wal");
        refuse_writes_in(&place.path().join("tokens"), &[self.file(place), wal], refuse)
    }
}

/// Through a symlink, beside the folder.
const OTHERWISE: &str = "link/../link/./tokens.db";

#[async_trait]
impl SecondWay for File {
    async fn reopen_otherwise(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        // There already, if it is opened more than once.
        let _ = std::os::unix::fs::symlink("tokens", place.path().join("link"));
        self.open(&place.path().join(OTHERWISE))
    }

    fn ways(&self, place: &TempDir) -> [String; 2] {
        [self.file(place), place.path().join(OTHERWISE)].map(|path| path.display().to_string())
    }
}

struct Memory;

#[async_trait]
impl Harness for Memory {
    type Place = SqliteStorage;

    async fn fresh(&self) -> Result<SqliteStorage> {
        SqliteStorage::open_in_memory()
    }

    async fn reopen(&self, place: &SqliteStorage) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(place.clone()))
    }
}

fn main() -> ExitCode {
    let file = |name, durable| {
        let suite = Suite::new(name, File { durable });
        let suite = suite.enumerates().process_leases().durable().files().processes();
        suite.damaged_records().refused_writes().second_way().plan()
    };
    let memory = Suite::new("sqlite-memory", Memory).enumerates().process_leases().plan();
    run([file("sqlite", true), file("sqlite-fast", false), memory])
}

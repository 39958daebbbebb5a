//! The conformance suite on a database file, in its fast mode, and in memory.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use tempfile::TempDir;
use token_storage_conformance::{FileBacked, Harness, MultiProcess, Suite, main as run};
use token_storage_core::{Result, TokenStorage, async_trait};
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
        Ok(tempfile::tempdir().expect("a temporary directory"))
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        self.open(&self.file(place))
    }
}

impl FileBacked for File {
    fn file(&self, place: &TempDir) -> PathBuf {
        place.path().join("tokens.db")
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        self.open(path)
    }

    fn companions(&self, place: &TempDir) -> Vec<PathBuf> {
        ["tokens.db-wal", "tokens.db-shm"]
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
        suite.enumerates().process_leases().durable().files().processes().plan()
    };
    let memory = Suite::new("sqlite-memory", Memory).enumerates().process_leases().plan();
    run([file("sqlite", true), file("sqlite-fast", false), memory])
}

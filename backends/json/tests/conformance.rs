//! `JsonStorage` keeps the contract.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use tempfile::TempDir;
use token_storage_conformance::{FileBacked, Harness, MultiProcess, Suite};
use token_storage_core::{Result, TokenStorage, async_trait};
use token_storage_json::JsonStorage;

struct Json;

fn open(path: &Path) -> Result<Arc<dyn TokenStorage>> {
    Ok(Arc::new(JsonStorage::open(path)?))
}

#[async_trait]
impl Harness for Json {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir().expect("a temporary directory"))
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        open(&self.file(place))
    }
}

impl FileBacked for Json {
    fn file(&self, place: &TempDir) -> PathBuf {
        place.path().join("tokens.json")
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        open(path)
    }
}

#[async_trait]
impl MultiProcess for Json {
    fn spec(&self, place: &TempDir) -> String {
        self.file(place).display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        open(Path::new(spec))
    }
}

fn main() -> ExitCode {
    Suite::new("json", Json)
        .enumerates()
        .process_leases()
        .durable()
        .files()
        .processes()
        .main()
}

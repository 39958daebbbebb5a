//! C4: the validating wrapper keeps the contract, over memory and over JSON, with rules that everything keeps.

use std::{path::Path, process::ExitCode, sync::Arc};

use tempfile::TempDir;
use token_storage::{
    MemoryStorage, Result, TokenData, TokenKey, TokenStorage, async_trait,
    json::JsonStorage,
    validating::{RequiredScopes, Validating, ValidationError, Validator},
};
use token_storage_conformance::{Harness, MultiProcess, Suite, main as run};

/// A rule that everything keeps.
#[derive(Debug)]
struct Anything;

impl Validator for Anything {
    fn before_store(&self, _: &TokenKey, _: &TokenData) -> Result<(), ValidationError> {
        Ok(())
    }

    fn after_get(&self, _: &TokenKey, _: &TokenData) -> Result<(), ValidationError> {
        Ok(())
    }
}

fn wrapped<S: TokenStorage + 'static>(storage: S) -> Arc<dyn TokenStorage> {
    // Wrapper over wrapper, too.
    let inner = Validating::new(storage).with(RequiredScopes::new());
    Arc::new(Validating::new(inner).with(Anything))
}

struct OverMemory;

#[async_trait]
impl Harness for OverMemory {
    type Place = MemoryStorage;

    async fn fresh(&self) -> Result<MemoryStorage> {
        Ok(MemoryStorage::new())
    }

    async fn reopen(&self, place: &MemoryStorage) -> Result<Arc<dyn TokenStorage>> {
        Ok(wrapped(place.clone()))
    }
}

struct OverJson;

fn open(path: &Path) -> Result<Arc<dyn TokenStorage>> {
    Ok(wrapped(JsonStorage::open(path)?))
}

#[async_trait]
impl Harness for OverJson {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir().expect("a temporary directory"))
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        open(&place.path().join("tokens.json"))
    }
}

#[async_trait]
impl MultiProcess for OverJson {
    fn spec(&self, place: &TempDir) -> String {
        place.path().join("tokens.json").display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        open(Path::new(spec))
    }
}

fn main() -> ExitCode {
    let memory = Suite::new("validating-memory", OverMemory)
        .enumerates()
        .process_leases();
    let json = Suite::new("validating-json", OverJson)
        .enumerates()
        .process_leases()
        .durable()
        .processes();
    run([memory.plan(), json.plan()])
}

//! Runs the suite over a database of redb, in two ways; see docs/conformance-findings.md.
//!
//! `cargo run --manifest-path examples/conformance-redb/Cargo.toml -- [--json FOLDER]`

mod adapter;
#[path = "../../conformance-yup-oauth2/src/report.rs"]
mod report;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use adapter::RedbStorage;
use redb::ConcurrencyMode;
use tempfile::TempDir;
use token_storage_conformance::{Harness, MultiProcess, Plan, Suite};
use token_storage_core::{Result, SharingScope, TokenStorage, async_trait};

/// The database is opened once, shared by the whole program, and excludes all others: how redb opens without being told more.
struct Exclusive;

/// A folder, and the handle that the suite has open, if it has one. It is weak, as handles that are closed close the database.
struct Opened {
    folder: TempDir,
    shared: Mutex<std::sync::Weak<RedbStorage>>,
}

#[async_trait]
impl Harness for Exclusive {
    type Place = Opened;

    async fn fresh(&self) -> Result<Opened> {
        Ok(Opened {
            folder: folder(),
            shared: Mutex::default(),
        })
    }

    async fn reopen(&self, place: &Opened) -> Result<Arc<dyn TokenStorage>> {
        let mut shared = place.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = shared.upgrade() {
            return Ok(open);
        }
        let file = place.folder.path().join("records.redb");
        let open = RedbStorage::open(&file, ConcurrencyMode::ExclusiveWriter, SharingScope::Process)?;
        let open = Arc::new(open);
        *shared = Arc::downgrade(&open);
        Ok(open)
    }
}

/// Each handle opens the database, in any number of processes.
struct MultiWriter;

impl MultiWriter {
    fn file(place: &TempDir) -> PathBuf {
        place.path().join("records.redb")
    }
}

#[async_trait]
impl Harness for MultiWriter {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(folder())
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        self.open_spec(&self.spec(place)).await
    }
}

#[async_trait]
impl MultiProcess for MultiWriter {
    fn spec(&self, place: &TempDir) -> String {
        Self::file(place).display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        let open = RedbStorage::open(spec.as_ref(), ConcurrencyMode::MultiWriter, SharingScope::Host)?;
        Ok(Arc::new(open))
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn plans() -> [Plan; 2] {
    [
        Suite::new("exclusive", Exclusive).enumerates().durable().plan(),
        Suite::new("multi-writer", MultiWriter)
            .enumerates()
            .durable()
            .processes()
            .plan(),
    ]
}

fn main() -> ExitCode {
    report::run(&plans())
}

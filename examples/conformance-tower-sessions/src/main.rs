//! Runs the suite over a session store of tower-sessions, in three ways; see docs/conformance-findings.md.
//!
//! `cargo run --manifest-path examples/conformance-tower-sessions/Cargo.toml -- [--json FOLDER]`

mod adapter;
#[path = "../../conformance-yup-oauth2/src/report.rs"]
mod report;

// Only for its features.
use rusqlite as _;
use std::{process::ExitCode, sync::Arc};

use adapter::SessionStorage;
use tempfile::TempDir;
use token_storage_conformance::{Harness, MultiProcess, Plan, Suite};
use token_storage_core::{Durability, Result, SharingScope, TokenStorage, async_trait};

/// One store, shared by the whole program: what its documentation shows.
struct OneHandle;

#[async_trait]
impl Harness for OneHandle {
    type Place = (TempDir, SessionStorage);

    async fn fresh(&self) -> Result<Self::Place> {
        let folder = folder();
        let file = folder.path().join("sessions.sqlite");
        let storage = SessionStorage::open(&file, Durability::Volatile, SharingScope::Handle).await?;
        Ok((folder, storage))
    }

    async fn reopen(&self, (_, storage): &Self::Place) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(storage.clone()))
    }
}

/// A connection and a store for each handle: of another part of the program, of a later or another process.
struct Reopened(SharingScope);

#[async_trait]
impl Harness for Reopened {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(folder())
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        self.open_spec(&self.spec(place)).await
    }
}

#[async_trait]
impl MultiProcess for Reopened {
    fn spec(&self, place: &TempDir) -> String {
        place.path().join("sessions.sqlite").display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        let storage = SessionStorage::open(spec.as_ref(), Durability::PowerLoss, self.0).await?;
        Ok(Arc::new(storage))
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn plans() -> [Plan; 3] {
    let reopened = Suite::new("reopened", Reopened(SharingScope::Process)).durable();
    let processes = Suite::new("processes", Reopened(SharingScope::Host))
        .durable()
        .processes();
    [
        Suite::new("one-handle", OneHandle).plan(),
        reopened.plan(),
        processes.plan(),
    ]
}

fn main() -> ExitCode {
    report::run(&plans())
}

//! Runs the suite over the file storage of yup-oauth2, in three ways; see docs/conformance-findings.md.
//!
//! `cargo run --manifest-path examples/conformance-yup-oauth2/Cargo.toml -- [--json FOLDER]`

mod adapter;
mod endpoint;
mod report;

use std::{process::ExitCode, sync::Arc};

use adapter::YupStorage;
use tempfile::TempDir;
use token_storage_conformance::{Harness, MultiProcess, Plan, Suite};
use token_storage_core::{Durability, Result, SharingScope, TokenStorage, async_trait};

/// One authenticator, shared by the whole program: what its documentation shows.
struct OneHandle;

#[async_trait]
impl Harness for OneHandle {
    type Place = (TempDir, YupStorage);

    async fn fresh(&self) -> Result<Self::Place> {
        let folder = folder();
        let storage = YupStorage::open(folder.path(), Durability::Volatile, SharingScope::Handle).await?;
        Ok((folder, storage))
    }

    async fn reopen(&self, (_, storage): &Self::Place) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(storage.clone()))
    }
}

/// The file is opened again for each handle: by another part of the program, by a later or another process.
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
        place.path().display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        let storage = YupStorage::open(spec.as_ref(), Durability::Process, self.0).await?;
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

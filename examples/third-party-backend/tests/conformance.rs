//! `FolderStorage` keeps the contract.

use std::{process::ExitCode, sync::Arc};

use tempfile::TempDir;
use token_storage_conformance::{Harness, MultiProcess, Suite};
use token_storage_core::{Result, TokenStorage, async_trait};
use token_storage_folder::FolderStorage;

struct Folder;

#[async_trait]
impl Harness for Folder {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir().expect("a temporary directory"))
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        self.open_spec(&self.spec(place)).await
    }
}

#[async_trait]
impl MultiProcess for Folder {
    fn spec(&self, place: &TempDir) -> String {
        place.path().join("tokens").display().to_string()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(FolderStorage::open(spec)?))
    }
}

fn main() -> ExitCode {
    Suite::new("folder", Folder)
        .enumerates()
        .process_leases()
        .durable()
        .processes()
        .main()
}

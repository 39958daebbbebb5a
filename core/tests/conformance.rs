//! `MemoryStorage` keeps the contract.

use std::{process::ExitCode, sync::Arc};

use token_storage_conformance::{Harness, Suite};
use token_storage_core::{MemoryStorage, Result, TokenStorage, async_trait};

struct Memory;

#[async_trait]
impl Harness for Memory {
    type Place = MemoryStorage;

    async fn fresh(&self) -> Result<MemoryStorage> {
        Ok(MemoryStorage::new())
    }

    async fn reopen(&self, place: &MemoryStorage) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(place.clone()))
    }
}

fn main() -> ExitCode {
    Suite::new("memory", Memory).enumerates().process_leases().main()
}

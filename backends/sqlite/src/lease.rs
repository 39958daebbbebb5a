//! The right to redeem a refresh token.

use std::sync::Arc;

use token_storage_core::{RefreshLease, Result, TokenKey, TokenStorage, async_trait};
use token_storage_files::{FileLease, ProveWritable};

use crate::{SqliteStorage, storage::Inner, work::Work};

/// Leases are locks on files beside the database. Not rows in it: a row would outlive its holder's process.
pub(crate) fn of(storage: &SqliteStorage) -> Option<Box<dyn RefreshLease + '_>> {
    match &storage.0 {
        Inner::File(handle) => Some(Box::new(FileLease::new(
            handle.file.place.path(),
            Arc::new(storage.clone()),
        ))),
        Inner::Memory(memory) => memory.leases.lease(),
    }
}

/// Commits to a table of our own, with all that a store does: the lock, the log, the fsync.
#[async_trait]
impl ProveWritable for SqliteStorage {
    async fn prove_writable(&self, _key: &TokenKey) -> Result<()> {
        self.work(Work::Prove).await.map(drop)
    }
}

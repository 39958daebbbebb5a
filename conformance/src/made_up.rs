//! A storage for tests of the suite's own rules: memory that says what it is told of its leases, and is as slow as it is told.

use std::{sync::Arc, time::Duration};

use token_storage_core::{
    LeaseKind, MemoryStorage, Result, Revision, StorageInfo, TokenStorage, Write, async_trait, backend::forward,
};

use crate::Harness;

/// The storage, its place and its harness in one.
#[derive(Clone, Debug)]
pub(crate) struct MadeUp {
    base: MemoryStorage,
    leases: LeaseKind,
    /// How long a write waits.
    slow: Duration,
}

impl MadeUp {
    pub(crate) fn with_leases(leases: LeaseKind) -> Self {
        Self {
            base: MemoryStorage::new(),
            leases,
            slow: Duration::ZERO,
        }
    }

    pub(crate) fn slow(slow: Duration) -> Self {
        Self {
            slow,
            ..Self::with_leases(LeaseKind::Process)
        }
    }
}

#[async_trait]
impl Harness for MadeUp {
    type Place = Self;

    async fn fresh(&self) -> Result<Self> {
        let base = MemoryStorage::new();
        Ok(Self { base, ..self.clone() })
    }

    async fn reopen(&self, place: &Self) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(place.clone()))
    }
}

#[async_trait]
impl TokenStorage for MadeUp {
    forward!(self.base => get, remove, prove_writable, enumerate, lease);

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        tokio::time::sleep(self.slow).await;
        self.base.store_all(writes).await
    }

    fn describe(&self) -> StorageInfo {
        self.base.describe().with_lease(self.leases)
    }
}

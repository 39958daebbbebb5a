//! A storage that tells when its user has seen what is stored.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use token_storage_core::{
    Enumerate, Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey,
    TokenStorage, Write, async_trait,
};
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Watched {
    inner: Arc<dyn TokenStorage>,
    seen: Arc<Notify>,
}

impl Watched {
    /// The second is notified once a record has been read, or the lease is gone for.
    pub(super) fn new(inner: Arc<dyn TokenStorage>) -> (Arc<Self>, Arc<Notify>) {
        let seen = Arc::new(Notify::new());
        let watched = Self {
            inner,
            seen: Arc::clone(&seen),
        };
        (Arc::new(watched), seen)
    }
}

#[async_trait]
impl TokenStorage for Watched {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let answer = self.inner.get(key).await;
        self.seen.notify_one();
        answer
    }

    async fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.inner.store(key, data, precondition).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.inner.store_all(writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.inner.remove(key, precondition).await
    }

    fn describe(&self) -> StorageInfo {
        self.inner.describe()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        self.inner.enumerate()
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        self.seen.notify_one();
        self.inner.lease()
    }
}
